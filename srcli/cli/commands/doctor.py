"""`srcli doctor`: versions, devices and models of this installation."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from srcli.cli.shared.console import Output, errors


def command(
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
) -> None:
    """Show versions, devices, precision, folders, and installed models with their hashes."""
    output = Output(json)
    with errors(debug, json):
        facts = collect()
        output.record(facts)
        if not json:
            _table(facts, output)
        broken = [m["name"] for m in facts["models"] if "error" in m]
    sys.exit(4 if broken else 0)


def collect() -> dict[str, Any]:
    """Everything that `srcli doctor` shows, as one object."""
    import cv2
    import numpy
    import PIL
    import torch

    from srcli import runtime, userfolders
    from srcli.weights import cache, manifest, store

    chosen = runtime.choose()
    devices = ["cpu"]
    devices += [f"cuda:{i} {torch.cuda.get_device_name(i)}" for i in range(torch.cuda.device_count())]
    devices += [f"xpu:{i} {torch.xpu.get_device_name(i)}" for i in range(torch.xpu.device_count())]
    if torch.backends.mps.is_available():
        devices.append("mps")
    versions = {"numpy": numpy.__version__, "pillow": PIL.__version__, "opencv": cv2.__version__}
    return {
        **runtime.facts(chosen),
        "libraries": versions,
        "devices": devices,
        "free_memory_gib": round(runtime.free_memory() / 2**30, 1),
        "cache_folder": _folder(userfolders.cache),
        "config_folder": _folder(userfolders.config),
        "weights_folder": _folder(cache.weights_folder),
        "models": [_model(entry) for entry in manifest.load().entries.values() if not store.missing(entry)],
    }


def _folder(find: Callable[[], Path]) -> str:
    from srcli.userfolders import NoHome

    try:
        return str(find())
    except NoHome as error:
        return f"none: {error}"


def _model(entry: Any) -> dict[str, Any]:
    from srcli.errors import SrcliError
    from srcli.weights import store

    facts: dict[str, Any] = {
        "name": entry.name,
        "aliases": entry.aliases,
        "purpose": entry.purpose,
        "scales": entry.scales,
        "paper": entry.paper,
        "licence": entry.licence,
        "commercial": entry.commercial,
        "files": [],
    }
    try:
        for part in entry.parts.values():
            path = store.locate(part)
            facts["files"].append({"file": part.file, "bytes": path.stat().st_size, "sha256": store.sha256(path)})
            if entry.pipeline is not None and not part.plain:
                store.load_network(path)
    except SrcliError as error:
        facts["error"] = str(error)
    return facts


def _table(facts: dict[str, Any], output: Output) -> None:
    from rich.table import Table

    table = Table(show_header=False, box=None, pad_edge=False)
    for key, value in facts.items():
        if key == "models":
            continue
        shown = ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else value
        table.add_row(key.replace("_", " "), ", ".join(shown) if isinstance(shown, list) else str(shown))
    output.out.print(table)
    for model in facts["models"]:
        terms = model["licence"] + ("" if model["commercial"] else ", not for commercial use")
        output.say(f"\n{', '.join([model['name'], *model['aliases']])} ({terms})")
        output.say(f"  {model['error']}" if "error" in model else f"  {model['purpose']}\n  {model['paper']}")
        for file in model["files"]:
            output.say(f"  {file['file']}  {file['bytes']:,} bytes  sha256 {file['sha256']}")
