"""Standard streams that are closed, full, or whose reader has gone: one sentence and an exit code, no traceback."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Iterator
from typing import TextIO

from srcli.errors import SrcliError

NAMES = ("stdin", "stdout", "stderr")
closed: set[int] = set()  # numbers of the streams that were closed when the program began


class StreamError(SrcliError):
    """Standard output cannot be written."""

    reason, retryable = "not-writable", True


def open_closed() -> None:
    """Open closed standard streams on the null device. Otherwise the next file that is opened would get the number of
    one, and everything printed."""
    for number, name in enumerate(NAMES):
        try:
            os.fstat(number)
        except OSError:
            closed.add(number)
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number, which is this one
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "w" if number else "r", encoding="utf-8", closefd=False))  # noqa: SIM115


def check_stdout() -> None:
    """Raise StreamError if standard output, which is to carry data, is closed."""
    if 1 in closed:
        raise StreamError("standard output is closed")


@contextlib.contextmanager
def printing() -> Iterator[None]:
    """Turn an error of standard output into a StreamError."""
    try:
        yield
    except OSError as error:
        raise StreamError(sentence(error)) from None


@contextlib.contextmanager
def mentioning() -> Iterator[None]:
    """Go on without standard error if it cannot be written."""
    try:
        yield
    except OSError:
        silence(sys.stderr)


def silence(stream: TextIO) -> None:
    """Send the rest of a stream, also what is still buffered, to the null device."""
    with contextlib.suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)


def settle(code: int) -> int:
    """Flush the streams at the end of the program. Returns the exit code: 1 instead of 0 if output was lost."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except ValueError:  # closed by now
            continue
        except OSError as error:
            silence(stream)
            if stream is sys.stdout and code == 0 and error.errno != errno.EPIPE:
                complain(sentence(error))
                code = 1
    return code


def complain(text: str) -> None:
    """Print an error."""
    with mentioning():
        sys.stderr.write(f"srcli: {text}\n")
        sys.stderr.flush()


def sentence(error: OSError) -> str:
    """What to say of an error of standard output."""
    return f"cannot write standard output: {error.strerror or error}"
