"""`docs/equations.md` leads to the code: to functions whose docstrings begin with the paper and the place."""

from __future__ import annotations

import ast
import inspect
import re
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

import srcli.flows
from srcli.flows import degradation_path, flow_maps, learned_prior, normalizing, rectified
from tests.support.places import ROOT

PAGE = ROOT / "docs" / "equations.md"
PATH = re.compile(r"`([a-z_]\w*(?:\.\w+)+)`")
PAPER = re.compile(r"\w+ (et al\.|and \w+) (19|20)\d\d|\(AAAI 2026\)")
ROOM = (normalizing, learned_prior, rectified, flow_maps, degradation_path)


def rows() -> list[tuple[str, str, str]]:
    """Every path of the page with its section's heading, and what its row says that it is from."""
    found, heading = [], ""
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            heading = line.removeprefix("## ")
        where = line.strip("|").split("|")[0].strip() if line.startswith("|") else ""
        found += [(heading, where, path) for path in PATH.findall(line)]
    return found


def named(path: str) -> object:
    """What a dotted path names: a module's function or class, or a class's method."""
    parts = path.split(".")
    for count in range(len(parts) - 1, 0, -1):
        try:
            found: object = import_module(".".join(parts[:count]))
        except ModuleNotFoundError:
            continue
        for name in parts[count:]:
            found = getattr(found, name)
        return found
    raise ModuleNotFoundError(path)


@pytest.mark.parametrize(("heading", "where", "path"), rows())
def test_each_path_is_a_function_that_names_its_paper(heading, where, path):
    found = named(path)
    assert callable(found)
    said = " ".join((found.__doc__ or "").split())
    expected = where if PAPER.search(where) else f"{heading}, {where}"
    assert PAPER.search(expected)
    assert said.startswith(expected)


def test_each_section_names_its_paper_and_has_equations():
    found = rows()
    headings = {heading for heading, _, _ in found}
    assert len(headings) == 6
    assert all(PAPER.search(heading) for heading in headings)
    assert all(where for _, where, _ in found)  # no path outside the tables


def functions(module: ModuleType) -> list[str]:
    members = inspect.getmembers(module, inspect.isfunction)
    own = (name for name, value in members if value.__module__ == module.__name__ and not name.startswith("_"))
    return [f"{module.__name__}.{name}" for name in own]


def test_each_equation_of_the_room_is_on_the_page():
    listed = {path for _, _, path in rows()}
    assert listed >= {path for module in ROOM for path in functions(module)}


def test_the_room_imports_nothing_above_it():
    (folder,) = srcli.flows.__path__
    for file in Path(folder).glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom | ast.Import):
                names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names]
                ours = [name for name in names if name.split(".")[0] == "srcli"]
                assert all(re.fullmatch(r"srcli\.(errors|flows(\..+)?)", name) for name in ours), (file.name, ours)
