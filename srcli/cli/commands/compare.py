"""`srcli compare`: a page to compare versions of one or more pictures, open or blind, and the table of votes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from srcli.cli.shared import voting
from srcli.cli.shared.console import Output, errors
from srcli.cli.shared.fetching import MANIFEST

if TYPE_CHECKING:
    from srcli.bench.compare import Scene

EXAMPLES = """Examples:\n
  srcli compare bicubic.png srcli.png -o page.html\n
  srcli compare large.png --original small.png -o page.html\n
  srcli compare bicubic/ esrgan/ srcli/ --original photos/ --border 4 -o page.html\n
  srcli compare before.png after.png --terminal\n
  srcli compare --blind photos/ -n flowsr-s -n bicubic -m RealESRGAN_x4plus.pth -o votes/\n
  srcli compare --blind ours/ theirs/ -o votes/\n
  srcli compare --tally votes.json more.json"""

SOME_FAILED, BLIND = 3, "Blind comparison"


def command(
    inputs: Annotated[
        list[Path],
        typer.Argument(
            metavar="A B [C...]",
            help="Pictures, or folders of pictures matched by name. With --blind and models: pictures to enlarge. "
            "With --tally: files of votes.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "-o", "--out", help="The HTML page to write; with --blind its folder.", show_default="compare.html or votes"
        ),
    ] = None,
    original: Annotated[
        Path | None,
        typer.Option(
            "--original", "--hr", help="The original, or a folder of originals; adds scores where sizes are equal."
        ),
    ] = None,
    bicubic: Annotated[
        bool | None,
        typer.Option(
            "--bicubic/--no-bicubic",
            help="Add a bicubic enlargement of the original.",
            show_default="if there is one input",
        ),
    ] = None,
    label: Annotated[list[str] | None, typer.Option("--label", help="A label for each input, in order.")] = None,
    border: Annotated[int, typer.Option("--border", min=0, help="Pixels to exclude from scores on each side.")] = 0,
    overwrite: Annotated[bool, typer.Option("-y", "--overwrite", help="Replace an existing page.")] = False,
    terminal: Annotated[
        bool, typer.Option("--terminal", help="Show a preview in the terminal instead of writing a page.")
    ] = False,
    blind: Annotated[
        bool,
        typer.Option("--blind", help="A page to vote on unnamed pairs with shuffled sides.", rich_help_panel=BLIND),
    ] = False,
    model: Annotated[
        list[str] | None, typer.Option("-n", "--model", help="A model to vote on; repeatable.", rich_help_panel=BLIND)
    ] = None,
    manifest: MANIFEST = None,
    model_file: Annotated[
        list[Path] | None,
        typer.Option("-m", "--model-file", help="Weights to vote on; repeatable.", rich_help_panel=BLIND),
    ] = None,
    score: Annotated[
        list[Path] | None,
        typer.Option(
            "--score", help="Folder of finished results to vote on, matched by name; repeatable.", rich_help_panel=BLIND
        ),
    ] = None,
    scale: Annotated[
        float | None, typer.Option("-s", "--scale", help="Factor from 1 to 8.", show_default="4", rich_help_panel=BLIND)
    ] = None,
    detail: Annotated[
        str,
        typer.Option("--detail", help="Values for models with that dial; each is a candidate.", rich_help_panel=BLIND),
    ] = "1",
    crop: Annotated[
        int | None,
        typer.Option(
            "--crop",
            min=16,
            help="Side of the part shown, in pixels of the result.",
            show_default="512",
            rich_help_panel=BLIND,
        ),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(
            "--against", help="Only pairs with this candidate.", show_default="all pairs", rich_help_panel=BLIND
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option("--seed", min=0, help="Seed of the order and of the sides.", rich_help_panel=BLIND)
    ] = 0,
    votes: Annotated[
        Path | None,
        typer.Option(
            "--votes",
            help="With --blind: a file of votes to start from. Without it: vote on a page in the terminal, into this "
            "file.",
            rich_help_panel=BLIND,
        ),
    ] = None,
    tally: Annotated[
        bool, typer.Option("--tally", help="Print what files of votes add up to.", rich_help_panel=BLIND)
    ] = False,
    json: Annotated[
        bool, typer.Option("--json", help="With --tally: one JSON object per row.", rich_help_panel=BLIND)
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
) -> None:
    """Write a self-contained HTML page with a slider, synchronised zoom and pan, and a difference view.

    Versions of the original's size are scored with PSNR-Y in dB and SSIM-Y; nothing is resized for scoring.

    With --blind, the page shows unnamed versions in pairs, and people vote. --tally adds up their votes.
    """
    output = Output(json)
    with errors(debug, json):
        models = {"-n": model, "-m": model_file, "--score": score, "--scale": scale, "--against": against}
        _check_modes(
            {"--blind": blind, "--tally": tally, "--votes": votes},
            models | {"--detail": detail != "1", "--crop": crop},
            {"--original": original, "--bicubic": bicubic is not None, "--border": border, "--terminal": terminal},
        )
        if tally:
            voting.tally(inputs, output)
            return
        if blind:
            wanted = voting.Wanted(
                inputs=inputs, models=model or (), files=model_file or (), folders=score or (), labels=label,
                scale=scale, detail=_values(detail), seed=seed, crop=crop, against=against,
            )  # fmt: skip
            code = _blind(wanted, out, votes, overwrite, output)
        elif votes is not None:
            voting.vote(inputs, votes, output)
            return
        else:
            code = _open(
                inputs, out or Path("compare.html"), (original, bicubic), label, border, (overwrite, terminal), output
            )
    if code:
        raise typer.Exit(code)


def _open(
    inputs: list[Path],
    out: Path,
    originals: tuple[Path | None, bool | None],
    label: list[str] | None,
    border: int,
    how: tuple[bool, bool],
    output: Output,
) -> int:
    """Write the page on which all versions have their names, or show them in the terminal. Returns the exit code.

    originals: the original, and whether to add an enlargement of it.
    how: whether to replace a page, and whether to show a preview in the terminal instead.
    """
    from srcli.bench import compare
    from srcli.report.compare import write

    (original, bicubic), (overwrite, terminal) = originals, how
    found, problems = compare.scenes(inputs, original, bicubic)
    labels = compare.labels_of(inputs, original, label, bicubic)
    shown = []
    if terminal:
        _preview(found[0], labels, output)
    else:
        _check_output(out, [*inputs, *([original] if original else [])], overwrite)
        shown = list(compare.entries(found, border, problems))
        if shown:
            write(out, *compare.without_empty(labels, shown))
            output.say(f"{out}: {len(shown)} {'picture' if len(shown) == 1 else 'pictures'}")
    for problem in problems:
        output.problem(problem)
    return (SOME_FAILED if terminal or shown else 1) if problems else 0


def _blind(wanted: voting.Wanted, out: Path | None, votes: Path | None, overwrite: bool, output: Output) -> int:
    """Write the page on which versions have no names. Returns the exit code."""
    from srcli.bench import ballots

    page, problems = voting.page_of(out), list[str]()
    _check_output(page, list(wanted.inputs), overwrite)
    ballot = voting.ballot_of(wanted, votes, problems, output)
    if ballot.pairs:
        ballots.write(page, ballot)
        pictures = f"{len(ballot.scenes)} {'picture' if len(ballot.scenes) == 1 else 'pictures'}"
        output.say(f"{page}: {len(ballot.pairs)} {'pair' if len(ballot.pairs) == 1 else 'pairs'} of {pictures}")
    elif ballot.scenes:
        output.say(f"every pair has a vote in {votes}; use --tally")
    for problem in problems:
        output.problem(problem)
    return (SOME_FAILED if ballot.scenes else 1) if problems else 0


def _check_modes(modes: dict[str, Any], blind: dict[str, Any], named: dict[str, Any]) -> None:
    """Raise CompareError for options that have no effect in the chosen mode.

    blind: options of a blind comparison.
    named: options of a page with names.
    """
    from srcli.bench.compare import CompareError

    if modes["--tally"] and (modes["--blind"] or modes["--votes"]):
        raise CompareError("--tally takes files of votes and none of --blind and --votes")
    given = [name for name, value in blind.items() if value]
    if given and not modes["--blind"]:
        raise CompareError(f"{', '.join(given)} only works with --blind")
    given, mode = [name for name, value in named.items() if value], next((n for n, v in modes.items() if v), None)
    if given and mode:
        raise CompareError(f"{', '.join(given)} has no effect with {mode}")


def _values(text: str) -> tuple[float, ...]:
    from srcli.bench.compare import CompareError

    try:
        return tuple(dict.fromkeys(float(value) for value in text.split(",")))
    except ValueError:
        raise CompareError(f"--detail takes numbers separated by commas, not {text!r}") from None


def _check_output(out: Path, inputs: list[Path], overwrite: bool) -> None:
    from srcli.bench.compare import CompareError

    if out.resolve() in {p.resolve() for p in inputs} or out.is_dir():
        raise CompareError(f"{out} is an input or a folder; choose another page with -o")
    if out.exists() and not overwrite:
        raise CompareError(f"{out} exists; use -y to replace it")


def _preview(scene: Scene, labels: list[str], output: Output) -> None:
    from srcli.bench.blind import opaque
    from srcli.bench.compare import CompareError, versions
    from srcli.report.terminal import preview

    console = output.out
    if console.color_system != "truecolor":
        raise CompareError("this terminal does not support 24-bit colour; write a page instead, without --terminal")
    shown = {label: made for label, made in zip(labels, versions(scene), strict=True) if made is not None}
    console.print(preview([opaque(v.picture).rgb() for v in shown.values()], list(shown), console.width))
