"""The layout of a result, known before its pixels, and its pixels as bands of rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from srcli.geometry import Size
from srcli.images.metadata import Metadata
from srcli.images.picture import Picture, quantise, unit

Band = tuple[np.ndarray, np.ndarray | None]  # rows of colour (n, W, 1 or 3) and of alpha (n, W)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Everything about a result except its pixel values.

    channels: colour channels, 1 or 3.
    kind: number type.
    span: black and white of floats.
    delay: milliseconds for which a frame is shown.
    """

    size: Size
    channels: int
    alpha: bool
    kind: np.dtype
    icc: bytes | None = None
    metadata: Metadata = field(default_factory=Metadata)
    span: tuple[float, float] = (0.0, 1.0)
    delay: float = 0.0

    @classmethod
    def of(cls, picture: Picture) -> Layout:
        """The layout of a picture."""
        kind, alpha = picture.colour.dtype, picture.alpha is not None
        channels = picture.colour.shape[2]
        return cls(
            size=picture.size,
            channels=channels,
            alpha=alpha,
            kind=kind,
            icc=picture.icc,
            metadata=picture.metadata,
            span=picture.span,
            delay=picture.delay,
        )

    @property
    def samples(self) -> int:
        """Channels per pixel, including alpha."""
        return self.channels + self.alpha

    @property
    def bytes(self) -> int:
        """Bytes of all pixels, uncompressed."""
        return self.size.height * self.size.width * self.samples * self.kind.itemsize


@dataclass(frozen=True, slots=True, kw_only=True)
class Holds:
    """What a format can hold.

    kinds: number types, from the least to the most precise.
    profile: whether it can hold a colour profile.
    longest: maximum pixels per side.
    """

    kinds: tuple[str, ...] = ("uint8",)
    alpha: bool = False
    profile: bool = True
    longest: int = 2**31 - 1


def fitted(
    layout: Layout, name: str, holds: Holds, background: tuple[int, int, int]
) -> tuple[Layout, Callable, list[str]]:
    """Fit a layout to a format: the new layout, a function that converts bands, and notes about what is lost."""
    kind, notes = layout.kind, []
    if str(kind) not in holds.kinds:
        kind = np.dtype(holds.kinds[-1] if kind.itemsize > 1 else "uint8")
        notes.append(f"{name} cannot hold {_depth(layout.kind)} pixels: reduced to {_depth(kind)}")
    flat = layout.alpha and not holds.alpha
    if flat:
        notes.append(f"{name} has no transparency: flattened on {_name(background)}")
    grey = len(set(background)) == 1
    channels = 3 if flat and not grey else layout.channels
    icc = layout.icc if holds.profile and (channels == layout.channels) else None
    if layout.icc and not holds.profile:
        notes.append(f"{name} cannot hold a colour profile: left out")
    target = replace(layout, kind=kind, alpha=layout.alpha and holds.alpha, channels=channels, icc=icc)

    def fit(band: Band) -> Band:
        colour, alpha = band
        if flat:
            assert alpha is not None
            colour, alpha = _flattened(unit(colour, layout.span), unit(alpha), background, channels), None
            return quantise(colour, kind, target.span), None
        if kind != layout.kind:
            colour = quantise(unit(colour, layout.span), kind, target.span)
            alpha = None if alpha is None else quantise(unit(alpha), kind)
        return colour, alpha

    return target, fit, notes


def _flattened(colour: np.ndarray, alpha: np.ndarray, background: tuple[int, int, int], channels: int) -> np.ndarray:
    behind = np.array(background[:channels], np.float32) / 255
    return behind + (colour - behind) * alpha[..., None]


def _depth(kind: np.dtype) -> str:
    return "floating-point" if kind == np.float32 else f"{8 * kind.itemsize}-bit"


def _name(background: tuple[int, int, int]) -> str:
    return {(255, 255, 255): "white", (0, 0, 0): "black"}.get(background, "#{:02x}{:02x}{:02x}".format(*background))


def rows(bands: Iterable[Band], height: int) -> Iterator[np.ndarray]:
    """Regroup bands into pieces of `height` rows, colour and alpha together: (height, W, C)."""
    pending: list[np.ndarray] = []
    count = 0
    for colour, alpha in bands:
        piece = colour if alpha is None else np.concatenate([colour, alpha[..., None]], axis=2)
        while len(piece):
            take = piece[: height - count]
            pending.append(take)
            count, piece = count + len(take), piece[len(take) :]
            if count == height:
                yield pending[0] if len(pending) == 1 else np.concatenate(pending)
                pending, count = [], 0
    if pending:
        yield np.concatenate(pending)


def whole(layout: Layout, bands: Iterable[Band]) -> np.ndarray:
    """Join bands into one array (H, W, C)."""
    out = np.empty((layout.size.height, layout.size.width, layout.samples), layout.kind)
    top = 0
    for colour, alpha in bands:
        out[top : top + len(colour), :, : layout.channels] = colour
        if alpha is not None:
            out[top : top + len(colour), :, layout.channels] = alpha
        top += len(colour)
    return out
