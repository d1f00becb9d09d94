"""The interface of open picture files, and their errors and checks."""

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
    """A picture that cannot be read or written."""

    reason = "unreadable"


class NotWritten(ImageError):
    """A result that cannot be written."""

    reason, retryable = "not-writable", True


class Missing(ImageError):
    """A file that does not exist."""

    reason = "missing"


class MissingCodec(ImageError):
    """A format that this build of a library cannot decode or encode."""

    reason = "missing-package"


class TooLarge(ImageError):
    """A picture above the limit of --max-pixels."""

    reason = "too-large"


class Source(Protocol):
    """The pictures of an open file.

    frames: number of frames or pages.
    animated: whether they are frames of an animation rather than pages.
    loop: how often the animation repeats, 0 for ever, None if not stated.
    """

    name: str
    frames: int
    animated: bool
    loop: int | None

    def picture(self, frame: int = 0) -> Picture:
        """Decode a frame or page, counted from 0. Raises ImageError."""


@contextmanager
def decoding(name: str) -> Iterator[None]:
    """Turn any exception of a decoder into an ImageError that names the file."""
    try:
        yield
    except (ImageError, MemoryError):
        raise
    except UnidentifiedImageError:
        raise ImageError(f"{name} is not a picture in a known format") from None
    except Image.DecompressionBombError as error:
        raise ImageError(f"{name} is too large: {error}") from None
    except Exception as error:  # decoders can raise anything on damaged or hostile files
        reason = " ".join((str(error) or type(error).__name__).split())
        raise ImageError(f"{name} is damaged: {reason[:200]}") from None


def check_size(name: str, width: int, height: int, max_pixels: int) -> None:
    """Raise ImageError, before decoding, for pictures that are empty or too large."""
    if width < 1 or height < 1:
        raise ImageError(f"{name} is damaged: a picture of {width}x{height} pixels")
    if width * height > max_pixels:
        raise TooLarge(
            f"{name} has {width}x{height} pixels, more than the limit of {max_pixels}; raise it with --max-pixels"
        )


def check_frame(name: str, frame: int, frames: int) -> None:
    """Raise ImageError if there is no such frame."""
    if not 0 <= frame < frames:
        raise ImageError(f"{name} has {frames} frame{'s' if frames > 1 else ''}; there is no frame {frame + 1}")


def upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Rotate and mirror (H, W, ...) according to its EXIF orientation, 1 to 8; other values change nothing."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)
