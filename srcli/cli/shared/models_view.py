"""The output of `srcli models`: tables for people, objects for programs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from srcli.cli.shared.console import Output

if TYPE_CHECKING:
    from rich.table import Table

    from srcli.weights.entries import Entry, Part


def installed(entry: Entry) -> str:
    """Whether a model is installed, in words."""
    from srcli.weights import store

    if entry.embedded:
        return "built in"
    missing = store.missing(entry)
    if not missing:
        return "yes"
    if any(not part.sources for part in missing):
        return "to import"
    return "no" if len(missing) == len(entry.parts) else "in part"


def facts(entry: Entry) -> dict[str, Any]:
    """Everything about a model, as one object."""
    from srcli.weights import cache, store

    pins = cache.pins()
    files = [
        {
            "role": part.role,
            "file": part.file,
            "bytes": part.bytes,
            "sha256": part.sha256 or part.starts or None,
            "sources": [] if part.embedded else [str(source) for source in part.sources],
            "path": str(store.path_of(part)) if store.installed(part) else None,
            "pinned_sha256": pins[part.file].sha256 if part.file in pins else None,
            "architecture": part.architecture,
        }
        for part in entry.parts.values()
    ]
    return {
        "name": entry.name,
        "aliases": list(entry.aliases),
        "purpose": entry.purpose,
        "pipeline": entry.pipeline,
        "scales": list(entry.scales),
        "dials": dials(entry),
        "paper": entry.paper,
        "licence": entry.licence,
        "commercial": entry.commercial,
        "accepted": cache.accepted(entry),
        "installed": installed(entry),
        "bytes": entry.bytes,
        "page": entry.page,
        "needs": entry.needs,
        "measured": dict(entry.measured),
        "files": files,
    }


def dials(entry: Entry) -> list[str]:
    """The names of the dials that a model has."""
    from srcli.methods.registry import methods

    method = methods().get(str(entry.pipeline))
    return [] if method is None else [c.name for c in method.controls if c.works(entry.parts)]


def print_list(entries: list[Entry], output: Output) -> None:
    """Print a table of models."""
    output.table(table_of(entries))
    if any(not entry.commercial for entry in entries):
        output.say("* not for commercial use, or licence not stated")
    output.say("for licence, source and scores, run: srcli models show NAME")


def table_of(entries: list[Entry]) -> Table:
    """A table with one model per row. In narrow terminals, only the purpose wraps."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column("model", no_wrap=True)
    table.add_column("for", min_width=20)
    table.add_column("scales", no_wrap=True)
    table.add_column("size", no_wrap=True, justify="right")
    table.add_column("installed", no_wrap=True)
    for entry in entries:
        table.add_row(*row_of(entry))
    return table


def row_of(entry: Entry) -> list[str]:
    low, high = entry.scales
    scales = "" if entry.pipeline is None else f"{low:g}" if low == high else f"{low:g} to {high:g}"
    name = entry.name + ("" if entry.commercial else " *")
    return [name, entry.purpose, scales, size_of(entry.bytes) if entry.parts else "", installed(entry)]


def size_of(count: int | None) -> str:
    return "unknown" if count is None else f"{count / 1e6:,.1f} MB"


def _place(part: Part) -> str:
    """Where a part would be."""
    from srcli.userfolders import NoHome
    from srcli.weights import store

    try:
        return str(store.path_of(part))
    except NoHome as error:
        return str(error)


def print_model(entry: Entry, output: Output) -> None:
    """Print everything about a model."""
    from rich.table import Table

    from srcli.weights import pull, store

    table = Table(show_header=False, box=None, pad_edge=False)
    for key, value in facts(entry).items():
        if key in ("files", "measured", "commercial", "licence") or value in (None, "", [], {}):
            continue
        shown = (
            size_of(value) if key == "bytes" else ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        )
        table.add_row(key, shown)
    table.add_row("terms", pull.terms(entry))
    for key, value in entry.measured.items():
        table.add_row(
            f"measured: {key}",
            ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else str(value),
        )
    output.table(table)
    for part in entry.parts.values():
        digest = part.sha256 or (f"{part.starts}..." if part.starts else "unknown; pinned at the first download")
        output.say(f"\n{part.role}: {part.file}, {size_of(part.bytes)}\n  sha256 {digest}")
        output.say(f"  {store.path_of(part)}" if store.installed(part) else f"  {_place(part)}  (not installed)")
        for source in () if part.embedded else part.sources:
            output.say(f"  from {source}")
        if part.architecture:
            output.say(f"  {part.architecture}")


def print_file(entry: Entry, part: Part, path: Path, output: Output) -> None:
    """Print where a part's file is, its size and how its hash was checked."""
    from srcli.weights import cache

    pin = cache.pins().get(part.file)
    facts = {"name": entry.name, "role": part.role, "path": str(path), "bytes": path.stat().st_size}
    output.record(facts | {"sha256": pin.sha256 if pin else part.sha256})
    known = "its hash was unknown and is now pinned" if pin and not part.sha256 else "its hash is correct"
    output.say(f"{path} ({path.stat().st_size / 1e6:,.1f} MB, {known})")


def tell_role(entry: Entry, output: Output) -> None:
    """Say that `auto` uses a model now, where it does."""
    from srcli import choice
    from srcli.weights import store

    if entry.name in choice.RESTORERS and not entry.embedded and not store.missing(entry):
        output.say(f"auto now uses {entry.name} for damaged photos; much faster: -n {choice.RESTORER}")
