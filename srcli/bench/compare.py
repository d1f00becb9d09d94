"""Collect the content of a comparison page: versions of pictures, matched by name, and their scores."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from srcli import images
from srcli.bench.variants import PairError, is_grey
from srcli.errors import SrcliError
from srcli.geometry import Size, Target, mean_scale
from srcli.images import Picture, folders
from srcli.images.picture import unit
from srcli.metrics.psnr import psnr
from srcli.metrics.ssim import ssim
from srcli.report import page

BICUBIC = "bicubic"  # the label of an enlargement that is made here
LARGEST = 8  # times an original that it is enlarged


class CompareError(SrcliError):
    """Inputs that cannot be compared."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Scene:
    """Several versions of one picture, and its original if there is one.

    bicubic: whether to add a version that is the original, enlarged by interpolation.
    """

    name: str
    shots: tuple[Path, ...]
    original: Path | None = None
    bicubic: bool = False

    @property
    def files(self) -> tuple[Path, ...]:
        return (*self.shots, *([self.original] if self.original else []))


@dataclass(frozen=True, slots=True)
class Version:
    """A version of a picture. path: its file; None if it was made here."""

    path: Path | None
    picture: Picture


def scenes(inputs: Sequence[Path], original: Path | None, bicubic: bool | None = None) -> tuple[list[Scene], list[str]]:
    """The scenes that can be compared, and one sentence for each picture that cannot.

    inputs: two or more files, or two or more folders whose pictures are matched by name; one is enough with an
        original.
    original: a file or a folder likewise, or None.
    bicubic: whether to add enlargements of the originals; None: if there is a single input.

    Raises CompareError.
    """
    if len(inputs) < (1 if original else 2):
        raise CompareError(
            "compare needs at least two pictures or folders; for one result beside a bicubic enlargement, give the "
            f"picture that it was made from: srcli compare {inputs[0] if inputs else 'RESULT'} --original PICTURE"
        )
    if bicubic and original is None:
        raise CompareError("--bicubic enlarges the originals; give them with --original")
    added = len(inputs) == 1 if bicubic is None else bicubic
    everything = [*inputs, *([original] if original else [])]
    for path in everything:
        if not path.exists():
            raise CompareError(f"{path} does not exist")
    kinds = {path.is_dir() for path in everything}
    if kinds == {True, False}:
        raise CompareError("files and folders cannot be mixed; compare files with files, or folders with folders")
    if kinds == {False}:
        return [Scene(inputs[0].stem, tuple(inputs), original, added)], []
    found, problems = [], list[str]()
    for name, row in _rows(everything, problems):
        found.append(Scene(name, row[: len(inputs)], row[-1] if original else None, added))
    if not found:
        raise CompareError(f"no picture has the same name in {' and '.join(str(p) for p in everything)}")
    return found, problems


def _rows(everything: Sequence[Path], problems: list[str]) -> Iterator[tuple[str, tuple[Path, ...]]]:
    """Yield one file per folder for each picture, and for each of its scales where a folder has several."""
    for name, files in folders.match(everything).items():
        twice = [len({path.stem.lower() for path in each}) < len(each) for each in files]
        if any(not each for each in files) or any(twice):
            stems = [path.stem.lower() for each in files for path in each]
            called = stems[0] if len(stems) == 1 else name
            problems += [
                f"{called}: {len(each) or 'no'} pictures of that name in {folder}"
                for each, folder, double in zip(files, everything, twice, strict=True)
                if not each or double
            ]
        elif all(len(each) == 1 for each in files):
            yield name, tuple(each[0] for each in files)
        else:
            for scaled, row in folders.by_mark(name, files).items():
                there = tuple(path for path in row if path is not None)
                lacking = [str(folder) for path, folder in zip(row, everything, strict=True) if path is None]
                if lacking:
                    problems.append(f"{scaled}: no pictures of that name in {', '.join(lacking)}")
                else:
                    yield scaled, there


def labels_of(
    inputs: Sequence[Path], original: Path | None, given: Sequence[str] | None = None, bicubic: bool | None = None
) -> list[str]:
    """A label for each input, given or unique, and for the original and its enlargement. Raises CompareError."""
    if given and len(given) != len(inputs):
        raise CompareError(f"there are {len(given)} labels for {len(inputs)} inputs; give one --label per input")
    names = list(given or (p.resolve().name for p in inputs))
    if len(set(names)) < len(names) and not given:
        names = [str(p) for p in inputs]
    added = original is not None and (len(inputs) == 1 if bicubic is None else bicubic)
    return [*([BICUBIC] if added else []), *names, *(["original"] if original else [])]


def entries(found: Sequence[Scene], border: int, problems: list[str]) -> Iterator[dict]:
    """Yield the scenes as data for the page. Errors are added to `problems`."""
    for scene in found:
        try:
            yield _entry(scene, border)
        except SrcliError as error:
            problems.append(str(error))


def without_empty(labels: Sequence[str], shown: Sequence[dict]) -> tuple[list[str], list[dict]]:
    """Labels and scenes without versions that no scene has: enlargements where no original is smaller."""
    kept = [n for n in range(len(labels)) if any(each["shots"][n] is not None for each in shown)]
    return [labels[n] for n in kept], [each | {"shots": [each["shots"][n] for n in kept]} for each in shown]


def versions(scene: Scene) -> list[Version | None]:
    """The versions of a scene in the order of its labels. None: an enlargement of an original that is not smaller.

    Raises SrcliError for files that cannot be read, and PairError for shapes that differ.
    """
    read = [Version(path, images.read(path)) for path in scene.files]
    # All versions are shown at the size of the largest; their aspect ratios may differ by a pixel or two.
    largest = max((v.picture.size for v in read), key=lambda size: size.height * size.width)
    for version in read:
        size = version.picture.size
        height = size.height * largest.width / size.width
        if abs(height - largest.height) > 0.02 * largest.height + 2 * largest.width / size.width:
            raise PairError(f"{version.path} has {size} pixels, a different aspect ratio than {largest}")
    return [_enlarged(read[-1].picture, largest), *read] if scene.bicubic else list(read)


def _enlarged(original: Picture, size: Size) -> Version | None:
    """The original at a larger size by interpolation; None if it is not smaller."""
    if original.size.width >= size.width or original.size.height >= size.height:
        return None
    from srcli.upscaler import Upscaler

    if mean_scale(size, original.size) > LARGEST:
        raise PairError(f"{size} is more than {LARGEST} times the original of {original.size}; use --no-bicubic")
    target = Target(width=size.width, height=size.height, fit="stretch")  # a pixel or two
    return Version(None, Upscaler("bicubic").run(original, target).picture)


def _entry(scene: Scene, border: int) -> dict:
    made = versions(scene)
    there = [version.picture for version in made if version is not None]
    original = there[-1] if scene.original else None
    largest = max((p.size for p in there), key=lambda size: size.height * size.width)
    shots = [None if version is None else _shot(version, original, border) for version in made]
    return {
        "name": scene.name,
        "width": largest.width,
        "height": largest.height,
        "clear": any(_transparent(picture) for picture in there),
        "shots": shots,
    }


def _shot(version: Version, original: Picture | None, border: int) -> dict:
    picture = version.picture
    if version.path is None:
        assert original is not None, "it is made from the original"
        return {"src": page.picture_url(picture), "note": f"{picture.size}, made from {original.size}"}
    return {"src": page.data_url(version.path, picture), "note": _note(picture, original, border)}


def _transparent(picture: Picture) -> bool:
    return picture.alpha is not None and bool((unit(picture.alpha) < 1).any())


def _note(picture: Picture, original: Picture | None, border: int) -> str:
    size = str(picture.size)
    if original is None or picture is original:
        return size
    if picture.size != original.size:
        larger = mean_scale(picture.size, original.size)
        return f"{size}, {larger:.3g} times the original" if larger > 1 else f"{size}, not the original's size"
    if _transparent(picture) or _transparent(original):
        return f"{size}, transparent: no scores"
    a, b = picture.rgb(), original.rgb()
    if is_grey(a) != is_grey(b):
        return f"{size}, grey and colour: no scores"
    try:
        return f"{size}  {psnr(a, b, border=border):.2f} dB  SSIM {ssim(a, b, border=border):.4f}"
    except ValueError as error:
        return f"{size}, {error}"
