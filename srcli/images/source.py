"""What every opened file offers, and how it fails."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import numpy as np
from PIL import Image, UnidentifiedImageError

from srcli.errors import SrcliError
from srcli.images.picture import Picture

MAX_PIXELS = 250_000_000


class ImageError(SrcliError):
    """A file that is not a picture that can be read or written."""


class TooLarge(ImageError):
    """A picture above the limit that the person can raise."""


class Source(Protocol):
    """A file's pictures. frames: how many; animated: shown one after the other, `loop` times (0: for ever), instead of
    being pages."""

    name: str
    frames: int
    animated: bool
    loop: int | None

    def picture(self, frame: int = 0) -> Picture:
        """A frame or page. Raises ImageError."""


@contextmanager
def decoding(name: str) -> Iterator[None]:
    """Turns whatever a decoder raises into one sentence about the file."""
    try:
        yield
    except (ImageError, MemoryError):
        raise
    except UnidentifiedImageError:
        raise ImageError(f"{name} is not a picture in a known format") from None
    except Image.DecompressionBombError as error:
        raise ImageError(f"{name} is too large: {error}") from None
    except Exception as error:  # decoders meet hostile bytes with any exception there is
        reason = " ".join((str(error) or type(error).__name__).split())
        raise ImageError(f"{name} is damaged: {reason[:200]}") from None


def check_size(name: str, width: int, height: int, max_pixels: int) -> None:
    """Refuse what would fill the memory before it is decoded."""
    if width < 1 or height < 1:
        raise ImageError(f"{name} is damaged: a picture of {width}x{height} pixels")
    if width * height > max_pixels:
        raise TooLarge(
            f"{name} has {width}x{height} pixels, more than the limit of {max_pixels}; raise it with --max-pixels"
        )


def check_frame(name: str, frame: int, frames: int) -> None:
    if not 0 <= frame < frames:
        raise ImageError(f"{name} has {frames} frame{'s' if frames > 1 else ''}; there is no frame {frame + 1}")


def upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """(H, W, ...) turned and mirrored from EXIF orientation 1 to 8 to orientation 1; other values change nothing."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)
