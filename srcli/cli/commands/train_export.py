"""`srcli train export`, `average` and `plot`: what comes of a run."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from srcli.cli.shared.console import Output, errors


def export(
    checkpoint: Annotated[
        Path, typer.Argument(metavar="CKPT", help="A checkpoint or a run's folder.", show_default=False)
    ],
    out: Annotated[Path, typer.Option("-o", "--out", help="The .safetensors file to write.", show_default=False)],
    data: Annotated[str, typer.Option("--data", help="The training photos in one line.", show_default=False)],
    val: Annotated[Path | None, typer.Option("--val", help="Folder of photos to score the weights on.")] = None,
    flow: Annotated[
        str | None,
        typer.Option("--flow", help="What a prior, flowmap-lora or degflow-decoder belongs to: name or file."),
    ] = None,
    autoencoder: Annotated[Path | None, typer.Option("--autoencoder", help="Autoencoder of a degflow.")] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
) -> None:
    """Write inference weights: the moving average, float16 but for the flow's linear layers, with their origin."""
    output = Output()
    with errors(debug):
        from srcli.training import export as exporting

        scores: dict[str, float] = {}
        if val is not None:
            with TemporaryDirectory() as folder:
                trial = Path(folder) / "weights.safetensors"
                exporting.export(checkpoint, trial, data=data)
                scores, change = exporting.score(checkpoint, trial, val, flow, autoencoder)
            output.say("  ".join(f"{k} {v:.3f}" for k, v in scores.items()))
            output.say(f"float16 changed PSNR by at most {change:.4f} dB")
        metadata = exporting.export(checkpoint, out, data=data, scores=scores)
        output.say(f"step {metadata['steps']}; for a manifest:")
        output.say(_for_manifest(out))


def average(
    first: Annotated[Path, typer.Argument(metavar="A", help="Exported weights.", show_default=False)],
    second: Annotated[
        Path, typer.Argument(metavar="B", help="Others of the same architecture and role.", show_default=False)
    ],
    out: Annotated[Path, typer.Option("-o", "--out", help="The .safetensors file to write.", show_default=False)],
    weight: Annotated[float, typer.Option("--weight", help="The share of B, from 0 to 1.")] = 0.5,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
) -> None:
    """Write the weighted mean of two exported files. Means of runs often beat either run."""
    output = Output()
    with errors(debug):
        from srcli.training import average as averaging

        averaging.average(first, second, out, weight)
        output.say(f"{1 - weight:g} of {first.name}, {weight:g} of {second.name}; for a manifest:")
        output.say(_for_manifest(out))


def _for_manifest(file: Path) -> str:
    """The entry of a weights file in a manifest."""
    from srcli.weights import store

    return f'{{ file = "{file.name}", bytes = {file.stat().st_size}, sha256 = "{store.sha256(file)}" }}'


def plot(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder.", show_default=False)],
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Default: curves.png in the folder.")] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
) -> None:
    """Plot the losses and scores of a run (needs matplotlib: pip install srcli\\[train])."""
    with errors(debug):
        from srcli.training.monitor.plot import plot_run

        Output().say(str(plot_run(folder, out or folder / "curves.png")))
