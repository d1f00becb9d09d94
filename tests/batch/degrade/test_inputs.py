"""`srcli degrade` over folders: the options, the ledger and the errors of `upscale`, for presets and learned paths."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from srcli.batch.ledger import NAME
from srcli.cli.app import app
from srcli.flows.ode import TooRough
from srcli.methods.degflow.model import DegflowModel
from tests.cli.test_degrade import names, records, saved
from tests.support import children

RUNNER = CliRunner()
PRESET = ["--preset", "light"]
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "NO_COLOR": "1"}
ENGINES = ["light", "degflow"]


@pytest.fixture
def learned(tiny_degflow) -> list[str]:
    """Options that make a run one of the learned path."""
    files = ["--autoencoder", str(tiny_degflow.autoencoder), "--flow", str(tiny_degflow.flow)]
    return [*files, "--solver", "rk4", "--steps", "1", "--threads", "1"]


@pytest.fixture(params=ENGINES)
def engine(request, learned) -> tuple[str, list[str]]:
    """What names carry, and the options."""
    return request.param, PRESET if request.param == "light" else learned


@pytest.fixture
def folder(tmp_path) -> Path:
    """Four photos, one of them below."""
    for name in ("a.png", "b.png", "c.jpg", "sub/d.png"):
        saved(tmp_path / "in" / name, 66, 70)
    return tmp_path / "in"


def degrade(*arguments: object, code: int = 0, text: bytes | None = None):
    result = RUNNER.invoke(app, ["degrade", *[str(a) for a in arguments]], input=text)
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result


def pictures(folder: Path) -> list[str]:
    """Results below a folder; each must have its parameters and nothing else may be there."""
    found = [n for n in names(folder) if not n.endswith((".json", NAME))]
    assert names(folder) == sorted([*found, *(str(Path(n).with_suffix(".json")) for n in found), *ledgers(folder)])
    return found


def ledgers(folder: Path) -> list[str]:
    return [n for n in names(folder) if n.endswith(NAME)]


def statuses(result) -> Counter[str]:
    return Counter(r["status"] for r in records(result))


# What is taken


def test_globs_and_folders_below(engine, folder, tmp_path):
    mark, options = engine
    out = tmp_path / "out"
    degrade(folder, "-o", out, "-s", 2, "-r", "--include", "sub/*", "--include", "a*", *options)
    assert pictures(out) == [f"a_{mark}_x2.png", f"sub/d_{mark}_x2.png"]
    degrade(folder, "-o", out, "-s", 2, "--exclude", "*.jpg", *options)
    assert pictures(out) == [f"a_{mark}_x2.png", f"b_{mark}_x2.png", f"sub/d_{mark}_x2.png"]


def test_shards_are_disjoint_and_complete(engine, folder, tmp_path):
    mark, options = engine
    for number in (1, 2):
        counts = statuses(degrade(folder, "-r", "-o", tmp_path / "out", "-s", 2, "--shard", f"{number}/2", "--json",
                                  *options))  # fmt: skip
        assert set(counts) == {"done"}
    assert pictures(tmp_path / "out") == [f"{n}_{mark}_x2.png" for n in ("a", "b", "c", "sub/d")]


def test_lists(engine, folder, tmp_path):
    mark, options = engine
    text = f"{folder / 'a.png'}\n{folder / 'none.png'}\n{folder / 'c.jpg'}\n".encode()
    result = degrade("--from", "-", "-o", tmp_path / "out", "-s", 2, *options, code=3, text=text)
    assert "none.png does not exist" in result.stderr
    assert pictures(tmp_path / "out") == [f"a_{mark}_x2.png", f"c_{mark}_x2.png"]
    assert "nothing to do" in degrade(*options, code=2).stderr


def test_a_dry_run_says_what_would_be_done_and_does_nothing(engine, folder, tmp_path):
    mark, options = engine
    saved(folder / "tiny.png", 1, 40)
    result = degrade(folder, "-o", tmp_path / "out", "-s", 2, "--dry-run", "--json", *options, code=3)
    assert statuses(result) == {"planned": 3, "failed": 1}
    assert "tiny.png: 40x1 is too small for" in result.stderr
    assert not (tmp_path / "out").exists()
    told = {Path(r["output"]).name: (r["width"], r["height"]) for r in records(result) if r["status"] == "planned"}
    degrade(folder, "-o", tmp_path / "out", "-s", 2, *options, code=3)
    sizes = {n: Image.open(tmp_path / "out" / n).size for n in pictures(tmp_path / "out")}
    assert told == sizes
    assert len(sizes) == 3
    assert f"a_{mark}_x2.png" in sizes


def test_the_summary_is_that_of_upscale(folder, learned, tmp_path):
    (folder / "bad.png").write_text("no picture")
    result = degrade(folder, "-o", tmp_path / "out", "--json", *learned, code=3)
    summary = json.loads(result.stdout.splitlines()[-1])
    assert summary["summary"] == {"done": 3, "failed": 1}
    assert summary["failed"] == [str(folder / "bad.png")]
    assert (summary["exit_code"], summary["model"], summary["tiling"]) == (3, "degflow", "exact")
    larger = RUNNER.invoke(app, ["upscale", str(folder / "a.png"), "--dry-run", "--json"])
    assert summary.keys() == json.loads(larger.stdout.splitlines()[-1]).keys()


def test_a_failure_stops_the_run_only_if_asked(engine, folder, tmp_path):
    _, options = engine
    (folder / "aa.png").write_text("no picture")
    result = degrade(folder, "-o", tmp_path / "out", "--fail-fast", "--json", *options, code=3)
    assert statuses(result) == {"done": 1, "failed": 1}
    assert json.loads(result.stdout.splitlines()[-1])["summary"]["not done"] == 2
    assert statuses(degrade(folder, "-o", tmp_path / "out", "--json", *options, code=3)) == {
        "skipped": 1, "failed": 1, "done": 2,
    }  # fmt: skip


def test_too_large_photos_are_refused_before_they_are_decoded(engine, folder, tmp_path):
    result = degrade(folder, "-o", tmp_path / "out", "--max-pixels", 0.001, *engine[1], code=1)
    assert "--max-pixels raises it" in result.stderr
    assert not (tmp_path / "out" / NAME).exists()


# The ledger


def test_a_second_run_skips_what_is_done_whatever_the_engine(engine, folder, tmp_path):
    mark, options = engine
    command = [folder, "-o", tmp_path / "out", "-s", 2, "--json"]
    assert statuses(degrade(*command, *options)) == {"done": 3}
    before = {n: (tmp_path / "out" / n).stat().st_mtime_ns for n in names(tmp_path / "out")}
    for more in ([], ["-y"]):
        again = degrade(*command, *more, *options)
        assert statuses(again) == {"skipped": 3}
        assert "made before from the same file" in records(again)[0]["error"]
    assert {n: (tmp_path / "out" / n).stat().st_mtime_ns for n in names(tmp_path / "out")} == before
    saved(folder / "a.png", 80, 90)  # another photo of that name
    changed = degrade(*command, *options)
    assert "from another version of the file or otherwise" in next(
        r["error"] for r in records(changed) if r["input"].endswith("a.png")
    )
    assert statuses(degrade(*command, "-y", *options)) == {"done": 1, "skipped": 2}
    assert statuses(degrade(*command, "-y", "--no-ledger", *options)) == {"done": 3}
    assert Image.open(tmp_path / "out" / f"a_{mark}_x2.png").size == ((45, 40) if mark == "light" else (90, 80))


def test_other_settings_are_another_piece_of_work(folder, tmp_path):
    command = [folder, "-o", tmp_path / "out", *PRESET, "--json"]
    assert statuses(degrade(*command)) == {"done": 3}
    assert statuses(degrade(*command, "--seed", 1)) == {"skipped": 3}
    first = (tmp_path / "out" / "a_light_x4.json").read_text()
    assert statuses(degrade(*command, "--seed", 1, "-y")) == {"done": 3}
    assert (tmp_path / "out" / "a_light_x4.json").read_text() != first


def test_results_in_the_same_folder_are_not_degraded_again(engine, folder):
    mark, options = engine
    degrade(folder, "-s", 2, *options)
    made = names(folder)
    result = degrade(folder, "-s", 2, "--json", *options)
    assert "left out, as results of earlier runs" in result.stderr
    assert statuses(result) == {"skipped": 3}
    degrade(folder, "-s", 2, "-o", folder / "{stem}-low{ext}", *options)
    more = names(folder)
    assert len(more) == len(made) + 6
    result = degrade(folder, "-s", 2, "-o", folder / "{stem}-low{ext}", "--json", *options)
    assert "a-low.png is a result of an earlier run" in result.stderr
    assert statuses(result) == {"skipped": 6}
    assert names(folder) == more
    assert f"a_{mark}_x2.png" in more


def test_parameters_without_their_picture_are_taken_over_if_they_are_the_same(engine, tmp_path):
    mark, options = engine
    source = saved(tmp_path / "a.png")
    degrade(source, "-s", 2, *options)
    picture, told = tmp_path / f"a_{mark}_x2.png", tmp_path / f"a_{mark}_x2.json"
    wanted = picture.read_bytes()
    picture.unlink()  # as a run leaves it that is killed between the two
    degrade(source, "-s", 2, *options)
    assert picture.read_bytes() == wanted
    picture.unlink()
    told.write_text("of somebody else")
    assert "exists; --overwrite" in degrade(source, "-s", 2, *options, code=1).stderr
    assert told.read_text() == "of somebody else"
    assert not picture.exists()


def test_a_picture_without_its_parameters_is_not_done(folder, tmp_path):
    command = [folder, "-o", tmp_path / "out", *PRESET, "--json"]
    degrade(*command)
    (tmp_path / "out" / "a_light_x4.json").unlink()
    assert "a_light_x4.png was made before" in degrade(*command).stderr
    assert statuses(degrade(*command, "-y")) == {"done": 1, "skipped": 2}
    assert len(pictures(tmp_path / "out")) == 3


# How they are written


def test_results_have_the_format_that_is_asked_for(engine, tmp_path):
    mark, options = engine
    source = saved(tmp_path / "a.png", mode="RGBA")
    degrade(source, "-s", 2, "-f", "jpg", "--quality", 40, "--background", "black", *options)
    degrade(source, "-s", 2, "-o", tmp_path / "low.webp", *options)
    assert Image.open(tmp_path / f"a_{mark}_x2.jpg").format == "JPEG"
    assert Image.open(tmp_path / "low.webp").format == "WEBP"
    assert (tmp_path / "low.json").exists()
    said = degrade(source, "-f", "png", "-o", tmp_path / "low.webp", *options, code=2).stderr
    assert "--format png contradicts the name low.webp" in said


def test_a_moving_path_is_webp(tmp_path, learned):
    source = saved(tmp_path / "a.png")
    for options in (["-f", "gif"], ["-o", tmp_path / "a.gif"], ["-o", tmp_path / "{stem}_p.png"]):
        said = degrade(source, "--trajectory", "webp", *options, *learned, code=2).stderr
        assert "--trajectory webp makes .webp files" in said
    assert names(tmp_path) == ["a.png"]


def test_metadata_is_kept_with_the_new_size_or_left_out(engine, tmp_path):
    mark, options = engine
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    exif[0x0112] = 6  # to be turned
    exif.get_ifd(0x8769).update({0xA002: 90, 0xA003: 70})
    source = saved(tmp_path / "a.png")
    Image.open(source).save(tmp_path / "a.jpg", exif=exif)
    source.unlink()
    degrade(tmp_path / "a.jpg", "-s", 2, *options)
    made = Image.open(tmp_path / f"a_{mark}_x2.png")
    assert made.size == ((35, 45) if mark == "light" else (70, 90))
    kept = made.getexif()
    assert (kept[0x010F], kept.get(0x0112, 1)) == ("Maker", 1)
    assert (kept.get_ifd(0x8769)[0xA002], kept.get_ifd(0x8769)[0xA003]) == made.size
    degrade(tmp_path / "a.jpg", "-s", 2, "--strip", "-y", *options)
    assert not Image.open(tmp_path / f"a_{mark}_x2.png").getexif()


def test_one_frame_of_several_is_used_and_said_once(tmp_path, learned):
    frames = [Image.fromarray(np.full((64, 64, 3), value, np.uint8)) for value in (20, 120, 220)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    result = degrade(tmp_path / "a.gif", "--scales", "2,3", *learned)
    assert result.stderr.count("the first of 3 frames is used") == 1
    degrade(tmp_path / "a.gif", "--frame", 3, "-o", tmp_path / "third.png", *PRESET)
    assert abs(np.asarray(Image.open(tmp_path / "third.png")).mean() - 220) < 5
    assert "there is no frame 4" in degrade(tmp_path / "a.gif", "--frame", 4, *PRESET, code=1).stderr


def test_scales_of_one_name_are_refused(tmp_path, learned):
    source = saved(tmp_path / "a.png")
    assert "in names" in degrade(source, "--scales", "2.1234561,2.1234562", *learned, code=2).stderr
    degrade(source, "--scale", 2.1234561, *learned)
    assert json.loads((tmp_path / "a_degflow_x2.12346.json").read_text())["scale"] == 2.1234561


def test_options_of_the_other_engine_are_told(tmp_path, learned):
    source = saved(tmp_path / "a.png")
    assert "need --model" in degrade(source, "--solver", "rk4", *PRESET, code=2).stderr
    degrade(source, "--scale", 2, "--steps", 3, *learned[:4])
    both = ["--solver", "dopri5", "--steps", 4]
    assert "--steps are those of --solver rk4" in degrade(source, *both, *learned[:4], code=2).stderr
    assert json.loads((tmp_path / "a_degflow_x2.json").read_text())["solver"] == {"kind": "rk4", "steps": 3}
    assert "no effect on presets" in degrade(source, "--device", "cpu", *PRESET).stderr


# Failures


def test_failures_of_the_model_name_the_file(folder, tmp_path, learned, monkeypatch):
    plain, calls = DegflowModel.path, []

    def rough(self, *arguments):
        calls.append(1)
        if len(calls) == 2:
            raise TooRough("the flow is too rough")
        return plain(self, *arguments)

    monkeypatch.setattr(DegflowModel, "path", rough)
    result = degrade(folder, "-o", tmp_path / "out", "-s", 2, *learned, code=3)
    assert f"{folder / 'b.png'}: the flow is too rough" in result.stderr
    assert pictures(tmp_path / "out") == ["a_degflow_x2.png", "c_degflow_x2.png"]


DRIVER = """
import os, sys
from srcli.batch import engines
plain, calls, numbers = engines.degrade, [], [int(n) for n in sys.argv[1].split(",")]
def interrupted(*arguments):
    calls.append(1)
    if len(calls) == 2:
        for number in numbers:
            os.kill(os.getpid(), number)
    return plain(*arguments)
engines.degrade = interrupted
from srcli.cli.app import app
app(["degrade", *sys.argv[2:], "--preset", "light", "--json"])
"""


@pytest.mark.parametrize(
    ("signals", "code", "done"),
    [([signal.SIGINT], 130, 2), ([signal.SIGINT, signal.SIGINT], 130, 1), ([signal.SIGTERM], 143, 1)],
    ids=["once", "twice", "term"],
)
def test_interrupted_runs_leave_whole_files_and_go_on(folder, tmp_path, signals, code, done):
    numbers = ",".join(str(int(n)) for n in signals)
    command = [sys.executable, "-c", DRIVER, numbers, str(folder), "-o", str(tmp_path / "out")]
    ended = subprocess.run(
        children.with_signals(command), capture_output=True, env=ENVIRONMENT, timeout=120, check=False
    )
    assert (ended.returncode, b"Traceback" in ended.stderr) == (code, False), ended.stderr
    summary = json.loads(ended.stdout.splitlines()[-1])
    assert (summary["exit_code"], summary["summary"]) == (code, {"done": done, "not done": 3 - done})
    assert len(pictures(tmp_path / "out")) == done
    counts = statuses(degrade(folder, "-o", tmp_path / "out", "--json", *PRESET))
    assert counts == {"done": 3 - done, "skipped": done}


def test_two_processes_on_a_folder_make_every_file_once(tmp_path):
    for number in range(12):
        saved(tmp_path / "in" / f"{number:02}.png")
    command = [sys.executable, "-m", "srcli", "degrade", str(tmp_path / "in"), "-o", str(tmp_path / "out"), "--json"]
    runs = [children.start([*command, *PRESET, "-y"], env=ENVIRONMENT) for _ in range(2)]
    lines = [json.loads(line) for run in runs for line in run.communicate(timeout=120)[0].splitlines()]
    assert [run.returncode for run in runs] == [0, 0]
    assert sum(line.get("status") == "done" for line in lines) == 12
    assert len(pictures(tmp_path / "out")) == 12


def test_a_folder_that_cannot_be_written_is_one_sentence_a_file(engine, folder, tmp_path):
    (tmp_path / "out").write_text("a file where a folder should be")
    result = degrade(folder / "a.png", "-o", tmp_path / "out" / "low", "-s", 2, *engine[1], code=1)
    assert "cannot write" in result.stderr
