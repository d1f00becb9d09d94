"""The command as a function, and pictures for it."""

from __future__ import annotations

from pathlib import Path

from PIL import Image
from typer.testing import CliRunner

from srcli.cli.app import app
from tests.support.places import EXAMPLES

RUNNER = CliRunner()


def srcli(*arguments: object):
    return RUNNER.invoke(app, [str(a) for a in arguments])


def train(*arguments: object):
    result = srcli("train", *arguments)
    assert result.exit_code == 0, result.output
    return result


def photo(path: Path, height: int = 20, width: int = 24, mode: str = "RGB") -> Path:
    with Image.open(EXAMPLES / "cat.png") as cat:
        cat.crop((60, 40, 60 + width, 40 + height)).convert(mode).save(path)
    return path


def shape(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        return image.size
