"""Models that a user adds by importing a file."""

from __future__ import annotations

import json
from pathlib import Path

from srcli import files
from srcli.weights import cache as home
from srcli.weights import manifest, manifest_file, store
from srcli.weights.convert import Converted
from srcli.weights.manifest import Entry, ManifestError


def add(name: str, path: Path, converted: Converted) -> Entry:
    """Write a new model of one part into the user's own manifest. The licence is the user's to know: it counts as
    accepted. Raises ManifestError."""
    if not manifest_file.NAME.fullmatch(name):
        raise ManifestError(f"a model's name has letters, digits, '.', '_' and '-', not {name!r}")
    if converted.role == "prior":
        raise ManifestError(f"{path} is a learned prior, which makes no model without its flow")
    if converted.pipeline == manifest.DEGRADES:
        raise ManifestError(
            f"{path} is the {converted.role} of DegFlow, half a model; run both halves with srcli degrade -m FLOW "
            "--autoencoder FILE, or import it --as a model of the manifest"
        )
    own = manifest.own_path()
    home.make(own.parent)
    low, high = converted.scales
    lines = (
        f"[models.{_quoted(name)}]",
        f"purpose = {_quoted(f'imported from {path.name}')}",
        f"pipeline = {_quoted(converted.pipeline)}",
        f"scales = [{low}, {high}]",
        'licence = "unstated"',
        'commercial = "unstated"',
        f"[models.{_quoted(name)}.parts.{_quoted(converted.role)}]",
        f"file = {_quoted(name + _suffix(path))}",
        "sources = []",
    )
    with home.alone("models"):
        text = own.read_text(encoding="utf-8") if own.is_file() else ""
        text += ("\n" if text else "") + "\n".join(lines) + "\n"
        _, entries = manifest_file.parse(text, own)
        manifest.load().with_entries(entries, str(own))  # before it is written: a wrong one would stop every command
        files.write_text(own, text)
    entry = manifest.load().find(name)
    home.accept(entry)
    return entry


def _suffix(path: Path) -> str:
    """What a file is, whatever it is called."""
    try:
        store.metadata(path)
    except store.WeightsMissing:
        return ".pth"
    return ".safetensors"


def _quoted(text: str) -> str:
    """A basic string of TOML, which JSON's strings are."""
    return json.dumps(text)
