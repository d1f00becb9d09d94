"""The scripts that measure generators and what is trained on them compare what they say they do."""

from __future__ import annotations

import json
import sys
from types import ModuleType

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from srcli import degrader
from srcli.flows.ode import Solver
from tests.methods.degflow.networks import lively
from tests.support.places import BENCHMARKS, EXAMPLES


@pytest.fixture
def script(monkeypatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS / "training"))
    monkeypatch.delitem(sys.modules, "degflow", raising=False)
    import degflow  # type: ignore[import-not-found]

    return degflow


@pytest.fixture(scope="module")
def generator(tmp_path_factory) -> degrader.Parts:
    folder, paths = tmp_path_factory.mktemp("generator"), []
    for role in ({"kind": "degflow-ae", "base_dim": 8},
                 {"kind": "ncsnpp", "nf": 8, "num_res_blocks": 1, "tileable": True}):  # fmt: skip
        paths.append(folder / f"{role['kind']}.safetensors")
        save_file(lively(role).state_dict(), paths[-1], {"architecture": json.dumps(role)})
    return degrader.Parts("degflow", *paths)


def test_a_generator_is_compared_with_the_spline_through_the_true_latents(script, generator):
    ready = degrader.Degrader(generator, Solver("rk4", 1), precision="fp32")
    cases = [{s: script.middle(image, 128) for s, image in case.items()}
             for case in script.made(script.named(EXAMPLES))]  # fmt: skip
    table = script.quality(ready, cases, None)
    rows = [line.split(" | ")[:2] for line in table.splitlines() if line.startswith("| ")]
    assert ["| spline through the true latents", "3"] in rows
    assert ["| true level through the autoencoder", "3"] in rows
    assert ["| the photo's own latent", "2"] in rows
    lines = [line for line in table.splitlines() if line.startswith("generated level 3 against")]
    assert len(lines) == len(script.RIVALS)
    assert all(f"of {len(cases)}, better LPIPS not scored" in line for line in lines)


def test_the_spline_meets_the_straight_line_where_levels_are_evenly_far(script, generator, monkeypatch):
    """A path of latents at a constant speed is a straight one: level 3 lies half way between 2 and 4."""
    ready = degrader.Degrader(generator, Solver("rk4", 1), precision="fp32")
    values = iter((1.0, 2.0, 3.0, 4.0))
    encoder = ready.model.autoencoder.encoder
    monkeypatch.setattr(
        encoder, "forward", lambda image: (torch.full((1, 4, 8, 8), next(values)), encoder.skips(image))
    )
    photo = script.middle(np.asarray(Image.open(EXAMPLES / "cat.png").convert("RGB")), 64)
    made = script.pictures(ready, dict.fromkeys((1, 2, 3, 4), photo))
    found = {(name, level): picture.astype(int) for name, level, picture in made}
    straight = found["interpolated latents", 3]
    assert np.array_equal(straight, found["true level through the autoencoder", 3])
    assert np.abs(straight - found["spline through the true latents", 3]).max() <= 1
    assert np.abs(straight - found["the photo's own latent", 3]).max() > 1


def test_photos_are_chosen_by_the_names_of_a_run(script, tmp_path):
    (tmp_path / "held_out.txt").write_text("cat.png\n")
    assert list(script.named(EXAMPLES, tmp_path / "held_out.txt")) == ["cat.png"]
    (tmp_path / "held_out.txt").write_text("dog.png\n")
    with pytest.raises(SystemExit, match=r"no dog\.png"):
        script.named(EXAMPLES, tmp_path / "held_out.txt")


def test_large_photos_are_large_enough_for_the_grid_of_64(script, tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (896, 896, 3), np.uint8)
    Image.fromarray(image).save(tmp_path / "a.png")
    (case,) = script.large(tmp_path)
    assert script.grid_score(case[4], 64) is not None
    Image.fromarray(image[:800]).save(tmp_path / "b.png")
    with pytest.raises(SystemExit, match="less than 896"):
        script.large(tmp_path)


def test_sharpness_is_told_along_both_axes(script):
    class Smearing:
        """Only columns of pixels get softer: along rows nothing changes."""

        def generate(self, photo, scales, solver):
            rows = np.arange(64) % 2 * 100
            return [np.repeat(np.tile((rows / s)[:, None], (1, 64))[..., None], 3, 2).astype(np.uint8) for s in scales]

    class Ready:
        model, solver = Smearing(), None

    photo = np.zeros((64, 64, 3), np.uint8)
    photo[1::2] = 100
    photo[:, 1::2] += 50
    told = script.sharpness(Ready(), [{1: photo}], None)
    along = {line.split(" | ")[0]: line.split(" | ")[-1] for line in told.splitlines() if "sharpness" in line}
    assert along["| sharpness along rows"].startswith("0.000")
    assert along["| sharpness along columns"].startswith("0.25")
    assert "in both: 0 of 1" in told


def test_wins_are_counted_by_photo(script):
    assert script.wins([1.0, 2.0, 3.0], [0.0, 2.0, 4.0]) == "1 of 3"
