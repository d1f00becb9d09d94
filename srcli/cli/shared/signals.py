"""Ctrl-C once: after the files in work; twice: at once. SIGTERM, or a terminal that goes away: at once."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn

from srcli import files
from srcli.batch.run import Control


class Ended(BaseException):
    """A signal says to end now."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.code = 128 + number


@contextmanager
def gently(control: Control, notice: Callable[[str], None]) -> Iterator[None]:
    """Signals as requests to a run, while it lasts. Raises Ended where it is to end now."""
    if threading.current_thread() is not threading.main_thread():  # Python allows no handlers elsewhere
        yield
        return

    def interrupted(number: int, frame: FrameType | None) -> None:
        if control.finish.is_set():
            ended(number, frame)
        control.finish.set()
        with contextlib.suppress(RuntimeError):  # the signal came while a line was written
            notice("finishing the current file; Ctrl-C again stops at once")

    def ended(number: int, frame: FrameType | None) -> None:
        if not control.stop.is_set():  # once: the way out is not to be interrupted
            control.stop.set()
            raise Ended(number)

    chosen: dict[int, Any] = {signal.SIGINT: interrupted, signal.SIGTERM: ended}
    if hasattr(signal, "SIGHUP"):
        chosen[signal.SIGHUP] = ended
    # What is ignored stays so: nohup and shells ask for that.
    before = {n: signal.signal(n, h) for n, h in chosen.items() if signal.getsignal(n) != signal.SIG_IGN}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


def leave(code: int) -> NoReturn:
    """End without waiting for threads, which may be in the middle of a long decoding or encoding."""
    files.abandon()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)
