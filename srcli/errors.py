"""Errors that users can act on: one sentence and the exit code of the command."""

from __future__ import annotations


class SrcliError(Exception):
    """Base of every error that `srcli` reports without a traceback."""

    exit_code = 1


class OutOfMemory(SrcliError):
    """Not enough memory even for the smallest tiles."""

    exit_code = 5
