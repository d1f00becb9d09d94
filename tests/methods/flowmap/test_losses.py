"""What the flow map learns by: its times, its pairs, the inputs of its network, its losses and their targets."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from srcli.flows import flow_maps as flow_map
from srcli.methods.flowmap.ablation_plan import ARMS
from srcli.methods.flowmap.losses import Directed, MapLosses, Pair, Terms
from srcli.methods.flowmap.times import FORMULATIONS, Jumps, Pairs
from srcli.methods.flowmap.uncertainty import Uncertainty
from srcli.training import recipe
from srcli.training.data.degraded import DegradedBatch, DegradedSpec
from srcli.training.data.photos import Photos
from srcli.training.loop import Trainer
from srcli.training.recipe import RecipeError
from srcli.training.tasks import make_task
from tests.methods.flowmap.steps import MAP, SMALL, TINY, chosen, small, weights_of
from tests.methods.flowsr.steps import woken
from tests.support.places import EXAMPLES


@pytest.fixture
def _float32(monkeypatch):
    monkeypatch.setattr("srcli.runtime.best_precision", lambda device: ("fp32", "for exact numbers"))


def test_negatives_are_degraded_and_nothing_else_changes():
    photos = Photos(EXAMPLES)
    spec = DegradedSpec(batch=6, crop=96)
    plain, negative = (replace(spec, negative_share=share).draw(photos, 3, 4) for share in (0.0, 1.0))
    assert plain.quality.tolist() == [1] * 6
    assert negative.quality.tolist() == [0] * 6
    assert torch.equal(plain.hr[0], DegradedSpec(batch=1, crop=96).draw(photos, 3, 4).hr[0])
    assert torch.equal(plain.lr[0], negative.lr[0])  # the first pair is drawn before any negative
    assert 0.01 < (plain.hr[0] - negative.hr[0]).abs().mean() < 0.3
    shares = torch.cat([replace(spec, negative_share=0.3).draw(photos, 0, step).quality for step in range(40)])
    assert 0.2 < 1 - shares.mean() < 0.4


# --- the network ---


def test_quality_adds_nothing_where_it_is_good():
    network, x, t = small(), torch.randn(2, 3, 32, 32), torch.tensor([0.3, 0.9])
    plain = network(x, t)
    assert torch.equal(network(x, t, quality=torch.ones(2)), plain)
    assert not torch.allclose(network(x, t, quality=torch.zeros(2)), plain)
    both = network(x, t, quality=torch.tensor([1.0, 0.0]))
    torch.testing.assert_close(both[0], plain[0])
    with pytest.raises(ValueError, match="without a quality"):
        small(quality=False)(x, t, quality=torch.ones(2))


@pytest.mark.usefixtures("_float32")
def test_jvps_pass_through_the_network():
    # In float64 and away from the kinks of its rectifiers, which are rare.
    network = small().double()
    x, s, t = torch.randn(1, 3, 16, 16).double(), torch.tensor([0.2]).double(), torch.tensor([0.7]).double()
    u, h = Directed(network), 1e-6
    velocity = u(x, s, s).detach()
    with torch.no_grad():
        in_t = (u(x, s, t + h) - u(x, s, t - h)) / (2 * h)
        in_s = (u(x + h * velocity, s + h, t) - u(x - h * velocity, s - h, t)) / (2 * h)
    target = flow_map.eulerian_target(u, velocity, x, s, t)
    torch.testing.assert_close(target, velocity + 0.5 * in_s, atol=1e-6, rtol=1e-4)
    residual = flow_map.lagrangian_residual(u, u, x, s, t)
    with torch.no_grad():
        expected = u(x, s, t) + 0.5 * in_t - u(flow_map.jump(u, x, s, t), t, t)
    torch.testing.assert_close(residual, expected, atol=1e-6, rtol=1e-4)
    residual.square().mean().backward()
    assert all(p.grad is not None for n, p in network.named_parameters() if ".lack." not in n and "negative" not in n)
    assert network.times.gap[2].weight.grad.any()


def test_jvps_are_alike_at_the_machines_precision():
    network = small()
    x, s, t = torch.randn(2, 3, 32, 32), torch.tensor([0.1, 0.5]), torch.tensor([0.9, 0.75])
    u = Directed(network)
    mixed = flow_map.lagrangian_residual(u, u, x, s, t)
    wide = Directed(network.double())
    exact = flow_map.lagrangian_residual(wide, wide, x.double(), s.double(), t.double())
    assert (mixed - exact).abs().mean() < 0.05 * exact.abs().mean()


# --- losses ---


def fixed(jumps: Jumps, s: Tensor, pairs: Pairs) -> Jumps:
    """The same jumps at fixed times."""

    class Fixed(Jumps):
        def single(self, count, device):
            return s[:count]

        def pairs(self, count, device):
            return pairs

    return Fixed(jumps.formulation, jumps.levels)


@pytest.mark.usefixtures("_float32")
@pytest.mark.parametrize("formulation", FORMULATIONS)
@pytest.mark.parametrize("guidance", [1.0, 2.5])
def test_losses_are_those_of_the_equations(formulation, guidance):
    network, teacher = small(1), small(2)
    pair = Pair(*torch.randn(2, 5, 3, 24, 24), torch.tensor([1.0, 0, 1, 1, 1]))
    start, end = torch.tensor([0.0, 0.875]), torch.tensor([1.0, 1.0])
    pairs = Pairs(start, end, torch.tensor([False, True]))
    single = torch.tensor([0.0, 0.4, 0.8])
    jumps = fixed(Jumps(formulation), single, pairs)
    made = MapLosses(jumps=jumps, weights={}, perceptual=None, guidance=guidance, power=1.0)(network, teacher, pair, 2)
    jumping, still = torch.tensor([0, 2]), torch.tensor([3, 4, 1])  # the negative one is never for the jumps

    def u(net: nn.Module, quality: float) -> flow_map.Field:
        return lambda x, s, t: -net(x, 1 - s, 1 - t, quality=torch.full_like(s, quality))

    x = flow_map.interpolant(pair.lr[still], pair.hr[still], single)
    quality = pair.quality[still]
    v = -network(x, 1 - single, 1 - single, quality=quality)
    torch.testing.assert_close(made.velocity, flow_map.square(v - (pair.hr - pair.lr)[still]))
    begin = flow_map.interpolant(pair.lr[jumping], pair.hr[jumping], start)
    good, guided = u(teacher, 1.0), flow_map.guided(u(teacher, 1.0), u(teacher, 0.0), guidance)
    if formulation == "lagrangian":
        expected = flow_map.square(flow_map.lagrangian_residual(u(network, 1.0), guided, begin, start, end))
    elif formulation == "eulerian":
        target = flow_map.eulerian_target(good, guided(begin, start, start), begin, start, end)
        expected = flow_map.square(u(network, 1.0)(begin, start, end) - target)
        expected = expected / (expected + 1e-3)
    else:  # the longest from two halves, the finest from two velocities, which alone are guided
        half = start + (end - start) / 2
        plain = flow_map.shortcut_target(good, begin, start, end)
        a = guided(begin, start, start)
        b = guided(begin + (half - start).view(-1, 1, 1, 1) * a, half, half)
        target = torch.stack([plain[0], ((a + b) / 2)[1]])
        expected = flow_map.square(u(network, 1.0)(begin, start, end) - target)
    torch.testing.assert_close(made.map, expected, atol=1e-5, rtol=1e-4)
    made.map.sum().backward()
    assert network.head.weight.grad.any()
    assert all(p.grad is None for p in teacher.parameters())


@pytest.mark.usefixtures("_float32")
def test_the_bridge_is_noisy_between_its_ends_only():
    pair = Pair(*torch.randn(2, 3, 3, 8, 8), torch.ones(3))
    s = torch.tensor([0.0, 0.5, 1.0])
    torch.manual_seed(0)
    away = (pair.path(s, 0.1) - pair.path(s, 0.0)).flatten(1).std(1)
    assert away[0] == away[2] == 0
    assert away[1].item() == pytest.approx(0.05, rel=0.2)


def test_the_sum_is_weighted_by_uncertainty_and_teaches_it_apart(tmp_path):
    given = chosen(tmp_path, TINY + "map = 3.0\n[options]\nramp = 0\nmap_share = 0.5\n")
    task = make_task(given)
    woken(task.networks["network"])
    pair = Pair(*torch.randn(2, 4, 3, 24, 24), torch.ones(4))
    terms = task.objective(task.networks["network"], task.networks["target"], pair, 2)
    weights = task.networks["uncertainty"]
    total, values = task.objective.total(terms, weights)
    scale = torch.tensor(-4.0)
    expected = 0.5 * (terms.velocity.mean() / scale.exp() - 4) + 3 * 0.5 * (terms.map.mean() / scale.exp() - 4)
    assert total.item() == pytest.approx(expected.item(), rel=1e-5)
    assert values["flow"] == pytest.approx(terms.velocity.mean().item())
    total.backward()
    assert all(p.grad is None for p in weights.parameters())
    task.objective.of_uncertainty(terms, weights).backward()
    assert all(p.grad is not None for p in weights.parameters())
    optimizers = Trainer(given, task, Photos(EXAMPLES), tmp_path / "run").optimizers
    assert optimizers["uncertainty"].peaks == [pytest.approx(10 * given.optim.lr)]


def test_weights_of_losses_near_zero_are_bounded_and_come_back():
    losses_of = MapLosses(jumps=Jumps(), weights={"flow": 1.0, "map": 1.0}, perceptual=None)
    weights, zero = Uncertainty(), torch.zeros(8)
    pairs = Pairs(zero, zero + 0.25, zero == 0)

    def terms(loss: float) -> Terms:
        return Terms(
            velocity=(zero + loss).requires_grad_(), s=zero, map=(zero + loss).requires_grad_(), pairs=pairs, values={}
        )

    def taught(loss: float, steps: int) -> None:
        optimizer = torch.optim.Adam(weights.parameters(), lr=2e-2)
        for _ in range(steps):
            optimizer.zero_grad()
            losses_of.of_uncertainty(terms(loss), weights).backward()
            optimizer.step()

    def gradients(loss: float) -> list[float]:
        given = terms(loss)
        losses_of.total(given, weights)[0].backward()
        return [given.velocity.grad.sum().item(), given.map.grad.sum().item()]

    taught(0.0, 150)
    assert gradients(0.0) == pytest.approx([500, 500], rel=0.2)  # half of the batch each, 1 / 1e-3
    for layer in weights.of:
        layer[2].bias.data.fill_(-9.0)
    assert gradients(0.0) == pytest.approx([500, 500])
    taught(0.1, 400)
    assert gradients(0.1) == pytest.approx([5, 5], rel=0.3)


def test_targets_follow_slowly_and_begin_as_the_weights_do(tmp_path):
    given = chosen(tmp_path, TINY + "map = 1.0\n[options]\ntarget_ema = 0.9\n")
    task = make_task(given)
    trainer = Trainer(given, task, Photos(EXAMPLES), tmp_path / "run")
    older = small(5, quality=False)  # as exported by flowsr-base: it knows no quality
    trainer.start_from(weights_of(older, SMALL | {"quality": False}, tmp_path / "old.safetensors"))
    network, target = task.networks["network"], task.networks["target"]
    for net in (network, target, trainer.ema):
        assert torch.equal(net.head.weight, older.head.weight)
        assert not net.times.negative.any()
    batch = DegradedBatch(*torch.rand(2, 2, 3, 24, 24), *torch.ones(2, 2))
    before = target.head.weight.clone()
    for name, _, _ in task.losses(batch, 0):
        if name == "network":
            network.head.weight.data.add_(1.0)  # what the loop's optimizer does
    torch.testing.assert_close(target.head.weight, before + 0.9)  # quickly at first
    before = target.head.weight.clone()
    for name, _, _ in task.losses(batch, 1000):
        if name == "network":
            network.head.weight.data.copy_(before + 1.0)
    torch.testing.assert_close(target.head.weight, before + 0.1)
    broken = {k: v for k, v in older.state_dict().items() if k != "head.weight"}
    save_file(broken, tmp_path / "broken.safetensors")
    with pytest.raises(RecipeError, match="cannot start"):
        trainer.start_from(tmp_path / "broken.safetensors")


@pytest.mark.usefixtures("_float32")
def test_guidance_fades_where_the_photo_is_flat():
    """There it would lead to more noise."""
    network, teacher = small(1), small(2)
    hr = torch.zeros(2, 3, 24, 48)
    hr[..., 24:] = torch.rand(2, 3, 24, 24).round() * 2 - 1
    pair = Pair(torch.randn_like(hr), hr, torch.ones(2))
    pairs = Pairs(torch.tensor([0.875]), torch.tensor([1.0]), torch.tensor([True]))
    jumps = fixed(Jumps("shortcut"), torch.tensor([0.5]), pairs)
    begin = pair.at(slice(1)).path(pairs.s, 0.0)

    def target(guidance: float) -> torch.Tensor:
        made = MapLosses(jumps=jumps, weights={}, perceptual=None, guidance=guidance, flat=8.0)
        return made._target(teacher, begin, pairs, made._weight(pair.at(slice(1))))

    change = (target(3.0) - target(1.0)).abs().mean((0, 1, 2))
    assert change[4:16].max() < 0.05 * change[32:44].mean()
    assert torch.isfinite(
        MapLosses(jumps=jumps, weights={}, perceptual=None, guidance=3.0, flat=8.0)(network, teacher, pair, 1).map
    ).all()


@pytest.mark.usefixtures("_float32")
def test_jumps_that_arrive_are_judged_by_where_they_land():
    network = small(1)
    pair = Pair(*torch.rand(2, 3, 3, 24, 24) * 2 - 1, torch.ones(3))
    pairs = Pairs(torch.tensor([0.0, 0.5]), torch.tensor([0.5, 1.0]), torch.tensor([False, False]))
    jumps = fixed(Jumps("shortcut"), torch.tensor([0.25]), pairs)
    made = {
        judged: MapLosses(jumps=jumps, weights={"flat": 1.0}, perceptual=None, flat=50.0, judge_jumps=judged)(
            network, small(2), pair, 2
        )
        for judged in (False, True)
    }
    still, jumping = pair.at(torch.tensor([2])), pair.at(torch.tensor([1]))
    half, whole, quality = torch.tensor([0.25]), torch.tensor([1.0]), torch.ones(1)
    x = still.path(half, 0.0)
    end = x - 0.75 * network(x, 1 - half, 1 - half, quality=quality)
    y = jumping.path(2 * half, 0.0)
    landed = y - 0.5 * network(y, 1 - 2 * half, 1 - whole, quality=quality)
    flat = MapLosses(jumps=jumps, weights={"flat": 1.0}, perceptual=None, flat=50.0)
    torch.testing.assert_close(made[False].values, flat.judged(end, still))
    both = flat.judged(torch.cat([end, landed]), still.beside(jumping))
    torch.testing.assert_close(made[True].values, both)
    assert made[True].values["flat"] != made[False].values["flat"]
    torch.testing.assert_close(made[True].map, made[False].map)


def test_only_shortcuts_are_judged_by_where_they_land(tmp_path):
    text = TINY + MAP.replace("FORM", "shortcut").replace("perceptual = 0.01\n", "") + "judge_jumps = true\n"
    judged = chosen(tmp_path, text)
    assert make_task(judged).objective.judge_jumps
    other = recipe.formulated_by(judged, "lagrangian")
    assert not make_task(other).objective.judge_jumps
    with pytest.raises(RecipeError, match="for the formulation shortcut"):
        make_task(recipe.with_options(other, judge_jumps=True))
    assert not any(arm.recipe(recipe.with_options(judged, guidance=2.0)).options["judge_jumps"] for arm in ARMS)


def test_crops_are_large_enough_for_the_weave(tmp_path):
    with pytest.raises(RecipeError, match="weave needs crops of at least 48 pixels, not 40"):
        make_task(chosen(tmp_path, TINY.replace("crop = 48", "crop = 40") + "weave = 1.0\n"))
