"""The flattened picture of Photoshop files."""

from __future__ import annotations

import io
import struct

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from srcli import images
from srcli.errors import SrcliError
from srcli.images.read import decode
from tests.images.steps import RNG
from tests.support.photoshop import PACKED, PREDICTED, RAW, ZIPPED, layer_count, psd

GREY, INDEXED, RGB, CMYK, LAB = 1, 2, 3, 4, 9


def planes(count: int = 3, kind: type = np.uint8) -> np.ndarray:
    return RNG.integers(0, np.iinfo(kind).max, (count, 10, 14), dtype=kind)


@pytest.mark.parametrize("compression", [RAW, PACKED, ZIPPED, PREDICTED])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("large", [False, True], ids=["psd", "psb"])
def test_every_build_is_read_at_its_depth(compression, kind, large):
    values = planes(3, kind)
    picture = decode(psd(values, RGB, compression=compression, large=large), "a.psd")
    assert picture.colour.dtype == kind
    assert np.array_equal(np.moveaxis(picture.colour, -1, 0), values)
    assert picture.alpha is None


def test_it_equals_what_pillow_reads():
    data = psd(planes(), RGB, compression=PACKED)
    with Image.open(io.BytesIO(data)) as image:
        assert np.array_equal(np.asarray(image), decode(data).colour)


def test_grey_bits_and_palettes():
    values = planes(1)
    assert np.array_equal(decode(psd(values, GREY)).colour[..., 0], values[0])
    table = RNG.integers(0, 256, (3, 256), dtype=np.uint8)
    assert np.array_equal(decode(psd(values, INDEXED, palette=table.tobytes())).colour, table.T[values[0]])
    black = np.packbits(RNG.integers(0, 2, (1, 10, 16), dtype=np.uint8), axis=2)
    data = bytearray(psd(black, 0, depth=1))
    data[18:22] = struct.pack(">I", 16)
    expected = 255 * (1 - np.unpackbits(black[0], axis=1))
    assert np.array_equal(decode(bytes(data)).colour[..., 0], expected)


def test_white_of_floats_is_one_and_highlights_are_kept():
    values = np.full((3, 4, 4), 0.5, np.float32)
    values[:, 0, 0] = 3.5
    picture = decode(psd(values, RGB))
    assert picture.span == (0.0, 3.5)
    assert decode(psd(values.clip(0, 0.5), RGB)).span == (0.0, 1.0)
    assert picture.colour.max() == np.float32(3.5)


def test_transparency_comes_off_the_white_that_it_was_flattened_on():
    colour, alpha = np.array([200, 40, 90]), 128
    flat = np.rint(colour * alpha / 255 + 255 - alpha).astype(np.uint8)
    values = np.broadcast_to(np.array([*flat, alpha], np.uint8)[:, None, None], (4, 6, 8)).copy()
    picture = decode(psd(values, RGB, layers=layer_count(-2)))
    assert (picture.alpha == alpha).all()
    assert np.abs(picture.colour.astype(int) - colour).max() <= 2


def test_a_saved_selection_is_no_transparency():
    for layers in (layer_count(2), b""):
        assert decode(psd(planes(4), RGB, layers=layers)).alpha is None
    wide = b"8BIM" + b"Mt16" + struct.pack(">I", 0)
    assert decode(psd(planes(4, np.uint16), RGB, layers=struct.pack(">II", 0, 0) + wide)).alpha is not None


def test_cmyk_and_lab_become_rgb():
    white = np.full((4, 4, 4), 255, np.uint8)  # no ink
    picture = decode(psd(white, CMYK))
    assert (picture.colour == 255).all()
    assert any("CMYK" in note for note in picture.notes)
    grey = np.full((3, 4, 4), 128, np.uint8)
    made = decode(psd(grey, LAB))
    assert np.abs(made.colour.astype(int) - 119).max() <= 1  # L* = 50.2
    neutral = np.array([128 * 257, 128 * 256, 128 * 256], np.uint16)[:, None, None]
    deep = decode(psd(np.broadcast_to(neutral, (3, 4, 4)).copy(), LAB))
    assert np.abs(deep.colour / 257 - 119).max() <= 0.5


def test_profile_exif_xmp_iptc_and_resolution_are_kept():
    exif = Image.Exif()
    exif[0x010F] = "maker"
    found = {
        1005: struct.pack(">IHHIHH", 300 << 16, 1, 1, 150 << 16, 1, 1),
        1028: b"\x1c\x02\x78\x00\x07a title",
        1039: imagecodecs.cms_profile("adobergb"),
        1058: exif.tobytes().removeprefix(b"Exif\0\0"),
        1060: b"<x:xmpmeta/>",
    }
    picture = decode(psd(planes(), RGB, resources=found))
    data = picture.metadata
    assert (picture.icc, data.iptc, data.xmp, data.dpi) == (found[1039], found[1028], found[1060], (300.0, 150.0))
    assert b"maker" in data.exif


def test_a_file_without_a_flattened_picture_says_what_to_do():
    version = {1057: struct.pack(">IB", 1, 0)}
    white = np.full((3, 4, 4), 255, np.uint8)
    with pytest.raises(images.ImageError, match="Maximize Compatibility"):
        decode(psd(white, RGB, resources=version))
    assert decode(psd(planes(), RGB, resources=version)).colour.shape == (10, 14, 3)  # some programs say so wrongly
    assert (decode(psd(white, RGB)).colour == 255).all()


def test_every_cut_of_a_file_is_an_error():
    data = psd(planes(), RGB, compression=PACKED, resources={1060: b"<x/>"}, layers=layer_count(1))
    for length in range(len(data) - 1):
        with pytest.raises(SrcliError):
            decode(data[:length])
