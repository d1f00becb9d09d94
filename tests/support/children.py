"""Programs that tests start: with the signals a terminal gives them, and none that outlives its test."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterable

# nohup ignores SIGHUP, and a shell's background jobs ignore SIGINT. Children inherit what is ignored, so a program that
# is to be sent signals starts by way of this one, which the program then replaces.
LAUNCHER = """
import os, signal, sys
ignored = {int(n) for n in sys.argv[1].split(",") if n}
for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
    signal.signal(number, signal.SIG_IGN if number in ignored else signal.SIG_DFL)
os.execv(sys.argv[2], sys.argv[2:])
"""

_started: list[subprocess.Popen] = []


def with_signals(command: list[str], ignored: Iterable[int] = ()) -> list[str]:
    """A command line that runs `command`, whose first word is a path, with exactly these signals ignored."""
    numbers = ",".join(str(int(number)) for number in ignored)
    return [sys.executable, "-S", "-c", LAUNCHER, numbers, *command]


def start(command: list[str], *, ignored: Iterable[int] = (), **options) -> subprocess.Popen:
    """A process with pipes for its output; it ends with its test at the latest."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen(with_signals(command, ignored), **pipes | options)
    _started.append(process)
    return process


def end_all() -> None:
    """Kill what still runs: a process that ignores SIGTERM too."""
    while _started:
        process = _started.pop()
        with process:  # closes its pipes and waits
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
