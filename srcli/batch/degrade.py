"""Photos to degraded versions: several results a file, one record and one file of parameters each."""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from srcli import files, images
from srcli.batch import reading
from srcli.batch.engines import MARK, Engine, Frames
from srcli.batch.job import Batch, Record, failure
from srcli.batch.ledger import key_of
from srcli.batch.plan import Item, UsageError, filled
from srcli.batch.run import Control
from srcli.degradation import trajectory
from srcli.degradation.presets import PRESETS
from srcli.errors import SrcliError
from srcli.geometry import Size
from srcli.images import ImageError, Picture
from srcli.images.source import Source
from srcli.images.write import check_size, described, kind_of

Progress = Callable[[Item, int, int], None]
MOST_BYTES = 2**40  # of an animation; only TIFF asks
RESULT = re.compile(
    rf"(.+)_(?:{'|'.join([*PRESETS, MARK])})_(?:x\d+(?:\.\d+)?|{'|'.join(trajectory.NAMES.values())})"
)  # names of results


@dataclass(frozen=True, slots=True)
class DegradeJob(Batch):
    """A run that makes degraded versions. The suffix of its options is that of all results."""

    engine: Engine


@dataclass(slots=True)
class Result:
    """One result of a photo on its way. told: its parameters as text."""

    path: Path
    label: str
    key: str
    record: Record
    told: str

    @property
    def parameters(self) -> Path:
        return parameters_of(self.path)


def parameters_of(path: Path) -> Path:
    """Where the parameters of a result lie."""
    return path.with_suffix(".json")


def check_names(items: list[Item], engine: Engine) -> None:
    """Raise UsageError where the results of a photo would have one name."""
    if len(engine.labels) < 2:
        return
    for item in items:
        if item.file is not None:
            raise UsageError(f"{item.file} is one file, but there are several scales; give a folder")
        if item.template is not None and "{scale" not in item.template:
            raise UsageError("the output template gives all scales the same name; add {scale}")


def run(
    items: list[Item],
    job: DegradeJob,
    progress: Progress = lambda item, done, total: None,
    control: Control | None = None,
) -> Iterator[Record]:
    """The records of all results, file by file. A file that fails does not stop the others; a usage error of a single
    file is raised."""
    control = control or Control.new()
    check_names(items, job.engine)
    for item in items:
        if control.finish.is_set():
            return
        failed = False
        try:
            for record in _file(item, job, progress):
                failed = failed or record.status == "failed"
                yield record
        except Exception as error:
            failed = True
            yield failure(item, error, len(items) == 1)
        if failed and job.options.fail_fast:
            return


def _file(item: Item, job: DegradeJob, progress: Progress) -> Iterator[Record]:
    if item.folder.is_dir():
        job.sweep(item.folder)
    data, ledger, engine = reading.bytes_of(item), job.ledger(item), job.engine
    settings = engine.settings(item.source.name) | job.options.settings()
    if ledger is not None:
        settings |= {"place": ledger.place(item)}
    whole = key_of(data, settings)  # of all results together
    if known := reading.refused_before(item, whole, job) or reading.earlier_result(item, job):
        yield known
        return
    keys = {label: key_of(data, settings | {"label": label, "scale": engine.scale(label)}) for label in engine.labels}
    for label, key in list(keys.items()):
        done = reading.done_before(item, key, job)
        if done is not None and parameters_of(Path(done.output or "")).exists():
            del keys[label]
            yield done
    if not keys:
        return
    try:
        picture = _decoded(images.open_bytes(data, str(item.source), job.options.most), job.options.frame)
    except ImageError as error:
        yield reading.refused(item, whole, job, error)
        return
    results = [_result(item, picture, label, key, job) for label, key in keys.items()]
    results[0].record = replace(results[0].record, notes=picture.notes)  # once
    planned = [result for result in results if result.record.status == "planned"]
    yield from (result.record for result in results if result.record.status == "skipped")
    if job.options.dry_run:
        yield from (result.record for result in planned)
    else:
        yield from _made(item, picture, planned, job, progress)


def _decoded(source: Source, frame: int | None) -> Picture:
    """One picture of a file with 8 bits a channel, and notes of what is left out."""
    picture = source.picture(frame or 0)
    notes = picture.notes
    if frame is None and source.frames > 1:
        kind = "frames" if source.animated else "pages"
        notes += (f"the first of {source.frames} {kind} is used; --frame takes another",)
    if picture.bits > 8:
        notes += (f"made from 8 of {picture.bits} bits a channel",)
    return replace(picture.eight(), notes=notes)


def _result(item: Item, picture: Picture, label: str, key: str, job: DegradeJob) -> Result:
    """A result, and whether it is to be made. Raises SrcliError."""
    engine, ending, name = job.engine, job.options.suffix or ".png", item.source.name
    with _naming(item):
        size = engine.size(picture.size, label)
    path = item.file
    if path is None:
        path = item.folder / f"{item.name}_{engine.mark}_{label}{ending}"
    if item.template is not None:
        values = {"width": f"{size.width}", "height": f"{size.height}", "scale": label.removeprefix("x")}
        path = filled(item, item.name, ending, values | {"model": engine.model})
    check_size(kind_of(path), size)
    record = Record(
        str(item.source), "planned", output=str(path), width=size.width, height=size.height, scale=engine.scale(label)
    )
    about = {"input": name, "width": size.width, "height": size.height} | engine.told(name, picture, label)
    result = Result(path, label, key, record, json.dumps(about, indent=2) + "\n")
    job.sweep(path.parent)
    why = reading.why_kept(path, job, item)
    if why is None and not _left_over(result):
        why = reading.why_kept(result.parameters, job, item)
    if why is not None:
        result.record = replace(record, status="skipped", error=why)
    return result


def _left_over(result: Result) -> bool:
    """Whether there are the parameters of just this result, but not the picture: a run was killed between the two."""
    with contextlib.suppress(OSError, ValueError):
        return not os.path.lexists(result.path) and result.parameters.read_text("utf-8") == result.told
    return False


def _made(item: Item, picture: Picture, results: list[Result], job: DegradeJob, progress: Progress) -> Iterator[Record]:
    """Claim all results' files, compute, write each as it comes."""
    start = time.perf_counter()
    with contextlib.ExitStack() as stack:
        claimed: list[tuple[Result, images.Destination]] = []
        for result in results:
            try:
                destination = stack.enter_context(_destination(item, result, job))
            except files.Taken as taken:
                yield replace(result.record, status="skipped", error=str(taken))
                continue
            whole = result.parameters.exists() or not job.options.overwrite
            if whole and (why := reading.made_meanwhile(result.path, result.key, job, item)):
                yield replace(result.record, status="skipped", error=why)
            else:
                claimed.append((result, destination))
        labels = [result.label for result, _ in claimed]
        made = _each(item, picture, labels, job.engine, progress) if labels else iter(())
        for (result, destination), frames in zip(claimed, made, strict=True):
            notes = _write(frames, destination, job)
            seconds = round(time.perf_counter() - start, 3)
            notes = tuple(dict.fromkeys(result.record.notes + notes))
            yield replace(result.record, status="done", seconds=seconds, notes=notes)
            start = time.perf_counter()


def _each(item: Item, picture: Picture, labels: list[str], engine: Engine, progress: Progress) -> Iterator[Frames]:
    """The results with these labels, one after the other. Errors name the file."""

    def told(done: int, total: int) -> None:
        progress(item, done, total)

    with _naming(item):
        yield from engine.made(item.source.name, picture, labels, told)


def _destination(item: Item, result: Result, job: DegradeJob) -> images.Destination:
    size = Size(result.record.height or 0, result.record.width or 0)

    def enter(part: Path) -> None:
        """Just before the picture has its name: its parameters beside it, and its entry in the ledger."""
        files.write_text(result.parameters, result.told)
        result.record = reading.enter(result.record, result.path, part, result.key, job.ledger(item))

    options = job.options
    return images.Destination(result.path, size, overwrite=options.overwrite, style=options.style, before=enter)


def _write(frames: Frames, destination: images.Destination, job: DegradeJob) -> tuple[str, ...]:
    """Returns notes."""
    data, notes = described(frames[0].metadata, frames[0].size, None, strip=job.options.strip)
    layouts = [replace(images.Layout.of(frame), metadata=data) for frame in frames]
    pairs = [(layout, [(frame.colour, frame.alpha)]) for layout, frame in zip(layouts, frames, strict=True)]
    if len(pairs) == 1:
        return notes + destination.write(*pairs[0])
    return notes + destination.write_frames(iter(pairs), 0, MOST_BYTES)


@contextlib.contextmanager
def _naming(item: Item) -> Iterator[None]:
    """Errors of what knows no files, with the name of the file."""
    try:
        yield
    except SrcliError as error:
        raise type(error)(f"{item.source}: {error}") from error
