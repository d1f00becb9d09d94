"""A page on which pictures are compared: slider, side by side, difference, with zoom and pan in step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from srcli import images
from srcli.errors import SrcliError
from srcli.images import folders
from srcli.metrics.psnr import psnr
from srcli.metrics.ssim import ssim
from srcli.report import page


class CompareError(SrcliError):
    """Pictures that cannot be laid beside each other."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Scene:
    """One picture in several versions, and the original where there is one."""

    name: str
    shots: tuple[Path, ...]
    original: Path | None = None


def scenes(inputs: Sequence[Path], original: Path | None) -> tuple[list[Scene], list[str]]:
    """What can be compared, and one sentence for each picture of the folders that cannot.

    inputs: at least two files, or at least two folders whose pictures are matched by name; original likewise.
    """
    if len(inputs) < 2:
        raise CompareError("compare needs two pictures or folders, or more")
    everything = [*inputs, *([original] if original else [])]
    for path in everything:
        if not path.exists():
            raise CompareError(f"{path} does not exist")
    kinds = {path.is_dir() for path in everything}
    if kinds == {True, False}:
        raise CompareError("compare files with files, or folders with folders")
    if kinds == {False}:
        return [Scene(inputs[0].stem, tuple(inputs), original)], []
    found, problems = [], []
    for name, files in folders.match(everything).items():
        if wrong := [(f, p) for f, p in zip(files, everything, strict=True) if len(f) != 1]:
            problems += [f"{name}: {'no' if not f else len(f)} pictures of that name in {p}" for f, p in wrong]
            continue
        first = tuple(f[0] for f in files)
        found.append(Scene(name, first[: len(inputs)], first[-1] if original else None))
    if not found:
        raise CompareError(f"no picture has the same name in {' and '.join(str(p) for p in everything)}")
    return found, problems


def labels_of(inputs: Sequence[Path], original: Path | None) -> list[str]:
    """Names of the inputs that tell them apart."""
    names = [p.name or str(p) for p in inputs]
    if len(set(names)) < len(names):
        names = [str(p) for p in inputs]
    return [*names, *(["original"] if original else [])]


def entries(found: Sequence[Scene], border: int, problems: list[str]) -> Iterator[dict]:
    """The scenes as data of the page; those whose files cannot be read are added to `problems`."""
    for scene in found:
        try:
            yield _entry(scene, border)
        except SrcliError as error:
            problems.append(str(error))


def write(out: Path, labels: Sequence[str], shown: Sequence[dict]) -> None:
    """The page, in one file that needs no other."""
    text = page.fill("compare.html", {"labels": list(labels), "scenes": list(shown)})
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise SrcliError(f"cannot write {out}: {error.strerror or error}") from error


def _entry(scene: Scene, border: int) -> dict:
    files = [*scene.shots, *([scene.original] if scene.original else [])]
    pictures = [images.read(path) for path in files]
    original = pictures[-1] if scene.original else None
    shots = [
        {"src": page.data_url(path, picture), "note": _note(picture, original, border)}
        for path, picture in zip(files, pictures, strict=True)
    ]
    # Pictures of other sizes are shown at the size of the largest.
    largest = max(pictures, key=lambda p: p.size.height * p.size.width).size
    return {"name": scene.name, "width": largest.width, "height": largest.height, "shots": shots}


def _note(picture: images.Picture, original: images.Picture | None, border: int) -> str:
    size = str(picture.size)
    if original is None or picture is original:
        return size
    if picture.size != original.size:
        return f"{size}, not the original's size"
    a, b = picture.rgb(), original.rgb()
    try:
        return f"{size}  {psnr(a, b, border=border):.2f} dB  SSIM {ssim(a, b, border=border):.4f}"
    except ValueError as error:
        return f"{size}, {error}"
