"""Read the formats that Pillow knows, at their full bit depth, and PFM."""

from __future__ import annotations

import io
import threading
from dataclasses import replace
from typing import Any

import cv2
import imagecodecs
import numpy as np
from PIL import Image, ImageCms, ImageOps

from srcli.images import metadata
from srcli.images.colour import ProfileError, space_of, srgb
from srcli.images.formats import sgi
from srcli.images.picture import Picture
from srcli.images.source import ImageError, check_frame, check_size, decoding, upright

# Pillow's other formats run programs (EPS) or hold drawings.
FORMATS = (
    "PNG",
    "JPEG",
    "WEBP",
    "BMP",
    "TIFF",
    "GIF",
    "AVIF",
    "PPM",
    "JPEG2000",
    "TGA",
    "ICO",
    "QOI",
    "DDS",
    "PCX",
    "SGI",
)
ANIMATED = frozenset({"GIF", "WEBP", "PNG", "AVIF"})
_PILLOWS_LIMIT = threading.Lock()


class RasterSource:
    """A file read by Pillow."""

    def __init__(self, data: bytes, name: str, max_pixels: int, formats: tuple[str, ...] = FORMATS) -> None:
        self.name, self.data = name, data
        with decoding(name):
            self.image = opened(data, formats)
            check_size(name, *self.image.size, max_pixels)
            count = getattr(self.image, "n_frames", 1) if self.image.format in ANIMATED else 1
        self.frames, self.animated = count, count > 1
        loop = self.image.info.get("loop")
        self.loop = int(loop) if isinstance(loop, int) else None

    def picture(self, frame: int = 0) -> Picture:
        check_frame(self.name, frame, self.frames)
        with decoding(self.name):
            if self.frames > 1:
                self.image.seek(frame)
            self.image.load()
            deep = None if self.frames > 1 else deep_pixels(self.image.format or "", self.data)
            found: dict[int, list[int]] = getattr(self.image, "quantization", None) or {}
            return replace(from_pil(self.image, deep), tables=tuple(tuple(found[n]) for n in sorted(found)))


def opened(data: bytes, formats: tuple[str, ...] = FORMATS) -> Image.Image:
    """Open encoded bytes without decoding their pixels."""
    # Our own limit replaces Pillow's, which is global to the process.
    with _PILLOWS_LIMIT:
        before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            return Image.open(io.BytesIO(data), formats=formats)
        finally:
            Image.MAX_IMAGE_PIXELS = before


def from_pil(image: Image.Image, deep: np.ndarray | None = None) -> Picture:
    """Convert a Pillow image to a picture: upright, without palette, CMYK as RGB.

    deep: the stored pixels (H, W, C) of more than 8 bits, if Pillow has reduced them.
    """
    described, notes = metadata.collect(image)
    icc, delay = image.info.get("icc_profile"), float(image.info.get("duration") or 0)
    if deep is None and image.mode in ("I;16", "I;16B", "I;16L", "I;16N", "I", "F"):
        deep = np.asarray(image)[..., None]
    if deep is not None:
        pixels, span, more = stored(upright(deep, image.getexif().get(metadata.ORIENTATION, 1)))
        notes += more
    else:
        image, icc, more = _plain(ImageOps.exif_transpose(image), icc)
        notes, span = notes + more, (0.0, 1.0)
        pixels = np.asarray(image)
        pixels = pixels.reshape(*pixels.shape[:2], -1)
    colour, alpha = (pixels, None) if pixels.shape[2] in (1, 3) else (pixels[..., :-1], pixels[..., -1])
    icc, more = usable(icc, colour.shape[2])
    return Picture(
        np.ascontiguousarray(colour),
        alpha=alpha,
        icc=icc,
        metadata=described,
        span=span,
        notes=notes + more,
        delay=delay,
    )


def _plain(image: Image.Image, icc: bytes | None) -> tuple[Image.Image, bytes | None, tuple[str, ...]]:
    """Convert any 8-bit image to L, LA, RGB or RGBA. Returns it with its profile and notes."""
    if image.mode == "CMYK":
        image, note = cmyk_to_rgb(image, icc)
        return image, srgb(), (note,)
    transparent = image.has_transparency_data
    grey = image.mode in ("1", "L", "LA", "La") or (image.mode in ("P", "PA") and _grey_palette(image))
    if image.mode in ("P", "PA") and grey:
        image = image.convert("RGBA" if transparent else "RGB")  # Pillow cannot convert a palette to grey with alpha
    modes = ("LA" if transparent else "L") if grey else ("RGBA" if transparent else "RGB")
    return image.convert(modes), icc, ()


def _grey_palette(image: Image.Image) -> bool:
    colours = np.array(image.getpalette("RGB") or [0, 0, 1]).reshape(-1, 3)
    return bool((colours == colours[:, :1]).all())


def cmyk_to_rgb(image: Image.Image, icc: bytes | None) -> tuple[Image.Image, str]:
    """Convert CMYK to sRGB with its profile, or with the simple formula. Returns the image and a note."""
    if icc is not None:
        try:
            made = ImageCms.profileToProfile(
                image,
                ImageCms.ImageCmsProfile(io.BytesIO(icc)),
                ImageCms.createProfile("sRGB"),
                ImageCms.Intent.RELATIVE_COLORIMETRIC,
                "RGB",
                flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
            )
            assert made is not None
            return made, "CMYK was converted to RGB with its profile"
        except (ImageCms.PyCMSError, OSError):
            pass
    return image.convert("RGB"), "CMYK without a usable profile was converted to RGB with the simple formula"


def usable(icc: Any, channels: int) -> tuple[bytes | None, tuple[str, ...]]:
    """The profile if it fits the channels, else None and a note."""
    if not isinstance(icc, bytes) or not icc:
        return None, ()
    kind = icc[16:20]
    if kind != (b"GRAY" if channels == 1 else b"RGB "):
        if kind == b"RGB " and channels == 1:
            return icc, ()  # common and harmless: greys depend only on the tone curve
        return None, ("the colour profile does not fit the picture's channels and was left out",)
    try:
        space_of(icc)
    except ProfileError as error:
        return icc, (f"{error}; colours are used without conversion",)
    return icc, ()


def deep_pixels(kind: str, data: bytes) -> np.ndarray | None:
    """Pixels (H, W, C) of a file with more than 8 bits per channel, scaled to uint16; None for other files."""
    if kind == "PNG" and data[24] == 16:
        return _planes(imagecodecs.png_decode(data))
    if kind == "AVIF" and (bits := _avif_bits(data)) > 8:
        return widened(_planes(imagecodecs.avif_decode(data)), bits)
    if kind == "JPEG2000" and (bits := _jpeg2k_bits(data)) > 8:
        return widened(_planes(imagecodecs.jpeg2k_decode(data)), bits)
    if kind == "SGI":
        return sgi.deep(data)
    if kind == "PPM" and (largest := _netpbm_maximum(data)) > 255:
        pixels = _planes(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED))[..., ::-1]
        return np.rint(pixels.clip(0, largest) * (65535 / largest)).astype(np.uint16)
    return None


def _planes(pixels: np.ndarray | None) -> np.ndarray:
    if pixels is None:
        raise ImageError("no pixels")
    return pixels.reshape(*pixels.shape[:2], -1)


def widened(pixels: np.ndarray, bits: int) -> np.ndarray:
    """Scale integers of fewer bits to 16."""
    return np.rint(pixels.astype(np.float64) * (65535 / (2**bits - 1))).astype(np.uint16)


def _avif_bits(data: bytes) -> int:
    """Bits per channel, from the pixi box."""
    at = data.find(b"pixi")
    return data[at + 9] if at >= 0 and at + 9 < len(data) else 8


def _jpeg2k_bits(data: bytes) -> int:
    """Bits of the first component, from the SIZ segment."""
    at = data.find(b"\xff\x51")
    return (data[at + 40] & 0x7F) + 1 if at >= 0 and at + 40 < len(data) else 8


def _netpbm_maximum(data: bytes) -> int:
    """The maximum value in a P5 or P6 header."""
    if data[:2] not in (b"P5", b"P6"):
        return 255
    words: list[bytes] = []
    for line in data[2:1000].split(b"\n"):
        words += line.split(b"#")[0].split()
        if len(words) >= 3:
            return int(words[2])
    return 255


def stored(pixels: np.ndarray) -> tuple[np.ndarray, tuple[float, float], tuple[str, ...]]:
    """Convert pixels of any number type to uint8, uint16 or float32. Returns them with their span and notes.

    For signed or wide integers and floats, black is 0 or the smallest value if negative, and white is the first of 1
    (floats only), 255 and 65535 that is not below the largest value, or else that value.
    """
    if pixels.dtype in (np.uint8, np.uint16):
        return pixels, (0.0, 1.0), ()
    notes: tuple[str, ...] = ()
    values = pixels.astype(np.float32)
    finite = np.isfinite(values)
    if not finite.all():
        notes += (f"{int((~finite).sum())} values were not finite and were set to 0",)
        values = np.where(finite, values, np.float32(0))
    low, largest = min(0.0, float(values.min(initial=0))), float(values.max(initial=0))
    floats = np.issubdtype(pixels.dtype, np.floating)
    high = next((t for t in (1.0, 255.0, 65535.0)[not floats :] if largest <= t), largest)
    if not floats and low == 0 and high in (255.0, 65535.0):
        return values.astype(np.uint8 if high == 255 else np.uint16), (0.0, 1.0), notes
    if not floats:
        notes += (f"{pixels.dtype} pixels were converted to floats",)
    return values, (low, high), notes


def is_pfm(data: bytes) -> bool:
    return data[:3] in (b"PF\n", b"Pf\n") or data[:4] in (b"PF\r\n", b"Pf\r\n")


class PfmSource:
    """A Portable FloatMap: float32, rows from bottom to top."""

    frames, animated = 1, False
    loop: int | None = None

    def __init__(self, data: bytes, name: str, max_pixels: int) -> None:
        self.name = name
        with decoding(name):
            kind, sizes, scale, body = data.split(b"\n", 3)
            width, height = (int(v) for v in sizes.split())
            check_size(name, width, height, max_pixels)
            channels = 3 if kind.strip() == b"PF" else 1
            order = "<f4" if float(scale) < 0 else ">f4"
            rows = np.frombuffer(body, order, height * width * channels).reshape(height, width, channels)
            self.pixels = rows[::-1].astype(np.float32)

    def picture(self, frame: int = 0) -> Picture:
        check_frame(self.name, frame, 1)
        with decoding(self.name):
            colour, span, notes = stored(self.pixels)
            return Picture(np.ascontiguousarray(colour), span=span, notes=notes)
