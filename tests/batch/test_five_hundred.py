"""A run over five hundred pictures of every kind, with one of each fault: totals, a line a fault, nothing lost."""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
import zlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.batch.steps import COMMAND, ENVIRONMENT, QUICK, contents, entries, photo, srcli, tree

COUNT, UNCHANGED = 500, 70
# Root may read everything, but not without these capabilities.
UNPRIVILEGED = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"]
OPTIONS = ["-n", "bicubic", *QUICK]


def header(width: int, height: int) -> bytes:
    """A PNG of that size without pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    size = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + size + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def good(folder: Path, number: int) -> Path:
    """A whole picture; its kind depends on the number."""
    path = photo(folder / f"{number:03}.png", number, 10 + number % 5, 12)
    image = Image.open(path)
    image.load()
    kinds = {
        1: (".jpg", "RGB"),
        2: (".webp", "RGB"),
        3: (".png", "L"),
        4: (".tif", "RGB"),
        5: (".png", "P"),
        6: (".bmp", "RGB"),
    }
    suffix, mode = kinds.get(number % 9, (".png", "RGB"))
    path.unlink()
    path = path.with_suffix(suffix)
    if number % 9 == 7:  # 16 bits
        Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257).save(path)
    elif number % 9 == 8:  # animated
        path = path.with_suffix(".gif")
        image.save(path, save_all=True, append_images=[image.rotate(90 * n) for n in (1, 2)], duration=50)
    else:
        image.convert(mode).save(path)
    return path


FAULTS = {
    "corrupt.png": "is damaged",
    "empty.jpg": "is empty",
    "text.webp": "is not a picture in a known format",
    "truncated.jpg": "is damaged",
    "bomb.png": "more than the limit",
    "zero.png": "is not a picture in a known format",
    "gone.png": "is a broken link",
    "closed.png": "cannot be read: Permission denied",
    f"{'n' * 250}.png": "File name too long",
}


def faults(folder: Path) -> None:
    whole = photo(folder / "corrupt.png", 1).read_bytes()
    middle = whole.index(b"IDAT") + 40
    (folder / "corrupt.png").write_bytes(whole[:middle] + bytes(60) + whole[middle + 60 :])
    (folder / "empty.jpg").touch()
    (folder / "text.webp").write_text("no picture")
    photo(folder / "truncated.jpg", 2, 60, 80)
    data = (folder / "truncated.jpg").read_bytes()
    (folder / "truncated.jpg").write_bytes(data[: len(data) // 3])
    (folder / "bomb.png").write_bytes(header(60000, 60000))
    (folder / "zero.png").write_bytes(header(0, 5))
    (folder / "gone.png").symlink_to(folder / "nowhere.png")
    photo(folder / "closed.png", 3).chmod(0)
    photo(folder / f"{'n' * 250}.png", 4)
    # No pictures by their names, so no faults: neither is looked at.
    (folder / "folder.png").mkdir()
    photo(folder / "folder.png" / "inside.png")
    shutil.copy(folder / "text.webp", folder / "notes.xyz")


@pytest.mark.slow
def test_five_hundred_pictures_with_one_of_each_fault(tmp_path):
    if shutil.which("setpriv") is None:
        pytest.skip("needs setpriv")
    folder, out = tmp_path / "in", tmp_path / "out"
    for number in range(UNCHANGED):
        good(folder, number)
    photo(folder / "stale.png")
    assert srcli(folder, "-o", out, "-n", "bicubic").exit_code == 0
    before = contents(out)
    for number in range(UNCHANGED, COUNT):
        good(folder, number)
    photo(folder / "stale.png", 77)
    photo(folder / "exists.png")
    (out / "exists_x2.png").write_text("of somebody else")
    faults(folder)
    originals = {p.name: p.lstat().st_mtime_ns for p in folder.iterdir()}

    command = [*UNPRIVILEGED, *COMMAND, str(folder), "-o", str(out), *OPTIONS]
    run = subprocess.run([*command, "--json"], capture_output=True, text=True, env=ENVIRONMENT, check=False)
    *each, summary = (json.loads(line) for line in run.stdout.splitlines())
    assert run.returncode == summary["exit_code"] == 3
    total = COUNT + 2 + len(FAULTS)
    assert len(each) == len({record["input"] for record in each}) == total
    assert summary["summary"] == {
        "skipped": UNCHANGED + 1, "done": COUNT - UNCHANGED, "failed": len(FAULTS), "stale": 1,
    }  # fmt: skip
    assert Counter(record["reason"] for record in each if record["status"] == "skipped") == {
        "unchanged": UNCHANGED, "exists": 1,
    }  # fmt: skip
    failed = {Path(record["input"]).name: record["error"] for record in each if record["status"] == "failed"}
    assert failed.keys() == FAULTS.keys()
    assert all(FAULTS[name] in error for name, error in failed.items()), failed

    lines = [line for line in run.stderr.splitlines() if line.startswith(("failed", "stale", "skipped", "70"))]
    for name in (*FAULTS, "stale", "exists"):
        assert sum(name in line for line in lines) == 1, name
    assert len(lines) == len(FAULTS) + 3

    made = contents(out)
    assert len(made) == COUNT + 2  # all good ones, the stale one and that of somebody else
    assert before.items() <= made.items()
    assert made["exists_x2.png"] == b"of somebody else"
    assert not [name for name in tree(tmp_path) if ".srcli-" in name]
    assert {p.name: p.lstat().st_mtime_ns for p in folder.iterdir()} == originals
    assert len(entries(out)) == COUNT + 1
    for number in range(COUNT):
        (name,) = (n for n in made if n.startswith(f"{number:03}_x2."))
        with Image.open(out / name) as image:
            assert image.size == (24, 2 * (10 + number % 5))
            assert getattr(image, "n_frames", 1) == (3 if number % 9 == 8 else 1)
            image.load()

    again = subprocess.run([*command, "--remake-stale"], capture_output=True, text=True, env=ENVIRONMENT, check=False)
    assert again.returncode == 3
    assert set(again.stdout.splitlines()[-1].split(", ")) == {
        f"{COUNT} unchanged", f"{len(FAULTS)} failed", "1 skipped", "1 done",
    }  # fmt: skip
    assert f"{COUNT} unchanged: already made from these files with these settings" in again.stderr
