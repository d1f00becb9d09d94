"""Formats beside the usual: TIFFs of every build, PFM, HEIC, and packages that are missing."""

from __future__ import annotations

import io

import numpy as np
import pytest
import tifffile
from PIL import Image

from srcli import images
from srcli.geometry import Size
from srcli.images.metadata import ORIENTATION
from srcli.images.picture import Picture
from srcli.images.read import decode
from tests.images.steps import RNG, photo, write


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"compression": "lzw"}, None),
        ({"compression": "zlib", "predictor": 2}, None),
        ({"compression": "packbits"}, None),
        ({"bigtiff": True}, None),
        ({"planarconfig": "separate"}, None),
        ({"tile": (16, 16)}, None),
        ({"byteorder": ">"}, None),
    ],
    ids=str,
)
def test_tiffs_of_every_build_are_read(tmp_path, options, expected):
    values = RNG.integers(0, 65536, (40, 52, 3), dtype=np.uint16)
    big, order = options.pop("bigtiff", False), options.pop("byteorder", "<")
    data = np.moveaxis(values, -1, 0) if options.get("planarconfig") == "separate" else values
    tifffile.imwrite(
        tmp_path / "a.tif", data, photometric="rgb", bigtiff=big, byteorder=order, metadata=None, **options
    )
    assert np.array_equal(images.read(tmp_path / "a.tif").colour, values)


def test_premultiplied_alpha_of_a_tiff_becomes_straight(tmp_path):
    straight = np.full((4, 4, 3), 200, np.uint8)
    alpha = np.full((4, 4), 128, np.uint8)
    stored = np.dstack([(straight * (128 / 255)).round().astype(np.uint8), alpha])
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="rgb", extrasamples=["assocalpha"])
    picture = images.read(tmp_path / "a.tif")
    assert np.abs(picture.colour.astype(int) - straight).max() <= 1
    assert np.array_equal(picture.alpha, alpha)


def test_white_is_zero_of_a_fax_is_white(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((4, 4), np.uint8), photometric="miniswhite")
    assert (images.read(tmp_path / "a.tif").colour == 255).all()


def test_pfm_goes_through(tmp_path):
    values = RNG.random((5, 7, 3), dtype=np.float32) * 4
    images.write(Picture(values, span=(0.0, 4.0)), tmp_path / "a.pfm")
    made = images.read(tmp_path / "a.pfm")
    assert np.allclose(made.colour, values, atol=1e-6)


def test_missing_packages_are_named(tmp_path, monkeypatch):
    import builtins

    importing = builtins.__import__

    def without(name, *arguments, **options):
        if name in ("pillow_heif", "rawpy"):
            raise ImportError(name)
        return importing(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    heic = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(64)
    with pytest.raises(images.ImageError, match=r"srcli\[heic\]"):
        decode(heic, "a.heic")
    with pytest.raises(images.ImageError, match=r"srcli\[raw\]"):
        decode(b"II*\0" + bytes(64), "a.dng")


def test_heic_is_read_upright(tmp_path):
    heif = pytest.importorskip("pillow_heif", reason="needs the extra heic")
    heif.register_heif_opener()
    exif = Image.Exif()
    exif[0x010F], exif[ORIENTATION] = "maker", 6
    Image.fromarray(photo(32, 48)).save(tmp_path / "a.heic", exif=exif.tobytes())
    picture = images.read(tmp_path / "a.heic")
    assert picture.size == Size(48, 32)
    write(tmp_path / "a.jpg", picture)
    with Image.open(tmp_path / "a.jpg") as made:
        assert made.getexif()[0x010F] == "maker"


def test_large_pictures_are_refused_before_they_are_decoded():
    from srcli.images.read import open_bytes

    buffer = io.BytesIO()
    Image.new("1", (30000, 30000)).save(buffer, "PNG")
    with pytest.raises(images.ImageError, match="--max-pixels"):
        open_bytes(buffer.getvalue(), "bomb.png")
    assert open_bytes(buffer.getvalue(), "bomb.png", 10**9).frames == 1
