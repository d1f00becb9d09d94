"""Damaged files: whatever the bytes are, a picture or the tool's own error. SRCLI_FUZZ sets how many are tried."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from srcli.errors import SrcliError
from srcli.images.read import open_bytes

COUNT = int(os.environ.get("SRCLI_FUZZ", "300"))
MOST = 4_000_000  # pixels: what a mutated header promises must not fill the machine
SLOWEST = 20.0  # seconds of processor time, of a file that takes milliseconds


def mutated(data: bytes, rng: np.random.Generator) -> bytes:
    """The bytes with some flipped, cut out, doubled, or set to values that break lengths and counts."""
    out = bytearray(data)
    for _ in range(int(rng.integers(1, 6))):
        # Headers are small and rule the rest: half of the changes fall there.
        at = int(rng.integers(0, len(out) if rng.random() < 0.5 else min(len(out), 200)))
        kind = rng.integers(0, 6)
        if kind == 0:
            out[at] ^= 1 << int(rng.integers(0, 8))
        elif kind == 1:
            out[at : at + 4] = rng.choice([b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\1"])
        elif kind == 2:
            del out[at : at + int(rng.integers(1, 64))]
        elif kind == 3:
            piece = out[at : at + int(rng.integers(1, 64))]
            out[at:at] = piece
        elif kind == 4:
            out = out[: max(1, at)]
        else:
            out[at : at + 8] = rng.bytes(8)
        if not out:
            return b"\0"
    return bytes(out)


def small_files(folder: Path) -> list[Path]:
    return [p for p in sorted(folder.iterdir()) if 0 < p.stat().st_size < 60_000]


def attack(folder: Path, count: int, seed: int) -> None:
    """Raises whatever is not the tool's own error, naming the file and the round."""
    import warnings

    warnings.simplefilter("ignore")
    files, rng = small_files(folder), np.random.default_rng(seed)
    for number in range(count):
        path = files[number % len(files)]
        data, start = mutated(path.read_bytes(), rng), time.process_time()
        try:
            source = open_bytes(data, path.name, MOST)
            for frame in range(min(source.frames, 2)):
                source.picture(frame)
        except SrcliError as error:
            assert "\n" not in str(error), f"{path.name}, round {number}: {error!r}"
        except BaseException as error:
            raise AssertionError(f"{path.name}, round {number}: {type(error).__name__}: {error}") from error
        taken = time.process_time() - start
        assert taken < SLOWEST, f"{path.name}, round {number}: {taken:.0f} s"


def test_mutated_files_are_pictures_or_errors(reference):
    """In a process of its own, so that a decoder that falls over is a failure too."""
    folder = reference / "data" / "benchmark" / "odd"
    for seed in range(-(-COUNT // 1000)):
        count = min(1000, COUNT - 1000 * seed)
        done = subprocess.run(
            [sys.executable, __file__, folder, str(count), str(seed)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"seed {seed}: exit {done.returncode}\n{done.stderr[-2000:]}"


@pytest.mark.parametrize("kind", ["PNG", "GIF", "TIFF", "WEBP"])
def test_every_cut_of_a_file_is_a_picture_or_an_error(kind):
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(np.arange(12 * 10 * 3, dtype=np.uint8).reshape(12, 10, 3)).save(buffer, kind)
    data = buffer.getvalue()
    read = 0
    for length in range(1, len(data), 3):
        try:
            open_bytes(data[:length], "cut").picture()
            read += 1
        except SrcliError:
            pass
    assert read < len(data) / 3  # most cuts are noticed


if __name__ == "__main__":
    attack(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
