"""Output of commands: results on stdout, notices on stderr, JSON on request, errors in one sentence."""

from __future__ import annotations

import io
import json
import logging
import math
import sys
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass
from typing import Any, NoReturn

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from srcli.cli.shared import streams
from srcli.errors import SrcliError, reason_of
from srcli.schema import stamped

INTERRUPTED = 130


@dataclass(slots=True)
class Output:
    """How a command reports.

    json: write one JSON object per line to stdout, and nothing else.
    live: the console of a progress bar while it is shown; lines for the same terminal must go through it.
    data_on_stdout: whether stdout carries data, so that messages must go to stderr.
    """

    json: bool = False
    _: KW_ONLY
    quiet: bool = False
    verbose: bool = False
    live: Console | None = None
    data_on_stdout: bool = False

    @property
    def out(self) -> Console:
        if self.data_on_stdout:
            return self.err
        if self.live and sys.stdout.isatty():
            return self.live
        return Console(highlight=False, soft_wrap=True, emoji=False)

    @property
    def err(self) -> Console:
        return self.live or Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)

    def record(self, value: dict) -> None:
        """Print a machine-readable result, with --json."""
        if self.json:
            streams.check_stdout()
            # In one write: a signal between a line and its end would leave two records on one line.
            with streams.printing():
                print(json.dumps(_finite(value), ensure_ascii=False, allow_nan=False) + "\n", end="", flush=True)

    def fail(self, told: dict[str, Any]) -> None:
        """Print the record of an error that stops the command, and its sentence."""
        try:
            self.record(told)
        except streams.StreamError:  # the sentence may say just that
            streams.silence(sys.stdout)
        self.problem(f"srcli: {told['error']}")

    def say(self, text: str) -> None:
        """Print a result for people."""
        if not (self.json or self.quiet):
            with streams.printing():
                self.out.print(text, markup=False)

    def table(self, table: Table) -> None:
        """Print a table, at full width if the output is not a terminal."""
        console = self.out
        if not console.is_terminal:
            console.width = max(
                console.width, Measurement.get(console, console.options.update(max_width=1000), table).maximum
            )
        with streams.printing():
            console.print(table)

    def notice(self, text: str) -> None:
        """Print something that the user should know but that is not a result."""
        if not self.quiet:
            with streams.mentioning():
                self.err.print(text, markup=False, style="yellow")

    def problem(self, text: str) -> None:
        """Print a failure, even when quiet."""
        with streams.mentioning():
            self.err.print(text, markup=False, style="red")


def _finite(value: dict) -> dict:
    """Replace what JSON cannot express: infinity becomes "inf" and NaN becomes null."""
    odd = {k: v for k, v in value.items() if isinstance(v, float) and not math.isfinite(v)}
    return value | {k: None if math.isnan(v) else "inf" if v > 0 else "-inf" for k, v in odd.items()}


@contextmanager
def errors(debug: bool = False, as_json: bool = False) -> Iterator[None]:
    """Report errors in one sentence and exit: known ones with their exit code, others with 1, Ctrl-C with 130.

    debug: also print a traceback.
    as_json: also print the error as a JSON object on stdout, for programs that read it.
    """

    def stop(text: str, code: int, reason: str, retryable: bool) -> NoReturn:
        told = {"error": text, "reason": reason, "retryable": retryable, "exit_code": code}
        Output(as_json).fail(stamped("error", told))
        sys.exit(code)

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # file names that the terminal cannot show must not stop the run
            stream.reconfigure(errors="backslashreplace")
    if not debug:  # libraries' warnings about damaged files; our errors say it in one sentence
        warnings.simplefilter("ignore")
        logging.getLogger("tifffile").setLevel(logging.CRITICAL)
    try:
        yield
    except KeyboardInterrupt:
        stop("interrupted", INTERRUPTED, "interrupted", True)
    except Exception as error:
        if debug:
            traceback.print_exc()
        if isinstance(error, SrcliError):
            stop(str(error), error.exit_code, reason_of(error), error.retryable)
        if isinstance(error, OSError):
            where = f"{error.filename}: " if error.filename else ""
            stop(f"{where}{error.strerror or error}", 1, "system", True)
        text = f"unexpected {type(error).__name__}: {error} (use --debug to show the traceback)"
        stop(text, 1, "unexpected", False)
