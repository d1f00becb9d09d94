"""What the options of `srcli degrade` ask for: format, scales, solver and files of the generator."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from srcli.cli.shared.console import Output
from srcli.cli.shared.fetching import fetch_entries

if TYPE_CHECKING:
    from srcli.degrader import Degrader, Parts
    from srcli.flows.ode import Solver

DEFAULT_SCALE, DEFAULT_STEPS = 4.0, 16


def ending_of(given: str | None, out: Path | None, trajectory: str | None) -> str:
    """The suffix of all results, from --format or the name of the output; .png by default. Raises UsageError."""
    from srcli.batch import UsageError
    from srcli.degradation.trajectory import MOVIE
    from srcli.images.encode import FORMATS

    suffix = out.suffix.lower() if out is not None and not out.is_dir() else ""
    ending = given or (suffix if suffix in FORMATS else None)
    if trajectory != MOVIE:
        return ending or ".png"
    if ending not in (None, ".webp"):
        raise UsageError(f"--trajectory {MOVIE} writes .webp files, not {ending}")
    return ".webp"


def parts_of(model: str | None, autoencoder: Path | None, flow: Path | None, output: Output) -> Parts:
    """The files of a generator, downloaded if needed. Raises SrcliError."""
    from srcli import degrader

    if autoencoder is None and flow is None:
        fetch_entries([degrader.entry_of(model)], output)
    return degrader.find(model, autoencoder, flow)


def summary_of(ready: Degrader) -> dict[str, Any]:
    """Facts about all results, for the summary."""
    return {
        "model": ready.parts.name,
        "device": str(ready.runtime.device),
        "precision": ready.runtime.precision,
        "tiling": ready.model.tiling,
    }


def scales_by_label(scale: float | None, scales: str | None, trajectory: str | None, resize: bool) -> dict[str, float]:
    """The scales asked for, each once and in order, by the label in names. Raises SrcliError."""
    from srcli.degradation.photo import DegradeError
    from srcli.degradation.trajectory import MOVIE, STRIP
    from srcli.methods.degflow.model import check_scales

    if sum(v is not None for v in (scale, scales, trajectory)) > 1:
        raise DegradeError("use only one of --scale, --scales and --trajectory")
    if trajectory is not None:
        if resize:
            raise DegradeError(
                "--resize cannot be combined with --trajectory, which shows a part of the photo at its own size"
            )
        if trajectory not in (STRIP, MOVIE):
            raise DegradeError(f"--trajectory must be {STRIP} or {MOVIE}, not {trajectory!r}")
        return {}
    found = [DEFAULT_SCALE if scale is None else scale]
    if scales is not None:
        try:
            found = [float(part) for part in scales.split(",")]
        except ValueError:
            raise DegradeError(f"--scales must be a list of numbers such as 1.5,2,2.4, not {scales!r}") from None
    check_scales(found)
    by_label: dict[str, float] = {}
    for value in found:
        if by_label.setdefault(f"x{value:g}", value) != value:
            raise DegradeError(f"two scales have the same label x{value:g}; leave out {value}")
    return by_label


def solver_of(kind: str | None, steps: int | None) -> Solver | None:
    """The solver asked for; None for the model's default. Raises DegradeError."""
    from srcli.degradation.photo import DegradeError
    from srcli.flows.ode import Solver

    if steps is not None and kind == "dopri5":
        raise DegradeError("--steps needs --solver rk4; dopri5 chooses its own steps")
    try:
        return Solver(kind or "rk4", steps or DEFAULT_STEPS) if kind or steps else None
    except ValueError as error:
        raise DegradeError(str(error)) from None
