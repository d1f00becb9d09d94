"""What a run of `srcli train` learns from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from srcli.cli.shared.console import Output
    from srcli.training.data.lesson_files import LessonFiles
    from srcli.training.data.lessons import LessonSpec, TaughtPhotos
    from srcli.training.data.pairs import Pairs
    from srcli.training.data.photos import Photos
    from srcli.training.monitor.strip import Strip
    from srcli.training.recipe import Recipe
    from srcli.training.task import Task


def find(
    chosen: Recipe,
    data: Path | None,
    pairs: Path | None,
    exclude: tuple[str, ...],
    hold_out: int,
    teacher: str | None,
    *,
    shown: bool = False,
) -> Photos | Pairs | TaughtPhotos | LessonFiles:
    """Photos, real levels, or lessons of a teacher: whatever the recipe cuts its crops of. Raises RecipeError.

    shown: the teacher appears on strips, so that finished lessons may have one beside them.
    """
    from srcli.training.data.lessons import LessonSpec
    from srcli.training.data.levels import LevelSpec
    from srcli.training.data.pairs import Pairs
    from srcli.training.data.photos import Photos
    from srcli.training.recipe import RecipeError

    if isinstance(chosen.crops, LessonSpec):
        asked = None if pairs is not None and shown else teacher
        return _lessons(chosen, chosen.crops, data, pairs, exclude, hold_out, asked)
    if (data is None) == (pairs is None):
        raise RecipeError("give either photos, --data FOLDER, or pairs of real levels, --pairs FOLDER")
    if data is not None:
        return Photos(data, exclude, chosen.crops.shortest, hold_out)
    assert pairs is not None, "one of both is given"
    if not isinstance(chosen.crops, LevelSpec):
        raise RecipeError(f"{chosen.name} learns from photos alone: --data FOLDER; pairs are for degflow")
    _check_no_choice(exclude, hold_out, "pairs have a Test folder")
    return Pairs(pairs, chosen.crops.levels, chosen.crops.shortest)


def _lessons(
    chosen: Recipe,
    spec: LessonSpec,
    data: Path | None,
    pairs: Path | None,
    exclude: tuple[str, ...],
    hold_out: int,
    teacher: str | None,
) -> TaughtPhotos | LessonFiles:
    from srcli.training.data.lesson_files import LessonFiles
    from srcli.training.recipe import RecipeError

    if (pairs is None) == (data is None) or (teacher is None) != (data is None):
        raise RecipeError(
            f"{chosen.name} learns from lessons: --pairs FOLDER, made by srcli train pairs, or --data FOLDER and "
            "--teacher MODEL, which is asked in every step; with --pairs, --teacher needs --show"
        )
    if pairs is not None:
        _check_no_choice(exclude, hold_out, "srcli train pairs takes them")
        return LessonFiles(pairs, spec.shortest)
    assert data is not None, "one of both is given"
    assert teacher is not None, "it comes with photos"
    return taught_photos(data, teacher, spec.side, exclude, hold_out)


def taught_photos(
    data: Path, teacher: str, side: int, exclude: tuple[str, ...] = (), hold_out: int = 0, margin: int = 24
) -> TaughtPhotos:
    """Photos of a folder that a teacher is asked about."""
    from srcli.training.data.lessons import TaughtPhotos
    from srcli.training.data.photos import Photos
    from srcli.training.data.teacher import find_teacher

    model = find_teacher(teacher)
    return TaughtPhotos(Photos(data, exclude, side + 2 * margin, hold_out), model, side, margin)


def strips(task: Task, folder: Path | None, out: Path, teacher: str | None) -> Strip | None:
    """What writes strips of a folder's pictures, None without a folder. Raises RecipeError."""
    from srcli.training.data.teacher import find_teacher
    from srcli.training.monitor.strip import Strip
    from srcli.training.recipe import RecipeError
    from srcli.training.task import PictureTask

    if folder is None:
        return None
    if not isinstance(task, PictureTask):
        raise RecipeError("--show enlarges pictures, which this recipe's network does not")
    return Strip(task, folder, out, find_teacher(teacher) if teacher else None)


def on_device(batches: str, device: str, chosen: Recipe, photos: object, output: Output) -> bool:
    """Whether batches are made on the device of a run. Raises RecipeError.

    batches: auto, cpu or device. device: its type.
    """
    from srcli.training.data.on_device import why_not
    from srcli.training.recipe import RecipeError

    if batches not in ("auto", "cpu", "device"):
        raise RecipeError(f"--batches is auto, cpu or device, not {batches!r}")
    if batches == "cpu" or (batches == "auto" and device != "cuda"):
        return False
    if reason := why_not(chosen.crops, photos):
        if batches == "device":
            raise RecipeError(f"--batches device is not possible: {reason}")
        output.say(f"batches are made on the CPU: {reason}")
    return not reason


def _check_no_choice(exclude: tuple[str, ...], hold_out: int, why: str) -> None:
    from srcli.training.recipe import RecipeError

    if exclude or hold_out:
        raise RecipeError(f"--exclude and --hold-out choose among photos; {why}")


def noun(found: object) -> str:
    """What there are many of."""
    from srcli.training.data.lesson_files import LessonFiles

    return "lessons" if isinstance(found, LessonFiles) else "photos"


def held(found: object) -> list[Path]:
    """The photos that are kept for evaluation."""
    photos = getattr(found, "photos", found)
    return list(getattr(photos, "held", ()))
