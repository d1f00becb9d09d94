"""What all files of a run share, and what is said of each."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from srcli import __version__, files
from srcli.batch.ledger import Ledger, Ledgers
from srcli.batch.plan import Item, UsageError
from srcli.errors import OutOfMemory, SrcliError
from srcli.geometry import Target
from srcli.images.encode import Style
from srcli.images.source import MOST_PIXELS

if TYPE_CHECKING:
    from srcli.tiling.model import Sampling
    from srcli.upscaler import Upscaler


@dataclass(frozen=True, slots=True)
class Record:
    """What became of one file: status is done, failed, skipped or, in a dry run, planned. exploded: patches whose
    inverse was bounded or made again; guarded_tiles: those made again because they did not show what went in. model,
    detail: who made it; choice: why, and what was measured of the picture, where `auto` has chosen."""

    input: str
    status: str
    output: str | None = None
    error: str | None = None
    exit_code: int = 0
    width: int | None = None
    height: int | None = None
    scale: float | None = None
    frames: int | None = None
    seconds: float | None = None
    tiles: int | None = None
    redone_tiles: int | None = None
    exploded: int | None = None
    guarded_tiles: int | None = None
    model: str | None = None
    detail: float | None = None
    choice: dict[str, Any] | None = None
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return {k: v for k, v in asdict(self).items() if v is not None and k != "exit_code"}


@dataclass(frozen=True, slots=True)
class Options:
    """How results are made and written. suffix: of the result, None for that of the input; frame: of an animation or a
    page, from 0, None for all; most: pixels of an input above which it is refused."""

    suffix: str | None = None
    style: Style = field(default_factory=Style)
    overwrite: bool = False
    dry_run: bool = False
    frame: int | None = None
    strip: bool = False
    provenance: bool = True
    most: int = MOST_PIXELS
    fail_fast: bool = False
    retry_failed: bool = False

    def settings(self) -> dict[str, Any]:
        """What of this decides a result's bytes."""
        return {"style": asdict(self.style), "output": (self.suffix, self.frame, self.strip, self.provenance)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What all files of a run share, whatever is made of them."""

    options: Options = field(default_factory=Options)
    sources: frozenset[Path] = frozenset()  # resolved: no result may take their place
    ledgers: Ledgers | None = None
    swept: set[Path] = field(default_factory=set)  # folders

    def ledger(self, item: Item) -> Ledger | None:
        return None if self.ledgers is None else self.ledgers.of(item)

    def sweep(self, folder: Path) -> None:
        """Remove once what killed runs have left in a folder."""
        if folder not in self.swept and not self.options.dry_run:
            self.swept.add(folder)
            files.sweep(folder)


@dataclass(frozen=True, slots=True)
class Job(Batch):
    """A run that makes pictures larger."""

    upscaler: Upscaler
    target: Target
    sampling: Sampling

    def settings(self) -> dict[str, Any]:
        """Everything but the input that decides a result's bytes; not the device, which shards need not share."""
        return {
            "version": __version__, "model": self.upscaler.entry.name, "weights": self.upscaler.digests(),
            "target": asdict(self.target),
            "sampling": {name: value for name, value in asdict(self.sampling).items() if name != "strict"},
        } | self.options.settings()  # fmt: skip


def failure(item: Item, error: Exception, alone: bool) -> Record:
    """The record of a file that failed: a bug, or a library's surprise, with one must not cost the others. A usage
    error of the only file (`alone`) is raised."""
    from srcli.runtime import is_out_of_memory

    logging.getLogger("srcli").debug("%s", item.source, exc_info=error)
    if isinstance(error, SrcliError):
        if error.exit_code == UsageError.exit_code and alone:
            raise error
        text = str(error) if item.source.name in str(error) else f"{item.source}: {error}"
        return Record(str(item.source), "failed", error=text, exit_code=error.exit_code)
    text, code = f"{item.source}: unexpected {type(error).__name__}: {error}", 1
    if is_out_of_memory(error):
        text, code = f"{item.source}: not enough memory", OutOfMemory.exit_code
    elif isinstance(error, OSError):
        text = f"{item.source}: {error.strerror or error}"
    return Record(str(item.source), "failed", error=" ".join(text.split()), exit_code=code)
