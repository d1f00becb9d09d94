"""EfficientNet-Lite0 (Tan and Le 2019; its Lite variants, Liu 2020) up to stride 16, as a frozen trunk."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

# Expansion, kernel, stride, channels and blocks of each stage.
STAGES = ((1, 3, 1, 16, 1), (6, 3, 2, 24, 2), (6, 5, 2, 40, 2), (6, 3, 2, 80, 3), (6, 5, 1, 112, 3))
STEM = 32
EPSILON = 1e-3  # of its batch norms


class SameConv(nn.Module):
    """A convolution and its batch norm, with TensorFlow's padding: what the stride leaves over goes right and below."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(outputs, eps=EPSILON)
        self.kernel, self.stride = kernel, stride

    def forward(self, x: Tensor) -> Tensor:
        if self.kernel > 1:
            rows, cols = (self._padding(n) for n in x.shape[-2:])
            x = F.pad(x, (cols // 2, cols - cols // 2, rows // 2, rows - rows // 2))
        return self.norm(self.conv(x))

    def _padding(self, length: int) -> int:
        return max((-(-length // self.stride) - 1) * self.stride + self.kernel - length, 0)

    def fold(self) -> None:
        """Put the batch norm into the convolution."""
        self.conv, self.norm = fuse_conv_bn_eval(self.conv, self.norm), nn.Identity()  # type: ignore[assignment]


class Block(nn.Module):
    """An inverted residual block."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = inputs * expansion
        self.expand = SameConv(inputs, wide) if expansion > 1 else None
        self.depthwise = SameConv(wide, wide, kernel, stride, groups=wide)
        self.project = SameConv(wide, outputs)
        self.skip = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y = x if self.expand is None else F.relu6(self.expand(x))
        y = self.project(F.relu6(self.depthwise(y)))
        return x + y if self.skip else y


class EfficientNetLite0(nn.Module):
    """Activations of pictures (B, 3, H, W) in [0, 1] at strides 2, 4, 8 and 16, with `widths` channels."""

    widths = (16, 24, 40, 112)

    def __init__(self) -> None:
        super().__init__()
        self.stem, inputs, blocks = SameConv(3, STEM, 3, 2), STEM, []
        for expansion, kernel, stride, outputs, count in STAGES:
            for number in range(count):
                blocks.append(Block(inputs, outputs, kernel, stride if number == 0 else 1, expansion))
                inputs = outputs
        self.blocks = nn.ModuleList(blocks)
        self.taps = (0, 2, 4, 10)  # the last blocks before a stride, and the last of all

    def forward(self, image: Tensor) -> list[Tensor]:
        y, found = F.relu6(self.stem((image * 255 - 127) / 128)), []
        for number, block in enumerate(self.blocks):
            y = block(y)
            if number in self.taps:
                found.append(y)
        return found

    def load_published(self, weights: Mapping[str, Tensor]) -> None:
        """Take over the state dict of the package efficientnet-lite-pytorch, whose later layers are left out, and fold
        the batch norms. Raises KeyError or RuntimeError for other weights."""
        own = {}
        for name in self.state_dict():
            if not name.endswith("num_batches_tracked"):
                own[name] = weights[_published(name)].float()
        self.load_state_dict(own, strict=False)
        self.eval().requires_grad_(False)
        for part in self.modules():
            if isinstance(part, SameConv):
                part.fold()


NAMES = {
    "stem": ("_conv_stem", "_bn0"),
    "expand": ("_expand_conv", "_bn0"),
    "depthwise": ("_depthwise_conv", "_bn1"),
    "project": ("_project_conv", "_bn2"),
}


def _published(name: str) -> str:
    """The published name of a tensor."""
    *place, layer, part, tensor = name.split(".")
    conv, norm = NAMES[layer]
    above = ["_blocks" if word == "blocks" else word for word in place]
    return ".".join([*above, conv if part == "conv" else norm, tensor])
