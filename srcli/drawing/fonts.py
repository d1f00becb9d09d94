"""Fonts of the system by style, with Pillow's own where there are none, and text to set in them."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

from PIL import ImageFont, features

from srcli.drawing.dice import Dice

Font = ImageFont.FreeTypeFont
FOLDERS = (
    "/usr/share/fonts",
    "/usr/local/share/fonts",
    "/Library/Fonts",
    "/System/Library/Fonts",
    "C:/Windows/Fonts",
)
STYLES: dict[str, tuple[str, ...]] = {
    "sans": ("DejaVuSans", "LiberationSans-Regular", "NotoSans-Regular", "DejaVuSansCondensed", "arial", "Helvetica"),
    "bold": ("DejaVuSans-Bold", "LiberationSans-Bold", "NotoSans-Bold", "LiberationSansNarrow-Bold", "arialbd"),
    "serif": ("DejaVuSerif", "LiberationSerif-Regular", "NotoSerif-Regular", "C059-Roman", "P052-Roman", "times"),
    "italic": ("LiberationSerif-Italic", "P052-Italic", "URWBookman-LightItalic", "timesi"),
    "mono": ("DejaVuSansMono", "LiberationMono-Regular", "NotoSansMono-Regular", "cour", "consola"),
    "poster": (
        "DejaVuSans-Bold",
        "LiberationSans-Bold",
        "NotoSans-Bold",
        "DejaVuSerif-Bold",
        "C059-Bold",
        "URWGothic-Demi",
        "URWBookman-Demi",
        "LiberationSansNarrow-Bold",
        "arialbd",
    ),
    "script": ("Z003-MediumItalic", "URWBookman-LightItalic", "C059-Italic"),
}


@dataclass(frozen=True, slots=True)
class Passage:
    """Sentences in one script, and the fonts that have its letters."""

    script: str
    fonts: tuple[str, ...]
    sentences: tuple[str, ...]
    spaced: bool = True  # lines break between words, not between letters
    leftward: bool = False
    accented: bool = False  # has letters beyond ASCII, which Pillow's own font lacks
    shaped: bool = False  # letters join or stack: needs Raqm


@cache
def installed() -> dict[str, Path]:
    """Font files of the system by stem."""
    found: dict[str, Path] = {}
    for folder in FOLDERS:
        for path in sorted(Path(folder).rglob("*")):
            if path.suffix.lower() in (".ttf", ".otf", ".ttc"):
                found.setdefault(path.stem, path)
    return found


@cache
def load(name: str, size: int) -> Font:
    """An installed font by stem. An empty or unknown name is Pillow's own font."""
    path = installed().get(name)
    if path is None:
        font = ImageFont.load_default(size)
        if not isinstance(font, Font):
            raise RuntimeError("Pillow was built without FreeType")
        return font
    return ImageFont.truetype(str(path), size)


def choose(dice: Dice, style: str, size: float, *, own: float = 0.125) -> Font:
    """A font of a style. own: the share of Pillow's own font; it is the only one where none is installed."""
    there = [name for name in STYLES[style] if name in installed()]
    return load("" if dice.chance(own) or not there else dice.pick(there), max(4, round(size)))


@cache
def passages() -> tuple[Passage, ...]:
    """All scripts that this machine can set. Latin ones always are."""
    raw = tomllib.loads(files("srcli.drawing").joinpath("texts.toml").read_text("utf-8"))
    every = [
        Passage(script, tuple(entry.pop("fonts")), tuple(entry.pop("sentences")), **entry)
        for script, entry in raw["passage"].items()
    ]
    return tuple(p for p in every if _can_set(p))


def passage(dice: Dice, latin: float = 0.6) -> Passage:
    """latin: the share of passages in Latin letters."""
    plain = [p for p in passages() if not p.fonts]
    other = [p for p in passages() if p.fonts]
    if other and not dice.chance(latin):
        return dice.pick(other)
    return dice.pick([p for p in plain for _ in p.sentences])  # languages with more sentences more often


def font_for(dice: Dice, text: Passage, style: str, size: float) -> Font:
    there = [name for name in text.fonts if name in installed()]
    if there:
        return load(dice.pick(there), max(4, round(size)))
    return choose(dice, style, size, own=0 if text.accented else 0.125)


@cache
def words(group: str) -> tuple[str, ...]:
    """Short words and phrases for labels: see [words] in texts.toml."""
    raw = tomllib.loads(files("srcli.drawing").joinpath("texts.toml").read_text("utf-8"))
    return tuple(raw["words"][group])


def lines(dice: Dice, text: Passage, font: Font, width: float, count: int) -> list[str]:
    """Sentences in random order, broken to lines no wider than width."""
    made: list[str] = []
    gap = " " if text.spaced else ""
    line = ""
    for sentence in (s for _ in range(40) for s in dice.shuffled(text.sentences)):
        for piece in sentence.split(" ") if text.spaced else sentence:
            longer = f"{line}{gap}{piece}" if line else piece
            if line and font.getlength(longer) > width:
                made.append(line)
                longer = piece
                if len(made) == count:
                    return made
            line = longer
    return [*made, line][:count]


def _can_set(text: Passage) -> bool:
    if text.shaped and not features.check("raqm"):
        return False
    needed = text.fonts or (STYLES["sans"] if text.accented else ())
    return not needed or any(name in installed() for name in needed)
