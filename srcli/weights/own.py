"""Models that a user adds by importing a file."""

from __future__ import annotations

import json
from pathlib import Path

from srcli import files
from srcli.weights import home, manifest, manifest_file
from srcli.weights.convert import Converted
from srcli.weights.manifest import Entry, ManifestError


def add(name: str, path: Path, converted: Converted) -> Entry:
    """Write a new model of one part into the user's own manifest. The licence is the user's to know: it counts as
    accepted. Raises ManifestError."""
    if not manifest_file.NAME.fullmatch(name):
        raise ManifestError(f"a model's name has letters, digits, '.', '_' and '-', not {name!r}")
    if converted.role == "prior":
        raise ManifestError(f"{path} is a learned prior, which makes no model without its flow")
    own = manifest.own_path()
    home.make(own.parent)
    text = own.read_text(encoding="utf-8") if own.is_file() else ""
    low, high = converted.scales
    lines = (
        f"[models.{name}]",
        f"purpose = {_quoted(f'imported from {path.name}')}",
        f"pipeline = {_quoted(converted.pipeline)}",
        f"scales = [{low}, {high}]",
        'licence = "unstated"',
        'commercial = "unstated"',
        f"[models.{name}.parts.{converted.role}]",
        f"file = {_quoted(name + path.suffix)}",
        "sources = []",
    )
    files.write_text(own, text + ("\n" if text else "") + "\n".join(lines) + "\n")
    entry = manifest.load().find(name)
    home.accept(entry)
    return entry


def _quoted(text: str) -> str:
    """A basic string of TOML, which JSON's strings are."""
    return json.dumps(text)
