"""The flow map as people use it: exact in tiles, steps as jumps, the LoRA as a dial, clean borders."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F
from typer.testing import CliRunner

from srcli import runtime
from srcli.geometry import Size, Window
from srcli.images.layout import Layout
from srcli.images.read import from_pil
from srcli.methods.flowmap.lora import Lora, merged
from srcli.methods.flowmap.model import FlowmapModel
from srcli.methods.registry import assemble, build
from srcli.resampling import enlarged
from srcli.tiling.model import Sampling
from srcli.tiling.planes import Planes
from srcli.tiling.strips import Engine, Job
from srcli.training import recipe
from srcli.training.inference import whole
from tests.methods.flowmap.models import CHANGE, MODEL, change, small
from tests.methods.flowmap.steps import SMALL
from tests.methods.flowsr.steps import awake
from tests.support.tiles import in_tiles

RUNNER = CliRunner()


def picture(height: int, width: int) -> Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(height))


# --- exact tiles ---


@pytest.mark.parametrize(
    ("low", "scale", "tile"),
    [((90, 120), (4.0, 4.0), (200, 170)), ((211, 157), (2.6, 2.1), (333, 129)), ((57, 83), (8.0, 5.1), (160, 1000))],
)
@pytest.mark.parametrize(
    "sampling", [Sampling(steps=1), Sampling(steps=2, detail=0), Sampling(steps=4, detail=2, colour="wavelet")]
)
def test_tiled_equals_whole_to_the_bit(low, scale, tile, sampling):
    size = Size(*(round(n * s) for n, s in zip(low, scale, strict=True)))
    lr = picture(*low)
    with torch.inference_mode():
        all_of_it = MODEL.decode(MODEL.encode(lr, size), Window.whole(size), size, sampling).picture
        assert torch.equal(in_tiles(MODEL, lr, size, Size(*tile), sampling), all_of_it)
    assert torch.isfinite(all_of_it).all()


BLOCK = 64


def sharpness(image: Tensor) -> Tensor:
    """Energy of differences in blocks of 64 pixels, relative to the median of the inner ones: (rows, columns)."""
    both = image[..., 1:, :].diff(dim=-1).square() + image[..., 1:].diff(dim=-2).square()
    energy = F.avg_pool2d(both.mean(1, keepdim=True), BLOCK, ceil_mode=True)[0, 0]
    return energy / energy[2:-2, 2:-2].median()


def test_no_blurred_rectangles_near_the_border_above_1024_pixels():
    # What the published system shows: zones near the border, of a tile's size, that are less sharp than the rest.
    lr, size = picture(304, 336), Size(1216, 1344)
    with torch.inference_mode():
        made = in_tiles(MODEL, lr, size, Size(512, 512), Sampling(steps=2))
    assert (made - enlarged(lr, Window.whole(size), size)).abs().mean() > 0.02  # the network does something
    shares = sharpness(made)
    assert shares.min() > 0.8
    ring = torch.cat([shares[0], shares[-1], shares[:, 0], shares[:, -1]])
    assert (ring - 1).abs().max() < 0.15
    made = made.clone()
    zone = made[..., -256:, -320:]  # a light blur there would be seen
    zone.copy_(F.avg_pool2d(F.pad(zone, (1, 1, 1, 1), mode="replicate"), 3, stride=1))
    assert sharpness(made)[-4:, -5:].max() < 0.8


@pytest.mark.parametrize(
    "sampling", [Sampling(steps=1), Sampling(steps=4), Sampling(steps=2, colour="wavelet")], ids=str
)
def test_memory_is_told_by_the_area_of_the_first_step(sampling, monkeypatch):
    size, window, seen = Size(1200, 1400), Window(500, 600, 96, 128), []
    network, make = small(), FlowmapModel.velocity

    def watched(self, x, *rest):
        seen.append(x.shape[-2] * x.shape[-1])
        return make(self, x, *rest)

    monkeypatch.setattr(FlowmapModel, "velocity", watched)
    model = FlowmapModel(network)
    with torch.inference_mode():
        model.decode(model.encode(picture(60, 70), size), window, size, sampling)
    assert len(seen) == sampling.steps
    whole_size = Size(100, 100)
    canvas = model._canvas(whole_size)  # no step is larger than all of it
    a_pixel = model.decode_bytes(Window.whole(whole_size), whole_size, sampling) / (canvas.height * canvas.width)
    assert seen[0] <= model.decode_bytes(window, size, sampling) / a_pixel <= 1.3 * seen[0]


def test_tiles_are_not_tiny_where_their_surroundings_fill_the_budget():
    layout = replace(Layout.of(from_pil(Image.new("RGB", (1000, 1000)))), size=Size(2000, 2000))

    def tile_of(steps: int, budget: int) -> Window:
        engine = Engine(MODEL, runtime.choose("cpu", "fp32"), "tiny", 0, budget)
        planes = Planes.of(np.zeros((1000, 1000, 3), np.float32), Sampling(steps=steps), torch.device("cpu"))
        return Window.whole(
            Job(
                engine,
                layout=layout,
                size=layout.size,
                shown=Window.whole(layout.size),
                colour=planes,
                alpha=None,
                opacity=1.0,
                advance=lambda pixels: None,
            )._tile()
        )

    def cost(window: Window, steps: int) -> int:
        return MODEL.decode_bytes(window, layout.size, Sampling(steps=steps))

    budget = 30_000_000
    least = Window(0, 0, 64, 64)
    assert cost(least, 1) < budget / 2
    assert cost(tile_of(1, budget), 1) <= budget
    assert cost(least, 8) > budget
    assert tile_of(8, budget).height > 64
    assert cost(tile_of(8, budget), 8) <= cost(least, 8) + budget / 2
    assert tile_of(8, 2**20).height < tile_of(8, budget).height  # where memory ran out they still become smaller


# --- steps ---


class Jumping(nn.Module):
    """v(x, t, s) = 0.5 x + t - 3 s, everywhere alike."""

    conditioned, radius, align, noise = False, 9, 8, 0.0

    def forward(self, x, t, s=None, detail=None, lr=None, quality=None):
        assert detail is None
        assert quality is None  # what is wanted
        return 0.5 * x + t - 3 * s


@pytest.mark.parametrize("steps", [1, 2, 4])
def test_steps_are_jumps_from_one_time_to_the_next(steps):
    lr, size = picture(24, 24), Size(48, 48)
    x = enlarged(lr, Window(0, 0, 48, 48), Size(48, 48)) * 2 - 1
    for k in range(steps):
        t, s = 1 - k / steps, 1 - (k + 1) / steps
        x = x - (0.5 * x + t - 3 * s) * (t - s)
    made = whole(FlowmapModel(Jumping()), lr, size, Sampling(steps=steps))  # type: ignore[arg-type]
    torch.testing.assert_close(made, x * 0.5 + 0.5, atol=2e-2, rtol=0)  # `whole` runs at the machine's precision


def test_one_two_and_four_steps_differ():
    lr, size = picture(40, 40), Size(160, 160)
    made = [whole(MODEL, lr, size, Sampling(steps=n)) for n in (1, 2, 4)]
    for a, b in ((0, 1), (1, 2), (0, 2)):
        assert (made[a] - made[b]).abs().mean() > 1e-3


def test_noise_at_the_start_is_a_function_of_seed_and_place():
    torch.manual_seed(0)
    model = FlowmapModel(awake(build(SMALL | {"noise": 0.1})))  # type: ignore[arg-type]
    assert (model.default_temperature, MODEL.default_temperature) == (1.0, 0.0)
    lr, size = picture(110, 90), Size(275, 225)
    with torch.inference_mode():
        made = [in_tiles(model, lr, size, Size(n, n), Sampling(steps=2)) for n in (275, 130)]
        assert torch.equal(*made)
        still, other = (in_tiles(model, lr, size, size, s) for s in (Sampling(temperature=0), Sampling(seed=1)))
        assert torch.equal(still, in_tiles(model, lr, size, size, Sampling(temperature=0, seed=5)))
        again = in_tiles(model, lr, size, size, Sampling(seed=1))
    assert torch.equal(other, again)
    assert 0.02 < (other - still).std() < 0.2


# --- the dial ---


def test_detail_is_the_factor_of_the_change():
    lr, size = picture(30, 30), Size(60, 60)
    with torch.inference_mode():
        for factor in (0.0, 0.5, 1.0, 2.0):
            by_hand = FlowmapModel(merged(small(), change(), factor))
            expected = by_hand.decode(by_hand.encode(lr, size), Window.whole(size), size, Sampling()).picture
            made = MODEL.decode(MODEL.encode(lr, size), Window.whole(size), size, Sampling(detail=factor)).picture
            torch.testing.assert_close(made, expected)


def test_merged_weights_are_w_plus_k_b_a():
    network, lora = small(), change()
    made = merged(network, lora, 1.5)
    kernel = lora.get_parameter("coarse-0-first-up") @ lora.get_parameter("coarse-0-first-down")
    expected = network.coarse[0].first.weight + 1.5 * kernel.view(24, 24, 3, 3)
    torch.testing.assert_close(made.coarse[0].first.weight, expected)
    assert torch.linalg.matrix_rank(made.coarse[0].first.weight.flatten(1) - expected.flatten(1) + kernel) <= 2
    changed = {name for name, p in made.named_parameters() if not torch.equal(p, network.get_parameter(name))}
    layers = {f"{n}.weight" for n, m in network.named_modules() if isinstance(m, (nn.Conv2d, nn.Linear))}
    assert changed == layers
    assert torch.equal(network.head.weight, small().head.weight)  # the network itself stays


def test_a_fresh_change_changes_nothing_and_must_fit():
    torch.manual_seed(2)
    fresh = build(CHANGE)
    assert isinstance(fresh, Lora)
    network = small()
    assert all(torch.equal(w, network.get_parameter(n)) for n, w in fresh.changed(network, 2.0).items())
    with pytest.raises(ValueError, match="another architecture"):
        FlowmapModel(build(SMALL | {"width": 8}), fresh)  # type: ignore[arg-type]


def test_weights_and_change_fit_the_package():
    both = [recipe.load(name).architecture for name in ("flowmap-guided", "flowmap-lora")]
    assert both[1]["network"] == both[0]
    for name in ("flowmap-base", "flowmap", "flowmap-guided", "flowmap-lora"):  # heavy, so that it learns of real ones
        stage = recipe.load(name)
        assert stage.crops.heavy_share > stage.crops.light_share
        assert stage.loss["flat"] > 0
        assert stage.options["flat"] > 0
    assert not both[0].get("conditioned")  # with the small picture beside it all numbers of steps end at the mean
    numbers = sum(p.numel() for a in both for p in build(a).parameters())
    assert numbers * 2 < 8e6
    assert {json.dumps(recipe.load(n).architecture) for n in ("flowmap-base", "flowmap")} == {json.dumps(both[0])}


def test_networks_become_a_model():
    assert assemble("flowmap", {"velocity": small()}).most_detail == 0
    assert assemble("flowmap", {"velocity": small(), "lora": change()}).most_detail == 2
