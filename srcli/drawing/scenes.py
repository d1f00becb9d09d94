"""Pictures that pass for small photos: (H, W, 3) floats in [0, 1]."""

from __future__ import annotations

import cv2
import numpy as np

from srcli.drawing.colours import hsv
from srcli.drawing.dice import Dice


def scene(dice: Dice, width: int, height: int) -> np.ndarray:
    paint = dice.pick((landscape, landscape, still_life, still_life, portrait, street))
    picture = paint(dice, width, height)
    grain = dice.rng.normal(0, 0.012, picture.shape[:2])[..., None]
    return np.clip(picture + grain, 0, 1).astype(np.float32)


def clouds(dice: Dice, width: int, height: int, slope: float = 1.6) -> np.ndarray:
    """Noise whose amplitude falls as 1 / frequency**slope, scaled to [0, 1]. (H, W)."""
    fy, fx = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None]
    frequency = np.hypot(fy, fx)
    frequency[0, 0] = 1
    spectrum = np.fft.rfft2(dice.rng.normal(size=(height, width))) / frequency**slope
    spectrum[0, 0] = 0
    field = np.fft.irfft2(spectrum, s=(height, width))
    low, high = field.min(), field.max()
    return (field - low) / max(high - low, 1e-9)


def landscape(dice: Dice, width: int, height: int) -> np.ndarray:
    """Sky and clouds, ridges that fade with distance, and often a lake."""
    y, x = _grid(width, height)
    hue = dice.pick((0.58, 0.6, 0.07, 0.95, 0.55))
    top, low = _rgb(hue, dice.uniform(0.3, 0.8), dice.uniform(0.5, 0.9)), _rgb(hue + 0.04, 0.15, 0.97)
    picture = top + (low - top) * np.clip(y / 0.6, 0, 1)[..., None]
    cover = np.clip((clouds(dice, width, height) - dice.uniform(0.45, 0.65)) * 4, 0, 1)[..., None]
    picture = picture + (0.97 - picture) * cover * 0.85
    sun = np.hypot(x - dice.uniform(0.1, 0.9), (y - dice.uniform(0.08, 0.4)) * height / width)
    picture = picture + (np.array([1, 0.95, 0.8]) - picture) * np.exp(-((sun / 0.06) ** 2))[..., None]
    horizon, layers = dice.uniform(0.5, 0.7), dice.between(2, 4)
    land = _rgb(dice.pick((0.3, 0.25, 0.1, 0.62)), 0.5, 0.3)
    for layer in range(layers):
        share = (layer + 1) / layers
        ridge = horizon - (1 - share) * 0.22 + share * 0.12 - _ridge(dice, width) * (0.3 - 0.15 * share)
        rough = clouds(dice, width, height, 1.2)
        light = 0.6 + 0.9 * rough + 20 * np.diff(rough, axis=1, prepend=rough[:, :1]) / (layer + 1)
        shade = low * (1 - share) * 0.7 + land * (0.3 + 0.7 * share) * light[..., None]
        picture = np.where((y > ridge[None])[..., None], shade, picture)
    return _lake(dice, picture) if dice.chance(0.5) else picture


def still_life(dice: Dice, width: int, height: int) -> np.ndarray:
    """Balls in the light of one lamp on a table, with soft shadows."""
    y, x = _grid(width, height)
    wall, table = _rgb(dice.uniform(0, 1), dice.uniform(0, 0.5), 0.7), _rgb(dice.uniform(0.04, 0.12), 0.5, 0.55)
    edge = dice.uniform(0.45, 0.6)
    grain = cv2.blur(clouds(dice, width, height, 0.8), (max(1, width // 8), 1))[..., None]
    picture = np.where((y < edge)[..., None], wall * (1.1 - 0.5 * x[..., None]), table * (0.6 + 0.8 * grain))
    aspect = height / width
    lamp = np.array([-0.5, -0.65, 0.6])
    lamp /= np.linalg.norm(lamp)
    for n in range(dice.between(2, 4)):
        radius, cx = dice.uniform(0.09, 0.2), (n + dice.uniform(0.3, 0.7)) / 4 + 0.05
        cy = (edge + dice.uniform(0.05, 0.25)) * aspect - radius * 0.6
        fall = ((x - cx - radius * 0.6) / (radius * 1.3)) ** 2 + (
            (y * aspect - cy - radius * 0.85) / (radius * 0.4)
        ) ** 2
        picture = picture * (1 - 0.6 * np.exp(-fall * 1.5))[..., None]
        dx, dy = (x - cx) / radius, (y * aspect - cy) / radius
        inside = dx**2 + dy**2 < 1
        dz = np.sqrt(np.clip(1 - dx**2 - dy**2, 0, 1))
        light = np.clip(dx * lamp[0] + dy * lamp[1] + dz * lamp[2], 0, 1)
        skin = 1 if dice.chance(0.5) else 0.75 + 0.5 * clouds(dice, width, height, 1.3)[..., None]
        colour = _rgb(dice.uniform(0, 1), dice.uniform(0.3, 0.9), dice.uniform(0.5, 1)) * skin
        ball = colour * (0.15 + 0.85 * light[..., None]) + 0.7 * light[..., None] ** 40
        picture = np.where(inside[..., None], ball, picture)
    return picture


def portrait(dice: Dice, width: int, height: int) -> np.ndarray:
    """Head and shoulders, lit from one side."""
    y, x = _grid(width, height)
    aspect = width / height
    x = (x - dice.uniform(0.42, 0.58)) * aspect
    backdrop = _rgb(dice.uniform(0, 1), dice.uniform(0, 0.5), dice.uniform(0.25, 0.8))
    picture = backdrop * (1.25 - 0.9 * np.hypot(x, y - 0.4))[..., None]
    skin = _rgb(dice.uniform(0.04, 0.08), dice.uniform(0.25, 0.6), dice.uniform(0.4, 0.95))
    hair = _rgb(dice.uniform(0.03, 0.12), 0.6, dice.pick((0.1, 0.2, 0.35, 0.75)))
    side = dice.pick((-1, 1))
    shape = 0.55 + 0.5 * clouds(dice, width, height, 1.4)
    strands = cv2.blur(dice.rng.random((height, width)), (1, max(1, height // 10))) * 1.5 + 0.3
    coat = _rgb(dice.uniform(0, 1), dice.uniform(0.1, 0.8), dice.uniform(0.2, 0.8))

    def put(cx: float, cy: float, rx: float, ry: float, colour: np.ndarray, texture: np.ndarray | float = 1.0) -> None:
        nonlocal picture
        dx, dy = (x - cx) / rx, (y - cy) / ry
        distance = np.hypot(dx, dy)
        light = 0.35 + 0.75 * np.clip(np.sqrt(np.clip(1 - distance**2, 0, 1)) * 0.7 + side * dx * 0.4, 0, 1)
        cover = np.clip((1 - distance) * min(rx, ry) * height * 0.7 + 0.5, 0, 1)[..., None]
        picture = picture + (colour * (light * texture)[..., None] - picture) * cover

    long = dice.chance(0.5)
    put(0, 0.42 + 0.12 * long, 0.25, 0.31 + 0.12 * long, hair, strands)
    put(0, 1.08, 0.46, 0.34, coat, shape + 0.3)
    put(0, 0.72, 0.09, 0.16, skin * 0.8)
    put(0, 0.46, 0.185, 0.26, skin, 0.85 + 0.3 * shape)
    put(side * 0.05, 0.23, 0.19, 0.1, hair, strands)
    for eye in (-0.075, 0.075):
        put(eye, 0.385, 0.045, 0.012, hair * 0.8)
        put(eye, 0.43, 0.036, 0.018, np.full(3, 0.95))
        put(eye, 0.43, 0.016, 0.018, np.array([0.1, 0.08, 0.07]))
    put(-side * 0.01, 0.51, 0.022, 0.06, skin * 1.08)
    put(0, 0.605, 0.065, 0.018, np.array([0.65, 0.25, 0.25]) * 0.9)
    return cv2.GaussianBlur(picture, (0, 0), max(0.3, height / 500))


def street(dice: Dice, width: int, height: int) -> np.ndarray:
    """Houses with windows against an evening or a day sky."""
    y, _ = _grid(width, height)
    night = dice.chance(0.4)
    top, low = (_rgb(0.65, 0.7, 0.15), _rgb(0.06, 0.6, 0.6)) if night else (_rgb(0.58, 0.5, 0.8), _rgb(0.57, 0.1, 0.98))
    picture = top + (low - top) * y[..., None] + 0.15 * clouds(dice, width, height)[..., None]
    for row in (0, 1):
        left = -dice.between(0, width // 8)
        while left < width:
            wide = dice.between(max(6, width // 10), max(8, width // 5))
            roof = int(height * dice.uniform(0.15 + 0.25 * row, 0.5 + 0.2 * row))
            wall = _rgb(dice.uniform(0.02, 0.12), dice.uniform(0.1, 0.6), 0.2 if night else dice.uniform(0.4, 0.85))
            _house(dice, picture, (left, roof, wide), wall * (0.7 + 0.3 * row), night)
            left += wide + dice.between(0, width // 30)
    ground = int(height * dice.uniform(0.85, 0.92))
    picture[ground:] = (0.12 if night else 0.4) * (0.7 + 0.6 * clouds(dice, width, height, 0.9)[ground:, :, None])
    return picture


def _house(dice: Dice, picture: np.ndarray, place: tuple[int, int, int], wall: np.ndarray, night: bool) -> None:
    left, roof, wide = place
    height, width = picture.shape[:2]
    bricks = 0.85 + 0.3 * dice.rng.random((height - roof, 1, 1)) ** 2
    picture[roof:, max(left, 0) : left + wide] = wall * bricks * np.linspace(1.1, 0.75, height - roof)[:, None, None]
    step = max(4, wide // dice.between(3, 6))
    for top in range(roof + step // 2, height, step + step // 3):
        for side in range(left + step // 3, left + wide - step // 2, step):
            lit = np.array([1, 0.85, 0.5]) if dice.chance(0.4) else np.array([0.08, 0.09, 0.12])
            glass = lit if night else _rgb(0.58, 0.3, dice.uniform(0.15, 0.5))
            picture[top : top + step // 2 + 1, max(side, 0) : max(0, min(width, side + step // 2))] = glass


def _lake(dice: Dice, picture: np.ndarray) -> np.ndarray:
    height, width = picture.shape[:2]
    shore = int(height * dice.uniform(0.68, 0.8))
    rows = np.clip(2 * shore - np.arange(shore, height), 0, height - 1)
    mirrored = picture[rows] * 0.8 + np.array([0.0, 0.03, 0.06])
    ripples = 1 + 0.35 * (cv2.blur(clouds(dice, width, height - shore, 0.5), (max(1, width // 20), 1))[..., None] - 0.5)
    return np.concatenate([picture[:shore], mirrored * ripples])


def _ridge(dice: Dice, width: int) -> np.ndarray:
    """Heights of a mountain range in [0, 1]. (W,)."""
    line = clouds(dice, max(width, 4), 2, 1.4)[0][:width]
    return (line - line.min()) / max(float(np.ptp(line)), 1e-9)


def _grid(width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """y and x in [0, 1], each (H, W)."""
    y, x = np.mgrid[0:height, 0:width]
    return (y + 0.5) / height, (x + 0.5) / width


def _rgb(hue: float, saturation: float, value: float) -> np.ndarray:
    return np.array(hsv(hue, saturation, value)) / 255
