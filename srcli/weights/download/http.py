"""Plain HTTP: resumed by ranges, watched for its speed."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from srcli import __version__
from srcli.weights.download.base import DownloadError, Told, Wanted, check_size, check_space

if TYPE_CHECKING:
    import requests

CHUNK = 2**15  # of a connection that breaks, at most so much is asked for again
WATCHED = 2**26  # bytes between looks at the free space, where the server does not say how much comes
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
LOOPBACK = ("127.0.0.1", "::1", "localhost")
LONGEST_PAGE = 2**20


class WebPage(DownloadError):
    """A page for people where a file was asked for."""

    def __init__(self, host: str, text: str, url: str) -> None:
        super().__init__(f"{host} sent a web page instead of the file")
        self.text, self.url = text, url


@dataclass(frozen=True, slots=True)
class Begun:
    """What a temporary file holds. validator: the server's name for the version that it came from."""

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

    def headers(self, url: str, wanted: Wanted) -> dict[str, str]:
        """That ask for the rest: of the version that was begun, or, where the hash will tell, of whatever is there."""
        if self.bytes and self.url == url and self.validator:
            return {"Range": f"bytes={self.bytes}-", "If-Range": self.validator}
        return {"Range": f"bytes={self.bytes}-"} if self.bytes and wanted.sha256 else {}


def _note(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def discard(part: Path) -> None:
    """Remove a temporary file."""
    for path in (part, _note(part)):
        path.unlink(missing_ok=True)


def fetch(
    url: str, part: Path, wanted: Wanted, told: Told, query: Mapping[str, str] | None = None,
    more: Mapping[str, str] | None = None,
) -> None:  # fmt: skip
    """Bring a temporary file to its end, from where it is. more: headers. Raises DownloadError; the file stays, to be
    gone on with."""
    import requests
    import urllib3

    host, begun = urlsplit(url).netloc, Begun.of(part)
    headers = {"User-Agent": f"srcli/{__version__}", **(more or {}), "Accept-Encoding": "identity"}
    headers |= begun.headers(url, wanted)
    timeout = wanted.patience.timeout
    try:
        with requests.get(url, query, headers=headers, stream=True, timeout=(min(10, timeout), timeout)) as answer:
            _take(answer, host, url, part, begun, wanted, told)
    except requests.RequestException as error:
        raise DownloadError(f"{host} {_why(error)}", passing=not isinstance(error, ValueError)) from error
    except urllib3.exceptions.HTTPError as error:
        raise DownloadError(f"{host} broke off ({type(error).__name__})", passing=True) from error


def _take(answer: requests.Response, host: str, url: str, part: Path, begun: Begun, wanted: Wanted, told: Told) -> None:
    if answer.status_code == 416:  # nothing after what is there: it is whole, or of another version
        if answer.headers.get("Content-Range") == f"bytes */{begun.bytes}":
            return
        discard(part)
        raise DownloadError(f"{host} has another version than the one begun", passing=True)
    _check_answer(answer, host, wanted)
    done = begun.bytes if answer.status_code == 206 else 0
    rest = _length(answer)
    total = None if rest is None else done + rest
    if answer.status_code == 206 and not answer.headers.get("Content-Range", "").startswith(f"bytes {done}-"):
        discard(part)
        raise DownloadError(f"{host} sent another range than was asked for", passing=True)
    check_size(host, total, wanted)
    check_space(part.parent, rest)
    with part.open("ab" if done else "wb") as file:
        _note(part).write_text(json.dumps({"url": url, "validator": _validator(answer)}), encoding="utf-8")
        pace = Pace(wanted)
        told(done, total)
        for chunk in answer.iter_content(CHUNK):
            file.write(chunk)
            done += len(chunk)
            told(done, total)
            pace.check(len(chunk), host)
            if wanted.size is not None and done > wanted.size:
                break
            if total is None and done % WATCHED < len(chunk):
                check_space(part.parent, 0)
    if wanted.size is not None and done > wanted.size:
        discard(part)
        raise DownloadError(f"{host} sends more than the {wanted.size:,} bytes that the file has")
    if total is not None and done < total:
        raise DownloadError(f"{host} broke off after {done:,} of {total:,} bytes", passing=True)


def _check_answer(answer: requests.Response, host: str, wanted: Wanted) -> None:
    if answer.status_code in PASSING:
        after = answer.headers.get("Retry-After", "0")
        text = f"{host} answered {answer.status_code} {answer.reason}"
        raise DownloadError(text, passing=True, after=float(after) if after.isdecimal() else 0.0)
    if answer.status_code not in (200, 206):
        raise DownloadError(f"{host} answered {answer.status_code} {answer.reason}")
    for step in (*answer.history, answer):
        end = urlsplit(step.url)
        if end.scheme == "http" and end.hostname not in LOOPBACK and not wanted.sha256:
            raise DownloadError(f"{host} leads by {end.netloc} without encryption, and the file's hash is not known")
    if answer.headers.get("Content-Type", "").startswith("text/html"):
        page = answer.raw.read(LONGEST_PAGE, decode_content=True) or b""
        raise WebPage(host, page.decode("utf-8", "replace"), answer.url)


def _length(answer: requests.Response) -> int | None:
    text = answer.headers.get("Content-Length", "")
    return int(text) if text.isdecimal() and "Content-Encoding" not in answer.headers else None


def _validator(answer: requests.Response) -> str:
    """A strong entity tag, else the date; a weak tag is no promise about bytes."""
    tag = answer.headers.get("ETag", "")
    return tag if tag and not tag.startswith("W/") else answer.headers.get("Last-Modified", "")


def _why(error: Exception) -> str:
    from requests import exceptions as e

    if isinstance(error, e.ConnectionError) and "timed out" in str(error) and not isinstance(error, e.ConnectTimeout):
        return "stopped sending"  # in the middle of the file
    known: tuple[tuple[type[Exception], str], ...] = (
        (e.ProxyError, "cannot be reached through the proxy"),
        (e.SSLError, "has no certificate that can be trusted"),
        (e.ConnectTimeout, "does not answer"),
        (e.Timeout, "stopped sending"),
        (e.ChunkedEncodingError, "broke off"),
        (e.ConnectionError, "cannot be reached"),
    )
    return next((text for kind, text in known if isinstance(error, kind)), f"failed: {type(error).__name__}")


class Pace:
    """Notices a connection that is alive and too slow to wait for."""

    def __init__(self, wanted: Wanted) -> None:
        self.patience, self.since, self.bytes = wanted.patience, time.monotonic(), 0

    def check(self, more: int, host: str) -> None:
        self.bytes += more
        seconds = time.monotonic() - self.since
        if seconds > self.patience.timeout:
            if self.bytes < self.patience.slowest * seconds:
                raise DownloadError(f"{host} sends less than {self.patience.slowest} bytes a second", passing=True)
            self.since, self.bytes = time.monotonic(), 0
