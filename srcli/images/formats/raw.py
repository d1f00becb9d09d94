"""HEIC and raw camera files, which need extra packages."""

from __future__ import annotations

import io

import numpy as np

from srcli.images.picture import Picture
from srcli.images.source import ImageError, check_frame, check_size, decoding

SUFFIXES = (".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf", ".pef", ".srw")
HEIC_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})


class MissingPackage(ImageError):
    """The package that reads a format is not installed."""

    reason = "missing-package"


def is_raw(data: bytes, suffix: str) -> bool:
    """Whether data is a raw camera file: a TIFF or a known signature, with a raw suffix."""
    return suffix in SUFFIXES and (
        data[:4] in (b"II*\0", b"MM\0*", b"IIRO", b"IIRS", b"IIU\0", b"FUJI") or _is_cr3(data)
    )


def _is_cr3(data: bytes) -> bool:
    return data[4:12] == b"ftypcrx "


def is_heic(data: bytes) -> bool:
    brands = {data[8:12], *(data[i : i + 4] for i in range(16, min(64, len(data)), 4))}
    return data[4:8] == b"ftyp" and data[8:12] in HEIC_BRANDS and not brands & {b"avif", b"avis"}


def need_heic(name: str) -> None:
    """Enable HEIC in Pillow. Raises MissingPackage."""
    try:
        import pillow_heif
    except ImportError:
        raise MissingPackage(f"{name} is a HEIC file; to read it, run: pip install 'srcli[heic]'") from None
    pillow_heif.register_heif_opener()


class RawSource:
    """Raw sensor data, developed to 16-bit sRGB by LibRaw with the camera's white balance."""

    frames, animated = 1, False
    loop: int | None = None

    def __init__(self, data: bytes, name: str, max_pixels: int) -> None:
        self.data, self.name, self.max_pixels = data, name, max_pixels

    def picture(self, frame: int = 0) -> Picture:
        check_frame(self.name, frame, 1)
        try:
            import rawpy
        except ImportError:
            raise MissingPackage(
                f"{self.name} is a raw camera file; to read it, run: pip install 'srcli[raw]'"
            ) from None
        with decoding(self.name), rawpy.imread(io.BytesIO(self.data)) as sensor:
            check_size(self.name, sensor.sizes.width, sensor.sizes.height, self.max_pixels)
            pixels = sensor.postprocess(use_camera_wb=True, output_bps=16)
        return Picture(np.ascontiguousarray(pixels), notes=("raw sensor data was developed to 16-bit sRGB",))
