"""QOI, DDS, PCX, SGI, and TIFFs in CIE L*a*b*."""

from __future__ import annotations

import struct

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from srcli import images
from srcli.images.read import SUFFIXES, decode
from srcli.images.write import writable_suffix
from tests.images.steps import RNG, photo


@pytest.mark.parametrize(
    ("kind", "mode"),
    [("QOI", "RGB"), ("QOI", "RGBA"), ("DDS", "RGB"), ("DDS", "RGBA"), ("PCX", "RGB"), ("PCX", "L"), ("PCX", "1"),
     ("SGI", "RGB"), ("SGI", "RGBA"), ("SGI", "L")],
)  # fmt: skip
def test_files_of_games_and_old_programs_are_read(tmp_path, kind, mode):
    image = Image.fromarray(photo()).convert(mode)
    path = tmp_path / f"a.{kind.lower()}"
    image.save(path, kind)
    assert path.suffix in SUFFIXES
    assert writable_suffix(path.suffix) == ".png"
    picture = images.read(path)
    values = np.asarray(image.convert("L") if mode == "1" else image).reshape(10, 14, -1)
    made = picture.colour if picture.alpha is None else np.dstack([picture.colour, picture.alpha])
    assert np.array_equal(made, values)


def sgi(values: np.ndarray, *, packed: bool) -> bytes:
    """A 16-bit SGI file of (H, W, C), whose rows go up."""
    height, width, channels = values.shape
    head = struct.pack(">HBBHHHH", 474, packed, 2, 3, width, height, channels).ljust(512, b"\0")
    planes = np.moveaxis(values[::-1], -1, 0).astype(">u2")
    if not packed:
        return head + planes.tobytes()
    rows = []
    for row in planes.reshape(-1, width):
        half = width // 2  # a literal, then a run of its last value
        rows.append(
            struct.pack(">H", 128 | half) + row[:half].tobytes() + struct.pack(">HHH", width - half, row[-1], 0)
        )
    lengths = [len(row) for row in rows]
    starts = [512 + 8 * len(rows) + sum(lengths[:i]) for i in range(len(rows))]
    return head + np.array(starts + lengths, ">u4").tobytes() + b"".join(rows)


@pytest.mark.parametrize("packed", [False, True])
def test_sgi_keeps_sixteen_bits(packed):
    values = RNG.integers(0, 65536, (5, 8, 3), dtype=np.uint16)
    values[:, 4:] = values[:, 7:8]
    assert np.array_equal(decode(sgi(values, packed=packed)).colour, values)


def lab(tmp_path, values: np.ndarray, photometric: int, **options: object) -> images.Picture:
    """A picture read from a TIFF of stored L*a*b*."""
    kind = "rgb" if values.ndim == 3 else "minisblack"
    tifffile.imwrite(tmp_path / "a.tif", values, photometric=kind, metadata=None, **options)
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+b") as file:
        file.pages[0].tags["PhotometricInterpretation"].overwrite(photometric)
    return images.read(tmp_path / "a.tif")


@pytest.mark.parametrize("compression", [None, "lzw", "zlib"])
def test_lab_of_eight_bits_is_what_littlecms_makes_of_it(tmp_path, compression):
    lightness, a, b = np.meshgrid([150, 170, 190], [-20, 0, 20], [-15, 5, 25], indexing="ij")
    values = np.stack([lightness, a.astype(np.int8).view(np.uint8), b.astype(np.int8).view(np.uint8)], -1)
    values = values.reshape(9, 3, 3).astype(np.uint8)
    picture = lab(tmp_path, values, 8, compression=compression)
    image = Image.frombytes("LAB", (3, 9), values.tobytes())
    profiles = (ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"))
    expected = np.asarray(ImageCms.profileToProfile(image, *profiles, outputMode="RGB")).astype(int)
    assert np.abs(picture.colour - expected).max() <= 2
    assert picture.notes == ("LAB was converted to sRGB",)


def test_lab_of_sixteen_bits_keeps_them_in_both_encodings(tmp_path):
    lightness, a, b = 128 * 257, 20 * 256, -30 * 256
    signed = np.broadcast_to(np.array([lightness, a, b + 65536], np.uint16), (4, 6, 3)).copy()
    shifted = np.array([round(lightness * 65280 / 65535), a + 32768, b + 32768], np.uint16)
    shifted = np.broadcast_to(shifted, (4, 6, 3)).copy()
    one, other = lab(tmp_path, signed, 8), lab(tmp_path, shifted, 9)
    assert one.colour.dtype == other.colour.dtype == np.uint16
    assert np.abs(one.colour.astype(int) - other.colour).max() <= 8
    eight = lab(tmp_path, (signed >> 8).astype(np.uint8), 8)
    assert np.abs(one.colour / 257 - eight.colour).max() <= 1


def test_lightness_alone_is_grey_and_colours_outside_srgb_are_told(tmp_path):
    assert (lab(tmp_path, np.full((4, 6), 255, np.uint8), 8).colour == 255).all()
    vivid = np.broadcast_to(np.array([150, 136, 100], np.uint8), (4, 6, 3)).copy()  # a* = -120
    assert any("outside" in note for note in lab(tmp_path, vivid, 8).notes)
