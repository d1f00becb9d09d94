"""DegFlow against the numbers of the reference implementation; its solvers, and its tiles."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from scipy import integrate

from srcli import runtime
from srcli.flows.degradation_path import Spline, taylor
from srcli.flows.ode import Solver, TooRough
from srcli.geometry import Size, TargetError, Window
from srcli.methods.build import build
from srcli.methods.degflow.autoencoder import Autoencoder
from srcli.methods.degflow.model import DegflowModel, Tiles, TooSmall, time_of, to_bytes
from srcli.methods.degflow.network import NCSNpp, embedding
from srcli.weights.model_files import load_part

FORWARD, LATENT, PICTURE = 1e-5, 5e-4, 1e-5  # tolerances of the fixtures
SMALL_AE, SMALL_FLOW = {"kind": "degflow-ae", "base_dim": 8}, {"kind": "ncsnpp", "nf": 8, "num_res_blocks": 1}
SCALES = (1.1, 2.0, 2.4, 3.0, 4.0)


@pytest.fixture(autouse=True)
def _no_grad():
    with torch.no_grad():
        yield


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


def close(made: torch.Tensor, wanted: torch.Tensor, tolerance: float) -> None:
    """Within the tolerance, of the largest value where that is above 1."""
    assert made.shape == wanted.shape
    assert (made - wanted).abs().max().item() <= tolerance * max(1.0, wanted.abs().max().item())


def lively(architecture: dict, seed: int = 0) -> torch.nn.Module:
    """A random network in which every part does something, also those that begin silent."""
    torch.manual_seed(seed)
    network = build(architecture)
    for name, parameter in network.named_parameters():
        if not parameter.any() and "bias" not in name:
            torch.nn.init.normal_(parameter, std=0.2 if "beta" in name or "gamma" in name else 0.02)
    return network.eval().requires_grad_(False)


def ours(seed: int = 0) -> DegflowModel:
    """A tiny generator of the kind that we train: made for tiles."""
    return DegflowModel(lively(SMALL_AE, seed), lively(SMALL_FLOW | {"tileable": True}, seed))  # type: ignore[arg-type]


def photo(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Smooth colours with some noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    waves = np.stack([np.sin(y / (7 + c) + c) * np.cos(x / (11 - c)) for c in range(3)], -1)
    return (127 + 90 * waves + rng.normal(0, 8, waves.shape)).clip(0, 255).astype(np.uint8)


# --- parity ---


def test_autoencoder_is_the_official_one(data, model):
    z, skips = model.autoencoder.encoder(data["hr"])
    close(z, data["rae.z"], FORWARD)
    for number, skip in enumerate(skips):
        close(skip, data[f"rae.f{number}"], FORWARD)
    close(model.autoencoder.decoder(z, skips), data["rae.recon_hr"], FORWARD)
    close(model.autoencoder(data["other"], data["hr"]), data["rae.recon_other_with_hr_skips"], FORWARD)
    close(model.autoencoder.encoder(data["other"])[0], data["rae.z_other"], FORWARD)


def test_flow_is_the_official_one(data, model):
    close(embedding(data["flow.t"] * 999, 16), data["flow.temb"], FORWARD)
    close(model.flow(data["flow.z"], data["flow.t"]), data["flow.v"], FORWARD)
    z, _ = model.autoencoder.encoder(data["hr"])
    close(model.flow(z, torch.tensor([time_of(2.4)])), data["flow.v_hr_t0p4667"], FORWARD)


@pytest.mark.parametrize(("name", "kind"), [("spline", "cubic"), ("spline", "linear"), ("spline4", "cubic")])
def test_splines_are_the_official_ones(data, name, kind):
    jet = Spline(data[f"{name}.cp"], data[f"{name}.pos"], cubic=kind == "cubic")(data[f"{name}.t"])
    for value, key in ((jet.value, "z"), (jet.first, "d1"), (jet.second, "d2"), (jet.third, "d3")):
        close(value, data[f"{name}.{kind}.{key}"], FORWARD)


def test_generation_is_the_official_one(data, model):
    z, skips = model.autoencoder.encoder(data["hr"])
    for scale, state in zip(SCALES, model.path(z, SCALES, Solver()), strict=True):
        close(state, data[f"gen.z_{scale}"], LATENT)
        close(model.autoencoder.decoder(state, skips).clamp(-1, 1), data[f"gen.lr_{scale}"], PICTURE)
        assert time_of(scale) == pytest.approx((scale - 1) / 3)
    made = next(model.generate(data["hr_u8"].numpy(), [2.4]))
    assert np.array_equal(made, data["gen.png_2.4"].numpy())


def test_adaptive_steps_are_the_official_ones(data, model, reference):
    z, _ = model.autoencoder.encoder(data["hr"])
    asked = 0

    def velocity(state: torch.Tensor, t: float) -> torch.Tensor:
        nonlocal asked
        asked += 1
        return model.flow(state.float(), torch.tensor([t], dtype=torch.float32)).double()

    found = Solver()(velocity, z, 1e-3, 1.0, [])
    cases = json.loads((reference / "parity" / "degflow" / "cases.json").read_text())
    assert found.evaluations == asked == cases["sampler"]["nfev_grid"]


def test_interpolation_of_known_levels_is_the_official_one(data, model):
    hr, low2, _, low4 = data["train.imgs"][:, :1]
    knots = torch.stack([model.autoencoder.encoder(level)[0] for level in (hr, low2, low4)])
    z = Spline(knots, torch.tensor([0, 1 / 3, 1]))(torch.tensor([time_of(2.4)])).value
    close(z, data["interp.z_2.4"], FORWARD)
    made = model.autoencoder.decoder(z, model.autoencoder.encoder.skips(hr))
    close(made.clamp(-1, 1), data["interp.lr_2.4"].clamp(-1, 1), FORWARD)


def test_knots_of_the_published_autoencoder_are_kept(model, reference):
    cases = json.loads((reference / "parity" / "degflow" / "cases.json").read_text())
    assert model.autoencoder.positions().tolist() == pytest.approx([0, cases["t_positions"][1], 1], abs=1e-6)


# --- mathematics ---


def test_a_taylor_step_with_the_curves_own_velocity_ends_at_the_next_knot():
    torch.manual_seed(0)
    knots, positions = torch.randn(3, 6, 4, 2, 2), torch.tensor([0.0, 0.3, 1.0])
    spline, t = Spline(knots, positions), torch.tensor([0.0, 0.1, 0.29, 0.3, 0.5, 0.99])
    jet = spline(t)
    after = spline.segment(t) + 1
    assert after.tolist() == [1, 1, 1, 2, 2, 2]
    reached = taylor(jet, jet.first, positions[after] - t)
    assert torch.allclose(reached, knots[after, torch.arange(6)], atol=1e-4)
    assert not torch.allclose(taylor(jet, jet.first + 1, positions[after] - t), reached, atol=1e-3)


def test_splines_are_smooth_and_natural():
    torch.manual_seed(1)
    knots, positions = torch.randn(5, 2, 3).double(), torch.tensor([0.0, 0.2, 0.5, 0.6, 1.0]).double()
    spline, least = Spline(knots, positions), 1e-9
    for p, knot in zip(positions[1:-1], knots[1:-1], strict=True):
        before, after = spline((p - least).expand(2)), spline(p.expand(2))
        assert torch.allclose(after.value, knot)
        for name in ("value", "first", "second"):
            assert torch.allclose(getattr(before, name), getattr(after, name), atol=1e-5)
    ends = spline(torch.tensor([0.0, 1.0]).double()).second
    assert ends.abs().max() < 1e-9
    with pytest.raises(ValueError, match="no curve"):
        Spline(knots, positions[:3])


def test_each_sample_may_have_positions_of_its_own():
    knots, t = torch.randn(4, 2, 3, 2, 2), torch.tensor([0.2, 0.7])
    positions = torch.tensor([[0.0, 0.0], [0.3, 0.1], [0.5, 0.6], [1.0, 0.8]])
    both = Spline(knots, positions)
    for i in range(2):
        alone = Spline(knots[:, i : i + 1], positions[:, i])
        assert both.segment(t)[i] == alone.segment(t[i : i + 1])
        for name in ("value", "first", "second", "third"):
            close(getattr(both(t), name)[i : i + 1], getattr(alone(t[i : i + 1]), name), 1e-5)


def spiral(z: torch.Tensor, t: float) -> torch.Tensor:
    """dz/dt = (1 + t) J z: turns by t + t^2 / 2."""
    return (1 + t) * torch.stack([-z[1], z[0]])


@pytest.mark.parametrize(("solver", "error"), [(Solver(), 5e-5), (Solver("rk4", 40), 2e-5)])
def test_solvers_give_the_path_at_all_times(solver, error):
    times = [0.0, 0.013, 0.5, 0.77, 2.0]
    found = solver(spiral, torch.tensor([1.0, 0.0]), 0.0, 2.0, times)
    for t, state in zip(times, found.states, strict=True):
        angle = t + t * t / 2
        assert state.tolist() == pytest.approx([math.cos(angle), math.sin(angle)], abs=error)
    alone = solver(spiral, torch.tensor([1.0, 0.0]), 0.0, 2.0, [0.77])
    assert torch.equal(alone.states[0], found.states[3])  # whatever else is asked for


def test_adaptive_steps_are_those_of_scipy_also_where_some_are_rejected():

    def bump(t: float) -> float:
        return 40 * math.exp(-(((t - 0.6) / 0.02) ** 2)) + 5 * (t > 0.3)

    times = [0.2, 0.59, 0.61, 1.0]
    found = Solver()(lambda z, t: bump(t) * torch.cos(z + t), torch.tensor([0.3, 1.0]), 0.0, 1.0, times)
    wanted = integrate.solve_ivp(
        lambda t, z: bump(t) * np.cos(z + t), (0.0, 1.0), [0.3, 1.0], t_eval=times, rtol=1e-5, atol=1e-5
    )
    assert found.evaluations == wanted.nfev
    assert torch.allclose(torch.stack(found.states, 1), torch.from_numpy(wanted.y), atol=1e-7)


def test_rk4_is_of_fourth_order():
    def error(steps: int) -> float:
        state = Solver("rk4", steps)(spiral, torch.tensor([1.0, 0.0]), 0.0, 2.0, [2.0]).states[0]
        return math.dist(state.tolist(), (math.cos(4), math.sin(4)))

    assert 3.5 < math.log2(error(20) / error(40)) < 4.5


def test_rough_and_broken_fields_end():
    torch.manual_seed(0)
    with pytest.raises(TooRough, match="use rk4"):
        Solver(most=200)(lambda z, t: torch.randn_like(z), torch.zeros(50), 0.0, 1.0, [1.0])
    with pytest.raises(TooRough, match="not finite"):
        Solver()(lambda z, t: z * math.nan if t > 0.5 else z, torch.ones(3), 0.0, 1.0, [1.0])
    with pytest.raises(ValueError, match="increasing times"):
        Solver()(spiral, torch.zeros(2), 0.0, 1.0, [0.5, 0.2])
    with pytest.raises(ValueError, match="unknown solver"):
        Solver("euler")


# --- pictures of any size, in tiles ---


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
