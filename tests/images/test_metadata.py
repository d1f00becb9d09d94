"""Metadata, frames and pages: kept, corrected where pixels changed, left out on request."""

from __future__ import annotations

import io
import json
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import ExifTags, Image, PngImagePlugin

from srcli import images
from srcli.geometry import Size
from srcli.images.amend import amend
from srcli.images.formats import tiff_write
from srcli.images.layout import Layout
from srcli.images.metadata import ORIENTATION, PROCESSING, Metadata, Provenance, finished, stripped
from srcli.images.picture import Picture
from srcli.images.read import decode

RNG = np.random.default_rng(0)
MADE = Provenance("1.2.3", "linf-lp-s", 2.0, 1.0, 0.0, 0)
XMP = (
    b'<?xpacket begin=""?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6" '
    b'exif:PixelXDimension="14"><dc:title>sea</dc:title><tiff:Orientation>6</tiff:Orientation></rdf:Description></x:xmpmeta>'
)
IPTC = b"\x1c\x02\x78\x00\x07a title"


def photo(height: int = 10, width: int = 14) -> np.ndarray:
    return RNG.integers(0, 256, (height, width, 3), dtype=np.uint8)


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


def write(path: Path, picture: Picture, made: Provenance | None = MADE, *, strip: bool = False) -> tuple[str, ...]:
    """As the tool does: the picture is already the large one."""
    data, notes = finished(stripped(picture.metadata) if strip else picture.metadata, picture.size, made)
    layout = replace(Layout.of(picture), metadata=data)
    with images.Destination(path, picture.size) as destination:
        return notes + destination.write(layout, [(picture.colour, picture.alpha)])


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
        tiff_write.write(file, pages, most=2**33, level=6)
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
    amend(path, 12)
    with Image.open(path) as made:
        made.load()  # checks the sums of a PNG's chunks
        assert made.getexif()[PROCESSING].endswith("guarded tiles      12")
        if suffix == ".png":
            assert json.loads(made.text["srcli"])["guarded_tiles"] == 12
    assert path.stat().st_size == size


def test_ones_own_words_are_not_filled_in(tmp_path):
    words = "tiles: , guarded tiles       0"
    info = PngImagePlugin.PngInfo()
    info.add_text("Title", words)
    buffer = io.BytesIO()
    Image.fromarray(photo()).save(buffer, "PNG", pnginfo=info)
    write(tmp_path / "a.png", decode(buffer.getvalue()))
    amend(tmp_path / "a.png", 7)
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
    assert any("no metadata" in note for note in write(tmp_path / "a.ppm", decode(jpeg(exif=camera()))))


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
