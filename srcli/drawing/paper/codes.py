"""Codes for scanners: EAN-13 bars, and squares of modules that look like QR codes or Data Matrix."""

from __future__ import annotations

import numpy as np
from PIL import Image

from srcli.drawing import fonts
from srcli.drawing.canvas import lettered
from srcli.drawing.colours import BLACK, WHITE, Colour, hsv
from srcli.drawing.dice import Dice

# Bars of the digits 0 to 9, left half, odd parity; the other two sets are its complement and mirror.
ODD = ("0001101", "0011001", "0010011", "0111101", "0100011", "0110001", "0101111", "0111011", "0110111", "0001011")
PARITIES = ("OOOOOO", "OOEOEE", "OOEEOE", "OOEEEO", "OEOOEE", "OEEOOE", "OEEEOO", "OEOEOE", "OEOEEO", "OEEOEO")


def code(dice: Dice, width: int, height: int) -> Image.Image:
    """Mode 1, L or RGB. Modules are whole pixels, except in some RGB ones, which are as resized by a browser."""
    mode = dice.pick(("1", "1", "L", "RGB"))
    ink, paper = (BLACK, WHITE)
    if mode == "RGB":
        ink = hsv(dice.uniform(0, 1), 1, dice.uniform(0.1, 0.5))
        paper = dice.pick((WHITE, WHITE, (255, 240, 200), (230, 240, 250)))
    sheet = Image.new("RGB", (width, height), paper)
    style = dice.turn((quick_response, None, data_matrix, quick_response))
    if style is None and width > 60:
        _labelled_bars(dice, sheet, ink, mode)
    else:
        whole = mode != "RGB" or dice.chance(0.5)
        _stamp(sheet, (style or data_matrix)(dice), ink, min(width, height) * 0.92, whole=whole)
    return sheet.convert(mode, dither=Image.Dither.NONE)


def quick_response(dice: Dice) -> np.ndarray:
    """True where dark: finders, timing and alignment patterns around random data. (n, n), n = 21 + 4k."""
    version = dice.between(1, 6)
    n = 17 + 4 * version
    modules = dice.rng.random((n, n)) < 0.5
    modules[6, :], modules[:, 6] = np.arange(n) % 2 == 0, np.arange(n) % 2 == 0
    finder = np.zeros((9, 9), bool)
    finder[1:8, 1:8] = True
    finder[2:7, 2:7] = False
    finder[3:6, 3:6] = True
    modules[:8, :8] = finder[1:, 1:]
    modules[:8, -8:] = finder[1:, :8]
    modules[-8:, :8] = finder[:8, 1:]
    if version > 1:
        modules[-9:-4, -9:-4] = True
        modules[-8:-5, -8:-5] = False
        modules[-7, -7] = True
    return modules


def data_matrix(dice: Dice) -> np.ndarray:
    """True where dark: two solid sides, two dotted ones, random data."""
    n = 2 * dice.between(6, 16)
    modules = dice.rng.random((n, n)) < 0.5
    modules[:, -1], modules[0] = np.arange(n) % 2 == 1, np.arange(n) % 2 == 0
    modules[:, 0], modules[-1] = True, True
    return modules


def ean13(digits: str) -> np.ndarray:
    """True where dark: the 95 modules of twelve digits and their check digit (ISO/IEC 15420)."""
    total = sum(int(digit) * (3 if n % 2 else 1) for n, digit in enumerate(digits))
    digits = digits + str(-total % 10)
    left = ""
    for digit, parity in zip(digits[1:7], PARITIES[int(digits[0])], strict=True):
        left += ODD[int(digit)] if parity == "O" else _complement(ODD[int(digit)])[::-1]
    right = "".join(_complement(ODD[int(digit)]) for digit in digits[7:])
    return np.array(list(f"101{left}01010{right}101")) == "1"


def _labelled_bars(dice: Dice, sheet: Image.Image, ink: Colour, mode: str) -> None:
    digits = "".join(str(dice.between(0, 9)) for _ in range(12))
    bars = ean13(digits)
    unit = max(1, int(sheet.width * 0.92) // len(bars))
    bars = bars[: sheet.width // unit]
    tall = max(4, int(sheet.height * 0.8))
    drawn = Image.fromarray(~np.repeat(bars[None], tall, 0)).resize((len(bars) * unit, tall), Image.Resampling.NEAREST)
    left = (sheet.width - drawn.width) // 2
    sheet.paste(ink, (left, sheet.height // 14), drawn.convert("L").point(lambda value: 255 - value))
    font = fonts.choose(dice, "mono", max(6, sheet.height // 10))
    at = (sheet.width / 2, sheet.height // 14 + tall + 1)
    label = f"{digits[0]} {digits[1:7]} {digits[7:]}"
    lettered(sheet, at, label, font, ink, anchor="ma", crisp=mode == "1")


def _stamp(sheet: Image.Image, modules: np.ndarray, ink: Colour, side: float, *, whole: bool) -> None:
    """Centred. whole: each module is a whole number of pixels."""
    n = len(modules)
    length = max(1, int(side) // n) * n if whole else int(side)
    mask = Image.fromarray((modules * 255).astype(np.uint8))
    mask = mask.resize((length, length), Image.Resampling.NEAREST if whole else Image.Resampling.BOX)
    sheet.paste(ink, ((sheet.width - length) // 2, (sheet.height - length) // 2), mask)


def _complement(bits: str) -> str:
    return bits.translate(str.maketrans("01", "10"))
