"""SwinIR encoder (Liang et al. 2021) without upsampling, as LTE and LINF use it.

Windows are anchored to the top left corner of the image, and each pair of blocks widens the receptive field by a
window, so an encoder needs the whole image: `radius` is None.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from srcli.networks.edsr import conv3x3
from srcli.networks.swin import Mlp, WindowAttention, join_windows, shift_mask, split_windows

WINDOWS_AT_ONCE = 256  # windows that are processed together, which bounds the memory of attention and MLP


class Block(nn.Module):
    """Window attention and MLP, (B, h, w, C) to the same shape, with sides that are multiples of the window.

    A shifted block stores the attention mask of the training size, as official state dicts do.

    ratio: hidden width of the MLP relative to `dim`.
    image: pixels per side of the training crops.
    """

    def __init__(self, dim: int, heads: int, window: int, shift: int, ratio: float, image: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attn = WindowAttention(dim, heads, window)
        self.mlp = Mlp(dim, int(dim * ratio))
        self.window, self.shift = window, shift
        self.attn_mask: Tensor | None
        self.register_buffer("attn_mask", shift_mask(image, image, window, shift) if shift else None)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """mask: attention mask of shifted blocks for an image of this size, (windows, window^2, window^2)."""
        if self.shift:
            x = x.roll((-self.shift, -self.shift), (1, 2))
        windows = split_windows(x, self.window)
        masks = mask.repeat(len(x), 1, 1) if self.shift else None
        made = torch.empty_like(windows)
        for start in range(0, len(windows), WINDOWS_AT_ONCE):
            some = slice(start, start + WINDOWS_AT_ONCE)
            part = windows[some]
            part = part + self.attn(self.norm1(part), None if masks is None else masks[some])
            made[some] = part + self.mlp(self.norm2(part))
        b, h, w = x.shape[:3]
        x = join_windows(made, b, h, w, self.window)
        return x.roll((self.shift, self.shift), (1, 2)) if self.shift else x


class Group(nn.Module):
    """Blocks of a layer, every second one shifted by half a window."""

    def __init__(self, depth: int, dim: int, heads: int, window: int, ratio: float, image: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            Block(dim, heads, window, window // 2 if i % 2 else 0, ratio, image) for i in range(depth)
        )

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x, mask)
        return x


class ResidualLayer(nn.Module):
    """RSTB: x + conv(blocks(x)), (B, h, w, C) to the same shape."""

    def __init__(self, depth: int, dim: int, heads: int, window: int, ratio: float, image: int) -> None:
        super().__init__()
        self.residual_group = Group(depth, dim, heads, window, ratio, image)
        self.conv = conv3x3(dim, dim)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        return _conv(self.conv, self.residual_group(x, mask)) + x


class PatchNorm(nn.Module):
    """The normalisation of the patch embedding, whose patches are single pixels."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x)


class SwinIR(nn.Module):
    """Features of a low-resolution image: (B, 3, h, w) in [-1, 1] to (B, features, h, w).

    Sides are padded by reflection to multiples of the window, so they must be longer than the padding.

    image: pixels per side of the training crops, which only determines the shape of the stored masks.
    """

    radius = None

    def __init__(
        self,
        dim: int = 180,
        depths: Sequence[int] = (6,) * 6,
        heads: Sequence[int] = (6,) * 6,
        window: int = 8,
        ratio: float = 2.0,
        features: int = 64,
        image: int = 48,
    ) -> None:
        super().__init__()
        self.conv_first = conv3x3(3, dim)
        self.patch_embed = PatchNorm(dim)
        self.layers = nn.ModuleList(
            ResidualLayer(d, dim, h, window, ratio, image) for d, h in zip(depths, heads, strict=True)
        )
        self.norm = nn.LayerNorm(dim)
        self.conv_after_body = conv3x3(dim, dim)
        self.conv_before_upsample = nn.Sequential(conv3x3(dim, features))
        self.window, self.features, self.widest = window, features, 5 * dim

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        padding = (0, -width % self.window, 0, -height % self.window)
        if any(padding):
            x = F.pad(x, padding, mode="reflect")
        first = self.conv_first(x)
        tokens = self.patch_embed(first.permute(0, 2, 3, 1))
        mask = shift_mask(tokens.shape[1], tokens.shape[2], self.window, self.window // 2).to(tokens)
        for layer in self.layers:
            tokens = layer(tokens, mask)
        x = self.conv_after_body(self.norm(tokens).permute(0, 3, 1, 2)) + first
        return F.leaky_relu(self.conv_before_upsample(x), 0.01)[..., :height, :width]


def _conv(conv: nn.Conv2d, tokens: Tensor) -> Tensor:
    return conv(tokens.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
