"""The terminal output of `srcli bench`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from srcli.cli.shared.console import Output

if TYPE_CHECKING:
    from srcli.bench.metrics import Metric
    from srcli.bench.quality import Row
    from srcli.bench.roofline import Roofline
    from srcli.bench.timing import Timing


def progress(output: Output) -> Callable[[int, int], None]:
    """A callback that shows how many pictures are done."""
    if output.json or not sys.stderr.isatty():
        return lambda done, total: None
    return lambda done, total: print(f"\r{done}/{total}", end="\n" if done == total else "", file=sys.stderr)


def scores(rows: list[Row], metrics: list[Metric], title: str, output: Output) -> None:
    """Print a table of scores."""
    from rich.table import Table
    from rich.text import Text

    columns = [column for metric in metrics for column in metric.columns()]
    table = Table(title=Text(title))
    for heading in ("scale", "model", "pictures", *(heading for _, heading, _ in columns)):
        table.add_column(heading, justify="left" if heading == "model" else "right")
    for number, row in enumerate(rows):
        last = number + 1 == len(rows) or rows[number + 1].scale != row.scale
        values = ("" if (v := row.values[name]) is None else f"{v:.{digits}f}" for name, _, digits in columns)
        count = f"{row.images}" + (f" ({row.failed} failed)" if row.failed else "")
        table.add_row(f"x{row.scale}", Text(row.variant), count, *values, end_section=last)
    output.table(table)


def times(timings: list[Timing], peak: float, output: Output) -> None:
    """Print a table of times."""
    from rich.table import Table

    stages = list(dict.fromkeys(s for t in timings for s in t.stages))
    title = f"seconds per output megapixel, {timings[0].repeats} runs after a warm-up"
    table = Table(title=title, caption=f"for comparison, a plain 3x3 convolution: {peak:.0f} GFLOP/s")
    headings = (
        "scale",
        "model",
        "picture",
        "output",
        "s/Mpx",
        "fastest",
        "slowest",
        *stages,
        "load",
        "GFLOP/s",
        "memory",
    )
    for heading in headings:
        table.add_column(heading, justify="left" if heading in ("model", "picture") else "right")
    for number, row in enumerate(timings):
        last = number + 1 == len(timings) or timings[number + 1].scale != row.scale
        memory = "" if row.memory_above_idle is None else f"{row.memory_above_idle / 1e6:.0f} MB"
        parts = (f"{row.stages.get(s, 0) / row.megapixels:.3f}" for s in stages)
        seconds = (f"{v:.3f}" for v in (row.seconds_per_megapixel, row.fastest, row.slowest))
        ends = (f"{row.load_seconds:.2f} s", f"{row.gflops:.0f}", memory)
        table.add_row(
            f"x{row.scale:g}", row.variant, row.picture, row.output, *seconds, *parts, *ends, end_section=last
        )
    output.table(table)


def rooflines(found: list[Roofline], output: Output) -> None:
    """Print a table of stages against the device's peaks."""
    from rich.table import Table

    peaks = found[0].peaks
    caption = f"a matrix product: {peaks.flop / 1e9:.0f} GFLOP/s; a copy: {peaks.bytes / 1e9:.1f} GB/s"
    table = Table(title="stages against what the device can do", caption=caption)
    for heading in ("scale", "model", "stage", "s/Mpx", "time", "GFLOP/Mpx", "MB/Mpx", "kernels", "product", "copy"):
        table.add_column(heading, justify="left" if heading in ("model", "stage") else "right")
    for row in found:
        for number, stage in enumerate(row.stages):
            table.add_row(
                f"x{row.scale:g}" if number == 0 else "",
                row.variant if number == 0 else "",
                stage.stage,
                f"{stage.seconds / row.megapixels:.4f}",
                f"{stage.seconds / row.seconds:.0%}",
                f"{stage.flop / row.megapixels / 1e9:.1f}",
                f"{stage.bytes / row.megapixels / 1e6:.0f}",
                f"{stage.kernels}",
                f"{stage.product_share:.1%}",
                f"{stage.copy_share:.1%}",
                end_section=number + 1 == len(row.stages),
            )
    output.table(table)
