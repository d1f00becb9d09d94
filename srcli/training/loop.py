"""The training loop: resumable to the step, limited by time, the same on a CPU or a GPU."""

from __future__ import annotations

import contextlib
import copy
import csv
import json
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from srcli.networks.trainable import Trainable
from srcli.training.data.on_device import DeviceCrops
from srcli.training.data.photos import Source
from srcli.training.data.prefetch import Crops, Prefetch
from srcli.training.optimizer import GPUS, Optimizer
from srcli.training.readings import Readings
from srcli.training.recipe import Recipe, RecipeError, adjusted, parse
from srcli.training.task import Task, move_average

CHECKPOINT = "checkpoint.safetensors"
LOGS = ("log.csv", "validation.csv")
SHOW_EVERY = 500  # steps between strips of pictures
LOG_EVERY = 50  # steps whose means make one line of log.csv


class Trainer:
    """A run in a folder: checkpoint, log.csv, validation.csv and run.json.

    On a GPU no step is waited for: losses are read every `LOG_EVERY` steps.

    on_device: whether batches are made by tensor code on the device, of pictures that lie there.
    """

    def __init__(
        self, recipe: Recipe, task: Task, photos: Source, out: Path, device: str = "cpu", *, on_device: bool = False
    ) -> None:
        self.recipe, self.task, self.photos, self.out, self.device = recipe, task, photos, out, device
        self.on_device = on_device
        kind = torch.device(device).type
        self.readings = Readings(late=kind != "cpu")
        for network in task.networks.values():
            network.to(device)
            if kind in GPUS:
                network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.ema = copy.deepcopy(task.network).eval().requires_grad_(False)
        trained = {k: n for k, n in task.networks.items() if any(p.requires_grad for p in n.parameters())}
        self.optimizers = {
            name: Optimizer(network, task.optimized(name), task.lr_factors.get(name, 1.0))
            for name, network in trained.items()
        }
        self.step = 0

    def run(
        self,
        *,
        max_minutes: float = math.inf,
        save_minutes: float = 5.0,
        validate_every: int = 2000,
        validate: Callable[[Trainable], dict[str, float]] | None = None,
        show: Callable[[int, Trainable], object] | None = None,
        progress: Callable[[int, dict[str, float]], None] = lambda step, values: None,
    ) -> None:
        """Train until the recipe's last step or the time limit; the state is saved either way.

        Ctrl-C ends the run after the current step and saves too. A run that diverges keeps its last checkpoint.

        show: called with the step and the averaged network every `SHOW_EVERY` steps and at the last one.
        """
        self.out.mkdir(parents=True, exist_ok=True)
        (self.out / "run.json").write_text(self.recipe.to_json() + "\n")
        start = saved = time.monotonic()
        last, recent, values = self.recipe.optim.steps, list[dict[str, float]](), dict[str, float]()
        crops: Crops[Any] = self.recipe.crops
        if self.on_device:
            crops = DeviceCrops(crops, self.photos, self.device)
        self._averaged, self._learned = self._floats(self.ema), self._floats(self.task.network)
        data = Prefetch(self.photos, crops, self.recipe.seed, self.step)
        try:
            with self._log("log.csv") as log, _deferred_interrupt() as interrupted:
                while self.step < last and time.monotonic() - start < max_minutes * 60:
                    if interrupted():
                        break
                    self._train_step(next(data))
                    self.step += 1
                    logs = self.step % LOG_EVERY == 0 or self.step == last
                    scored = self.step % validate_every == 0 or self.step == last
                    shown = self.step % SHOW_EVERY == 0 or self.step == last
                    saves = time.monotonic() - saved > save_minutes * 60
                    if logs or scored or shown or saves or not self.readings.late:
                        recent += self.readings.read()
                        values = recent[-1]
                    if logs:
                        means = {k: _mean([r[k] for r in recent if k in r]) for k in values}
                        log({"step": self.step, "seconds": round(time.monotonic() - start, 1), **means})
                        recent.clear()
                    progress(self.step, values)
                    if validate and scored:
                        with self._log("validation.csv") as scores:
                            scores({"step": self.step, **validate(self.ema)})
                    if show and shown:
                        show(self.step, self.ema)
                    if saves:
                        self.save()
                        saved = time.monotonic()
        finally:
            data.close()
        self.readings.read()
        self.save()
        if interrupted():
            raise KeyboardInterrupt

    def _train_step(self, batch) -> None:
        # Random numbers of a step depend on the step alone: a resumed run repeats an uninterrupted one.
        torch.manual_seed(self.recipe.seed * 1_000_003 + self.step)
        logged: dict[str, float | Tensor] = {}
        for name, loss, values in self.task.losses(batch.to(self.device), self.step):
            self.readings.check(f"the loss of {name}", loss, self.step)
            gate = self.task.gates.get(name)
            self.optimizers[name].step(loss, self.step, see=self.readings.check, gate=gate)
            logged |= values
        decay = min(self.recipe.optim.ema, (1 + self.step) / (10 + self.step))
        move_average(self._averaged, self._learned, decay)
        self.readings.add(logged)

    @staticmethod
    def _floats(network: nn.Module) -> list[Tensor]:
        return [t for t in network.state_dict().values() if t.is_floating_point()]

    def save(self) -> None:
        """One file, written aside and renamed: weights, EMA, optimizer state; step and recipe as metadata."""
        tensors = {f"ema/{k}": v for k, v in self.ema.state_dict().items()}
        for name, network in self.task.networks.items():
            tensors |= {f"{name}/{k}": v for k, v in network.state_dict().items()}
        for name, optimizer in self.optimizers.items():
            tensors |= {f"optimizer/{name}/{k}": v for k, v in optimizer.state().items()}
        metadata = {"step": str(self.step), "recipe": self.recipe.to_json(), "photos": self.photos.fingerprint()}
        metadata |= self.task.origin
        self.out.mkdir(parents=True, exist_ok=True)
        part = self.out / (CHECKPOINT + ".part")
        save_file({k: v.detach().cpu().contiguous() for k, v in tensors.items()}, part, metadata)
        part.chmod(0o644)
        part.replace(self.out / CHECKPOINT)

    def exists(self) -> bool:
        """Whether the run's folder holds a checkpoint."""
        return (self.out / CHECKPOINT).is_file()

    def start(self, weights: Path | None) -> None:
        """Begin at step 0 with exported weights, None: with random ones. Raises RecipeError where the task cannot."""
        if weights is not None:
            self.start_from(weights)
        self.task.check_start(weights)

    def start_from(self, weights: Path) -> None:
        """Take over exported weights. They may lack the network's `additions`, which begin at zero; the network that
        makes its targets begins like it."""
        network = self.task.network
        added = {k: v for k, v in network.state_dict().items() if k in network.additions}
        try:
            state = added | {k: v.float() for k, v in load_file(weights, device=self.device).items()}
            network.load_state_dict(state)
        except (OSError, RuntimeError, SafetensorError) as error:
            raise RecipeError(f"cannot start from {weights}: {error}") from error
        self.ema.load_state_dict(state)
        if target := self.task.networks.get("target"):
            target.load_state_dict(state)

    def resume(self) -> None:
        """Continue from the checkpoint in the run's folder, which must be of the same recipe and photos."""
        path = self.out / CHECKPOINT
        tensors, metadata = load_file(path, device=self.device), read_metadata(path)
        if metadata["photos"] != self.photos.fingerprint():
            raise RecipeError(f"{self.out} was trained on other photos; a resumed run needs the same")
        if adjusted(recipe_of(self.out), self.recipe.optim.steps, None) != self.recipe:
            raise RecipeError(f"{self.out} was started with another recipe")
        for name, value in self.task.origin.items():
            if metadata.get(name) != value:
                raise RecipeError(f"{self.out} was started with another {name}")
        self.step = int(metadata["step"])
        for name in LOGS:
            _shorten(self.out / name, self.step)
        self.ema.load_state_dict(under(tensors, "ema/"))
        for name, network in self.task.networks.items():
            network.load_state_dict(under(tensors, f"{name}/"))
        for name, optimizer in self.optimizers.items():
            optimizer.load(under(tensors, f"optimizer/{name}/"))

    @contextlib.contextmanager
    def _log(self, name: str) -> Iterator[Callable[[dict], None]]:
        path = self.out / name
        with path.open("a", newline="") as file:

            def write(row: dict) -> None:
                writer = csv.DictWriter(file, list(row))
                if file.tell() == 0:
                    writer.writeheader()
                writer.writerow({k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()})
                file.flush()

            yield write


def _shorten(log: Path, step: int) -> None:
    """Drop the rows of steps after `step`, which will be done again."""
    if not log.is_file():
        return
    lines = [line for line in log.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]
    kept = lines[:1] + [line for line in lines[1:] if int(line.split(b",")[0]) <= step]
    part = log.with_name(log.name + ".part")
    part.write_bytes(b"".join(kept))
    part.replace(log)


def _mean(values: list[float]) -> float:
    """Of the steps that have a value: NaN is for steps without."""
    known = [v for v in values if not math.isnan(v)]
    return sum(known) / len(known) if known else math.nan


@contextlib.contextmanager
def _deferred_interrupt() -> Iterator[Callable[[], bool]]:
    """Turns SIGINT into a question, so that no step is left half done.

    Changes nothing outside the main thread, or if SIGINT is ignored, as it is in background jobs of a shell.
    """
    asked = False

    def ask(signum: int, frame: object) -> None:
        nonlocal asked
        asked = True

    ignored = signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    if ignored or threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    before = signal.signal(signal.SIGINT, ask)
    try:
        yield lambda: asked
    finally:
        signal.signal(signal.SIGINT, before)


def recipe_of(run: Path) -> Recipe:
    """The recipe that the run in a folder was started with."""
    path = run / CHECKPOINT
    if not path.is_file():
        raise RecipeError(f"nothing to resume: {path} does not exist")
    table = json.loads(read_metadata(path)["recipe"])
    return parse(table.pop("name"), table)


def under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The entries below a prefix, without it."""
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def read_metadata(path: Path) -> dict[str, str]:
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        return file.metadata() or {}
