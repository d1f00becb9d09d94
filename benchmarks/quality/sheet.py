"""What real.py shows: a contact sheet as JPEG, and a page of all scales as HTML."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from srcli.bench import windows
from srcli.geometry import Window

GAP, TITLE, LINE = 4, 22, 14  # pixels between parts, above for names, and per line of numbers
STRIP = 96  # rows of the flat part in the sheet

STYLE = """
  :root { color-scheme: light dark; --ink: light-dark(#1b1b1b, #eee); --dim: light-dark(#666, #aaa);
          --line: light-dark(#d4d4d4, #444); --back: light-dark(#fff, #181818); }
  body { margin: 0; padding: 1rem; background: var(--back); color: var(--ink); font: 14px/1.45 system-ui, sans-serif; }
  h1 { font-size: 1.4rem; margin: 0 0 .3rem; }
  h3 { font-size: 1rem; margin: 1.4rem 0 .3rem; position: sticky; left: 0; }
  p { color: var(--dim); max-width: 60rem; margin: .3rem 0; }
  summary { font-size: 1.2rem; font-weight: 600; cursor: pointer; padding: .5rem 0; border-top: 1px solid var(--line); }
  .row { display: flex; gap: 6px; overflow-x: auto; }
  figure { margin: 0; flex: none; } img { display: block; margin-bottom: 4px; }
  figcaption { color: var(--dim); font-variant-numeric: tabular-nums; } figcaption b { color: var(--ink); }
  .scroll { overflow-x: auto; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
  th, td { padding: 2px 12px 2px 0; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--line); }
  th:first-child, td:first-child { text-align: left; }
"""


@dataclass(frozen=True, slots=True)
class Cell:
    """One version of a picture: two parts of it, uint8 RGB, and its numbers, a line each. No parts where it failed."""

    label: str
    detailed: np.ndarray | None
    flat: np.ndarray | None
    numbers: Sequence[str]


@dataclass(frozen=True, slots=True)
class Row:
    group: str
    name: str
    scale: float
    cells: Sequence[Cell]


def contact(rows: Sequence[Row], side: int) -> Image.Image:
    """Where each detailed part has most detail, pixel for pixel, a strip of the flat one and the numbers beneath.

    side: pixels of the detailed part at most.
    """
    lines = max((len(cell.numbers) for row in rows for cell in row.cells), default=0)
    step = 2 * TITLE + side + GAP + STRIP + lines * LINE + 2 * GAP
    columns = max(len(row.cells) for row in rows)
    made = Image.new("RGB", (columns * (side + GAP) + GAP, len(rows) * step), "white")
    draw, font, small = ImageDraw.Draw(made), ImageFont.load_default(14), ImageFont.load_default(11)
    for number, row in enumerate(rows):
        top, places = number * step + TITLE, focus(row, side)
        draw.text((GAP, top - TITLE + 2), f"{row.group}: {row.name}, x{row.scale:g}", "black", font)
        for column, cell in enumerate(row.cells):
            left = GAP + column * (side + GAP)
            draw.text((left, top + 2), cell.label, "dimgrey", font)
            for part, place, down in zip((cell.detailed, cell.flat), places, (TITLE, TITLE + side + GAP), strict=True):
                if part is not None:
                    made.paste(Image.fromarray(np.ascontiguousarray(part[place.slices])), (left, top + down))
            for line, text in enumerate(cell.numbers):
                draw.text((left, top + TITLE + side + GAP + STRIP + 2 + line * LINE), text, "dimgrey", small)
    return made


def focus(row: Row, side: int) -> tuple[Window, Window]:
    """What the sheet shows of the two parts of a row, the same of every version."""
    cell = next((cell for cell in row.cells if cell.detailed is not None), None)
    if cell is None:
        return Window(0, 0, 0, 0), Window(0, 0, 0, 0)
    height, width = cell.flat.shape[:2]
    strip = Window(max(0, height - STRIP) // 2, max(0, width - side) // 2, min(STRIP, height), min(side, width))
    return windows.detailed(cell.detailed, side), strip


def page(rows: Sequence[Row], about: str, tables: str, quality: int) -> str:
    """A self-contained page, a section per scale.

    tables: Markdown.
    quality: of WebP, 1 to 100.
    """
    parts = [f"<h1>{html.escape(about)}</h1><details><summary>Means</summary>{table(tables)}</details>"]
    scales = list(dict.fromkeys(row.scale for row in rows))
    for scale in scales:
        mine = [row for row in rows if row.scale == scale]
        opened = " open" if scale == scales[-1] else ""
        parts.append(f"<details{opened}><summary>&times;{scale:g}, {len(mine)} pictures</summary>")
        parts += [
            f"<h3>{html.escape(f'{r.group}: {r.name}')}</h3><div class=row>{figures(r, quality)}</div>" for r in mine
        ]
        parts.append("</details>")
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">\n'
    head += f'<meta http-equiv="Content-Security-Policy" content="{policy}"><title>{html.escape(about)}</title>'
    body = "\n".join(parts)
    return f'<!doctype html>\n<html lang="en"><head>{head}<style>{STYLE}</style></head>\n<body>{body}</body></html>\n'


def figures(row: Row, quality: int) -> str:
    made = []
    for cell in row.cells:
        shown = "".join(picture(part, cell.label, quality) for part in (cell.detailed, cell.flat) if part is not None)
        numbers = "<br>".join(html.escape(text) for text in cell.numbers)
        made.append(f"<figure>{shown}<figcaption><b>{html.escape(cell.label)}</b><br>{numbers}</figcaption></figure>")
    return "".join(made)


def picture(part: np.ndarray, label: str, quality: int) -> str:
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(part)).save(buffer, "WEBP", quality=quality)
    data = base64.b64encode(buffer.getvalue()).decode()
    height, width = part.shape[:2]
    size = f'width={width} height={height} alt="{html.escape(label)}"'
    return f'<img loading="lazy" {size} src="data:image/webp;base64,{data}">'


def table(markdown: str) -> str:
    """Tables and lines of Markdown as HTML."""
    made, rows = [], []
    for line in [*markdown.splitlines(), ""]:
        if line.startswith("|"):
            rows.append([html.escape(cell.strip()) for cell in line.strip("|").split("|")])
            continue
        if rows:
            cells = ["".join(f"<{'td' if n else 'th'}>{cell}</{'td' if n else 'th'}>" for cell in row)
                     for n, row in enumerate(rows) if n != 1]  # fmt: skip
            made.append(f"<div class=scroll><table>{''.join(f'<tr>{each}</tr>' for each in cells)}</table></div>")
            rows = []
        if line:
            made.append(f"<p>{html.escape(line)}</p>")
    return "".join(made)


def save(image: Image.Image, path: Path) -> None:
    image.save(path, quality=88, subsampling=0) if path.suffix.lower() in (".jpg", ".jpeg") else image.save(path)
