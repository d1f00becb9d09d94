"""The reference's networks and numbers, and short trainings."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from srcli.methods.degflow.model import DegflowModel
from srcli.weights.model_files import load_part


@pytest.fixture(scope="module")
def data(reference) -> dict[str, torch.Tensor]:
    folder = reference / "parity" / "degflow"
    return load_file(folder / "in" / "inputs.safetensors") | load_file(folder / "out" / "outputs.safetensors")


@pytest.fixture(scope="module")
def published(reference) -> dict[str, Path]:
    """Files in the layouts of the public ones."""
    folder = reference / "parity" / "degflow" / "weights"
    return {"autoencoder": folder / "ae_layout.pth", "flow": folder / "flow_layout.pth"}


@pytest.fixture(scope="module")
def model(published) -> DegflowModel:
    networks = [load_part(path, "degflow", role) for role, path in published.items()]
    return DegflowModel(*networks)  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def trained(tmp_path_factory) -> Path:
    """ae.safetensors and flow.safetensors of short runs of DegFlow, and the runs."""
    from tests.methods.degflow.steps import train_both

    return train_both(tmp_path_factory.mktemp("degflow"))
