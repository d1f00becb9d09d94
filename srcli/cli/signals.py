"""Ctrl-C once: after the files in work; twice: at once. SIGTERM: at once."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from srcli.batch.run import Control

TERMINATED = 128 + signal.SIGTERM


@contextmanager
def gently(control: Control, notice: Callable[[str], None]) -> Iterator[None]:
    """Signals as requests to a run, while it lasts. What is unfinished is removed on the way out."""
    if threading.current_thread() is not threading.main_thread():  # Python allows no handlers elsewhere
        yield
        return

    def interrupted(number: int, frame: FrameType | None) -> None:
        if control.finish.is_set():
            control.stop.set()
            raise KeyboardInterrupt
        control.finish.set()
        notice("finishing the current file; Ctrl-C again stops at once")

    def terminated(number: int, frame: FrameType | None) -> None:
        control.stop.set()
        sys.exit(TERMINATED)

    before: dict[int, Any] = {}
    for chosen, handler in ((signal.SIGINT, interrupted), (signal.SIGTERM, terminated)):
        before[chosen] = signal.signal(chosen, handler)
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
