"""A program that uses the API is checked by mypy --strict, and its mistakes are found."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from tests.support.places import ROOT

RIGHT = """
from collections.abc import Iterator
from pathlib import Path
from typing import Any, assert_type

import numpy as np
import numpy.typing as npt
from PIL import Image
from torch import Tensor

from srcli import ItemError, PictureWarning, Size, SrcliError, Target, Upscaled, Upscaler, images, weights
from srcli.degrader import Degrader, find


def picture(upscaler: Upscaler, image: Image.Image) -> Image.Image:
    assert_type(upscaler.upscale("a.png", 2), Image.Image)
    assert_type(upscaler.upscale(Path("a.png"), target=Target(width=3840)), Image.Image)
    assert_type(upscaler.upscale(b"...", 2, on_explode="error"), Image.Image)
    return upscaler.upscale(image, scale=3.5, detail=0.5, seed=1, strict=True)


def array(upscaler: Upscaler, pixels: npt.NDArray[np.uint16]) -> npt.NDArray[Any]:
    return upscaler.upscale(pixels, 2)


def tensor(upscaler: Upscaler, batch: Tensor) -> Tensor:
    assert_type(upscaler.upscale(batch, 2), Tensor)
    return upscaler.upscale(batch, 2)


def many(upscaler: Upscaler, paths: list[Path], batches: Iterator[Tensor]) -> None:
    for image in upscaler.upscale_many(paths, 2, ahead=3):
        assert_type(image, Image.Image)
    for result in upscaler.upscale_many(paths, 2, on_error="return", detail=0.5):
        assert_type(result, Image.Image | ItemError)
        if isinstance(result, ItemError):
            print(result.index, result.item, result.error.exit_code)
    for batch in upscaler.upscale_many(batches, target=Target(scale=2)):
        assert_type(batch, Tensor)


def whole(path: Path) -> Size:
    upscaler = Upscaler("linf-lp", device="cpu", threads=2, max_memory=2**30)
    own = Upscaler.from_file("flow.safetensors", prior=Path("prior.safetensors"), precision="fp32")
    result: Upscaled = upscaler.run(images.read(path), Target(scale=2), progress=lambda done, total: None)
    images.write(result.picture, Path("b.png"))
    files: dict[str, Path] = weights.resolve("flowmap-s")
    for low in Degrader(find()).degrade(images.read(path), (1.5, 3.0), resize=True):
        assert_type(low, images.Picture)
    try:
        print(own, files, upscaler.threads, result.choice)
    except SrcliError as error:
        print(error, error.exit_code, PictureWarning)
    return result.picture.size
"""
WRONG = """
from srcli import Target, Upscaler

upscaler = Upscaler("linf-lp", threads="2")
upscaler.upscale(3, 2)
upscaler.upscale("a.png", "2")
upscaler.upscale("a.png", 2, seed=1.5)
upscaler.upscale("a.png", 2, sharpness=1)
upscaler.upscale("a.png", 2, on_explode="ignore")
upscaler.upscale("a.png", 2).shape
upscaler.upscale_many(["a.png"], 2, on_error="skip")
Target(scale="2")
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """The Python of an environment in which the package is installed: mypy believes its types for `py.typed` alone."""
    folder = tmp_path_factory.mktemp("env")
    venv.create(folder, symlinks=sys.platform != "win32")
    scripts, packages = (
        Path(sysconfig.get_path(name, vars={"base": str(folder), "platbase": str(folder)}))
        for name in ("scripts", "purelib")
    )
    (packages / "srcli").symlink_to(ROOT / "srcli", target_is_directory=True)
    (packages / "libraries.pth").write_text(sysconfig.get_path("purelib"))
    return scripts / Path(sys.executable).name


def checked(code: str, python: Path, folder: Path) -> tuple[int, list[str]]:
    (folder / "program.py").write_text(code)
    command = [sys.executable, "-m", "mypy", "--strict", "--python-executable", python, "--no-error-summary"]
    done = subprocess.run(
        [*command, "program.py"], cwd=folder, capture_output=True, text=True, check=False, env={"PATH": ""}
    )
    assert done.stderr == ""
    return done.returncode, done.stdout.splitlines()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs symbolic links")
def test_a_program_is_strictly_typed(installed, tmp_path):
    pytest.importorskip("mypy")
    assert checked(RIGHT, installed, tmp_path) == (0, [])


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs symbolic links")
def test_mistakes_are_found(installed, tmp_path):
    pytest.importorskip("mypy")
    code, found = checked(WRONG, installed, tmp_path)
    assert code == 1
    lines = {int(line.split(":")[1]) for line in found if ": error: " in line}
    assert lines == set(range(4, 13)), found


def test_the_package_says_that_it_has_types():
    assert (ROOT / "srcli" / "py.typed").is_file()
