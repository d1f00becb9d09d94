"""Run a batch and report it: a progress bar, a line per file, a summary; and handle signals."""

from __future__ import annotations

import logging
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from srcli.cli.shared.console import INTERRUPTED, Output

if TYPE_CHECKING:
    from srcli.batch import Control, Plan, Record
    from srcli.batch.names import Item

    Progress = Callable[[Item, int, int], None]


def log_to_stderr() -> None:
    """Show debug messages."""
    logging.basicConfig()
    logging.getLogger("srcli").setLevel(logging.DEBUG)


def tell_plan(plan: Plan, output: Output) -> None:
    """Print what users might not expect of a plan."""

    def some(names: list[str]) -> str:
        return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")

    if plan.left_out:
        names = some([p.name for p in plan.left_out])
        output.notice(f"skipped as results of earlier runs: {names}; to process one anyway, give its path")
    if plan.renamed:
        names = some([f"{item.source.name} as {item.name}" for item in plan.renamed])
        output.notice(f"renamed, as their results would have the same name: {names}")
    if not plan.items:
        output.notice("nothing to do: no pictures selected")


def follow(
    run: Callable[[Progress, Control], Iterator[Record]],
    plan: Plan,
    output: Output,
    settings: dict[str, Any],
    *,
    rated: bool = False,
    explain: bool = False,
) -> int:
    """Run a plan, report each file and return the exit code.

    run: starts the run, given callbacks for progress and control.
    settings: facts about all results, for the summary.
    rated: whether progress is in pixels, so that a rate can be shown.
    explain: whether to print the measurements of each picture.
    """
    from srcli import batch
    from srcli.cli.shared import signals

    control, records, ended = batch.Control.new(), [], False
    code = 0
    try:
        with signals.gently(control, output.notice), _progress(len(plan.items), output, rated) as progress:
            for record in run(progress, control):
                records.append(record)
                _report(record, output, len(plan.items) == 1 and not plan.many, explain)
    except signals.Ended as signal:
        code, ended = signal.code, True
        output.problem(f"srcli: ended by {signal}")
    reached = Counter(record.input for record in records)
    left = sum((Counter(str(item.source) for item in plan.items) - reached).values())
    if not ended:
        code = INTERRUPTED if control.finish.is_set() and left else batch.exit_code(records)
    _sum_up(records, output, settings, code, left)
    if control.finish.is_set() or ended:
        signals.leave(code)
    return code


@contextmanager
def _progress(count: int, output: Output, rated: bool) -> Iterator[Progress]:
    """Show a progress bar for the current file, unless the output is quiet, JSON or not a terminal."""
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    if output.quiet or output.json or not sys.stderr.isatty():
        yield lambda item, done, total: None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=output.err, transient=True) as bar:
        output.live = bar.console
        number, current, task, started = 0, None, bar.add_task("", total=1, rate=""), 0.0

        def advance(item: Item, done: int, total: int) -> None:
            nonlocal number, current, started
            if item is not current:
                number, current, started = number + 1, item, time.monotonic()
                name = item.source.name if count == 1 else f"{number}/{count} {item.source.name}"
                bar.reset(task, description=name, total=total, rate="")
            rate = f"{done / 1e6 / max(1e-9, time.monotonic() - started):.1f} Mpx/s" if rated else ""
            bar.update(task, completed=done, total=total, rate=rate)

        try:
            yield advance
        finally:
            output.live = None


def _report(record: Record, output: Output, alone: bool, explain: bool) -> None:
    """Print the record of a file.

    alone: whether it is not a batch; a skipped file is then a failure, printed even when quiet.
    """
    output.record(record.to_dict())
    if record.status == "failed":
        output.problem(f"failed: {record.error}")
    elif record.status == "skipped":
        (output.problem if alone else output.notice)(f"skipped: {record.error}")
    else:
        details = f"{record.width}x{record.height}"
        if record.status == "done":
            details += f", {record.seconds:.1f} s" + (
                f", {record.tiles} tiles" if output.verbose and record.tiles else ""
            )
        if record.choice:
            details += f"; {record.model}: {record.choice['why']}"
            if ours := record.choice.get("instead_of"):
                details += f"; much faster: -n {ours}"
        output.say(f"{record.output} ({details})" + (" would be made" if record.status == "planned" else ""))
        if explain and record.choice:
            seen = ", ".join(f"{name} {value:g}" for name, value in record.choice["seen"].items() if value is not None)
            detail = "" if record.detail is None else f", detail {record.detail:g}"
            output.say(f"  {record.choice['kind']}{detail}: {seen}")
    if not output.json:
        for note in record.notes:
            output.notice(f"{record.input}: {note}")


def _sum_up(records: list[Record], output: Output, settings: dict[str, Any], code: int, left: int) -> None:
    """Print the summary of a run."""
    counts = Counter(r.status for r in records)
    if left:
        counts["not done"] = left
    failed = [r.input for r in records if r.status == "failed"]
    output.record({"summary": dict(counts), "exit_code": code, **settings, "failed": failed})
    if len(records) > 1 or left:
        output.say(", ".join(f"{n} {status}" for status, n in counts.items()))
