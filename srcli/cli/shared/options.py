"""Options that commands over files have in common, and what their words mean."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

WRITING, MANY, MACHINE, REPORT = "Writing", "Many files", "Machine", "Report"
UTF8_MARK = b"\xef\xbb\xbf"  # that editors put at the start of lists

FORMAT = Annotated[
    str | None,
    typer.Option("-f", "--format", help="png, jpg, webp, tif, avif, gif, bmp, ppm or pfm.", rich_help_panel=WRITING),
]
QUALITY = Annotated[
    int, typer.Option("--quality", min=1, max=100, help="Of JPEG, WebP and AVIF.", rich_help_panel=WRITING)
]
COMPRESSION = Annotated[
    int, typer.Option("--compression", min=0, max=9, help="Effort for PNG and TIFF.", rich_help_panel=WRITING)
]
BACKGROUND = Annotated[
    str,
    typer.Option("--background", help="Colour behind transparency where the format has none.", rich_help_panel=WRITING),
]
STRIP = Annotated[
    bool, typer.Option("--strip", help="Leave out all metadata but the colour profile.", rich_help_panel=WRITING)
]
OVERWRITE = Annotated[
    bool, typer.Option("-y", "--overwrite", help="Replace files that exist.", rich_help_panel=WRITING)
]
RECURSIVE = Annotated[
    bool, typer.Option("-r", "--recursive", help="Also pictures in folders below.", rich_help_panel=MANY)
]
INCLUDE = Annotated[
    list[str] | None,
    typer.Option("--include", help="Only files of this pattern, e.g. '*.jpg' or 'scans/*'.", rich_help_panel=MANY),
]
EXCLUDE = Annotated[list[str] | None, typer.Option("--exclude", help="No files of this pattern.", rich_help_panel=MANY)]
LISTED = Annotated[
    str | None, typer.Option("--from", help="File with one path a line; - is standard input.", rich_help_panel=MANY)
]
SHARD = Annotated[
    str, typer.Option("--shard", help="I/N: only the I-th of N parts, for several machines.", rich_help_panel=MANY)
]
FAIL_FAST = Annotated[bool, typer.Option("--fail-fast", help="Stop at the first failure.", rich_help_panel=MANY)]
RETRY_FAILED = Annotated[
    bool, typer.Option("--retry-failed", help="Try files again that were refused before.", rich_help_panel=MANY)
]
LEDGER = Annotated[
    bool,
    typer.Option("--ledger/--no-ledger", help="Remember in the output folder what is done.", rich_help_panel=MANY),
]
MAX_PIXELS = Annotated[
    float, typer.Option("--max-pixels", min=0, help="Refuse larger inputs; in megapixels.", rich_help_panel=MACHINE)
]
MAX_MEMORY = Annotated[
    float | None,
    typer.Option(
        "--max-memory",
        min=0.1,
        help="GiB for the work, roughly.",
        show_default="a quarter of what is free",
        rich_help_panel=MACHINE,
    ),
]
DEVICE = Annotated[
    str, typer.Option("-g", "--device", help="auto, cpu, cuda, cuda:1 or 1, mps.", rich_help_panel=MACHINE)
]
PRECISION = Annotated[str, typer.Option("--precision", help="auto, fp32, bf16 or fp16.", rich_help_panel=MACHINE)]
THREADS = Annotated[
    int | None, typer.Option("--threads", help="CPU threads.", show_default="all", rich_help_panel=MACHINE)
]
DRY_RUN = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, do nothing.", rich_help_panel=REPORT)]
JSON = Annotated[bool, typer.Option("--json", help="One JSON object per file, then a summary.", rich_help_panel=REPORT)]
QUIET = Annotated[bool, typer.Option("-q", "--quiet", help="Only errors.", rich_help_panel=REPORT)]
VERBOSE = Annotated[
    bool, typer.Option("-v", "--verbose", help="Also say how each result was made.", rich_help_panel=REPORT)
]
DEBUG = Annotated[bool, typer.Option("--debug", help="Show tracebacks.", rich_help_panel=REPORT)]


def inputs_of(named: list[Path] | None, listed: str | None) -> list[Path]:
    """The arguments, and the lines of a list; one with zero bytes, as find -print0 makes it, is parted by those."""
    from srcli.batch import UsageError

    found = list(named or [])
    if listed is not None:
        try:
            text = sys.stdin.buffer.read() if listed == "-" else Path(listed).read_bytes()
        except OSError as error:
            raise UsageError(f"{listed} cannot be read: {error.strerror or error}") from None
        if b"\0" not in text:
            text = text.removeprefix(UTF8_MARK).replace(b"\r\n", b"\n").replace(b"\n", b"\0")
        found += [Path(os.fsdecode(line)) for line in text.split(b"\0") if line]
    if not found:
        raise UsageError("nothing to do: give pictures or folders" + (f"; {listed} has no lines" if listed else ""))
    return found


def suffix_of(name: str | None) -> str | None:
    """A format's name as a suffix with its dot."""
    from srcli.batch import UsageError
    from srcli.images.encode import FORMATS

    if name is None:
        return None
    suffix = "." + name.lower().removeprefix(".")
    if suffix not in FORMATS:
        raise UsageError(f"unknown format {name!r}; use {', '.join(s[1:] for s in FORMATS)}")
    return suffix


def colour_of(name: str) -> tuple[int, int, int]:
    from PIL import ImageColor

    from srcli.batch import UsageError

    try:
        red, green, blue = ImageColor.getrgb(name)[:3]
    except ValueError:
        raise UsageError(f"unknown colour {name!r}; use a name such as white, or #rrggbb") from None
    return red, green, blue


def bytes_of(gibibytes: float | None) -> int | None:
    return None if gibibytes is None else int(gibibytes * 2**30)
