"""Importing srcli changes nothing in the program that imports it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.places import ROOT

# What the libraries do when they are imported is theirs, so they come first.
LIBRARIES = "cv2, filelock, imagecodecs, numpy, PIL.Image, PIL.TiffImagePlugin, platformdirs, psutil, requests, rich"
CODE = """
import locale, logging, os, random, signal, sys, threading, warnings
import LIBRARIES, safetensors.torch, tifffile, torch, huggingface_hub

def state():
    return {
        "torch": (
            torch.get_num_threads(), torch.get_num_interop_threads(), torch.is_grad_enabled(), torch.initial_seed(),
            torch.get_default_dtype(), torch.get_float32_matmul_precision(), torch.backends.cudnn.benchmark,
            torch.are_deterministic_algorithms_enabled(), torch.is_autocast_enabled("cpu"),
        ),
        "cv2": (cv2.getNumThreads(), cv2.useOptimized()),
        "numpy": (numpy.geterr(), str(numpy.random.get_state()), str(numpy.get_printoptions())),
        "pillow": (PIL.Image.MAX_IMAGE_PIXELS, sorted(PIL.Image.OPEN), sorted(PIL.Image.SAVE)),
        "warnings": [str(each) for each in warnings.filters],
        "logging": (logging.root.handlers[:], logging.root.level, logging.getLogger("srcli").handlers[:]),
        "environment": dict(os.environ), "folder": os.getcwd(), "umask": (os.umask(0o22), os.umask(0o22))[1],
        "signals": {number: signal.getsignal(number) for number in signal.valid_signals()},
        "threads": threading.active_count(), "random": random.getstate(), "path": sys.path[:],
        "hooks": (sys.excepthook, sys.displayhook, threading.excepthook), "limit": sys.getrecursionlimit(),
        "locale": locale.setlocale(locale.LC_ALL), "streams": (sys.stdout, sys.stderr),
    }

before = state()
BODY
after = state()
print([name for name in before if before[name] != after[name]])
"""
IMPORTS = """
from srcli import ItemError, PictureWarning, SrcliError, Target, Upscaled, Upscaler, images, weights
import srcli.degrader, srcli.degradation.synthetic
"""
USE = """
from srcli import Upscaler
image = numpy.zeros((20, 20, 3), numpy.uint8)
Upscaler("linf-lp-s", threads=torch.get_num_threads() + 1).upscale(image, 2, seed=3)
list(Upscaler(threads=torch.get_num_threads() + 1).upscale_many([image, image], 2))
del image
"""


def changed(code: str, folder: Path) -> str:
    return run(CODE.replace("LIBRARIES", LIBRARIES).replace("BODY", code), folder)


def run(code: str, folder: Path) -> str:
    environment = os.environ | {"HOME": str(folder), "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout.strip()


@pytest.mark.parametrize("code", [IMPORTS, USE], ids=["import", "use"])
def test_nothing_changes(tmp_path, code):
    assert changed(code, tmp_path) == "[]"
    assert list(tmp_path.rglob("*")) == []


def test_the_test_would_notice(tmp_path):
    code = "warnings.simplefilter('ignore'); torch.set_num_threads(torch.get_num_threads() + 1); os.environ['A'] = 'b'"
    assert changed(code, tmp_path) == "['torch', 'warnings', 'environment']"


def test_names_come_without_torch(tmp_path):
    """`import srcli` takes no second, and completion in a prompt knows the names."""
    code = "import srcli, sys; names = dir(srcli); print('torch' in sys.modules, 'Upscaler' in names, 'Any' in names)"
    assert run(code, tmp_path) == "False True False"
