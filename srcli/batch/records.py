"""The record of each file: what became of it, whatever happened."""

from __future__ import annotations

import logging
import re
from dataclasses import asdict, dataclass
from typing import Any

from srcli.batch.names import STREAM, Item, UsageError
from srcli.errors import REASONS, OutOfMemory, SrcliError, reason_of
from srcli.provenance import Facts


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """The outcome of one file.

    status: done, failed, skipped, stale or, in a dry run, planned.
    reason: why it failed or was skipped, a word for programs; `retryable`: whether the same may succeed later.
    redone_tiles: tiles that were not finite and were computed again in float32.
    exploded: patches in which the flow's inverse exploded and was bounded or recomputed.
    bounded_tiles: tiles that are only close to the untiled result.
    guarded_tiles: tiles that did not match the input and were computed again.
    choice: if `auto` chose the model, the reason, the measurements of the picture, and the model of the package that
        an installed restorer takes the place of.
    facts: of a finished result, what decided its pixels.
    """

    input: str
    status: str
    output: str | None = None
    error: str | None = None
    reason: str | None = None
    retryable: bool | None = None
    exit_code: int = 0
    width: int | None = None
    height: int | None = None
    scale: float | None = None
    frames: int | None = None
    seconds: float | None = None
    tiles: int | None = None
    redone_tiles: int | None = None
    exploded: int | None = None
    bounded_tiles: int | None = None
    guarded_tiles: int | None = None
    model: str | None = None
    detail: float | None = None
    denoise: float | None = None
    choice: dict[str, Any] | None = None
    facts: Facts | None = None
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """As JSON, without what is None. A file that was not made has a reason."""
        told = asdict(self) | {"facts": None if self.facts is None else self.facts.to_dict()}
        if self.status not in ("done", "planned"):
            told["reason"] = self.reason or ("error" if self.status == "failed" else self.status)
            told["retryable"] = bool(self.retryable)
        return {k: v for k, v in told.items() if v is not None}


def naming(item: Item, text: str) -> str:
    """An error's sentence, with the file in front unless it names it."""
    if item.source == STREAM:
        return text if "standard input" in text else f"standard input: {text}"
    named = re.search(rf"(?<![\w.-]){re.escape(item.source.name)}(?![\w-])", text)
    return text if named else f"{item.source}: {text}"


def failure(item: Item, error: Exception, alone: bool) -> Record:
    """The record of a failed file; even an unexpected error must not stop the other files.

    alone: whether it is the only file; a usage error is then raised instead.
    """
    from srcli.runtime import is_out_of_memory

    logging.getLogger("srcli").debug("%s", item.source, exc_info=error)
    if isinstance(error, SrcliError):
        text = naming(item, str(error))
        if error.exit_code == UsageError.exit_code and alone:
            if text == str(error):
                raise error
            raise UsageError(text) from error
        return _failed(item, text, error.exit_code, reason_of(error), error.retryable)
    name = "standard input" if item.source == STREAM else str(item.source)
    text, code, reason = f"{name}: unexpected {type(error).__name__}: {error}", 1, "unexpected"
    if is_out_of_memory(error):
        text, code, reason = f"{name}: not enough memory", OutOfMemory.exit_code, REASONS[5]
    elif isinstance(error, OSError):
        text, reason = f"{name}: {error.strerror or error}", "system"
    return _failed(item, " ".join(text.split()), code, reason, reason != "unexpected")


def _failed(item: Item, text: str, code: int, reason: str, retryable: bool) -> Record:
    return Record(
        input=str(item.source), status="failed", error=text, reason=reason, retryable=retryable, exit_code=code
    )
