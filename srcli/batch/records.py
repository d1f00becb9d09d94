"""The record of each file: what became of it, whatever happened."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass
from typing import Any

from srcli.batch.names import Item, UsageError
from srcli.errors import OutOfMemory, SrcliError


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """The outcome of one file.

    status: done, failed, skipped or, in a dry run, planned.
    redone_tiles: tiles that were not finite and were computed again in float32.
    exploded: patches in which the flow's inverse exploded and was bounded or recomputed.
    guarded_tiles: tiles that did not match the input and were computed again.
    choice: if `auto` chose the model, the reason, the measurements of the picture, and the model of the package that
        an installed restorer takes the place of.
    """

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
    denoise: float | None = None
    choice: dict[str, Any] | None = None
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return {k: v for k, v in asdict(self).items() if v is not None and k != "exit_code"}


def failure(item: Item, error: Exception, alone: bool) -> Record:
    """The record of a failed file; even an unexpected error must not stop the other files.

    alone: whether it is the only file; a usage error is then raised instead.
    """
    from srcli.runtime import is_out_of_memory

    logging.getLogger("srcli").debug("%s", item.source, exc_info=error)
    if isinstance(error, SrcliError):
        if error.exit_code == UsageError.exit_code and alone:
            raise error
        text = str(error) if item.source.name in str(error) else f"{item.source}: {error}"
        return Record(input=str(item.source), status="failed", error=text, exit_code=error.exit_code)
    text, code = f"{item.source}: unexpected {type(error).__name__}: {error}", 1
    if is_out_of_memory(error):
        text, code = f"{item.source}: not enough memory", OutOfMemory.exit_code
    elif isinstance(error, OSError):
        text = f"{item.source}: {error.strerror or error}"
    return Record(input=str(item.source), status="failed", error=" ".join(text.split()), exit_code=code)
