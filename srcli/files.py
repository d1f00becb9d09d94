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
from typing import TYPE_CHECKING, BinaryIO

from srcli.errors import SrcliError

if TYPE_CHECKING:
    from filelock import BaseFileLock

SHARED_MEMORY = "/dev/shm"  # writable on Linux, even where the root is read-only
PATIENCE = 60  # seconds to wait for another process that writes the same small file
SWEEPING = 0.5  # seconds after which a lock is held by a process that makes the file, not by one that sweeps
POLL = 0.002
ABANDONED = 24 * 3600  # age in seconds of abandoned files on file systems without locks
NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.EINVAL)  # errors of such file systems


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
    """The exclusive right to make a file, held by a lock beside its temporary file.

    The lock ends with the process. A temporary file left by a dead process is taken over by the next claim, or removed
    by `sweep`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        mark = hashlib.sha256(os.fsencode(path.name)).hexdigest()[:16]
        self.part = path.with_name(f".srcli-{mark}.part")
        self._file: BinaryIO | None = None
        self._lock = _Lock(self.part)

    def take(self) -> BinaryIO:
        """Lock the temporary file and return it, empty and open for writing and reading. Raises Taken or OSError."""
        _held.add(self)  # before the file exists, so that `abandon` knows of it whenever a signal comes
        try:
            if not self._lock.take(SWEEPING):
                raise Taken(f"{self.path} is being made by another process")
            self._file = _Complete(io.FileIO(self.part, "w+"))
        except (Taken, OSError):
            self._release()
            raise
        return self._file

    def wait(self) -> BinaryIO:
        """Like `take`, but wait up to `PATIENCE` seconds for another process."""
        last = time.monotonic() + PATIENCE
        while True:
            try:
                return self.take()
            except Taken:
                if time.monotonic() > last:
                    raise

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

    def abandon(self) -> None:
        """Remove the temporary file of a process that is about to end."""
        with contextlib.suppress(OSError):
            if self._file is None and not self._lock.held:  # interrupted in `take`: another process may have the file
                _sweep(self.part)
            else:
                self.part.unlink(missing_ok=True)
                self._lock.remove()

    def _release(self) -> None:
        _held.discard(self)
        self._lock.release()
        self._file = None


class _Lock:
    """The lock of a temporary file: another file, `.lock` instead of `.part`, which is gone when nobody holds it."""

    def __init__(self, part: Path) -> None:
        self.path = part.with_suffix(".lock")
        self._lock: BaseFileLock | None = None
        self._there = False

    @property
    def held(self) -> bool:
        return self._lock is not None and self._lock.is_locked

    def take(self, patience: float) -> bool:
        """Whether it was free within so many seconds, or the file system has no locks. Raises OSError."""
        import filelock

        # One thread takes a claim, another finishes it.
        self._lock, self._there = filelock.FileLock(self.path, thread_local=False), True
        for attempt in range(3):
            try:
                self._lock.acquire(timeout=patience, poll_interval=POLL)
                return True
            except filelock.Timeout:
                if self.path.exists():
                    return False
                # Nobody holds it: filelock also waits where a lock cannot be made. Opening the file says why.
                with self.path.open("ab"):
                    pass
            except FileNotFoundError:  # another run has just removed the folder, which was empty
                if attempt == 2:
                    raise
            except OSError as error:
                if error.errno not in NO_LOCKS:
                    raise
                self.remove()
                return True
        return False

    def release(self) -> None:
        if self._lock is not None and self._lock.is_locked:
            self.remove()
            self._lock.release()
        self._lock = None

    def remove(self) -> None:
        """Remove the file while it is held; who waits for it then sees that it is gone. Windows cannot, and filelock
        removes it there when it is released."""
        if self._there and os.name != "nt":
            self._there = False  # the next file of this name is another process's
            with contextlib.suppress(OSError):
                self.path.unlink(missing_ok=True)


_held: set[Claim] = set()  # claims of this process


def abandon() -> None:
    """Remove all temporary files of this process, which is about to end, even while threads use them."""
    while _held:
        _held.pop().abandon()


def sweep(folder: Path) -> int:
    """Remove temporary files that no live process holds from a folder. Returns their number."""
    removed = 0
    with contextlib.suppress(OSError):
        for part in {path.with_suffix(".part") for end in ("part", "lock") for path in folder.glob(f".srcli-*.{end}")}:
            removed += _sweep(part)
    return removed


def _sweep(part: Path) -> bool:
    lock = _Lock(part)
    with contextlib.suppress(OSError):
        try:
            if lock.take(0) and (lock.held or time.time() - part.stat().st_mtime > ABANDONED):
                part.unlink()
                return True
        finally:
            lock.release()
    return False
