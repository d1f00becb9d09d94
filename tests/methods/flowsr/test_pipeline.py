"""The rectified flow as people use it: exact in tiles, its network, its steps, its colours, its commands."""

from __future__ import annotations

import json

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F
from typer.testing import CliRunner

from srcli.cli.app import app
from srcli.geometry import Size, TargetError, Window
from srcli.methods.flowsr import colour
from srcli.methods.flowsr.model import FlowsrModel
from srcli.methods.registry import build
from srcli.resampling import enlarged, mirrored
from srcli.tiling.model import Sampling
from srcli.training import recipe
from srcli.training.inference import whole
from srcli.upscaler import check
from srcli.weights import manifest, store
from tests.methods.flowsr.steps import SMALL, small
from tests.support.places import EXAMPLES
from tests.support.tiles import in_tiles

RUNNER = CliRunner()
MODEL = FlowsrModel(small())


# --- exact tiles ---


@pytest.mark.parametrize(
    ("low", "scale", "tile"),
    [
        ((120, 90), (4.0, 4.0), (200, 170)),
        ((211, 307), (2.6, 2.1), (333, 129)),
        ((577, 601), (1.0, 1.0), (250, 601)),
        ((57, 133), (8.0, 5.1), (160, 1000)),
        ((3, 900), (3.0, 1.0), (16, 64)),
        ((1, 1), (8.0, 8.0), (16, 16)),
    ],
)
@pytest.mark.parametrize(
    "sampling",
    [Sampling(), Sampling(steps=3), Sampling(detail=0.3, colour="wavelet"), Sampling(steps=2, colour="adain")],
)
def test_tiled_equals_whole_to_the_bit(low, scale, tile, sampling):
    size = Size(*(round(n * s) for n, s in zip(low, scale, strict=True)))
    lr = torch.rand(1, 3, *low, generator=torch.Generator().manual_seed(low[0]))
    with torch.inference_mode():
        all_of_it = MODEL.decode(MODEL.encode(lr, size), Window.whole(size), size, sampling).picture
        assert torch.equal(in_tiles(MODEL, lr, size, Size(*tile), sampling), all_of_it)
    assert all_of_it.shape == (1, 3, size.height, size.width)
    assert torch.isfinite(all_of_it).all()


@pytest.mark.parametrize("tile", [(200, 170), (64, 480)])
def test_without_levels_too_tiles_are_the_whole(tile):
    model, lr, size = FlowsrModel(small(coarse=0, thin=0)), torch.rand(1, 3, 120, 90), Size(480, 331)
    with torch.inference_mode():
        all_of_it = model.decode(model.encode(lr, size), Window.whole(size), size, Sampling()).picture
        assert torch.equal(in_tiles(model, lr, size, Size(*tile), Sampling()), all_of_it)


@pytest.mark.parametrize("parameters", [{}, {"coarse": 0, "thin": 0}])
def test_radius_is_what_the_network_sees(parameters):
    network, (y, x) = small(**parameters).double(), (200, 203)
    image, t = torch.zeros(1, 3, 400, 400).double(), torch.ones(1).double()
    moved = image.clone()
    moved[..., y, x] = 1
    change = (network(moved, t) - network(image, t)).abs().amax((0, 1)) > 0
    rows, cols = (change.any(d).nonzero().flatten() for d in (1, 0))
    reach = max(y - rows.min(), rows.max() - y, x - cols.min(), cols.max() - x)
    # What reaches it from the other side: at most one position of the coarse grid less.
    assert network.radius - 2 * network.align <= reach <= network.radius


def test_network_says_what_it_takes():
    with pytest.raises(ValueError, match="multiples of 8"):
        small()(torch.zeros(1, 3, 12, 16), torch.ones(1))
    with pytest.raises(ValueError, match="enlarged picture"):
        small()(torch.zeros(1, 3, 16, 16), torch.ones(1), lr=torch.zeros(1, 3, 16, 16))
    conditioned = small(conditioned=True)
    assert conditioned(torch.zeros(1, 3, 16, 16), torch.ones(1), lr=torch.ones(1, 3, 16, 16)).shape == (1, 3, 16, 16)
    with pytest.raises(ValueError, match="no second input"):
        FlowsrModel(conditioned)


def test_default_network_fits_the_package():
    network = build(recipe.load("flowsr").architecture)
    assert sum(p.numel() for p in network.parameters()) * 2 < 8e6
    assert recipe.load("flowsr").architecture == recipe.load("flowsr-base").architecture


# --- times ---


def test_second_time_and_detail_add_nothing_at_the_velocity_and_at_full_detail():
    network, x, t = small(), torch.randn(2, 3, 32, 32), torch.tensor([0.3, 0.9])
    plain = network(x, t)
    assert torch.equal(network(x, t, s=t, detail=torch.ones(2)), plain)
    assert not torch.allclose(network(x, t, s=t - 0.2), plain)
    assert not torch.allclose(network(x, t, detail=torch.zeros(2)), plain)
    torch.manual_seed(0)
    fresh = build(SMALL)
    nn.init.normal_(fresh.out.weight)  # else it is zero whatever the times are
    assert torch.equal(fresh(x, t, s=t - 0.2, detail=torch.zeros(2)), fresh(x, t))


def test_one_picture_is_computed_as_in_a_batch():
    network, x, t = small(), torch.randn(3, 3, 40, 48), torch.tensor([0.2, 0.6, 1.0])
    together = network(x, t)
    for i in range(3):  # alone, gain and shift are folded into the convolution
        torch.testing.assert_close(network(x[i : i + 1], t[i : i + 1]), together[i : i + 1], atol=1e-5, rtol=1e-4)


def test_fresh_network_leaves_the_enlarged_picture():
    lr, size = torch.rand(1, 3, 20, 31), Size(50, 77)
    made = whole(FlowsrModel(build(SMALL).eval()), lr, size, Sampling(steps=2))
    torch.testing.assert_close(made, enlarged(lr, Window(0, 0, 50, 77), Size(50, 77)), atol=1e-5, rtol=0)


class Linear(nn.Module):
    """v(x, t) = rate * x + t, everywhere alike."""

    conditioned, radius, align = False, 9, 8

    def forward(self, x, t, s=None, detail=None, lr=None):
        return 0.5 * x + t


@pytest.mark.parametrize("steps", [1, 2, 4])
def test_steps_are_those_of_euler_from_one_to_zero(steps):
    lr, size = torch.rand(1, 3, 24, 24), Size(48, 48)
    x = enlarged(lr, Window(0, 0, 48, 48), Size(48, 48)) * 2 - 1
    for k in range(steps):
        x = x - (0.5 * x + (1 - k / steps)) / steps
    model = FlowsrModel(Linear())  # type: ignore[arg-type]
    made = model.decode(model.encode(lr, size), Window.whole(size), size, Sampling(steps=steps)).picture
    torch.testing.assert_close(made, x * 0.5 + 0.5, atol=1e-5, rtol=0)


def test_sampling_is_checked():
    for bad in (Sampling(steps=0), Sampling(steps=1000), Sampling(colour="sepia")):
        with pytest.raises(TargetError):
            check(bad)
    assert check(Sampling(steps=4, colour="wavelet")).steps == 4


# --- enlarging and colour ---


@pytest.mark.parametrize("size", [(41, 37), (80, 80), (20, 20), (160, 133)])
def test_enlarging_is_bicubic(size):
    image = torch.rand(1, 3, 20, 20)
    ours, torchs = (
        enlarged(image, Window(0, 0, *size), Size(*size)),
        F.interpolate(image, size, mode="bicubic", antialias=True),
    )
    inside = [slice(3 * n // 20 + 1, n - 3 * n // 20 - 1) for n in size]  # borders are a matter of taste
    torch.testing.assert_close(ours[..., inside[0], inside[1]], torchs[..., inside[0], inside[1]], atol=1e-4, rtol=0)
    torch.testing.assert_close(
        enlarged(torch.ones(1, 3, 5, 1), Window(0, 0, *size), Size(*size)), torch.ones(1, 3, *size)
    )


def test_mirror_repeats_the_ends():
    assert mirrored(torch.arange(-5, 9), 3).tolist() == [1, 2, 2, 1, 0, 0, 1, 2, 2, 1, 0, 0, 1, 2]
    assert mirrored(torch.arange(-3, 4), 1).tolist() == [0] * 7


def test_wavelet_is_the_published_one():
    image, reference = torch.rand(2, 1, 3, 50, 71)

    def published(x: Tensor) -> Tensor:
        kernel = torch.tensor([1.0, 2.0, 1.0])
        kernel = (kernel[:, None] * kernel / 16).expand(3, 1, 3, 3)
        for radius in (1, 2, 4, 8, 16):
            x = F.conv2d(F.pad(x, (radius,) * 4, mode="replicate"), kernel, groups=3, dilation=radius)
        return x

    torch.testing.assert_close(colour.low(image), published(image), atol=1e-5, rtol=0)
    fixed = colour.wavelet(image, reference)
    torch.testing.assert_close(fixed, image - published(image) + published(reference), atol=1e-5, rtol=0)
    assert torch.equal(colour.low(torch.full((1, 3, 9, 9), 0.25)), torch.full((1, 3, 9, 9), 0.25))


def test_adain_takes_mean_and_spread():
    image, reference = torch.rand(1, 3, 40, 50) * 0.5, torch.rand(1, 3, 30, 20) * 0.2 + 0.6
    fixed = colour.tint(image, reference)(image)
    torch.testing.assert_close(fixed.mean((2, 3)), reference.mean((2, 3)))
    torch.testing.assert_close(fixed.std((2, 3)), reference.std((2, 3)), rtol=1e-3, atol=1e-4)
    one = colour.tint(torch.rand(1, 3, 1, 1), torch.full((1, 3, 1, 1), 0.3))
    assert torch.isfinite(one(torch.rand(1, 3, 2, 2))).all()


@pytest.mark.parametrize("fix", ["wavelet", "adain"])
def test_fixes_bring_a_colour_back(fix):
    class Yellow(Linear):
        def forward(self, x, t, s=None, detail=None, lr=None):
            return x.new_tensor([-0.2, -0.2, 0.4]).view(1, 3, 1, 1).expand_as(x)

    lr, size = torch.rand(1, 3, 30, 30) * 0.4 + 0.3, Size(90, 90)
    model = FlowsrModel(Yellow())  # type: ignore[arg-type]
    shifted, fixed = (whole(model, lr, size, Sampling(colour=c)) for c in (None, fix))
    original = lr.mean((2, 3))
    assert (shifted.mean((2, 3)) - original).abs().max() > 0.15
    assert (fixed.mean((2, 3)) - original).abs().max() < 0.02


# --- the commands ---


@pytest.fixture
def installed(tmp_path, monkeypatch) -> str:
    """The name of a tiny rectified flow among the embedded models."""
    file = tmp_path / "tiny.safetensors"
    state = {k: v.contiguous() for k, v in small().state_dict().items()}
    save_file(state, file, {"architecture": json.dumps(SMALL)})
    part = manifest.Part("velocity", file.name, bytes=file.stat().st_size, sha256=store.sha256(file))
    entry = manifest.Entry(
        name="tiny",
        aliases=(),
        purpose="tests",
        pipeline="flowsr",
        scales=(1.0, 8.0),
        paper="none",
        licence="none",
        commercial=True,
        parts={"velocity": part},
    )
    found = manifest.Manifest("tiny", {"tiny": entry})
    monkeypatch.setattr(manifest, "load", lambda: found)
    monkeypatch.setattr(store, "EMBEDDED", tmp_path)
    return entry.name


def test_upscale_takes_steps_and_colour_and_tiles_change_nothing(installed, tmp_path, monkeypatch):
    monkeypatch.setattr("srcli.tiling.strips.LIMIT", 100.0)  # random weights do not show what went in

    def made(name: str, *options: object) -> bytes:
        arguments = [EXAMPLES / "cat.png", "-s", 2.5, "-n", installed, "--precision", "fp32", "-o", tmp_path / name]
        result = RUNNER.invoke(app, ["upscale", *[str(a) for a in (*arguments, *options)]])
        assert (result.exit_code, result.stderr) == (0, ""), result.output
        return Image.open(tmp_path / name).tobytes()

    one, two = made("one.png"), made("two.png", "--steps", 2, "--colour", "wavelet")
    assert made("tiled.png", "--steps", 2, "--colour", "wavelet", "--tile", 160) == two
    assert len({one, two, made("four.png", "--steps", 4), made("faithful.png", "--detail", 0)}) == 4
    result = RUNNER.invoke(app, ["upscale", str(EXAMPLES / "cat.png"), "-n", installed, "--steps", "0"])
    assert (result.exit_code, "steps go from 1" in result.stderr) == (2, True)


def test_bench_scores_steps_on_degraded_photos(installed, tmp_path):
    options = ["--data", EXAMPLES, "--scale", 4, "--degradation", "moderate", "--steps", "1,2", "--metrics", "psnr_y"]
    result = RUNNER.invoke(app, ["bench", *[str(a) for a in options], "--models", f"bicubic,{installed}", "--json"])
    assert result.exit_code == 0, result.output
    rows = {row["variant"]: row["psnr_y"] for row in map(json.loads, result.stdout.splitlines())}
    assert list(rows) == ["bicubic", "tiny steps 1", "tiny steps 2"]
    assert len(set(rows.values())) == 3
