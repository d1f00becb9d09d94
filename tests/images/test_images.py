"""Reading and writing: sizes, channels, orientation, transparency, metadata, and honest errors."""

from __future__ import annotations

import io
import struct

import cv2
import numpy as np
import pytest
from PIL import Image

from srcli import images
from srcli.images.encode import Style
from srcli.images.metadata import ORIENTATION, Metadata
from srcli.images.picture import Picture, bleed, unit
from srcli.images.read import decode, from_pil
from srcli.images.write import to_pil

RNG = np.random.default_rng(0)


def encoded(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def noise(*shape: int) -> np.ndarray:
    return RNG.integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize(
    ("mode", "channels", "alpha"),
    [("L", 1, False), ("LA", 1, True), ("RGB", 3, False), ("RGBA", 3, True), ("1", 1, False)],
)
def test_channels_survive(mode, channels, alpha):
    source = Image.fromarray(noise(9, 7, 4)).convert(mode)
    picture = decode(encoded(source))
    assert picture.colour.shape == (9, 7, channels)
    assert (picture.alpha is not None) == alpha
    assert np.array_equal(np.asarray(to_pil(picture)), np.asarray(source.convert({"1": "L"}.get(mode, mode))))


def test_palette_becomes_its_colours():
    source = Image.fromarray(noise(8, 8, 3)).quantize(16)
    assert np.array_equal(decode(encoded(source)).colour, np.asarray(source.convert("RGB")))


def test_palette_transparency_becomes_alpha():
    source = Image.new("P", (2, 2))
    source.putdata([0, 1, 1, 0])
    source.putpalette([255, 0, 0, 0, 255, 0])
    picture = decode(encoded(source, transparency=1))
    assert np.array_equal(picture.alpha, [[255, 0], [0, 255]])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_and_reset(orientation):
    source = Image.fromarray(noise(16, 24, 3))
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    exif[0x010F] = "maker"
    picture = decode(encoded(source, exif=exif))
    turned = orientation >= 5
    assert picture.colour.shape[:2] == ((24, 16) if turned else (16, 24))
    kept = Image.Exif()
    kept.load(picture.metadata.exif)
    assert ORIENTATION not in kept
    assert kept[0x010F] == "maker"


def test_sixteen_bit_grey_keeps_its_range():
    values = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
    picture = decode(encoded(Image.fromarray(values)))
    assert picture.colour.dtype == np.uint16
    assert np.array_equal(picture.colour[..., 0], values)


def test_profile_and_exif_are_written(tmp_path):
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[0x010F] = "maker"
    for suffix in (".png", ".jpg", ".webp", ".tif"):
        path = tmp_path / f"a{suffix}"
        images.write(Picture(noise(8, 8, 3), icc=profile, metadata=Metadata(exif=exif.tobytes())), path)
        with Image.open(path) as made:
            assert made.info["icc_profile"] == profile
            assert made.getexif()[0x010F] == "maker"


def camera_exif() -> Image.Exif:
    exif = Image.Exif()
    exif[0x010F] = "maker"
    exif.get_ifd(0x8769).update({0x9003: "2026:01:02 03:04:05", 0xA002: 16, 0xA003: 24})
    exif.get_ifd(0x8825).update({1: "N", 2: (48.0, 8.0, 0.0)})
    return exif


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif", ".avif"])
def test_camera_and_position_are_kept(tmp_path, suffix):
    picture = decode(encoded(Image.fromarray(noise(24, 16, 3)), kind="JPEG", exif=camera_exif()))
    assert images.write(picture, tmp_path / f"a{suffix}") == ()
    with Image.open(tmp_path / f"a{suffix}") as made:
        exif = made.getexif()
        assert exif[0x010F] == "maker"
        assert exif.get_ifd(0x8825)[1] == "N"
        assert exif.get_ifd(0x8825)[2] == (48.0, 8.0, 0.0)
        assert exif.get_ifd(0x8769)[0x9003] == "2026:01:02 03:04:05"


def test_a_tag_of_an_odd_type_costs_the_exif_and_not_the_picture():
    # By hand, because Pillow writes it as text: one entry, Make as the fraction 1/3.
    entry = struct.pack("<HHHLL", 1, 0x010F, 5, 1, 26) + struct.pack("<LLL", 0, 1, 3)
    exif = b"Exif\0\0II*\0" + struct.pack("<L", 8) + entry
    picture = decode(encoded(Image.fromarray(noise(24, 16, 3)), kind="JPEG", exif=exif))
    assert picture.metadata.exif is None
    assert "cannot be kept" in picture.notes[0]


@pytest.mark.parametrize(
    ("top", "kind"), [(1.0, "F"), (255.0, "F"), (65535.0, "F"), (255, "I"), (65535, "I"), (70000, "I")]
)
def test_wide_pixels_keep_their_range_and_values(tmp_path, top, kind):
    ramp = np.linspace(0, top, 256).reshape(16, 16).astype(np.float32 if kind == "F" else np.int32)
    picture = from_pil(Image.fromarray(ramp))
    assert unit(picture.colour, picture.span).max() == 1
    assert np.array_equal(picture.colour[..., 0].astype(np.float64), ramp.astype(np.float64))
    images.write(picture, tmp_path / "a.tif")
    assert np.array_equal(images.read(tmp_path / "a.tif").colour, picture.colour)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".ppm"])
def test_sixteen_bit_colour_goes_through(tmp_path, suffix):
    values = RNG.integers(0, 65536, (9, 7, 3), dtype=np.uint16)
    images.write(Picture(values), tmp_path / f"a{suffix}")
    assert np.array_equal(images.read(tmp_path / f"a{suffix}").colour, values)
    back = cv2.imdecode(np.fromfile(tmp_path / f"a{suffix}", np.uint8), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(back[..., ::-1], values)  # another reader agrees


@pytest.mark.parametrize("quality", [95, 80])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("height", [64, 130, 200])
def test_a_jpeg_in_strips_is_the_whole_jpeg(tmp_path, quality, channels, height):
    """The same pixels as written in one go, also for odd sizes and where markers wrap around."""
    smooth = cv2.GaussianBlur(noise(height, 83, 3), (0, 0), 3)[..., :channels].reshape(height, 83, channels)
    exif = camera_exif().tobytes().removeprefix(b"Exif\0\0")
    picture = Picture(smooth, metadata=Metadata(exif=exif, iptc=b"record", dpi=(300, 300)))
    for name, large in (("whole.jpg", 10**9), ("strips.jpg", 0)):
        images.write(picture, tmp_path / name, Style(quality=quality, large=large))
    whole, strips = (images.read(tmp_path / name) for name in ("whole.jpg", "strips.jpg"))
    assert np.array_equal(strips.colour, whole.colour)
    assert strips.metadata == whole.metadata
    assert strips.metadata.iptc == b"record"
    assert np.array_equal(cv2.imread(str(tmp_path / "strips.jpg")), cv2.imread(str(tmp_path / "whole.jpg")))


def test_a_tall_jpeg_in_strips(tmp_path):
    tall = cv2.GaussianBlur(noise(1500, 40, 3), (0, 0), 2)
    images.write(Picture(tall), tmp_path / "a.jpg", Style(large=0))
    assert np.abs(images.read(tmp_path / "a.jpg").colour.astype(int) - tall).mean() < 3


def test_sixteen_bits_are_said_to_be_reduced_where_a_format_has_none(tmp_path):
    notes = images.write(Picture(np.full((8, 8, 3), 40000, np.uint16)), tmp_path / "a.jpg")
    assert "16-bit" in notes[0]
    assert np.asarray(Image.open(tmp_path / "a.jpg"))[0, 0, 0] == pytest.approx(40000 / 257, abs=1)


def test_a_file_that_appears_meanwhile_is_not_replaced(tmp_path):
    picture = Picture(noise(8, 8, 3))
    with images.Destination(tmp_path / "a.png", picture.size, overwrite=False) as destination:
        (tmp_path / "a.png").write_text("mine")
        with pytest.raises(images.ImageError, match="in the meantime"):
            destination.write(images.Layout.of(picture), [(picture.colour, None)])
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("a.png", "mine")]


def test_jpeg_flattens_on_white_and_says_so(tmp_path):
    clear = Picture(np.zeros((8, 8, 3), np.uint8), alpha=np.zeros((8, 8), np.uint8))
    notes = images.write(clear, tmp_path / "a.jpg")
    assert "flattened" in notes[0]
    assert np.asarray(Image.open(tmp_path / "a.jpg")).min() > 250


def test_bleed_fills_only_what_is_invisible():
    colour, alpha = np.zeros((32, 32, 3), np.uint8), np.zeros((32, 32), np.uint8)
    colour[10:20, 10:20], alpha[10:20, 10:20] = (200, 100, 50), 255
    filled = bleed(colour, alpha)
    assert np.array_equal(filled, np.broadcast_to(np.array([200, 100, 50], np.uint8), (32, 32, 3)))
    assert np.array_equal(filled[alpha > 0], colour[alpha > 0])


def test_a_single_visible_pixel_fills_a_large_canvas():
    colour, alpha = np.zeros((300, 300, 3), np.uint8), np.zeros((300, 300), np.uint8)
    colour[7, 290], alpha[7, 290] = (9, 99, 199), 1
    assert (bleed(colour, alpha) == (9, 99, 199)).all()


@pytest.mark.parametrize("kind", ["F", "P", "CMYK", "I;16", "RGB"])
def test_tiff_of_any_kind_comes_back_readable(tmp_path, kind):
    source = Image.fromarray(noise(16, 16, 3)).convert("RGB")
    source = Image.fromarray(noise(16, 16).astype(np.uint16)) if kind == "I;16" else source.convert(kind)
    source.save(tmp_path / "a.tif", compression="tiff_lzw" if kind != "F" else None)
    picture = images.read(tmp_path / "a.tif")
    images.write(picture, tmp_path / "b.tif")
    assert np.array_equal(images.read(tmp_path / "b.tif").colour, picture.colour)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "is empty"),
        (b"just text", "not a picture"),
        (encoded(Image.fromarray(noise(64, 64, 3)))[:-4000], "damaged"),
    ],
)
def test_bad_files_are_named_in_one_sentence(tmp_path, data, says):
    path = tmp_path / "bad.png"
    path.write_bytes(data)
    with pytest.raises(images.ImageError, match=says) as caught:
        images.read(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_failed_write_leaves_nothing(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(images.ImageError, match="cannot write"):
        images.write(Picture(noise(4, 4, 3)), tmp_path / "file" / "a.png")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_every_odd_file_is_read_or_refused(reference):
    files = sorted((reference / "data" / "benchmark" / "odd").iterdir())
    refused = set()
    for path in files:
        try:
            picture = images.read(path)
        except images.ImageError as error:
            refused.add(path.name)
            assert path.name in str(error)
        else:
            assert min(picture.colour.shape[:2]) >= 1
    assert {"text_not_image.png", "zero_bytes.png", "corrupt_data.png"} <= refused
    assert refused <= {
        "text_not_image.png", "zero_bytes.png", "corrupt_data.png", "truncated.jpg", "truncated_photo.jpg",
    }  # fmt: skip
