"""What the tests of weights do again and again: a manifest with a model, a pull, a command."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from typer.testing import CliRunner

from srcli.cli.app import app
from srcli.weights import manifest, pull, store
from srcli.weights.download import Patience
from tests.support import children
from tests.support.layouts import PRIORS, filled, layout_of, linf, saved, wrapped
from tests.support.places import ROOT
from tests.weights.server import digest

BODY = (store.EMBEDDED / "linf-s.safetensors").read_bytes()
OTHER = (store.EMBEDDED / "linf-lp-s.safetensors").read_bytes()
QUICK = Patience(attempts=3, wait=0.01, timeout=1.0)


def listed(place: Path, **models: str) -> Path:
    """The user's own manifest with a part for each model: NAME = its TOML lines."""
    path = manifest.user_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    text = ""
    for name, lines in models.items():
        text += f'[models.{name}]\npurpose = "a test"\npipeline = "linf"\nscales = [1.0, 8.0]\nlicence = "MIT"\n'
        text += f"commercial = true\n[models.{name}.parts.flow]\n{lines}\n"
    path.write_text(text)
    return path


def part(*urls: str, file: str = "far.safetensors", body: bytes | None = BODY, known: bool = True) -> str:
    sources = ", ".join(f'{{ url = "{url}" }}' for url in urls)
    facts = f'sha256 = "{digest(body)}"\nbytes = {len(body)}\n' if known and body is not None else ""
    return f'file = "{file}"\n{facts}sources = [{sources}]'


def pulled(*names: str, **options) -> dict[str, Path]:
    how = pull.PullOptions(patience=options.pop("patience", QUICK), **options)
    return pull.pull([manifest.load().find(name) for name in names], how)


def srcli(*arguments: object):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def command(*arguments: object, **environment: str) -> subprocess.Popen:
    words = [sys.executable, "-m", "srcli", *[str(a) for a in arguments]]
    env = os.environ | {"OMP_NUM_THREADS": "1", "NO_COLOR": "1"} | environment
    return children.start(words, text=True, env=env, cwd=ROOT)


def finished(run: subprocess.Popen) -> tuple[int, str, str]:
    out, err = run.communicate(timeout=120)
    return run.returncode, out, err


def names(folder: Path) -> set[str]:
    return {p.name for p in folder.iterdir() if not p.name.startswith(".")} if folder.is_dir() else set()


def nothing_wrong(place: Path) -> None:
    """No file that is not one of ours has a final name."""
    for path in (place / "home" / "weights").glob("[!.]*"):
        assert path.read_bytes() in (BODY, OTHER), path


def official(folder: Path) -> dict[str, Path]:
    """A LINF and its learned prior as their authors save them, tiny."""
    flow = filled(layout_of(linf("edsr")))
    prior = filled(layout_of(PRIORS["unet"] | {"channels": 27}), seed=1)
    return {
        "flow": saved(folder / "flow.pth", wrapped("linf-patch", flow, patch_size=3)),
        "prior": saved(folder / "prior.pth", wrapped("unet", prior, "prior_model")),
    }
