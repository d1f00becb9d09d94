"""Errors that a person can act on: one sentence, a hint, and the exit code of the command."""

from __future__ import annotations


class SrcliError(Exception):
    """Base of every error that `srcli` reports without a traceback."""

    exit_code = 1

    def hint(self) -> str | None:
        """What to do about it, or None."""
        return None
