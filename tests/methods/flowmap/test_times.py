"""The times and pairs of times that the flow map learns at, and how often."""

from __future__ import annotations

import pytest
import torch

from srcli.methods.flowmap.times import Jumps
from srcli.methods.flowmap.training import MapOptions
from srcli.training import recipe
from srcli.training.recipe import RecipeError

CPU = torch.device("cpu")


def test_shortcut_jumps_lie_on_their_grid():
    pairs = Jumps(levels=4).pairs(4000, CPU)
    length = pairs.t - pairs.s
    for level in range(4):
        of_level = length == 0.5**level
        assert 0.2 < of_level.float().mean() < 0.3
        starts = pairs.s[of_level] / 0.5**level
        assert set(starts.tolist()) == set(range(2**level))
    assert torch.equal(pairs.finest, length == 0.125)
    assert pairs.t.max() == 1


@pytest.mark.parametrize("name", ["flowmap", "flowmap-guided", "flowmap-lora"])
def test_the_finest_jump_of_the_recipes_is_one_of_four_steps(name):
    # Guidance enters at the finest jump: were it shorter, pictures in four steps would be made of what learns it later.
    options = recipe.load(name).options
    pairs = Jumps(options["formulation"], options["levels"]).pairs(200, CPU)
    assert set((pairs.t - pairs.s)[pairs.finest].tolist()) == {0.25}


@pytest.mark.parametrize("formulation", ["lagrangian", "eulerian"])
def test_other_jumps_lie_anywhere(formulation):
    pairs = Jumps(formulation, start_share=0.3).pairs(4000, CPU)
    assert (pairs.s <= pairs.t).all()
    assert 0.26 < (pairs.s == 0).float().mean() < 0.34
    assert len(pairs.t.unique()) > 3000
    assert not pairs.finest.any()


def test_single_times_often_begin_where_pictures_begin():
    s = Jumps(start_share=0.2).single(4000, CPU)
    assert 0.17 < (s == 0).float().mean() < 0.23
    assert s.max() < 1
    for bad in ({"formulation": "hamiltonian"}, {"levels": 0}):
        with pytest.raises(RecipeError):
            Jumps(**bad)


def test_the_share_of_jumps_grows_to_what_was_asked_for():
    torch.manual_seed(0)
    options = MapOptions(map_share=0.3, ramp=100)
    means = [sum(options.count(8, step) for _ in range(2000)) / 2000 for step in (0, 50, 100, 1000)]
    assert means == pytest.approx([0, 1.2, 2.4, 2.4], abs=0.1)
    with pytest.raises(RecipeError):
        MapOptions(map_share=1.0)
