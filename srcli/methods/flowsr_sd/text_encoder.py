"""CLIP's text transformer (Radford et al. 2021) as Stable Diffusion 2 reads it, and what it makes of prompts."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu": F.gelu,
    "quick_gelu": lambda x: x * torch.sigmoid(1.702 * x),
}


class _Attention(nn.Module):
    """Each token looks at itself and those before it."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q_proj, self.k_proj, self.v_proj, self.out_proj = (nn.Linear(width, width) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (
            part(x).unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in (self.q_proj, self.k_proj, self.v_proj)
        )
        seen = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.out_proj(seen.transpose(1, 2).flatten(2))


class _Mlp(nn.Module):
    def __init__(self, width: int, inner: int, activation: str) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, inner), nn.Linear(inner, width)
        self.activation = ACTIVATIONS[activation]

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(self.activation(self.fc1(x)))


class _Layer(nn.Module):
    def __init__(self, width: int, inner: int, heads: int, activation: str, eps: float) -> None:
        super().__init__()
        self.layer_norm1, self.layer_norm2 = (nn.LayerNorm(width, eps) for _ in range(2))
        self.self_attn, self.mlp = _Attention(width, heads), _Mlp(width, inner, activation)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.self_attn(self.layer_norm1(x))
        return x + self.mlp(self.layer_norm2(x))


class ClipText(nn.Module):
    """Token ids (B, n) to embeddings (B, n, width): the last layer, normalised. Keys are the published ones without
    their prefix `text_model.`; the names of the parameters are those of the published config.json.
    """

    def __init__(
        self,
        vocab_size: int,
        hidden_size: int,
        intermediate_size: int,
        num_hidden_layers: int,
        num_attention_heads: int,
        max_position_embeddings: int = 77,
        hidden_act: str = "gelu",
        layer_norm_eps: float = 1e-5,
    ) -> None:
        super().__init__()
        if hidden_act not in ACTIVATIONS:
            raise ValueError(f"unknown activation {hidden_act!r}; known: {', '.join(ACTIVATIONS)}")
        token = nn.Embedding(vocab_size, hidden_size)
        position = nn.Embedding(max_position_embeddings, hidden_size)
        self.embeddings = nn.ModuleDict({"token_embedding": token, "position_embedding": position})
        layer = (hidden_size, intermediate_size, num_attention_heads, hidden_act, layer_norm_eps)
        layers = nn.ModuleList(_Layer(*layer) for _ in range(num_hidden_layers))
        self.encoder = nn.ModuleDict({"layers": layers})
        self.final_layer_norm = nn.LayerNorm(hidden_size, layer_norm_eps)

    def forward(self, ids: Tensor) -> Tensor:
        token, position = self.embeddings["token_embedding"], self.embeddings["position_embedding"]
        x = token(ids) + position(torch.arange(ids.shape[1], device=ids.device))
        for layer in self.encoder["layers"]:  # type: ignore[attr-defined]  # a list of modules
            x = layer(x)
        return self.final_layer_norm(x)


class Prompts(nn.Module):
    """Embeddings (1, n, width) of what a picture should be and, for guidance, of what it should not be."""

    positive: Tensor
    negative: Tensor

    def __init__(self, positive: Tensor, negative: Tensor) -> None:
        super().__init__()
        self.register_buffer("positive", positive)
        self.register_buffer("negative", negative)
