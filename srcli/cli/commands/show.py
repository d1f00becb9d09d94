"""`srcli show`: how a result was made, from what its file says."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from srcli.cli.shared.console import Output, errors
from srcli.schema import stamped

if TYPE_CHECKING:
    from srcli.provenance import Facts

EXAMPLES = """Examples:\n
  srcli show photo_x4.png\n
  srcli show large/*.jpg --json"""
LABELS = {
    "why": "chosen for", "input_sha256": "input SHA-256", "input_size": "input", "output_size": "result",
    "network_scale": "network's scale", "resampling": "resampled by", "bounded_tiles": "  bounded",
    "guarded_tiles": "  redone, more faithfully", "redone_tiles": "  redone in float32",
    "exploded": "exploded patches",
}  # fmt: skip


def command(
    paths: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Results of srcli upscale.", show_default=False)
    ],
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object per file (see srcli schema).")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
) -> None:
    """Show how results were made: model, weights, settings, input, versions, and repaired tiles.

    PNG, JPEG, TIFF, WebP, AVIF and JPEG XL files say so themselves. The pixels are not decoded.
    """
    output, failed = Output(json), []
    with errors(debug, json):
        for path in paths:
            if code := _show(path, output, alone=len(paths) == 1):
                failed.append(code)
    sys.exit(0 if not failed else failed[0] if len(failed) == len(paths) else 3)


def _show(path: Path, output: Output, *, alone: bool) -> int:
    """Show a file. Returns an exit code; of a file alone, errors are raised."""
    from srcli.errors import SrcliError, reason_of
    from srcli.images.made import facts_in

    try:
        facts = facts_in(path)
    except SrcliError as error:
        if alone:
            raise
        told = {"error": str(error), "reason": reason_of(error), "retryable": error.retryable}
        output.record(stamped("error", told | {"exit_code": error.exit_code, "input": str(path)}))
        output.problem(str(error))
        return error.exit_code
    output.record(stamped("shown", {"file": str(path), "facts": facts.to_dict()}))
    if not output.json:
        _print(path, facts, output)
    return 0


def _print(path: Path, facts: Facts, output: Output) -> None:
    lines: list[tuple[str, str]] = []
    for name, value in facts.to_dict().items():
        if name == "weights":
            lines += [(f"weights, {role}", f"SHA-256 {digest or 'unknown'}") for role, digest in value.items()]
        elif name != "tool":
            lines.append((LABELS.get(name, name.replace("_", " ")), _text(name, value)))
    width = max(len(label) for label, _ in lines)
    told = "\n".join(f"  {label:{width}}  {value}" for label, value in lines)
    # A file's text may hold control codes, which would act on the terminal.
    output.say("".join(c if c.isprintable() or c == "\n" else "?" for c in f"{path}\n{told}"))


def _text(name: str, value: Any) -> str:
    if name in ("input_size", "output_size"):
        return f"{value[0]}x{value[1]}"
    if name in ("scale", "network_scale"):
        return f"x{value:g}"
    return f"{value:g}" if isinstance(value, float) else str(value)
