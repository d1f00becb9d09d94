"""Metadata: kept, corrected where pixels changed, left out on request."""

from __future__ import annotations

import io
import json
import struct
from dataclasses import replace

import numpy as np
import pytest
import tifffile
from PIL import ExifTags, Image, PngImagePlugin

from srcli import images, provenance
from srcli.geometry import Size
from srcli.images.amend import amend
from srcli.images.formats import tiff_write
from srcli.images.layout import Layout
from srcli.images.metadata import HISTORY, ORIENTATION, PROCESSING, Metadata, finished
from srcli.images.picture import Picture
from srcli.images.read import decode
from tests.images.steps import MADE, photo, write

XMP = (
    b'<?xpacket begin=""?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6" '
    b'exif:PixelXDimension="14"><dc:title>sea</dc:title><tiff:Orientation>6</tiff:Orientation></rdf:Description></x:xmpmeta>'
)
COUNTS = dict.fromkeys(provenance.COUNTS, 0)
IPTC = b"\x1c\x02\x78\x00\x07a title"


def camera() -> bytes:
    """The EXIF of a phone: orientation, camera, position, sizes."""
    exif = Image.Exif()
    exif[0x010F], exif[ORIENTATION] = "maker", 6
    exif.get_ifd(ExifTags.IFD.Exif).update({0x9003: "2026:01:02 03:04:05", 0xA002: 14, 0xA003: 10, 0x829A: 0.01})
    exif.get_ifd(ExifTags.IFD.GPSInfo).update({1: "N", 2: (48.0, 8.0, 30.0)})
    return exif.tobytes()


def jpeg(**options) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(photo()).save(buffer, "JPEG", **options)
    return buffer.getvalue()


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif", ".avif"])
def test_exif_is_kept_and_corrected(tmp_path, suffix):
    picture = decode(jpeg(exif=camera(), xmp=XMP))
    assert picture.size == Size(14, 10)  # orientation 6
    assert write(tmp_path / f"a{suffix}", picture) == ()
    with Image.open(tmp_path / f"a{suffix}") as made:
        exif = made.getexif()
        inner, position = exif.get_ifd(ExifTags.IFD.Exif), exif.get_ifd(ExifTags.IFD.GPSInfo)
    assert exif[0x010F] == "maker"
    assert exif.get(ORIENTATION, 1) == 1
    assert inner[0x9003] == "2026:01:02 03:04:05"
    assert (inner[0xA002], inner[0xA003]) == (10, 14)
    assert float(inner[0x829A]) == pytest.approx(0.01)
    assert position[2] == (48.0, 8.0, 30.0)
    assert exif[PROCESSING] == "srcli 1.2.3: linf-lp-s, x2, detail 1, guarded tiles       0"


def test_the_thumbnail_is_dropped(tmp_path):
    """It shows the old picture. By hand: Make, then a second directory with a JPEG of four bytes."""
    first = struct.pack("<HHHL4sL", 1, 0x010F, 2, 4, b"abc\0", 26)
    second = struct.pack("<HHHLLHHLLL", 2, 0x0201, 4, 1, 56, 0x0202, 4, 1, 4, 0)
    block = b"II*\0" + struct.pack("<L", 8) + first + second + b"\xff\xd8\xff\xd9"
    with Image.open(io.BytesIO(jpeg(exif=b"Exif\0\0" + block))) as before:
        assert before.getexif().get_ifd(ExifTags.IFD.IFD1)
    write(tmp_path / "a.jpg", decode(jpeg(exif=b"Exif\0\0" + block)))
    with Image.open(tmp_path / "a.jpg") as made:
        assert made.getexif()[0x010F] == "abc"
        assert not made.getexif().get_ifd(ExifTags.IFD.IFD1)


def test_exif_is_kept_in_a_bigtiff(tmp_path):
    picture = decode(jpeg(exif=camera()))
    data, _ = finished(picture.metadata, picture.size, MADE)
    with (tmp_path / "a.tif").open("w+b") as file:
        pages = [(replace(Layout.of(picture), metadata=data), [(picture.colour, None)])]
        tiff_write.write(file, pages, max_bytes=2**33, level=6)
    with tifffile.TiffFile(tmp_path / "a.tif") as made:
        assert made.is_bigtiff
        tags = made.pages[0].tags
        assert tags["ExifTag"].value["DateTimeOriginal"] == "2026:01:02 03:04:05"
        assert tags["GPSTag"].value["GPSLatitudeRef"] == "N"
    assert np.array_equal(images.read(tmp_path / "a.tif").colour, picture.colour)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif", ".avif"])
def test_xmp_is_kept_upright_and_resized(tmp_path, suffix):
    write(tmp_path / f"a{suffix}", decode(jpeg(xmp=XMP)))
    packet = images.read(tmp_path / f"a{suffix}").metadata.xmp
    assert b"<dc:title>sea</dc:title>" in packet
    assert packet.count(b'tiff:Orientation="1"') == 1
    assert b"<tiff:Orientation>1</tiff:Orientation>" in packet
    assert b'exif:PixelXDimension="10"' in packet  # turned, as the packet said


@pytest.mark.parametrize("suffix", [".jpg", ".tif"])
def test_iptc_is_kept(tmp_path, suffix):
    picture = Picture(photo(), metadata=Metadata(iptc=IPTC))
    write(tmp_path / f"a{suffix}", picture)
    assert images.read(tmp_path / f"a{suffix}").metadata.iptc == IPTC


@pytest.mark.parametrize("suffix", [".png", ".webp", ".jxl"])
def test_iptc_that_is_lost_is_told(tmp_path, suffix):
    notes = write(tmp_path / f"a{suffix}", Picture(photo(), metadata=Metadata(iptc=IPTC)))
    assert any("cannot hold an IPTC record" in note for note in notes)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".bmp"])
def test_resolution_is_kept(tmp_path, suffix):
    write(tmp_path / f"a{suffix}", Picture(photo(), metadata=Metadata(dpi=(300.0, 150.0))))
    assert images.read(tmp_path / f"a{suffix}").metadata.dpi == pytest.approx((300, 150), rel=1e-3)


def test_text_of_a_png_is_kept_in_any_script(tmp_path):
    info = PngImagePlugin.PngInfo()
    info.add_text("Title", "sea")
    info.add_itxt("Comment", "мoре 海", lang="ru")
    info.add_text("Long", "word " * 1000, zip=True)
    buffer = io.BytesIO()
    Image.fromarray(photo()).save(buffer, "PNG", pnginfo=info)
    write(tmp_path / "a.png", decode(buffer.getvalue()))
    with Image.open(tmp_path / "a.png") as made:
        made.load()
        text = made.text
    assert (text["Title"], text["Comment"], text["Long"]) == ("sea", "мoре 海", "word " * 1000)
    made = json.loads(text["srcli"])
    assert made == {"tool": "srcli", "version": "1.2.3", "model": "linf-lp-s", "scale": 2, "detail": 1} | made
    assert (made["temperature"], made["seed"], made["guarded_tiles"]) == (0, 0, 0)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif", ".avif"])
def test_guarded_tiles_are_filled_in_afterwards(tmp_path, suffix):
    """The number is known when the pixels are written, which come behind it."""
    path = tmp_path / f"a{suffix}"
    write(path, decode(jpeg(exif=camera())))
    size = path.stat().st_size
    amend(path, COUNTS | {"guarded_tiles": 12, "tiles": 123456789})
    with Image.open(path) as made:
        made.load()  # checks the sums of a PNG's chunks
        assert made.getexif()[PROCESSING].endswith("guarded tiles      12")
        told = [made.getexif()[HISTORY], *([made.text["srcli"]] if suffix == ".png" else [])]
    for each in told:
        counted = json.loads(each)
        assert (counted["guarded_tiles"], counted["tiles"], counted["exploded"]) == (12, 99999999, 0)
    assert path.stat().st_size == size


def test_ones_own_words_are_not_filled_in(tmp_path):
    words = "tiles: , guarded tiles       0"
    info = PngImagePlugin.PngInfo()
    info.add_text("Title", words)
    buffer = io.BytesIO()
    Image.fromarray(photo()).save(buffer, "PNG", pnginfo=info)
    write(tmp_path / "a.png", decode(buffer.getvalue()))
    amend(tmp_path / "a.png", COUNTS | {"guarded_tiles": 7})
    with Image.open(tmp_path / "a.png") as made:
        made.load()
        assert made.text["Title"] == words
        assert json.loads(made.text["srcli"])["guarded_tiles"] == 7


def test_an_earlier_provenance_does_not_outlive_its_pixels(tmp_path):
    write(tmp_path / "a.jpg", decode(jpeg(exif=camera())))
    picture = decode((tmp_path / "a.jpg").read_bytes())
    data, _ = finished(picture.metadata, picture.size, None)
    exif = Image.Exif()
    exif.load(data.exif)
    assert PROCESSING not in exif


def test_the_comment_of_a_jpeg_is_kept(tmp_path):
    write(tmp_path / "a.jpg", decode(jpeg(comment=b"by me")))
    with Image.open(tmp_path / "a.jpg") as made:
        assert made.info["comment"] == b"by me"


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif", ".avif"])
def test_strip_leaves_the_profile_and_nothing_else(tmp_path, suffix):
    from srcli.images.colour import srgb

    buffer = jpeg(exif=camera(), xmp=XMP, comment=b"by me", dpi=(300, 300), icc_profile=srgb())
    write(tmp_path / f"a{suffix}", decode(buffer), None, strip=True)
    with Image.open(tmp_path / f"a{suffix}") as made:
        assert made.info["icc_profile"] == srgb()
        assert not {0x010F, 0x8769, 0x8825, PROCESSING} & set(made.getexif())
        assert not {"xmp", "XML:com.adobe.xmp", "comment", "photoshop"} & set(made.info)
    assert b"maker" not in (tmp_path / f"a{suffix}").read_bytes()


def test_exif_that_cannot_be_written_is_said(tmp_path):
    long = Image.Exif()
    long[0x010E] = "long " * 20000
    buffer = io.BytesIO()
    Image.fromarray(photo()).save(buffer, "PNG", exif=long)
    assert any("too long for JPEG" in note for note in write(tmp_path / "a.jpg", decode(buffer.getvalue())))


def test_formats_without_metadata_say_so(tmp_path):
    assert any("cannot hold metadata" in note for note in write(tmp_path / "a.ppm", decode(jpeg(exif=camera()))))
