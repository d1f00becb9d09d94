"""On a device that is none: a GPU is given what is stored, makes the CPU's picture, and is not waited for."""

from __future__ import annotations

import sys
from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest
import torch
from PIL import Image

from srcli import Target, Upscaler
from srcli.images.picture import Picture
from srcli.images.read import from_pil
from srcli.tiling.model import Sampling
from tests.support.places import BENCHMARKS, EXAMPLES

CAT = from_pil(Image.open(EXAMPLES / "cat.png").convert("RGB").crop((40, 30, 140, 100)))
CASES = [
    ("linf-lp-s", 1.0),
    ("linf-lp-s", 0.0),
    ("linf-s", 1.0),
    ("flowsr-s", 1.0),
    ("flowmap-s", 1.0),
    ("bicubic", 1.0),
]
TABLES = 100_000  # bytes of taps and shares that go up for a picture of 400 x 280


@pytest.fixture
def script(monkeypatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    for name in ("gpu", "pretend"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    import gpu  # type: ignore[import-not-found]

    return gpu


@pytest.fixture
def pretended(script):
    return script.pretended


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize(("model", "detail"), CASES)
def test_a_gpu_makes_the_cpus_picture_and_only_stored_values_cross(pretended, model, detail, precision):
    sampling = Sampling(detail=detail)
    wanted = Upscaler(model, device="cpu", precision=precision).run(CAT, Target(scale=4), sampling)
    with pretended() as there:
        upscaler = Upscaler(model, device="cuda:0", precision=precision)
        there.clear()
        made = upscaler.run(CAT, Target(scale=4), sampling)
    assert np.array_equal(made.picture.colour, wanted.picture.colour)
    assert there.bus.waits == 0
    assert CAT.colour.nbytes < there.bus.up < CAT.colour.nbytes + TABLES
    assert made.picture.colour.nbytes < there.bus.down < made.picture.colour.nbytes + 100


def test_a_larger_picture_takes_no_more_kernels(pretended):
    counts = []
    with pretended() as there:
        upscaler = Upscaler("linf-lp-s", device="cuda:0", precision="fp32")
        for side in (60, 150):
            there.clear()
            upscaler.upscale(np.zeros((side, side, 3), np.uint8), scale=4)
            counts.append(there.total.kernels)
    assert counts[0] == counts[1] < 400


def test_strips_of_every_kind_of_picture_come_back_as_from_the_cpu(pretended):
    rng = np.random.default_rng(0)
    deep = rng.integers(0, 65536, (70, 60, 3), dtype=np.uint16)
    light = replace(CAT.metadata, gamma=1.0)
    pictures = [
        Picture(deep, alpha=rng.integers(0, 65536, (70, 60), dtype=np.uint16)),
        replace(CAT, metadata=light),
        Picture(CAT.colour[..., :1], alpha=np.full(CAT.colour.shape[:2], 9, np.uint8)),
        Picture(rng.uniform(-1, 2, (40, 50, 3)).astype(np.float32), span=(-1.0, 2.0)),
    ]
    plain = Upscaler("linf-s", device="cpu", precision="fp32", tile=64)
    wanted = [plain.run(picture, Target(scale=2)).picture for picture in pictures]
    with pretended():
        upscaler = Upscaler("linf-s", device="cuda:0", precision="fp32", tile=64)
        made = [upscaler.run(picture, Target(scale=2)).picture for picture in pictures]
    for one, other in zip(made, wanted, strict=True):
        assert np.array_equal(one.colour, other.colour)
        assert (one.alpha is None) == (other.alpha is None)
        assert one.alpha is None or np.array_equal(one.alpha, other.alpha)


def test_the_pretended_device_sees_what_a_real_one_would(pretended):
    with pretended() as there:
        on_device = torch.ones(3).to("cuda:0", non_blocking=True)
        with pytest.raises(RuntimeError, match="of the CPU and of the device"):
            on_device + torch.ones(3)
        there.clear()
        assert float(on_device.sum()) == 3
        assert (there.total.kernels, there.bus.waits) == (1, 1)
        assert torch.equal((on_device * 2).cpu(), torch.full((3,), 2.0))
        assert (there.bus.down, there.bus.waits) == (12, 2)


def run(script, monkeypatch, capsys, *arguments: str) -> list[list[str]]:
    monkeypatch.setattr(sys, "argv", ["gpu.py", *arguments])
    script.main()
    lines = capsys.readouterr().out.splitlines()
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line.startswith("| ")]


def test_the_table_of_a_device_and_of_none(script, monkeypatch, capsys):
    tiny = ["--outputs", "64x48", "--models", "linf-lp-s,bicubic", "--repeats", "1"]
    head, *timed = run(script, monkeypatch, capsys, "--device", "cpu", *tiny)
    _, *counted = run(script, monkeypatch, capsys, "--pretend", *tiny)
    assert [row[:4] for row in timed] == [row[:4] for row in counted]
    assert [row[0] for row in timed] == ["linf-lp-s", "linf-lp-s", "bicubic"]
    for row in (dict(zip(head, cells, strict=True)) for cells in timed):
        assert float(row["seconds"]) > 0
        assert int(row["kernels"]) > 0
    for row in (dict(zip(head, cells, strict=True)) for cells in counted):
        assert (row["seconds"], row["waits"]) == ("", "0")
        assert row["up"].endswith("MB")
