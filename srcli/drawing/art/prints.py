"""Photos as old printers and screens showed them: dithered to one bit, halftoned, reduced to a palette."""

from __future__ import annotations

import numpy as np
from PIL import Image

from srcli.drawing.art.comics import comic
from srcli.drawing.art.logos import logo
from srcli.drawing.dice import Dice
from srcli.drawing.scenes import scene

CMYK_ANGLES = (15.0, 75.0, 0.0, 45.0)
INKS = ((0, 165, 225), (225, 0, 125), (250, 230, 0), (30, 28, 30))  # cyan, magenta, yellow, black as printed


def dither(dice: Dice, width: int, height: int) -> Image.Image:
    """Mode 1: error diffusion (Floyd and Steinberg 1976), ordered (Bayer 1973) or a random threshold."""
    grey = _contrasted(dice, scene(dice, width, height).mean(2))
    method = dice.turn(("diffusion", "bayer", "random", "diffusion", "bayer", "threshold"))
    if method == "diffusion":
        return Image.fromarray(_bytes(grey)).convert("1")
    if method == "bayer":
        tile = bayer(dice.pick((1, 2, 2, 3)))
        limits = np.tile(tile, (height // len(tile) + 1, width // len(tile) + 1))[:height, :width]
    elif method == "random":
        limits = dice.rng.random((height, width))
    else:
        limits = np.full((height, width), np.median(grey))
    return Image.fromarray(_bytes((grey > limits).astype(float))).convert("1", dither=Image.Dither.NONE)


def bayer(order: int) -> np.ndarray:
    """Thresholds in (0, 1) of side 2**order."""
    tile = np.zeros((1, 1))
    for _ in range(order):
        tile = np.block([[4 * tile, 4 * tile + 2], [4 * tile + 3, 4 * tile + 1]])
    return (tile + 0.5) / tile.size


def halftone(dice: Dice, width: int, height: int) -> Image.Image:
    """Round dots on a turned grid: black ones at 45 degrees (mode L) or four inks, each at its angle (RGB)."""
    picture = scene(dice, width, height)
    period, edge = dice.uniform(3.5, 10), dice.uniform(1.0, 2.5)
    if dice.turn((True, False)):
        ink = 1 - _contrasted(dice, picture.mean(2))
        return Image.fromarray(_bytes(1 - _dots(ink, period, 45, edge) * dice.uniform(0.85, 1)))
    # Half of the grey part is printed in black rather than in three inks.
    cmy = 1 - np.clip((picture - 0.05) * 1.1, 0, 1)
    black = cmy.min(2) * 0.5
    inks = [*np.moveaxis((cmy - black[..., None]) / (1 - black[..., None]), 2, 0), black]
    paper = np.array(dice.pick(((255, 255, 255), (248, 242, 225)))) / 255
    printed = np.broadcast_to(paper, picture.shape)
    for ink, angle, colour in zip(inks, CMYK_ANGLES, INKS, strict=True):
        cover = _dots(np.clip(ink, 0, 1), period, angle, edge)[..., None]
        printed = printed * (1 - cover * (1 - np.array(colour) / 255))
    return Image.fromarray(_bytes(printed))


def palette(dice: Dice, width: int, height: int) -> Image.Image:
    """Mode P with few colours, as in a GIF: a dithered photo, a cartoon, or a cut-out on a transparent ground."""
    style = dice.turn(("photo", "cut-out", "photo", "cartoon"))
    if style == "cut-out":
        return _cut_out(logo(dice, width, height), dice.pick((8, 16, 32)))
    if style == "photo":
        full = Image.fromarray(_bytes(scene(dice, width, height)))
    else:
        full = comic(dice, width, height).convert("RGB")
    diffused = style == "photo" and dice.chance(0.7)
    count = dice.pick((8, 16, 32, 64))
    # Pillow dithers only to a palette that it is given.
    table = full.quantize(count, method=Image.Quantize.MEDIANCUT)
    return full.quantize(palette=table, dither=Image.Dither.FLOYDSTEINBERG if diffused else Image.Dither.NONE)


def _cut_out(picture: Image.Image, count: int) -> Image.Image:
    """RGBA to a palette whose last colour is transparent: edges become hard, as in a GIF."""
    colour = Image.new("RGB", picture.size, "white")
    colour.paste(picture.convert("RGB"), mask=picture.getchannel("A"))
    indexed = colour.quantize(count - 1, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    table = (indexed.getpalette() or [])[: 3 * (count - 1)]
    clear = len(table) // 3
    indexed.putpalette([*table, 255, 255, 255])
    indexed.paste(clear, mask=picture.getchannel("A").point(lambda value: 255 * (value < 128)))
    indexed.info["transparency"] = clear
    return indexed


def _dots(ink: np.ndarray, period: float, angle: float, edge: float) -> np.ndarray:
    """Share of each pixel that is covered, for ink in [0, 1]. edge: width of a dot's rim in pixels."""
    y, x = np.mgrid[0 : ink.shape[0], 0 : ink.shape[1]].astype(float)
    turn = np.deg2rad(angle)
    u, v = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    spot = (np.cos(2 * np.pi * u / period) + np.cos(2 * np.pi * v / period)) / 4 + 0.5
    return np.clip((spot - 1 + ink) * 1.4 * period / edge + 0.5, 0, 1) * (ink > 0.02)


def _contrasted(dice: Dice, grey: np.ndarray) -> np.ndarray:
    """Stretched so that the darkest and lightest few per cent are clipped."""
    low, high = np.percentile(grey, (2, 98))
    return np.clip((grey - low) / max(high - low, 1e-6), 0, 1) ** dice.uniform(0.7, 1.3)


def _bytes(values: np.ndarray) -> np.ndarray:
    return np.round(np.clip(values, 0, 1) * 255).astype(np.uint8)
