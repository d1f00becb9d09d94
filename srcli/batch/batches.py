"""The settings that all files of a run share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from srcli import __version__, files
from srcli.batch.ledger import Ledger, Ledgers
from srcli.batch.names import Item
from srcli.geometry import Target
from srcli.images.encode import Style
from srcli.images.source import MAX_PIXELS

if TYPE_CHECKING:
    from srcli.tiling.model import Sampling
    from srcli.upscaler import Upscaler


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """How results are made and written.

    suffix: format of the results; None keeps that of each input.
    frame: the frame or page to use, from 0; None for all.
    max_pixels: inputs with more pixels are refused.
    max_result: results with more pixels are refused; None for any.
    remake_stale: make results again that were made with other settings.
    precision: as asked for; `auto` takes earlier results of any precision.
    """

    suffix: str | None = None
    style: Style = field(default_factory=Style)
    overwrite: bool = False
    dry_run: bool = False
    frame: int | None = None
    strip: bool = False
    provenance: bool = True
    max_pixels: int = MAX_PIXELS
    max_result: int | None = None
    fail_fast: bool = False
    retry_failed: bool = False
    remake_stale: bool = False
    precision: str = "auto"

    def settings(self) -> dict[str, Any]:
        """The options that affect the bytes of a result."""
        return {"style": asdict(self.style), "output": (self.suffix, self.frame, self.strip, self.provenance)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What all files of a run share.

    sources: all inputs, resolved; a result must not overwrite them.
    swept: folders whose leftover temporary files have been removed.
    """

    options: RunOptions = field(default_factory=RunOptions)
    sources: frozenset[Path] = frozenset()
    ledgers: Ledgers | None = None
    swept: set[Path] = field(default_factory=set)

    def ledger(self, item: Item) -> Ledger | None:
        return None if self.ledgers is None else self.ledgers.find(item)

    def accepts(self, made: Mapping[str, Any]) -> bool:
        """Whether a result of the same input and settings may stay. made: what the ledger says of it."""
        return True

    def sweep(self, folder: Path) -> None:
        """Remove temporary files that killed runs left in a folder, once per folder."""
        if folder not in self.swept and not self.options.dry_run:
            self.swept.add(folder)
            files.sweep(folder)


@dataclass(frozen=True, slots=True, kw_only=True)
class UpscaleBatch(Batch):
    """A run that upscales pictures."""

    upscaler: Upscaler
    target: Target
    sampling: Sampling

    def accepts(self, made: Mapping[str, Any]) -> bool:
        """Whether its precision is the one asked for, or not known."""
        precision = self.upscaler.runtime.precision
        return self.options.precision == "auto" or made.get("precision") in (None, precision)

    def settings(self) -> dict[str, Any]:
        """Everything except the input that affects a result, without the device: shards may differ in it."""
        return {
            "version": __version__,
            "model": self.upscaler.entry.name,
            "weights": self.upscaler.digests(),
            "target": asdict(self.target),
            "sampling": {name: value for name, value in asdict(self.sampling).items() if name != "strict"},
        } | self.options.settings()
