"""A web server on the loopback that sends files as the hub and as mirrors do, and misbehaves when it is told to."""

from __future__ import annotations

import hashlib
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Barrier, Event, Thread
from urllib.parse import parse_qs, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
RESOLVE = re.compile(r"/([\w.-]+/[\w.-]+)/resolve/([\w./-]+?)/(.+)")
Fault = Callable[["Handler", bytes, int], None]


@dataclass
class Server:
    """files: by path. faults: by path, for its next GETs in order; each is given the handler, the body and its start.
    hub: contents of repositories by repo/path. drive: files by id. asked: what came, as (method, path, Range)."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    hub: dict[str, bytes] = field(default_factory=dict)
    drive: dict[str, bytes] = field(default_factory=dict)
    faults: dict[str, list[Fault]] = field(default_factory=dict)
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    ranges: bool = True

    def gets(self, path: str) -> list[str]:
        """The ranges that were asked for."""
        return [asked for method, where, asked in self.asked if method == "GET" and where == path]


class Quiet(ThreadingHTTPServer):
    """Clients that leave in the middle are what these tests are about."""

    daemon_threads = True

    def handle_error(self, request: object, address: object) -> None:
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, address)  # type: ignore[arg-type]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_: Server

    def log_message(self, *args: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        self.server_.asked.append((self.command, path, self.headers.get("Range", "")))
        self.server_.tokens.append(self.headers.get("Authorization", ""))
        if match := RESOLVE.fullmatch(path):
            self.resolve(match[1], match[3])
        elif path.startswith("/blobs/"):
            self.send(next(b for b in self.server_.hub.values() if digest(b) == path.removeprefix("/blobs/")), path)
        elif (identity := parse_qs(urlsplit(self.path).query).get("id", [""])[0]) in self.server_.drive:
            self.send(self.server_.drive[identity], f"{path}?{identity}")
        elif path in self.server_.files:
            self.send(self.server_.files[path], path)
        else:
            self.answer(404, {"X-Error-Code": "EntryNotFound"}, b"not here")

    def resolve(self, repo: str, path: str) -> None:
        """A file of a repository: a redirect that says what it is, as for files in the hub's large storage."""
        if not any(name.startswith(repo + "/") for name in self.server_.hub):
            self.answer(401, {"X-Error-Code": "RepoNotFound"}, b"")
            return
        body = self.server_.hub.get(f"{repo}/{path}")
        if body is None:
            self.answer(404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT}, b"")
            return
        facts = {"X-Repo-Commit": COMMIT, "X-Linked-Etag": f'"{digest(body)}"', "X-Linked-Size": str(len(body))}
        elsewhere = self.server_.url.replace("127.0.0.1", "localhost")  # as the hub sends to its storage
        self.answer(302, facts | {"Location": f"{elsewhere}/blobs/{digest(body)}"}, b"")

    def send(self, body: bytes, path: str) -> None:
        start, tag = 0, f'"{digest(body)[:16]}"'
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        fresh = self.headers.get("If-Range", tag) == tag
        if asked and self.server_.ranges and fresh:
            start = int(asked[1])
            if start >= len(body):
                self.answer(416, {"Content-Range": f"bytes */{len(body)}"}, b"")
                return
        queue = self.server_.faults.get(path, [])
        if queue and self.command == "GET":
            queue.pop(0)(self, body, start)
            return
        self.head(body, start, tag)
        if self.command == "GET":
            self.wfile.write(body[start:])

    def head(self, body: bytes, start: int, tag: str | None = None) -> None:
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body) - start))
        self.send_header("ETag", tag or f'"{digest(body)[:16]}"')
        self.send_header("Accept-Ranges", "bytes")
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        self.end_headers()

    def answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)


def digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


# --- faults ---


def breaks(share: float) -> Fault:
    """The connection ends after a share of the whole file."""

    def fault(handler: Handler, body: bytes, start: int) -> None:
        handler.head(body, start)
        handler.wfile.write(body[start : max(start, int(len(body) * share))])
        handler.wfile.flush()
        handler.close_connection = True

    return fault


def says(status: int, **headers: str) -> Fault:
    return lambda handler, body, start: handler.answer(
        status, {name.replace("_", "-"): value for name, value in headers.items()}, b""
    )


def page(text: str) -> Fault:
    return lambda handler, body, start: handler.answer(200, {"Content-Type": "text/html; charset=utf-8"}, text.encode())


def trickles(count: int, every: float) -> Fault:
    """Some bytes, one at a time."""

    def fault(handler: Handler, body: bytes, start: int) -> None:
        handler.head(body, start)
        for n in range(start, start + count):
            handler.wfile.write(body[n : n + 1])
            handler.wfile.flush()
            time.sleep(every)
        handler.close_connection = True

    return fault


def slowly(seconds: float) -> Fault:
    """All of it, in twenty pieces over that time."""

    def fault(handler: Handler, body: bytes, start: int) -> None:
        handler.head(body, start)
        step = -(-(len(body) - start) // 20)
        for n in range(start, len(body), step):
            handler.wfile.write(body[n : n + step])
            handler.wfile.flush()
            time.sleep(seconds / 20)

    return fault


class Pauses:
    """Half of it, and the rest when it is told to go on."""

    def __init__(self) -> None:
        self.go_on, self.gave_up = Event(), False

    def __call__(self, handler: Handler, body: bytes, start: int) -> None:
        handler.head(body, start)
        half = (start + len(body)) // 2
        handler.wfile.write(body[start:half])
        handler.wfile.flush()
        self.gave_up = not self.go_on.wait(60)
        handler.wfile.write(body[half:])


def together(count: int) -> Fault:
    """All of it, when as many clients wait for it at once; the connection breaks if they do not."""
    barrier = Barrier(count)

    def fault(handler: Handler, body: bytes, start: int) -> None:
        barrier.wait(60)
        handler.head(body, start)
        handler.wfile.write(body[start:])

    return fault


@contextmanager
def running() -> Iterator[Server]:
    state = Server()
    handler = type("Bound", (Handler,), {"server_": state})
    server = Quiet(("127.0.0.1", 0), handler)
    state.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
