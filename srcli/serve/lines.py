"""JSON lines in, JSON lines out."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from srcli import arguments, batch
from srcli.batch.records import Record
from srcli.errors import SrcliError, reason_of
from srcli.schema import stamped
from srcli.serve.workers import Job, Pool
from srcli.service import Stop, parse


def run(source: Iterable[str | bytes], say: Callable[[dict[str, Any]], None], pool: Pool) -> int:
    """Enlarge what each line names, and say what became of it, as it is finished. Returns the exit code.

    source: JSON objects: `input`, and, if wanted, `output` (a file, folder or template), `overwrite`, `id` (given back)
        and the options of `srcli upscale`. It is read no further than the queue has room.
    say: told the records, then a summary.
    """
    records: list[Record] = []
    lock, waiting, wrong = threading.Lock(), set[Future[Record]](), 0
    broken: list[SrcliError] = []  # why nothing can be said any more

    def finished(mark: dict[str, Any], answer: Future[Record]) -> None:
        record = answer.result()
        with lock:
            records.append(record)
            waiting.discard(answer)
            try:
                say(stamped("file", record.to_dict()) | mark)
            except SrcliError as error:
                broken.append(error)

    for number, line in enumerate(source, 1):
        if broken:
            raise broken[0]
        if not line.strip():
            continue
        mark: dict[str, Any] = {"line": number}
        try:
            values = _object(line, number)
            mark = {"id": values.pop("id")} if "id" in values else mark
            answer = pool.submit(_job(values, pool), wait=True)
        except SrcliError as error:
            wrong += 1
            pool.metrics.refuse(reason_of(error))
            told = {"error": str(error), "reason": reason_of(error), "retryable": error.retryable}
            with lock:
                say(stamped("error", told | {"exit_code": error.exit_code}) | mark)
            continue
        with lock:
            waiting.add(answer)
        answer.add_done_callback(lambda each, mark=mark: finished(mark, each))  # type: ignore[misc]
    for answer in list(waiting):
        answer.exception()  # waits
    if broken:
        raise broken[0]
    code = batch.exit_code(records)
    code = code if not wrong else 3 if any(r.status == "done" for r in records) else 2
    counts = Counter(record.status for record in records) + Counter({"refused": wrong})
    failed = [record.input for record in records if record.status == "failed"]
    with lock:
        say(stamped("summary", {"summary": dict(counts), "exit_code": code, "failed": failed}))
    return code


def _object(line: str | bytes, number: int) -> dict[str, Any]:
    """What a line holds. Raises ArgumentError."""
    try:
        values = json.loads(line)
    except ValueError as error:
        raise arguments.ArgumentError(f"line {number} is not JSON: {error}") from None
    if not isinstance(values, dict) or "input" not in values:
        raise arguments.ArgumentError(f"line {number} is not a JSON object with an input")
    return values


def _job(values: dict[str, Any], pool: Pool) -> Job:
    """The job that a line asks for; its time counts from its start. Raises ArgumentError."""
    source, out = values.pop("input"), values.pop("output", None)
    return Job(
        source=Path(arguments.text("input", source)),
        out=None if out is None else Path(arguments.text("output", out)),
        overwrite=arguments.truth("overwrite", values.pop("overwrite", False)),
        wanted=parse(values),
        stop=Stop(pool.limits.seconds),
        patient=True,
    )
