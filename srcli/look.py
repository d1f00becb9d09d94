"""Measure a picture from its file and pixels: JPEG quality, noise, flat areas, colours, hard edges, blur."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from srcli.images.picture import Picture

MAX_PIXELS = 2**20  # measured pixels, from the middle of the picture
MIN_USABLE = 0.2  # minimum share of patches that are neither black nor white, for noise to be measured
MAX_FLAT = 0.3  # maximum share of flat areas in a noisy picture, whose noise is clipped at black and white
EVEN = (0.3, 0.65)  # power of the weakest directions relative to the next: for texture, and for noise
QUIETEST = 3.0  # maximum power of noise relative to the quietest 2% of all patches
MAX_COLOURS = 256  # more are not counted
BLOCK = 8  # pixels per side of a JPEG block
PATCH, MAX_PATCHES = 5, 50_000  # pixels per side, and number, of the patches in which noise is measured
STEP = 48.0  # levels, of 255, above which a step between two pixels is an edge
STANDARD_MEAN = 57.625  # mean of the IJG's luminance table at quality 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Measurements of a picture; levels are out of 255.

    jpeg: quality of its JPEG tables on the IJG's scale; None for other files.
    blocks: how much stronger steps are at the borders of 8x8 blocks than beside them, in levels.
    noise: standard deviation in levels, measured where the picture is smoothest.
    colours: number of colours; 257 stands for more than 256.
    flat: share of pixels that equal their neighbours.
    edges: share of steps between neighbours above 48 levels.
    hard: share of those edges that join two flat areas without a value in between.
    sharp: share of the larger of two consecutive steps at strong edges: 0.5 if all are soft, 1 if all are hard.
    """

    jpeg: float | None
    blocks: float
    noise: float
    colours: int
    flat: float
    edges: float
    hard: float
    sharp: float


def look(picture: Picture) -> Look:
    """Measure the visible pixels of a picture, in a few hundredths of a second whatever its size."""
    pixels, seen = _middle(picture)
    luma = pixels.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    flat, (edges, hard) = _flat(pixels, seen), _edges(luma, seen)
    return Look(
        jpeg=quality_of(picture.tables) if picture.tables else None,
        blocks=min(_blocks(luma, seen), _blocks(luma.T, seen.T)),
        noise=_noise(luma, seen, flat),
        colours=_colours(pixels[seen]),
        flat=flat,
        edges=edges,
        hard=hard,
        sharp=_sharp(luma, seen),
    )


def quality_of(tables: Sequence[Sequence[int]]) -> float:
    """The quality, 1 to 100, at which the IJG's luminance table has the same mean as the first table."""
    scale = 100 * float(np.mean(tables[0])) / STANDARD_MEAN
    return float(np.clip(100 - scale / 2 if scale <= 100 else 5000 / scale, 1, 100))


def _middle(picture: Picture) -> tuple[np.ndarray, np.ndarray]:
    """At most MAX_PIXELS from the middle, aligned to JPEG blocks, as uint8 RGB, and a mask of visible pixels.

    Pixels within two pixels of an invisible one count as invisible.
    """
    height, width = picture.size.height, picture.size.width
    share = (MAX_PIXELS / max(MAX_PIXELS, height * width)) ** 0.5
    rows = min(height, max(int(height * share), MAX_PIXELS // width))
    cols = min(width, max(int(width * share), MAX_PIXELS // height))
    top, left = ((a - b) // 2 // BLOCK * BLOCK for a, b in ((height, rows), (width, cols)))
    part = slice(top, top + rows), slice(left, left + cols)
    pixels = replace(picture, colour=picture.colour[part], alpha=None).rgb()
    if picture.alpha is None:
        return pixels, np.ones(pixels.shape[:2], bool)
    return pixels, cv2.erode((picture.alpha[part] > 0).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0


def _blocks(luma: np.ndarray, seen: np.ndarray) -> float:
    """Strength of block borders along rows, in levels.

    It is the mean excess of a step over its two neighbours, at the phase of 8 where it is largest, minus the mean of
    the other phases. Steps are clipped, so that edges hardly count.
    """
    if luma.shape[1] < 3 * BLOCK:
        return 0.0
    steps = np.abs(np.diff(luma, axis=1)).clip(0, 24)
    excess = np.where(seen[:, 1:-2], steps[:, 1:-1] - (steps[:, :-2] + steps[:, 2:]) / 2, 0).mean(0)
    excess = excess[: len(excess) // BLOCK * BLOCK].reshape(-1, BLOCK).mean(0)
    best = int(excess.argmax())
    return float(excess[best] - np.delete(excess, best).mean()) / max(0.1, float(seen.mean()))


def _noise(luma: np.ndarray, seen: np.ndarray, flat: float) -> float:
    """Standard deviation of the noise, in levels (after Chen et al. 2015).

    In the smoothest quarter of all patches, it is the power in the weakest principal directions, which texture leaves
    empty and noise does not. Unlike texture, noise has the same power in all these directions and in all patches.
    """
    if min(luma.shape) < 2 * BLOCK:
        return 0.0
    step = max(1, int((luma.size / MAX_PATCHES) ** 0.5))
    windows = sliding_window_view(np.where(seen, luma, np.nan), (PATCH, PATCH))
    patches = windows[::step, ::step].reshape(-1, PATCH**2)
    patches = patches[~np.isnan(patches.sum(1))]
    if len(patches) < 4 * PATCH**2:
        return 0.0
    usable = (patches.min(1) > 4) & (patches.max(1) < 251)  # noise is clipped in black and white areas
    if usable.mean() >= MIN_USABLE:
        patches = patches[usable]
    elif flat > MAX_FLAT:
        return 0.0  # text on paper; strong noise also clips but leaves no flat areas
    patches = patches - patches.mean(1, keepdims=True)
    power = patches.var(1)
    smooth = patches[power <= np.quantile(power, 0.25)]
    spectrum = np.linalg.eigvalsh(smooth.T @ smooth / len(smooth))
    weakest, next_ = spectrum[1:4].mean(), spectrum[5:9].mean()  # the first direction is the mean, which was removed
    even = np.clip((weakest / max(next_, 1e-9) - EVEN[0]) / (EVEN[1] - EVEN[0]), 0, 1)
    return float(even * np.sqrt(max(0.0, min(weakest, QUIETEST * np.quantile(power, 0.02)))))


def _colours(pixels: np.ndarray) -> int:
    """Number of colours of pixels (N, 3), at most MAX_COLOURS + 1."""
    packed = pixels.astype(np.uint32) @ np.array([65536, 256, 1], np.uint32)
    used = np.zeros(2**24, bool)
    used[packed] = True
    return min(int(np.count_nonzero(used)), MAX_COLOURS + 1)


def _flat(pixels: np.ndarray, seen: np.ndarray) -> float:
    """Share of visible pixels that equal the next along both axes, or along one in pictures of one row or column."""
    same = np.ones(seen.shape, bool)
    for axis in (0, 1):
        if pixels.shape[axis] > 1:
            equal = (np.diff(pixels, axis=axis) == 0).all(2)
            last = equal.take([-1], axis)
            same &= np.concatenate([equal, last], axis)
    return float(same[seen].mean()) if seen.any() else 1.0


def _edges(luma: np.ndarray, seen: np.ndarray) -> tuple[float, float]:
    """The share of edges among all steps along rows and columns, and the share of hard edges among those."""
    steps_in_all = edges = hard = 0
    for lines, visible in ((luma, seen), (luma.T, seen.T)):
        steps = np.abs(np.diff(lines, axis=1))
        if steps.shape[1] < 3:
            continue
        inner = visible[:, 1:-2]
        edge = (steps[:, 1:-1] > STEP) & inner
        steps_in_all += int(inner.sum())
        edges += int(edge.sum())
        hard += int((edge & (steps[:, :-2] < 1) & (steps[:, 2:] < 1)).sum())
    return edges / max(1, steps_in_all), hard / max(1, edges)


def _sharp(luma: np.ndarray, seen: np.ndarray) -> float:
    """Share of the larger step in the strongest 1% of steps over two pixels, as a median."""
    shares = []
    for lines, visible in ((luma, seen), (luma.T, seen.T)):
        if lines.shape[1] < 3 or not visible[:, 1:-1].any():
            continue
        first, second = np.diff(lines, axis=1)[:, :-1], np.diff(lines, axis=1)[:, 1:]
        both = np.abs(first + second)[visible[:, 1:-1]]
        larger = np.maximum(np.abs(first), np.abs(second))[visible[:, 1:-1]]
        strong = both >= max(8.0, float(np.quantile(both, 0.99)))
        shares.append(larger[strong] / both[strong])
    found = np.concatenate(shares) if shares else np.zeros(0)
    return float(np.median(found)) if len(found) else 1.0
