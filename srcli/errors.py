"""Errors that users can act on: one sentence and the exit code of the command."""

from __future__ import annotations

from typing import ClassVar


class SrcliError(Exception):
    """Base of every error that `srcli` reports without a traceback.

    exit_code: of the command.
    reason: the kind of error, a word for programs that read `--json`; empty: the one of the exit code.
    retryable: whether the same command can succeed later, with nothing changed but the machine's state.
    """

    exit_code: ClassVar[int] = 1
    reason: ClassVar[str] = ""
    retryable: ClassVar[bool] = False


class OutOfMemory(SrcliError):
    """Not enough memory even for the smallest tiles."""

    exit_code = 5
    retryable = True


REASONS = {2: "usage", 4: "weights", 5: "memory"}  # by exit code


def reason_of(error: SrcliError) -> str:
    """The kind of an error, as a word for programs."""
    return error.reason or REASONS.get(error.exit_code, "error")
