"""What a batch did not make, in a line for each reason instead of one for each file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from srcli.batch import Record

MOST_NAMES = 3
LABELS = {"unchanged": "unchanged", "made-elsewhere": "made elsewhere", "busy": "still being made elsewhere"}
SEVERAL = {
    "unchanged": "{n} unchanged: already made from these files with these settings",
    "exists": "{n} kept: the results exist; use --overwrite to replace them",
    "earlier-result": "{n} skipped: results of earlier runs; to use one anyway, give its path",
    "made-elsewhere": "{n} made by another process in the meantime",
    "busy": "{n} still being made by another process; run the same command again later",
}
NAMELESS = frozenset({"unchanged"})


def counted_as(record: Record) -> str:
    """The name under which the summary counts a record."""
    return LABELS.get(record.reason or "", record.status)


def lines(records: list[Record]) -> list[str]:
    """One line for each reason why files were not made; a single file has its own sentence."""
    groups: dict[str, list[Record]] = {}
    for record in records:
        if record.status in ("skipped", "stale"):
            groups.setdefault(_group(record), []).append(record)
    return [_line(group) for group in groups.values()]


def _group(record: Record) -> str:
    """Stale results are told apart by what is different about them."""
    return _tail(record) if record.status == "stale" else record.reason or _tail(record)


def _tail(record: Record) -> str:
    """The sentence of a record without its file."""
    return str(record.error).removeprefix(str(record.output or record.input)).strip()


def _line(group: list[Record]) -> str:
    first, count = group[0], len(group)
    if count == 1:
        return f"{first.status}: {first.error}"
    if first.status == "stale":
        said = f"{count} stale: {_tail(first).removeprefix('was ').replace('make it', 'make them')}"
    else:
        said = SEVERAL.get(first.reason or "", f"{{n}} {first.status}: {first.reason or _tail(first)}").format(n=count)
    if first.reason in NAMELESS:
        return said
    names = [Path(r.output or r.input).name for r in group]
    more = f" and {count - MOST_NAMES} more (-v lists them)" if count > MOST_NAMES else ""
    return f"{said}: {', '.join(names[:MOST_NAMES])}{more}"
