"""`srcli train pairs`: lessons of a strong teacher, made before a run."""

from pathlib import Path
from typing import Annotated

import typer

from srcli.cli.shared.console import Output, errors
from srcli.cli.shared.training import data as train_data


def pairs(
    teacher: Annotated[
        str, typer.Option("--teacher", help="The model to learn from: a name or a file.", show_default=False)
    ],
    data: Annotated[Path, typer.Option("--data", help="Folder of sharp photos.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", help="Folder of the lessons.", show_default=False)],
    count: Annotated[int, typer.Option("--count", min=1, help="Lessons in the folder when it is done.")] = 8192,
    side: Annotated[int, typer.Option("--side", min=48, max=512, help="Pixels a side of a lesson.")] = 144,
    exclude: Annotated[
        list[str] | None, typer.Option("--exclude", help="File names to leave out, e.g. 'bsds_*'.")
    ] = None,
    hold_out: Annotated[int, typer.Option("--hold-out", min=0, help="Photos kept for evaluation.")] = 0,
    seed: Annotated[int, typer.Option("--seed", help="Of photos, degradations and graphics.")] = 0,
    threads: Annotated[int | None, typer.Option("--threads", help="CPU threads.", show_default="all")] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
) -> None:
    """Make lessons for srcli train restorer: degraded photos, graphics and parts of photos as they are, each with a
    teacher's picture. Run it again to resume, or with a larger --count to add lessons. Weights that learn
    from a teacher may fall under its licence: say so beside them."""
    output = Output()
    with errors(debug):
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

        from srcli import runtime
        from srcli.training.data.lesson_files import make_lessons

        runtime.set_threads(threads)
        source = train_data.taught_photos(data, teacher, side, tuple(exclude or ()), hold_out)
        columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=output.err, disable=not output.err.is_terminal) as bar:
            task = bar.add_task("", total=count)
            made = make_lessons(source, out, count, seed, lambda done: bar.update(task, completed=done))
        output.say(f"{made} lessons made by {source.teacher.name}; {count} in {out}")
