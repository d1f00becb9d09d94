"""How fast a recipe trains: batches alone, and whole steps, in seconds and in millions of sharp pixels a second.

Columns: what, seconds each, millions of pixels a second, and seconds of CPU time, which other programs on the same
cores change less. `batches` are cut, degraded and brought to the device one after the other; `steps` are those of
`srcli train`, with the next batch drawn in the background, after a tenth of them to warm up.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from srcli import runtime
from srcli.training import recipe as recipes
from srcli.training.data.lesson_files import LessonFiles
from srcli.training.data.on_device import DeviceCrops
from srcli.training.data.photos import Photos
from srcli.training.loop import Trainer
from srcli.training.tasks import make_task


def main(arguments: list[str] | None = None) -> None:
    given = _parse(arguments)
    runtime.set_threads(given.threads)
    runtime.reuse_heap()
    device = runtime.find_device(given.device)
    chosen = recipes.load(given.recipe, steps=given.start + given.steps)
    sizes = {k: v for k, v in {"batch": given.batch, "crop": given.crop}.items() if v}
    chosen = replace(chosen, crops=replace(chosen.crops, **sizes))
    shortest = chosen.crops.shortest
    source = LessonFiles(given.pairs, shortest) if given.pairs else Photos(given.data, shortest=shortest)
    on_device = given.batches == "device"
    crops: Any = DeviceCrops(chosen.crops, source, str(device)) if on_device else chosen.crops
    print(f"{chosen.name}: {given.batches} batches of {chosen.crops.batch} crops of {chosen.crops.crop} on {device}")
    drawn = [pixels(crops.draw(source, 0, n).to(str(device))) for n in range(3)]
    mean = sum(drawn) / len(drawn)
    report("batches", *timed(lambda n: crops.draw(source, 1, n).to(str(device)), given.steps, device), mean)
    if not given.data_only:
        task = make_task(chosen, given.flow, given.trunk, features=given.features)
        with tempfile.TemporaryDirectory() as out:
            trainer = Trainer(chosen, task, source, Path(out), str(device), on_device=on_device)
            trainer.step = given.start
            report("steps", *pace(trainer, given.steps, device), mean)


def pixels(batch: Any) -> int:
    """Sharp pixels of a batch."""
    photos = getattr(batch, "photos", None)
    if photos is not None:
        return sum(photo.shape[-2] * photo.shape[-1] for photo in photos)
    sharp = batch.hr if hasattr(batch, "hr") else batch.truth
    return len(sharp) * sharp.shape[-2] * sharp.shape[-1]


def timed(work: Callable[[int], object], count: int, device: torch.device) -> tuple[float, float]:
    """Seconds of each call, and seconds of CPU time."""
    start = clocks(device)
    for n in range(count):
        work(n)
    end = clocks(device)
    return (end[0] - start[0]) / count, (end[1] - start[1]) / count


def pace(trainer: Trainer, steps: int, device: torch.device) -> tuple[float, float]:
    """Seconds of a step, and seconds of CPU time."""
    first, marks = trainer.step + max(1, steps // 10), []

    def progress(step: int, values: dict[str, float]) -> None:
        if step in (first, trainer.recipe.optim.steps):
            marks.append((step, *clocks(device)))

    trainer.run(progress=progress)
    begin, end = marks[0], marks[-1]
    count = max(1, end[0] - begin[0])
    return (end[1] - begin[1]) / count, (end[2] - begin[2]) / count


def clocks(device: torch.device) -> tuple[float, float]:
    """Seconds and seconds of CPU time, once a GPU has done what it had to do."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter(), time.process_time()


def report(what: str, seconds: float, busy: float, count: float) -> None:
    print(f"{what:8} {seconds:9.4f} s {count / seconds / 1e6:9.3f} Mpx/s {busy:9.4f} s CPU", flush=True)


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", help="name of a recipe, or a .toml file")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--data", type=Path, help="folder of sharp photos")
    source.add_argument("--pairs", type=Path, help="folder of lessons, for a restorer")
    parser.add_argument("--batches", choices=("cpu", "device"), default="cpu", help="where crops are cut and degraded")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--start", type=int, default=0, help="first step, for losses that come late")
    parser.add_argument("--batch", type=int, help="crops of a batch, instead of the recipe's")
    parser.add_argument("--crop", type=int, help="side of a crop, instead of the recipe's")
    parser.add_argument("--data-only", action="store_true", help="batches alone")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--trunk", type=Path)
    parser.add_argument("--features", type=Path)
    parser.add_argument("--flow")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
