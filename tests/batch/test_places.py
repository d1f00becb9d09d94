"""Places that cannot be written: every file fails by itself, in one sentence, and none is left half written."""

from __future__ import annotations

import resource
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.batch.steps import COMMAND, ENVIRONMENT, QUICK, photo, photos, records, srcli, statuses, tree


def test_a_file_where_a_folder_is_needed(tmp_path):
    photos(tmp_path / "in", 2)
    (tmp_path / "file").write_text("in the way")
    result = srcli(tmp_path / "in", "-o", tmp_path / "file")
    assert (result.exit_code, "is a file; use a folder" in result.stderr) == (2, True)
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
