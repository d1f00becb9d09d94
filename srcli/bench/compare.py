"""Collect the content of a comparison page: versions of pictures, matched by name, and their scores."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from srcli import images
from srcli.bench.variants import PairError, is_grey
from srcli.errors import SrcliError
from srcli.images import folders
from srcli.metrics.psnr import psnr
from srcli.metrics.ssim import ssim
from srcli.report import page


class CompareError(SrcliError):
    """Inputs that cannot be compared."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Scene:
    """Several versions of one picture, and its original if there is one."""

    name: str
    shots: tuple[Path, ...]
    original: Path | None = None


def scenes(inputs: Sequence[Path], original: Path | None) -> tuple[list[Scene], list[str]]:
    """The scenes that can be compared, and one sentence for each picture that cannot.

    inputs: two or more files, or two or more folders whose pictures are matched by name.
    original: a file or a folder likewise, or None.

    Raises CompareError.
    """
    if len(inputs) < 2:
        raise CompareError("compare needs at least two pictures or folders")
    everything = [*inputs, *([original] if original else [])]
    for path in everything:
        if not path.exists():
            raise CompareError(f"{path} does not exist")
    kinds = {path.is_dir() for path in everything}
    if kinds == {True, False}:
        raise CompareError("files and folders cannot be mixed; compare files with files, or folders with folders")
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


def labels_of(inputs: Sequence[Path], original: Path | None, given: Sequence[str] | None = None) -> list[str]:
    """A label for each input, given or unique, and one for the original. Raises CompareError."""
    if given and len(given) != len(inputs):
        raise CompareError(f"there are {len(given)} labels for {len(inputs)} inputs; give one --label per input")
    names = list(given or (p.resolve().name for p in inputs))
    if len(set(names)) < len(names) and not given:
        names = [str(p) for p in inputs]
    return [*names, *(["original"] if original else [])]


def entries(found: Sequence[Scene], border: int, problems: list[str]) -> Iterator[dict]:
    """Yield the scenes as data for the page. Errors are added to `problems`."""
    for scene in found:
        try:
            yield _entry(scene, border)
        except SrcliError as error:
            problems.append(str(error))


def _entry(scene: Scene, border: int) -> dict:
    files = [*scene.shots, *([scene.original] if scene.original else [])]
    pictures = [images.read(path) for path in files]
    original = pictures[-1] if scene.original else None
    # All versions are shown at the size of the largest; their aspect ratios may differ by a pixel or two.
    largest = max((p.size for p in pictures), key=lambda size: size.height * size.width)
    for path, picture in zip(files, pictures, strict=True):
        height = picture.size.height * largest.width / picture.size.width
        if abs(height - largest.height) > 0.02 * largest.height + 2 * largest.width / picture.size.width:
            raise PairError(f"{path} has {picture.size} pixels, a different aspect ratio than {largest}")
    shots = [
        {"src": page.data_url(path, picture), "note": _note(picture, original, border)}
        for path, picture in zip(files, pictures, strict=True)
    ]
    return {"name": scene.name, "width": largest.width, "height": largest.height, "shots": shots}


def _note(picture: images.Picture, original: images.Picture | None, border: int) -> str:
    size = str(picture.size)
    if original is None or picture is original:
        return size
    if picture.size != original.size:
        return f"{size}, not the original's size"
    if any(p.alpha is not None and (p.alpha < 255).any() for p in (picture, original)):
        return f"{size}, transparent: no scores"
    a, b = picture.rgb(), original.rgb()
    if is_grey(a) != is_grey(b):
        return f"{size}, grey and colour: no scores"
    try:
        return f"{size}  {psnr(a, b, border=border):.2f} dB  SSIM {ssim(a, b, border=border):.4f}"
    except ValueError as error:
        return f"{size}, {error}"
