"""Collect what decides the pixels of a result."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from srcli import __version__, runtime
from srcli.batch.batches import UpscaleBatch
from srcli.images.encode import FORMATS, HOLDS, LOSSY
from srcli.images.picture import Picture
from srcli.provenance import Facts
from srcli.tiling.fixed_scale import FILTER, FixedScale
from srcli.weights import store

if TYPE_CHECKING:
    from srcli.geometry import Size
    from srcli.tiling.strips import Count
    from srcli.upscaler import Chosen


def facts_of(picture: Picture, size: Size, chosen: Chosen, batch: UpscaleBatch, *, suffix: str, sha256: str) -> Facts:
    """The facts of a result, without its counts.

    size: of the result.
    suffix: of the result's file.
    sha256: of the input file.
    """
    upscaler, model = chosen.upscaler, chosen.upscaler.model
    sampling, has = upscaler.settled(chosen.sampling), upscaler.has
    kind, style = FORMATS.get(suffix.lower(), ""), batch.options.style
    flat = picture.alpha is not None and kind in HOLDS and not HOLDS[kind].alpha
    mixed = has("denoise") and sampling.denoise not in (None, 1)  # at full strength the twin has no effect
    network = model.scale if isinstance(model, FixedScale) else None
    resampled = isinstance(model, FixedScale) and model.own_size(picture.size) != batch.target.enlarged(picture.size)
    return Facts(
        version=__version__,
        torch=torch.__version__,
        model=upscaler.entry.name,
        method=upscaler.entry.pipeline,
        why=chosen.choice.why if chosen.choice else None,
        weights={role: store.digest(part) for role, part in upscaler.entry.parts.items() if mixed or role != "twin"},
        input_sha256=sha256,
        input_size=(picture.size.width, picture.size.height),
        output_size=(size.width, size.height),
        fit=batch.target.fit if batch.target.width and batch.target.height else None,
        frame=None if batch.options.frame is None else batch.options.frame + 1,
        scale=batch.target.factor(picture.size),
        detail=sampling.detail,
        temperature=sampling.temperature or 0.0,
        seed=sampling.seed,
        steps=sampling.steps if has("steps") else None,
        colour=(sampling.colour or getattr(model, "default_colour", None)) if has("colour") else None,
        denoise=sampling.denoise if mixed else None,
        device=runtime.device_name(upscaler.runtime.device),
        precision=upscaler.runtime.precision,
        tiling=model.tiling,
        tile=upscaler.engine.tile or None,
        network_scale=network,
        resampling=FILTER if resampled else None,
        quality=style.quality if kind in LOSSY and not style.lossless else None,
        background="#{:02x}{:02x}{:02x}".format(*style.background) if flat else None,
    )


def counts_of(counts: list[Count]) -> dict[str, int]:
    """The counts of `provenance.COUNTS`, summed over the frames of a result."""

    def total(name: str) -> int:
        return sum(getattr(count, name) for count in counts)

    return {
        "tiles": total("tiles"),
        "bounded_tiles": total("bounded"),
        "guarded_tiles": total("guarded"),
        "redone_tiles": total("redone"),
        "exploded": total("exploded"),
    }
