"""DegFlow on pictures of any size: exact in tiles, at every scale, refused where it cannot work."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from srcli import runtime
from srcli.flows.ode import Solver
from srcli.geometry import Size, TargetError, Window
from srcli.methods.degflow.autoencoder import Autoencoder
from srcli.methods.degflow.model import DegflowModel, Tiles, TooSmall, to_bytes
from srcli.methods.degflow.network import NCSNpp
from tests.methods.degflow.networks import SMALL_FLOW, lively, ours, photo


@pytest.fixture(autouse=True)
def _no_grad():
    with torch.no_grad():
        yield


@pytest.mark.parametrize("official", [False, True])
def test_tiles_equal_the_whole(official, model):
    chosen = model if official else ours()
    image = photo(200, 310)
    solver = Solver("rk4", 4)
    whole = list(chosen.generate(image, [1.7, 4.0], solver, budget=2**40))
    canvas = chosen.canvas(image)
    assert len(chosen.tiles(canvas.whole, 2**40).windows) == 1
    tiles = list(chosen.generate(image, [1.7, 4.0], solver, budget=1))
    assert len(chosen.tiles(canvas.whole, 1).windows) == 20
    for one, other in zip(whole, tiles, strict=True):
        assert one.shape == image.shape
        # A value that lies just between two steps may be rounded to the other one.
        assert np.abs(one.astype(int) - other).max() <= 1
        assert (one != other).mean() < 1e-3
    assert not np.array_equal(whole[0], whole[1])


def test_latents_in_tiles_are_those_of_the_whole():
    chosen, image = ours(), photo(256, 320)
    canvas = chosen.canvas(image)
    whole, _ = chosen.autoencoder.encoder(canvas.cut(Window.whole(canvas.whole), torch.device("cpu")))
    tiles = Tiles(canvas.whole, Size(64, 104))
    assert len({(a.height, a.width) for a in (tiles.area(w, 20) for w in tiles.windows)}) == 1
    assert (chosen.latents(canvas, tiles) - whole).abs().max() < 1e-5


def test_radii_are_all_that_pixels_depend_on():
    chosen, middle = ours().autoencoder.double(), 192

    def differ(a: torch.Tensor, b: torch.Tensor, columns: slice) -> bool:
        return (a[..., columns] - b[..., columns]).abs().max().item() > 1e-12

    image = torch.rand(1, 3, 64, 2 * middle, dtype=torch.float64) * 2 - 1
    far = image.clone()
    far[..., : middle - chosen.encoder.radius] += 0.5
    (z, skips), (moved, _) = chosen.encoder(image), chosen.encoder(far)
    assert not differ(z, moved, slice(middle // 8, None))
    assert differ(z, moved, slice(middle // 8 - 2, middle // 8 - 1))
    whole, apart = chosen.decoder(z, skips), z.clone()
    apart[..., : (middle - chosen.decoder.radius) // 8] += 0.5
    assert not differ(whole, chosen.decoder(apart, skips), slice(middle, None))
    assert differ(whole, chosen.decoder(apart, skips), slice(middle - 16, middle - 8))
    far = image.clone()
    far[..., : middle - chosen.decoder.radius] += 0.5
    assert not differ(whole, chosen.decoder(z, chosen.encoder.skips(far)), slice(middle, None))


def test_our_flow_does_not_look_at_the_whole_map_and_the_published_one_does():
    z = torch.randn(1, 4, 8, 256)
    far = z.clone()
    far[..., 200:] += 3
    t = torch.tensor([0.4])
    near = slice(0, 8)
    local = lively(SMALL_FLOW | {"tileable": True, "ch_mult": [1, 2]})
    assert torch.allclose(local(z, t)[..., near], local(far, t)[..., near], atol=1e-6)
    spread = lively(SMALL_FLOW | {"ch_mult": [1, 2]})
    assert not torch.allclose(spread(z, t)[..., near], spread(far, t)[..., near], atol=1e-4)


def test_any_size_is_mirrored_up_to_what_the_flow_takes_and_cut_again():
    chosen, image = ours(), photo(33, 70)
    pixels = chosen.canvas(image).pixels
    assert pixels.shape == (64, 128, 3)
    assert np.array_equal(pixels[33:, :70], image[31::-1][:31])
    assert np.array_equal(pixels[:33, 70:], image[:, 68::-1][:, :58])
    assert next(chosen.generate(image, [2.0], Solver("rk4", 2))).shape == image.shape
    for small in (photo(32, 100), photo(100, 3)):
        with pytest.raises(TooSmall, match="33 pixels a side"):
            chosen.canvas(small)


@pytest.mark.parametrize("scale", [1.0, 0.5, 4.01, -2, math.nan])
def test_scales_outside_the_path_are_refused(scale):
    with pytest.raises(TargetError, match="above 1 up to 4"):
        next(ours().generate(photo(64, 64), [2.0, scale]))


def test_many_scales_come_from_one_path_in_the_order_asked_for():
    chosen, image = ours(), photo(64, 64)
    scales = [4.0, *np.linspace(1.05, 3.9, 10)]
    solver = Solver("rk4", 4)
    asked = 0
    flow = chosen.flow.forward

    def counted(z: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        nonlocal asked
        asked += 1
        return flow(z, t)

    chosen.flow.forward = counted  # type: ignore[method-assign]
    made = list(chosen.generate(image, scales, solver))
    assert asked == 4 * 4 + 1
    assert len(made) == len(scales)
    assert np.array_equal(made[0], next(chosen.generate(image, [4.0], solver)))
    assert np.array_equal(made[5], next(chosen.generate(image, [scales[5]], solver)))


def test_half_precision_moves_pictures_little():
    chosen, image = ours(), photo(64, 64)
    half = runtime.Runtime(torch.device("cpu"), "bf16", "asked for")
    one = next(chosen.generate(image, [3.0], Solver("rk4", 2)))
    other = next(chosen.generate(image, [3.0], Solver("rk4", 2), computing=half))
    difference = np.abs(one.astype(int) - other)
    assert 0 < difference.mean() < 1.5


def test_pictures_are_rounded_half_up_and_must_be_finite():
    values = torch.tensor([-2.0, -1.0, 0.0, 1.0, 3.0]).view(1, 1, -1).expand(3, 1, -1)
    assert to_bytes(values)[0, :, 0].tolist() == [0, 0, 128, 255, 255]
    with pytest.raises(Exception, match="no finite picture"):
        to_bytes(values * math.nan)


def test_networks_that_do_not_belong_together_are_refused():
    with pytest.raises(ValueError, match="channels"):
        DegflowModel(Autoencoder(8, 4), NCSNpp(8, num_res_blocks=1, channels=3))
