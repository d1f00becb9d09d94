"""`srcli compare`: a page to compare versions of one or more pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from srcli.cli.shared.console import Output, errors

if TYPE_CHECKING:
    from srcli.bench.compare import Scene

EXAMPLES = """Examples:\n
  srcli compare bicubic.png srcli.png -o page.html\n
  srcli compare bicubic/ esrgan/ srcli/ --original photos/ --border 4 -o page.html\n
  srcli compare before.png after.png --terminal"""

SOME_FAILED = 3


def command(
    inputs: Annotated[
        list[Path],
        typer.Argument(
            metavar="A B [C...]", help="Pictures, or folders of pictures matched by name.", show_default=False
        ),
    ],
    out: Annotated[Path, typer.Option("-o", "--out", help="The HTML page to write.")] = Path("compare.html"),
    original: Annotated[
        Path | None, typer.Option("--original", "--hr", help="The original, or a folder of originals; adds scores.")
    ] = None,
    label: Annotated[list[str] | None, typer.Option("--label", help="A label for each input, in order.")] = None,
    border: Annotated[int, typer.Option("--border", min=0, help="Pixels to exclude from scores on each side.")] = 0,
    overwrite: Annotated[bool, typer.Option("-y", "--overwrite", help="Replace an existing page.")] = False,
    terminal: Annotated[
        bool, typer.Option("--terminal", help="Show a preview in the terminal instead of writing a page.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
) -> None:
    """Write a self-contained HTML page with a slider, synchronised zoom and pan, and a difference view.

    Versions of the original's size are scored with PSNR-Y in dB and SSIM-Y; nothing is resized for scoring.
    """
    output = Output()
    with errors(debug):
        from srcli.bench import compare
        from srcli.report.compare import write

        found, problems = compare.scenes(inputs, original)
        labels = compare.labels_of(inputs, original, label)
        if terminal:
            _preview(found[0], labels, output)
        else:
            _check_output(out, [*inputs, *([original] if original else [])], overwrite)
            shown = list(compare.entries(found, border, problems))
            if shown:
                write(out, labels, shown)
                output.say(f"{out}: {len(shown)} {'picture' if len(shown) == 1 else 'pictures'}")
        for problem in problems:
            output.problem(problem)
    if problems:
        raise typer.Exit(SOME_FAILED if terminal or shown else 1)


def _check_output(out: Path, inputs: list[Path], overwrite: bool) -> None:
    from srcli.bench.compare import CompareError

    if out.resolve() in {p.resolve() for p in inputs} or out.is_dir():
        raise CompareError(f"{out} is an input or a folder; choose another page with -o")
    if out.exists() and not overwrite:
        raise CompareError(f"{out} exists; use -y to replace it")


def _preview(scene: Scene, labels: list[str], output: Output) -> None:
    from srcli import images
    from srcli.bench.compare import CompareError
    from srcli.report.terminal import preview

    console = output.out
    if console.color_system != "truecolor":
        raise CompareError("this terminal does not support 24-bit colour; write a page instead, without --terminal")
    files = [*scene.shots, *([scene.original] if scene.original else [])]
    console.print(preview([images.read(p).rgb() for p in files], labels, console.width))
