"""Diversity: how much the samples of one picture differ (Lugmayr et al., SRFlow, ECCV 2020, table 1)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def diversity(samples: Sequence[np.ndarray]) -> float:
    """Standard deviation over samples, averaged over the picture: 0 to 127.5.

    samples: uint8 (H, W, 3), two or more.
    """
    if len(samples) < 2:
        raise ValueError(f"diversity needs two samples or more, got {len(samples)}")
    return float(np.std(np.stack(samples).astype(np.float32), axis=0).mean())
