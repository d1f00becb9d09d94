"""Encoders by their definition, and how far they see."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from srcli.networks.swinir import SwinIR
from tests.support.layouts import ENCODERS, network


@pytest.fixture(autouse=True)
def _no_grad():
    with torch.no_grad():
        yield


def attended(block: dict[str, Tensor], x: Tensor, window: int, heads: int, shift: int) -> Tensor:
    """What a block's attention adds to a token, token by token: (h, w, C), already normed."""
    height, width, dim = x.shape
    out, size = torch.empty_like(x), dim // heads
    q, k, v = (x @ block["attn.qkv.weight"].T + block["attn.qkv.bias"]).view(height, width, 3, heads, size).unbind(2)
    table = block["attn.relative_position_bias_table"]

    def place(position: int, length: int) -> tuple[int, bool]:
        """Window of a position on the shifted axis, and whether the shift has brought it there from the other end."""
        moved = (position - shift) % length
        return moved // window, position < shift

    for y, x0 in np.ndindex(height, width):
        mine = place(y, height), place(x0, width)
        near = [p for p in np.ndindex(height, width) if (place(p[0], height), place(p[1], width)) == mine]
        bias = []
        for py, px in near:
            dy = (y - shift) % height % window - (py - shift) % height % window
            dx = (x0 - shift) % width % window - (px - shift) % width % window
            bias.append(table[(dy + window - 1) * (2 * window - 1) + dx + window - 1])
        keys, values = (torch.stack([t[p] for p in near]) for t in (k, v))
        scores = (keys * q[y, x0]).sum(-1) / size**0.5 + torch.stack(bias)
        out[y, x0] = (scores.softmax(0)[..., None] * values).sum(0).flatten()
    return out @ block["attn.proj.weight"].T + block["attn.proj.bias"]


def test_swinir_is_its_definition():
    sizes = {"dim": 8, "depths": [2], "heads": [2], "window": 4, "features": 6, "image": 8}
    net = network({"kind": "swinir"} | sizes)
    assert isinstance(net, SwinIR)
    state, image = net.state_dict(), torch.randn(1, 3, 8, 12)

    def norm(name: str, x: Tensor) -> Tensor:
        return F.layer_norm(x, (8,), state[f"{name}.weight"], state[f"{name}.bias"])

    def conv(name: str, x: Tensor) -> Tensor:  # (C, h, w)
        return F.conv2d(x[None], state[f"{name}.weight"], state[f"{name}.bias"], padding=1)[0]

    first = conv("conv_first", image[0])
    x = start = norm("patch_embed.norm", first.permute(1, 2, 0))
    for number, shift in ((0, 0), (1, 2)):
        prefix = f"layers.0.residual_group.blocks.{number}."
        block = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
        x = x + attended(block, norm(f"{prefix}norm1", x), 4, 2, shift)
        hidden = F.gelu(norm(f"{prefix}norm2", x) @ block["mlp.fc1.weight"].T + block["mlp.fc1.bias"])
        x = x + hidden @ block["mlp.fc2.weight"].T + block["mlp.fc2.bias"]
    x = start + conv("layers.0.conv", x.permute(2, 0, 1)).permute(1, 2, 0)
    deep = conv("conv_after_body", norm("norm", x).permute(2, 0, 1)) + first
    expected = F.leaky_relu(conv("conv_before_upsample.0", deep), 0.01)
    torch.testing.assert_close(net(image)[0], expected, atol=2e-5, rtol=1e-4)


def test_swinir_reflects_what_is_missing_and_cuts_it_off():
    net = network(ENCODERS["swinir"])
    image = torch.randn(1, 3, 13, 18)
    padded = net(F.pad(image, (0, 6, 0, 3), mode="reflect"))
    torch.testing.assert_close(net(image), padded[..., :13, :18])


def test_rdn_is_its_definition():
    net = network(ENCODERS["rdn"])
    state, image = net.state_dict(), torch.randn(1, 3, 9, 11)

    def conv(name: str, x: Tensor) -> Tensor:
        weight = state[f"{name}.weight"]
        return F.conv2d(x, weight, state[f"{name}.bias"], padding=weight.shape[-1] // 2)

    first = conv("SFENet1", image)
    h, fused = conv("SFENet2", first), []
    for block in range(3):
        seen = h
        for layer in range(2):
            seen = torch.cat([seen, conv(f"RDBs.{block}.convs.{layer}.conv.0", seen).relu()], 1)
        h = conv(f"RDBs.{block}.LFF", seen) + h
        fused.append(h)
    torch.testing.assert_close(net(image), conv("GFF.1", conv("GFF.0", torch.cat(fused, 1))) + first)


@pytest.mark.parametrize("name", ["edsr", "rdn", "rrdb"])
def test_radius_is_what_the_encoder_sees(name):
    net, middle = network(ENCODERS[name]), 40
    image = torch.zeros(1, 3, 81, 81, dtype=torch.float64)
    moved = image.clone()
    moved[..., middle, middle] = 1e9
    net = net.double()
    for parameter in net.parameters():
        parameter.abs_()  # nothing that reaches a pixel is cancelled there
    change = (net(moved) - net(image)).abs().amax((0, 1)) > 0
    rows = change.any(1).nonzero().flatten()
    assert (rows.min(), rows.max()) == (middle - net.radius, middle + net.radius)
