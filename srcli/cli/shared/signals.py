"""Handle signals: the first Ctrl-C finishes the current files; a second one, SIGTERM or SIGHUP stops at once.

With `--drain`, SIGTERM is like Ctrl-C.
"""

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
    """A signal asked to end now."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.code = 128 + number


@contextmanager
def gently(control: Control, notice: Callable[[str], None], *, drain: bool = False) -> Iterator[None]:
    """Turn signals into requests to a run. Raises Ended if it must end now.

    drain: whether the first SIGTERM lets the current files finish.
    """
    if threading.current_thread() is not threading.main_thread():  # Python allows handlers in the main thread only
        yield
        return

    def interrupted(number: int, frame: FrameType | None) -> None:
        if control.finish.is_set():
            ended(number, frame)
        control.code = 128 + number
        control.finish.set()
        again = "press Ctrl-C again" if number == signal.SIGINT else f"send {signal.Signals(number).name} again"
        with contextlib.suppress(RuntimeError):  # the signal came in the middle of a line
            notice(f"finishing the current file; {again} to stop at once")

    def ended(number: int, frame: FrameType | None) -> None:
        if not control.stop.is_set():  # only once, so that the shutdown is not interrupted
            control.code = 128 + number
            control.stop.set()
            raise Ended(number)

    chosen: dict[int, Any] = {signal.SIGINT: interrupted, signal.SIGTERM: interrupted if drain else ended}
    if hasattr(signal, "SIGHUP"):
        chosen[signal.SIGHUP] = ended
    # Signals that are ignored stay ignored, as nohup and shells want.
    before = {n: signal.signal(n, h) for n, h in chosen.items() if signal.getsignal(n) != signal.SIG_IGN}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


def leave(code: int) -> NoReturn:
    """Exit without waiting for threads, which may be decoding or encoding a large file."""
    files.abandon()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)
