"""What the tests of batches do again and again: pictures to take, a run, what it reports and what it leaves."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from pathlib import Path

from PIL import Image
from typer.testing import CliRunner

from srcli.batch.ledger import NAME
from srcli.cli.app import app
from tests.support.places import EXAMPLES

COMMAND = [sys.executable, "-m", "srcli", "upscale"]
QUICK = ["-s", "2", "--threads", "1"]
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "NO_COLOR": "1"}
RUNNER = CliRunner()


def srcli(*arguments: object, text: bytes | None = None):
    return RUNNER.invoke(app, ["upscale", *[str(a) for a in arguments], *QUICK], input=text)


def records(result) -> list[dict]:
    """Of a run with --json, without the summary."""
    return [json.loads(line) for line in result.stdout.splitlines()][:-1]


def statuses(result) -> Counter[str]:
    return Counter(r["status"] for r in records(result))


def photo(path: Path, number: int = 0, height: int = 16, width: int = 20) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with Image.open(EXAMPLES / "cat.png") as cat:
        left, top = number * 7 % 200, number * 3 % 130
        cat.convert("RGB").crop((left, top, left + width, top + height)).save(path)
    return path


def photos(folder: Path, count: int, **size: int) -> Path:
    for number in range(count):
        photo(folder / f"{number:03}.png", number, **size)
    return folder


def tree(folder: Path) -> set[str]:
    """Files below a folder, without the ledger."""
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file() and p.name != NAME}


def contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in tree(folder)}


def entries(folder: Path, status: str = "done") -> list[dict]:
    lines = [json.loads(line) for line in (folder / NAME).read_text().splitlines()]
    return [line for line in lines if line["status"] == status]
