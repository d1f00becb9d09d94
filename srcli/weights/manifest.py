"""`weights_manifest.toml` as values: which models there are, and where the weights of each come from."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import platformdirs

from srcli.errors import SrcliError

HERE = Path(__file__).parent
# Beside this file in an installed package, at the top of a source tree.
PLACES = (HERE / "weights_manifest.toml", HERE.parent.parent / "weights_manifest.toml")


SHOWN = 30  # names in one sentence
ADDED: list[Path] = []  # manifests that this process was told of
DEGRADES = "degflow"  # the pipeline that takes resolution away


class NoPictures(SrcliError):
    """A model that is known, but makes no picture larger."""

    exit_code = 2


class UnknownModel(SrcliError):
    """A model name that the manifest does not have."""

    exit_code = 2

    def __init__(self, name: str, known: list[str]) -> None:
        close = difflib.get_close_matches(name, known, 1)
        guess = f", did you mean {close[0]}" if close else ""
        more = ", ..." if len(known) > SHOWN else ""
        super().__init__(f"unknown model {name!r}{guess}? Known: {', '.join(known[:SHOWN])}{more}")


class ManifestError(SrcliError):
    """A manifest that cannot be read or asks for what it must not."""

    exit_code = 4


@dataclass(frozen=True, slots=True)
class Embedded:
    """In the package."""


@dataclass(frozen=True, slots=True)
class Hub:
    """A file of a repository on the Hugging Face hub, or on the mirror that HF_ENDPOINT names."""

    repo: str
    path: str
    revision: str = "main"

    def __str__(self) -> str:
        return f"hub {self.repo}/{self.path}@{self.revision}"


@dataclass(frozen=True, slots=True)
class Url:
    """A file on a web server."""

    url: str

    def __str__(self) -> str:
        return self.url


@dataclass(frozen=True, slots=True)
class Drive:
    """A public file on Google Drive."""

    id: str

    def __str__(self) -> str:
        return f"Google Drive {self.id}"


Source = Embedded | Hub | Url | Drive


@dataclass(frozen=True, slots=True)
class Part:
    """The weights of one network of a model. file: its name, one and the same wherever it is listed. bytes, sha256: of
    the file as it is published, None where nobody has written them down; starts: the first digits of the hash, where
    only those are known. sources: in the order to be tried; none: the file must be imported."""

    role: str
    file: str
    bytes: int | None = None
    sha256: str | None = None
    sources: tuple[Source, ...] = (Embedded(),)
    starts: str = ""
    architecture: Mapping[str, Any] | None = None
    plain: bool = False

    @property
    def embedded(self) -> bool:
        return self.sources == (Embedded(),)


@dataclass(frozen=True, slots=True)
class Entry:
    """A model as the manifest describes it. pipeline: None for networks that only measure. commercial: whether the
    licence permits commercial use, None where nothing is stated. measured: what it scored, with where and when. page:
    where its files are to be asked for. needs: the extra of the package that it runs with."""

    name: str
    aliases: tuple[str, ...]
    purpose: str
    pipeline: str | None
    scales: tuple[float, float]
    paper: str
    licence: str
    commercial: bool | None
    parts: dict[str, Part]
    measured: Mapping[str, Any] = field(default_factory=dict)
    page: str = ""
    needs: str = ""

    @property
    def embedded(self) -> bool:
        return all(part.embedded for part in self.parts.values())

    @property
    def enlarges(self) -> bool:
        return self.pipeline not in (None, DEGRADES)

    @property
    def bytes(self) -> int | None:
        """Of all its files, None where that of one is not known."""
        sizes = [part.bytes for part in self.parts.values()]
        return None if None in sizes else sum(size for size in sizes if size)


@dataclass(frozen=True, slots=True)
class Manifest:
    default: str
    entries: dict[str, Entry]

    def has(self, name: str) -> bool:
        return any(name == entry.name or name in entry.aliases for entry in self.entries.values())

    def find(self, name: str | None) -> Entry:
        """An entry by name or alias; the default for None."""
        wanted = name or self.default
        if wanted in self.entries:
            return self.entries[wanted]
        for entry in self.entries.values():
            if wanted in entry.aliases:
                return entry
        raise UnknownModel(wanted, list(self.entries))

    def model(self, name: str | None) -> Entry:
        """An entry that enlarges pictures."""
        entry = self.find(name)
        if entry.pipeline is None:
            raise NoPictures(f"{entry.name} makes no pictures: {entry.purpose}")
        if not entry.enlarges:
            raise NoPictures(f"{entry.name} makes no pictures larger; use it with srcli degrade --model {entry.name}")
        return entry

    def with_entries(self, others: Iterable[Entry], where: str) -> Manifest:
        """Entries added, or put in the place of those of their name. Raises ManifestError where two parts mean
        different files by the same name."""
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


def own_path() -> Path:
    """The user's own manifest, which adds models and overrides those of the package."""
    return platformdirs.user_config_path("srcli") / "models.toml"


def load() -> Manifest:
    """The manifest of this installation with the user's own, and with those that SRCLI_MANIFEST names. Raises
    ManifestError."""
    more = [Path(name) for name in os.environ.get("SRCLI_MANIFEST", "").split(os.pathsep) if name] + ADDED
    own = own_path()
    return _load((*((own,) if own.is_file() else ()), *more), tuple(_state(path) for path in (own, *more)))


def _state(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


@cache
def _load(more: tuple[Path, ...], states: tuple[int, ...]) -> Manifest:
    """states: of the files, so that a change is seen."""
    from srcli.weights.manifest_file import read

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
