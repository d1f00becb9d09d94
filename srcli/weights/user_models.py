"""Add models to the user's own manifest, and take them out of it."""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from srcli import files
from srcli.methods.registry import methods
from srcli.userfolders import NoHome
from srcli.weights import cache, manifest, manifest_file, store
from srcli.weights.convert import Converted, convert
from srcli.weights.entries import DEGRADES, Entry, Hub, ManifestError
from srcli.weights.model_files import check_twin


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """Where a file is from, and on what terms.

    commercial: whether the licence permits commercial use, None if it does not say.
    bytes, sha256: of the file.
    """

    source: Hub
    licence: str
    commercial: bool | None
    bytes: int
    sha256: str


def add(
    name: str, path: Path, converted: Converted, twin: Path | None = None, published: Published | None = None
) -> Entry:
    """Add a model of one part, or of a network and its twin, to the user's own manifest.

    path, converted: the file and its content. The licence counts as accepted: it is up to the user to know it.
    twin: file of a network of the same shape.
    published: where the file can be had again.
    Raises ManifestError, or ConvertError for a twin that does not fit.
    """
    if not manifest_file.NAME.fullmatch(name):
        raise ManifestError(f"a model's name may only have letters, digits, '.', '_' and '-', unlike {name!r}")
    if converted.role == "prior":
        raise ManifestError(f"{path} is a learned prior, which is not a model without its flow")
    if converted.pipeline == DEGRADES:
        raise ManifestError(
            f"{path} is only the {converted.role} of DegFlow; run both parts with srcli degrade -m FLOW "
            "--autoencoder FILE, or import the file --as a model of the manifest"
        )
    if twin is not None:
        check_twin(path, converted, twin, convert(twin))
    target = manifest.user_path()
    cache.make_folder(target.parent)
    low, high = converted.scales
    lines = [
        f"[models.{_quoted(name)}]",
        f"purpose = {_quoted(f'{methods()[converted.pipeline].does} (imported from {path.name})')}",
        f"pipeline = {_quoted(converted.pipeline)}",
        f"scales = [{low}, {high}]",
        *_terms(published),
        *_part(name, converted.role, name + _suffix(path), published),
    ]
    if twin is not None:
        lines += _part(name, "twin", f"{name}-twin{_suffix(twin)}")
    with cache.locked("models"):
        text = target.read_text(encoding="utf-8") if target.is_file() else ""
        text += ("\n" if text else "") + "\n".join(lines) + "\n"
        _, entries = manifest_file.parse(text, target)
        # Checked before it is written: an invalid manifest would break every command.
        manifest.load().with_entries(entries, str(target))
        files.write_text(target, text)
    entry = manifest.load().find(name)
    cache.accept(entry)
    return entry


def forget(entry: Entry) -> Path | None:
    """Take a model that `add` has added out of the user's own manifest, with its licence and the hashes of its files.

    Entries that say where to get a file, or its hash, stay: such a file can come again. Returns the manifest if it has
    changed. Raises ManifestError for one that only its author can edit.
    """
    if any(part.sources or part.sha256 or part.starts for part in entry.parts.values()):
        return None
    try:
        target = manifest.user_path()
    except NoHome:
        return None
    with cache.locked("models"):
        text = target.read_text(encoding="utf-8") if target.is_file() else ""
        before = tomllib.loads(text)
        if entry.name not in before.get("models", {}):
            return None
        del before["models"][entry.name]
        after = _without(text, entry.name)
        if _loaded(after) != before:
            raise ManifestError(f"{target} has {entry.name} in a form that only you can edit; remove it there")
        files.write_text(target, after)
    for part in entry.parts.values():
        if not store.installed(part):  # else another model uses it
            cache.pin(part.file, None)
    cache.accept(entry, forget=True)
    return target


def _loaded(text: str) -> dict[str, Any]:
    """A manifest's content, empty if it is not TOML."""
    try:
        return {"models": {}} | tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return {}


def _without(text: str, name: str) -> str:
    """The text of a manifest without the tables of a model."""
    kept, inside = [], False
    for line in text.splitlines(keepends=True):
        if line.lstrip().startswith("["):
            table = _loaded(line)
            inside = name in table["models"] if table else inside  # else it is part of a value over several lines
        if not inside:
            kept.append(line)
    return "".join(kept).rstrip("\n") + "\n" if "".join(kept).strip() else ""


def _terms(published: Published | None) -> list[str]:
    if published is None:
        return ['licence = "unstated"', 'commercial = "unstated"']
    commercial = '"unstated"' if published.commercial is None else str(published.commercial).lower()
    return [f"licence = {_quoted(published.licence)}", f"commercial = {commercial}"]


def _part(name: str, role: str, file: str, published: Published | None = None) -> list[str]:
    lines = [f"[models.{_quoted(name)}.parts.{_quoted(role)}]", f"file = {_quoted(file)}"]
    if published is None:
        return [*lines, "sources = []"]
    hub = published.source
    source = f"hub = {_quoted(hub.repo)}, path = {_quoted(hub.path)}, revision = {_quoted(hub.revision)}"
    return [
        *lines,
        f"bytes = {published.bytes}",
        f"sha256 = {_quoted(published.sha256)}",
        f"sources = [{{ {source} }}]",
    ]


def _suffix(path: Path) -> str:
    """The suffix that matches a file's content, whatever its name."""
    try:
        store.metadata(path)
    except store.WeightsMissing:
        return ".pth"
    return ".safetensors"


def _quoted(text: str) -> str:
    """A TOML basic string; JSON strings are a subset of these."""
    return json.dumps(text)
