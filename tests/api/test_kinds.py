"""Any kind of picture in, the same kind out."""

from __future__ import annotations

import io
import warnings

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

from srcli import PictureWarning, SrcliError, Target, Upscaler, images
from srcli.drawing import draw
from srcli.flows.exploding import Exploded
from srcli.images.metadata import ORIENTATION
from srcli.images.read import from_pil
from tests.support.places import EXAMPLES

CAT = Image.open(EXAMPLES / "cat.png").convert("RGB").crop((40, 30, 88, 70))
RGB = np.asarray(CAT)
DEEP = RGB * np.uint16(257) + np.uint16(100) * (RGB < 250)
GREY16 = np.ascontiguousarray(DEEP[..., 1])
RGBA = np.dstack([RGB, np.linspace(0, 255, 40 * 48).reshape(40, 48).astype(np.uint8)])


@pytest.fixture(scope="module")
def upscaler() -> Upscaler:
    return Upscaler("linf-lp-s", precision="fp32")


@pytest.fixture(autouse=True)
def _warnings_are_errors():
    with warnings.catch_warnings():
        warnings.simplefilter("error", PictureWarning)
        yield


@pytest.fixture(scope="module")
def expected(upscaler) -> np.ndarray:
    return np.asarray(upscaler.upscale(CAT, 2))


# Files


@pytest.mark.parametrize("kind", [str, lambda path: path, lambda path: path.read_bytes()], ids=["str", "Path", "bytes"])
def test_a_file_gives_a_pillow_image(upscaler, expected, tmp_path, kind):
    CAT.save(tmp_path / "a.png")
    result = upscaler.upscale(kind(tmp_path / "a.png"), 2)
    assert isinstance(result, Image.Image)
    assert np.array_equal(np.asarray(result), expected)


def test_a_deep_grey_file_stays_deep(upscaler, tmp_path):
    Image.fromarray(GREY16).save(tmp_path / "a.png")
    result = upscaler.upscale(tmp_path / "a.png", 2)
    assert result.mode == "I;16"
    assert (np.asarray(result) % 257 != 0).mean() > 0.9


def test_deep_colour_that_pillow_cannot_hold_is_told(upscaler, tmp_path):
    images.write(images.Picture(DEEP), tmp_path / "a.tif")
    with pytest.warns(PictureWarning, match=r"a\.tif: Pillow has no mode for its 16 bits .* Upscaler\.run"):
        assert upscaler.upscale(tmp_path / "a.tif", 2).mode == "RGB"


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_deep_colour_that_pillow_does_not_read_is_told(upscaler, tmp_path, suffix):
    images.write(images.Picture(DEEP), tmp_path / f"a.{suffix}")
    with pytest.warns(PictureWarning, match=rf"a\.{suffix}: Pillow reads its 16 bits per channel as 8"):
        upscaler.upscale(Image.open(tmp_path / f"a.{suffix}"), 2)


def test_of_several_frames_the_first_is_used_and_told(upscaler, tmp_path):
    CAT.save(tmp_path / "a.gif", save_all=True, append_images=[CAT.rotate(90)])
    with pytest.warns(PictureWarning, match=r"a\.gif: the first of 2 frames or pages is used"):
        first = upscaler.upscale(tmp_path / "a.gif", 2)
    assert np.array_equal(np.asarray(first), np.asarray(upscaler.upscale(Image.open(tmp_path / "a.gif"), 2)))


@pytest.mark.parametrize(("image", "why"), [("no.png", "no.png does not exist"), (b"abc", "not a picture")])
def test_files_that_cannot_be_read_are_named(upscaler, image, why):
    with pytest.raises(images.ImageError, match=why):
        upscaler.upscale(image, 2)


def test_a_cut_off_pillow_image_is_told(upscaler, tmp_path):
    buffer = io.BytesIO()
    CAT.save(buffer, "PNG")
    (tmp_path / "a.png").write_bytes(buffer.getvalue()[:1000])
    with pytest.raises(images.ImageError, match=r"a\.png is damaged"):
        upscaler.upscale(Image.open(tmp_path / "a.png"), 2)


def test_a_closed_pillow_image_is_told(upscaler, tmp_path):
    CAT.save(tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as closed:
        pass
    with Image.open(tmp_path / "a.png") as loaded:
        loaded.load()
    with pytest.raises(SrcliError, match=r"a\.png: the file of this Pillow image was closed before it was read"):
        upscaler.upscale(closed, 2)
    assert upscaler.upscale(loaded, 2).size == (96, 80)


# Pillow


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "I;16", "I;16B", "I", "F"])
def test_pillow_modes_stay(upscaler, mode):
    if mode in ("I;16", "I;16B"):
        image = Image.fromarray(GREY16.astype("<u2" if mode == "I;16" else ">u2"))
    elif mode == "I":
        image = Image.fromarray(GREY16.astype(np.int32))
    elif mode == "F":
        image = Image.fromarray(GREY16.astype(np.float32) / 65535)
    else:
        image = CAT.convert(mode)
    assert image.mode == mode
    assert upscaler.upscale(image, 2).mode == mode


@pytest.mark.parametrize("scale", [1.0, 2.0])
def test_deep_pillow_images_keep_their_depth(upscaler, scale):
    """Three forms of one picture have one result, which has more than 256 values."""
    deep = np.asarray(upscaler.upscale(Image.fromarray(GREY16), scale))
    assert deep.dtype == np.uint16
    assert len(np.unique(deep)) > 400
    wide = np.asarray(upscaler.upscale(Image.fromarray(GREY16.astype(np.int32)), scale))
    assert np.array_equal(wide, deep)
    floats = np.asarray(upscaler.upscale(Image.fromarray(GREY16.astype(np.float32) / 65535), scale))
    assert np.abs(floats * 65535 - deep).max() <= 0.51
    eight = np.asarray(upscaler.upscale(Image.fromarray((GREY16 // 257).astype(np.uint8)), scale))
    assert np.abs(deep / 257 - eight).max() < 2


def test_float_pillow_images_keep_their_range(upscaler):
    image = Image.fromarray(GREY16.astype(np.float32) / 257 - 20)  # -20 to 235, as differences of pictures have
    result = np.asarray(upscaler.upscale(image, 2))
    assert abs(result.mean() - np.asarray(image).mean()) < 1
    assert result.min() < -5


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif"])
def test_exif_resolution_and_profile_stay(upscaler, tmp_path, suffix):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[0x010F], exif[0x8298], exif[ORIENTATION] = "Camera Ltd", "me", 6
    exif.get_ifd(0x8769)[0xA002] = 48  # width
    CAT.save(tmp_path / f"a.{suffix}", exif=exif, dpi=(300, 200), icc_profile=profile)
    result = upscaler.upscale(Image.open(tmp_path / f"a.{suffix}"), 2)
    result.save(
        tmp_path / "b.jpg", exif=result.getexif(), dpi=result.info["dpi"], icc_profile=result.info["icc_profile"]
    )
    for image in (result, Image.open(tmp_path / "b.jpg")):
        assert image.size == (80, 96)  # upright
        found = image.getexif()
        assert (found[0x010F], found[0x8298], found.get(ORIENTATION, 1)) == ("Camera Ltd", "me", 1)
        if suffix != "tif":  # in which Pillow does not write it
            assert found.get_ifd(0x8769)[0xA002] == 80
        assert [round(v) for v in image.info["dpi"]] == [300, 200]
        assert image.info["icc_profile"] == profile


def test_no_metadata_is_made_up(upscaler):
    assert upscaler.upscale(CAT, 2).info == {}


def test_what_cannot_stay_is_told(upscaler):
    with pytest.warns(PictureWarning, match="the picture: CMYK without a usable profile was converted to RGB") as told:
        upscaler.upscale(CAT.convert("CMYK"), 2)
    assert told[0].filename == __file__


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_alpha_is_as_on_the_command_line(upscaler, mode):
    image = Image.fromarray(RGBA).convert(mode)
    picture = upscaler.run(from_pil(image), Target(scale=2)).picture
    result = np.asarray(upscaler.upscale(image, 2))
    assert np.array_equal(result[..., -1], picture.alpha)
    assert np.array_equal(result[..., :-1], picture.colour)


# numpy


@pytest.mark.parametrize("shape", [(), (1,), (2,), (3,), (4,)])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
def test_arrays_keep_type_and_channels(upscaler, kind, shape):
    largest = 1 if kind == np.float32 else np.iinfo(kind).max
    array = (RGBA[..., : shape[0]] if shape else RGBA[..., 0]) / 255 * largest
    result = upscaler.upscale(array.astype(kind), 2)
    assert result.dtype == kind
    assert result.shape == (80, 96, *shape)
    assert result.flags.c_contiguous


def test_arrays_of_each_depth_are_one_picture(upscaler, expected):
    assert np.array_equal(upscaler.upscale(RGB, 2), expected)
    deep = upscaler.upscale(DEEP, 2)
    floats = upscaler.upscale(DEEP.astype(np.float32) / 65535, 2)
    assert np.abs(deep / 257 - expected).max() < 3
    assert np.abs(floats * 65535 - deep).max() <= 0.51
    assert len(np.unique(deep)) > 2000


def test_strided_arrays_are_copied_and_left_alone(upscaler, expected):
    mirrored = RGB[:, ::-1].copy()
    before = mirrored.copy()
    assert np.array_equal(upscaler.upscale(mirrored[:, ::-1], 2), expected)
    assert np.array_equal(mirrored, before)


# torch


def planes(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(array.copy()).permute(2, 0, 1)


def test_a_batch_of_tensors_is_each_of_them(upscaler):
    both = torch.stack([planes(RGB), planes(RGB[::-1])]).float() / 255
    result = upscaler.upscale(both, 2)
    assert (result.shape, result.dtype, result.device) == ((2, 3, 80, 96), torch.float32, both.device)
    for one, made in zip(both, result, strict=True):
        assert torch.equal(upscaler.upscale(one, 2), made)
    array = upscaler.upscale(RGB.astype(np.float32) / 255, 2)
    assert np.array_equal(result[0].permute(1, 2, 0).numpy(), array)


@pytest.mark.parametrize("kind", [torch.uint8, torch.float16, torch.bfloat16, torch.float32])
def test_tensors_keep_their_type(upscaler, expected, kind):
    tensor = planes(RGB) if kind == torch.uint8 else (planes(RGB) / 255).to(kind)
    result = upscaler.upscale(tensor, 2)
    assert result.dtype == kind
    scale = 1 if kind == torch.uint8 else 255
    assert np.abs(result.float().permute(1, 2, 0).numpy() * scale - expected).max() < 4


def test_tensors_that_learn_are_detached(upscaler):
    tensor = (planes(RGB) / 255).requires_grad_()
    result = upscaler.upscale(tensor, 2)
    assert not result.requires_grad
    assert not result.is_inference()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_tensors_stay_on_their_device():
    tensor = (planes(RGB) / 255).to("cuda")
    for device in ("cuda", "cpu"):
        assert Upscaler("linf-lp-s", device=device).upscale(tensor, 2).device == tensor.device


# What is none of these

WRONG = {
    "expected a path, bytes, a Pillow image, a numpy array or a torch tensor, not int: 3": 3,
    "not list": [CAT],
    "a Pillow image with pixels, not one of 0x5": Image.new("RGB", (0, 5)),
    "not float64 (4, 4)": np.zeros((4, 4)),
    "not bool (4, 4)": np.zeros((4, 4), bool),
    "(H, W) or (H, W, 1 to 4), not uint8 (4, 4, 5)": np.zeros((4, 4, 5), np.uint8),
    "not uint8 (0, 4, 3)": np.zeros((0, 4, 3), np.uint8),
    "not uint8 (2, 4, 4, 3)": np.zeros((2, 4, 4, 3), np.uint8),
    "not from 0 to 255": np.full((4, 4), [0, 255, 0, 0], np.float32),
    "not from -0.5 to 0": np.full((4, 4), [0, -0.5, 0, 0], np.float32),
    "1 of 4 values are not finite": np.array([[0, 1], [np.nan, 0]], np.float32),
    "(B, 3, H, W) or (3, H, W), not float32 (4, 4, 3)": torch.zeros(4, 4, 3),
    "not float32 (0, 3, 4, 4)": torch.zeros(0, 3, 4, 4),
    "not float64 (3, 4, 4)": torch.zeros(3, 4, 4).double(),
    "12 of 12 values are not finite": torch.full((3, 2, 2), float("inf")),
}


@pytest.mark.parametrize("text", WRONG)
def test_what_is_none_is_refused_in_a_sentence(upscaler, text):
    with pytest.raises(SrcliError) as caught:
        upscaler.upscale(WRONG[text], 2)
    assert text in str(caught.value)
    assert caught.value.exit_code == 2


def test_rounding_beyond_black_and_white_is_clipped(upscaler):
    array = np.array([[0, 1], [-1e-4, 1.0001]], np.float32).repeat(16, 0).repeat(16, 1)
    result = upscaler.upscale(array, 2)
    assert np.array_equal(result, upscaler.upscale(array.clip(0, 1), 2))


# Exploding inverses


def test_an_exploding_inverse_is_repaired_or_an_error(upscaler):
    dither = draw("dither", 1, 48, 48)
    assert upscaler.run(from_pil(dither), Target(scale=2)).exploded > 0
    assert upscaler.upscale(dither, 2).size == (96, 96)
    assert upscaler.upscale(dither, 2, on_explode="repair").size == (96, 96)
    with pytest.raises(Exploded, match="the inverse of the flow explodes"):
        upscaler.upscale(dither, 2, on_explode="error")
