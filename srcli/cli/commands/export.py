"""`srcli export`: models for programs that have no PyTorch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from srcli.cli.shared import options
from srcli.cli.shared.console import Output, errors
from srcli.cli.shared.fetching import MANIFEST, fetch_models

if TYPE_CHECKING:
    from srcli.weights.model_files import Loaded

app = typer.Typer(
    help="Export models for programs that have no PyTorch.",
    no_args_is_help=True,
    epilog="""Examples:\n
  srcli export onnx flowsr-s -o flowsr-s.onnx\n
  srcli export onnx flowmap-s --steps 2 -o flowmap-s.onnx\n
  srcli export onnx mine.safetensors --prior prior.safetensors -o mine.onnx""",
)


@app.callback()
def _group() -> None:
    """Else the only command would have no name."""


@app.command()
def onnx(
    model: Annotated[
        str,
        typer.Argument(metavar="NAME|FILE", help="Name of a model, or a file with its weights.", show_default=False),
    ],
    out: Annotated[Path, typer.Option("-o", "--out", help="The .onnx file to write.", show_default=False)],
    prior: Annotated[
        Path | None, typer.Option("--prior", help="With FILE: the file of the flow's learned prior.")
    ] = None,
    lora: Annotated[Path | None, typer.Option("--lora", help="With FILE: the file of a flow map's LoRA.")] = None,
    steps: Annotated[
        int, typer.Option("--steps", help="Network evaluations of rectified flows, and of flow maps: 1, 2 or 4.")
    ] = 1,
    overwrite: options.OVERWRITE = False,
    manifest: MANIFEST = None,
    json: options.JSON = False,
    quiet: options.QUIET = False,
    debug: options.DEBUG = False,
) -> None:
    """Write a model of LINF, FlowSR or flow maps as an ONNX file for pictures of any size, and check it against PyTorch
    with onnxruntime. Its metadata say what goes in and what comes out (needs pip install srcli\\[onnx])."""
    output = Output(json, quiet=quiet)
    with errors(debug, json):
        from srcli.batch import UsageError
        from srcli.export import onnx as exporting
        from srcli.tiling.model import Sampling
        from srcli.upscaler import Upscaler
        from srcli.weights import extras

        extras.require("onnx", "srcli export onnx")
        if out.suffix.lower() != ".onnx":
            raise UsageError(f"--out must end in .onnx, unlike {out.name}")
        if out.exists() and not overwrite:
            raise UsageError(f"{out} exists; use --overwrite to replace it")
        source = _source(model, prior, lora, output)
        upscaler = Upscaler(source, device="cpu", precision="fp32")
        chosen = Sampling(steps=steps)
        upscaler.settled(chosen)
        if upscaler.ignored(chosen):
            raise UsageError(f"--steps has no effect on {upscaler.entry.name}")
        made = exporting.export(upscaler, out, steps)
        size = out.stat().st_size
        output.record({"path": str(out), "bytes": size, "difference": made.difference, "metadata": made.metadata})
        output.say(f"{out} ({size / 1e6:,.1f} MB; differs from PyTorch by at most {made.difference:.1g})")


def _source(model: str, prior: Path | None, lora: Path | None, output: Output) -> str | Loaded:
    """A model's name, once its weights are here, or what is in its files."""
    from srcli.batch import UsageError
    from srcli.weights import manifest
    from srcli.weights.model_files import load_files

    if Path(model).is_file() and not manifest.load().has(model):
        return load_files(Path(model), prior, lora)
    if prior is not None or lora is not None:
        raise UsageError(f"--{'lora' if prior is None else 'prior'} goes with a file of weights, not with a name")
    fetch_models([model], output)
    return model
