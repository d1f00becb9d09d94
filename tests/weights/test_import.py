"""Files that a user has, and published checkpoints: converted, named and run."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from srcli import weights
from srcli.weights import cache, manifest, pull, store
from tests.support.layouts import filled, layout_of, linf, saved
from tests.weights.server import breaks, digest
from tests.weights.steps import BODY, OTHER, ROOT, listed, names, official, part, pulled, srcli

pytestmark = pytest.mark.usefixtures("place")


def test_a_file_is_imported(place):
    listed(place, far='file = "far.safetensors"\nsources = []\n' + f'sha256 = "{digest(BODY)}"')
    result = srcli("models", "pull", "far")
    assert result.exit_code == 4
    assert "srcli models import FILE --as far" in " ".join(result.stderr.split())
    mine = place / "mine.safetensors"
    mine.write_bytes(OTHER)
    assert srcli("models", "import", mine, "--as", "far").exit_code == 4
    mine.write_bytes(BODY)
    assert srcli("models", "import", mine, "--as", "far").exit_code == 0
    mine.write_bytes(OTHER)  # what was imported is a copy
    assert srcli("models", "verify", "far").exit_code == 0
    assert weights.resolve("far")["flow"].read_bytes() == BODY


def test_a_file_of_ones_own_gets_a_name(place):
    made = official(place)
    result = srcli("models", "import", made["flow"], "--as", "mine")
    assert result.exit_code == 0, result.output
    words = ("upscale", ROOT / "examples" / "cat.png", "-s", "1.5", "--strip", "-o", place / "large.png")
    assert srcli(*words, "-n", "mine").exit_code == 0
    assert "mine" in srcli("models", "list").stdout
    assert srcli("models", "import", made["prior"], "--as", "other").exit_code == 4
    assert srcli("models", "import", made["flow"], "--as", "../x").exit_code == 2
    assert srcli("models", "list").exit_code == 0


@pytest.mark.parametrize(("name", "file"), [("mine-v1.5", "a.safetensors"), ("mine", "a.bin"), ("mine", "a.PTH")])
def test_odd_names_of_own_models_are_no_trouble(place, name, file):
    shutil.copy(store.EMBEDDED / "linf-s.safetensors", place / file)
    assert srcli("models", "import", place / file, "--as", name).exit_code == 0
    assert weights.resolve(name)["flow"].read_bytes() == BODY
    assert srcli("models", "list").exit_code == 0


def test_a_name_that_would_spoil_the_manifest_is_not_written(place):
    shutil.copy(store.EMBEDDED / "linf-s.safetensors", place / "a.safetensors")
    result = srcli("models", "import", place / "a.safetensors", "--as", "sd21-unet")
    assert result.exit_code == 4
    assert "belongs to another file" in " ".join(result.stderr.split())
    assert srcli("models", "list").exit_code == 0
    assert not manifest.user_path().exists()


def test_official_tensors_in_safetensors_are_converted(place):
    save_file(filled(layout_of(linf("edsr"))), place / "official.safetensors")
    assert srcli("models", "import", place / "official.safetensors", "--as", "mine").exit_code == 0
    assert json.loads(store.metadata(weights.resolve("mine")["flow"])["architecture"])["kind"] == "linf"
    listed(place, far=part(file="far.safetensors", known=False) + "\narchitecture = { hidden = 999 }")
    result = srcli("models", "import", store.EMBEDDED / "linf-s.safetensors", "--as", "far")
    assert result.exit_code == 4
    assert "holds a different network (hidden is 96, not 999)" in " ".join(result.stderr.split())


def test_conversions_replace_what_they_may(place):
    made, out = official(place)["flow"], place / "out.safetensors"
    assert srcli("models", "convert", made, "-o", out).exit_code == 0
    assert srcli("models", "convert", made, "-o", out).exit_code == 2
    assert srcli("models", "convert", made, "-o", out, "-y").exit_code == 0
    assert srcli("models", "convert", out, "-o", out, "-y").exit_code == 2


def test_a_checkpoint_of_another_model_is_refused(place):
    """Its hash is not known, but what it should hold is."""
    result = srcli("models", "import", official(place)["flow"], "--as", "edsr-linf-lp", "--accept-license")
    assert result.exit_code == 4
    assert "holds a different network (hidden is 16, not 256)" in " ".join(result.stderr.split())
    assert names(place / "home" / "weights") == set()


def test_parts_are_told_apart_by_what_they_hold(place):
    made = official(place)
    listed(place, both='file = "a.pth"\nsources = []\n[models.both.parts.prior]\nfile = "b.pth"\nsources = []')
    for role in ("prior", "flow"):
        result = srcli("models", "import", made[role], "--as", "both", "--json")
        assert result.exit_code == 0, result.output
        assert json.loads(result.stdout)["role"] == role
    assert not store.missing(manifest.load().find("both"))


def test_a_published_checkpoint_is_pulled_converted_and_run(place, server):
    made = official(place)
    server.files |= {f"/{role}.pth": path.read_bytes() for role, path in made.items()}
    server.faults["/flow.pth"] = [breaks(0.5)]
    both = '[models.lp]\npipeline = "linf-official"\nscales = [1.0, 8.0]\nlicence = "MIT"\ncommercial = true\n'
    for role in made:
        both += f'[models.lp.parts.{role}]\nfile = "{role}.pth"\nsources = [{{ url = "{server.url}/{role}.pth" }}]\n'
    manifest.user_path().parent.mkdir(parents=True)
    manifest.user_path().write_text(both)
    words = ("upscale", ROOT / "examples" / "cat.png", "-s", "1.5", "--strip", "-o")
    result = srcli(*words, place / "by_name.png", "-n", "lp")
    assert result.exit_code == 0, result.output
    assert names(place / "home" / "weights") == {"flow.safetensors", "prior.safetensors"}
    assert cache.pins()["flow.pth"].sha256 == digest(made["flow"].read_bytes())
    assert srcli("models", "verify", "lp").exit_code == 0
    result = srcli(*words, place / "by_file.png", "-m", made["flow"], "--prior", made["prior"])
    assert result.exit_code == 0, result.output
    assert (place / "by_name.png").read_bytes() == (place / "by_file.png").read_bytes()


def test_a_damaged_checkpoint_is_left_for_the_next_mirror(place, server):
    good = official(place)["flow"].read_bytes()
    server.files |= {"/bad": good[:-2000] + bytes(2000), "/good": good}
    listed(place, far=part(f"{server.url}/bad", file="far.pth", known=False))
    with pytest.raises(pull.PullError, match=r"far\.pth from http://127.*/bad cannot be used"):
        pulled("far")
    assert not list((place / "home" / "weights").iterdir())  # nothing that the next attempt would trip over
    listed(place, far=part(f"{server.url}/bad", f"{server.url}/good", file="far.pth", known=False))
    assert pulled("far")["far.pth"].name == "far.safetensors"


def test_lpips_comes_as_trunk_and_heads(place, server, reference):
    """As torchvision and the authors publish them; the numbers are those of the file that holds both."""
    both = load_file(reference / "perceptual" / "lpips_squeeze_v01.safetensors")
    trunk = {k: v.float() for k, v in both.items() if k.startswith("features.")}
    trunk |= {"classifier.1.weight": torch.zeros(1000, 512, 1, 1), "classifier.1.bias": torch.zeros(1000)}
    heads = {k.replace(".weight", ".model.1.weight"): v.float() for k, v in both.items() if k.startswith("lin")}
    text = '[models.lpips-squeeze]\nlicence = "BSD-3-Clause"\ncommercial = true\n'
    for role, tensors in {"trunk": trunk, "heads": heads}.items():
        server.files[f"/{role}.pth"] = saved(place / f"{role}.pth", tensors).read_bytes()
        text += f'[models.lpips-squeeze.parts.{role}]\nfile = "{role}.pth"\n'
        text += f'sources = [{{ url = "{server.url}/{role}.pth" }}]\n'
    manifest.user_path().parent.mkdir(parents=True)
    manifest.user_path().write_text(text)
    words = ("bench", "--data", ROOT / "examples", "--scale", "4", "--models", "bicubic", "--json")
    lacking = srcli(*words, "--metrics", "lpips_squeeze")
    assert lacking.exit_code == 2
    assert "srcli models pull lpips-squeeze" in " ".join(lacking.stderr.split())
    assert srcli("models", "pull", "lpips-squeeze").exit_code == 0
    pulled_weights = srcli(*words)
    assert pulled_weights.exit_code == 0, pulled_weights.output
    one_file = srcli(*words, "--lpips-weights", reference / "perceptual" / "lpips_squeeze_v01.safetensors")
    scores = [json.loads(result.stdout.splitlines()[-1])["lpips_squeeze"] for result in (pulled_weights, one_file)]
    assert scores[0] == pytest.approx(scores[1], abs=1e-6)
