"""Photos to their versions at lower resolutions: several results a file, one record each, the ledger of `upscale`."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from srcli import __version__, files, images
from srcli.batch.job import Record
from srcli.batch.ledger import Ledger, LedgerError, Ledgers, key_of, stamp
from srcli.batch.plan import InputError, Item, UsageError, filled, resolved
from srcli.errors import SrcliError
from srcli.geometry import Size
from srcli.images import ImageError, Picture
from srcli.images.read import file_bytes
from srcli.pipelines.degflow import TooSmall

if TYPE_CHECKING:
    from srcli.degrader import Degrader

Progress = Callable[[Item, int, int], None]
STRIP, MOVIE = "strip", "webp"
PATHS = {STRIP: "strip", MOVIE: "path"}  # what their names carry
STRIP_SIDE, MOVIE_SIDE = 256, 512  # pixels of the part that is shown
GAP = 4  # white pixels between pictures of a strip
DELAY = 100.0  # milliseconds


@dataclass(frozen=True, slots=True)
class DegradeJob:
    """What all files of a run share. scales: of the results, one each; or trajectory: `strip` or `webp`, one result
    that shows the middle of the photo along the path."""

    degrader: Degrader
    scales: tuple[float, ...] = ()
    trajectory: str | None = None
    resize: bool = False
    overwrite: bool = False
    retry_failed: bool = False
    sources: frozenset[Path] = frozenset()  # resolved: no result may take their place
    ledgers: Ledgers | None = None
    swept: set[Path] = field(default_factory=set)

    def settings(self) -> dict[str, Any]:
        """Everything but the input and the scale that decides a result."""
        how = self.degrader
        return how.told(version=__version__, resized=self.resize, precision=how.runtime.precision)

    def labels(self) -> list[str]:
        """What the names of a photo's results carry."""
        return [PATHS[self.trajectory]] if self.trajectory else [f"x{s:g}" for s in self.scales]


@dataclass(slots=True)
class Result:
    """One result of a file on its way. scale: None for the whole path."""

    path: Path
    scale: float | None
    key: str
    record: Record
    destination: images.Destination | None = None


def check_names(items: list[Item], job: DegradeJob) -> None:
    """Raise UsageError where the results of a photo would have one name."""
    if len(job.labels()) < 2:
        return
    for item in items:
        if item.file is not None:
            raise UsageError(f"{item.file} is one file, but there are several scales; give a folder")
        if item.template is not None and "{scale" not in item.template:
            raise UsageError("the output template gives all scales the same name; add {scale}")


def run(items: list[Item], job: DegradeJob, progress: Progress = lambda item, done, total: None) -> Iterator[Record]:
    """The records of all results, file by file. A file that fails does not stop the others; a usage error of a single
    file is raised."""
    check_names(items, job)
    for item in items:
        try:
            yield from _file(item, job, progress)
        except SrcliError as error:
            if len(items) == 1 and error.exit_code == UsageError.exit_code:
                raise
            yield Record(str(item.source), "failed", error=str(error), exit_code=error.exit_code)
        except Exception as error:
            logging.getLogger("srcli").debug("%s", item.source, exc_info=error)
            yield _surprise(item, error)


def _file(item: Item, job: DegradeJob, progress: Progress) -> Iterator[Record]:
    if item.source.is_dir():
        raise InputError(f"no pictures in {item.source}; --recursive also takes those of folders below")
    data = file_bytes(item.source)
    ledger = None if job.ledgers is None else job.ledgers.of(item)
    common = job.settings() | ({} if ledger is None else {"place": ledger.place(item)})
    file_key = key_of(data, common)
    if ledger is not None and not job.retry_failed and (why := ledger.failed(file_key)):
        text = f"{why} (known from before; --retry-failed tries again)"
        yield Record(str(item.source), "failed", error=text, exit_code=1)
        return
    keys = {label: key_of(data, common | {"label": label}) for label in job.labels()}
    known = {label: ledger.done(key) for label, key in keys.items()} if ledger is not None else {}
    for path in filter(None, known.values()):
        again = "; --no-ledger makes it again" if job.overwrite else ""
        text = f"{path} was made before from the same file{again}"
        yield Record(str(item.source), "skipped", output=str(path), error=text)
    left = [label for label in keys if known.get(label) is None]
    if not left:
        return
    try:
        picture = images.open_bytes(data, str(item.source)).picture().eight()
    except ImageError as error:
        if ledger is not None and type(error) is ImageError:  # it will be no picture the next time either
            with contextlib.suppress(LedgerError):
                ledger.add(file_key, {"status": "failed", "input": str(item.source), "error": str(error)})
        raise
    results = [_result(item, picture, label, keys[label], job) for label in left]
    yield from (r.record for r in results if r.record.status == "skipped")
    yield from _made(item, picture, [r for r in results if r.record.status != "skipped"], job, ledger, progress)


def _result(item: Item, picture: Picture, label: str, key: str, job: DegradeJob) -> Result:
    """A result and where it goes. Raises UsageError."""
    scale = None if job.trajectory else float(label[1:])
    size = _size(picture.size, scale, job)
    path = item.file
    if path is None:
        ending = ".webp" if job.trajectory == MOVIE else ".png"
        values = {"width": f"{size.width}", "height": f"{size.height}", "scale": label.removeprefix("x")}
        path = item.folder / f"{item.name}_degflow_{label}{ending}"
        if item.template is not None:
            path = filled(item, item.name, ending, values | {"model": job.degrader.parts.name})
    told = path.with_suffix(".json")
    for place in (path, told):
        if resolved(place) in job.sources:
            raise UsageError(f"{place} is an input itself; give another output")
    record = Record(
        str(item.source), "planned", output=str(path), width=size.width, height=size.height, scale=scale,
        notes=picture.notes,
    )  # fmt: skip
    if not job.overwrite and (there := next((p for p in (path, told) if os.path.lexists(p)), None)):
        record = replace(record, status="skipped", error=f"{there} exists; --overwrite replaces it")
    return Result(path, scale, key, record)


def _size(photo: Size, scale: float | None, job: DegradeJob) -> Size:
    if scale is not None:
        return photo if not job.resize else Size(*(max(1, round(n / scale)) for n in (photo.height, photo.width)))
    side = min(STRIP_SIDE if job.trajectory == STRIP else MOVIE_SIDE, photo.height, photo.width)
    count = len(path_scales(STRIP)) + 1
    return Size(side, count * side + (count - 1) * GAP) if job.trajectory == STRIP else Size(side, side)


def _made(
    item: Item, picture: Picture, results: list[Result], job: DegradeJob, ledger: Ledger | None, progress: Progress
) -> Iterator[Record]:
    """Claim all results' files, compute, write each as it comes."""
    with contextlib.ExitStack() as stack:
        claimed = []
        for result in results:
            _sweep(result.path.parent, job)
            size, path = Size(result.record.height or 0, result.record.width or 0), result.path
            destination = images.Destination(path, size, overwrite=job.overwrite, before=_entering(result, job, ledger))
            try:
                result.destination = stack.enter_context(destination)
                claimed.append(result)
            except files.Taken as taken:
                yield replace(result.record, status="skipped", error=str(taken))
        if not claimed:
            return

        def told(done: int, total: int) -> None:
            progress(item, done, total)

        try:
            yield from _written(picture, claimed, job, told)
        except TooSmall as error:
            raise ImageError(f"{item.source}: {error}") from None


def _written(
    picture: Picture, results: list[Result], job: DegradeJob, told: Callable[[int, int], None]
) -> Iterator[Record]:
    start = time.perf_counter()
    if job.trajectory:
        notes = _trajectory(picture, results[0], job, told)
        yield _done(results[0], notes, start)
        return
    scales = [r.scale for r in results if r.scale is not None]
    made = job.degrader.degrade(picture, scales, resize=job.resize, progress=told)
    for result, lower in zip(results, made, strict=True):
        assert result.destination is not None, "claimed before"
        layout = images.Layout.of(lower)
        yield _done(result, result.destination.write(layout, [(lower.colour, lower.alpha)]), start)
        start = time.perf_counter()


def _done(result: Result, notes: tuple[str, ...], start: float) -> Record:
    seconds = round(time.perf_counter() - start, 3)
    notes = tuple(dict.fromkeys(result.record.notes + notes))
    return replace(result.record, status="done", seconds=seconds, notes=notes)


def path_scales(kind: str) -> list[float]:
    """The scales above 1 that a picture of the path shows."""
    step = 5 if kind == STRIP else 1
    return [n / 10 for n in range(10 + step, 41, step)]


def _trajectory(picture: Picture, result: Result, job: DegradeJob, told: Callable[[int, int], None]) -> tuple[str, ...]:
    """The middle of the photo and what becomes of it: side by side, or one after the other, there and back."""
    assert result.destination is not None
    assert job.trajectory is not None
    middle = _middle(picture, STRIP_SIDE if job.trajectory == STRIP else MOVIE_SIDE)
    scales = path_scales(job.trajectory)
    frames = [middle, *job.degrader.degrade(middle, scales, progress=told)]
    if job.trajectory == STRIP:
        gap = np.full((middle.size.height, GAP, middle.colour.shape[2]), 255, np.uint8)
        parts = [p for frame in frames for p in (frame.colour, gap)][:-1]
        whole = replace(middle, colour=np.concatenate(parts, axis=1))
        return result.destination.write(images.Layout.of(whole), [(whole.colour, None)])
    cycle = frames + frames[-2:0:-1]
    moving = ((images.Layout.of(replace(f, delay=DELAY)), [(f.colour, f.alpha)]) for f in cycle)
    return result.destination.write_frames(iter(moving), 0, 2**40)


def _middle(picture: Picture, side: int) -> Picture:
    """The square in the middle of a photo, of at most so many pixels a side, without transparency."""
    height, width = picture.size.height, picture.size.width
    side = min(side, height, width)
    y, x = (height - side) // 2, (width - side) // 2
    return replace(picture, colour=picture.colour[y : y + side, x : x + side], alpha=None)


def _entering(result: Result, job: DegradeJob, ledger: Ledger | None) -> Callable[[Path], None]:
    """Just before the picture has its name: its parameters beside it, and its entry in the ledger."""

    def enter(part: Path) -> None:
        how, record = job.degrader, result.record
        if result.scale is None:
            told = how.told(scales=[1.0, *path_scales(job.trajectory or STRIP)])
        else:
            told = how.told_scale(result.scale, resize=job.resize)
        table = {"input": Path(record.input).name, "width": record.width, "height": record.height} | told
        files.write_text(result.path.with_suffix(".json"), json.dumps(table, indent=2) + "\n")
        if ledger is not None:
            where = os.path.relpath(result.path, ledger.path.parent)
            with contextlib.suppress(LedgerError):  # costs no result: it is made again the next time
                ledger.add(result.key, {"status": "done", "input": record.input, "output": where, **stamp(part)})

    return enter


def _sweep(folder: Path, job: DegradeJob) -> None:
    """Remove once what killed runs have left in a folder."""
    if folder not in job.swept and folder.is_dir():
        job.swept.add(folder)
        files.sweep(folder)


def _surprise(item: Item, error: Exception) -> Record:
    """A library's surprise with one file must not cost the others."""
    from srcli.errors import OutOfMemory
    from srcli.runtime import is_out_of_memory

    if is_out_of_memory(error):
        text, code = f"{item.source}: not enough memory", OutOfMemory.exit_code
    elif isinstance(error, OSError):
        text, code = f"{item.source}: {error.strerror or error}", 1
    else:
        text, code = f"{item.source}: unexpected {type(error).__name__}: {error}", 1
    return Record(str(item.source), "failed", error=" ".join(text.split()), exit_code=code)
