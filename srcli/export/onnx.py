"""A model as an ONNX file: traced, checked against PyTorch, with its contract in the metadata."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import torch

from srcli import __version__, files
from srcli.errors import SrcliError
from srcli.methods import registry
from srcli.methods.method import resolve
from srcli.tiling.graph import Graph
from srcli.upscaler import Upscaler
from srcli.weights import extras, store

OPSET = 18
RESULT = "result"
MOST_DIFFERENCE = 1e-4


class ExportError(SrcliError):
    """A model that cannot be exported."""

    exit_code = 2


class DifferentResult(SrcliError):
    """A graph whose results are not the model's."""


@dataclass(frozen=True, slots=True)
class Exported:
    """An ONNX file.

    metadata: as in the file; the values are text, some of it JSON.
    difference: the largest difference from PyTorch, in onnxruntime, on a picture of the size that was traced.
    """

    path: Path
    metadata: dict[str, str]
    difference: float


def export(upscaler: Upscaler, out: Path, steps: int = 1) -> Exported:
    """Write a model to an ONNX file.

    upscaler: on the CPU, in fp32.
    steps: network evaluations of a rectified flow or a flow map.

    Raises ExportError, ExtraMissing, DifferentResult, WriteError.
    """
    extras.require("onnx", "srcli export onnx")
    graph = _graph(upscaler, steps)
    metadata = _metadata(upscaler, graph)
    data = _traced(graph, metadata)
    difference = _difference(graph, data)
    if not difference <= MOST_DIFFERENCE:
        raise DifferentResult(f"the graph of {upscaler.entry.name} differs from PyTorch by {difference:.2g}")
    files.write_bytes(out, data)
    return Exported(out, metadata, difference)


def _graph(upscaler: Upscaler, steps: int) -> Graph:
    method, name = upscaler.method, upscaler.entry.name
    if method is None:
        raise ExportError(f"{name} picks a model for each picture; name one, such as linf-lp-s")
    if not method.graph:
        able = ", ".join(each.name for each in registry.methods().values() if each.graph)
        raise ExportError(f"{name} ({method.name}) cannot be exported; models of these methods can: {able}")
    graph: Graph = resolve(method.graph)(upscaler.model, steps)
    graph.module.eval().requires_grad_(False)
    return graph


def _metadata(upscaler: Upscaler, graph: Graph) -> dict[str, str]:
    entry = upscaler.entry
    contract = {
        "inputs": {name: given.means for name, given in graph.inputs.items()},
        "outputs": {RESULT: graph.result},
        "facts": dict(graph.facts),
    }
    return {
        "srcli": __version__,
        "model": entry.name,
        "method": str(entry.pipeline),
        "weights": json.dumps({role: store.digest(part) for role, part in entry.parts.items()}),
        "licence": entry.licence,
        "contract": json.dumps(contract),
    }


def _traced(graph: Graph, metadata: dict[str, str]) -> bytes:
    """The graph as ONNX, with names for the sizes that are free."""
    import onnx

    sizes = [dict.fromkeys(given.sides, torch.export.Dim.DYNAMIC) or None for given in graph.inputs.values()]
    with _quiet():
        program = torch.onnx.export(
            graph.module,
            tuple(given.example for given in graph.inputs.values()),
            input_names=list(graph.inputs),
            output_names=[RESULT],
            dynamic_shapes=tuple(sizes),
            opset_version=OPSET,
            custom_translation_table=_translations(),
            dynamo=True,
            optimize=True,
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    _name_sizes(model, graph)
    model.producer_name, model.producer_version = "srcli", __version__
    onnx.helper.set_model_props(model, metadata)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def _translations() -> dict[Any, Any]:
    """Of operations that the exporter does not know."""
    from onnxscript import opset18 as op

    def copysign(size: Any, sign: Any) -> Any:
        return op.Where(op.Less(sign, op.Constant(value_float=0.0)), op.Neg(op.Abs(size)), op.Abs(size))

    return {torch.ops.aten.copysign.Tensor: copysign}


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what the exporter prints of its own progress, and of a torchvision that is not there."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), redirect_stdout(StringIO()), torch.no_grad():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)


def _name_sizes(model: Any, graph: Graph) -> None:
    """Give free sizes the names of the contract, and drop what the exporter noted of those within."""
    sides = [given.sides for given in graph.inputs.values()] + [graph.sides]
    for value, names in zip((*model.graph.input, *model.graph.output), sides, strict=True):
        for index, name in names.items():
            value.type.tensor_type.shape.dim[index].dim_param = name
    del model.graph.value_info[:]


def _difference(graph: Graph, data: bytes) -> float:
    """The largest difference between the module and its graph on what was traced."""
    import onnxruntime

    given = [each.example for each in graph.inputs.values()]
    with torch.no_grad():
        wanted = graph.module(*given)
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    feed = {name: each.numpy() for name, each in zip(graph.inputs, given, strict=True)}
    (made,) = session.run([RESULT], feed)
    return float((torch.from_numpy(made) - wanted).abs().max())
