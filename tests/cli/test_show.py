"""`srcli show`: what a result's file says of itself, and the facts of records."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from srcli import __version__
from srcli.geometry import Target
from srcli.images.read import from_pil
from srcli.methods.realesrgan.network import ESRGAN
from srcli.provenance import Facts
from srcli.upscaler import Upscaler
from srcli.weights import manifest
from srcli.weights.model_files import Loaded
from tests.support.command import photo, srcli

FORMATS = (".png", ".jpg", ".tif", ".webp", ".avif", ".jxl")


def made(*arguments: object) -> dict:
    """The record of a single result."""
    result = srcli("upscale", *arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout.splitlines()[0])


def shown(path: Path) -> dict:
    result = srcli("show", path, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.mark.parametrize("suffix", FORMATS)
def test_the_file_and_the_record_tell_the_same(tmp_path, suffix):
    path = photo(tmp_path / "a.png")
    record = made(path, "-s", 2.5, "-o", tmp_path / f"b{suffix}", "--detail", 0.5, "-n", "linf-lp-s", "--tile", 32)
    facts = record["facts"]
    assert shown(tmp_path / f"b{suffix}")["facts"] == facts
    assert facts["tiles"] == record["tiles"] > 1
    assert facts["input_sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    parts = manifest.load().model("linf-lp-s").parts
    assert facts["weights"] == {role: part.sha256 for role, part in parts.items()}
    assert (facts["version"], facts["torch"], facts["device"]) == (__version__, torch.__version__, "cpu")
    assert (facts["input_size"], facts["output_size"], facts["scale"]) == ([24, 20], [60, 50], 2.5)
    assert (facts["detail"], facts["tiling"], facts["tile"], facts["bounded_tiles"]) == (0.5, "exact", 32, 0)
    assert facts["precision"] in ("bf16", "fp32")
    assert facts.get("quality") == (None if suffix in (".png", ".tif") else 95)


def test_dials_are_told_as_run_and_only_where_they_have_an_effect(tmp_path):
    path = photo(tmp_path / "a.png")
    flow = made(path, "-s", 2, "-n", "flowmap-s", "--steps", 2, "--colour", "wavelet", "-o", tmp_path / "b.png")[
        "facts"
    ]
    assert (flow["steps"], flow["colour"], flow["method"]) == (2, "wavelet", "flowmap")
    assert "denoise" not in flow
    plain = made(path, "-s", 2, "-n", "bicubic", "-o", tmp_path / "c.png")["facts"]
    assert not {"steps", "colour", "why", "network_scale", "resampling"} & set(plain)
    sampled = made(path, "-s", 2, "-n", "linf-s", "--temperature", 0.4, "--seed", 7, "-o", tmp_path / "d.png")["facts"]
    assert (sampled["temperature"], sampled["seed"]) == (0.4, 7)


def test_the_resampling_of_a_network_with_one_scale_is_told(tmp_path):
    path = photo(tmp_path / "a.png")
    facts = made(path, "-s", 3, "-n", "srflow-lp-s", "-o", tmp_path / "b.png")["facts"]
    assert (facts["network_scale"], facts["resampling"]) == (4, "antialiased bicubic (a = -0.5)")
    own = made(path, "-s", 4, "-n", "srflow-lp-s", "-o", tmp_path / "c.png")["facts"]
    assert own["network_scale"] == 4
    assert "resampling" not in own


def test_the_choice_and_the_background_are_told(tmp_path):
    path = photo(tmp_path / "a.png", mode="RGBA")
    with Image.open(path) as image:
        image.putalpha(128)
        image.save(path)
    record = made(path, "-s", 2, "-o", tmp_path / "b.jpg", "--background", "black")
    assert record["facts"]["why"] == record["choice"]["why"]
    assert record["facts"]["background"] == "#000000"


def test_bounded_tiles_are_counted():
    """A network that sees farther than its halo: tiles are only close, but the whole picture is exact."""
    network = ESRGAN(blocks=8, features=8, growth=4, scale=2)
    loaded = Loaded(manifest.load().model("realesrgan-x2plus"), {"generator": network})
    upscaler = Upscaler(loaded, tile=32, precision="fp32")
    assert upscaler.model.tiling == "bounded"
    counts = []
    for budget in (2**40, 1):
        upscaler.engine.budget = budget
        stream = upscaler.stream(from_pil(Image.new("RGB", (96, 96))), Target(scale=2))
        for _ in stream.bands():
            pass
        counts.append((stream.count.tiles, stream.count.bounded))
    assert counts == [(36, 0), (36, 36)]


def test_people_can_read_it(tmp_path):
    path = photo(tmp_path / "a.png")
    srcli("upscale", path, "-s", 2)
    result = srcli("show", tmp_path / "a_x2.png")
    assert result.exit_code == 0
    for text in ("model", "weights", "SHA-256", "24x20", "48x40", "precision", "tiles"):
        assert text in result.stdout


def test_pictures_without_provenance_are_one_sentence(tmp_path):
    path = photo(tmp_path / "a.png")
    srcli("upscale", path, "-s", 2, "-o", tmp_path / "b.png", "--no-provenance")
    srcli("upscale", path, "-s", 2, "-o", tmp_path / "c.bmp")
    for each in ("a.png", "b.png", "c.bmp"):
        result = srcli("show", tmp_path / each)
        assert (result.exit_code, result.stderr.count("\n")) == (1, 1), result.output
        assert "does not say how it was made" in result.stderr
    assert "does not exist" in srcli("show", tmp_path / "d.png").stderr
    (tmp_path / "e.png").write_text("no picture")
    assert "is not a picture" in srcli("show", tmp_path / "e.png").stderr


def test_several_files_are_several_records(tmp_path):
    srcli("upscale", photo(tmp_path / "a.png"), "-s", 2)
    result = srcli("show", tmp_path / "a_x2.png", tmp_path / "a.png", "--json")
    assert result.exit_code == 3
    kinds = [json.loads(line)["kind"] for line in result.stdout.splitlines()]
    assert kinds == ["shown", "error"]


def test_results_of_the_first_version_are_read(tmp_path):
    """Their PNGs hold fewer facts; their other files hold a line."""
    from PIL import ExifTags, PngImagePlugin

    info = PngImagePlugin.PngInfo()
    told = {"tool": "srcli", "version": "0.2.0", "model": "linf-lp-s", "why": None, "scale": 2.0, "detail": 1.0}
    info.add_text("srcli", json.dumps(told | {"temperature": 0.0, "seed": 0, "guarded_tiles": 3}))
    with Image.open(photo(tmp_path / "a.png")) as image:
        image.save(tmp_path / "b.png", pnginfo=info)
        exif = Image.Exif()
        exif[ExifTags.Base.ProcessingSoftware] = "srcli 0.2.0: linf-lp-s, x2, detail 1, guarded tiles       3"
        image.save(tmp_path / "c.jpg", exif=exif)
    facts = shown(tmp_path / "b.png")["facts"]
    assert (facts["model"], facts["guarded_tiles"]) == ("linf-lp-s", 3)
    assert "linf-lp-s, x2, detail 1" in srcli("show", tmp_path / "c.jpg").stderr


@pytest.mark.parametrize(
    "change", [{"scale": "big"}, {"input_size": 3}, {"weights": [1]}, {"detail": [1]}, {"model": None}]
)
def test_a_forged_provenance_is_none(tmp_path, change):
    from PIL import PngImagePlugin

    info = PngImagePlugin.PngInfo()
    told = {"tool": "srcli", "version": "9", "model": "m", "scale": 2.0, "detail": 1.0}
    info.add_text("srcli", json.dumps(told | change))
    with Image.open(photo(tmp_path / "a.png")) as image:
        image.save(tmp_path / "b.png", pnginfo=info)
    result = srcli("show", tmp_path / "b.png")
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1), result.output


def test_control_codes_of_a_file_do_not_reach_the_terminal(tmp_path):
    from PIL import PngImagePlugin

    info = PngImagePlugin.PngInfo()
    told = {"tool": "srcli", "version": "9", "model": "\x1b[2Jm", "scale": 2.0, "detail": 1.0}
    info.add_text("srcli", json.dumps(told))
    with Image.open(photo(tmp_path / "a.png")) as image:
        image.save(tmp_path / "b.png", pnginfo=info)
    result = srcli("show", tmp_path / "b.png")
    assert result.exit_code == 0
    assert "\x1b" not in result.stdout


def test_facts_survive_json():
    facts = Facts(version="1", model="m", scale=2.0, detail=1.0, weights={"flow": "0" * 64}, input_size=(3, 4), tiles=2)
    assert Facts.from_dict(json.loads(json.dumps(facts.to_dict()))) == facts
    with pytest.raises(ValueError, match="model"):
        Facts.from_dict({"tool": "srcli"})
