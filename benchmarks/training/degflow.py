"""What a generator of degradations does to held-back photos, as Markdown.

    python benchmarks/training/degflow.py --data photos/ --names runs/ae/held_out.txt --large large/ \\
        --autoencoder ae.safetensors --flow flow.safetensors --lpips-weights lpips_squeeze_v01.safetensors

The true levels are made by a camera that is drawn for each photo by its name, or real ones (--pairs, the Test part of
RealSR). PSNR over RGB of 8-bit pictures. Interpolations, half way between the true levels 2 and 4 or along the spline
through the true latents 1, 2 and 4, are given what the generator does not see: it has the photo alone. Sharpness: mean
difference of neighbours' luma. Grid score: 1 is that of natural pictures; at 64 pixels it needs photos of 896 pixels a
side, which --large gives.
"""

from __future__ import annotations

import argparse
import datetime
import time
from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from srcli import degrader, runtime
from srcli.flows.degradation_path import Spline
from srcli.flows.ode import Solver
from srcli.methods.degflow.model import DegflowModel, time_of, to_bytes
from srcli.metrics.grid import grid_score
from srcli.metrics.lpips import LPIPS
from srcli.metrics.psnr import luma, psnr
from srcli.training.data.pairs import Pairs
from srcli.training.data.photos import SUFFIXES
from srcli.training.monitor.validation import camera_of

LEVELS = (2, 3, 4)
PATH = [1 + n / 4 for n in range(1, 13)]
TIMED = [1.5, 2.0, 2.4, 3.0, 4.0]
LARGE = 896  # pixels a side that a spectrum needs for a period of 64
RIVALS = ("interpolated latents", "interpolated pictures", "spline through the true latents")
Levels = dict[int, np.ndarray]
Scores = dict[str, list[float]]  # of the photos, by "name level measure"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--data", type=Path, help="folder of photos")
    source.add_argument("--pairs", type=Path, help="real levels in the layout of RealSR")
    parser.add_argument("--names", type=Path, help="a file with the names of the photos in --data, e.g. held_out.txt")
    parser.add_argument("--large", type=Path, help=f"photos of at least {LARGE} pixels a side, for grid scores")
    parser.add_argument("--model", help="a name of the manifest, instead of files")
    parser.add_argument("--autoencoder", type=Path)
    parser.add_argument("--flow", type=Path)
    parser.add_argument("--lpips-weights", type=Path)
    parser.add_argument("--solver", help="rk4 or dopri5 instead of the model's own")
    parser.add_argument("--steps", type=int, default=16, help="of rk4")
    parser.add_argument("--most", type=int, default=10**9, help="photos")
    parser.add_argument("--side", type=int, default=512, help="pixels of the middle of a photo that is scored")
    parser.add_argument("--picture", type=Path, help="where to write the path of the first photo")
    options = parser.parse_args()
    runtime.reuse_heap()
    parts = degrader.find(options.model, options.autoencoder, options.flow)
    solver = Solver(options.solver, options.steps) if options.solver else None
    ready = degrader.Degrader(parts, solver, precision="fp32")
    judge = LPIPS.load(options.lpips_weights) if options.lpips_weights else None
    cases = real(options.pairs) if options.pairs else made(named(options.data, options.names))
    cases = [{s: middle(level, options.side) for s, level in case.items()} for case in cases][: options.most]
    print(f"{datetime.date.today()}, {ready.runtime.device}, {ready.threads} threads, {len(cases)} photos\n")
    print(quality(ready, cases, judge))
    if options.large:
        print(grids(ready, large(options.large)[: options.most]))
    print(sharpness(ready, cases, options.picture))
    print(speed(ready, cases[0][1]))


def named(folder: Path, names: Path | None = None) -> dict[str, np.ndarray]:
    """Photos of a folder and those in it, all or those whose names are in a file, one a line; uint8 (H, W, 3)."""
    wanted = None if names is None else set(names.read_text().split("\n")) - {""}
    found = {p.name: p for p in sorted(folder.rglob("*")) if p.suffix.lower() in SUFFIXES}
    if wanted is not None:
        if missing := sorted(wanted - set(found)):
            raise SystemExit(f"{folder} has no {missing[0]}, which is in {names}")
        found = {name: path for name, path in found.items() if name in wanted}
    return {name: np.asarray(Image.open(path).convert("RGB")) for name, path in found.items()}


def made(photos: dict[str, np.ndarray]) -> list[Levels]:
    """Photos with levels by the camera of each name."""
    found = []
    for name, photo in photos.items():
        camera = camera_of(name)
        found.append({s: camera(photo, s) for s in (1, *LEVELS)})
    return found


def real(folder: Path) -> list[Levels]:
    pairs = Pairs(folder, (1, *LEVELS), 64, "Test")
    return [{s: pairs.read(path) for s, path in scene.items()} for scene in pairs.scenes]


def large(folder: Path) -> list[Levels]:
    """The middle of each photo of a folder, with its levels."""
    photos = {name: middle(photo, 1024) for name, photo in named(folder).items()}
    if small := [name for name, photo in photos.items() if min(photo.shape[:2]) < LARGE]:
        raise SystemExit(f"{small[0]} in {folder} has less than {LARGE} pixels a side")
    return made(photos)


def middle(image: np.ndarray, side: int) -> np.ndarray:
    """The middle of a picture, sides multiples of 64 of at most so many pixels."""
    height, width = (min(n, side) // 64 * 64 for n in image.shape[:2])
    y, x = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
    return np.ascontiguousarray(image[y : y + height, x : x + width])


def quality(ready: degrader.Degrader, cases: list[Levels], judge: LPIPS | None) -> str:
    """PSNR and LPIPS-Squeeze of what comes back, of what is generated and of what is interpolated; on how many photos
    the generated level 3 is the better one; grid scores at the latent's period."""
    values: Scores = defaultdict(list)
    for case in cases:
        for name, level, picture in pictures(ready, case):
            values[f"{name} {level} psnr"].append(psnr(picture, case[level], channel="rgb"))
            if judge is not None:
                with torch.inference_mode():
                    values[f"{name} {level} lpips"].append(judge(tensor(picture), tensor(case[level])).item())
            note_grid(values, f"{name} {level} grid", picture, 8)
            note_grid(values, f"{name} {level} true", case[level], 8)
    lines = ["| | level | PSNR, dB | LPIPS-Squeeze | grid 8 (true) |", "|---|---|---|---|---|"]
    for name, level in dict.fromkeys((k.rsplit(" ", 2)[0], k.rsplit(" ", 2)[1]) for k in values if "psnr" in k):
        key = f"{name} {level}"
        grid = f"{mean(values, key + ' grid', '.2f')} ({mean(values, key + ' true', '.2f')})"
        lines.append(f"| {key[:-2]} | {level} | {mean(values, key + ' psnr', '.2f')} | "
                     f"{mean(values, key + ' lpips', '.4f')} | {grid} |")  # fmt: skip
    lines.append("")
    for rival in RIVALS:
        better = wins(values["generated 3 psnr"], values[f"{rival} 3 psnr"])
        nearer = wins(values[f"{rival} 3 lpips"], values["generated 3 lpips"]) if judge is not None else "not scored"
        lines.append(f"generated level 3 against {rival}: better PSNR {better}, better LPIPS {nearer}")
    return "\n".join(lines) + "\n"


def note_grid(values: Scores, key: str, image: np.ndarray, period: int) -> None:
    if (score := grid_score(image, period)) is not None:
        values[key].append(score)


def mean(values: Scores, key: str, form: str) -> str:
    return format(np.mean(values[key]), form) if values[key] else "none"


def wins(higher: list[float], lower: list[float]) -> str:
    """On how many photos the first is above the second."""
    return f"{sum(a > b for a, b in zip(higher, lower, strict=True))} of {len(higher)}"


def grids(ready: degrader.Degrader, cases: list[Levels]) -> str:
    """Grid scores of large generated pictures at the periods of the latent and of the flow's coarsest positions."""
    values: Scores = defaultdict(list)
    for case in cases:
        results = ready.model.generate(case[1], LEVELS, ready.solver)
        for level, picture in zip(LEVELS, results, strict=True):
            for period in (8, 64):
                note_grid(values, f"{level} {period}", picture, period)
                note_grid(values, f"{level} {period} true", case[level], period)
    lines = [f"| level, {len(cases)} large photos | grid 8 (true) | grid 64 (true) |", "|---|---|---|"]
    for level in LEVELS:
        keys = (f"{level} {period}" for period in (8, 64))
        cells = [f"{mean(values, key, '.2f')} ({mean(values, key + ' true', '.2f')})" for key in keys]
        lines.append(f"| {level} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


@torch.inference_mode()
def pictures(ready: degrader.Degrader, case: Levels) -> Iterator[tuple[str, int, np.ndarray]]:
    """Everything that is compared with a true level: (what it is, level, uint8 picture)."""
    model, solver = ready.model, ready.solver
    latents = {s: model.autoencoder.encoder(tensor(level))[0] for s, level in case.items()}
    skips = model.autoencoder.encoder.skips(tensor(case[1]))

    def decoded(z: torch.Tensor) -> np.ndarray:
        return to_bytes(model.autoencoder.decoder(z, skips)[0])

    for level in LEVELS:
        yield "true level through the autoencoder", level, decoded(latents[level])
    for level in LEVELS:
        yield "the photo's own latent", level, decoded(latents[1])
    for level, z in zip(LEVELS, model.path(latents[1], LEVELS, solver), strict=True):
        yield "generated", level, decoded(z)
    yield "interpolated latents", 3, decoded((latents[2] + latents[4]) / 2)
    yield "interpolated pictures", 3, np.rint((case[2].astype(float) + case[4]) / 2).astype(np.uint8)
    knots = torch.stack([latents[s] for s in (1, 2, 4)])
    through = Spline(knots, torch.tensor([0.0, 1 / 3, 1.0]).to(knots))
    yield "spline through the true latents", 3, decoded(through(knots.new_tensor([time_of(3)])).value)


def tensor(image: np.ndarray) -> torch.Tensor:
    """uint8 (H, W, 3) to (1, 3, H, W) in [-1, 1]."""
    return torch.from_numpy(image).permute(2, 0, 1)[None].float() / 127.5 - 1


def sharpness(ready: degrader.Degrader, cases: list[Levels], picture: Path | None) -> str:
    """Mean over photos at each scale, along rows and along columns, as a share of the photo's own, and whether each
    photo's falls all the way in both."""
    shares: dict[str, list[list[float]]] = {"rows": [], "columns": []}
    falling = 0
    for number, case in enumerate(cases):
        path = [case[1], *ready.model.generate(case[1], PATH, ready.solver)]
        falls = []
        for axis, name in ((1, "rows"), (0, "columns")):
            values = [float(np.abs(np.diff(luma(image), axis=axis)).mean()) for image in path]
            shares[name].append([v / values[0] for v in values])
            falls.append(all(a > b for a, b in pairwise(values)))
        falling += all(falls)
        if picture is not None and number == 0:
            Image.fromarray(np.concatenate([middle(image, 256) for image in path[::2]], axis=1)).save(picture)
    lines = ["| scale | " + " | ".join(f"{s:g}" for s in (1, *PATH)) + " |", "|---" * (len(PATH) + 2) + "|"]
    for name, found in shares.items():
        row = " | ".join(f"{m:.3f}" for m in np.mean(found, axis=0))
        lines.append(f"| sharpness along {name} | {row} |")
    return "\n".join([*lines, "", f"falls all the way in both: {falling} of {len(cases)}"]) + "\n"


def speed(ready: degrader.Degrader, photo: np.ndarray) -> str:
    """Seconds per megapixel for one scale and for several from one solution, of a photo mirrored up to a megapixel."""
    height, width = (max(0, 1024 - n) for n in photo.shape[:2])
    photo = np.pad(photo, ((0, height), (0, width), (0, 0)), mode="symmetric")
    computing = runtime.choose("auto")
    lines = [f"autoencoder in {computing.precision}, path in float32:"]
    list(ready.model.generate(photo, [4.0], Solver("rk4", 1), computing=computing))  # the first is slower
    for scales in ([TIMED[-1]], TIMED):
        counted, model = 0, DegflowModel(ready.model.autoencoder, ready.model.flow)

        def count(*arguments: object) -> None:
            nonlocal counted
            counted += 1

        handle = model.flow.register_forward_hook(count)
        start = time.perf_counter()
        list(model.generate(photo, scales, ready.solver, computing=computing))
        seconds = time.perf_counter() - start
        handle.remove()
        each = seconds / (photo.shape[0] * photo.shape[1] / 1e6)
        names = ", ".join(f"{s:g}" for s in scales)
        lines.append(f"{each:.1f} s a megapixel for {names}: {each / len(scales):.1f} a scale, {counted} evaluations")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
