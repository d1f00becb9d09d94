"""FlowSR at the size of Stable Diffusion for its tests: of the reference's tiny weights, or of plain arithmetic."""

from __future__ import annotations

import json
import shutil
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from srcli.methods.flowsr_sd import published as weights
from srcli.methods.flowsr_sd.model import FlowsrSd
from srcli.methods.flowsr_sd.text_encoder import Prompts


@cache
def numbers(data: Path) -> dict[str, Tensor]:
    """Inputs and outputs by their names, which differ."""
    return load_file(data / "in" / "inputs.safetensors") | load_file(data / "out" / "outputs.safetensors")


def layout(data: Path, folder: Path) -> dict[str, Path]:
    """The tiny weights as the published repositories have theirs; the files by role."""
    configs = json.loads((data / "cases.json").read_text())
    files = {}
    for role, config, name in (
        ("unet", "unet_config", "diffusion_pytorch_model.safetensors"),
        ("vae", "vae_config", "diffusion_pytorch_model.safetensors"),
        ("text_encoder", "text_config", "model.safetensors"),
    ):
        files[role] = folder / role / name
        files[role].parent.mkdir(parents=True)
        shutil.copy(data / "weights" / f"{role}.safetensors", files[role])
        (folder / role / "config.json").write_text(json.dumps(configs[config]))
    files["lora"] = folder / "flowsr.safetensors"
    shutil.copy(data / "weights" / "flowsr_tiny.safetensors", files["lora"])
    return files


def tiny(data: Path, folder: Path, checkpoint: str = "flowsr_tiny.safetensors", **options) -> FlowsrSd:
    files, known = layout(data, folder), numbers(data)
    prompts = (known["ids.positive"][0].tolist(), known["ids.negative"][0].tolist())
    made = weights.load(**files | {"lora": data / "weights" / checkpoint}, prompts=prompts)
    return FlowsrSd(made["unet"], made["vae"], made["prompts"], **options)


def error(made: Tensor, expected: Tensor) -> float:
    assert made.shape == expected.shape
    return (made.double() - expected.double()).abs().max().item()


class Codec(nn.Module):
    """An autoencoder without statistics of the whole: means of 8 x 8 pixels. Records the sizes that it is given."""

    config = SimpleNamespace(scaling_factor=0.5)

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[int, ...]] = []

    def encode(self, x: Tensor) -> SimpleNamespace:
        self.seen.append(tuple(n // 8 for n in x.shape[-2:]))
        mean = F.avg_pool2d(torch.cat([x, x[:, :1]], 1), 8)
        return SimpleNamespace(latent_dist=SimpleNamespace(mean=mean, std=torch.full_like(mean, 0.1)))

    def decode(self, z: Tensor) -> SimpleNamespace:
        self.seen.append(tuple(z.shape[-2:]))
        return SimpleNamespace(sample=F.interpolate(z[:, :3], scale_factor=8.0))


class Velocity(nn.Module):
    """Takes out a tenth, and all the more of a tile the brighter it is."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[int, ...]] = []

    def forward(self, z: Tensor, time: Tensor, encoder_hidden_states: Tensor) -> SimpleNamespace:
        self.seen.append(tuple(z.shape[-2:]))
        return SimpleNamespace(sample=z * 0.1 + z.mean() * 0.2)


def plain(**options) -> FlowsrSd:
    prompts = Prompts(torch.zeros(1, 2, 3), torch.zeros(1, 2, 3))
    return FlowsrSd(Velocity(), Codec(), prompts, **options)


def picture(height: int, width: int, seed: int = 0) -> Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(seed))
