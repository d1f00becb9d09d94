"""JPEG XL: pixels, profile and metadata there and back, files of libjxl's own encoder, and damage."""

from __future__ import annotations

import io

import imagecodecs
import numpy as np
import pytest
from PIL import ExifTags, Image

from srcli import images
from srcli.errors import SrcliError
from srcli.images.amend import amend
from srcli.images.colour import srgb
from srcli.images.encode import Style
from srcli.images.formats.jxl import boxes, header, profile
from srcli.images.metadata import ORIENTATION, Metadata
from srcli.images.picture import Picture
from srcli.images.read import decode
from srcli.provenance import COUNTS
from tests.images.steps import RNG, photo, write

ADOBE = imagecodecs.cms_profile("adobergb")
XMP = b"<x:xmpmeta><dc:title>sea</dc:title></x:xmpmeta>"


def smooth(kind: type, channels: int = 3) -> np.ndarray:
    """A picture without noise, which lossy coding keeps well."""
    rows, cols = np.mgrid[:40, :56]
    planes = [np.sin(rows / 9 + i) * np.cos(cols / 11) * 0.4 + 0.5 for i in range(channels)]
    return np.rint(np.stack(planes, -1) * np.iinfo(kind).max).astype(kind)


@pytest.mark.parametrize("icc", [None, ADOBE], ids=["srgb", "adobe"])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("alpha", [False, True])
def test_lossless_files_keep_pixels_and_profile(tmp_path, kind, icc, alpha):
    values = RNG.integers(0, np.iinfo(kind).max, (10, 14, 4), dtype=kind)
    picture = Picture(values[..., :3].copy(), alpha=values[..., 3].copy() if alpha else None, icc=icc)
    images.write(picture, tmp_path / "a.jxl", Style(quality=100))
    made = images.read(tmp_path / "a.jxl")
    assert np.array_equal(made.colour, picture.colour)
    assert (made.alpha is not None) == alpha
    assert not alpha or np.array_equal(made.alpha, picture.alpha)
    assert made.icc == icc


@pytest.mark.parametrize("icc", [None, ADOBE], ids=["srgb", "adobe"])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3])
def test_lossy_files_keep_depth_profile_and_colours(tmp_path, kind, icc, channels):
    """A lossy file stores absolute colours: those of a wide gamut must come back in that gamut."""
    values = smooth(kind, channels)
    if channels == 1 and icc is not None:
        icc = None  # an RGB profile would make the file one of three channels
    images.write(Picture(values, icc=icc), tmp_path / "a.jxl", Style(quality=95))
    made = images.read(tmp_path / "a.jxl")
    assert (made.colour.dtype, made.colour.shape, made.icc) == (kind, values.shape, icc)
    error = np.abs(made.colour.astype(float) - values) / np.iinfo(kind).max
    assert error.mean() < 0.004
    assert error.max() < 0.05


def test_sixteen_bits_are_more_than_eight(tmp_path):
    """Steps of a third of an 8-bit one survive, also in the shadows and through a profile."""
    ramp = np.linspace(600, 3000, 56).astype(np.uint16)
    values = np.broadcast_to(ramp[None, :, None], (40, 56, 3)).copy()
    for icc in (None, ADOBE):
        images.write(Picture(values, icc=icc), tmp_path / "a.jxl", Style(quality=99))
        made = images.read(tmp_path / "a.jxl").colour.astype(float).mean(0)
        assert np.abs(made - values[0]).mean() < 60, icc


def test_grey_files_of_either_profile_stay_grey(tmp_path):
    values = smooth(np.uint8, 1)
    images.write(Picture(values, icc=srgb()), tmp_path / "a.jxl", Style(quality=100))
    made = images.read(tmp_path / "a.jxl")
    assert made.icc == srgb()
    assert (made.colour == values).all()


def camera() -> bytes:
    exif = Image.Exif()
    exif[0x010F], exif[ORIENTATION] = "maker", 6
    exif.get_ifd(ExifTags.IFD.Exif).update({0x9003: "2026:01:02 03:04:05", 0xA002: 14, 0xA003: 10})
    exif.get_ifd(ExifTags.IFD.GPSInfo).update({1: "N"})
    return exif.tobytes()


def test_exif_xmp_and_provenance_are_kept(tmp_path):
    buffer = io.BytesIO()
    Image.fromarray(photo()).save(buffer, "JPEG", exif=camera(), xmp=XMP)
    assert write(tmp_path / "a.jxl", decode(buffer.getvalue())) == ()
    amend(tmp_path / "a.jxl", dict.fromkeys(COUNTS, 0) | {"guarded_tiles": 3})
    found = boxes.read((tmp_path / "a.jxl").read_bytes())
    exif = Image.Exif()
    exif.load(found.exif)
    inner = exif.get_ifd(ExifTags.IFD.Exif)
    assert (exif[0x010F], exif.get(ORIENTATION, 1), inner[0xA002], inner[0xA003]) == ("maker", 1, 10, 14)
    assert exif.get_ifd(ExifTags.IFD.GPSInfo)[1] == "N"
    assert exif[ExifTags.Base.ProcessingSoftware].endswith("guarded tiles       3")
    assert found.xmp == XMP
    again = images.read(tmp_path / "a.jxl").metadata
    assert again.xmp == XMP
    assert b"maker" in again.exif


def test_strip_leaves_the_profile_alone(tmp_path):
    picture = Picture(photo(), icc=ADOBE, metadata=Metadata(exif=camera()[6:], xmp=XMP))
    write(tmp_path / "a.jxl", picture, None, strip=True)
    found = boxes.read((tmp_path / "a.jxl").read_bytes())
    assert (found.exif, found.xmp) == (None, None)
    assert images.read(tmp_path / "a.jxl").icc == ADOBE


# The profiles that libjxl itself packs: with ANS, LZ77, commands and predictions.
P3 = (0.680, 0.320, 0.265, 0.690, 0.150, 0.060)
PROFILES = [srgb(), ADOBE, imagecodecs.cms_profile("rgb", whitepoint=(0.3127, 0.329), primaries=P3, gamma=1.8)]


@pytest.mark.parametrize("icc", PROFILES, ids=["srgb", "adobe", "gamma"])
def test_files_of_the_reference_encoder_are_read(icc):
    """A JPEG that libjxl packs without loss: its pixels, profile and EXIF, which is compressed with Brotli."""
    buffer = io.BytesIO()
    Image.fromarray(photo(16, 24)).save(buffer, "JPEG", icc_profile=icc, exif=camera(), quality=95, subsampling=0)
    data = bytes(imagecodecs.jpegxl_encode_jpeg(buffer.getvalue()))
    assert b"brob" in data
    picture = decode(data)
    assert picture.icc == icc
    assert b"maker" in picture.metadata.exif
    with Image.open(buffer) as image:
        turned = picture.colour.shape[:2] != (16, 24)  # as the EXIF orientation says
        values = np.asarray(image).astype(int)
    assert np.abs((np.rot90(values, -1) if turned else values) - picture.colour).max() <= 20  # decoders of JPEG differ


# Colour encodings that a header names by number: Display P3, and linear sRGB.
P3_ENCODING = "0" + "0" + "00" + "10" + "01" + "1001" + "0" + "01" + "1101" + "10"
LINEAR_ENCODING = "0" + "0" + "00" + "10" + "10" + "0" + "01" + "0110" + "10"


@pytest.mark.parametrize(
    ("encoding", "green"),
    [(P3_ENCODING, (12.92 * -0.2249, 1.018, 12.92 * -0.0786)), (LINEAR_ENCODING, (0.0, 1.0, 0.0))],
)
def test_colours_that_the_header_names_get_a_profile(encoding, green):
    """The pure green of each, in sRGB: that of P3 lies outside, where LittleCMS goes on with the slope at black."""
    values = photo()
    data = boxes.read(bytes(imagecodecs.jpegxl_encode(values, lossless=True))).codestream
    picture = decode(header.changed(data, colours=encoding))
    assert np.array_equal(picture.colour, values)
    assert picture.icc[24:36] == bytes([7, 208, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0])  # no date: the same at any time
    pure = np.array([[[0, 1, 0]]], np.float32)
    options = {"colorspace": "rgb", "outcolorspace": "rgb", "outdtype": "float32"}
    assert imagecodecs.cms_transform(pure, picture.icc, srgb(), **options)[0, 0] == pytest.approx(green, abs=0.005)
    half = imagecodecs.cms_transform(pure * 0 + 0.5, picture.icc, srgb(), **options)[0, 0]
    assert half == pytest.approx([0.5 if encoding == P3_ENCODING else 0.735] * 3, abs=0.003)


def test_profiles_of_any_length_survive_our_own_writing():
    for length in (1, 127, 128, 129, 400, 5000, 70_000):
        icc = RNG.integers(0, 256, length, dtype=np.uint8).tobytes()
        text = profile.written(icc)
        data = int(text[::-1], 2).to_bytes(-(-len(text) // 8), "little")
        assert profile.read(header.Bits(data)) == icc


def test_the_depth_of_other_encoders_fills_the_range():
    for bits, kind in ((4, np.uint8), (10, np.uint16), (12, np.uint16)):
        values = np.full((8, 8, 3), 2**bits - 1, kind)
        data = bytes(imagecodecs.jpegxl_encode(values, lossless=True, bitspersample=bits))
        assert (decode(data).colour == np.iinfo(kind).max).all()


def test_an_animation_gives_its_first_frame_and_says_so():
    frames = np.stack([photo(), photo()])
    picture = decode(bytes(imagecodecs.jpegxl_encode(frames, lossless=True)))
    assert np.array_equal(picture.colour, frames[0])
    assert any("first frame" in note for note in picture.notes)


def test_large_pictures_are_refused_before_they_are_decoded(tmp_path):
    images.write(Picture(photo()), tmp_path / "a.jxl")
    with pytest.raises(images.ImageError, match="--max-pixels"):
        images.open_file(tmp_path / "a.jxl", 100)


def test_a_build_without_the_codec_is_told(tmp_path, monkeypatch):
    images.write(Picture(photo()), tmp_path / "a.jxl")

    class Without:
        available = False

    monkeypatch.setattr(imagecodecs, "JPEGXL", Without)
    for act in (
        lambda: images.read(tmp_path / "a.jxl"),
        lambda: images.write(Picture(photo()), tmp_path / "b.jxl"),
    ):
        with pytest.raises(images.ImageError, match="this build of imagecodecs has no JPEG XL"):
            act()
    assert not (tmp_path / "b.jxl").exists()


def test_every_cut_of_a_file_is_a_picture_or_an_error(tmp_path):
    images.write(Picture(photo(), icc=ADOBE), tmp_path / "a.jxl")
    data = (tmp_path / "a.jxl").read_bytes()
    for length in range(0, len(data), 7):
        with pytest.raises(SrcliError):
            decode(data[:length])
