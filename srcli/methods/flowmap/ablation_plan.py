"""The arms of the ablation of flow maps, and how many steps each of them does."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from torch import nn

from srcli.methods.flowmap.times import FORMULATIONS
from srcli.methods.flowmap.training import check_negative
from srcli.methods.flowsr.network import VelocityNet
from srcli.training.data.photos import Photos
from srcli.training.loop import Trainer
from srcli.training.recipe import Recipe, RecipeError, adjusted, with_options
from srcli.training.tasks import make_task
from srcli.weights.store import sha256

SCORINGS = 9  # of an arm, at most
RESERVE = 0.1  # of the time, for steps that take longer than those that were measured
TRIED = 4  # steps of a kind that are measured, after one that is not


@dataclass(frozen=True, slots=True)
class Arm:
    """One run of the experiment."""

    formulation: str
    guided: bool

    @property
    def label(self) -> str:
        return self.formulation + (" guided" if self.guided else "")

    def recipe(self, base: Recipe) -> Recipe:
        """The guided recipe `base` for this arm."""
        guidance = base.options["guidance"] if self.guided else 1.0
        # Only shortcuts can be judged by where they land: here none is, so that all are alike.
        return with_options(base, formulation=self.formulation, guidance=guidance, judge_jumps=False)


ARMS = tuple(Arm(f, guided) for guided in (False, True) for f in FORMULATIONS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What all arms have in common. warm: the weights that they start from. score: of a network. judged: what tells
    that scores are of the same crops."""

    base: Recipe
    warm: Path
    photos: Photos
    score: Callable[[nn.Module], dict[str, float]]
    judged: str
    trunk: Path | None
    device: str

    def trainer(self, recipe: Recipe, folder: Path) -> Trainer:
        """A run that has not begun."""
        return Trainer(recipe, make_task(recipe, None, self.trunk), self.photos, folder, self.device)

    def facts(self) -> dict[str, str]:
        """What must be the same for an ablation to go on."""
        same = {"recipe": self.base.to_json(), "judged": self.judged}
        return same | {"warm_start": sha256(self.warm), "photos": self.photos.fingerprint()}


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps of each arm, and the scores before the first."""

    steps: int
    begin: dict[str, float]

    def recipe(self, base: Recipe) -> Recipe:
        """With a warm-up that is at most a tenth of these steps."""
        warmup = min(base.optim.warmup, self.steps // 10)
        return replace(base, optim=replace(base.optim, steps=self.steps, warmup=warmup))


def planned(setting: Setting, out: Path, minutes: float) -> Plan:
    """The plan that lies in a folder, or else a new one. All arms do the same number of steps, at most the recipe's, as
    fit into the time at the pace of the slowest: the learning rate of each ends where the arm does."""
    file = out / "plan.json"
    facts = setting.facts()
    if file.is_file():
        table = json.loads(file.read_text())
        if table["facts"] != facts:
            raise RecipeError(f"{out} holds an ablation of another recipe, start, photos or scores; name another --out")
        return Plan(table["steps"], table["begin"])
    if out.is_dir() and any(out.iterdir()):
        raise RecipeError(f"{out} is not empty; choose another --out")
    start = time.monotonic()
    begin, scoring = _scored(setting)
    pace = max(_pace(setting, arm) for arm in ARMS if arm.guided)  # what is guided is slower
    left = minutes * 60 - (time.monotonic() - start) - len(ARMS) * SCORINGS * scoring
    steps = min(setting.base.optim.steps, int(left * (1 - RESERVE) / (pace * len(ARMS))))
    if steps < 1:
        raise RecipeError(f"{minutes:g} minutes are too few: a step of the slowest arm takes {pace:.2g} seconds")
    out.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"facts": facts, "steps": steps, "begin": begin}, indent=1) + "\n")
    return Plan(steps, begin)


def _scored(setting: Setting) -> tuple[dict[str, float], float]:
    """The scores of the warm start, and the seconds that they take."""
    with tempfile.TemporaryDirectory() as folder:
        trainer = setting.trainer(setting.base, Path(folder))
    trainer.start(setting.warm)
    assert isinstance(trainer.ema, VelocityNet)
    check_negative(trainer.ema, setting.warm)
    start = time.monotonic()
    return {"step": 0.0, **setting.score(trainer.ema)}, time.monotonic() - start


def _pace(setting: Setting, arm: Arm) -> float:
    """Seconds of a step."""
    # Jumps from the first step on: they are what takes time.
    recipe = adjusted(with_options(arm.recipe(setting.base), ramp=0), TRIED + 1, None)
    times: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        trainer = setting.trainer(recipe, Path(folder))
        trainer.start(setting.warm)
        trainer.run(progress=lambda step, values: times.append(time.monotonic()))
    return (times[-1] - times[0]) / TRIED
