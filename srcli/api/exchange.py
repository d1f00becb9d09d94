"""Pictures as Python programs hold them, in and out: files, Pillow images, numpy arrays, torch tensors."""

from __future__ import annotations

import os
import reprlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from srcli.arguments import ArgumentError
from srcli.images.metadata import finished
from srcli.images.picture import Picture
from srcli.images.read import from_pil, open_bytes, open_file
from srcli.images.source import Source, decoding
from srcli.images.write import to_pil

ARRAYS = ("uint8", "uint16", "float32")
TENSORS = (torch.uint8, torch.float32, torch.float16, torch.bfloat16)
ROUNDING = 1e-3  # how far floats may lie outside 0 to 1
WIDE = ("I;16", "I;16B", "I;16L", "I;16N", "I", "F")  # Pillow's modes of more than 8 bits, all of them grey


class PictureWarning(UserWarning):
    """Something of a picture that its result does not have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Brought:
    """What a caller brings.

    pictures: one, or those of a batch of tensors.
    back: makes of the results what the caller gets: the kind that was brought.
    notes: what the caller's picture loses.
    """

    pictures: tuple[Picture, ...]
    back: Callable[[Sequence[Picture]], Any]
    notes: tuple[str, ...] = ()


def bring(image: Any) -> Brought:
    """Read or convert a picture of any kind. Raises ImageError, or ArgumentError for what is none."""
    if isinstance(image, Image.Image):
        return _from_pillow(image, name_of(image) or "the picture")
    if isinstance(image, np.ndarray):
        return _from_array(image)
    if isinstance(image, Tensor):
        return _from_tensor(image)
    if isinstance(image, str | os.PathLike):
        return _from_source(open_file(Path(image)), name_of(image))
    if isinstance(image, bytes | bytearray | memoryview):
        return _from_source(open_bytes(bytes(image)), "the data")
    raise ArgumentError(
        "expected a path, bytes, a Pillow image, a numpy array or a torch tensor, not "
        f"{type(image).__name__}: {reprlib.repr(image)}"
    )


def name_of(image: Any) -> str:
    """The path of a picture, if it has one."""
    if isinstance(image, str | os.PathLike):
        return os.fspath(image)
    return str(getattr(image, "filename", "") or "") if isinstance(image, Image.Image) else ""


# --- Pillow ---


def _from_pillow(image: Image.Image, name: str) -> Brought:
    if not min(image.size):
        raise ArgumentError(f"expected a Pillow image with pixels, not one of {image.width}x{image.height}")
    unread, file = getattr(image, "tile", []), getattr(image, "fp", None)
    if unread and (file is None or file.closed):
        raise ArgumentError(f"{name}: the file of this Pillow image was closed before it was read; load() it earlier")
    reduced = image.mode not in WIDE and any(";16" in str(part) for part in unread)
    notes = ("Pillow reads its 16 bits per channel as 8; use Upscaler.run and srcli.images to keep them",) * reduced
    with decoding(name):
        return _from_image(from_pil(image), name, image.mode, notes)


def _from_source(source: Source, name: str) -> Brought:
    notes = (f"the first of {source.frames} frames or pages is used",) if source.frames > 1 else ()
    return _from_image(source.picture(), name, notes=notes)


def _from_image(picture: Picture, name: str, mode: str = "", notes: Sequence[str] = ()) -> Brought:
    notes = [*notes, *picture.notes]
    if picture.bits > 8 and (picture.alpha is not None or not picture.grey):
        notes.append(
            f"Pillow has no mode for its {picture.bits} bits per channel: reduced to 8; "
            "use Upscaler.run and srcli.images to keep them"
        )
    told = tuple(f"{name}: {note}" for note in notes)
    return Brought(pictures=(picture,), back=partial(_to_image, mode=mode), notes=told)


def _to_image(made: Sequence[Picture], mode: str) -> Image.Image:
    """The only picture as a Pillow image: L, LA, RGB or RGBA, or one of the `WIDE` modes."""
    (picture,) = made
    if picture.bits > 8 and picture.grey and picture.alpha is None:
        image = _wide(picture.colour[..., 0], mode)
    else:
        image = to_pil(picture)
    image.info.update(_info(picture))
    return image


def _wide(pixels: np.ndarray, mode: str) -> Image.Image:
    if mode == "I":
        return Image.fromarray(np.rint(pixels).astype(np.int32))
    return Image.fromarray(pixels.astype(">u2") if mode == "I;16B" and pixels.dtype == np.uint16 else pixels)


def _info(picture: Picture) -> dict[str, Any]:
    """The `info` of a Pillow image: profile, EXIF, XMP, resolution and text, as Pillow's readers give them."""
    data, _ = finished(picture.metadata, picture.size, None)
    found = {
        "icc_profile": picture.icc,
        "exif": data.exif and b"Exif\0\0" + data.exif,
        "xmp": data.xmp,
        "dpi": data.dpi,
        "gamma": data.gamma,
        "chromaticity": data.chromaticity,
    }
    return dict(data.text) | {key: value for key, value in found.items() if value is not None}


# --- numpy ---


def _from_array(array: np.ndarray) -> Brought:
    if str(array.dtype) not in ARRAYS:
        raise ArgumentError(f"expected an array of {', '.join(ARRAYS)}, not {_shown(array)}; convert it with astype")
    if array.ndim not in (2, 3) or not array.size or (array.ndim == 3 and array.shape[2] > 4):
        raise ArgumentError(f"expected an array (H, W) or (H, W, 1 to 4), not {_shown(array)}")
    planes = array.reshape(*array.shape[:2], -1)
    if array.dtype == np.float32:
        planes = _in_range(planes)
    return Brought(pictures=(_picture(planes),), back=partial(_to_array, shape=array.shape[2:]))


def _to_array(made: Sequence[Picture], shape: tuple[int, ...]) -> np.ndarray:
    (picture,) = made
    return _planes(picture).reshape(*picture.colour.shape[:2], *shape)


def _picture(planes: np.ndarray) -> Picture:
    """Of (H, W, 1 to 4): grey, grey and alpha, colour, colour and alpha."""
    opaque = planes.shape[2] in (1, 3)
    colour, alpha = (planes, None) if opaque else (planes[..., :-1], np.ascontiguousarray(planes[..., -1]))
    return Picture(np.ascontiguousarray(colour), alpha=alpha)


def _planes(picture: Picture) -> np.ndarray:
    colour, alpha = picture.colour, picture.alpha
    return colour if alpha is None else np.concatenate([colour, alpha[..., None]], axis=2)


def _in_range(values: np.ndarray) -> np.ndarray:
    """Floats clipped to 0 to 1. Raises ArgumentError if that would change more than rounding."""
    if bad := int((~np.isfinite(values)).sum()):
        raise ArgumentError(f"{bad} of {values.size} values are not finite")
    low, high = float(values.min()), float(values.max())
    if low < -ROUNDING or high > 1 + ROUNDING:
        raise ArgumentError(f"floats go from 0 (black) to 1 (white), not from {low:g} to {high:g}; scale or clip them")
    return values.clip(0, 1)


# --- torch ---


def _from_tensor(tensor: Tensor) -> Brought:
    if tensor.dtype not in TENSORS:
        kinds = ", ".join(str(kind).removeprefix("torch.") for kind in TENSORS)
        raise ArgumentError(f"expected a tensor of {kinds}, not {_shown(tensor)}")
    if tensor.ndim not in (3, 4) or tensor.shape[-3] != 3 or not tensor.numel():
        raise ArgumentError(f"expected a tensor (B, 3, H, W) or (3, H, W), not {_shown(tensor)}")
    pixels = tensor.detach().to("cpu")
    batch = pixels.reshape(-1, *pixels.shape[-3:]).permute(0, 2, 3, 1)
    planes = batch.numpy() if tensor.dtype == torch.uint8 else _in_range(batch.float().numpy())
    return Brought(pictures=tuple(_picture(each) for each in planes), back=partial(_to_tensor, like=tensor))


def _to_tensor(made: Sequence[Picture], like: Tensor) -> Tensor:
    """On the device and of the type of `like`; (3, H, W) or a batch as `like` is."""
    stacked = torch.from_numpy(np.stack([picture.colour for picture in made])).permute(0, 3, 1, 2)
    stacked = stacked.to(like.device, like.dtype).contiguous()
    return stacked if like.ndim == 4 else stacked[0]


def _shown(values: np.ndarray | Tensor) -> str:
    return f"{str(values.dtype).removeprefix('torch.')} {tuple(values.shape)}"
