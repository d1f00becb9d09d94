"""Real pictures, odd pictures and degraded photos by several models: one contact sheet, one page, and their numbers.

    python benchmarks/quality/real.py --real real/ --odd odd/ --photos Set14/ --models flowsr-s,linf-lp-s,bicubic \\
        --file x4plus=RealESRGAN_x4plus.pth --lpips-weights lpips_squeeze_v01.safetensors \\
        --niqe-parameters niqe_pristine.safetensors --out out/

All pictures of --real, ten of --odd (evenly chosen among those that can be read and have 32 pixels a side), and twenty
made of --photos by the presets of `srcli degrade`. Each row shows the same two parts of 96x96 input pixels: where the
gradient of luma is largest, and where it is smallest. OUT has sheet.jpg (one scale), index.html (all scales),
scores.csv, the inputs by scale in low/, and the results in results/, which are used again while input and weights are
the same.

Other tools enlarge OUT/low/x4/ themselves: --folder NAME=DIR takes their results, matched by name and size. With
--models '' only those are shown.

--worst NAME lists the ten pictures in which that model is furthest behind the others, by the --votes of a blind
comparison, then by LPIPS-Squeeze or NIQE, and writes worst.jpg.

Numbers are of whole pictures. With a truth: PSNR-Y in dB, without a border of the scale, and LPIPS-Squeeze. Without:
NIQE; colour drift, the mean CIEDE2000 of the low frequencies against the small picture enlarged by bicubic; the grid
score of period 4, at which the networks here fold pixels; flat noise, where that enlarged picture is flat. The tables
have all of them, and the weave: how much more neighbours differ at some places of 4x4 pixels than at others, in percent
of how much they differ. At x4 that is the small picture's pixels, where they show.
"""

from __future__ import annotations

import argparse
import csv
import datetime
import hashlib
import statistics
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from sheet import Cell, Row, contact, page, save
from subjects import Asked, Subject, subjects
from worst import lost, worst

from srcli.bench.metrics import Files, Metric, Original, choose
from srcli.errors import SrcliError
from srcli.geometry import Target
from srcli.images import folders
from srcli.training import losses
from srcli.upscaler import Upscaler

Make = Callable[[Subject], np.ndarray]
Scores = dict[str, float | None]
WITH_TRUTH, WITHOUT = ("psnr_y", "lpips_squeeze"), ("niqe", "colour", "grid_4", "flat_noise")
TITLES = {
    "psnr_y": "PSNR-Y", "lpips_squeeze": "LPIPS-Squeeze", "niqe": "NIQE", "colour": "colour drift",
    "grid_4": "grid score of 4", "flat_noise": "flat noise", "weave": "weave",
}  # fmt: skip
SHORT = {"lpips_squeeze": "LPIPS", "grid_4": "grid"}
WORST_TOO = {"colour": statistics.mean, "grid_4": statistics.median, "weave": statistics.mean}


def main() -> None:
    options = arguments()
    places = {name: tuple(map(float, at.split(","))) for name, at in map(named, options.at)}
    asked = Asked(
        real=options.real, odd=options.odd, photos=options.photos, odd_count=options.odd_count,
        degraded_count=options.degraded_count, seed=options.seed, largest=options.largest, at=places,
        only=options.only,
    )  # fmt: skip
    scales = [float(scale) for scale in options.scales.split(",")]
    found = list(subjects(asked, scales))
    if not found:
        sys.exit("no pictures: give --real, --odd or --photos")
    makers = makers_of(options, {subject.name for subject in found})
    metrics = metrics_of(options.lpips_weights, options.niqe_parameters)
    rows, scores = [], []
    for subject in found:
        print(f"x{subject.scale:g} {subject.group}: {subject.name}, {subject.low.size}", file=sys.stderr)
        low = options.out / "low" / f"x{subject.scale:g}" / f"{subject.name}.png"
        low.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(subject.low.rgb()).save(low)
        rows.append(row_of(subject, makers, metrics, scores))
    tables = summary(scores, list(makers))
    print(tables)
    write_scores(options.out / "scores.csv", scores)
    shown = [row for row in rows if row.scale == (options.sheet_scale or max(scales))]
    save(contact(shown, options.side), options.out / "sheet.jpg")
    if options.worst:
        found = worst(shown, scores, options.worst, lost(options.votes, options.worst))
        for row, why in found:
            print(f"{row.group}: {row.name}: {why}")
        save(contact([row for row, _ in found], options.side), options.out / "worst.jpg")
    about = f"Real pictures, {datetime.date.today()}"
    (options.out / "index.html").write_text(page(rows, about, tables, options.quality), encoding="utf-8")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--real", type=Path, nargs="+", default=[], help="pictures or folders, enlarged as they are")
    parser.add_argument("--odd", type=Path, nargs="+", default=[], help="folders of which some are chosen")
    parser.add_argument("--photos", type=Path, nargs="+", default=[], help="sharp photos, which are degraded")
    parser.add_argument("--odd-count", type=int, default=10)
    parser.add_argument("--degraded-count", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0, help="of the degradations")
    parser.add_argument("--largest", type=int, default=256, help="pixels a side; larger ones are cut (0: none)")
    parser.add_argument("--scales", default="2,3.5,4")
    parser.add_argument("--models", default="flowsr-s,linf-lp-s,bicubic", help="names, separated by commas")
    parser.add_argument("--file", action="append", default=[], metavar="NAME=WEIGHTS")
    parser.add_argument("--folder", action="append", default=[], metavar="NAME=DIR", help="finished results")
    parser.add_argument("--only", nargs="+", default=[], help="names of pictures")
    parser.add_argument("--at", action="append", default=[], metavar="NAME=X,Y", help="centre of its part, 0 to 1")
    parser.add_argument("--side", type=int, default=240, help="of a part in the sheet, in pixels of the results")
    parser.add_argument("--sheet-scale", type=float, help="scale of the sheet, by default the largest")
    parser.add_argument("--worst", metavar="NAME", help="list ten pictures that this model does worst, and worst.jpg")
    parser.add_argument("--votes", type=Path, nargs="+", default=[], help="of srcli compare --blind, for --worst")
    parser.add_argument("--quality", type=int, default=90, help="of the WebPs in the page")
    parser.add_argument("--lpips-weights", type=Path)
    parser.add_argument("--niqe-parameters", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args()


def named(text: str) -> tuple[str, str]:
    name, _, value = text.rpartition("=")
    if not name or not value:
        sys.exit(f"NAME=VALUE is wanted, not {text!r}")
    return name, value


def makers_of(options: argparse.Namespace, names: set[str]) -> dict[str, Make]:
    """What makes the results, by label.

    names: of all pictures.
    """
    models: dict[str, str | Path] = {name: name for name in options.models.split(",") if name}
    models |= {name: Path(file) for name, file in map(named, options.file)}
    made = {label: model(label, source, options.out / "results") for label, source in models.items()}
    return made | {name: finished(Path(folder), names) for name, folder in map(named, options.folder)}


def model(label: str, source: str | Path, results: Path) -> Make:
    upscaler = Upscaler.from_file(source) if isinstance(source, Path) else Upscaler(source)
    weights = hashlib.sha256("".join(upscaler.digests()).encode()).hexdigest()[:8]

    def make(subject: Subject) -> np.ndarray:
        facts = (str(subject.size), subject.low.tables, upscaler.runtime.precision)
        mark = hashlib.sha256(subject.low.rgb().tobytes() + repr(facts).encode()).hexdigest()[:8]
        file = results / f"{label}-{weights}" / f"x{subject.scale:g}" / f"{subject.name}-{mark}.png"
        if file.exists():
            return np.asarray(Image.open(file).convert("RGB"))
        target = Target(width=subject.size.width, height=subject.size.height)
        image = upscaler.run(subject.low, target).picture.rgb()
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(file)
        return image

    return make


def finished(folder: Path, names: set[str]) -> Make:
    """Results that are there, by the names of what they were made from: `cat_linf-s_x4.png` is of `cat`."""
    if not folder.is_dir():
        sys.exit(f"{folder} is not a folder")
    found: dict[str, list[Path]] = {}
    for path in folders.pictures(folder):
        if fitting := [name for name in names if f"{path.stem}_".startswith(f"{name}_")]:
            found.setdefault(max(fitting, key=len), []).append(path)

    def make(subject: Subject) -> np.ndarray:
        for path in found.get(subject.name, []):
            image = Image.open(path).convert("RGB")
            if image.size == (subject.size.width, subject.size.height):
                return np.asarray(image)
        raise SrcliError(f"{folder} has no {subject.name} of {subject.size}")

    return make


def metrics_of(lpips: Path | None, niqe: Path | None) -> list[Metric]:
    files = Files(lpips_squeeze=(lpips,) if lpips else (), niqe=(niqe,) if niqe else ())
    names = ["psnr_y", "colour", "grid_4", "flat_noise"]
    return choose([*names, *(["lpips_squeeze"] if lpips else []), *(["niqe"] if niqe else [])], files)


def row_of(subject: Subject, makers: dict[str, Make], metrics: Sequence[Metric], scores: list[dict]) -> Row:
    """The row of a picture. Its scores are added to `scores`."""
    low = subject.low.rgb()
    enlarged = np.asarray(
        Image.fromarray(low).resize((subject.size.width, subject.size.height), Image.Resampling.BICUBIC)
    )
    reference = enlarged if subject.truth is None else subject.truth
    original = Original(reference, low, round(subject.scale))
    parts = [subject.in_result(window).slices for window in (subject.detailed, subject.flat)]
    cells = [Cell("truth", *(subject.truth[part].copy() for part in parts), ())] if subject.truth is not None else []
    for label, make in makers.items():
        try:
            image = make(subject)
        except SrcliError as error:
            print(f"  {label}: {error}", file=sys.stderr)
            cells.append(Cell(label, None, None, ("not made",)))
            continue
        values = measured(image, original, metrics, truth=subject.truth is not None)
        scores.append(
            {"model": label, "scale": subject.scale, "group": subject.group, "picture": subject.name} | values
        )
        cells.append(Cell(label, *(image[part].copy() for part in parts), told(values, subject.truth is not None)))
    return Row(subject.group, subject.name, subject.scale, cells)


def measured(image: np.ndarray, original: Original, metrics: Sequence[Metric], *, truth: bool) -> Scores:
    chosen = [m for m in metrics if m.measure and (truth or m.name not in WITH_TRUTH)]
    values: Scores = {m.name: m.measure(image, original) for m in chosen if m.measure}
    return values | {"weave": woven(image) if min(image.shape[:2]) >= 48 else None}


def woven(image: np.ndarray) -> float | None:
    """In percent; None where nothing differs."""
    height, width = (n // 4 * 4 for n in image.shape[:2])
    pixels = torch.from_numpy(image[:height, :width] / 255).permute(2, 0, 1)[None].float()
    grey = losses.luma(pixels)
    contrast = torch.cat([grey.diff(dim=-1).abs().flatten(), grey.diff(dim=-2).abs().flatten()]).mean()
    return 100 * (losses.weave(pixels, torch.zeros_like(pixels), windows=(12,)) / contrast).item() if contrast else None


def told(values: Scores, truth: bool) -> list[str]:
    """The numbers of a cell, two a line."""
    names = [name for name in (WITH_TRUTH if truth else WITHOUT) if name in values]
    texts = [f"{SHORT.get(name, TITLES[name])} {shown(values[name], name)}" for name in names]
    return [", ".join(texts[n : n + 2]) for n in range(0, len(texts), 2)]


def shown(value: float | None, name: str) -> str:
    return "-" if value is None else f"{value:.{3 if name == 'lpips_squeeze' else 2}f}"


def summary(scores: Sequence[dict], labels: Sequence[str]) -> str:
    """A Markdown table for each group and scale."""
    made = []
    for group, scale in dict.fromkeys((s["group"], s["scale"]) for s in scores):
        here = [s for s in scores if (s["group"], s["scale"]) == (group, scale)]
        names = [name for name in TITLES if any(name in s for s in here)]
        heads = [TITLES[n] + (f": {WORST_TOO[n].__name__}, worst" if n in WORST_TOO else "") for n in names]
        made += [
            f"{group}, x{scale:g}",
            "",
            f"| model | pictures | {' | '.join(heads)} |",
            "|---" * (len(heads) + 2) + "|",
        ]
        for label in labels:
            mine = [s for s in here if s["model"] == label]
            cells = [means([s[n] for s in mine if s.get(n) is not None], n) for n in names]
            made.append(f"| {label} | {len(mine)} | {' | '.join(cells)} |")
        made.append("")
    return "\n".join(made)


def means(values: list[float], name: str) -> str:
    if not values:
        return ""
    if name in WORST_TOO:
        return f"{WORST_TOO[name](values):.2f}, {max(values):.2f}"
    return shown(statistics.mean(values), name)


def write_scores(path: Path, scores: Sequence[dict]) -> None:
    columns = ["model", "scale", "group", "picture", *TITLES]
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, columns)
        table.writeheader()
        table.writerows(scores)


if __name__ == "__main__":
    main()
