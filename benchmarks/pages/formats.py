"""What becomes of files of every kind: makes the table of docs/formats.md from folders of pictures.

python benchmarks/pages/formats.py FOLDER... [--scale 2] [--detail 0]
"""

from __future__ import annotations

import argparse
import io
import tempfile
from pathlib import Path

from PIL import ImageCms

from srcli import Upscaler, images, runtime
from srcli.batch import Selection, UpscaleBatch, plan, run
from srcli.geometry import Target
from srcli.images.picture import Picture
from srcli.images.source import Source
from srcli.tiling.model import Sampling

KEPT = ("exif", "xmp", "iptc", "dpi", "text", "gamma")


def mode(source: Source, picture: Picture) -> str:
    """Channels, bits and frames in words."""
    kind = ("grey" if picture.grey else "RGB") + (" + alpha" if picture.alpha is not None else "")
    depth = "float" if picture.bits == 32 else f"{picture.bits} bit"
    many = f", {source.frames} {'frames' if source.animated else 'pages'}" if source.frames > 1 else ""
    return f"{kind}, {depth}{many}"


def profile(picture: Picture) -> str:
    """The name that a profile gives itself."""
    if picture.icc is None:
        return "–"
    return ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(picture.icc))).strip()


def known(picture: Picture) -> str:
    return ", ".join(k for k in KEPT if getattr(picture.metadata, k)) or "–"


def row(path: Path, record, out: Path) -> str:
    if record.status != "done":
        return f"| {path.name} | – | – | – | – | refused: {(record.error or '').replace(str(path), path.name)} |"
    before, after = images.open_file(path), images.open_file(out / Path(record.output).name)
    a, b = before.picture(), after.picture()
    kept = profile(a) if a.icc == b.icc else f"{profile(a)} → {profile(b)}"
    notes = "; ".join(n.replace(str(path), path.name) for n in record.notes)
    return f"| {path.name} | {mode(before, a)} | {mode(after, b)} | {kept} | {known(a)} → {known(b)} | {notes or '–'} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--scale", type=float, default=2.0)
    parser.add_argument("--detail", type=float, default=0.0)
    given = parser.parse_args()
    runtime.reuse_heap()
    upscaler, target, sampling = Upscaler(), Target(scale=given.scale), Sampling(detail=given.detail)
    print("| file | in | out | profile | metadata in → out | note |\n|---|---|---|---|---|---|")
    for folder in given.folders:
        with tempfile.TemporaryDirectory() as out:
            items = plan([folder], Path(out), Selection()).items
            job = UpscaleBatch(
                upscaler=upscaler,
                target=target,
                sampling=sampling,
                sources=frozenset(i.source.resolve() for i in items),
            )
            for record in run(items, job):
                print(row(Path(record.input), record, Path(out)), flush=True)


if __name__ == "__main__":
    main()
