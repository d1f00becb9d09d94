"""Which formulation of a flow map stays stable, with guidance and without: a claim of FlowMapSR as an experiment.

Six short runs from one warm start, alike but for formulation and guidance, each with the same steps; scored on the same
degraded crops.
"""

from __future__ import annotations

import csv
import hashlib
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from srcli import runtime
from srcli.flows import flow_maps as flow_map
from srcli.methods.flowmap.ablation_plan import ARMS, SCORINGS, Arm, Setting, planned
from srcli.methods.flowmap.losses import Directed
from srcli.methods.flowsr.network import VelocityNet
from srcli.methods.flowsr.training import unit
from srcli.metrics.lpips import LPIPS
from srcli.metrics.psnr import psnr
from srcli.training.data.degraded import DegradedSpec
from srcli.training.data.photos import Photos
from srcli.training.inference import to_bytes
from srcli.training.loop import CHECKPOINT, Trainer
from srcli.training.optimizer import Diverged
from srcli.training.recipe import Recipe, RecipeError
from srcli.weights.store import sha256

EVALUATIONS = (1, 2, 4)
PANELS = {
    "psnr_y_2": "PSNR-Y in dB, 2 evaluations",
    "lpips_2": "LPIPS-Squeeze, 2 evaluations",
    "sharpness_2": "sharpness, 2 evaluations (photos: 1)",
}
BORDER = 8  # pixels of a crop that are not judged: zeros from beyond it reach into them


@dataclass(frozen=True, slots=True)
class Scored:
    """An arm's last scores. ended: `done` or `diverged`."""

    arm: str
    steps: int
    ended: str
    scores: dict[str, float]


class Crops:
    """Degraded crops of photos that nothing is trained on, enlarged by 4, and their scores."""

    def __init__(self, folder: Path, like: DegradedSpec, count: int, lpips: LPIPS | None = None) -> None:
        spec = replace(like, batch=count, whole_share=1.0, whole_scales=(4,), light_share=0.0, negative_share=0.0)
        batch = spec.draw(Photos(folder, shortest=spec.shortest), 0, 0)
        self.lr, self.hr, self.lpips = batch.lr * 2 - 1, batch.hr * 2 - 1, lpips
        self.noise = torch.randn(self.lr.shape, generator=torch.Generator().manual_seed(0))

    def fingerprint(self) -> str:
        """The same for the same pictures and scores."""
        pixels = (part.numpy().tobytes() for part in (self.lr, self.hr))
        return hashlib.sha256(b"".join(pixels)).hexdigest() + ("" if self.lpips is None else " lpips")

    @torch.no_grad()
    def __call__(self, network: nn.Module) -> dict[str, float]:
        """By number of evaluations: PSNR-Y, LPIPS (with weights), and sharpness, the energy of differences between
        neighbours relative to the photo's: 1 is as sharp. NaN where a number is not finite."""
        device = next(network.parameters()).device
        assert isinstance(network, VelocityNet)
        start = (self.lr + network.noise * self.noise).to(device)
        scores = {}
        for steps in EVALUATIONS:
            made = flow_map.sample(Directed(network), start, steps).cpu()
            for name, value in self._scores(made).items():
                scores[f"{name}_{steps}"] = round(value, 5)
        return scores

    def _scores(self, made: Tensor) -> dict[str, float]:
        pairs = [(_inner(a), _inner(b)) for a, b in zip(made.split(1), self.hr.split(1), strict=True)]
        finite = bool(torch.isfinite(made).all())
        scores = {"psnr_y": _mean(psnr(to_bytes(unit(a)), to_bytes(unit(b))) for a, b in pairs)}
        if self.lpips is not None:
            scores["lpips"] = _mean(self.lpips(a.clamp(-1, 1), b).item() for a, b in pairs)
        scores["sharpness"] = _mean(_energy(a) / _energy(b) for a, b in pairs)
        return scores if finite else dict.fromkeys(scores, math.nan)


def run(
    base: Recipe, warm: Path, photos: Photos, crops: Crops, out: Path, *,
    trunk: Path | None = None, minutes: float = 40.0, device: str = "cpu", say: Callable[[str], None] = print,
) -> list[Scored]:  # fmt: skip
    """All arms; their curves, scores, table and plot go to `out`, where an ablation that was stopped goes on as it was
    planned.

    base: its steps are the most that an arm does. minutes: of all arms together, fewer steps where they do not fit.
    """
    if base.options.get("guidance", 1.0) == 1.0:
        raise RecipeError(f"recipe {base.name}: the ablation needs a guidance other than 1")
    if (out / "scores.json").exists():
        raise RecipeError(f"{out} holds an ablation already; choose another --out")
    setting = Setting(
        base=base, warm=warm, photos=photos, score=crops, judged=crops.fingerprint(), trunk=trunk, device=device
    )
    plan = planned(setting, out, minutes)
    base = plan.recipe(base)
    say(f"{plan.steps} steps of each arm")
    curves: dict[str, list[dict[str, float]]] = {}
    scored: list[Scored] = []
    for arm in ARMS:
        folder = out / arm.label.replace(" ", "-")
        result = _result(arm, setting, base, folder)
        curves[arm.label] = [plan.begin, *_rows(folder / "validation.csv")]
        if curves[arm.label][-1]["step"] != result.steps:
            curves[arm.label].append({"step": float(result.steps), **result.scores})
        scored.append(result)
        say(f"{arm.label}: {result.ended} at step {result.steps}, {_line(result.scores)}")
    _write(out, base, warm, curves, scored, device)
    return scored


def _result(arm: Arm, setting: Setting, base: Recipe, folder: Path) -> Scored:
    """What an arm has come to: it is finished already, goes on, or begins."""
    file = folder / "result.json"
    if file.is_file():
        table = json.loads(file.read_text())
        return Scored(**table | {"scores": {k: math.nan if v is None else v for k, v in table["scores"].items()}})
    if folder.is_dir() and any(folder.iterdir()) and not (folder / CHECKPOINT).is_file():
        raise RecipeError(f"{folder} is not empty and holds no run to go on with; choose another --out")
    trainer = setting.trainer(arm.recipe(base), folder)
    if trainer.exists():
        trainer.resume()
    else:
        trainer.start(setting.warm)
        trainer.save()
    result = _train(arm, trainer, setting.score)
    part = file.with_suffix(".part")
    part.write_text(json.dumps(_table(result), indent=1) + "\n")
    part.replace(file)
    return result


def _train(arm: Arm, trainer: Trainer, score: Callable[[nn.Module], dict[str, float]]) -> Scored:
    every = max(1, trainer.recipe.optim.steps // (SCORINGS - 1))
    try:
        trainer.run(validate_every=every, validate=score)
        ended = "done"
    except Diverged:
        ended = "diverged"
    rows = _rows(trainer.out / "validation.csv")
    if rows and rows[-1].pop("step") == trainer.step:
        return Scored(arm.label, trainer.step, ended, rows[-1])
    return Scored(arm.label, trainer.step, ended, score(trainer.ema))


def _table(result: Scored) -> dict[str, Any]:
    """JSON has no NaN."""
    return asdict(result) | {"scores": {k: None if math.isnan(v) else v for k, v in result.scores.items()}}


def _write(
    out: Path, base: Recipe, warm: Path, curves: dict[str, list[dict[str, float]]], scored: list[Scored], device: str
) -> None:
    from srcli.training.monitor.plot import plot_curves

    names = list(curves[ARMS[0].label][0])
    with (out / "curves.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["arm", *names])
        writer.writeheader()
        writer.writerows({"arm": arm, **row} for arm, rows in curves.items() for row in rows)
    facts = runtime.facts(runtime.choose(device))
    table: dict[str, Any] = {"recipe": json.loads(base.to_json()), "warm_start": sha256(warm), "machine": facts}
    table["warm_scores"] = {k: v for k, v in curves[ARMS[0].label][0].items() if k != "step"}
    table["arms"] = [_table(s) for s in scored]
    (out / "scores.json").write_text(json.dumps(table, indent=1) + "\n")
    (out / "scores.md").write_text(markdown(table["warm_scores"], scored))
    plot_curves(curves, {k: v for k, v in PANELS.items() if k in names}, out / "curves.svg")


def markdown(warm: dict[str, float], scored: list[Scored]) -> str:
    """A table with a row for the warm start and one for each arm."""
    head = ["", "steps", "ended", *(k.replace("_", " ") for k in warm)]
    lines = [head, ["---"] * len(head), ["warm start", "0", "", *(f"{v:.4g}" for v in warm.values())]]
    lines += [[s.arm, str(s.steps), s.ended, *(f"{v:.4g}" for v in s.scores.values())] for s in scored]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _rows(path: Path) -> list[dict[str, float]]:
    if not path.is_file():
        return []
    with path.open(newline="") as file:
        return [{k: float(v) for k, v in row.items()} for row in csv.DictReader(file)]


def _inner(image: Tensor) -> Tensor:
    return image[..., BORDER:-BORDER, BORDER:-BORDER]


def _energy(image: Tensor) -> float:
    return (image.diff(dim=-1).square().mean() + image.diff(dim=-2).square().mean()).item()


def _mean(values: Iterator[float]) -> float:
    found = list(values)
    return sum(found) / len(found)


def _line(scores: dict[str, float]) -> str:
    return "  ".join(f"{k} {v:.4g}" for k, v in scores.items())
