"""`srcli degrade --model`: pictures along a learned path from the command line, one by one and in batches."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from srcli import degrader, runtime
from srcli.cli.app import app
from srcli.degradation.bicubic import downscale
from srcli.degradation.trajectory import path_scales
from srcli.degrader import Degrader
from srcli.errors import OutOfMemory
from srcli.flows.ode import Solver
from srcli.images import Picture
from srcli.methods.degflow.model import DegflowModel
from srcli.weights import store
from tests.methods.degflow.networks import photo
from tests.support.command import RUNNER
from tests.support.degrading import names, records, saved
from tests.support.places import EXAMPLES


def read(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


# --- one photo ---


def test_a_photo_keeps_its_size_or_becomes_smaller_and_says_how_it_was_made(learned, tiny_degflow, tmp_path):
    source = saved(tmp_path / "a.png")
    learned(source, "--scale", 2.4, "-o", tmp_path / "same")
    learned(source, "--scale", 2.4, "-o", tmp_path / "small", "--resize")
    same, small = (read(tmp_path / n / "a_degflow_x2.4.png") for n in ("same", "small"))
    assert same.shape == (70, 90, 3)
    assert np.array_equal(small, downscale(same, 29, 38))
    told = json.loads((tmp_path / "small" / "a_degflow_x2.4.json").read_text())
    assert (told["width"], told["height"], told["scale"], told["resized"]) == (38, 29, 2.4, True)
    assert told["time"] == pytest.approx(1.4 / 3)
    assert told["solver"] == {"kind": "rk4", "steps": 2}
    assert told["weights"] == {
        "autoencoder": store.sha256(tiny_degflow.autoencoder),
        "flow": store.sha256(tiny_degflow.flow),
    }


def test_several_scales_are_what_each_alone_is(learned, tmp_path):
    source = saved(tmp_path / "a.png")
    learned(source, "--scales", "3,1.5,3", "-o", tmp_path / "both", "--precision", "fp32")
    learned(source, "--scale", 1.5, "-o", tmp_path / "one", "--precision", "fp32")
    assert len(names(tmp_path / "both")) == 4  # two pictures and their parameters
    one, other = (read(tmp_path / n / "a_degflow_x1.5.png") for n in ("one", "both"))
    assert np.array_equal(one, other)
    assert not np.array_equal(other, read(tmp_path / "both" / "a_degflow_x3.png"))


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "I;16"])
def test_pictures_keep_grey_and_transparency(learned, tmp_path, mode):
    source = tmp_path / "a.png"
    if mode == "I;16":
        Image.fromarray(photo(70, 90)[..., 0].astype(np.uint16) * 257).save(source)
    else:
        saved(source, mode=mode)
    learned(source, "--scale", 2, "--resize")
    made = Image.open(tmp_path / "a_degflow_x2.png")
    assert (made.mode, made.size) == ({"I;16": "L"}.get(mode, mode), (45, 35))


def test_the_path_is_shown_as_a_strip_or_moves(learned, tmp_path):
    source = saved(tmp_path / "a.png", 80, 300)
    learned(source, "--trajectory", "strip")
    learned(source, "--trajectory", "webp")
    strip = read(tmp_path / "a_degflow_strip.png")
    assert strip.shape == (80, 7 * 80 + 6 * 4, 3)
    assert np.array_equal(strip[:, :80], read(source)[:, 110:190])
    movie = Image.open(tmp_path / "a_degflow_path.webp")
    assert (movie.size, movie.is_animated) == ((80, 80), True)
    lengths = []
    for frame in range(movie.n_frames):  # equal neighbours are one
        movie.seek(frame)
        movie.load()
        lengths.append(movie.info["duration"])
    assert sum(lengths) == 100 * 2 * len(path_scales("webp"))
    assert json.loads((tmp_path / "a_degflow_path.json").read_text())["scales"][-1] == 4
    assert len(names(tmp_path)) == 5


def test_templates_tell_the_scales_apart(learned, tmp_path):
    source = saved(tmp_path / "a.png")
    learned(source, "--scales", "2,3.5", "-o", tmp_path / "{scale}" / "{stem}_{model}{ext}")
    pictures = [n for n in names(tmp_path) if n.endswith(".png")]
    assert pictures == ["2/a_degflow.png", "3.5/a_degflow.png", "a.png"]
    result = learned(source, "--scales", "2,3", "-o", tmp_path / "x" / "{stem}{ext}", code=2)
    assert "add {scale}" in result.stderr
    assert not (tmp_path / "x").exists()


# --- batches ---


def test_a_batch_goes_on_where_it_was_and_survives_bad_files(learned, tmp_path):
    source, out = tmp_path / "in", tmp_path / "out"
    saved(source / "a.png")
    saved(source / "sub" / "b.jpg")
    saved(source / "small.png", 20, 20)
    (source / "bad.png").write_text("no picture")
    command = [source, "-o", out, "-r", "--scales", "2,3", "--json"]
    first = learned(*command, code=3)
    assert sorted(r["status"] for r in records(first)) == ["done"] * 4 + ["failed"] * 2
    assert "bad.png is not a picture" in first.stderr
    assert "small.png: 20x20 is too small for DegFlow, which needs 33 pixels a side" in first.stderr
    made = [n for n in names(out) if n.endswith(".png")]
    assert made == ["a_degflow_x2.png", "a_degflow_x3.png", "sub/b_degflow_x2.png", "sub/b_degflow_x3.png"]
    (out / "a_degflow_x2.png").unlink()
    (out / "a_degflow_x2.json").unlink()
    before = {p: p.stat().st_mtime_ns for p in out.rglob("*.png")}
    again = records(learned(*command, code=3))
    assert [r["output"] for r in again if r["status"] == "done"] == [str(out / "a_degflow_x2.png")]
    assert "failed in an earlier run" in next(r["error"] for r in again if "bad.png" in r["input"])
    assert all(p.stat().st_mtime_ns == t for p, t in before.items())
    other = records(learned(*command, "--resize", "-y", code=3))
    assert sum(r["status"] == "done" for r in other) == 4  # another result than the one in the ledger


def test_results_are_not_degraded_again_nor_overwritten(learned, tmp_path):
    saved(tmp_path / "a.png")
    learned(tmp_path, "--scale", 2, "--no-ledger")
    learned(tmp_path / "a.png", "--trajectory", "strip")
    made = names(tmp_path)
    assert "exists; use --overwrite" in learned(tmp_path, "--scale", 2, "--no-ledger").stderr
    assert "exists; use --overwrite" in learned(tmp_path / "a.png", "--scale", 2).stderr
    assert names(tmp_path) == made
    learned(tmp_path / "a.png", "--scale", 2, "-y", "--resize")
    assert Image.open(tmp_path / "a_degflow_x2.png").size == (45, 35)


def test_two_generators_are_kept_apart(learned, tiny_degflow, tmp_path, monkeypatch):
    saved(tmp_path / "a.png")
    learned(tmp_path / "a.png", "--scale", 2)
    monkeypatch.setattr(degrader, "find", lambda *_: replace(tiny_degflow, name="degflow-realsr"))
    for inputs in (tmp_path / "a.png", tmp_path / "a.png", tmp_path):  # made once, and not degraded again
        learned(inputs, "--scale", 2)
    both = ("a_degflow_x2", "a_degflow_x2_degflow-realsr")
    assert names(tmp_path) == sorted(["a.png", *(f"{n}.{s}" for n in both for s in ("json", "png"))])


def test_nothing_half_written_is_left(learned, tmp_path, monkeypatch):
    saved(tmp_path / "a.png")

    def broken(self, *arguments, **options):
        yield photo(70, 90)
        raise ValueError("no more")

    monkeypatch.setattr(DegflowModel, "generate", broken)
    output = learned(tmp_path / "a.png", "--scales", "2,3", "-o", tmp_path / "out", code=3)
    assert "unexpected ValueError" in output.stderr
    assert names(tmp_path / "out") == ["a_degflow_x2.json", "a_degflow_x2.png"]


def test_where_memory_runs_out_tiles_become_smaller(tiny_degflow, monkeypatch):
    ready = Degrader(tiny_degflow, Solver("rk4", 2), device="cpu", precision="fp32")
    picture = Picture(photo(64, 96))
    wanted = [p.colour for p in ready.degrade(picture, [1.5, 3.0])]
    plain, budgets = DegflowModel.generate, []

    def short(self, image, scales, *arguments, budget, **options):
        budgets.append(budget)
        for made in plain(self, image, scales, *arguments, budget=budget, **options):
            if len(budgets) == 2 and len(scales) == 2:
                yield made  # one is done when memory runs out
            if len(budgets) < 3:
                raise MemoryError
            yield made

    monkeypatch.setattr(DegflowModel, "generate", short)
    made = [p.colour for p in ready.degrade(picture, [1.5, 3.0])]
    assert [b / budgets[0] for b in budgets] == [1, 0.5, 0.25]
    assert all(np.array_equal(a, b) for a, b in zip(made, wanted, strict=True))

    def never(self, *arguments, **options):
        raise MemoryError
        yield

    monkeypatch.setattr(DegflowModel, "generate", never)
    with pytest.raises(OutOfMemory, match="even in small tiles"):
        next(ready.degrade(picture, [2.0]))


def test_a_path_without_memory_is_not_tried_in_smaller_tiles(learned, tmp_path, monkeypatch):
    source, asked = saved(tmp_path / "a.png"), []

    def short(self, *arguments):
        asked.append(1)
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate")

    monkeypatch.setattr(DegflowModel, "path", short)
    result = learned(source, "--scale", 2, "-o", tmp_path / "out", code=5)
    assert f"{source}: not enough memory for the path of 90x70" in result.stderr
    assert (len(asked), (tmp_path / "out").exists()) == (1, False)
    monkeypatch.setattr(runtime, "free_memory", lambda: 2**17)
    result = learned(source, "--scale", 2, "-o", tmp_path / "out", code=5)
    assert f"{source}: the path of 90x70 takes about" in result.stderr
    assert len(asked) == 1


def test_models_on_the_manifest_are_found_by_name(tiny_degflow, monkeypatch):
    from srcli.weights import manifest

    entry = manifest.Entry(
        name="degflow-s",
        aliases=("degflow",),
        purpose="",
        pipeline="degflow",
        scales=(1, 4),
        paper="",
        licence="",
        commercial=True,
        parts={
            role: manifest.Part(role, path.name, bytes=path.stat().st_size, sha256=store.sha256(path))
            for role, path in (("autoencoder", tiny_degflow.autoencoder), ("flow", tiny_degflow.flow))
        },
    )
    known = manifest.Manifest("degflow-s", {"degflow-s": entry})
    monkeypatch.setattr(manifest, "load", lambda: known)
    monkeypatch.setattr(store, "EMBEDDED", tiny_degflow.flow.parent)
    found = degrader.find("degflow")
    assert (found.name, found.autoencoder, found.flow) == ("degflow-s", tiny_degflow.autoencoder, tiny_degflow.flow)
    result = RUNNER.invoke(app, ["upscale", str(EXAMPLES / "cat.png"), "--model", "degflow-s", "--dry-run"])
    assert result.exit_code == 2
    assert "use it with: srcli degrade" in result.stderr


def test_memory_does_not_grow_with_the_scales_asked_for(tiny_degflow):
    from srcli.methods.degflow import model as degflow

    ready = Degrader(tiny_degflow, Solver("rk4", 1), device="cpu")
    assert isinstance(ready.runtime, runtime.Runtime)
    scales = [1 + n / 10 for n in range(1, degflow.TOGETHER + 3)]
    made, asked = ready.model.generate(photo(64, 64), scales, Solver("rk4", 1)), []
    plain = ready.model._decoded
    ready.model._decoded = lambda c, w, path, a: asked.append(len(path)) or plain(c, w, path, a)
    with torch.no_grad():
        assert len(list(made)) == len(scales)
    assert asked == [degflow.TOGETHER, 2]
