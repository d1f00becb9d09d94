"""What a generator of degradations does to held-back photos, as Markdown.

    python benchmarks/degflow.py --data photos/ --autoencoder ae.safetensors --flow flow.safetensors \\
        --lpips-weights lpips_squeeze_v01.safetensors

The true levels are made by a camera that is drawn for each photo by its name, or real ones (--pairs, the Test part of
RealSR). PSNR over RGB of 8-bit pictures. Interpolations stand half way between the true levels 2 and 4, which the
generator does not see: it has the photo alone. Sharpness: mean difference of neighbours' luma. Grid score: 1 is that of
natural pictures; at 64 pixels it needs photos of more than 832 pixels a side.
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
from srcli.degradation import synthetic
from srcli.degradation.levels import draw_camera
from srcli.metrics.grid import grid_score
from srcli.metrics.lpips import LPIPS
from srcli.metrics.psnr import luma, psnr
from srcli.networks.ode import Solver
from srcli.pipelines.degflow import DegflowModel, to_bytes
from srcli.training.pairs import Pairs
from srcli.training.validation import photos_of

LEVELS = (2, 3, 4)
PATH = [1 + n / 4 for n in range(1, 13)]
TIMED = [1.5, 2.0, 2.4, 3.0, 4.0]
Levels = dict[int, np.ndarray]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--data", type=Path, help="folder of photos")
    source.add_argument("--pairs", type=Path, help="real levels in the layout of RealSR")
    parser.add_argument("--model", help="a name of the manifest, instead of files")
    parser.add_argument("--autoencoder", type=Path)
    parser.add_argument("--flow", type=Path)
    parser.add_argument("--lpips-weights", type=Path)
    parser.add_argument("--solver", default="dopri5")
    parser.add_argument("--steps", type=int, default=16)
    parser.add_argument("--most", type=int, default=10**9, help="photos")
    parser.add_argument("--side", type=int, default=512, help="pixels of the middle of a photo that is scored")
    parser.add_argument("--picture", type=Path, help="where to write the path of the first photo")
    options = parser.parse_args()
    runtime.reuse_heap()
    parts = degrader.find(options.model, options.autoencoder, options.flow)
    ready = degrader.Degrader(parts, Solver(options.solver, options.steps), precision="fp32")
    judge = LPIPS.load(options.lpips_weights) if options.lpips_weights else None
    cases = real(options.pairs) if options.pairs else made(options.data)
    cases = [{s: middle(level, options.side) for s, level in case.items()} for case in cases][: options.most]
    print(f"{datetime.date.today()}, {ready.runtime.device}, {ready.threads} threads, {len(cases)} photos\n")
    print(quality(ready, cases, judge))
    print(sharpness(ready, cases, options.picture))
    print(speed(ready, cases[0][1]))


def made(folder: Path) -> list[Levels]:
    """Photos with levels by the camera of each name."""
    found = []
    for name, photo in photos_of(folder).items():
        camera = draw_camera(np.random.default_rng(synthetic.seed_of(name, 1)))
        found.append({s: camera(photo, s) for s in (1, *LEVELS)})
    return found


def real(folder: Path) -> list[Levels]:
    pairs = Pairs(folder, (1, *LEVELS), 64, "Test")
    return [{s: pairs.read(path) for s, path in scene.items()} for scene in pairs.scenes]


def middle(image: np.ndarray, side: int) -> np.ndarray:
    """The middle of a picture, sides multiples of 64 of at most so many pixels."""
    height, width = (min(n, side) // 64 * 64 for n in image.shape[:2])
    y, x = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
    return np.ascontiguousarray(image[y : y + height, x : x + width])


def quality(ready: degrader.Degrader, cases: list[Levels], judge: LPIPS | None) -> str:
    """PSNR and LPIPS-Squeeze of what comes back, of what is generated and of what is interpolated; grid scores."""
    values: dict[str, list[float]] = defaultdict(list)
    for case in cases:
        for name, level, picture in pictures(ready, case):
            values[f"{name} {level} psnr"].append(psnr(picture, case[level], channel="rgb"))
            if judge is not None:
                with torch.inference_mode():
                    values[f"{name} {level} lpips"].append(judge(tensor(picture), tensor(case[level])).item())
            for period in (8, 64):
                for kind, image in ((name, picture), ("true", case[level])):
                    if (score := grid_score(image, period)) is not None:
                        values[f"{kind} {level} grid{period}"].append(score)

    def mean(key: str, form: str) -> str:
        return format(np.mean(values[key]), form) if values[key] else "none"

    lines = ["| | level | PSNR, dB | LPIPS-Squeeze | grid 8 (true) | grid 64 (true) |", "|---|---|---|---|---|---|"]
    for name, level in dict.fromkeys((k.rsplit(" ", 2)[0], k.rsplit(" ", 2)[1]) for k in values if "psnr" in k):
        grids = [f"{mean(f'{name} {level} grid{p}', '.2f')} ({mean(f'true {level} grid{p}', '.2f')})" for p in (8, 64)]
        key = f"{name} {level}"
        scores = f"{mean(key + ' psnr', '.2f')} | {mean(key + ' lpips', '.4f')}"
        lines.append(f"| {name} | {level} | {scores} | {' | '.join(grids)} |")
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
        yield "autoencoder", level, decoded(latents[level])
    for level, z in zip(LEVELS, model.path(latents[1], LEVELS, solver), strict=True):
        yield "generated", level, decoded(z)
    yield "interpolated latents", 3, decoded((latents[2] + latents[4]) / 2)
    yield "interpolated pictures", 3, np.rint((case[2].astype(float) + case[4]) / 2).astype(np.uint8)


def tensor(image: np.ndarray) -> torch.Tensor:
    """uint8 (H, W, 3) to (1, 3, H, W) in [-1, 1]."""
    return torch.from_numpy(image).permute(2, 0, 1)[None].float() / 127.5 - 1


def sharpness(ready: degrader.Degrader, cases: list[Levels], picture: Path | None) -> str:
    """Mean over photos at each scale, as a share of the photo's own, and whether each photo's falls all the way."""
    shares, falling = [], 0
    for number, case in enumerate(cases):
        path = [case[1], *ready.model.generate(case[1], PATH, ready.solver)]
        values = [np.abs(np.diff(luma(image), axis=1)).mean() for image in path]
        shares.append([v / values[0] for v in values])
        falling += all(a > b for a, b in pairwise(values))
        if picture is not None and number == 0:
            Image.fromarray(np.concatenate([middle(image, 256) for image in path[::2]], axis=1)).save(picture)
    means = np.mean(shares, axis=0)
    head = "| scale | " + " | ".join(f"{s:g}" for s in (1, *PATH)) + " |\n" + "|---" * (len(PATH) + 2) + "|\n"
    row = " | ".join(f"{m:.3f}" for m in means)
    return f"{head}| sharpness | {row} |\n\nfalls all the way: {falling} of {len(cases)}\n"


def speed(ready: degrader.Degrader, photo: np.ndarray) -> str:
    """Seconds per megapixel for one scale and for several from one solution."""
    lines = []
    for scales in ([TIMED[-1]], TIMED):
        counted, model = 0, DegflowModel(ready.model.autoencoder, ready.model.flow)

        def count(*arguments: object) -> None:
            nonlocal counted
            counted += 1

        handle = model.flow.register_forward_hook(count)
        start = time.perf_counter()
        list(model.generate(photo, scales, ready.solver, computing=runtime.choose("auto")))
        seconds = time.perf_counter() - start
        handle.remove()
        each = seconds / (photo.shape[0] * photo.shape[1] / 1e6)
        names = ", ".join(f"{s:g}" for s in scales)
        lines.append(f"{each:.1f} s a megapixel for {names}: {each / len(scales):.1f} a scale, {counted} evaluations")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
