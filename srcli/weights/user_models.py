"""Add models to the user's own manifest."""

from __future__ import annotations

import json
from pathlib import Path

from srcli import files
from srcli.methods.registry import methods
from srcli.weights import cache, manifest, manifest_file, store
from srcli.weights.convert import Converted, convert
from srcli.weights.entries import DEGRADES, Entry, ManifestError
from srcli.weights.model_files import check_twin


def add(name: str, path: Path, converted: Converted, twin: Path | None = None) -> Entry:
    """Add a model of one part, or of a network and its twin, to the user's own manifest.

    path, converted: the file and its content. The licence counts as accepted: it is up to the user to know it.
    twin: file of a network of the same shape.
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
        'licence = "unstated"',
        'commercial = "unstated"',
        *_part(name, converted.role, name + _suffix(path)),
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


def _part(name: str, role: str, file: str) -> list[str]:
    return [f"[models.{_quoted(name)}.parts.{_quoted(role)}]", f"file = {_quoted(file)}", "sources = []"]


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
