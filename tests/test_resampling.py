"""Interpolation at any place is that of the common libraries."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from srcli.resampling import interpolate, linear_taps


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.floats(1, 8), st.floats(1, 8))
def test_interpolation_is_torchs(h, w, sy, sx):
    image, size = torch.rand(2, h, w), (round(h * sy), round(w * sx))
    up = F.interpolate(image[None], size, mode="bilinear")[0]
    ours = interpolate(
        image, linear_taps(torch.arange(size[0]), h, size[0]), linear_taps(torch.arange(size[1]), w, size[1])
    )
    torch.testing.assert_close(ours, up, atol=2e-5, rtol=0)
