"""FlowSR at the size of Stable Diffusion: parity with the published code on tiny weights, adapters, tiles, loading."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections import Counter
from functools import cache, partial
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F
from typer.testing import CliRunner

from srcli import Upscaler
from srcli.cli.app import app
from srcli.geometry import Size, Window
from srcli.networks.clip_text import Prompts
from srcli.pipelines import colour, flowsr_sd, sd_tiling
from srcli.pipelines.base import Sampling
from srcli.pipelines.flowsr_sd import FlowsrSd, enlarged, schedule
from srcli.pipelines.registry import assemble
from srcli.pipelines.sd_tiling import blended, even, flanks, gaussian, offsets, published, spread
from srcli.weights import flowsr_sd as weights
from srcli.weights import manifest, store
from srcli.weights.extras import ExtraMissing
from srcli.weights.lora import Adapter, merge, read_flowsr
from srcli.weights.store import WeightsMissing

CASES = ("one_step", "four_step", "cfg", "tiled", "nonsquare", "vae_lora")
UNTILED, TILED = 1e-4, 2e-3  # suggested in description.json
EXAMPLES = Path(__file__).parents[1] / "examples"
RUNNER = CliRunner()


@pytest.fixture(autouse=True)
def _no_grad():
    with torch.inference_mode():
        yield


@pytest.fixture(scope="session")
def _diffusers() -> None:
    try:
        import diffusers  # noqa: F401
    except ImportError:
        if os.environ.get("SRCLI_REQUIRE_REFERENCE"):
            pytest.fail("no diffusers: pip install 'srcli[sd]'")
        pytest.skip("needs the extra sd")


@pytest.fixture
def data(reference: Path, _diffusers: None) -> Path:
    return reference / "parity" / "flowsr_sd"


@cache
def numbers(data: Path) -> dict[str, Tensor]:
    """Inputs and outputs by their names, which differ."""
    return load_file(data / "in" / "inputs.safetensors") | load_file(data / "out" / "outputs.safetensors")


def layout(data: Path, folder: Path) -> dict[str, Path]:
    """The tiny weights as the published repositories have theirs; the files by role."""
    configs = json.loads((data / "cases.json").read_text())
    files = {}
    for role, config, name in (
        ("unet", "unet_config", "diffusion_pytorch_model.safetensors"),
        ("vae", "vae_config", "diffusion_pytorch_model.safetensors"),
        ("text_encoder", "text_config", "model.safetensors"),
    ):
        files[role] = folder / role / name
        files[role].parent.mkdir(parents=True)
        shutil.copy(data / "weights" / f"{role}.safetensors", files[role])
        (folder / role / "config.json").write_text(json.dumps(configs[config]))
    files["lora"] = folder / "flowsr.safetensors"
    shutil.copy(data / "weights" / "flowsr_tiny.safetensors", files["lora"])
    return files


def tiny(data: Path, folder: Path, checkpoint: str = "flowsr_tiny.safetensors", **options) -> FlowsrSd:
    files, known = layout(data, folder), numbers(data)
    prompts = (known["ids.positive"][0].tolist(), known["ids.negative"][0].tolist())
    made = weights.load(**files | {"lora": data / "weights" / checkpoint}, prompts=prompts)
    return FlowsrSd(made["unet"], made["vae"], made["prompts"], **options)


def error(made: Tensor, expected: Tensor) -> float:
    assert made.shape == expected.shape
    return (made.double() - expected.double()).abs().max().item()


# --- parity ---


@pytest.mark.parametrize("case", CASES)
def test_case_of_the_published_code(data, tmp_path, case):
    known, facts = numbers(data), json.loads((data / "cases.json").read_text())["cases"]
    assert facts.keys() == set(CASES)
    facts = facts[case]
    tiles = partial(published, side=facts.get("ts", 96), overlap=facts.get("ov", 32))
    model = tiny(data, tmp_path, facts["checkpoint"], guidance=facts.get("gs", 1.0), tiles=tiles)
    calls: list[Tensor] = []
    model.unet.register_forward_hook(lambda module, args, result: calls.append(result.sample))
    mean, deviation = model.posterior(known[f"{case}.x"])
    start = (mean + deviation * known[f"{case}.eps"]) * model.scaling
    made = model.decoded(model.flow(start, facts.get("steps", 1))) * 2 - 1
    assert error(mean, known[f"{case}.latent_mean"]) <= UNTILED
    assert error(deviation, known[f"{case}.latent_std"]) <= UNTILED
    assert error(start, known[f"{case}.z_start"]) <= UNTILED
    bound = TILED if case in ("tiled", "nonsquare") else UNTILED
    assert error(calls[0], known[f"{case}.unet_first"]) <= bound
    assert error(made, known[f"{case}.y"]) <= bound
    assert len(calls) == facts["unet_calls"]


def test_prompts_are_embedded_as_by_transformers(data, tmp_path):
    known, prompts = numbers(data), tiny(data, tmp_path).prompts
    assert error(prompts.positive, known["prompt.positive"]) <= 1e-5
    assert error(prompts.negative, known["prompt.negative"]) <= 1e-5


def test_default_prompts_are_the_published_ones(reference):
    told = json.loads((reference / "parity" / "flowsr_sd" / "default_prompts.json").read_text())
    for name, ids in (("positive", weights.POSITIVE), ("negative", weights.NEGATIVE)):
        assert [*ids, *[0] * (weights.LENGTH - len(ids))] == told[name]["input_ids"]


@pytest.mark.parametrize(("fix", "levels"), [("none", 1), ("wavelet", 2), ("adain", 2)])
def test_end_to_end_from_file_to_file(data, tmp_path, monkeypatch, fix, levels):
    known = numbers(data)
    model = tiny(data, tmp_path, tiles=published)
    monkeypatch.setattr(flowsr_sd, "gaussian_field", lambda seed, channels, window: known["e2e.eps"][0])
    lr = (known["e2e.lr_u8"].permute(2, 0, 1)[None] / 255).float()
    size = Size(84, 136)
    made = model.decode(model.encode(lr, size), Window.whole(size), size, Sampling(colour=fix))
    made = (made.clamp(0, 1) * 255).round()[0].permute(1, 2, 0)
    assert error(made, known[f"e2e.{fix}"]) <= levels


def test_colour_fixes_are_the_published_ones(data):
    known = numbers(data)
    image, reference = (
        (known[k].permute(2, 0, 1)[None] / 255).float() for k in ("color.output_u8", "color.reference_resized")
    )
    for name, made in (
        ("wavelet", colour.wavelet(image, reference)),
        ("adain", colour.tint(image, reference)(image)),
    ):
        rounded = (made.clamp(0, 1) * 255).round()[0].permute(1, 2, 0)
        assert error(rounded, known[f"color.{name}"]) <= 1


def test_schedules_are_the_published_ones(reference):
    told = json.loads((reference / "parity" / "flowsr_sd" / "cases.json").read_text())["schedules"]
    assert len(told) == 5
    for steps, table in told.items():
        sigmas = schedule(int(steps))
        assert sigmas == pytest.approx(table["sigmas"], abs=2e-7)
        assert [1000 * s for s in sigmas[:-1]] == pytest.approx(table["timesteps"], rel=2e-7)


def test_tiles_and_weights_are_the_published_ones(data):
    told, known = json.loads((data / "cases.json").read_text())["tile_offsets"], numbers(data)
    assert told
    for sizes, expected in told.items():
        assert list(offsets(*map(int, sizes.split(",")))) == expected
    for side in (8, 96):
        assert error(torch.outer(gaussian(side), gaussian(side)), known[f"gauss.tile{side}"]) <= 1e-7


# --- tiles ---

SIZES = [(12, 12), (8, 200), (100, 93), (97, 300), (256, 257), (64, 144)]


@pytest.mark.parametrize("size", SIZES)
def test_blended_tiles_of_one_value_have_it(size):
    size = Size(*size)
    for step in (1, 8):
        full = Window(0, 0, size.height * step, size.width * step)
        grid = even(size, 96, 32, step)
        made = blended(grid, full, 2, lambda w: torch.full((1, 2, w.height, w.width), 0.7), torch.zeros(1))
        assert error(made, torch.full((1, 2, full.height, full.width), 0.7)) < 1e-6
        assert all(w.bottom <= full.height and w.right <= full.width for w in grid.windows(full))


def test_a_picture_that_fits_is_one_tile_and_others_are_few():
    assert list(even(Size(48, 192), 96, 32).windows(Window(0, 0, 48, 192))) == [Window(0, 0, 48, 192)]
    assert spread(257, 96, 32) == (0, 54, 107, 161)
    for size in range(97, 600):
        at = spread(size, 96, 32)
        assert (at[0], at[-1]) == (0, size - 96)
        assert len(at) <= len(offsets(size, 96, 32))
        assert all(32 <= a + 96 - b < 96 for a, b in pairwise(at))


def test_corners_keep_their_velocity_but_not_as_published():
    size = Size(128, 160)
    everything = Window.whole(size)

    def ones(window: Window) -> Tensor:
        return torch.ones(1, 1, window.height, window.width)

    ours, theirs = (
        blended(grid, everything, 1, ones, torch.zeros(1)) for grid in (even(size, 96, 32), published(size))
    )
    assert error(ours, torch.ones(1, 1, 128, 160)) < 1e-6
    assert theirs[0, 0, 0, 0] < 1e-4
    assert theirs[0, 0, 64, 80] == pytest.approx(1)
    assert flanks(96, 32).min() > 0.01


def test_a_step_between_tiles_becomes_a_slope():
    """Tiles that differ by 1 at every place: no neighbours differ by more than the flank's steepest rise."""
    size = Size(96, 160)
    places = {0: 0.0, 64: 1.0}
    made = blended(
        even(size, 96, 32),
        Window.whole(size),
        1,
        lambda w: torch.full((1, 1, w.height, w.width), places[w.left]),
        torch.zeros(1),
    )
    assert made.diff(dim=3).abs().max() < 0.06
    assert made.diff(dim=2).abs().max() < 1e-6


class Codec(nn.Module):
    """An autoencoder without statistics of the whole: means of 8 x 8 pixels. Records the sizes that it is given."""

    config = SimpleNamespace(scaling_factor=0.5)

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[int, ...]] = []

    def encode(self, x: Tensor) -> SimpleNamespace:
        self.seen.append(tuple(n // 8 for n in x.shape[-2:]))
        mean = F.avg_pool2d(torch.cat([x, x[:, :1]], 1), 8)
        return SimpleNamespace(latent_dist=SimpleNamespace(mean=mean, std=torch.full_like(mean, 0.1)))

    def decode(self, z: Tensor) -> SimpleNamespace:
        self.seen.append(tuple(z.shape[-2:]))
        return SimpleNamespace(sample=F.interpolate(z[:, :3], scale_factor=8.0))


class Velocity(nn.Module):
    """Takes out a tenth, and all the more of a tile the brighter it is."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[int, ...]] = []

    def forward(self, z: Tensor, time: Tensor, encoder_hidden_states: Tensor) -> SimpleNamespace:
        self.seen.append(tuple(z.shape[-2:]))
        return SimpleNamespace(sample=z * 0.1 + z.mean() * 0.2)


def plain(**options) -> FlowsrSd:
    prompts = Prompts(torch.zeros(1, 2, 3), torch.zeros(1, 2, 3))
    return FlowsrSd(Velocity(), Codec(), prompts, **options)


def picture(height: int, width: int, seed: int = 0) -> Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("fix", ["none", "wavelet", "adain"])
@pytest.mark.parametrize("shape", [(97, 71), (400, 31)])
def test_windows_change_nothing(fix, shape):
    lr, size, sampling = picture(*shape), Size(*(n * 2 for n in shape)), Sampling(colour=fix, steps=2, seed=4)
    model = plain(side=16)
    all_of_it = model.decode(model.encode(lr, size), Window.whole(size), size, sampling)
    features, made = model.encode(lr, size), torch.empty_like(all_of_it)
    for top in range(0, size.height, 70):
        for left in range(0, size.width, 90):
            window = Window(top, left, min(70, size.height - top), min(90, size.width - left))
            made[..., top : window.bottom, left : window.right] = model.decode(features, window, size, sampling)
    assert error(made, all_of_it) < 1e-6


def test_no_tile_is_larger_than_its_side_and_none_is_made_twice():
    lr, size, model = picture(300, 200), Size(600, 400), plain(side=16)
    features = model.encode(lr, size)
    for top in range(0, 600, 50):
        for left in range(0, 400, 100):
            model.decode(features, Window(top, left, 50, 100), size, Sampling(steps=2))
    sizes = Counter(model.vae.seen)
    assert set(model.unet.seen) == set(sizes) == {(16, 16)}
    codec = even(Size(80, 56), 16, 2)
    assert sizes[16, 16] == 2 * len(codec.rows) * len(codec.cols)  # each encoded and decoded once
    flow = even(Size(80, 56), 16, 5)
    assert len(model.unet.seen) == 2 * len(flow.rows) * len(flow.cols)
    assert features.restored is not None
    assert len(features.restored.tiles) <= 2 * len(codec.cols)  # those above the last window are gone


def test_the_seed_decides_and_temperature_0_is_the_mean():
    lr, size, model = picture(40, 50), Size(120, 150), plain()

    def made(**options) -> Tensor:
        return model.decode(model.encode(lr, size), Window.whole(size), size, Sampling(colour="none", **options))

    assert torch.equal(made(seed=3), made(seed=3))
    assert torch.equal(made(seed=3), made(seed=3, temperature=1.0))
    assert not torch.equal(made(seed=3), made(seed=4))
    assert torch.equal(made(seed=3, temperature=0.0), made(seed=4, temperature=0.0))
    features = model.encode(lr, size)
    sampled = [model.decode(features, Window.whole(size), size, Sampling(colour="none", seed=n)) for n in (3, 4, 3)]
    assert torch.equal(sampled[0], sampled[2])
    assert torch.equal(sampled[1], made(seed=4))


def test_detail_0_is_the_enlargement_and_asks_no_network():
    lr, size, model = picture(20, 30), Size(50, 75), plain()

    def made(detail: float) -> Tensor:
        sampling = Sampling(detail, colour="none")
        return model.decode(model.encode(lr, size), Window(10, 5, 33, 60), size, sampling)

    none = made(0.0)
    assert not model.unet.seen
    assert not model.vae.seen
    assert error(made(0.25), none * 0.75 + made(1.0) * 0.25) < 1e-6
    assert error(made(1.0), none) > 0.01


def test_wavelet_takes_the_colours_of_the_input():
    lr, size, model = picture(60, 60) * 0.1 + torch.tensor([0.2, 0.5, 0.7])[:, None, None], Size(180, 180), plain()
    fixed, free = (
        model.decode(model.encode(lr, size), Window.whole(size), size, Sampling(colour=fix)) for fix in (None, "none")
    )
    wanted = lr.mean((2, 3))
    assert error(fixed.mean((2, 3)), wanted) < 5e-3
    assert error(free.mean((2, 3)), wanted) > 0.02


def test_moments_of_parts_are_those_of_the_whole():
    image, reference = picture(50, 70, 1), picture(50, 70, 2) * 0.3
    made, wanted = colour.Moments(), colour.Moments()
    for part in image.split(17, 2):
        made.add(part)
    wanted.add(reference)
    fix = made.tint(wanted, torch.device("cpu"))
    assert error(fix(image), colour.tint(image, reference)(image)) < 1e-6


@pytest.mark.parametrize("size", [(70, 130), (64, 128), (5, 300), (1, 1)])
def test_pictures_are_mirrored_to_whole_blocks_or_repeated(size):
    lr = picture(max(1, size[0] // 2), max(1, size[1] // 2))
    made = F.interpolate(lr, size, mode="bilinear", align_corners=False) * 2 - 1
    for side, dim in ((3, 3), (2, 2)):
        missing = -size[side - 2] % 64
        padding = [0, missing, 0, 0] if dim == 3 else [0, 0, 0, missing]
        made = F.pad(made, padding, "reflect" if missing < size[side - 2] else "replicate")
    canvas = Size(*made.shape[-2:])
    assert error(enlarged(lr, Window.whole(canvas), Size(*size)), made) < 1e-6
    corner = Window(canvas.height - 24, canvas.width - 40, 24, 40)
    assert error(enlarged(lr, corner, Size(*size)), made[..., -24:, -40:]) < 1e-6


# --- adapters ---


def adapted() -> tuple[nn.Module, Adapter]:
    """A small network, and an adapter of all but its norm."""
    generator = torch.Generator().manual_seed(0)

    def numbers(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 6, 3), nn.GroupNorm(2, 6), nn.Conv2d(6, 4, 1, bias=False), nn.Flatten(), nn.Linear(36, 5)
    )
    tensors = {}
    for name, a, b in (("0", (2, 3, 3, 3), (6, 2, 1, 1)), ("2", (2, 6, 1, 1), (4, 2, 1, 1)), ("4", (2, 36), (5, 2))):
        tensors[f"{name}.lora_A.default.weight"], tensors[f"{name}.lora_B.default.weight"] = numbers(*a), numbers(*b)
    tensors["0.base_layer.bias"] = numbers(6)
    tensors["1.weight"] = numbers(6)
    return net, Adapter(tensors, 2, ["0", "2", "4"])


def test_merged_weights_are_the_adapter_run_beside():
    net, adapter = adapted()
    x, t = picture(5, 5), adapter.tensors
    merged = merge(net.state_dict(), adapter)

    def beside(name: str, y: Tensor) -> Tensor:
        a, b = t[f"{name}.lora_A.default.weight"], t[f"{name}.lora_B.default.weight"]
        if name == "4":
            return F.linear(F.linear(y, a), b)
        return F.conv2d(F.conv2d(y, a), b)

    expected = x
    for name, module in net.named_children():
        if name == "0":
            expected = F.conv2d(expected, module.weight, t["0.base_layer.bias"]) + 8 / 2 * beside("0", expected)
        elif name == "1":
            expected = F.group_norm(expected, 2, t["1.weight"], module.bias)
        else:
            expected = module(expected) + (8 / 2 * beside(name, expected) if name in "24" else 0)
    before = net(x)
    net.load_state_dict(merged)
    assert error(net(x), expected) < 1e-4 * expected.abs().max()
    assert error(before, expected) > 0.1


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda t: t.pop("2.lora_A.default.weight"), "2 have only one half"),
        (lambda t: [t.pop(f"2.lora_{s}.default.weight") for s in "AB"], "2 have no adapter"),
        (lambda t: t.update({"7.lora_A.default.weight": t["4.lora_A.default.weight"]}), "7 are adapters of modules"),
        (lambda t: t.update({"1.lora_A.default.weight": torch.ones(2, 6)}), "1 are adapters of modules"),
        (lambda t: t.update({"0.lora_magnitude_vector": torch.ones(6)}), "0.lora_magnitude_vector are unknown"),
        (lambda t: t.update({"1.bias": torch.ones(7)}), r"1.bias should be of shape \(6,\)"),
        (lambda t: t.update({"4.lora_B.default.weight": torch.ones(5, 3)}), r"\(5, 3\), which do not fit \(5, 36\)"),
        (lambda t: t.update({"0.lora_A.default.weight": torch.ones(2, 3, 1, 1)}), r"which do not fit \(6, 3, 3, 3\)"),
    ],
)
def test_every_key_of_an_adapter_is_accounted_for(change, says):
    net, adapter = adapted()
    change(adapter.tensors)
    with pytest.raises(ValueError, match=says):
        merge(net.state_dict(), adapter)


def test_targets_are_endings_or_an_expression():
    endings = Adapter({}, 4, ["conv", "to_out.0"])
    assert [endings.adapts(m) for m in ("conv", "up.0.conv", "up.0.conv1", "a.to_out.0", "deconv")] == [
        True, True, False, True, False,
    ]  # fmt: skip
    expression = Adapter({}, 4, r"encoder\..*conv1")
    assert [expression.adapts(m) for m in ("encoder.a.conv1", "decoder.a.conv1", "encoder.a.conv12")] == [
        True, False, False,
    ]  # fmt: skip


# --- files ---


def test_checkpoints_that_are_pickles_are_read_without_running_them(data, tmp_path):
    found = read_flowsr(data / "weights" / "flowsr_tiny_vae.safetensors")
    content = {
        key: value
        for name, adapter in found.items()
        for key, value in (
            (f"{name}_state_dict", adapter.tensors),
            (f"{name}_rank", adapter.rank),
            (f"{name}_lora_target_modules", adapter.targets),
        )
    }
    torch.save(content, tmp_path / "flowsr.pkl")
    again = read_flowsr(tmp_path / "flowsr.pkl")
    assert again.keys() == found.keys() == {"unet", "vae"}
    for name, adapter in found.items():
        assert (adapter.rank, adapter.targets) == (again[name].rank, again[name].targets)
        assert adapter.tensors.keys() == again[name].tensors.keys()
        assert all(torch.equal(v, again[name].tensors[k]) for k, v in adapter.tensors.items())
    torch.save({"unet_state_dict": Path()}, tmp_path / "bad.pkl")
    with pytest.raises(WeightsMissing, match=r"bad.pkl cannot be read"):
        read_flowsr(tmp_path / "bad.pkl")


def _rename(old: str, new: str):
    return lambda state: {k.replace(old, new): v for k, v in state.items()}


@pytest.mark.parametrize(
    ("role", "change", "says"),
    [
        ("unet", _rename("conv_norm_out.bias", "odd"), "conv_norm_out.bias; has no place for odd"),
        (
            "vae",
            lambda s: {k: v[:1] if k == "decoder.conv_out.bias" else v for k, v in s.items()},
            "the wrong shape for",
        ),
        ("text_encoder", _rename("layers.1.", "layers.2."), "misses encoder.layers.1.layer_norm1.bias, "),
        ("lora", dict, "is not a checkpoint of FlowSR"),  # without its metadata
    ],
)
def test_files_that_do_not_fit_are_one_sentence(data, tmp_path, role, change, says):
    files = layout(data, tmp_path)
    save_file(change(load_file(files[role])), files[role])
    with pytest.raises(WeightsMissing, match=says) as raised:
        weights.load(**files)
    assert str(files[role]) in str(raised.value)
    assert (raised.value.exit_code, "\n" in str(raised.value)) == (4, False)


def test_old_names_of_the_autoencoder_are_known(data, tmp_path):
    expected = tiny(data, tmp_path / "new").vae.state_dict()
    files = layout(data, tmp_path / "old")
    state = load_file(files["vae"])
    for old, new in (("query", "to_q"), ("key", "to_k"), ("value", "to_v"), ("proj_attn", "to_out.0")):
        assert any(f".{new}." in k for k in state)
        state = _rename(f".{new}.", f".{old}.")(state)
    save_file(state, files["vae"])
    made = weights.load(**files, prompts=([1], [2]))["vae"].state_dict()
    assert made.keys() == expected.keys()
    assert all(torch.equal(v, made[k]) for k, v in expected.items())


def test_architecture_is_stable_diffusion_where_no_config_lies_beside(data, tmp_path):
    files = layout(data, tmp_path)
    (tmp_path / "vae" / "config.json").unlink()
    with pytest.raises(WeightsMissing, match="does not fit its architecture"):
        weights.load(**files)
    from diffusers import AutoencoderKL, UNet2DConditionModel

    with torch.device("meta"):
        unet, vae = UNet2DConditionModel.from_config(weights.UNET), AutoencoderKL.from_config(weights.VAE)
    counts = [sum(p.numel() for p in net.parameters()) for net in (unet, vae)]
    assert counts == [865_910_724, 83_653_863]  # 865.91 M and 83.65 M
    # The public adapter has 514 tensors of rank 32 in 32.43 M parameters.
    adapter = read_flowsr(data / "weights" / "flowsr_tiny.safetensors")["unet"]
    shapes = {k.removesuffix(".weight"): t.shape for k, t in unet.state_dict().items() if t.ndim > 1}
    pairs = [shape for module, shape in shapes.items() if adapter.adapts(module)]
    assert len(pairs) == 257
    assert sum(32 * (shape[0] + shape[1:].numel()) for shape in pairs) == pytest.approx(32.43e6, rel=1e-3)


def test_without_the_extra_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "diffusers", None)
    with pytest.raises(ExtraMissing, match=r"pip install 'srcli\[sd\]'") as raised:
        weights.load(*[tmp_path / "none"] * 4)
    assert raised.value.exit_code == 4
    arguments = ["upscale", EXAMPLES / "cat.png", "-n", "flowsr-sd21", "-o", tmp_path / "a.png"]
    result = RUNNER.invoke(app, [str(a) for a in arguments])
    assert result.exit_code == 4
    assert "flowsr-sd21 needs diffusers; run: pip install 'srcli[sd]'" in " ".join(result.stderr.split())


@pytest.mark.usefixtures("_diffusers")
def test_without_weights_it_says_how_to_get_them(tmp_path, monkeypatch):
    monkeypatch.setenv("SRCLI_HOME", str(tmp_path))
    arguments = ["upscale", EXAMPLES / "cat.png", "-n", "flowsr", "-o", tmp_path / "a.png"]
    result = RUNNER.invoke(app, [str(a) for a in arguments])
    assert result.exit_code == 4
    assert "srcli models pull flowsr-sd21 --accept-license" in " ".join(result.stderr.split())


def test_the_manifest_has_a_file_for_each_role():
    entry = manifest.load().find("flowsr")
    assert set(entry.parts) == {"unet", "vae", "text_encoder", "lora"}
    assert (entry.name, entry.needs, entry.pipeline, entry.commercial) == ("flowsr-sd21", "sd", "flowsr-sd", False)


# --- the command ---


@pytest.fixture
def installed(data, tmp_path, monkeypatch) -> str:
    """The tiny model in the manifest, its text encoder with as many tokens as the published one."""
    files = layout(data, tmp_path / "weights")
    state = load_file(files["text_encoder"])
    table = torch.randn(49408, 24, generator=torch.Generator().manual_seed(0)).half()
    save_file(state | {"text_model.embeddings.token_embedding.weight": table}, files["text_encoder"])
    config = files["text_encoder"].with_name("config.json")
    config.write_text(json.dumps(json.loads(config.read_text()) | {"vocab_size": 49408}))
    parts = {
        role: manifest.Part(role, str(file.relative_to(tmp_path)), file.stat().st_size, store.sha256(file))
        for role, file in files.items()
    }
    entry = manifest.Entry("tiny-sd", (), "tests", "flowsr-sd", (1.0, 8.0), "none", "none", False, parts)
    found = manifest.Manifest("tiny-sd", {"tiny-sd": entry})
    monkeypatch.setattr(manifest, "load", lambda: found)
    monkeypatch.setattr(store, "EMBEDDED", tmp_path)
    return entry.name


def test_upscale_runs_it_and_says_that_tiles_are_bounded(installed, tmp_path):
    photo = np.random.default_rng(0).integers(0, 255, (40, 33, 4), np.uint8)
    Image.fromarray(photo).save(tmp_path / "a.png")

    def made(name: str, *options: object) -> tuple[bytes, dict]:
        arguments = ["upscale", tmp_path / "a.png", "-s", 2.5, "--precision", "fp32", "--json", "-o", tmp_path / name]
        result = RUNNER.invoke(app, [str(a) for a in (*arguments, *options)])
        assert (result.exit_code, result.stderr) == (0, ""), result.output
        return (tmp_path / name).read_bytes(), json.loads(result.stdout.splitlines()[-1])

    one, summary = made("one.png")
    assert summary["tiling"] == "bounded"
    with Image.open(tmp_path / "one.png") as image:
        assert (image.size, image.mode) == ((83, 100), "RGBA")
    assert made("again.png")[0] == one
    variants = [("--seed", 5), ("--steps", 2), ("--colour", "none"), ("--detail", 0.5), ("--temperature", 0)]
    others = {made(f"{i}.png", *options)[0] for i, options in enumerate(variants)}
    assert len(others | {one}) == 6


def test_precision_bf16_is_close(installed):
    photo = np.asarray(Image.effect_mandelbrot((48, 40), (-2, -1, 1, 1), 50).convert("RGB"))
    full, half = (Upscaler(installed, precision=p).upscale(photo, 2.0).astype(int) for p in ("fp32", "bf16"))
    assert np.abs(full - half).mean() < 2
    assert full.shape == (80, 96, 3)


def test_bench_scores_its_steps(installed):
    arguments = f"bench --data {EXAMPLES} --scale 8 --models {installed} --steps 1,2 --metrics psnr_y --json"
    result = RUNNER.invoke(app, arguments.split())
    assert result.exit_code == 0, result.output
    rows = {row["variant"]: row["psnr_y"] for row in map(json.loads, result.stdout.splitlines())}
    assert list(rows) == ["tiny-sd steps 1", "tiny-sd steps 2"]
    assert len(set(rows.values())) == 2


def test_the_registry_makes_it():
    made = assemble("flowsr-sd", {"unet": Velocity(), "vae": Codec(), "prompts": plain().prompts})
    assert (made.tiling, made.heat) == ("bounded", 1.0)
    assert sd_tiling.SIDE == 96
