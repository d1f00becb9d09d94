"""What `srcli upscale` says while it works and at the end."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from srcli.cli.console import Output

if TYPE_CHECKING:
    from srcli.batch import Plan, Record
    from srcli.batch.plan import Item
    from srcli.pipelines.base import Sampling
    from srcli.upscaler import Upscaler


@contextmanager
def progress(count: int, output: Output) -> Iterator[Callable[[Item, int, int], None]]:
    """A bar with the share of the output done, its speed and the time left; nothing where nobody looks."""
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
            rate = done / 1e6 / max(1e-9, time.monotonic() - started)
            bar.update(task, completed=done, total=total, rate=f"{rate:.1f} Mpx/s")

        try:
            yield advance
        finally:
            output.live = None


def report(record: Record, output: Output, alone: bool) -> None:
    """`alone`: no batch; then a skip is the failure of the run, and said even when quiet."""
    output.record(record.to_dict())
    if record.status == "failed":
        output.problem(f"failed: {record.error}")
    elif record.status == "skipped":
        (output.problem if alone else output.notice)(f"skipped: {record.error}")
    else:
        how = f"{record.width}x{record.height}"
        if record.status == "done":
            how += f", {record.seconds:.1f} s" + (f", {record.tiles} tiles" if output.verbose and record.tiles else "")
        output.say(f"{record.output} ({how})" + (" would be made" if record.status == "planned" else ""))
    if not output.json:
        for note in record.notes:
            output.notice(f"{record.input}: {note}")


def summary_of(records: list[Record], upscaler: Upscaler, output: Output, code: int, left: int) -> None:
    counts = Counter(r.status for r in records)
    if left:
        counts["not done"] = left
    summary = {
        "summary": dict(counts),
        "exit_code": code,
        "model": upscaler.entry.name,
        "device": str(upscaler.runtime.device),
        "precision": upscaler.runtime.precision,
        "tiling": upscaler.model.tiling,
        "failed": [r.input for r in records if r.status == "failed"],
    }
    output.record(summary)
    if len(records) > 1 or left:
        output.say(", ".join(f"{n} {status}" for status, n in counts.items()))
    if output.verbose:
        how = upscaler.runtime
        output.notice(
            f"{upscaler.entry.name} on {how.device} in {how.precision} ({how.reason}), {upscaler.threads} threads"
        )


def warn(upscaler: Upscaler, sampling: Sampling, output: Output) -> None:
    """Say which options the model does not look at."""
    if sampling.temperature and "prior" in upscaler.entry.parts and sampling.detail > 0:
        output.notice(f"--temperature has no effect on {upscaler.entry.name}, which predicts; its flow alone samples")
    if sampling.detail != 1.0 and not upscaler.model.most_detail:
        output.notice(f"--detail has no effect on {upscaler.entry.name}; it has no prior")
    if (sampling.steps != 1 or sampling.colour) and not {"velocity", "unet"} & set(upscaler.entry.parts):
        output.notice(f"--steps and --colour have no effect on {upscaler.entry.name}")


def tell_plan(plan: Plan, output: Output) -> None:
    """What a person might not expect of a plan."""

    def some(names: list[str]) -> str:
        return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")

    if plan.left_out:
        names = some([p.name for p in plan.left_out])
        output.notice(f"left out, as results of earlier runs: {names}; name them to enlarge them again")
    if plan.renamed:
        names = some([f"{item.source.name} as {item.name}" for item in plan.renamed])
        output.notice(f"named apart, since their results would have the same name: {names}")
    if not plan.items:
        output.notice("nothing to do: no picture is chosen")
