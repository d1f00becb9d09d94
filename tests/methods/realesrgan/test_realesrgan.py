"""Real-ESRGAN's networks: files in every layout give what the authors' definition gives, in tiles as in one piece."""

import re
import struct
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from srcli import Upscaler
from srcli.geometry import Size, Window
from srcli.methods import registry
from srcli.methods.realesrgan.model import HALO, RealESRGANModel
from srcli.methods.realesrgan.ncnn import HALF, SINGLE
from srcli.tiling.model import Sampling
from srcli.tiling.tiles import strips
from srcli.weights import manifest
from srcli.weights.convert import ConvertError, convert
from tests.support.places import EXAMPLES

CAT = Image.open(EXAMPLES / "cat.png").convert("RGB").resize((37, 30))
UNSHUFFLED = {1: 4, 2: 2, 4: 1}  # pixels a side that become channels, by scale


class Dense(nn.Module):
    def __init__(self, features: int, growth: int) -> None:
        super().__init__()
        for i in range(1, 6):
            out = growth if i < 5 else features
            setattr(self, f"conv{i}", nn.Conv2d(features + (i - 1) * growth, out, 3, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        seen = [x]
        for i in range(1, 5):
            seen.append(F.leaky_relu(getattr(self, f"conv{i}")(torch.cat(seen, 1)), 0.2))
        return x + 0.2 * self.conv5(torch.cat(seen, 1))


class Block(nn.Module):
    def __init__(self, features: int, growth: int) -> None:
        super().__init__()
        self.rdb1, self.rdb2, self.rdb3 = (Dense(features, growth) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        return x + 0.2 * self.rdb3(self.rdb2(self.rdb1(x)))


class RRDBNet(nn.Module):
    """The definition of the papers under BasicSR's names."""

    def __init__(self, scale: int, blocks: int = 2, features: int = 8, growth: int = 4) -> None:
        super().__init__()
        self.unshuffle = UNSHUFFLED[scale]
        self.conv_first = nn.Conv2d(3 * self.unshuffle**2, features, 3, padding=1)
        self.body = nn.Sequential(*(Block(features, growth) for _ in range(blocks)))
        self.conv_body, self.conv_up1, self.conv_up2, self.conv_hr = (
            nn.Conv2d(features, features, 3, padding=1) for _ in range(4)
        )
        self.conv_last = nn.Conv2d(features, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        first = self.conv_first(F.pixel_unshuffle(x, self.unshuffle))
        y = first + self.conv_body(self.body(first))
        for up in (self.conv_up1, self.conv_up2):
            y = F.leaky_relu(up(F.interpolate(y, scale_factor=2, mode="nearest")), 0.2)
        return self.conv_last(F.leaky_relu(self.conv_hr(y), 0.2))


class VGG(nn.Module):
    """SRVGGNetCompact under its official names."""

    def __init__(self, scale: int, convs: int = 3, width: int = 8) -> None:
        super().__init__()
        self.scale = scale
        layers = [nn.Conv2d(3, width, 3, padding=1), nn.PReLU(width)]
        for _ in range(convs):
            layers += [nn.Conv2d(width, width, 3, padding=1), nn.PReLU(width)]
        self.body = nn.Sequential(*layers, nn.Conv2d(width, 3 * scale**2, 3, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        return F.pixel_shuffle(self.body(x), self.scale) + F.interpolate(x, scale_factor=self.scale, mode="nearest")


def definition(kind: str, scale: int) -> nn.Module:
    torch.manual_seed(scale)
    return (RRDBNet(scale) if kind == "rrdb" else VGG(scale)).eval().requires_grad_(False)


def old_names(state: dict[str, Tensor], blocks: int = 2) -> dict[str, Tensor]:
    """ESRGAN's first names, as community models have them."""
    places = {"conv_first": "0", "conv_body": f"1.sub.{blocks}", "conv_up1": "3", "conv_up2": "6"}
    places |= {"conv_hr": "8", "conv_last": "10"}

    def renamed(key: str) -> str:
        if match := re.fullmatch(r"body\.(\d+)\.rdb(\d)\.conv(\d)\.(\w+)", key):
            return "model.1.sub.{}.RDB{}.conv{}.0.{}".format(*match.groups())
        layer, kind = key.split(".")
        return f"model.{places[layer]}.{kind}"

    return {renamed(key): value for key, value in state.items()}


def expected(network: nn.Module, lr: Tensor) -> Tensor:
    """The picture of the definition; sides that cannot be folded are mirrored, and what comes of that is cut off."""
    fold = getattr(network, "unshuffle", 1)
    padded = F.pad(lr, (0, -lr.shape[3] % fold, 0, -lr.shape[2] % fold), mode="reflect")
    made = network(padded)
    scale = made.shape[2] // padded.shape[2]
    return made[..., : scale * lr.shape[2], : scale * lr.shape[3]]


@pytest.mark.parametrize(
    ("kind", "scale", "layout"),
    [
        *(("rrdb", scale, layout) for scale in (1, 2, 4) for layout in ("params_ema", "old")),
        *(("vgg", scale, "params") for scale in (1, 2, 3, 4)),
    ],
)
def test_a_published_file_gives_the_picture_of_its_definition(tmp_path, kind, scale, layout):
    network = definition(kind, scale)
    state = dict(network.state_dict())
    content = old_names(state) if layout == "old" else {layout: state}
    torch.save(content, path := tmp_path / "model.pth")
    upscaler = Upscaler.from_file(path, precision="fp32")
    assert upscaler.entry.pipeline == "realesrgan"
    lr, size = torch.from_numpy(np.array(CAT)).permute(2, 0, 1)[None].float() / 255, Size(30 * scale, 37 * scale)
    with torch.inference_mode():
        made = upscaler.model.decode(upscaler.model.encode(lr, size), Window.whole(size), size, Sampling()).picture
    torch.testing.assert_close(made, expected(network, lr), atol=1e-5, rtol=0)
    if scale > 1:
        small = (int(37 * (scale - 0.5) + 0.5), int(30 * (scale - 0.5) + 0.5))
        assert upscaler.upscale(CAT, scale - 0.5).size == small


@pytest.mark.parametrize(("kind", "scale"), [("rrdb", 4), ("rrdb", 2), ("vgg", 4)])
@pytest.mark.parametrize("share", [1.0, 0.83])
def test_tiles_equal_the_whole(kind, scale, share):
    network = registry.build(
        {"kind": "esrgan", "blocks": 1, "features": 8, "growth": 4, "scale": scale}
        if kind == "rrdb"
        else {"kind": "compact", "width": 8, "convs": 4, "scale": scale}
    ).eval()
    model = RealESRGANModel(network)
    assert model.tiling == "exact"
    lr, low = torch.rand(1, 3, 121, 143, generator=torch.Generator().manual_seed(1)), Size(121, 143)
    size = Size(*(round(n * scale * share) for n in (low.height, low.width)))
    with torch.inference_mode():
        whole = model.decode(model.encode(lr, size), Window.whole(size), size, Sampling()).picture
        for window in chain.from_iterable(strips(size, Size(150, 170))):
            region = model.region(window, size, low, Sampling())
            assert max(region.bottom - low.height, region.right - low.width) <= 0
            part = model.decode(model.encode(lr, size, region), window, size, Sampling()).picture
            torch.testing.assert_close(part, window.cut(whole), atol=2e-6, rtol=0)


def test_a_large_network_sees_a_halo_of_its_tiles_and_says_so():
    deep = {"kind": "esrgan", "blocks": 6, "features": 8, "growth": 4, "scale": 4}
    model = RealESRGANModel(registry.build(deep).eval())
    assert (model.tiling, model.halo) == ("bounded", HALO)
    assert model.network.radius == 92


def ncnn_file(path: Path, network: nn.Module, flag: bytes) -> Path:
    """The numbers of a network's layers in a row, as ncnn's converter writes them."""
    parts = []
    for layer in network.modules():
        if isinstance(layer, nn.PReLU):
            parts.append(layer.weight.numpy().astype("<f4").tobytes())
        elif isinstance(layer, nn.Conv2d):
            kernel = layer.weight.numpy().astype("<f2" if flag == HALF else "<f4").tobytes()
            parts += [flag, kernel + b"\0" * (-len(kernel) % 4), layer.bias.numpy().astype("<f4").tobytes()]
    path.write_bytes(b"".join(parts))
    return path


@pytest.mark.parametrize("flag", [HALF, SINGLE])
@pytest.mark.parametrize("kind", ["vgg", "rrdb"])
def test_an_ncnn_file_is_read(tmp_path, kind, flag):
    torch.manual_seed(0)
    network = VGG(4, 16, 64) if kind == "vgg" else RRDBNet(4, 6, 64, 32)
    network.requires_grad_(False)
    found = convert(ncnn_file(tmp_path / "model.bin", network, flag))
    assert found.architecture["kind"] == ("compact" if kind == "vgg" else "esrgan")
    mine = registry.build(found.architecture).eval()
    mine.load_state_dict(found.tensors)
    x = torch.rand(1, 3, 12, 10)
    with torch.inference_mode():
        torch.testing.assert_close(mine(x), network(x), atol=1e-6 if flag == SINGLE else 2e-2, rtol=0)


def test_a_file_that_begins_like_ncnn_and_is_not_is_refused(tmp_path):
    network = VGG(4, 16, 64).requires_grad_(False)
    path = ncnn_file(tmp_path / "model.bin", network, HALF)
    data = path.read_bytes()
    path.write_bytes(data[:-4])
    with pytest.raises(ConvertError, match=r"model\.bin is not a checkpoint"):
        convert(path)
    last = data.rindex(HALF)
    for flag in (struct.pack("<I", 7), SINGLE):  # none, and one whose kernel would be longer than the file
        path.write_bytes(data[:last] + flag + data[last + 4 :])
        with pytest.raises(ConvertError, match=r"model\.bin is not a checkpoint"):
            convert(path)


def test_a_network_of_another_shape_is_named(tmp_path):
    state = dict(definition("rrdb", 4).state_dict()) | {"conv_first.weight": torch.zeros(8, 5, 3, 3)}
    torch.save(state, path := tmp_path / "model.pth")
    with pytest.raises(ConvertError, match="its first layer sees 5 channels"):
        convert(path)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({f"body.{'9' * 5000}.weight": torch.zeros(1)}, "unknown network|make no Compact"),
        ({"body.8.weight": torch.zeros(1200, 8, 3, 3), "body.8.bias": torch.zeros(1200)}, "a scale from 1 to 4"),
        ({"body.0.weight": torch.zeros(0, 3, 3, 3)}, "looks like Real-ESRGAN"),
    ],
)
def test_an_odd_compact_file_is_one_sentence(tmp_path, change, says):
    torch.save(dict(definition("vgg", 4).state_dict()) | change, path := tmp_path / "model.pth")
    with pytest.raises(ConvertError, match=says):
        convert(path)


def test_the_release_files_are_in_the_manifest():
    """Six files of the project's releases, with their published hashes, usable commercially."""
    found = [entry for entry in manifest.load().entries.values() if entry.pipeline == "realesrgan"]
    assert len(found) == 6
    for entry in found:
        assert entry.licence == "BSD-3-Clause"
        for part in entry.parts.values():
            assert len(part.sha256) == 64
            with torch.device("meta"):
                assert registry.build(part.architecture).scale == entry.scales[1]
    pairs = {entry.name: entry.parts["twin"].file for entry in found if "twin" in entry.parts}
    assert pairs == {"realesr-general-x4v3": "realesr-general-wdn-x4v3.pth"}
