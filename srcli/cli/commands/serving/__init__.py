"""Commands that answer others: the page and the server."""

from __future__ import annotations

import signal
import socket
from types import FrameType

from srcli.errors import SrcliError


class NoAddress(SrcliError):
    """An address that cannot be listened on."""

    reason, retryable = "address", True


def check_address(host: str, port: int) -> None:
    """Raise NoAddress, before anything is loaded, if nothing can listen there."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.create_server((host, port), family=family):
            return
    except OSError as error:
        why = str(error.strerror or error).partition(" (while")[0]
        raise NoAddress(f"cannot listen on {host}, port {port}: {why}") from None


def end_by_sigterm() -> None:
    """Let SIGTERM end the process as Ctrl-C does, so that no files are left."""

    def ended(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, ended)
