"""What windows show: code, a terminal, a document, a form, files."""

from __future__ import annotations

import re

import numpy as np
from PIL import Image

from srcli.drawing import fonts
from srcli.drawing.canvas import Canvas
from srcli.drawing.colours import WHITE, hsv, lifted, mix
from srcli.drawing.dice import Dice
from srcli.drawing.scenes import scene
from srcli.drawing.screen.windows import Area, Look, bevel, field

Icons = list[tuple[int, int, int]]  # left, top, side: drawn by the caller
PROGRAM = """\
from pathlib import Path

def load(path: Path, limit: int = 100) -> list[str]:
    \"\"\"Read at most `limit` lines.\"\"\"
    rows = []
    with path.open() as handle:
        for number, line in enumerate(handle):
            if number >= limit:
                break  # enough
            rows.append(line.strip())
    return rows

class Cache:
    size = 1024
    def __init__(self, root="/tmp"):
        self.root = Path(root)
        self.hits, self.misses = 0, 0

    def get(self, key):
        found = self.root / f"{key}.bin"
        if not found.exists():
            self.misses += 1
            return None
        self.hits += 1
        return found.read_bytes()

if __name__ == "__main__":
    print(len(load(Path("data.csv"), 20)))
""".splitlines()
SHELL = """\
$ ls -l
total 48
-rw-r--r-- 1 anna users  1284 Mar 12 09:41 main.c
-rw-r--r-- 1 anna users   312 Mar 12 09:38 Makefile
drwxr-xr-x 2 anna users  4096 Mar 11 17:02 src
$ make
cc -O2 -Wall -c main.c -o main.o
main.c:42: warning: unused variable 'n'
cc main.o -o demo -lm
$ ./demo --size 64
iteration   1  loss 2.3041
iteration  50  loss 0.8812
iteration 100  loss 0.4127
done in 3.21 s
$ git status
On branch main
nothing to commit, working tree clean
$ _""".splitlines()
TOKEN = re.compile(
    r"(?P<comment>#.*)|(?P<string>\"\"\".*?\"\"\"|f?\"[^\"]*\")|(?P<number>\b\d+\b)"
    r"|(?P<keyword>\b(?:from|import|def|with|as|for|in|if|break|return|class|self|not|None)\b)|(?P<plain>\s+|\w+|\W)"
)


def code(dice: Dice, canvas: Canvas, look: Look, area: Area) -> Icons:
    """A program with numbered lines and coloured words; often a list of files beside it."""
    left, top, right, bottom = area
    if right - left > 260 and dice.chance(0.6):
        left = _side_bar(dice, canvas, look, area)
    font = fonts.choose(dice, "mono", look.font.size)
    leading, advance = round(font.size * 1.4), font.getlength("m")
    colours = {
        group: lifted(hsv(hue, 0.7, 0.65), look.ground, 80)
        for group, hue in (("comment", 0.33), ("string", 0.07), ("number", 0.5), ("keyword", 0.8))
    }
    first = dice.between(0, 12)
    for row, line in enumerate((PROGRAM * 3)[first:]):
        y = top + 3 + row * leading
        if y + leading > bottom:
            break
        canvas.text((left + advance * 3.4, y), str(first + row + 1), font, mix(look.ground, look.text, 0.4), "ra")
        x = left + advance * 5
        for token in TOKEN.finditer(line):
            if x + advance * len(token[0]) > right:
                break
            if token[0].strip():
                canvas.text((x, y), token[0], font, colours.get(token.lastgroup or "", look.text))
            x += advance * len(token[0])
    return []


def terminal(dice: Dice, canvas: Canvas, look: Look, area: Area) -> Icons:
    ground, text = dice.pick(
        (((0, 0, 0), (200, 200, 200)), ((0, 0, 0), (60, 230, 80)), ((48, 10, 36), (238, 238, 236)))
    )
    canvas.box(area, ground)
    font = fonts.choose(dice, "mono", look.font.size)
    leading = round(font.size * 1.25)
    fitting = max(1, int((area[2] - area[0] - 8) / font.getlength("m")))
    first = dice.between(0, 6)
    for row, line in enumerate((SHELL * 3)[first : first + max(0, (area[3] - area[1] - 4) // leading)]):
        paint = (120, 230, 120) if line.startswith("$") else ((250, 200, 80) if "warning" in line else text)
        canvas.text((area[0] + 5, area[1] + 3 + row * leading), line[:fitting], font, paint)
    return []


def document(dice: Dice, canvas: Canvas, look: Look, area: Area) -> Icons:
    """Text as a browser or an editor shows it, with a picture at times."""
    left, top, right, bottom = area
    margin = (right - left) // 14
    passage = fonts.passage(dice, latin=0.8)
    head = fonts.font_for(dice, passage, "bold", look.font.size * 7 // 4)
    body = fonts.font_for(dice, passage, dice.pick(("sans", "serif")), look.font.size)
    title = fonts.lines(dice, passage, head, right - left - 2 * margin, 1)[0]
    anchor, x = ("ra", right - margin) if passage.leftward else ("la", left + margin)
    canvas.text((x, top + margin // 2), title, head, look.text, anchor)
    y, leading = top + margin // 2 + round(head.size * 2), round(body.size * 1.5)
    if dice.chance(0.4) and bottom - y > 120:
        wide, tall = (right - left) // 2, (bottom - y) // 2
        picture = Image.fromarray((scene(dice, wide, tall) * 255).astype(np.uint8))
        canvas.sheet.paste(picture, (left + margin, y))
        y += tall + 8
    rows = max(0, (bottom - y) // leading)
    for n, line in enumerate(fonts.lines(dice, passage, body, right - left - 2 * margin, rows)):
        paint = look.accent if n % 7 == 5 else look.text
        canvas.text((x, y + n * leading), line, body, paint, anchor)
    canvas.box((right - 10, top, right, bottom), look.bar)
    canvas.box((right - 9, top + 12, right - 1, (top + bottom) // 2), mix(look.bar, look.text, 0.3))
    return []


def form(dice: Dice, canvas: Canvas, look: Look, area: Area) -> Icons:
    """Labels with fields, boxes to tick and sliders; buttons at the bottom."""
    left, top, right, bottom = area
    canvas.box(area, look.bar)
    size = round(look.font.size)
    row, column = round(size * 2.3), left + min(150, (right - left) // 2)
    rows = dice.shuffled([(sort, name) for sort in ("fields", "ticks", "sliders") for name in fonts.words(sort)])
    for n, (sort, name) in enumerate(rows[: max(0, (bottom - top - row - 14) // row)]):
        y = top + 8 + n * row
        label, _, value = name.partition(":")
        at = left + 14 + size if sort == "ticks" else left + 10
        canvas.text((at, y + row / 2 - 3), label, look.font, look.bar_text, "lm")
        if sort == "ticks":
            field(canvas, look, (left + 10, y + 2, left + 10 + size, y + 2 + size))
            if dice.chance(0.6):
                hook = [(left + 12, y + 7), (left + 9 + size // 2, y + size - 1), (left + 8 + size, y + 4)]
                canvas.line(hook, look.text, 2)
        elif sort == "sliders" and column < right - 20:
            canvas.box((column, y + row // 2 - 5, right - 14, y + row // 2 - 3), mix(look.bar, look.text, 0.4))
            x = dice.between(column, right - 24)
            canvas.box((x, y + 2, x + 8, y + row - 8), look.accent)
        elif column < right - 20:
            field(canvas, look, (column, y, right - 14, y + row - 6))
            if look.font.getlength(value) < right - column - 22:
                canvas.text((column + 5, y + row / 2 - 3), value, look.font, look.text, "lm")
    _buttons(dice, canvas, look, (left, bottom - row, right))
    return []


def _buttons(dice: Dice, canvas: Canvas, look: Look, edge: tuple[int, int, int]) -> None:
    """From the right; the first one is the default."""
    left, top, right = edge
    x, tall = right - 12, round(look.font.size * 1.8)
    for n, name in enumerate(dice.shuffled(fonts.words("buttons"))[:3]):
        wide = int(look.font.getlength(name)) + 24
        if x - wide < left:
            return
        box = (x - wide, top, x, top + tall)
        if look.style == "old":
            bevel(canvas, box, look.bar, raised=True)
        else:
            canvas.box(box, look.accent if n == 0 else look.ground, mix(look.bar, look.text, 0.4), radius=4)
        paint = WHITE if n == 0 and look.style != "old" else look.text
        canvas.text((x - wide / 2, top + tall / 2), name, look.font, paint, "mm")
        x -= wide + 8


def files(dice: Dice, canvas: Canvas, look: Look, area: Area) -> Icons:
    """Icons with names below."""
    left, top, right, bottom = area
    if right - left > 260:
        left = _side_bar(dice, canvas, look, area)
    side = dice.pick((32, 48))
    pitch = (side + 46, side + 34)
    icons = []
    for n in range(max(0, (right - left) // pitch[0]) * max(0, (bottom - top) // pitch[1])):
        row, column = divmod(n, (right - left) // pitch[0])
        x, y = left + column * pitch[0], top + 8 + row * pitch[1]
        icons.append((x + 23, y, side))
        canvas.text((x + pitch[0] / 2, y + side + 4), dice.pick(fonts.words("documents")), look.font, look.text, "ma")
    return icons


def _side_bar(dice: Dice, canvas: Canvas, look: Look, area: Area) -> int:
    """A list of files, one of them chosen. Returns where it ends."""
    left, top, _, bottom = area
    wide, row = 110, round(look.font.size * 1.7)
    canvas.box((left, top, left + wide, bottom), mix(look.ground, look.bar, 0.6))
    chosen = dice.between(0, 6)
    for n, name in enumerate(dice.shuffled(fonts.words("documents"))):
        y = top + 4 + n * row
        if y + row > bottom:
            break
        if n == chosen:
            canvas.box((left, y, left + wide, y + row), look.accent)
        canvas.text((left + 10, y + row / 2), name, look.font, WHITE if n == chosen else look.text, "lm")
    return left + wide
