"""One way to speak: results on stdout, notices on stderr, JSON where it is asked for, errors in one sentence."""

from __future__ import annotations

import io
import json
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console

from srcli.errors import SrcliError

INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Output:
    """How a command reports. `json`: one object per line on stdout and nothing else there."""

    json: bool = False
    quiet: bool = False
    verbose: bool = False

    @property
    def out(self) -> Console:
        return Console(highlight=False, soft_wrap=True, emoji=False)

    @property
    def err(self) -> Console:
        return Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)

    def record(self, value: dict) -> None:
        """A machine-readable result."""
        if self.json:
            print(json.dumps(value, ensure_ascii=False), flush=True)

    def say(self, text: str) -> None:
        """A result for people."""
        if not (self.json or self.quiet):
            self.out.print(text, markup=False)

    def notice(self, text: str) -> None:
        """Something that a person should know and that is no result."""
        if not self.quiet:
            self.err.print(text, markup=False, style="yellow")

    def problem(self, text: str) -> None:
        """A failure: shown even when quiet."""
        self.err.print(text, markup=False, style="red")


@contextmanager
def errors(debug: bool = False) -> Iterator[None]:
    """Errors as one sentence: known ones with a hint and their exit code, others with 1; Ctrl-C as 130."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a file name that the terminal cannot show must not stop the run
            stream.reconfigure(errors="backslashreplace")
    try:
        yield
    except SrcliError as error:
        if debug:
            traceback.print_exc()
        hint = error.hint()
        Output().problem(f"srcli: {error}" + (f"\n{hint}" if hint else ""))
        sys.exit(error.exit_code)
    except OSError as error:
        if debug:
            raise
        where = f"{error.filename}: " if error.filename else ""
        Output().problem(f"srcli: {where}{error.strerror or error}")
        sys.exit(1)
    except Exception as error:
        if debug:
            raise
        Output().problem(f"srcli: unexpected {type(error).__name__}: {error} (--debug shows more)")
        sys.exit(1)
    except KeyboardInterrupt:
        Output().problem("srcli: interrupted")
        sys.exit(INTERRUPTED)
