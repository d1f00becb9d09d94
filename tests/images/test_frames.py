"""Frames and pages: all of them, with their delays, sizes and depths, or one."""

from __future__ import annotations

import io

import numpy as np
import pytest
import tifffile
from PIL import Image

from srcli import images
from srcli.geometry import Size
from tests.images.steps import RNG, photo


def animated(kind: str, **options) -> bytes:
    """Four frames of a square that moves over a transparent ground."""
    frames = []
    for i in range(4):
        frame = np.zeros((20, 24, 4), np.uint8)
        frame[3:13, 1 + 4 * i : 9 + 4 * i] = (250, 60, 20 + 60 * i, 100)  # or the alpha would be left out of a WebP
        frame[4:12, 2 + 4 * i : 8 + 4 * i, 3] = 255
        frames.append(Image.fromarray(frame))
    buffer = io.BytesIO()
    frames[0].save(buffer, kind, save_all=True, append_images=frames[1:], duration=[50, 100, 150, 200], **options)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("kind", "suffix", "options"),
    [
        ("GIF", ".gif", {"loop": 3, "disposal": 2}),
        ("WEBP", ".webp", {"loop": 3, "lossless": True}),
        ("PNG", ".png", {"loop": 3, "disposal": 1}),
    ],
)
def test_animations_keep_frames_delays_and_loop(tmp_path, kind, suffix, options):
    from typer.testing import CliRunner

    from srcli.cli.app import app

    path = tmp_path / f"a{suffix}"
    path.write_bytes(animated(kind, **options))
    result = CliRunner().invoke(app, ["upscale", str(path), "-s", "2", "--detail", "0"])
    assert result.exit_code == 0, result.output
    before, after = images.open_file(path), images.open_file(tmp_path / f"a_x2{suffix}")
    assert (after.frames, after.loop) == (4, before.loop)
    for i in range(4):
        small, large = before.picture(i), after.picture(i)
        assert large.delay == small.delay == 50 * (i + 1)
        assert large.size == Size(40, 48)
        # The square is where it was, and nothing of the frame before is left.
        seen = large.alpha[1::2, 1::2] > 127
        assert (seen != (small.alpha > 127)).mean() < 0.06


def test_one_frame_can_be_taken(tmp_path):
    from typer.testing import CliRunner

    from srcli.cli.app import app

    (tmp_path / "a.png").write_bytes(animated("PNG"))
    arguments = ["upscale", str(tmp_path / "a.png"), "-s", "2", "--detail", "0", "--frame"]
    assert CliRunner().invoke(app, [*arguments, "3"]).exit_code == 0
    made = images.open_file(tmp_path / "a_x2.png")
    assert made.frames == 1
    assert made.picture().alpha[16, 2 * 12 : 2 * 14].min() > 200  # the third square's place
    result = CliRunner().invoke(app, [*arguments, "9", "-y"])
    assert result.exit_code == 1
    assert "has 4 frames; there is no frame 9" in result.output


def test_pages_keep_their_sizes_and_depths(tmp_path):
    from typer.testing import CliRunner

    from srcli.cli.app import app

    pages = [photo(), RNG.integers(0, 65536, (8, 12), dtype=np.uint16), RNG.random((6, 9), dtype=np.float32)]
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        for page in pages:
            writer.write(page, photometric="rgb" if page.ndim == 3 else "minisblack", metadata=None)
    assert CliRunner().invoke(app, ["upscale", str(tmp_path / "a.tif"), "-s", "2", "--detail", "0"]).exit_code == 0
    with tifffile.TiffFile(tmp_path / "a_x2.tif") as made:
        assert [(p.shape, p.dtype) for p in made.pages] == [
            ((20, 28, 3), np.uint8), ((16, 24), np.uint16), ((12, 18), np.float32),
        ]  # fmt: skip
    result = CliRunner().invoke(app, ["upscale", str(tmp_path / "a.tif"), "-s", "2", "--detail", "0", "-f", "png"])
    assert result.exit_code == 0
    assert "first of 3 pages" in result.output
