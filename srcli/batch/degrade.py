"""Degrade many photos: several results per file, each with its own record and JSON file of parameters."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from srcli import files, images
from srcli.batch import bookkeeping
from srcli.batch.batches import Batch
from srcli.batch.earlier import written_now
from srcli.batch.ledger import key_of
from srcli.batch.modes import DegradeMode, Frames
from srcli.batch.names import Item, UsageError, filled
from srcli.batch.records import Record, failure
from srcli.batch.run import PATIENCE, Control
from srcli.batch.sidecars import named_apart, parameters_of
from srcli.errors import SrcliError
from srcli.geometry import Size
from srcli.images import ImageError, Picture
from srcli.images.source import Source
from srcli.images.write import check_size, described, kind_of

Progress = Callable[[Item, int, int], None]
MAX_BYTES = 2**40  # size limit of an animation, needed by TIFF only


@dataclass(frozen=True, slots=True)
class DegradeBatch(Batch):
    """A run that degrades photos. `options.suffix` applies to all results."""

    mode: DegradeMode


@dataclass(slots=True, kw_only=True)
class Result:
    """One result of a photo, planned or finished.

    text: its parameters as JSON.
    facts: what the ledger keeps of it: `sha256` of the photo and how it is `made`.
    """

    path: Path
    label: str
    key: str
    record: Record
    text: str
    facts: dict[str, Any]

    @property
    def parameters(self) -> Path:
        return parameters_of(self.path)


def check_names(items: list[Item], mode: DegradeMode) -> None:
    """Raise UsageError if several results of a photo would get the same name."""
    if len(mode.labels) < 2:
        return
    for item in items:
        if item.file is not None:
            raise UsageError(f"{item.file} is a single file, but there are several scales; use a folder instead")
        if item.template is not None and "{scale" not in item.template:
            raise UsageError("the output template gives every scale the same name; add {scale}")


def run(
    items: list[Item],
    batch: DegradeBatch,
    progress: Progress = lambda item, done, total: None,
    control: Control | None = None,
) -> Iterator[Record]:
    """Yield the record of each result, file by file.

    A failed file does not stop the others. With a single input, a usage error is raised instead of recorded.
    """
    control = control or Control.new()
    check_names(items, batch.mode)
    busy: list[tuple[Item, Record]] = []
    for item in items:
        if control.finish.is_set():
            return
        failed = False
        for record in _recorded(item, batch, progress, len(items) == 1):
            failed = failed or record.status == "failed"
            if record.reason == "busy":
                busy.append((item, record))
            else:
                yield record
        if failed and batch.options.fail_fast:
            return
    yield from _look_again(busy, batch, progress, control)


def _recorded(item: Item, batch: DegradeBatch, progress: Progress, alone: bool) -> Iterator[Record]:
    try:
        yield from _file(item, batch, progress)
    except Exception as error:
        yield failure(item, error, alone)


def _look_again(
    busy: list[tuple[Item, Record]], batch: DegradeBatch, progress: Progress, control: Control
) -> Iterator[Record]:
    """Results that another process was making: make them if it has not, else say so."""
    last = time.monotonic() + PATIENCE
    for item in dict.fromkeys(item for item, _ in busy):
        left = {record.output: record for other, record in busy if other is item}
        for path in left:
            bookkeeping.wait_until_free(Path(str(path)), last, control.finish.is_set)
        if control.finish.is_set():
            return
        bookkeeping.read_again(batch.ledger(item))
        for record in _recorded(item, batch, progress, False):
            if record.output in left or record.output is None:
                yield bookkeeping.meanwhile(record)


def _file(item: Item, batch: DegradeBatch, progress: Progress) -> Iterator[Record]:
    if item.folder.is_dir():
        batch.sweep(item.folder)
    data, ledger, mode = bookkeeping.read_bytes(item), batch.ledger(item), batch.mode
    settings = mode.settings(item.source.name) | batch.options.settings()
    settings |= {} if ledger is None else {"place": ledger.place(item)}
    whole = key_of(data, settings)  # of all results of this photo
    if known := bookkeeping.refused_before(item, whole, batch) or bookkeeping.earlier_result(item, batch):
        yield known
        return
    keys = {label: key_of(data, settings | {"label": label, "scale": mode.scale(label)}) for label in mode.labels}
    for label, key in list(keys.items()):
        done = bookkeeping.done_before(item, key, batch)
        if done is not None and parameters_of(Path(done.output or "")).exists():
            del keys[label]
            yield done
    if not keys:
        return
    try:
        picture = _decoded(images.open_bytes(data, str(item.source), batch.options.max_pixels), batch.options.frame)
    except ImageError as error:
        yield bookkeeping.refused(item, whole, batch, error)
        return
    made = {k: v for k, v in mode.settings(item.source.name).items() if k != "scale"}
    facts = {"sha256": hashlib.sha256(data).hexdigest(), "made": json.loads(json.dumps(made, default=str))}
    results = [_result(item, picture, label, key, batch, dict(facts)) for label, key in keys.items()]
    results[0].record = replace(results[0].record, notes=picture.notes)  # report each note once
    planned = [result for result in results if result.record.status == "planned"]
    yield from (result.record for result in results if result.record.status != "planned")
    if batch.options.dry_run:
        yield from (result.record for result in planned)
    else:
        yield from _make_results(item, picture, planned, batch, progress)


def _decoded(source: Source, frame: int | None) -> Picture:
    """One picture of a file, in 8 bits per channel, with notes about what was left out."""
    picture = source.picture(frame or 0)
    notes = picture.notes
    if frame is None and source.frames > 1:
        kind = "frames" if source.animated else "pages"
        notes += (f"only the first of {source.frames} {kind} is used; choose another with --frame",)
    if picture.bits > 8:
        notes += (f"reduced from {picture.bits} to 8 bits per channel",)
    return replace(picture.eight(), notes=notes)


def _result(item: Item, picture: Picture, label: str, key: str, batch: DegradeBatch, facts: dict[str, Any]) -> Result:
    """Plan one result: its path, size and whether it will be made or skipped. Raises SrcliError.

    facts: as in `Result`, of the photo; of the result afterwards.
    """
    mode, ending, name = batch.mode, batch.options.suffix or ".png", item.source.name
    with _naming(item):
        size = mode.size(picture.size, label)
    path = item.file
    if path is None:
        path = named_apart(item.folder / f"{item.name}_{mode.mark}_{label}{ending}", mode.model)
    if item.template is not None:
        values = {"width": f"{size.width}", "height": f"{size.height}", "scale": label.removeprefix("x")}
        path = filled(item, item.name, ending, values | {"model": mode.model})
    check_size(kind_of(path), size)
    record = Record(
        input=str(item.source),
        status="planned",
        output=str(path),
        width=size.width,
        height=size.height,
        scale=mode.scale(label),
    )
    about = {"input": name, "width": size.width, "height": size.height} | mode.parameters(name, picture, label)
    facts |= {"made": facts["made"] | written_now(batch.options, path) | {"scale": mode.scale(label)}}
    text = json.dumps(about, indent=2) + "\n"
    result = Result(path=path, label=label, key=key, record=record, text=text, facts=facts)
    batch.sweep(path.parent)
    outcome = bookkeeping.standing(path, batch, item, **result.facts)
    if outcome.get("reason") == "unchanged" and not result.parameters.exists():
        outcome = bookkeeping.stale(f"{path} has lost {result.parameters.name}", batch)
    if not (outcome or os.path.lexists(path) or _left_over(result)):
        outcome = bookkeeping.standing(result.parameters, batch, item)
    result.record = replace(record, **outcome)
    return result


def _left_over(result: Result) -> bool:
    """Whether this result's parameters exist without its picture: an earlier run was killed between the two."""
    with contextlib.suppress(OSError, ValueError):
        return not os.path.lexists(result.path) and result.parameters.read_text("utf-8") == result.text
    return False


def _make_results(
    item: Item, picture: Picture, results: list[Result], batch: DegradeBatch, progress: Progress
) -> Iterator[Record]:
    """Claim the files of all results, then compute and write them one by one."""
    start = time.perf_counter()
    with contextlib.ExitStack() as stack:
        claimed: list[tuple[Result, images.Destination]] = []
        for result in results:
            try:
                destination = stack.enter_context(_destination(item, result, batch))
            except files.Taken as taken:
                yield replace(result.record, **bookkeeping.busy(taken))
                continue
            whole = result.parameters.exists() or not destination.overwrite
            if whole and (
                outcome := bookkeeping.made_elsewhere(
                    result.path, result.key, batch, item, replaces=destination.overwrite
                )
            ):
                yield replace(result.record, **outcome)
            else:
                claimed.append((result, destination))
        labels = [result.label for result, _ in claimed]
        computed = _compute(item, picture, labels, batch.mode, progress) if labels else iter(())
        for (result, destination), frames in zip(claimed, computed, strict=True):
            notes = _write(frames, destination, batch)
            seconds = round(time.perf_counter() - start, 3)
            notes = tuple(dict.fromkeys(result.record.notes + notes))
            yield replace(result.record, status="done", seconds=seconds, notes=notes)
            start = time.perf_counter()


def _compute(
    item: Item, picture: Picture, labels: list[str], mode: DegradeMode, progress: Progress
) -> Iterator[Frames]:
    """Yield the results with these labels. Errors name the file."""

    def report(done: int, total: int) -> None:
        progress(item, done, total)

    with _naming(item):
        yield from mode.results(item.source.name, picture, labels, report)


def _destination(item: Item, result: Result, batch: DegradeBatch) -> images.Destination:
    size = Size(result.record.height or 0, result.record.width or 0)

    def before_rename(part: Path) -> None:
        """Write the parameters and the ledger entry just before the picture gets its final name."""
        files.write_text(result.parameters, result.text)
        result.record = bookkeeping.enter_result(
            result.record, result.path, part, result.key, batch.ledger(item), **result.facts
        )

    options = batch.options
    replaces = options.overwrite or (options.remake_stale and os.path.lexists(result.path))
    return images.Destination(result.path, size, overwrite=replaces, style=options.style, before=before_rename)


def _write(frames: Frames, destination: images.Destination, batch: DegradeBatch) -> tuple[str, ...]:
    """Write one result. Returns notes."""
    data, notes = described(frames[0].metadata, frames[0].size, None, strip=batch.options.strip)
    layouts = [replace(images.Layout.of(frame), metadata=data) for frame in frames]
    pairs = [(layout, [(frame.colour, frame.alpha)]) for layout, frame in zip(layouts, frames, strict=True)]
    if len(pairs) == 1:
        return notes + destination.write(*pairs[0])
    return notes + destination.write_frames(iter(pairs), 0, MAX_BYTES)


@contextlib.contextmanager
def _naming(item: Item) -> Iterator[None]:
    """Prefix errors with the name of the file."""
    try:
        yield
    except SrcliError as error:
        raise type(error)(f"{item.source}: {error}") from error
