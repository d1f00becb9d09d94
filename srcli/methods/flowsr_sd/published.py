"""The published FlowSR: Stable Diffusion 2.1 base in its files of `diffusers`, with the adapter merged in."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from srcli.methods.flowsr_sd.adapter import merge, read_flowsr, some
from srcli.methods.flowsr_sd.text_encoder import ClipText, Prompts
from srcli.weights.extras import ExtraMissing
from srcli.weights.store import WeightsMissing

# What the config.json of Stable Diffusion 2.1 base say, for weights that have none beside them.
UNET = {
    "sample_size": 64,
    "in_channels": 4,
    "out_channels": 4,
    "down_block_types": (*("CrossAttnDownBlock2D",) * 3, "DownBlock2D"),
    "up_block_types": ("UpBlock2D", *("CrossAttnUpBlock2D",) * 3),
    "block_out_channels": (320, 640, 1280, 1280),
    "layers_per_block": 2,
    "attention_head_dim": (5, 10, 20, 20),
    "cross_attention_dim": 1024,
    "use_linear_projection": True,
}
VAE = {
    "in_channels": 3,
    "out_channels": 3,
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "block_out_channels": (128, 256, 512, 512),
    "layers_per_block": 2,
    "latent_channels": 4,
    "sample_size": 768,
    "scaling_factor": 0.18215,
}
TEXT = {
    "vocab_size": 49408,
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_hidden_layers": 23,
    "num_attention_heads": 16,
    "max_position_embeddings": 77,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-5,
}
LENGTH = 77
# "A high-resolution, 8K, ultra-realistic image with sharp focus, vibrant colors, and natural lighting." in tokens of
# CLIP, and "oil painting, cartoon, blur, dirty, messy, low quality, deformation, low resolution, oversmooth".
POSITIVE = (
    49406, 320, 1400, 268, 9977, 267, 279, 330, 267, 8118, 268, 16157, 2867, 593, 8157, 4353, 267, 14270, 5389, 267,
    537, 3288, 5799, 269, 49407,
)  # fmt: skip
NEGATIVE = (
    49406, 2870, 3086, 267, 7651, 267, 27976, 267, 7615, 267, 15987, 267, 1042, 3027, 267, 561, 2510, 267, 1042, 9977,
    267, 1658, 8990, 49407,
)  # fmt: skip
# Attention of the autoencoder in files older than diffusers 0.12.
OLD_NAMES = {".query.": ".to_q.", ".key.": ".to_k.", ".value.": ".to_v.", ".proj_attn.": ".to_out.0."}


def load(
    unet: Path,
    vae: Path,
    text_encoder: Path,
    lora: Path,
    prompts: tuple[Sequence[int], Sequence[int]] = (POSITIVE, NEGATIVE),
) -> dict[str, nn.Module]:
    """The networks of the pipeline `flowsr-sd` by role, in float32: the U-Net and the autoencoder with what the
    checkpoint `lora` changes, and the embedding of the prompts, for which alone the text encoder is read.

    The first three are safetensors files; a config.json beside one is its architecture, else it is that of Stable
    Diffusion 2.1 base. prompts: token ids of the positive and the negative one. Raises `WeightsMissing` or
    `ExtraMissing`.
    """
    try:
        from diffusers import AutoencoderKL, UNet2DConditionModel
    except ImportError:
        raise ExtraMissing("sd") from None
    adapters = read_flowsr(lora)
    networks: dict[str, nn.Module] = {}
    for role, kind, path, default in (("unet", UNet2DConditionModel, unet, UNET), ("vae", AutoencoderKL, vae, VAE)):
        state = _read(path)
        if role in adapters:
            try:
                state = merge(state, adapters[role])
            except ValueError as error:
                raise WeightsMissing(f"{lora} does not fit {path}: {error}") from error
        networks[role] = _filled(kind.from_config, _config(path, default), state, path)
    return networks | {"prompts": _embedded(text_encoder, prompts)}


def _embedded(path: Path, prompts: tuple[Sequence[int], Sequence[int]]) -> Prompts:
    """Prompts as the text encoder in `path` reads them."""
    state = {k.removeprefix("text_model."): v for k, v in _read(path).items() if not k.endswith(".position_ids")}
    encoder = _filled(lambda c: ClipText(**{name: c[name] for name in TEXT}), _config(path, TEXT), state, path)
    # Stable Diffusion 2 fills up with token 0.
    ids = torch.tensor([[*line, *[0] * (LENGTH - len(line))] for line in prompts])
    with torch.inference_mode():
        positive, negative = encoder(ids).split(1)
    return Prompts(positive.clone(), negative.clone())


def _read(path: Path) -> dict[str, Tensor]:
    """Tensors of a file in float32 under the names of today."""
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError) as error:
        raise WeightsMissing(f"{path} is not a readable safetensors file: {error}") from error
    state = {}
    for key, tensor in tensors.items():
        name = key
        for old, new in OLD_NAMES.items():
            name = name.replace(old, new)
        state[name] = tensor.float()
    return state


def _config(path: Path, default: Mapping[str, Any]) -> dict[str, Any]:
    """The architecture of the weights in `path`."""
    file = path.with_name("config.json")
    if not file.is_file():
        return dict(default)
    try:
        return dict(default) | json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError) as error:
        raise WeightsMissing(f"{file} cannot be read: {error}") from error


def _filled(
    make: Callable[[dict[str, Any]], nn.Module], config: dict[str, Any], state: Mapping[str, Tensor], path: Path
) -> nn.Module:
    """The network of an architecture with the tensors of a file. Every key must have its place."""
    try:
        with torch.device("meta"):  # no memory, no random numbers
            network = make(config)
    except (ValueError, TypeError, KeyError, ImportError) as error:
        raise WeightsMissing(
            f"{path.with_name('config.json')} is not an architecture that can be made: {error}"
        ) from error
    wanted = {key: tensor.shape for key, tensor in network.state_dict().items()}
    problems = {
        "misses": wanted.keys() - state.keys(),
        "has no place for": state.keys() - wanted.keys(),
        "has the wrong shape for": {k for k in wanted.keys() & state.keys() if wanted[k] != state[k].shape},
    }
    told = [f"{problem} {some(keys)}" for problem, keys in problems.items() if keys]
    if told:
        raise WeightsMissing(f"{path} does not fit its architecture: it {'; '.join(told)}")
    network.load_state_dict(state, assign=True)
    return network.eval().requires_grad_(False)
