"""auto with another restorer: taken once it is installed, told, passed over where it cannot do what was asked."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from srcli import Target, Upscaler
from srcli.choice import RESTORERS, TABLE, choose
from srcli.drawing import draw
from srcli.images.read import decode, from_pil
from srcli.look import look
from srcli.methods import registry
from srcli.tiling.model import Sampling
from srcli.weights import manifest, pull
from tests.support.command import photo, srcli
from tests.support.places import EXAMPLES
from tests.weights.server import digest, running

LARGE = RESTORERS[0]
COMPACT = "realesr-general-x4v3"
ENTRY = """[models.{name}]
pipeline = "realesrgan"
scales = [1.0, 4.0]
licence = "BSD-3-Clause"
commercial = true
[models.{name}.parts.generator]
file = "{name}.pth"
sha256 = "{sha256}"
bytes = {bytes}
sources = [{{ url = "{url}" }}]
"""


def weights() -> bytes:
    """A small network in the place of the large one, which enlarges by repeating pixels and changes little."""
    torch.manual_seed(0)
    network = registry.build({"kind": "compact", "width": 4, "convs": 1, "scale": 4})
    with torch.no_grad():
        for tensor in network.body[-1].parameters():
            tensor.mul_(0.1)
    torch.save({"params": network.state_dict()}, buffer := io.BytesIO())
    return buffer.getvalue()


@pytest.fixture(autouse=True)
def machine(tmp_path, monkeypatch):
    """A machine with nothing pulled, and a server with two models under the names of published ones."""
    with running() as server:
        body, text = weights(), ""
        for name in (LARGE, COMPACT):
            server.files[f"/{name}"] = body
            text += ENTRY.format(name=name, sha256=digest(body), bytes=len(body), url=f"{server.url}/{name}")
        (tmp_path / "models.toml").write_text(text)
        monkeypatch.setenv("SRCLI_HOME", str(tmp_path / "home"))
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
        monkeypatch.setenv("SRCLI_MANIFEST", str(tmp_path / "models.toml"))
        yield server


def install(*names: str) -> None:
    pull.pull([manifest.load().find(name) for name in names])


def poor(path: Path) -> Path:
    with Image.open(EXAMPLES / "cat.png") as cat:
        cat.convert("RGB").crop((40, 30, 104, 78)).save(path, quality=20)
    return path


def test_nothing_is_downloaded_by_itself(machine, tmp_path):
    auto = Upscaler("auto")
    assert auto.pick(decode(poor(tmp_path / "poor.jpg").read_bytes())).upscaler.entry.name == "flowsr-s"
    assert srcli("upscale", tmp_path / "poor.jpg", "-s", 2, "-o", tmp_path / "out.png").exit_code == 0
    assert srcli("bench", "--models", "auto", "--megapixels", 0.01, "--repeats", 1, "--scales", 2).exit_code == 0
    assert machine.asked == []


def test_an_installed_restorer_takes_the_place_of_ours(tmp_path):
    install(LARGE)
    source, auto = poor(tmp_path / "poor.jpg"), Upscaler()
    picture = decode(source.read_bytes())
    result = auto.run(picture, Target(scale=3))
    assert (result.choice.model, result.choice.instead_of) == (LARGE, "flowsr-s")
    assert result.choice.why == "JPEG quality 20, preferred to flowsr-s"
    named = Upscaler(LARGE).run(picture, Target(scale=3)).picture.colour
    assert np.array_equal(result.picture.colour, named)
    assert np.array_equal(np.asarray(auto.upscale(Image.fromarray(picture.colour), 3)), named)


def test_the_fast_one_is_not_preferred(tmp_path):
    install(COMPACT)
    assert Upscaler().pick(decode(poor(tmp_path / "poor.jpg").read_bytes())).upscaler.entry.name == "flowsr-s"


def test_clean_pictures_and_graphics_do_not_yield():
    install(LARGE)
    auto, cat = Upscaler(), Image.open(EXAMPLES / "cat.png").convert("RGB")
    assert auto.pick(from_pil(cat)).upscaler.entry.name == "linf-lp-s"
    for picture in (draw("fax", 2, 64, 48), draw("screen", 1, 300, 200)):
        assert auto.pick(from_pil(picture)).upscaler.entry.name == "flowsr-s"
    draw("logo", 3, 160, 120).convert("RGB").save(buffer := io.BytesIO(), "JPEG", quality=30)
    chosen = auto.pick(decode(buffer.getvalue()))
    assert (chosen.upscaler.entry.name, chosen.choice.kind) == ("flowsr-s", "low-quality JPEG")


def test_only_rules_for_damaged_photos_yield():
    assert {rule.kind for rule in TABLE if rule.yields} == {"low-quality JPEG", "blocks of JPEG", "noisy", "blurred"}
    assert {rule.model for rule in TABLE if rule.yields} == {"flowsr-s"}
    seen = look(from_pil(Image.open(EXAMPLES / "cat.png").convert("RGB")))
    assert choose(seen, LARGE) == choose(seen)


@pytest.mark.parametrize(
    ("target", "model"),
    [
        (Target(scale=4), LARGE),
        (Target(scale=4.5), "flowsr-s"),
        (Target(width=256), LARGE),
        (Target(width=400), "flowsr-s"),
    ],
)
def test_a_size_beyond_its_scales_is_made_by_ours(tmp_path, target, model):
    install(LARGE)
    picture, auto = decode(poor(tmp_path / "poor.jpg").read_bytes()), Upscaler()
    assert auto.pick(picture, target=target).upscaler.entry.name == model
    assert auto.run(picture, target).choice.model == model
    assert auto.stream(picture, target).layout.size == target.size(picture.size)


@pytest.mark.parametrize(
    ("sampling", "model"),
    [
        (Sampling(detail=0.5), "flowsr-s"),
        (Sampling(steps=2), "flowsr-s"),
        (Sampling(colour="none"), "flowsr-s"),
        (Sampling(temperature=0.5, seed=3), LARGE),
    ],
)
def test_a_dial_that_it_lacks_keeps_ours(tmp_path, sampling, model):
    install(LARGE)
    assert Upscaler().pick(decode(poor(tmp_path / "poor.jpg").read_bytes()), sampling).upscaler.entry.name == model


def test_the_line_says_which_model_and_how_to_choose_the_other(tmp_path):
    install(LARGE)
    words = ("upscale", poor(tmp_path / "poor.jpg"), "-s", 2, "--dry-run")
    made = f"{tmp_path / 'poor_x2.jpg'} (128x96"
    why = "JPEG quality 20, preferred to flowsr-s"
    assert srcli(*words).stdout.strip() == f"{made}; {LARGE}: {why}; much faster: -n flowsr-s) would be made"
    assert srcli(*words, "-n", "flowsr-s").stdout.strip() == f"{made}) would be made"
    record = json.loads(srcli(*words, "--json").stdout.splitlines()[0])
    assert (record["model"], record["choice"]["why"], record["choice"]["instead_of"]) == (LARGE, why, "flowsr-s")
    assert "detail" not in record


def test_auto_is_exact_in_tiles_only_if_its_restorer_is(tmp_path, monkeypatch):
    install(LARGE)
    words = ("upscale", poor(tmp_path / "poor.jpg"), "-s", 2, "--dry-run", "--json")
    exact = json.loads(srcli(*words).stdout.splitlines()[-1])["tiling"]
    monkeypatch.setattr("srcli.methods.realesrgan.model.HALO", 1)
    bounded = json.loads(srcli(*words).stdout.splitlines()[-1])["tiling"]
    assert (exact, bounded) == ("exact", "bounded")


def test_every_picture_of_a_batch_has_its_own(tmp_path):
    install(LARGE)
    (tmp_path / "in").mkdir()
    poor(tmp_path / "in" / "poor.jpg")
    photo(tmp_path / "in" / "clean.png", 48, 64)
    draw("fax", 2, 64, 48).save(tmp_path / "in" / "scan.png")
    words = ("upscale", tmp_path / "in", "-o", tmp_path / "out", "-s", 2, "--json")
    records = [json.loads(line) for line in srcli(*words).stdout.splitlines()]
    assert {Path(r["input"]).stem: r["model"] for r in records[:-1]} == {
        "clean": "linf-lp-s", "poor": LARGE, "scan": "flowsr-s",
    }  # fmt: skip
    with Image.open(tmp_path / "out" / "poor_x2.jpg") as made:
        assert f"{LARGE} (JPEG quality 20, preferred to flowsr-s), x2" in made.getexif()[0x000B]
    assert srcli("models", "rm", LARGE).exit_code == 0
    again = [json.loads(line) for line in srcli(*words, "-y").stdout.splitlines()]
    assert {Path(r["input"]).stem: r.get("model") for r in again[:-1]}["poor"] == "flowsr-s"


def test_pulling_says_so_and_the_paths_are_shown(tmp_path):
    assert LARGE not in srcli("models", "path", "auto").stdout
    result = srcli("models", "pull", LARGE)
    assert f"auto now uses {LARGE} for damaged photos; much faster: -n flowsr-s" in " ".join(result.stdout.split())
    assert "auto now" not in srcli("models", "pull", COMPACT).stdout
    assert srcli("models", "rm", LARGE).exit_code == 0
    (tmp_path / "mine.pth").write_bytes(weights())
    imported = srcli("models", "import", tmp_path / "mine.pth", "--as", LARGE)
    assert f"auto now uses {LARGE}" in imported.stdout
    shown = [json.loads(line) for line in srcli("models", "path", "auto", "--json").stdout.splitlines()]
    assert [row["name"] for row in shown] == ["linf-lp-s", "linf-lp-s", "flowsr-s", LARGE]
    assert all(row["installed"] for row in shown)


def test_bench_tells_results_with_another_restorer_apart():
    before = Upscaler("auto").digests()
    install(LARGE)
    assert Upscaler("auto").digests() == [*before, manifest.load().find(LARGE).parts["generator"].sha256]
