"""HTTP: a picture in the body of a request, its options in the query, the result in the answer."""

from __future__ import annotations

import asyncio
import json
import mimetypes
import shutil
import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, JSONResponse, Response
from starlette.background import BackgroundTask
from starlette.middleware.trustedhost import TrustedHostMiddleware

from srcli import __version__
from srcli.batch.records import Record
from srcli.errors import SrcliError, reason_of
from srcli.images.source import TooLarge
from srcli.schema import stamped
from srcli.serve.workers import Job, Pool
from srcli.service import Stop, TimedOut, parse, without_folder

RECORD = "Srcli-Record"  # the header with the record of a result
LOOPBACK = ("127.0.0.1", "localhost", "::1")
STATUS = {
    "too-large": 413, "unreadable": 422, "too-small": 422, "large-enough": 422, "missing-package": 422,
    "cancelled": 499, "busy": 503, "unhealthy": 503, "timeout": 504, "memory": 507, "forbidden": 403,
}  # fmt: skip


class Forbidden(SrcliError):
    """A request that a page of another site sent."""

    reason = "forbidden"


def build(pool: Pool, *, host: str = LOOPBACK[0]) -> FastAPI:
    """The application.

    host: where it listens; on loopback it answers to names of loopback alone, so that no web page can reach it by a
        name of its own.
    """
    app = FastAPI(title="srcli", version=__version__, docs_url=None, redoc_url=None)
    if host in LOOPBACK:
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=[*LOOPBACK, "[::1]"])
    app.add_api_route("/upscale", partial(_upscale, pool), methods=["POST"], response_model=None)
    app.add_api_route("/healthz", partial(_healthz, pool), methods=["GET"], response_model=None)
    app.add_api_route("/metrics", partial(_metrics, pool), methods=["GET"], response_model=None)
    return app


async def _upscale(pool: Pool, request: Request) -> Response:
    """Enlarge the picture in the body. Options of `srcli upscale` by their long names, and `name`, the file's."""
    stop, folder = Stop(pool.limits.seconds), Path(tempfile.mkdtemp(prefix="srcli-serve-"))
    done = BackgroundTask(shutil.rmtree, folder, ignore_errors=True)
    try:
        _check_origin(request.headers)
        values = dict(request.query_params)
        source = folder / _name(values.pop("name", ""), request.headers.get("content-type", ""))
        wanted = parse(values)
        await _receive(request, source, pool.limits.bytes, stop)
        job = Job(source=source, out=folder / "result", wanted=wanted, stop=stop)
        record = await _answer(pool, job, request)
    except SrcliError as error:
        pool.metrics.refuse(reason_of(error))
        return _refused(error, done)
    except BaseException:  # the client has gone in the middle of its picture, or the server ends
        stop.asked.set()
        await done()
        raise
    told = stamped("file", without_folder(record, folder, folder / "result").to_dict())
    if record.status != "done" or record.output is None:
        return JSONResponse(told, _status(record), _later(bool(record.retryable)), background=done)
    headers = {RECORD: json.dumps(told)}
    media = mimetypes.guess_type(record.output)[0] or "application/octet-stream"
    return FileResponse(record.output, 200, headers, media, done, Path(record.output).name)


def _check_origin(headers: Mapping[str, str]) -> None:
    """Raise Forbidden for requests of web pages, but for those from the same address."""
    origin = headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != headers.get("host"):
        raise Forbidden(f"requests from pages of {origin} are not taken")


def _name(given: str, kind: str) -> str:
    """A file name: the one given, without folders, or one of the kind of the content."""
    name = "".join(c for c in given.replace("\\", "/").rpartition("/")[2] if c.isprintable())[-100:].lstrip(".")
    return name or f"picture{mimetypes.guess_extension(kind.partition(';')[0]) or ''}"


async def _receive(request: Request, file: Path, most: int, stop: Stop) -> None:
    """Write a request's body to a file. Raises TooLarge or TimedOut."""
    said = request.headers.get("content-length", "")
    refusal = TooLarge(f"the file has more than {most} bytes, the limit here")
    if said.isdecimal() and int(said) > most:
        raise refusal
    received = 0
    try:
        async with asyncio.timeout(stop.seconds):
            with file.open("wb") as sink:
                async for chunk in request.stream():
                    received += len(chunk)
                    if received > most:
                        raise refusal
                    sink.write(chunk)
    except TimeoutError:
        raise TimedOut(f"the file had not arrived after {stop.seconds:g} seconds, the limit here") from None


async def _answer(pool: Pool, job: Job, request: Request) -> Record:
    """Wait for a picture; if the client goes, its work ends. Raises Full."""
    answer = asyncio.wrap_future(pool.submit(job))
    while not answer.done():
        await asyncio.wait([answer], timeout=0.5)
        if not answer.done() and await request.is_disconnected():
            job.stop.asked.set()
    return await answer


def _refused(error: SrcliError, done: BackgroundTask) -> Response:
    reason = reason_of(error)
    told = {"error": str(error), "reason": reason, "retryable": error.retryable, "exit_code": error.exit_code}
    return JSONResponse(
        stamped("error", told), _code(reason, error.exit_code), _later(error.retryable), background=done
    )


def _later(retryable: bool) -> dict[str, str] | None:
    return {"Retry-After": "5"} if retryable else None


def _status(record: Record) -> int:
    return _code(record.reason or record.status, record.exit_code)


def _code(reason: str, exit_code: int) -> int:
    return STATUS.get(reason, 400 if exit_code == 2 else 500)


async def _healthz(pool: Pool) -> Response:
    """Whether all workers make of the canary what they should."""
    workers: list[dict[str, Any]] = await asyncio.to_thread(pool.health)
    well = all(worker["ok"] for worker in workers)
    told = {"status": "ok" if well else "unhealthy", "version": __version__, "workers": workers}
    return JSONResponse(told, 200 if well else 503)


async def _metrics(pool: Pool) -> Response:
    """For Prometheus."""
    return Response(pool.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")
