"""FlowSR at the size of Stable Diffusion: parity with the published code on tiny weights, and the commands."""

from __future__ import annotations

import json
from functools import partial

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor
from typer.testing import CliRunner

from srcli import Upscaler
from srcli.cli.app import app
from srcli.geometry import Size, Window
from srcli.methods.flowsr import colour
from srcli.methods.flowsr_sd import model as flowsr_sd
from srcli.methods.flowsr_sd import published as weights
from srcli.methods.flowsr_sd import tiles as sd_tiling
from srcli.methods.flowsr_sd.model import schedule
from srcli.methods.flowsr_sd.tiles import gaussian, offsets, published
from srcli.methods.registry import assemble
from srcli.tiling.model import Sampling
from srcli.weights import manifest, store
from tests.methods.flowsr_sd.steps import Codec, Velocity, error, layout, numbers, plain, tiny
from tests.support.places import EXAMPLES

CASES = ("one_step", "four_step", "cfg", "tiled", "nonsquare", "vae_lora")
UNTILED, TILED = 1e-4, 2e-3  # suggested in description.json
RUNNER = CliRunner()


@pytest.fixture(autouse=True)
def _no_grad():
    with torch.inference_mode():
        yield


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
    made = model.decode(model.encode(lr, size), Window.whole(size), size, Sampling(colour=fix)).picture
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
        role: manifest.Part(role, str(file.relative_to(tmp_path)), bytes=file.stat().st_size, sha256=store.sha256(file))
        for role, file in files.items()
    }
    entry = manifest.Entry(
        name="tiny-sd",
        aliases=(),
        purpose="tests",
        pipeline="flowsr-sd",
        scales=(1.0, 8.0),
        paper="none",
        licence="none",
        commercial=False,
        parts=parts,
    )
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
    assert (made.tiling, made.default_temperature) == ("bounded", 1.0)
    assert sd_tiling.SIDE == 96
