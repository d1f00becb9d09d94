"""What a command of `srcli models` is about: the parts that a file holds, and the files that may go."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from srcli.cli.shared.console import Output

if TYPE_CHECKING:
    from srcli.weights.entries import Entry, Part


def parts_in(file: Path, entry: Entry, role: str | None) -> list[Part]:
    """The parts of a model that a file is, at least one. role: of the one that is asked for."""
    from srcli.batch import UsageError

    if role is not None:
        if role not in entry.parts:
            raise UsageError(f"{entry.name} has no part {role!r}; it has {', '.join(entry.parts)}")
        return [entry.parts[role]]
    if len(entry.parts) == 1:
        return list(entry.parts.values())
    for part in entry.parts.values():
        if file.name == part.file:
            return [part]
    from srcli.weights import store
    from srcli.weights.convert import roles_in

    found = [entry.parts[held_role] for held_role in roles_in(file) if held_role in entry.parts]
    if not found:
        raise UsageError(f"{entry.name} has several parts; say which with --part {'|'.join(entry.parts)}")
    # Of a file with several, what is here already may have come from a file of its own.
    return [part for part in found if not store.path_of(part).is_file()] or found


def to_remove(names: list[str], files: list[str], output: Output) -> list[tuple[Entry, Part]]:
    """Files by model or by name, but none that another model here uses. Raises UsageError."""
    from srcli.batch import UsageError
    from srcli.weights import manifest

    known, chosen = manifest.load(), []
    going = [known.find(name) for name in names]
    staying = {p.file for e in known.entries.values() if e not in going for p in e.parts.values() if _whole(e)}
    for entry in going:
        if entry.embedded:
            raise UsageError(f"{entry.name} is in the package; only pip removes it")
        chosen += [(entry, part) for part in entry.parts.values() if part.file not in staying and not part.embedded]
        for part in entry.parts.values():
            if part.file in staying:
                output.notice(f"{part.file} stays: another model that is here uses it")
    for file in files:
        found = [(e, p) for e in known.entries.values() for p in e.parts.values() if p.file == file and not p.embedded]
        if not found:
            raise UsageError(f"no model has a downloaded file {file}")
        chosen.append(found[0])
    if not names and not files:
        raise UsageError("name a model, or a file with --file")
    return chosen


def _whole(entry: Entry) -> bool:
    from srcli.weights import store

    return not entry.embedded and not store.missing(entry)
