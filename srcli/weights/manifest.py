"""`weights_manifest.toml` as values."""

from __future__ import annotations

import difflib
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from srcli.errors import SrcliError

HERE = Path(__file__).parent
# Beside this file in an installed package, at the top of a source tree.
PLACES = (HERE / "weights_manifest.toml", HERE.parent.parent / "weights_manifest.toml")


class UnknownModel(SrcliError):
    """A model name that the manifest does not have."""

    exit_code = 2

    def __init__(self, name: str, known: list[str]) -> None:
        close = difflib.get_close_matches(name, known, 1)
        guess = f", did you mean {close[0]}" if close else ""
        super().__init__(f"unknown model {name!r}{guess}? Known: {', '.join(known)}")


@dataclass(frozen=True, slots=True)
class Part:
    """The weights of one network of a model: a file in the package, its size and its hash."""

    role: str
    file: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A model as the manifest describes it."""

    name: str
    aliases: tuple[str, ...]
    purpose: str
    pipeline: str
    scales: tuple[float, float]
    paper: str
    licence: str
    commercial: bool
    parts: dict[str, Part]


@dataclass(frozen=True, slots=True)
class Manifest:
    default: str
    entries: dict[str, Entry]

    def find(self, name: str | None) -> Entry:
        """An entry by name or alias; the default for None."""
        wanted = name or self.default
        for entry in self.entries.values():
            if wanted == entry.name or wanted in entry.aliases:
                return entry
        raise UnknownModel(wanted, list(self.entries))


@cache
def load() -> Manifest:
    """The manifest of this installation."""
    path = next((p for p in PLACES if p.is_file()), None)
    if path is None:
        raise SrcliError(f"the installation is incomplete: {PLACES[0]} is missing; reinstall srcli")
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    return Manifest(table["default"], {name: _entry(name, e) for name, e in table["models"].items()})


def _entry(name: str, e: dict) -> Entry:
    parts = {role: Part(role, part["file"], part["bytes"], part["sha256"]) for role, part in e["parts"].items()}
    low, high = e["scales"]
    return Entry(
        name, tuple(e.get("aliases", ())), e["purpose"], e["pipeline"], (low, high), e["paper"], e["licence"],
        e["commercial"], parts,
    )  # fmt: skip
