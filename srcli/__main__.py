"""`python -m srcli`, and the entry point of the console script."""

from __future__ import annotations

import os
import signal
from types import FrameType


def main() -> None:
    """Run the command. As the first process of a container, it ends by SIGTERM from its first moment."""
    if os.getpid() == 1:
        end_as_init()
    from srcli.cli.app import main as run

    run()


def end_as_init() -> None:
    """Let SIGTERM and SIGHUP end this process even if it is process 1, for which the kernel ignores them by default."""

    def end(number: int, frame: FrameType | None) -> None:
        os._exit(128 + number)

    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, end)


if __name__ == "__main__":
    main()
