"""What can be measured of results that have no original, as Markdown.

    srcli upscale photos/ -o results/flowsr-s -n flowsr-s -s 4
    python benchmarks/quality/real.py results/flowsr-s peers/upscayl-lite-4x --low photos/ \\
        --niqe-parameters niqe.safetensors

A row is a folder. Colour drift is the mean CIEDE2000 of the low frequencies against the small picture, enlarged; the
grid score is that of period 4, at which the networks here fold pixels, whatever the scale. The weave is how much more
neighbours differ at some places of 4x4 pixels than at others, in percent of how much they differ: at x4 the small
picture's pixels, where they show. Pictures are matched by name, that of the small picture.
"""

from __future__ import annotations

import argparse
import datetime
import statistics
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from sheet import made_from, pictures

from srcli.bench.metrics import Files, Original, choose
from srcli.bench.variants import opaque
from srcli.metrics.colour import colour_drift
from srcli.metrics.grid import grid_score
from srcli.training import losses

Scores = dict[str, list[float]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--low", type=Path, required=True, help="the small pictures")
    parser.add_argument("--niqe-parameters", type=Path)
    options = parser.parse_args()
    low = {path.stem: path for path in pictures(options.low)}
    print(f"{datetime.date.today()}, {len(low)} pictures\n")
    columns = ("colour drift: mean, worst", "grid score of 4: median, worst", "weave: mean, worst", "NIQE")
    print(f"| results | pictures | {' | '.join(columns)} |")
    print("|---|---|---|---|---|---|")
    for folder in options.folders:
        made = made_from(list(low), folder)
        if not made:
            parser.error(f"{folder} has results of none of them")
        scores = score([(low[name], path) for name, path in made.items()], options.niqe_parameters)
        print(f"| {folder.name} | {len(made)} | {told(scores)} |")


def score(pairs: list[tuple[Path, Path]], niqe: Path | None) -> Scores:
    found: Scores = {"colour": [], "grid": [], "weave": [], "niqe": []}
    metrics = choose(["niqe"], Files(niqe=(niqe,))) if niqe else []
    for small, path in pairs:
        low, image = opaque(small).rgb(), opaque(path).rgb()
        size = (image.shape[1], image.shape[0])
        enlarged = np.asarray(Image.fromarray(low).resize(size, Image.Resampling.BICUBIC))
        original = Original(enlarged, low, max(1, round(size[0] / low.shape[1])))
        values = {"colour": colour_drift(image, enlarged), "grid": grid_score(image, 4)}
        values["weave"] = woven(image) if min(size) >= 48 else None
        values |= {m.name: m.measure(image, original) for m in metrics if m.measure and min(size) >= m.least}
        for name, value in values.items():
            if value is not None:
                found[name].append(value)
    return found


def woven(image: np.ndarray) -> float | None:
    """In percent; None where nothing differs."""
    height, width = (n // 4 * 4 for n in image.shape[:2])
    pixels = torch.from_numpy(image[:height, :width] / 255).permute(2, 0, 1)[None].float()
    grey = losses.luma(pixels)
    contrast = torch.cat([grey.diff(dim=-1).abs().flatten(), grey.diff(dim=-2).abs().flatten()]).mean()
    return 100 * (losses.weave(pixels, torch.zeros_like(pixels), windows=(12,)) / contrast).item() if contrast else None


def told(scores: Scores) -> str:
    colour, grid, weave, niqe = scores.values()
    cells = [f"{statistics.mean(colour):.2f}, {max(colour):.2f}", f"{statistics.median(grid):.2f}, {max(grid):.2f}"]
    cells.append(f"{statistics.mean(weave):.1f}, {max(weave):.1f}" if weave else "")
    return " | ".join([*cells, f"{statistics.mean(niqe):.2f}" if niqe else ""])


if __name__ == "__main__":
    main()
