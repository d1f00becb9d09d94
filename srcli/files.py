"""Files that are whole or not there, and made by one process at a time."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

from srcli.errors import SrcliError

PATIENCE = 60  # seconds that a small file waits for another process that writes it
ABANDONED = 24 * 3600  # seconds, where no lock can tell


class WriteError(SrcliError):
    """A file or folder that cannot be written."""


def write_text(path: Path, text: str) -> None:
    """UTF-8, under a temporary name and renamed. What UTF-8 cannot hold (bytes of odd file names) becomes '?'."""
    claim = Claim(path)  # its lock keeps other processes from sweeping the temporary file
    try:
        claim.wait().write(text.encode("utf-8", "replace"))
        claim.finish()
    except OSError as error:
        raise WriteError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        claim.drop()


def make_folder(path: Path) -> None:
    """A folder and those above it. Raises WriteError."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(f"cannot make the folder {path}: {error.strerror or error}") from error


class Taken(SrcliError):
    """A file that another process is making now."""


class _Complete(io.BufferedRandom):
    """A file that keeps its descriptor to itself: Pillow would write to that, and takes no notice when a full disk
    accepts only a part."""

    def fileno(self) -> int:
        raise io.UnsupportedOperation("written through its buffer only")


class Claim:
    """The right to make a file, held by a lock on its temporary version. The lock ends with the process, however that
    ends; what is left of a dead one's is taken over by the next, or removed by `sweep`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        mark = hashlib.sha256(os.fsencode(path.name)).hexdigest()[:16]
        self.part = path.with_name(f".srcli-{mark}.part")
        self._file: BinaryIO | None = None
        self._handle = -1

    def take(self) -> BinaryIO:
        """The empty temporary file, open for writing and reading. Raises Taken, or OSError."""
        _held.add(self)  # before there is a file, so that `abandon` knows of it at whatever moment a signal comes
        try:
            self._take_part()
            self._file = _Complete(io.FileIO(self.part, "w+"))
        except (Taken, OSError):
            self._release()
            raise
        if fcntl is None:  # Windows renames no open file
            self._close()
        return self._file

    def _take_part(self) -> None:
        """Lock the temporary file; its handle keeps the lock."""
        while True:
            self._handle = self._open()
            locked = _lock(self._handle)
            if locked is False:
                swept = _lock(self._handle, together=True)
                self._close()
                if not swept:
                    raise Taken(f"{self.path} is being made by another process")
                time.sleep(0.001)
                continue
            try:
                same = os.path.samestat(os.fstat(self._handle), os.stat(self.part))
            except FileNotFoundError:
                same = False
            if same:  # else its owner has just given it its name, or removed it
                return
            self._close()

    def wait(self) -> BinaryIO:
        """As `take`, when no other process makes the file any more; Taken after `PATIENCE` seconds."""
        last = time.monotonic() + PATIENCE
        while True:
            try:
                return self.take()
            except Taken:
                if time.monotonic() > last:
                    raise
            time.sleep(0.01)

    def finish(self, before: Callable[[Path], None] | None = None) -> None:
        """Give the file its final name. before: is told the whole temporary file just before; who waits for the name
        or the claim finds it done."""
        assert self._file is not None, "taken before"
        self._file.flush()
        self._file.close()
        if self not in _held:  # abandoned: by now the temporary name may be another's
            raise OSError(errno.EINTR, "interrupted")
        if before is not None:
            before(self.part)
        self.part.replace(self.path)
        self._release()

    def drop(self) -> None:
        """Remove the temporary file, where it was not finished."""
        if self._file is not None:
            with contextlib.suppress(OSError):  # what is not written yet may not fit on the disk
                self._file.close()
            if self in _held:
                with contextlib.suppress(OSError):
                    self.part.unlink(missing_ok=True)
            self._release()

    def _open(self) -> int:
        """The temporary file, in its folder, which another run may have found empty and removed just now."""
        for attempt in range(3):
            try:
                return os.open(self.part, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
            except FileNotFoundError:
                if attempt == 2:
                    raise
                self.part.parent.mkdir(parents=True, exist_ok=True)
        raise AssertionError("the loop returns or raises")

    def _release(self) -> None:
        _held.discard(self)
        self._close()
        self._file = None

    def _close(self) -> None:
        """Close the handle, which ends the lock."""
        handle, self._handle = self._handle, -1
        if handle >= 0:
            os.close(handle)


_held: set[Claim] = set()  # of this process


def abandon() -> None:
    """Remove the temporary files of this process, whatever its threads are doing with them: it is about to end."""
    while _held:
        claim = _held.pop()
        with contextlib.suppress(OSError):
            if claim._file is None:  # a signal came while it was taken: by now the file may be another's
                claim._close()
                _sweep(claim.part)
            else:
                claim.part.unlink(missing_ok=True)


def sweep(folder: Path) -> int:
    """Remove temporary files in a folder that no living process holds. Returns how many there were."""
    removed = 0
    with contextlib.suppress(OSError):
        for part in folder.glob(".srcli-*.part"):
            removed += _sweep(part)
    return removed


def _sweep(part: Path) -> bool:
    with contextlib.suppress(OSError):
        handle = os.open(part, os.O_RDWR)
        try:
            locked = _lock(handle, together=True)
            if locked or (locked is None and time.time() - part.stat().st_mtime > ABANDONED):
                part.unlink()
                return True
        finally:
            os.close(handle)
    return False


def _lock(handle: int, *, together: bool = False) -> bool | None:
    """Lock an open file for this process: whether no other holds it, None where there are no locks.

    Who makes a file locks it alone. Who only sweeps locks together with others, so that a maker who finds a lock can
    tell a sweeper, who is gone in a moment, from another maker.
    """
    if fcntl is None:
        return None
    try:
        fcntl.flock(handle, (fcntl.LOCK_SH if together else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            return False
        if error.errno in (errno.ENOLCK, errno.ENOTSUP, errno.EINVAL):  # a file system without locks
            return None
        raise
    return True
