"""HTTP downloads, resumed with range requests and dropped if too slow."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from srcli import __version__
from srcli.weights.download.base import DownloadError, OnBytes, Request, check_size, check_space

if TYPE_CHECKING:
    import requests

CHUNK = 2**15  # bytes; at most this much is lost when a connection breaks
SPACE_CHECK = 2**26  # bytes between checks of the free space if the server sends no length
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
LOOPBACK = ("127.0.0.1", "::1", "localhost")
MAX_PAGE = 2**20  # bytes


class WebPage(DownloadError):
    """The server sent an HTML page instead of the file."""

    def __init__(self, host: str, text: str, url: str) -> None:
        super().__init__(f"{host} sent a web page instead of the file")
        self.text, self.url = text, url


@dataclass(frozen=True, slots=True)
class Begun:
    """The state of a partial download.

    validator: the ETag or date of the version that was begun.
    """

    bytes: int
    url: str = ""
    validator: str = ""

    @classmethod
    def of(cls, part: Path) -> Begun:
        if not part.is_file():
            return cls(0)
        try:
            state = json.loads(_note(part).read_text(encoding="utf-8"))
            return cls(part.stat().st_size, str(state["url"]), str(state["validator"]))
        except (OSError, ValueError, KeyError, TypeError):
            return cls(part.stat().st_size)

    def headers(self, url: str, request: Request) -> dict[str, str]:
        """Headers that request the rest of the file.

        Without a validator, that is safe only if the hash is known and will be checked.
        """
        if self.bytes and self.url == url and self.validator:
            return {"Range": f"bytes={self.bytes}-", "If-Range": self.validator}
        return {"Range": f"bytes={self.bytes}-"} if self.bytes and request.sha256 else {}


def _note(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def discard(part: Path) -> None:
    """Remove a temporary file."""
    for path in (part, _note(part)):
        path.unlink(missing_ok=True)


def fetch(
    url: str,
    part: Path,
    request: Request,
    on_bytes: OnBytes,
    query: Mapping[str, str] | None = None,
    more: Mapping[str, str] | None = None,
) -> None:
    """Download a file, continuing the temporary file `part`.

    more: additional headers.

    Raises DownloadError and keeps the partial file, so that a later call can continue.
    """
    import requests
    import urllib3

    host, begun = urlsplit(url).netloc, Begun.of(part)
    headers = {"User-Agent": f"srcli/{__version__}", **(more or {}), "Accept-Encoding": "identity"}
    headers |= begun.headers(url, request)
    timeout = request.patience.timeout
    try:
        with requests.get(url, query, headers=headers, stream=True, timeout=(min(10, timeout), timeout)) as answer:
            _take(answer, host, url, part, begun, request, on_bytes)
    except requests.RequestException as error:
        raise DownloadError(f"{host} {_reason(error)}", temporary=not isinstance(error, ValueError)) from error
    except urllib3.exceptions.HTTPError as error:
        raise DownloadError(f"{host} closed the connection ({type(error).__name__})", temporary=True) from error


def _take(
    answer: requests.Response, host: str, url: str, part: Path, begun: Begun, request: Request, on_bytes: OnBytes
) -> None:
    if answer.status_code == 416:  # nothing is left to send: the file is complete, or of another version
        if answer.headers.get("Content-Range") == f"bytes */{begun.bytes}":
            return
        discard(part)
        raise DownloadError(f"{host} now has a different version of the file", temporary=True)
    _check_answer(answer, host, request)
    done = begun.bytes if answer.status_code == 206 else 0
    rest = _length(answer)
    total = None if rest is None else done + rest
    if answer.status_code == 206 and not answer.headers.get("Content-Range", "").startswith(f"bytes {done}-"):
        discard(part)
        raise DownloadError(f"{host} sent a different range than requested", temporary=True)
    check_size(host, total, request)
    check_space(part.parent, rest)
    with part.open("ab" if done else "wb") as file:
        _note(part).write_text(json.dumps({"url": url, "validator": _validator(answer)}), encoding="utf-8")
        pace = Pace(request)
        on_bytes(done, total)
        for chunk in answer.iter_content(CHUNK):
            file.write(chunk)
            done += len(chunk)
            on_bytes(done, total)
            pace.check(len(chunk), host)
            if request.size is not None and done > request.size:
                break
            if total is None and done % SPACE_CHECK < len(chunk):
                check_space(part.parent, 0)
    if request.size is not None and done > request.size:
        discard(part)
        raise DownloadError(f"{host} sent more than the expected {request.size:,} bytes")
    if total is not None and done < total:
        raise DownloadError(f"{host} closed the connection after {done:,} of {total:,} bytes", temporary=True)


def _check_answer(answer: requests.Response, host: str, request: Request) -> None:
    if answer.status_code in PASSING:
        after = answer.headers.get("Retry-After", "0")
        text = f"{host} answered {answer.status_code} {answer.reason}"
        raise DownloadError(text, temporary=True, after=float(after) if after.isdecimal() else 0.0)
    if answer.status_code not in (200, 206):
        raise DownloadError(f"{host} answered {answer.status_code} {answer.reason}")
    for step in (*answer.history, answer):
        end = urlsplit(step.url)
        if end.scheme == "http" and end.hostname not in LOOPBACK and not request.sha256:
            raise DownloadError(f"{host} redirects over unencrypted {end.netloc}, and the file's hash is unknown")
    if answer.headers.get("Content-Type", "").startswith("text/html"):
        page = answer.raw.read(MAX_PAGE, decode_content=True) or b""
        raise WebPage(host, page.decode("utf-8", "replace"), answer.url)


def _length(answer: requests.Response) -> int | None:
    text = answer.headers.get("Content-Length", "")
    return int(text) if text.isdecimal() and "Content-Encoding" not in answer.headers else None


def _validator(answer: requests.Response) -> str:
    """A strong ETag or else the date; a weak ETag does not guarantee equal bytes."""
    tag = answer.headers.get("ETag", "")
    return tag if tag and not tag.startswith("W/") else answer.headers.get("Last-Modified", "")


def _reason(error: Exception) -> str:
    from requests import exceptions as e

    if isinstance(error, e.ConnectionError) and "timed out" in str(error) and not isinstance(error, e.ConnectTimeout):
        return "stopped sending"  # in the middle of the file
    known: tuple[tuple[type[Exception], str], ...] = (
        (e.ProxyError, "cannot be reached through the proxy"),
        (e.SSLError, "has no trusted certificate"),
        (e.ConnectTimeout, "does not respond"),
        (e.Timeout, "stopped sending"),
        (e.ChunkedEncodingError, "closed the connection"),
        (e.ConnectionError, "cannot be reached"),
    )
    return next((text for kind, text in known if isinstance(error, kind)), f"failed: {type(error).__name__}")


class Pace:
    """Detects a connection that is too slow to wait for."""

    def __init__(self, request: Request) -> None:
        self.patience, self.since, self.bytes = request.patience, time.monotonic(), 0

    def check(self, more: int, host: str) -> None:
        self.bytes += more
        seconds = time.monotonic() - self.since
        if seconds > self.patience.timeout:
            if self.bytes < self.patience.slowest * seconds:
                raise DownloadError(f"{host} sends fewer than {self.patience.slowest} bytes per second", temporary=True)
            self.since, self.bytes = time.monotonic(), 0
