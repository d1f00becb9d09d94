"""What a picture is like, measured from its file and its pixels: JPEG, noise, flat areas, colours, hard edges, blur."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from srcli.images.picture import Picture

MOST = 2**20  # pixels that are looked at: the middle of the picture
TELLING = 0.2  # share of the patches that must be neither black nor white for noise to be measured
FEW = 0.3  # share of flat areas that a noisy picture may have, where noise is cut off at black and white
EVEN = (0.3, 0.65)  # power of the least directions relative to the next: of texture, and of noise
QUIETEST = 3.0  # power of noise relative to the quietest fiftieth of all patches, at most
MOST_COLOURS = 256  # more are not counted
BLOCK = 8  # side of the blocks of JPEG
PATCH, MOST_PATCHES = 5, 50_000  # side of the patches that noise is measured in, and how many are taken
STEP = 48.0  # levels of 255 from which a step between two pixels is an edge
# Of the IJG's table of luminance at quality 50, the mean.
STANDARD_MEAN = 57.625


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Measurements of a picture; levels are out of 255.

    jpeg: quality of its JPEG tables on the IJG's scale; None for other files.
    blocks: how much stronger steps are on the borders of 8x8 blocks than beside them, in levels.
    noise: standard deviation in levels, measured where the picture is smoothest.
    colours: how many there are; 257 stands for more than 256.
    flat: share of the pixels that equal their neighbours.
    edges: share of the steps between neighbours that are strong, 48 levels and more.
    hard: share of those edges that lead from one flat area to another without a value in between.
    sharp: share of an edge's strongest step in two; 0.5 where all edges are soft, 1 where all are steps.
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
    """Measure a picture; a few hundredths of a second whatever its size. Of transparent ones, what is opaque."""
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
    """The quality, 1 to 100, whose luminance table in the IJG's encoder has the mean of the first of these tables."""
    scale = 100 * float(np.mean(tables[0])) / STANDARD_MEAN
    return float(np.clip(100 - scale / 2 if scale <= 100 else 5000 / scale, 1, 100))


def _middle(picture: Picture) -> tuple[np.ndarray, np.ndarray]:
    """At most MOST pixels from the middle, from a whole block of JPEG on, as uint8 RGB; and which are visible, as are
    all within two pixels of them."""
    height, width = picture.size.height, picture.size.width
    share = (MOST / max(MOST, height * width)) ** 0.5
    rows = min(height, max(int(height * share), MOST // width))
    cols = min(width, max(int(width * share), MOST // height))
    top, left = ((a - b) // 2 // BLOCK * BLOCK for a, b in ((height, rows), (width, cols)))
    part = slice(top, top + rows), slice(left, left + cols)
    pixels = replace(picture, colour=picture.colour[part], alpha=None).rgb()
    if picture.alpha is None:
        return pixels, np.ones(pixels.shape[:2], bool)
    return pixels, cv2.erode((picture.alpha[part] > 0).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0


def _blocks(luma: np.ndarray, seen: np.ndarray) -> float:
    """Along rows: the mean excess of a step over its two neighbours, at the phase of 8 where it is largest, less the
    mean of the other phases. Steps that are edges do not count."""
    if luma.shape[1] < 3 * BLOCK:
        return 0.0
    steps = np.abs(np.diff(luma, axis=1)).clip(0, 24)
    excess = np.where(seen[:, 1:-2], steps[:, 1:-1] - (steps[:, :-2] + steps[:, 2:]) / 2, 0).mean(0)
    excess = excess[: len(excess) // BLOCK * BLOCK].reshape(-1, BLOCK).mean(0)
    best = int(excess.argmax())
    return float(excess[best] - np.delete(excess, best).mean()) / max(0.1, float(seen.mean()))


def _noise(luma: np.ndarray, seen: np.ndarray, flat: float) -> float:
    """Standard deviation of noise (after Chen et al. 2015): in the smoothest quarter of all patches, the power in the
    directions that have least of it, which texture leaves empty and noise does not.

    Texture gives itself away twice: the power of noise is the same in all those directions, and in all patches.
    """
    if min(luma.shape) < 2 * BLOCK:
        return 0.0
    step = max(1, int((luma.size / MOST_PATCHES) ** 0.5))
    windows = sliding_window_view(np.where(seen, luma, np.nan), (PATCH, PATCH))
    patches = windows[::step, ::step].reshape(-1, PATCH**2)
    patches = patches[~np.isnan(patches.sum(1))]
    if len(patches) < 4 * PATCH**2:
        return 0.0
    telling = (patches.min(1) > 4) & (patches.max(1) < 251)  # black and white areas say nothing of noise
    if telling.mean() >= TELLING:
        patches = patches[telling]
    elif flat > FEW:
        return 0.0  # text on paper; strong noise clips, too, but leaves no flat areas
    patches = patches - patches.mean(1, keepdims=True)
    power = patches.var(1)
    smooth = patches[power <= np.quantile(power, 0.25)]
    spectrum = np.linalg.eigvalsh(smooth.T @ smooth / len(smooth))
    least, next_ = spectrum[1:4].mean(), spectrum[5:9].mean()  # the first is the mean, which is gone
    even = np.clip((least / max(next_, 1e-9) - EVEN[0]) / (EVEN[1] - EVEN[0]), 0, 1)
    return float(even * np.sqrt(max(0.0, min(least, QUIETEST * np.quantile(power, 0.02)))))


def _colours(pixels: np.ndarray) -> int:
    """Of pixels (N, 3)."""
    packed = pixels.astype(np.uint32) @ np.array([65536, 256, 1], np.uint32)
    used = np.zeros(2**24, bool)
    used[packed] = True
    return min(int(np.count_nonzero(used)), MOST_COLOURS + 1)


def _flat(pixels: np.ndarray, seen: np.ndarray) -> float:
    """Share of the visible pixels that equal the next along both axes; along one where there is no other."""
    same = np.ones(seen.shape, bool)
    for axis in (0, 1):
        if pixels.shape[axis] > 1:
            equal = (np.diff(pixels, axis=axis) == 0).all(2)
            last = equal.take([-1], axis)
            same &= np.concatenate([equal, last], axis)
    return float(same[seen].mean()) if seen.any() else 1.0


def _edges(luma: np.ndarray, seen: np.ndarray) -> tuple[float, float]:
    """Along rows and columns: the share of edges among all steps, and among those the share of edges between two pairs
    of equal pixels."""
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
    """Of the strongest hundredth of steps over two pixels: the larger of the two single steps, as a share."""
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
