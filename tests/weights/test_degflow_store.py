"""Files of DegFlow from the Drive to a picture: pulled, imported, converted and run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from srcli.methods.registry import build
from srcli.weights import cache, installing, manifest
from srcli.weights.convert import convert
from srcli.weights.download import drive
from tests.methods.degflow.networks import photo
from tests.support.layouts import saved
from tests.weights.degflow_layouts import (
    AUTOENCODER,
    FLOW,
    IDS,
    LAYOUTS,
    NAME,
    second_stage,
)
from tests.weights.server import page
from tests.weights.steps import listed, names, srcli

pytestmark = pytest.mark.usefixtures("place")
QUICK = ("--scale", "2.4", "--solver", "rk4", "--steps", "2", "--threads", "1", "--precision", "fp32")


def small(place: Path) -> None:
    """The manifest's entry, without what it says of sizes, in which the fixtures differ."""
    text = f'[models.{NAME}]\npipeline = "degflow"\nscales = [1.0, 4.0]\n'
    for role, identity in IDS.items():
        text += f'[models.{NAME}.parts.{role}]\nfile = "{NAME}-{role}.pth"\nsources = [{{ drive = "{identity}" }}]\n'
    manifest.user_path().parent.mkdir(parents=True)
    manifest.user_path().write_text(text)


def degraded(place: Path, out: str, *options: object) -> np.ndarray:
    Image.fromarray(photo(70, 90)).save(place / "a.png")
    result = srcli("degrade", place / "a.png", "-o", place / out, *QUICK, *options)
    assert result.exit_code == 0, result.output
    (made,) = (place / out).glob("*.png")
    return np.asarray(Image.open(made))


@pytest.mark.slow
def test_full_size_files_are_pulled_and_run(place, server, monkeypatch):
    """By the manifest of the package; untrained, so the photo stays where it is on the path."""
    monkeypatch.setattr(drive, "ENDPOINT", f"{server.url}/download")
    entry = manifest.load().find(NAME)
    ae, flow = (build(entry.parts[role].architecture).state_dict() for role in IDS)
    both = saved(place / "two.ckpt", second_stage({AUTOENCODER: ae, FLOW: flow | {"sigmas": torch.zeros(1000)}}))
    server.drive = dict.fromkeys(IDS.values(), both.read_bytes())
    result = srcli("models", "pull", NAME, "--accept-license")
    assert result.exit_code == 0, result.output
    assert names(place / "home" / "weights") == {f"{NAME}-{role}.safetensors" for role in IDS}
    assert degraded(place, "out", "--model", NAME).shape == (70, 90, 3)


@pytest.mark.parametrize("layout", ["public", "Lightning"])
def test_degrade_pulls_from_the_drive_converts_and_runs(place, server, monkeypatch, published, states, layout):
    monkeypatch.setattr(drive, "ENDPOINT", f"{server.url}/download")
    files = published
    if layout == "Lightning":
        files = {
            AUTOENCODER: saved(place / "one.ckpt", LAYOUTS[AUTOENCODER]["first stage"](states)),
            FLOW: saved(place / "two.ckpt", second_stage(states)),
        }
    server.drive = {IDS[role]: path.read_bytes() for role, path in files.items()}
    form = f'<form action="/download"><input type="hidden" name="id" value="{IDS[FLOW]}"></form>'
    server.faults[f"/download?{IDS[FLOW]}"] = [page(form)]  # as for files too large to be scanned
    small(place)
    Image.fromarray(photo(70, 90)).save(place / "a.png")
    refused = srcli("degrade", place / "a.png", "--model", NAME)
    assert refused.exit_code == 4
    assert f"srcli models pull {NAME} --accept-license" in " ".join(refused.stderr.split())
    cache.accept(manifest.load().find(NAME))
    by_name = degraded(place, "by_name", "--model", NAME)
    assert names(place / "home" / "weights") == {f"{NAME}-{role}.safetensors" for role in IDS}
    assert {file: pin.source for file, pin in cache.pins().items()} == {
        f"{NAME}-{role}.pth": f"Google Drive {identity}" for role, identity in IDS.items()
    }
    asked = len(server.asked)
    by_file = degraded(place, "by_file", "-m", published[FLOW], "--autoencoder", published[AUTOENCODER])
    assert np.array_equal(by_name, by_file)
    assert srcli("models", "verify", NAME).exit_code == 0
    assert np.array_equal(degraded(place, "again", "-n", NAME), by_name)
    assert len(server.asked) == asked
    told = json.loads((place / "again" / "a_degflow_x2.4.json").read_text())
    assert told["model"] == NAME


def test_files_that_were_exchanged_on_the_drive_are_refused(place, server, monkeypatch, published):
    monkeypatch.setattr(drive, "ENDPOINT", f"{server.url}/download")
    other = {AUTOENCODER: FLOW, FLOW: AUTOENCODER}
    server.drive = {IDS[role]: published[other[role]].read_bytes() for role in IDS}
    small(place)
    result = srcli("models", "pull", NAME, "--accept-license", "--retries", "1")
    assert result.exit_code == 4
    assert "holds a model's flow, not its autoencoder" in " ".join(result.stderr.split())
    assert names(place / "home" / "weights") == set()


def test_upscale_refuses_before_anything_is_fetched(place, server, monkeypatch, published):
    monkeypatch.setattr(drive, "ENDPOINT", f"{server.url}/download")
    Image.fromarray(photo(20, 20)).save(place / "a.png")
    cache.accept(manifest.load().find(NAME))
    for words in (["upscale", place / "a.png", "-n", NAME], ["bench", "--data", place, "--models", NAME]):
        result = srcli(*words)
        assert result.exit_code == 2, result.output
        assert f"srcli degrade --model {NAME}" in " ".join(result.stderr.split())
    assert not server.asked
    result = srcli("upscale", place / "a.png", "-m", published[FLOW])
    assert result.exit_code == 2
    assert "use it with srcli degrade" in " ".join(result.stderr.split())


def test_both_files_are_imported_and_told_apart(place, published):
    small(place)
    for role, path in published.items():
        result = srcli("models", "import", path, "--as", NAME, "--accept-license", "--json")
        assert result.exit_code == 0, result.output
        assert json.loads(result.stdout)["role"] == role
    assert degraded(place, "out", "--model", NAME).shape == (70, 90, 3)
    result = srcli("models", "import", published[FLOW], "--as", NAME, "--part", AUTOENCODER)
    assert result.exit_code == 4
    assert "has changed since" in " ".join(result.stderr.split())


@pytest.mark.slow
def test_a_file_with_both_networks_is_enough(place, states, published):
    both = saved(place / "epoch=9.ckpt", second_stage(states))
    wanted = degraded(place, "apart", "-m", published[FLOW], "--autoencoder", published[AUTOENCODER])
    assert np.array_equal(degraded(place, "given", "-m", both), wanted)
    small(place)
    result = srcli("models", "import", both, "--as", NAME, "--accept-license", "--json")
    assert result.exit_code == 0, result.output
    assert [json.loads(line)["role"] for line in result.stdout.splitlines()] == [FLOW, AUTOENCODER]
    assert np.array_equal(degraded(place, "imported", "--model", NAME), wanted)


def test_a_flow_with_both_networks_leaves_an_autoencoder_that_is_here(place, states, published):
    small(place)
    for path in (published[AUTOENCODER], saved(place / "two.ckpt", second_stage(states))):
        result = srcli("models", "import", path, "--as", NAME, "--accept-license")
        assert result.exit_code == 0, result.output
    assert cache.pins()[f"{NAME}-autoencoder.pth"].source == "ae_layout.pth"
    assert cache.pins()[f"{NAME}-flow.pth"].source == "two.ckpt"


def test_files_of_other_sizes_are_not_the_published_ones(place, published):
    for role, words in ((AUTOENCODER, "base_dim is 16, not 128"), (FLOW, "nf is 16, not 128")):
        result = srcli("models", "import", published[role], "--as", NAME, "--accept-license")
        assert result.exit_code == 4
        assert f"holds a different network ({words})" in " ".join(result.stderr.split())
    assert names(place / "home" / "weights") == set()


def test_half_a_model_gets_no_name_of_its_own(place, published):
    for path in published.values():
        result = srcli("models", "import", path, "--as", "mine")
        assert result.exit_code == 4
        assert "of DegFlow; run both parts" in " ".join(result.stderr.split())
    assert not manifest.user_path().exists()


def test_an_entry_without_one_of_the_parts_is_refused(place):
    path = listed(place, mine='file = "mine-flow.pth"\nsources = []')
    path.write_text(path.read_text().replace('"linf"', '"degflow"'))
    Image.fromarray(photo(40, 40)).save(place / "a.png")
    result = srcli("degrade", place / "a.png", "--model", "mine")
    assert result.exit_code == 2
    assert "mine has no autoencoder in the manifest" in " ".join(result.stderr.split())


@pytest.mark.slow
def test_converted_files_run_like_their_originals(place, states, published):
    both, made = saved(place / "two.ckpt", second_stage(states)), {}
    for role in IDS:
        made[role] = place / f"{role}.safetensors"
        assert srcli("models", "convert", both, "-o", made[role], "--part", role).exit_code == 0
        assert convert(made[role]).role == role
        assert (
            installing.first_difference(convert(published[role]).architecture, convert(made[role]).architecture) is None
        )
    assert srcli("models", "convert", both, "-o", place / "main.safetensors").exit_code == 0
    assert convert(place / "main.safetensors").role == FLOW
    wanted = degraded(place, "apart", "-m", published[FLOW], "--autoencoder", published[AUTOENCODER])
    assert np.array_equal(degraded(place, "out", "-m", made[FLOW], "--autoencoder", made[AUTOENCODER]), wanted)
    result = srcli("models", "convert", published[FLOW], "-o", place / "no.safetensors", "--part", AUTOENCODER)
    assert result.exit_code == 2
    assert "has no autoencoder; it holds flow" in " ".join(result.stderr.split())
    assert not (place / "no.safetensors").exists()
