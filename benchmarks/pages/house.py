"""The house in one picture: rooms of the package by floor, drawn from the imports of the code.

    python benchmarks/pages/house.py docs/house.svg

A room stands above all that it imports. Arrows that follow from others are left out. `srcli.methods.{method,registry}`
are the room `registry`: they name methods by dotted paths and import none. Imports for type checkers are not drawn.
"""

from __future__ import annotations

import argparse
import ast
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cache
from html import escape
from pathlib import Path

import srcli

PACKAGE = Path(srcli.__file__).parent
BOX, GAP, FLOOR, MARGIN = (132, 46), 18, 92, 24
COLOURS = {
    "cli": "#dbe9f6", "batch": "#dbe9f6", "bench": "#dbe9f6", "report": "#dbe9f6",
    "service": "#dbe9f6", "web": "#dbe9f6", "serve": "#dbe9f6",
    "upscaler": "#fde6c8", "degrader": "#fde6c8", "choice": "#fde6c8", "look": "#fde6c8",
    "methods": "#d9efd5", "flows": "#d9efd5", "networks": "#d9efd5", "training": "#d9efd5", "registry": "#d9efd5",
}  # fmt: skip


@dataclass
class Room:
    """A folder or a file at the top of the package."""

    files: int = 0
    lines: int = 0
    imports: set[str] = field(default_factory=set)


def room_of(module: str) -> str:
    parts = module.split(".")
    if parts[1] == "methods" and (len(parts) == 2 or parts[2] in ("method", "registry")):
        return "registry"
    return parts[1]


def imported(path: Path, known: set[str]) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for_types = {
        id(node)
        for branch in ast.walk(tree)
        if isinstance(branch, ast.If) and "TYPE_CHECKING" in ast.unparse(branch.test)
        for statement in branch.body
        for node in ast.walk(statement)
    }
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("srcli") and id(node) not in for_types:
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                found.add(name if name in known else str(node.module))
    return found


def rooms() -> dict[str, Room]:
    paths = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = ("srcli", *path.relative_to(PACKAGE).with_suffix("").parts)
        paths[".".join(parts).removesuffix(".__init__")] = path
    found: dict[str, Room] = defaultdict(Room)
    for module, path in paths.items():
        if module in ("srcli", "srcli.__main__"):
            continue
        room = found[room_of(module)]
        room.files += 1
        room.lines += len(path.read_text(encoding="utf-8").splitlines())
        room.imports |= {room_of(name) for name in imported(path, set(paths)) if name != "srcli"} - {room_of(module)}
    return found


def drawn(found: dict[str, Room]) -> str:
    @cache
    def height(name: str) -> int:
        return max((height(other) + 1 for other in found[name].imports), default=0)

    @cache
    def below(name: str) -> frozenset[str]:
        return frozenset().union(*({other} | below(other) for other in found[name].imports))

    floors: dict[int, list[str]] = defaultdict(list)
    for name in sorted(found, key=lambda n: -found[n].lines):
        floors[height(name)].append(name)
    widest = max(map(len, floors.values()))
    width = 2 * MARGIN + widest * (BOX[0] + GAP) - GAP
    top = max(floors)
    places: dict[str, tuple[float, float]] = {}
    for floor, names in floors.items():
        start = (width - len(names) * (BOX[0] + GAP) + GAP) / 2
        for number, name in enumerate(sorted(names)):
            places[name] = (start + number * (BOX[0] + GAP), MARGIN + (top - floor) * FLOOR)
    total = 2 * MARGIN + top * FLOOR + BOX[1]
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {total}" font-family="sans-serif">',
        f'<rect width="{width}" height="{total}" fill="white"/>',
        '<defs><marker id="tip" viewBox="0 0 6 6" refX="6" refY="3" markerWidth="6" markerHeight="6" orient="auto">'
        '<path d="M0 0L6 3L0 6z" fill="#8a8f98"/></marker></defs>',
    ]
    for name, room in found.items():
        for other in sorted(room.imports):
            if any(other in below(third) for third in room.imports - {other}):
                continue  # follows from another arrow
            (x0, y0), (x1, y1) = places[name], places[other]
            x0, x1, y0 = x0 + BOX[0] / 2, x1 + BOX[0] / 2, y0 + BOX[1]
            middle = (y0 + y1) / 2
            curve = f"M{x0} {y0}C{x0} {middle} {x1} {middle} {x1} {y1}"
            out.append(f'<path d="{curve}" fill="none" stroke="#8a8f98" marker-end="url(#tip)"/>')
    for name, room in found.items():
        x, y = places[name]
        files = f"{room.files} file{'s' * (room.files != 1)}, {room.lines:,} lines"
        out.append(
            f'<rect x="{x}" y="{y}" width="{BOX[0]}" height="{BOX[1]}" rx="6" fill="{COLOURS.get(name, "#eeeeee")}" '
            f'stroke="#5a6068"/><text x="{x + BOX[0] / 2}" y="{y + 20}" text-anchor="middle" font-size="14" '
            f'font-weight="bold">{escape(name)}</text><text x="{x + BOX[0] / 2}" y="{y + 37}" text-anchor="middle" '
            f'font-size="11" fill="#333">{files}</text>'
        )
    return "\n".join([*out, "</svg>", ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.parse_args().out.write_text(drawn(rooms()), encoding="utf-8")


if __name__ == "__main__":
    main()
