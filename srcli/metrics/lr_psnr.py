"""LR-PSNR: whether a downscaled result equals the picture it was made from (Lugmayr et al., NTIRE 2021)."""

from __future__ import annotations

import numpy as np

from srcli.degradation.bicubic import reduce
from srcli.metrics.psnr import psnr


def lr_psnr(test: np.ndarray, low: np.ndarray) -> float:
    """PSNR over RGB in dB between a result, downscaled by MATLAB's bicubic to 8 bits, and its input.

    test: the result, uint8 (H, W, 3).
    low: its input, uint8 (h, w, 3).

    Raises ValueError unless H / h and W / w are the same whole number.
    """
    factor = test.shape[0] // low.shape[0]
    if test.shape[:2] != tuple(n * factor for n in low.shape[:2]):
        raise ValueError(f"{test.shape[:2]} is not a multiple of {low.shape[:2]}")
    small = np.stack([reduce(test[..., c], factor) for c in range(3)], axis=-1)
    return psnr(small.round().clip(0, 255).astype(np.uint8), low, channel="rgb")
