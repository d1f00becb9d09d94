"""The trained generator of degradations, on photos and cameras that it has not seen."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from srcli.cli.app import app
from srcli.degradation.levels import draw_camera
from srcli.degrader import Degrader, find
from srcli.flows.ode import Solver
from srcli.geometry import Size
from srcli.methods.degflow.model import to_bytes
from srcli.metrics.grid import grid_score
from srcli.metrics.lpips import LPIPS
from srcli.metrics.psnr import luma, psnr
from srcli.training.data.photos import to_tensor
from tests.support.places import EXAMPLES

LEVELS = (1, 2, 3, 4)
Levels = dict[int, np.ndarray]


@pytest.fixture(scope="module")
def degrader() -> Degrader:
    return Degrader(find("degflow-s"), precision="fp32")


@pytest.fixture(scope="module")
def cases() -> list[Levels]:
    """Photos at levels of a camera, two cameras each."""
    found = []
    for path in sorted(p for p in EXAMPLES.iterdir() if p.suffix in (".png", ".jpg")):
        photo = np.asarray(Image.open(path).convert("RGB"))
        photo = photo[: photo.shape[0] // 64 * 64, : photo.shape[1] // 64 * 64]
        for seed in range(2):
            camera = draw_camera(np.random.default_rng(seed))
            found.append({s: camera(photo, s) for s in LEVELS})
    return found


def signed(image: np.ndarray) -> torch.Tensor:
    """(1, 3, H, W) in [-1, 1]."""
    return to_tensor(image)[None] * 2 - 1


def decoded(degrader: Degrader, z: torch.Tensor, photo: np.ndarray) -> np.ndarray:
    autoencoder = degrader.model.autoencoder
    return to_bytes(autoencoder.decoder(z, autoencoder.encoder.skips(signed(photo)))[0])


@torch.inference_mode()
def test_the_autoencoder_brings_back_real_levels(degrader, cases):
    for level in (2, 4):
        made = [decoded(degrader, degrader.model.autoencoder.encoder(signed(c[level]))[0], c[1]) for c in cases]
        assert np.mean([psnr(a, c[level], channel="rgb") for a, c in zip(made, cases, strict=True)]) > 30


@torch.inference_mode()
def test_a_level_that_was_not_shown_is_as_near_as_between_those_that_were(degrader, cases, reference):
    """And nearer than between the pictures. Interpolations are given the true levels 2 and 4, the generator is not."""
    judge = LPIPS.load(reference / "perceptual" / "lpips_squeeze_v01.safetensors")
    faithful, near = [], []
    for case in cases:
        z2, z4 = (degrader.model.autoencoder.encoder(signed(case[s]))[0] for s in (2, 4))
        made = (
            next(degrader.model.generate(case[1], [3], degrader.solver)),
            decoded(degrader, (z2 + z4) / 2, case[1]),
            np.rint((case[2].astype(float) + case[4]) / 2).astype(np.uint8),
        )
        faithful.append([psnr(image, case[3], channel="rgb") for image in made])
        near.append([judge(signed(image), signed(case[3])).item() for image in made])
    ours, latents, pictures = np.mean(faithful, 0)
    assert ours > pictures + 1
    assert ours > latents - 0.2
    ours, latents, _ = np.mean(near, 0)
    assert ours < 1.05 * latents


def test_sharpness_falls_all_the_way(degrader, cases):
    scales = [1.25, 1.5, 2, 2.5, 3, 3.5, 4]
    for case in cases[::2]:
        path = [case[1], *degrader.model.generate(case[1], scales, degrader.solver)]
        for axis in (0, 1):
            sharp = [np.abs(np.diff(luma(image), axis=axis)).mean() for image in path]
            assert all(a > b for a, b in pairwise(sharp))


def test_no_grid_of_the_latents_positions(degrader, cases):
    for case in cases[::2]:
        for level, made in zip((2, 4), degrader.model.generate(case[1], [2, 4], degrader.solver), strict=True):
            true = grid_score(case[level], 8)
            assert true is None or grid_score(made, 8) < max(1.5, 1.3 * true)


def test_few_equal_steps_lead_where_the_adaptive_solver_leads(degrader, cases):
    assert degrader.solver == Solver("rk4", 8)
    small = cases[0][1][:64, :64]
    few, many = (next(degrader.model.generate(small, [4], how)) for how in (degrader.solver, Solver()))
    assert np.abs(few.astype(int) - many).max() <= 2


def test_tiles_are_the_whole(degrader, cases):
    """But for the last bit, since convolutions of other sizes round in other ways."""
    height, width = (256 - n for n in cases[0][1].shape[:2])
    photo = np.pad(cases[0][1], ((0, height), (0, width), (0, 0)), mode="symmetric")
    model, budget = degrader.model, 12 * 2**20
    tiles = model.tiles(Size(256, 256), budget)
    assert min(tiles.area(w, model.autoencoder.encoder.radius).height for w in tiles.windows) < 256
    solver = Solver("rk4", 2)
    whole, tiled = (next(model.generate(photo, [2.7], solver, budget=b)) for b in (0, budget))
    assert np.abs(whole.astype(int) - tiled).max() <= 1


def test_it_is_the_one_that_degrade_means_by_default(tmp_path):
    arguments = ["degrade", str(EXAMPLES / "cat.png"), "-o", str(tmp_path), "--model", "degflow", "--scale", "2.4"]
    assert CliRunner().invoke(app, [*arguments, "--resize"]).exit_code == 0
    width, height = Image.open(EXAMPLES / "cat.png").size
    assert Image.open(tmp_path / "cat_degflow_x2.4.png").size == (round(width / 2.4), round(height / 2.4))
