"""Values go to the device as they are stored and come back so: with the bits of the definitions in numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from srcli.images.colour import PLAIN, Space, space_of
from srcli.images.picture import quantise, unit
from srcli.tiling.planes import behind
from srcli.tiling.stored import Coming, Stored, uploaded

CPU = torch.device("cpu")
CURVED = space_of(None, 1.0)  # a PNG that says its values are light
KINDS = [np.dtype(np.uint8), np.dtype(np.uint16)]


@pytest.mark.parametrize("space", [PLAIN, CURVED], ids=["sRGB", "light"])
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_every_stored_value_is_seen_as_defined(kind, space):
    values = np.arange(256 if kind == np.uint8 else 65536, dtype=kind).reshape(16, -1, 1)
    values.flags.writeable = False
    made = uploaded(values, (0.0, 1.0), space, CPU)
    assert made.dtype == torch.float32
    assert np.array_equal(made.numpy(), space.to_network(unit(values)).transpose(2, 0, 1))


def network_values(kind: np.dtype, space: Space) -> np.ndarray:
    """Values around every border between two stored ones, values beyond black and white, and many at random."""
    levels = 255 if kind == np.uint8 else 65535
    borders = space.to_network(((np.arange(levels) + 0.5) / levels).astype(np.float32))
    near = [np.nextafter(borders, np.float32(way)) for way in (-1, 2)]
    chance = np.random.default_rng(0).uniform(-0.2, 1.2, 300_000)
    return np.concatenate([borders, *near, chance, [0, -0.0, 1]]).astype(np.float32)


@pytest.mark.parametrize("space", [PLAIN, CURVED], ids=["sRGB", "light"])
@pytest.mark.parametrize("kind", [*KINDS, np.dtype(np.float32)], ids=str)
def test_network_values_are_stored_as_defined(kind, space):
    span = (-0.5, 3.0) if kind == np.float32 else (0.0, 1.0)
    values, stored = network_values(kind if kind in KINDS else KINDS[0], space), Stored(kind, span, space)
    made = stored.unpacked(stored.packed(torch.from_numpy(values)[None, None, None]))
    assert made.dtype == kind
    assert np.array_equal(made[0, :, 0], quantise(space.from_network(values), kind, span))


def test_colour_stays_in_its_place():
    picture = np.random.default_rng(1).integers(0, 65536, (5, 7, 3), dtype=np.uint16)
    stored = Stored(picture.dtype)
    there = uploaded(picture, (0.0, 1.0), PLAIN, CPU)[None].contiguous(memory_format=torch.channels_last)
    assert np.array_equal(stored.unpacked(Coming(stored.packed(there)).here()), picture)


def test_items_come_when_more_have_been_asked_for():
    asked = []
    items = behind((asked.append(n) or n for n in range(4)), 1)
    assert next(items) == 0
    assert asked == [0, 1]
    assert [*items] == [1, 2, 3]
    assert next(behind(iter("ab"), 0)) == "a"
