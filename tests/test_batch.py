"""Claims about batches: what is taken and how it is named, what a second run does, and that neither a signal nor a full
disk leaves anything behind."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from srcli import batch, files
from srcli.batch.ledger import NAME
from srcli.cli.app import app

EXAMPLES = Path(__file__).parents[1] / "examples"
COMMAND = [sys.executable, "-m", "srcli", "upscale"]
QUICK = ["-s", "2", "--threads", "1"]
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "NO_COLOR": "1"}
RUNNER = CliRunner()


def srcli(*arguments: object, text: bytes | None = None):
    return RUNNER.invoke(app, ["upscale", *[str(a) for a in arguments], *QUICK], input=text)


def records(result) -> list[dict]:
    """Of a run with --json, without the summary."""
    return [json.loads(line) for line in result.stdout.splitlines()][:-1]


def statuses(result) -> Counter[str]:
    return Counter(r["status"] for r in records(result))


def photo(path: Path, number: int = 0, height: int = 16, width: int = 20) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with Image.open(EXAMPLES / "cat.png") as cat:
        left, top = number * 7 % 200, number * 3 % 130
        cat.convert("RGB").crop((left, top, left + width, top + height)).save(path)
    return path


def photos(folder: Path, count: int, **size: int) -> Path:
    for number in range(count):
        photo(folder / f"{number:03}.png", number, **size)
    return folder


def tree(folder: Path) -> set[str]:
    """Files below a folder, without the ledger."""
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file() and p.name != NAME}


def contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in tree(folder)}


def entries(folder: Path, status: str = "done") -> list[dict]:
    lines = [json.loads(line) for line in (folder / NAME).read_text().splitlines()]
    return [line for line in lines if line["status"] == status]


def planned(*arguments, **options) -> set[str]:
    return {item.source.name for item in batch.plan(*arguments, **options).items}


# What is taken


def test_folders_with_globs(tmp_path):
    for name in ("a.png", "b.jpg", "scans/c.jpg", "scans/deep/d.png", ".hidden/e.png", "scans/.f.png", "text.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    everything = batch.Choice(recursive=True)
    assert planned([tmp_path], None) == {"a.png", "b.jpg"}
    assert planned([tmp_path], None, everything) == {"a.png", "b.jpg", "c.jpg", "d.png"}
    assert planned([tmp_path], None, batch.Choice(True, include=("*.jpg",))) == {"b.jpg", "c.jpg"}
    assert planned([tmp_path], None, batch.Choice(True, include=("scans/*",))) == {"c.jpg", "d.png"}
    assert planned([tmp_path], None, batch.Choice(True, exclude=("scans/deep/*", "a.*"))) == {"b.jpg", "c.jpg"}


def test_globs_that_choose_nothing_are_told(tmp_path):
    photo(tmp_path / "a.png")
    result = srcli(tmp_path, "--include", "*.tif")
    assert result.exit_code == 0
    assert "no picture is chosen" in result.stderr
    assert tree(tmp_path) == {"a.png"}


@pytest.mark.parametrize(
    ("mark", "ending"), [(b"", b"\n"), (b"\xef\xbb\xbf", b"\r\n"), (b"", b"\0")], ids=["lines", "windows", "print0"]
)
def test_lists_from_files_and_standard_input(tmp_path, mark, ending):
    names = ["a b.png", "%41.png", "#ñ🐈.png"]
    paths = [photo(tmp_path / name, number) for number, name in enumerate(names)]
    text = mark + ending.join(os.fsencode(path) for path in paths) + ending
    (tmp_path / "list").write_bytes(text)
    assert srcli("--from", tmp_path / "list", "-o", tmp_path / "file").exit_code == 0
    assert srcli("--from", "-", "-o", tmp_path / "stdin", "--dry-run", text=text).exit_code == 0
    assert tree(tmp_path / "file") == {"a b_x2.png", "%41_x2.png", "#ñ🐈_x2.png"}


def test_a_missing_or_empty_list_is_wrong_usage(tmp_path):
    (tmp_path / "empty").touch()
    for name, says in (("missing", "cannot be read"), ("empty", "has no lines")):
        result = srcli("--from", tmp_path / name)
        assert (result.exit_code, says in result.stderr) == (2, True), result.stderr


def test_a_picture_through_a_pipe(tmp_path):
    data = photo(tmp_path / "a.png").read_bytes()
    run = subprocess.run([*COMMAND, "-", *QUICK], input=data, capture_output=True, env=ENVIRONMENT, check=True)
    (tmp_path / "piped.png").write_bytes(run.stdout)
    srcli(tmp_path / "a.png", "-o", tmp_path / "b.png")
    assert np.array_equal(Image.open(tmp_path / "piped.png"), Image.open(tmp_path / "b.png"))
    assert Path(tmp_path / "piped.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_symlinks(tmp_path):
    inside, outside = tmp_path / "in", tmp_path / "elsewhere"
    photo(inside / "a.png")
    photo(outside / "b.png")
    (inside / "file.png").symlink_to(outside / "b.png")
    (inside / "folder").symlink_to(outside)
    (inside / "circle").symlink_to(inside)
    (inside / "nowhere.png").symlink_to(tmp_path / "gone.png")
    (inside / "loop.png").symlink_to("loop.png")
    result = srcli(inside, "-r", "-o", tmp_path / "out", "--json")
    failed = {Path(r["input"]).name: r["error"] for r in records(result) if r["status"] == "failed"}
    assert tree(tmp_path / "out") == {"a_x2.png", "file_x2.png"}
    assert failed.keys() == {"nowhere.png", "loop.png"}
    assert "is a link to" in failed["nowhere.png"]
    assert result.exit_code == 3
    assert srcli(inside / "folder", "-o", tmp_path / "named").exit_code == 0  # a link that is named is followed
    assert tree(tmp_path / "named") == {"b_x2.png"}


def test_names_of_every_kind(tmp_path):
    longest = "é" * 123 + "a.png"  # 251 bytes
    odd = ["a b", " lead", "%41", "#1", "ñ", "n\u0303", "🐈", "new\nline", "[x]{y}", "-o", os.fsdecode(b"\xff")]
    names = [f"{stem}.png" for stem in odd] + [longest]
    for number, name in enumerate(names):
        photo(tmp_path / "in" / name, number)
    result = srcli(tmp_path / "in", "-o", tmp_path / "out", "--json")
    made = {name.removesuffix("_x2.png") + ".png" for name in tree(tmp_path / "out")}
    assert made == set(names)
    assert result.exit_code == 0
    photo(tmp_path / "in" / ("b" * 251 + ".png"))  # 255 bytes, but those of its result would be 258
    result = srcli(tmp_path / "in", "-o", tmp_path / "out", "--json")
    assert statuses(result) == {"skipped": len(names), "failed": 1}
    assert "File name too long" in result.stdout
    assert srcli(tmp_path / "in" / ("b" * 251 + ".png"), "-o", tmp_path / "short.png").exit_code == 0


# How results are named


def test_every_field_of_a_template(tmp_path):
    photo(tmp_path / "in" / "sub" / "a.jpg")
    template = f"{tmp_path}/out/{{folder}}/{{parent}}/{{model}}-{{stem}}-{{scale}}-{{width}}x{{height}}{{ext}}"
    assert srcli(tmp_path / "in", "-r", "-o", template).exit_code == 0
    assert tree(tmp_path / "out") == {"sub/sub/linf-lp-s-a-2-40x32.jpg"}


def test_a_template_without_suffix_gets_the_format(tmp_path):
    photo(tmp_path / "in" / "photo.v2.png")
    photo(tmp_path / "in" / "a.jpg.png")
    assert srcli(tmp_path / "in", "-o", tmp_path / "{stem}").exit_code == 0
    assert tree(tmp_path) >= {"photo.v2.png", "a.jpg.png"}


@pytest.mark.parametrize(
    ("template", "says"),
    [
        ("{name}{ext}", "unknown field {name}"),
        ("{}{ext}", "unknown field {}"),
        ("{stem.x}{ext}", "unknown field {stem.x}"),
        ("{stem", "is wrong"),
        ("{stem:d}{ext}", "is wrong"),
        ("{stem!q}{ext}", "is wrong"),
        ("all{ext}", "the same name"),
        ("{parent}{ext}", "add {stem}"),
    ],
)
def test_a_wrong_template_is_wrong_usage(tmp_path, template, says):
    photos(tmp_path / "in", 2)
    result = srcli(tmp_path / "in", "-o", tmp_path / template)
    assert (result.exit_code, len(result.stderr.splitlines())) == (2, 1), result.stderr
    assert says in result.stderr
    assert tree(tmp_path) == {"in/000.png", "in/001.png"}


def test_a_format_that_contradicts_the_template_is_wrong_usage(tmp_path):
    photos(tmp_path / "in", 2)
    result = srcli(tmp_path / "in", "-o", tmp_path / "{stem}.png", "-f", "jpg")
    assert (result.exit_code, "contradicts" in result.stderr) == (2, True)


@pytest.mark.parametrize("template", ["", "/{stem}{ext}", "/{stem}"])
def test_clashes_are_resolved_and_told(tmp_path, template):
    for number, name in enumerate(["a.jpg", "a.png", "a_png.webp", "b.png"]):
        photo(tmp_path / "in" / name, number)
    result = srcli(tmp_path / "in", "-o", f"{tmp_path / 'out'}{template}", "-f", "png")
    assert result.exit_code == 0
    mark = "" if template else "_x2"
    assert tree(tmp_path / "out") == {f"{stem}{mark}.png" for stem in ("a_jpg", "a_png", "a_png_2", "b")}
    assert "a.jpg as a_jpg" in result.stderr


# Shards


def test_shards_are_disjoint_complete_and_stable(tmp_path):
    for number in range(60):
        (tmp_path / f"{number}.png").touch()
    parts = [planned([tmp_path], None, batch.Choice(shard=(i, 4))) for i in (1, 2, 3, 4)]
    assert sum(map(len, parts)) == 60
    assert set.union(*parts) == {f"{n}.png" for n in range(60)}
    assert all(5 < len(part) < 30 for part in parts)
    (tmp_path / "00.png").touch()
    after = [planned([tmp_path], None, batch.Choice(shard=(i, 4))) for i in (1, 2, 3, 4)]
    assert [a - {"00.png"} for a in after] == parts
    moved = shutil.copytree(tmp_path, tmp_path / "elsewhere")
    assert planned([moved], None, batch.Choice(shard=(2, 4))) == after[1]


def test_results_of_different_shards_do_not_take_one_name(tmp_path):
    for number in range(8):
        (tmp_path / f"{number}.png").touch()
        (tmp_path / f"{number}.jpg").touch()
    shards = [batch.plan([tmp_path], None, batch.Choice(shard=(i, 2)), suffix=".png").items for i in (1, 2)]
    names = [item.name for part in shards for item in part]
    assert len(set(names)) == 16
    whole = {item.source: item.name for item in batch.plan([tmp_path], None, suffix=".png").items}
    assert {item.source: item.name for part in shards for item in part} == whole


def test_a_result_of_one_shard_does_not_replace_an_input_of_another(tmp_path):
    paths = [photo(tmp_path / name) for name in ("a.png", "a_x2.png")]
    before = paths[1].read_bytes()
    for shard in ("1/2", "2/2"):
        srcli(*paths, "--shard", shard, "-y")
    assert paths[1].read_bytes() == before


@pytest.mark.parametrize("shard", ["0/2", "3/2", "1", "a/b", "1/0"])
def test_a_wrong_shard_is_wrong_usage(tmp_path, shard):
    photo(tmp_path / "a.png")
    result = srcli(tmp_path, "--shard", shard)
    assert (result.exit_code, "is not I/N" in result.stderr) == (2, True)


# Places that cannot be written


def test_a_file_where_a_folder_is_needed(tmp_path):
    photos(tmp_path / "in", 2)
    (tmp_path / "file").write_text("in the way")
    result = srcli(tmp_path / "in", "-o", tmp_path / "file")
    assert (result.exit_code, "is a file; give a folder" in result.stderr) == (2, True)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "sub").write_text("in the way")
    photo(tmp_path / "in" / "sub" / "c.png")
    result = srcli(tmp_path / "in", "-r", "-o", tmp_path / "out", "--json")
    assert (result.exit_code, statuses(result)) == (3, {"done": 2, "failed": 1})
    assert tree(tmp_path / "out") == {"000_x2.png", "001_x2.png", "sub"}


@pytest.fixture
def mounted(tmp_path) -> Iterator:
    """Makes file systems of their own, where that is allowed."""
    made: list[Path] = []

    def mount(name: str, options: str) -> Path:
        place = tmp_path / name
        place.mkdir(exist_ok=True)
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
        if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("file systems cannot be mounted here")
        made.append(place)
        return place

    yield mount
    for place in made:
        subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_read_only_folder_is_one_sentence_a_file(tmp_path, mounted):
    place = mounted("place", "size=1m")
    photos(place, 2)
    (place / "text.png").write_text("no picture")
    subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)
    result = srcli(place, "--json")
    errors = [r["error"] for r in records(result)]
    assert result.exit_code == 1
    assert [("Read-only file system" in e) for e in errors] == [True, True, False]
    assert "not a picture" in errors[2]
    assert srcli(place, "-o", tmp_path / "out").exit_code == 3  # reading from there is all that is needed
    assert tree(tmp_path / "out") == {"000_x2.png", "001_x2.png"}


@pytest.mark.parametrize("kind", ["png", "tif", "jpg", "webp", "bmp"])
def test_a_full_disk_leaves_whole_files_only(tmp_path, mounted, kind):
    place = mounted("place", "size=24k")
    noise = np.random.default_rng(0).integers(0, 256, (6, 40, 40, 3), np.uint8)
    (tmp_path / "in").mkdir()
    for number, pixels in enumerate(noise):
        Image.fromarray(pixels).save(tmp_path / "in" / f"{number}.png")
    result = srcli(tmp_path / "in", "-o", place, "-f", kind, "--json")
    counts = statuses(result)
    assert result.exit_code == (3 if counts["done"] else 1)
    assert counts["failed"] >= 1
    assert len(tree(place)) == counts["done"]
    for name in tree(place):
        Image.open(place / name).load()
    for record in records(result):
        assert record["status"] == "done" or "No space left on device" in record["error"]
    subprocess.run(["mount", "-o", "remount,size=4m", str(place)], check=True)
    assert srcli(tmp_path / "in", "-o", place, "-f", kind).exit_code == 0
    assert len(tree(place)) == 6


def test_a_limit_on_the_size_of_files_is_one_sentence(tmp_path):
    photos(tmp_path / "in", 1, height=100, width=150)
    photo(tmp_path / "in" / "small.png")
    most = 8000

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))

    command = [*COMMAND, str(tmp_path / "in"), "-o", str(tmp_path / "out"), "--json", *QUICK]
    run = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, preexec_fn=limit, check=False)
    assert run.returncode == 3
    assert "File too large" in run.stdout
    assert tree(tmp_path / "out") == {"small_x2.png"}


# Failures and second runs


@pytest.fixture
def folder(tmp_path) -> Path:
    """Three pictures, and a file that is none."""
    photos(tmp_path / "in", 3)
    (tmp_path / "in" / "001b.png").write_text("no picture")
    return tmp_path / "in"


def test_a_failure_stops_the_run_only_if_asked(folder, tmp_path):
    result = srcli(folder, "-o", tmp_path / "out", "--json")
    assert (result.exit_code, statuses(result)) == (3, {"done": 3, "failed": 1})
    result = srcli(folder, "-o", tmp_path / "fast", "--json", "--fail-fast")
    assert (result.exit_code, statuses(result)) == (3, {"done": 2, "failed": 1})
    assert len(tree(tmp_path / "fast")) == 2


def test_a_second_run_skips_what_is_done(folder, tmp_path):
    out = tmp_path / "out"
    srcli(folder, "-o", out)
    before = {p: p.stat().st_mtime_ns for p in out.iterdir()}
    for more in ([], ["-y"]):
        result = srcli(folder, "-o", out, "--json", *more)
        assert statuses(result) == {"skipped": 3, "failed": 1}
        assert {p: p.stat().st_mtime_ns for p in out.iterdir()} == before
    assert statuses(srcli(folder, "-o", out, "--json", "-y", "--no-ledger")) == {"done": 3, "failed": 1}


def test_a_batch_of_one_that_is_done_is_no_failure(tmp_path):
    photos(tmp_path / "in", 1)
    assert [srcli(tmp_path / "in", "-o", tmp_path / "out").exit_code for _ in range(2)] == [0, 0]


def test_a_refused_file_is_tried_again_when_asked_or_changed(folder, tmp_path):
    def error(*more: str) -> str:
        return next((r["error"] for r in records(srcli(folder, "-o", tmp_path / "out", "--json", *more)) if "error" in r
                     and "001b" in r["input"]), "none")  # fmt: skip

    assert "known from before" not in error()
    assert "known from before" in error()
    assert "known from before" not in error("--retry-failed")
    photo(folder / "001b.png", 9)
    assert error() == "none"
    assert "001b_x2.png" in tree(tmp_path / "out")


def test_a_result_that_is_gone_is_made_again(folder, tmp_path):
    srcli(folder, "-o", tmp_path / "out")
    before = contents(tmp_path / "out")
    (tmp_path / "out" / "001_x2.png").unlink()
    assert statuses(srcli(folder, "-o", tmp_path / "out", "--json"))["done"] == 1
    assert contents(tmp_path / "out") == before


def test_a_changed_input_or_other_settings_never_replace_a_result_unasked(folder, tmp_path):
    out = tmp_path / "out"
    srcli(folder, "-o", out)
    before = contents(out)
    photo(folder / "001.png", 50)
    result = srcli(folder, "-o", out, "--json")
    assert statuses(result) == {"skipped": 3, "failed": 1}
    assert "from another version of the file" in next(r["error"] for r in records(result) if "001.png" in r["input"])
    assert contents(out) == before
    assert statuses(srcli(folder, "-o", out, "--json", "-y"))["done"] == 1  # the others would be the same again
    assert {name for name, data in contents(out).items() if data != before[name]} == {"001_x2.png"}
    assert statuses(srcli(folder, "-o", out, "--json", "--detail", "0"))["skipped"] == 3
    assert statuses(srcli(folder, "-o", out, "--json", "--detail", "0", "-y"))["done"] == 3


def test_a_result_that_somebody_has_changed_is_theirs(folder, tmp_path):
    out = tmp_path / "out"
    srcli(folder, "-o", out)
    size = (out / "000_x2.png").stat().st_size
    (out / "000_x2.png").write_bytes(b"x" * size)
    assert statuses(srcli(folder, "-o", out, "--json"))["skipped"] == 3
    assert (out / "000_x2.png").read_bytes() == b"x" * size
    assert statuses(srcli(folder, "-o", out, "--json", "-y"))["done"] == 1


def test_another_template_is_another_result(folder, tmp_path):
    srcli(folder, "-o", f"{tmp_path}/out/{{stem}}{{ext}}")
    srcli(folder, "-o", f"{tmp_path}/out/{{stem}}_{{scale}}{{ext}}")
    assert tree(tmp_path / "out") == {f"00{n}{mark}.png" for n in range(3) for mark in ("", "_2")}


def test_results_in_the_same_folder_are_not_enlarged_again(tmp_path):
    photos(tmp_path / "in", 2)
    for _ in range(2):
        assert srcli(tmp_path / "in", "-o", f"{tmp_path}/in/{{stem}} large{{ext}}").exit_code == 0
    assert tree(tmp_path / "in") == {"000.png", "001.png", "000 large.png", "001 large.png"}
    (tmp_path / "done").mkdir()
    srcli(tmp_path / "in", "-o", tmp_path / "done")
    assert srcli(tmp_path / "done").exit_code == 0  # but those of another folder's are, when that is asked
    assert "000_x2_x2.png" in tree(tmp_path / "done")


@pytest.mark.parametrize("damage", [b'{"key": "cut', b"\xff\xfe\n", b"[]\n5\nnull\n", b'{"key": [1]}\n{"status": 1}\n'])
def test_a_damaged_ledger_still_serves(folder, tmp_path, damage):
    out = tmp_path / "out"
    srcli(folder, "-o", out)
    lines = (out / NAME).read_bytes().splitlines(keepends=True)
    (out / NAME).write_bytes(b"".join(lines[:2]) + damage)
    assert statuses(srcli(folder, "-o", out, "--json"))["skipped"] == 3
    (out / "002_x2.png").unlink()
    assert statuses(srcli(folder, "-o", out, "--json"))["done"] == 1
    result = srcli(folder, "-o", out, "--json")
    assert [r["error"].endswith("from the same file") for r in records(result) if "002" in r["input"]] == [True]


def test_a_ledger_that_cannot_be_written_costs_no_result(folder, tmp_path, monkeypatch):
    from srcli.batch import ledger

    def full(path: Path, line: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ledger, "_append", full)
    result = srcli(folder, "-o", tmp_path / "out", "--json")
    assert statuses(result) == {"done": 3, "failed": 1}
    assert all("cannot write" in r["notes"][-1] for r in records(result))


def test_ledgers_lie_beside_results(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    photo(tmp_path / "a" / "x.png")
    photo(tmp_path / "b" / "y.png")
    srcli("../a/x.png", "../b/y.png")
    assert {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob(NAME)} == {f"a/{NAME}", f"b/{NAME}"}
    photo(tmp_path / "a" / "z.png")
    assert statuses(srcli("../a", "../b", "--json")) == {"skipped": 2, "done": 1}


# Signals. A run is held at a moment of its second file: its driver replaces one function by one that says so and waits.

DRIVER = """
import functools, sys, time
from pathlib import Path
moment, mark = sys.argv[1], Path(sys.argv[2])
from srcli import files
from srcli.batch import work
from srcli.batch.ledger import Ledger
from srcli.images import encode
from srcli.strips import Job
owner, name = {
    "decode": (work.images, "open_bytes"), "compute": (Job, "_make"), "write": (encode, "still"),
    "rename": (files.Claim, "finish"), "ledger": (Ledger, "add"),
}[moment]
original, calls = getattr(owner, name), 0
@functools.wraps(original)
def held(*arguments, **named):
    global calls
    calls += 1
    if calls == 2:
        if moment == "write":
            arguments[1].write(b"half a file"); arguments[1].flush()
        mark.touch()
        while mark.exists():
            time.sleep(0.01)
        if moment == "write":
            arguments[1].seek(0); arguments[1].truncate()
    return original(*arguments, **named)
setattr(owner, name, held)
from srcli.cli.app import app
app(["upscale", *sys.argv[3:]])
"""
MOMENTS = ["decode", "compute", "write", "rename", "ledger"]


class Held:
    """A run over a folder of pictures that waits at a moment of its second file until `go_on`."""

    def __init__(self, folder: Path, out: Path, moment: str) -> None:
        self.out, self.mark = out, out.parent / f"{out.name} {moment}"
        command = [sys.executable, "-c", DRIVER, moment, str(self.mark), str(folder), "-o", str(out), "--json", *QUICK]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT)
        while not self.mark.exists():
            assert self.process.poll() is None, self.process.communicate()
            time.sleep(0.01)

    def go_on(self) -> None:
        self.mark.unlink()

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def ended(self) -> int:
        self.stdout, self.stderr = self.process.communicate(timeout=60)
        assert b"Traceback" not in self.stderr, self.stderr
        return self.process.returncode


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Path:
    """Six pictures, and what an undisturbed run makes of them."""
    place = tmp_path_factory.mktemp("undisturbed")
    photos(place / "in", 6)
    assert srcli(place / "in", "-o", place / "out").exit_code == 0
    return place


def check_whole(place: Path, out: Path) -> None:
    """Whatever has a name is a result."""
    wanted = contents(place / "out")
    for name, data in contents(out).items():
        assert name.startswith(".srcli-") or data == wanted[name], f"{name} is not whole"


def check_resumed(place: Path, out: Path) -> None:
    """The next run does the rest, nothing twice, and clears up."""
    check_whole(place, out)
    before = {p.name: p.stat().st_mtime_ns for p in out.glob("*.png")} if out.exists() else {}
    result = srcli(place / "in", "-o", out, "--json")
    assert result.exit_code == 0, result.output
    done = len(tree(place / "out")) - len(before)
    assert statuses(result) == Counter({"done": done, "skipped": len(before)}) - Counter()
    assert contents(out) == contents(place / "out")
    assert {name: (out / name).stat().st_mtime_ns for name in before} == before
    assert all(count == 1 for count in Counter(e["output"] for e in entries(out)).values())


@pytest.mark.parametrize("moment", MOMENTS)
def test_kill_at_any_moment_leaves_whole_files_and_the_next_run_does_the_rest(undisturbed, tmp_path, moment):
    held = Held(undisturbed / "in", tmp_path / "out", moment)
    held.signal(signal.SIGKILL)
    assert held.ended() == -signal.SIGKILL
    check_resumed(undisturbed, tmp_path / "out")


@pytest.mark.parametrize("moment", ["compute", "write"])
def test_interrupted_once_a_run_finishes_the_current_file(undisturbed, tmp_path, moment):
    held = Held(undisturbed / "in", tmp_path / "out", moment)
    held.signal(signal.SIGINT)
    time.sleep(0.3)
    held.go_on()
    assert held.ended() == 130
    assert b"Ctrl-C again" in held.stderr
    assert tree(tmp_path / "out") >= {"000_x2.png", "001_x2.png"}
    assert len(tree(tmp_path / "out")) < 6
    summary = json.loads(held.stdout.splitlines()[-1])
    assert summary["exit_code"] == 130
    assert summary["summary"]["done"] + summary["summary"]["not done"] == 6
    check_resumed(undisturbed, tmp_path / "out")


@pytest.mark.parametrize(
    ("signals", "code", "moment"),
    [
        ([signal.SIGINT, signal.SIGINT], 130, "decode"),
        ([signal.SIGINT, signal.SIGINT], 130, "compute"),
        ([signal.SIGINT, signal.SIGINT], 130, "write"),
        ([signal.SIGTERM], 143, "compute"),
        ([signal.SIGTERM], 143, "write"),
        ([signal.SIGHUP], 129, "rename"),
    ],
    ids=lambda v: v if isinstance(v, str) else None,
)
def test_a_run_that_is_to_stop_stops_now_and_clears_up(undisturbed, tmp_path, signals, code, moment):
    held = Held(undisturbed / "in", tmp_path / "out", moment)  # and does not go on
    for number in signals:
        held.signal(number)
        time.sleep(0.3)
    start = time.monotonic()
    assert held.ended() == code
    assert time.monotonic() - start < 5
    assert not [name for name in tree(tmp_path / "out") if name.startswith(".srcli-")]
    assert json.loads(held.stdout.splitlines()[-1])["exit_code"] == code
    check_resumed(undisturbed, tmp_path / "out")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_signals_at_random_moments(tmp_path, number):
    place, out = tmp_path, tmp_path / "torn"
    photos(place / "in", 24, height=48, width=64)
    srcli(place / "in", "-o", place / "out")
    random, torn = np.random.default_rng(int(number)), 0
    for _ in range(6):
        command = [*COMMAND, str(place / "in"), "-o", str(out), *QUICK]
        run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT)
        before = set(out.glob("*"))
        while run.poll() is None and len(before) < 24 and set(out.glob("*")) == before:
            time.sleep(0.002)
        time.sleep(random.uniform(0, 0.1))
        run.send_signal(number)
        _, stderr = run.communicate(timeout=60)
        assert run.returncode in (0, -number, 128 + number)
        assert b"Traceback" not in stderr
        check_whole(place, out)
        torn += run.returncode != 0
    assert torn >= 2
    check_resumed(place, out)


# Several processes


def started(*arguments: object) -> subprocess.Popen:
    command = [*COMMAND, *[str(a) for a in arguments], "--json", *QUICK]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT)


@pytest.mark.parametrize("more", [[], ["-y"]], ids=["", "overwrite"])
def test_two_processes_on_a_folder_make_every_file_once(tmp_path, more):
    photos(tmp_path / "in", 12, height=24, width=32)
    runs = [started(tmp_path / "in", "-o", tmp_path / "out", *more) for _ in range(2)]
    outputs = [run.communicate(timeout=120) for run in runs]
    assert [run.returncode for run in runs] == [0, 0], outputs
    made = [Path(e["output"]).name for e in entries(tmp_path / "out")]
    assert sorted(made) == [f"{n:03}_x2.png" for n in range(12)]
    assert tree(tmp_path / "out") == set(made)
    lines = [json.loads(line) for out, _ in outputs for line in out.splitlines()]
    assert sum(line.get("status") == "done" for line in lines) == 12


def test_shards_at_once_make_every_file_once(tmp_path):
    photos(tmp_path / "in", 6)
    for number in range(6):
        photo(tmp_path / "in" / f"{number:03}.jpg", number)
    runs = [started(tmp_path / "in", "-o", tmp_path / "out", "-f", "png", "--shard", f"{i}/2") for i in (1, 2)]
    counts = [json.loads(run.communicate(timeout=120)[0].splitlines()[-1])["summary"] for run in runs]
    assert [run.returncode for run in runs] == [0, 0]
    assert [set(count) for count in counts] == [{"done"}, {"done"}]
    assert sum(count["done"] for count in counts) == 12
    assert len(entries(tmp_path / "out")) == len(tree(tmp_path / "out")) == 12


def test_one_process_at_a_time_may_make_a_file(tmp_path):
    first, second = files.Claim(tmp_path / "a.png"), files.Claim(tmp_path / "a.png")
    first.take().write(b"first")
    with pytest.raises(files.Taken):
        second.take()
    assert files.sweep(tmp_path) == 0
    first.finish()
    assert tree(tmp_path) == {"a.png"}
    second.take()
    second.drop()
    assert tree(tmp_path) == {"a.png"}


def test_a_result_is_in_the_ledger_before_it_has_its_name(tmp_path, monkeypatch):
    """Else another process that finds the name in between makes the file again."""
    photos(tmp_path / "in", 2)
    known, rename = [], Path.replace

    def renamed(part: Path, to: Path) -> Path:
        if to.suffix == ".png":
            known.append({Path(entry["output"]).name for entry in entries(tmp_path / "out")})
        return rename(part, to)

    monkeypatch.setattr(Path, "replace", renamed)
    assert srcli(tmp_path / "in", "-o", tmp_path / "out").exit_code == 0
    assert known == [{"000_x2.png"}, {"000_x2.png", "001_x2.png"}]


def test_sweeping_does_not_keep_others_from_a_file(tmp_path):
    """A run that clears up holds what it looks at for a moment; that must not look like one that makes the file."""
    code = "import sys; from pathlib import Path; from srcli import files\nwhile True: files.sweep(Path(sys.argv[1]))"
    sweepers = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path)]) for _ in range(2)]
    try:
        time.sleep(0.3)
        for number in range(1500):
            claim = files.Claim(tmp_path / f"{number}.png")
            claim.take().write(b"whole")
            claim.finish()
        assert {p.read_bytes() for p in tmp_path.iterdir()} == {b"whole"}
        assert len(list(tmp_path.iterdir())) == 1500
    finally:
        for sweeper in sweepers:
            sweeper.kill()
            sweeper.wait()


def test_a_claim_makes_its_folder_again(tmp_path):
    """Another run, whose only file there has failed, removes the folder that it has made."""
    claim = files.Claim(tmp_path / "out" / "a.png")
    claim.take()
    claim.finish()
    assert tree(tmp_path) == {"out/a.png"}


def test_what_is_abandoned_is_never_given_a_name(tmp_path):
    claim = files.Claim(tmp_path / "a.png")
    claim.take().write(b"half")
    files.abandon()
    assert tree(tmp_path) == set()
    other = files.Claim(tmp_path / "a.png")
    other.take()
    with pytest.raises(OSError, match="interrupted"):
        claim.finish()
    claim.drop()
    assert tree(tmp_path) == {other.part.name}
    other.drop()


# Long runs


def resident(process: int) -> int:
    """Bytes of memory that a process has now."""
    return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc")
def test_memory_does_not_grow_with_the_number_of_files(tmp_path):
    photos(tmp_path / "in", 60, height=32, width=40)
    run = started(tmp_path / "in", "-o", tmp_path / "out")
    assert run.stdout is not None
    taken: list[int] = []
    for _ in range(60):
        assert run.stdout.readline()
        taken.append(resident(run.pid))
    run.communicate(timeout=60)
    assert run.returncode == 0
    assert max(taken[50:]) - taken[15] < 20 * 2**20, [t >> 20 for t in taken]
