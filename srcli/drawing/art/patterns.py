"""Patterns by formula: checkerboards, gratings, gradients, noise."""

from __future__ import annotations

import numpy as np
from PIL import Image

from srcli.drawing.colours import BLACK, WHITE, Colour, hsv, scheme
from srcli.drawing.dice import Dice


def checker(dice: Dice, width: int, height: int) -> Image.Image:
    """Squares of one period, upright or turned; black and white, coloured, or the grey of "transparent"."""
    period = dice.pick((1, 2, 3, 4, 6, 8, 12, 16, 24, 32))
    y, x = _pixels(width, height)
    if dice.chance(0.3) and period >= 4:
        turn = dice.uniform(0, np.pi / 2)
        x, y = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
        share = np.clip(np.sin(np.pi * x / period) * np.sin(np.pi * y / period) * period / 2.2 + 0.5, 0, 1)
    else:
        share = ((x // period + y // period) % 2).astype(float)
    return _between(dice, share, ((BLACK, WHITE), (WHITE, (204, 204, 204)), (BLACK, (128, 128, 128))))


def grating(dice: Dice, width: int, height: int) -> Image.Image:
    """Bars, sines, rings that narrow (a zone plate), a star of spokes, or lines that get finer."""
    y, x = _pixels(width, height)
    style = dice.turn(("bars", "zone", "chirp", "sine", "star", "bars"))
    from_centre = np.hypot(x - width / 2, y - height / 2)
    if style == "zone":
        wave = np.cos(np.pi * from_centre**2 / (dice.uniform(1.0, 2.0) * max(width, height)))
    elif style == "star":
        spokes = dice.pick((18, 24, 36, 72))
        pitch = np.maximum(2 * np.pi * from_centre / spokes, 1e-3)
        wave = np.sin(np.arctan2(y - height / 2, x - width / 2) * spokes) * pitch / 3
    elif style == "chirp":
        cells = np.cumsum(np.geomspace(1 / 24, 1 / 2, width))
        wave = np.broadcast_to(np.where(np.floor(cells * 2) % 2 == 0, 1.0, -1.0), (height, width))
        wave = wave * np.where(y % 40 < 32, 1, 0) if height > 40 else wave
    else:
        turn = dice.pick((0.0, 0.0, 90.0, 45.0, dice.uniform(0, 180)))
        period = dice.pick((2, 3, 4, 6, 8, 12, 20))
        phase = x * np.cos(np.deg2rad(turn)) + y * np.sin(np.deg2rad(turn))
        sharp = 1.0 if style == "sine" else (1000.0 if turn % 90 == 0 else period / 3)
        wave = np.sin(2 * np.pi * (phase + 0.01) / period) * sharp
    share = np.clip(wave, -1, 1) / 2 + 0.5
    return _between(dice, share, ((BLACK, WHITE), (WHITE, BLACK), ((64, 64, 64), (192, 192, 192))))


def gradient(dice: Dice, width: int, height: int) -> Image.Image:
    """Two to four colours along a line, around a point, or from corner to corner; smooth or in steps."""
    y, x = _pixels(width, height)
    style = dice.turn(("line", "radial", "corners", "line", "cone"))
    if style == "corners":
        across, down = (x + 0.5)[..., None] / width, (y + 0.5)[..., None] / height
        corners = [np.array(_stop(dice), float) for _ in range(4)]
        colour = (corners[0] * (1 - across) + corners[1] * across) * (1 - down)
        colour = colour + (corners[2] * (1 - across) + corners[3] * across) * down
    else:
        share = _along(dice, style, x / max(width - 1, 1), y / max(height - 1, 1))
        if dice.chance(0.4):
            steps = dice.pick((5, 8, 12, 24, 48))
            share = np.floor(np.clip(share, 0, 0.9999) * steps) / max(steps - 1, 1)
        stops = [_stop(dice) for _ in range(dice.between(2, 4))]
        if dice.chance(0.3):
            dark = dice.between(0, 120)
            stops = dice.shuffled([(dark,) * 3, (dice.between(dark + 40, 255),) * 3])
        at = np.linspace(0, 1, len(stops))
        colour = np.stack([np.interp(share, at, [stop[c] for stop in stops]) for c in range(3)], 2)
    if dice.chance(0.2):
        colour = colour + dice.rng.random((height, width, 1)) - 0.5  # dithered against banding
    return Image.fromarray(np.round(np.clip(colour, 0, 255)).astype(np.uint8))


def noise(dice: Dice, width: int, height: int) -> Image.Image:
    """Gaussian noise of sigma 10 to 80 around grey (mode L or RGB) or around a gradient (RGB)."""
    sigma, style = dice.uniform(10, 80), dice.turn(("grey", "gradient", "grey in colour"))
    if style == "grey":
        values = dice.rng.normal(dice.uniform(90, 165), sigma, (height, width))
    elif style == "grey in colour":
        values = dice.rng.normal(dice.uniform(90, 165), sigma, (height, width, 3))
    else:
        channels = dice.pick((1, 3))
        values = np.asarray(gradient(dice, width, height), float) + dice.rng.normal(0, sigma, (height, width, channels))
    return Image.fromarray(np.round(np.clip(values, 0, 255)).astype(np.uint8))


def _along(dice: Dice, style: str, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Position in [0, 1] on the gradient of each pixel, for x and y in [0, 1]."""
    if style == "line":
        turn = dice.pick((0.0, np.pi / 2, dice.uniform(0, np.pi)))
        share = x * np.cos(turn) + y * np.sin(turn)
        return (share - share.min()) / max(float(np.ptp(share)), 1e-9)
    cx, cy = dice.uniform(0.2, 0.8), dice.uniform(0.2, 0.8)
    if style == "radial":
        return np.clip(np.hypot(x - cx, y - cy) / dice.uniform(0.5, 1), 0, 1)
    return (np.arctan2(y - cy, x - cx) / (2 * np.pi)) % 1


def _between(dice: Dice, share: np.ndarray, greys: tuple[tuple[Colour, Colour], ...]) -> Image.Image:
    """Mixes of two colours. Mode L for a pair of greys, else RGB."""
    if dice.turn((True, False, True)):
        first, second = dice.turn(greys)
        return Image.fromarray(np.round(first[0] + (second[0] - first[0]) * share).astype(np.uint8))
    colours = scheme(dice, vivid=0.4)
    first, second = colours.paper, dice.pick((colours.ink, *colours.accents))
    mixed = np.array(first) + (np.array(second) - np.array(first)) * share[..., None]
    return Image.fromarray(np.round(mixed).astype(np.uint8))


def _stop(dice: Dice) -> Colour:
    return hsv(dice.uniform(0, 1), dice.uniform(0, 1), dice.uniform(0.1, 1))


def _pixels(width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """y and x of each pixel, (H, W) each."""
    y, x = np.mgrid[0:height, 0:width]
    return y.astype(float), x.astype(float)
