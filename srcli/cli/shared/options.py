"""Options shared by the commands that process files, and the parsing of their values."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

WRITING, MANY, MACHINE, REPORT = "Writing", "Many files", "Machine", "Report"
UTF8_MARK = b"\xef\xbb\xbf"  # byte order mark that some editors write

FORMAT = Annotated[
    str | None,
    typer.Option(
        "-f",
        "--format",
        help="Output format: png, jpg, webp, tif, avif, jxl, gif, bmp, ppm, pfm or pdf.",
        rich_help_panel=WRITING,
    ),
]
QUALITY = Annotated[
    int,
    typer.Option(
        "--quality",
        min=1,
        max=100,
        help="Quality of JPEG, WebP, AVIF, JPEG XL and PDF; 100 makes JPEG XL and PDF lossless.",
        rich_help_panel=WRITING,
    ),
]
COMPRESSION = Annotated[
    int,
    typer.Option("--compression", min=0, max=9, help="Compression effort for PNG and TIFF.", rich_help_panel=WRITING),
]
BACKGROUND = Annotated[
    str,
    typer.Option(
        "--background",
        help="Colour behind transparent pixels, for formats without transparency.",
        rich_help_panel=WRITING,
    ),
]
STRIP = Annotated[
    bool, typer.Option("--strip", help="Remove all metadata except the colour profile.", rich_help_panel=WRITING)
]
OVERWRITE = Annotated[bool, typer.Option("-y", "--overwrite", help="Replace existing files.", rich_help_panel=WRITING)]
RECURSIVE = Annotated[bool, typer.Option("-r", "--recursive", help="Also process subfolders.", rich_help_panel=MANY)]
INCLUDE = Annotated[
    list[str] | None,
    typer.Option(
        "--include", help="Only files matching this pattern, e.g. '*.jpg' or 'scans/*'.", rich_help_panel=MANY
    ),
]
EXCLUDE = Annotated[
    list[str] | None, typer.Option("--exclude", help="Skip files matching this pattern.", rich_help_panel=MANY)
]
LISTED = Annotated[
    str | None,
    typer.Option(
        "--from",
        help="Read input paths from a file, one per line or as find -print0 writes them; - is standard input.",
        rich_help_panel=MANY,
    ),
]
SHARD = Annotated[
    str,
    typer.Option(
        "--shard", help="Process only part I of N (I/N), to share work between machines.", rich_help_panel=MANY
    ),
]
FAIL_FAST = Annotated[bool, typer.Option("--fail-fast", help="Stop at the first failure.", rich_help_panel=MANY)]
REMAKE_STALE = Annotated[
    bool,
    typer.Option(
        "--remake-stale",
        help="Replace results of earlier runs that were made with other settings or from another version of the file.",
        rich_help_panel=MANY,
    ),
]
DRAIN = Annotated[
    bool,
    typer.Option("--drain", help="On SIGTERM, finish the current files first, as on Ctrl-C.", rich_help_panel=MANY),
]
RETRY_FAILED = Annotated[
    bool, typer.Option("--retry-failed", help="Retry files that failed in an earlier run.", rich_help_panel=MANY)
]
LEDGER = Annotated[
    bool,
    typer.Option(
        "--ledger/--no-ledger",
        help="Record finished work in the output folder and skip it next time.",
        rich_help_panel=MANY,
    ),
]
MAX_PIXELS = Annotated[
    float,
    typer.Option("--max-pixels", min=0, help="Refuse inputs with more megapixels than this.", rich_help_panel=MACHINE),
]
MAX_MEMORY = Annotated[
    float | None,
    typer.Option(
        "--max-memory",
        min=0.1,
        help="Approximate memory limit in GiB.",
        show_default="a quarter of the free memory",
        rich_help_panel=MACHINE,
    ),
]
DEVICE = Annotated[
    str, typer.Option("-g", "--device", help="auto, cpu, cuda, cuda:1 (or 1), xpu or mps.", rich_help_panel=MACHINE)
]
PRECISION = Annotated[str, typer.Option("--precision", help="auto, fp32, bf16 or fp16.", rich_help_panel=MACHINE)]
THREADS = Annotated[
    int | None, typer.Option("--threads", help="Number of CPU threads.", show_default="all", rich_help_panel=MACHINE)
]
DRY_RUN = Annotated[
    bool, typer.Option("--dry-run", help="Show what would be done without doing it.", rich_help_panel=REPORT)
]
JSON = Annotated[
    bool,
    typer.Option(
        "--json",
        help="Print one JSON object per file, then a summary (srcli schema describes them).",
        rich_help_panel=REPORT,
    ),
]
QUIET = Annotated[bool, typer.Option("-q", "--quiet", help="Print only errors.", rich_help_panel=REPORT)]
VERBOSE = Annotated[
    bool, typer.Option("-v", "--verbose", help="Print details of how each result was made.", rich_help_panel=REPORT)
]
DEBUG = Annotated[bool, typer.Option("--debug", help="Show tracebacks.", rich_help_panel=REPORT)]


def inputs_of(named: list[Path] | None, listed: str | None) -> list[Path]:
    """All inputs: the arguments and the paths in a list. Raises UsageError.

    listed: a file with one path per line, or separated by zero bytes as written by find -print0; - for standard input.
    """
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
        raise UsageError(
            "nothing to do: name pictures or folders"
            + (f"; {'standard input' if listed == '-' else listed} is empty" if listed else "")
        )
    return found


def suffix_of(name: str | None) -> str | None:
    """The suffix, with its dot, of a format's name. Raises ArgumentError."""
    from srcli.images import encode

    return None if name is None else encode.suffix_of(name)


def colour_of(name: str) -> tuple[int, int, int]:
    """Parse a colour name or #rrggbb. Raises ArgumentError."""
    from srcli.images import encode

    return encode.colour_of(name)


def bytes_of(gibibytes: float | None) -> int | None:
    """Convert GiB to bytes."""
    return None if gibibytes is None else int(gibibytes * 2**30)
