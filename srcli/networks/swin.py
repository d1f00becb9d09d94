"""The Swin-T latent module of LINF-LP (Tsao et al. 2024; blocks after Liu et al. 2021).

Tokens stay at the resolution of the latent map, without patch embedding, merging or positional embedding. The published
network applies the shifted-window mask to every block of a stage, even to blocks that are not shifted; we do so too,
because its weights were trained that way.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from srcli.networks.latent import LatentStem

WINDOW = 7
SHIFT = WINDOW // 2


class WindowAttention(nn.Module):
    """Multi-head self-attention with relative position bias. (windows, window^2, C) to the same shape."""

    def __init__(self, dim: int, heads: int, window: int = WINDOW) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * window - 1) ** 2, heads))
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)
        self.relative_position_index: Tensor
        self.register_buffer("relative_position_index", relative_positions(window))

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """x: (windows, window^2, C). mask: (masks, window^2, window^2), where `masks` divides the number of windows."""
        count, tokens, dim = x.shape
        q, k, v = self.qkv(x).view(count, tokens, 3, self.heads, dim // self.heads).permute(2, 0, 3, 1, 4)
        scores = (q * (dim // self.heads) ** -0.5) @ k.transpose(-2, -1)
        scores = scores + self.relative_position_bias_table[self.relative_position_index].permute(2, 0, 1)
        if mask is not None:
            scores = scores.view(-1, len(mask), self.heads, tokens, tokens) + mask[:, None]
        x = scores.view(count, self.heads, tokens, tokens).softmax(-1) @ v
        return self.proj(x.transpose(1, 2).reshape(count, tokens, dim))


class Mlp(nn.Module):
    """Two linear layers with a GELU between them."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(dim, hidden), nn.Linear(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x)))


class SwinBlock(nn.Module):
    """Window attention and MLP, (B, h, w, C) to the same shape.

    shift: of the windows, 0 for none.
    drop_path: probability of skipping each branch in training.
    """

    def __init__(self, dim: int, heads: int, shift: int, drop_path: float) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attn = WindowAttention(dim, heads)
        self.mlp = Mlp(dim, 4 * dim)
        self.shift, self.drop_path = shift, drop_path

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        x = x + self._drop(self._attend(self.norm1(x), mask))
        return x + self._drop(self.mlp(self.norm2(x)))

    def _attend(self, x: Tensor, mask: Tensor) -> Tensor:
        height, width = x.shape[1:3]
        # Padded tokens take part in the attention, as the published mask does not exclude them.
        x = F.pad(x, (0, 0, 0, -width % WINDOW, 0, -height % WINDOW))
        if self.shift:
            x = x.roll((-self.shift, -self.shift), (1, 2))
        x = join_windows(self.attn(split_windows(x), mask), *x.shape[:3])
        if self.shift:
            x = x.roll((self.shift, self.shift), (1, 2))
        return x[:, :height, :width]

    def _drop(self, branch: Tensor) -> Tensor:
        if not self.training or self.drop_path == 0.0:
            return branch
        keep = torch.rand(len(branch), 1, 1, 1, device=branch.device) >= self.drop_path
        return branch * keep / (1 - self.drop_path)


class SwinStage(nn.Module):
    """Blocks of a stage, every second one shifted."""

    def __init__(self, dim: int, heads: int, drop_paths: list[float]) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(SwinBlock(dim, heads, SHIFT if i % 2 else 0, p) for i, p in enumerate(drop_paths))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x, mask)
        return x


class SwinLatent(LatentStem):
    """The Swin-T generator y = f(x, lr): x (B, c, h, w), lr (B, 3, H, W). Maps are padded to windows of 7."""

    def __init__(
        self,
        channels: int,
        width: int = 96,
        depths: tuple[int, ...] = (2, 2, 6, 2),
        heads: tuple[int, ...] = (3, 6, 12, 24),
        drop_path: float = 0.1,
    ) -> None:
        super().__init__(channels, width)
        rates = [drop_path * i / max(1, sum(depths) - 1) for i in range(sum(depths))]
        starts = [sum(depths[:i]) for i in range(len(depths))]
        self.layers = nn.ModuleList(
            SwinStage(2 * width, h, rates[s : s + d]) for s, d, h in zip(starts, depths, heads, strict=True)
        )
        self.norm = nn.LayerNorm(2 * width)
        self.head = nn.Sequential(
            nn.Conv2d(2 * width, width, 1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, width // 2, 1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(width // 2, channels, 1),
        )

    def forward(self, x: Tensor, lr: Tensor) -> Tensor:
        tokens = self.stem(x, lr).permute(0, 2, 3, 1)
        height, width = (n + -n % WINDOW for n in tokens.shape[1:3])
        mask = shift_mask(height, width, WINDOW, SHIFT).to(tokens)
        for layer in self.layers:
            tokens = layer(tokens, mask)
        return self.head(self.norm(tokens).permute(0, 3, 1, 2))


def relative_positions(window: int) -> Tensor:
    """For each pair of tokens, the row of the bias table: (window^2, window^2)."""
    place = torch.cartesian_prod(torch.arange(window), torch.arange(window))
    offset = place[:, None] - place[None] + window - 1
    return offset[..., 0] * (2 * window - 1) + offset[..., 1]


def split_windows(x: Tensor, window: int = WINDOW) -> Tensor:
    """(B, h, w, C), with sides that are multiples of the window, to (B * windows, window^2, C)."""
    b, h, w, c = x.shape
    x = x.view(b, h // window, window, w // window, window, c).transpose(2, 3)
    return x.reshape(-1, window * window, c)


def join_windows(windows: Tensor, b: int, h: int, w: int, window: int = WINDOW) -> Tensor:
    """Inverse of `split_windows`."""
    x = windows.view(b, h // window, w // window, window, window, -1).transpose(2, 3)
    return x.reshape(b, h, w, -1)


def shift_mask(height: int, width: int, window: int, shift: int) -> Tensor:
    """The mask of shifted windows, (windows, window^2, window^2): -100 between tokens of different regions."""
    region = torch.zeros(1, height, width, 1)
    cuts = (slice(0, -window), slice(-window, -shift), slice(-shift, None))
    for number, (rows, cols) in enumerate((r, c) for r in cuts for c in cuts):
        region[:, rows, cols] = number
    ids = split_windows(region, window).squeeze(-1)
    return (ids[:, None] != ids[:, :, None]).float() * -100.0
