"""Write files atomically, with one process at a time per file."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

from srcli.errors import SrcliError

SHARED_MEMORY = "/dev/shm"  # writable on Linux, even where the root is read-only
PATIENCE = 60  # seconds to wait for another process that writes the same small file
ABANDONED = 24 * 3600  # age in seconds of abandoned files on systems without locks


class WriteError(SrcliError):
    """A file or folder cannot be written."""

    reason, retryable = "not-writable", True


def write_text(path: Path, text: str) -> None:
    """Write text atomically as UTF-8; bytes of odd file names that cannot be encoded become '?'. Raises WriteError."""
    write_bytes(path, text.encode("utf-8", "replace"))


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file atomically. Raises WriteError."""
    claim = Claim(path)  # its lock protects the temporary file from other processes' sweeps
    try:
        claim.wait().write(data)
        claim.finish()
    except OSError as error:
        raise WriteError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        claim.drop()


def make_folder(path: Path) -> None:
    """Create a folder and its parents. Raises WriteError."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(f"cannot create the folder {path}: {error.strerror or error}") from error


def temporary_folder() -> tempfile.TemporaryDirectory[str]:
    """A folder that is removed on leaving, in memory if no usual place can be written. Raises WriteError."""
    for place in (None, SHARED_MEMORY):
        with contextlib.suppress(OSError):
            return tempfile.TemporaryDirectory(dir=place)
    raise WriteError("no temporary folder can be written; set TMPDIR to a folder that can")


class Taken(SrcliError):
    """Another process is making the file."""

    reason, retryable = "busy", True


class _Complete(io.BufferedRandom):
    """A file that hides its descriptor: Pillow would write to it directly and ignore partial writes on a full disk."""

    def fileno(self) -> int:
        raise io.UnsupportedOperation("written through its buffer only")


class Claim:
    """The exclusive right to make a file, held by a lock on its temporary file.

    The lock ends with the process. A temporary file left by a dead process is taken over by the next claim, or removed
    by `sweep`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        mark = hashlib.sha256(os.fsencode(path.name)).hexdigest()[:16]
        self.part = path.with_name(f".srcli-{mark}.part")
        self._file: BinaryIO | None = None
        self._handle = -1

    def take(self) -> BinaryIO:
        """Lock the temporary file and return it, empty and open for writing and reading. Raises Taken or OSError."""
        _held.add(self)  # before the file exists, so that `abandon` knows of it whenever a signal comes
        try:
            self._take_part()
            self._file = _Complete(io.FileIO(self.part, "w+"))
        except (Taken, OSError):
            self._release()
            raise
        if fcntl is None:  # Windows cannot rename an open file
            self._close()
        return self._file

    def _take_part(self) -> None:
        """Open and lock the temporary file; the lock lasts as long as its handle."""
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
            if same:  # otherwise its owner has just renamed or removed it
                return
            self._close()

    def wait(self) -> BinaryIO:
        """Like `take`, but wait up to `PATIENCE` seconds for another process."""
        last = time.monotonic() + PATIENCE
        while True:
            try:
                return self.take()
            except Taken:
                if time.monotonic() > last:
                    raise
            time.sleep(0.01)

    def finish(self, before: Callable[[Path], None] | None = None) -> None:
        """Rename the temporary file to its final name.

        before: called with the complete temporary file just before it is renamed.
        """
        assert self._file is not None, "take() comes first"
        self._file.flush()
        self._file.close()
        if self not in _held:  # abandoned: another process may have the temporary file by now
            raise OSError(errno.EINTR, "interrupted")
        if before is not None:
            before(self.part)
        self.part.replace(self.path)
        self._release()

    def drop(self) -> None:
        """Release the claim and remove the temporary file, unless it is finished."""
        if self._file is not None:
            with contextlib.suppress(OSError):  # buffered data may not fit on the disk
                self._file.close()
            if self in _held:
                with contextlib.suppress(OSError):
                    self.part.unlink(missing_ok=True)
            self._release()

    def _open(self) -> int:
        """Open the temporary file; recreate its folder if another run has just removed it as empty."""
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
        """Close the handle and so release the lock."""
        handle, self._handle = self._handle, -1
        if handle >= 0:
            os.close(handle)


_held: set[Claim] = set()  # claims of this process


def abandon() -> None:
    """Remove all temporary files of this process, which is about to end, even while threads use them."""
    while _held:
        claim = _held.pop()
        with contextlib.suppress(OSError):
            if claim._file is None:  # interrupted in `take`: another process may have the file by now
                claim._close()
                _sweep(claim.part)
            else:
                claim.part.unlink(missing_ok=True)


def sweep(folder: Path) -> int:
    """Remove temporary files that no live process holds from a folder. Returns their number."""
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
    """Lock an open file; False if another process holds it, None if the file system has no locks.

    together: take a shared lock instead of an exclusive one. Makers lock exclusively and sweepers share, so that a
        maker can tell a sweeper, which is gone in a moment, from another maker.
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
