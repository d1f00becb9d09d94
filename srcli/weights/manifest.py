"""The manifest of this installation: all known models, from `weights_manifest.toml` and the user's own files."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from srcli import userfolders
from srcli.errors import SrcliError
from srcli.weights.entries import Entry, ManifestError, Part
from srcli.weights.manifest_file import read

HERE = Path(__file__).parent
# Beside this module in an installed package, at the root of a source tree.
PLACES = (HERE / "weights_manifest.toml", HERE.parent.parent / "weights_manifest.toml")

MAX_NAMES = 30  # names that an error lists
ADDED: list[Path] = []  # manifests given with --manifest


class NoPictures(SrcliError):
    """A known model that cannot upscale pictures."""

    exit_code = 2


class UnknownModel(SrcliError):
    """A model name that is not in the manifest.

    known: the names to list.
    aliases: other names that the nearest may be among.
    """

    reason = "unknown-model"
    exit_code = 2

    def __init__(self, name: str, known: list[str], aliases: Iterable[str] = ()) -> None:
        plain = name.lower().replace("_", "-")
        close = difflib.get_close_matches(plain, [*known, *aliases], 1)
        guess = f"; did you mean {close[0]}?" if close else "."
        more = ", ..." if len(known) > MAX_NAMES else ""
        super().__init__(f"unknown model {name!r}{guess} Known: {', '.join(known[:MAX_NAMES])}{more}")


@dataclass(frozen=True, slots=True)
class Manifest:
    """All known models.

    default: name of the default model.
    entries: the models by name.
    """

    default: str
    entries: dict[str, Entry]

    def has(self, name: str) -> bool:
        """Whether `name` is a model or an alias."""
        return any(name == entry.name or name in entry.aliases for entry in self.entries.values())

    def find(self, name: str | None) -> Entry:
        """The entry of a name or alias; None for the default. Raises UnknownModel."""
        wanted = name or self.default
        if wanted in self.entries:
            return self.entries[wanted]
        for entry in self.entries.values():
            if wanted in entry.aliases:
                return entry
        raise UnknownModel(wanted, list(self.entries))

    def model(self, name: str | None) -> Entry:
        """The entry of a model that upscales pictures. Raises UnknownModel or NoPictures."""
        if not self.has(name or self.default):
            able = [entry for entry in self.entries.values() if entry.enlarges]
            aliases = [alias for entry in able for alias in entry.aliases]
            raise UnknownModel(name or self.default, [entry.name for entry in able], aliases)
        entry = self.find(name)
        if entry.pipeline is None:
            raise NoPictures(f"{entry.name} cannot make pictures: {entry.purpose}")
        if not entry.enlarges:
            raise NoPictures(f"{entry.name} cannot upscale pictures; use it with: srcli degrade --model {entry.name}")
        return entry

    def with_entries(self, others: Iterable[Entry], where: str) -> Manifest:
        """A manifest with more entries; an entry replaces one of the same name.

        where: the manifest file, for errors. Raises ManifestError if one file name stands for two different files.
        """
        entries = self.entries | {entry.name: entry for entry in others}
        files: dict[str, Part] = {}
        for entry in entries.values():
            for part in entry.parts.values():
                other = files.setdefault(part.file.rpartition(".")[0].casefold(), part)
                if replace(other, role="", architecture=None) != replace(part, role="", architecture=None):
                    raise ManifestError(
                        f"{where}: the file name {part.file} of {entry.name} belongs to another file; choose another"
                    )
        return replace(self, entries=entries)


def user_path() -> Path:
    """The user's own manifest, which adds models and overrides those of the package. Raises NoHome."""
    return userfolders.config() / "models.toml"


def load() -> Manifest:
    """The package's manifest, extended by the user's own, those in SRCLI_MANIFEST and those in ADDED.

    Later manifests override earlier ones. Raises ManifestError.
    """
    more = [Path(name) for name in os.environ.get("SRCLI_MANIFEST", "").split(os.pathsep) if name] + ADDED
    try:
        user = user_path()
    except userfolders.NoHome:
        return _load(tuple(more), tuple(map(_state, more)))
    return _load((*((user,) if user.is_file() else ()), *more), tuple(_state(path) for path in (user, *more)))


def _state(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


@cache
def _load(more: tuple[Path, ...], states: tuple[int, ...]) -> Manifest:
    """states: modification times, so that a changed file is read again."""
    path = next((p for p in PLACES if p.is_file()), None)
    if path is None:
        raise SrcliError(f"the installation is incomplete: {PLACES[0]} is missing; reinstall srcli")
    default, entries = read(path)
    manifest = Manifest(default or "", {}).with_entries(entries, str(path))
    for other in more:
        chosen, entries = read(other)
        manifest = replace(manifest.with_entries(entries, str(other)), default=chosen or manifest.default)
    manifest.find(None)
    return manifest
