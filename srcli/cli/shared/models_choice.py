"""Find what a command of `srcli models` applies to: the parts in a file, and the files to remove."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from srcli.cli.shared.console import Output

if TYPE_CHECKING:
    from srcli.weights.entries import Entry, Part
    from srcli.weights.manifest import Manifest


def parts_in(file: Path, entry: Entry, role: str | None) -> list[Part]:
    """The parts of a model that a file holds, at least one. Raises UsageError.

    role: the part that the user asked for, if any.
    """
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

    found = [entry.parts[held] for held in roles_in(file) if held in entry.parts]
    if not found:
        raise UsageError(f"{entry.name} has several parts; choose one with --part {'|'.join(entry.parts)}")
    # Parts that are already installed may have come from other files, so import the missing ones.
    return [part for part in found if not store.installed(part)] or found


def to_remove(names: list[str], files: list[str], output: Output) -> list[tuple[Entry, Part]]:
    """The files to remove, without those that another installed model uses. Raises UsageError.

    names: models whose files to remove.
    files: single files to remove, by name.
    """
    from srcli.batch import UsageError
    from srcli.weights import manifest

    known, chosen = manifest.load(), []
    removed = [known.find(name) for name in names]
    kept = {p.file for e in known.entries.values() if e not in removed for p in e.parts.values() if _installed(e)}
    for entry in removed:
        if entry.embedded:
            raise UsageError(f"{entry.name} ships with the package and cannot be removed")
        chosen += [(entry, part) for part in entry.parts.values() if part.file not in kept and not part.embedded]
        for part in entry.parts.values():
            if part.file in kept:
                output.notice(f"{part.file} is kept: another installed model uses it")
    for file in files:
        found = [(e, p) for e in known.entries.values() for p in e.parts.values() if p.file == file and not p.embedded]
        if not found:
            raise UsageError(f"no model has a downloaded file {file}")
        chosen.append(found[0])
    if not names and not files:
        raise UsageError("nothing to remove: name a model, or a file with --file")
    return chosen


def _installed(entry: Entry) -> bool:
    """Whether all files of a model are downloaded."""
    from srcli.weights import store

    return not entry.embedded and not store.missing(entry)


def known_models() -> Manifest:
    """The manifest of this installation."""
    from srcli.weights import manifest

    return manifest.load()


def usable(entry: Entry) -> bool:
    """Whether a model processes pictures and is installed or can be downloaded."""
    from srcli.weights import store

    return entry.pipeline is not None and all(p.sources or store.installed(p) for p in entry.parts.values())


def agrees(entry: Entry, output: Output) -> bool:
    """Ask the user to accept a licence, if there is a terminal."""
    from srcli.weights import pull

    if output.json or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    try:
        return typer.confirm(f"{entry.name}: {pull.terms(entry)}. Accept?", err=True)
    except typer.Abort:
        raise KeyboardInterrupt from None
