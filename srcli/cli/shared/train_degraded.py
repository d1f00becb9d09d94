"""What `srcli train` shows a model instead of a recipe's own low-resolution pictures."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from srcli.cli.shared.console import Output
    from srcli.flows.ode import Solver
    from srcli.methods.degflow.generated import Generated
    from srcli.training.data.pairs import Pairs
    from srcli.training.data.photos import Photos, Source
    from srcli.training.recipe import Recipe

SOLVER_STEPS = 8  # of a generator


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """What was said of generated pictures: the generator's files, where they are kept, how many of each photo there
    are, the noise and JPEG drawn over them, and how the path is solved: by few equal steps, which are exact enough and
    many times faster."""

    autoencoder: Path | None
    flow: Path | None
    cache: Path | None
    versions: int
    grain: float
    solver: str | None
    steps: int | None

    def check(self, chosen: Recipe) -> None:
        """Raises RecipeError for what has no effect."""
        from srcli.training.data.levels import LevelSpec
        from srcli.training.recipe import GENERATOR, RecipeError

        crops = chosen.crops
        if not isinstance(crops, LevelSpec) and crops.degradation == GENERATOR:
            return
        if self.grain or any(v is not None for v in (self.flow, self.cache, self.solver, self.steps)):
            raise RecipeError(
                "--generator, --cache, --grain, --solver and --solver-steps go with --degradation degflow"
            )

    def way(self) -> Solver:
        from srcli.flows.ode import Solver
        from srcli.training.recipe import RecipeError

        if self.steps is not None and self.solver == "dopri5":
            raise RecipeError("--solver-steps are those of --solver rk4; dopri5 chooses its own")
        try:
            return Solver(self.solver or "rk4", self.steps or SOLVER_STEPS)
        except ValueError as error:
            raise RecipeError(str(error)) from None


def lowered(
    chosen: Recipe, photos: Photos | Pairs, generation: Generation, out: Path, device: str, output: Output
) -> Source:
    """The photos, with the camera or the generator that a recipe wants. Pictures are generated now where they are
    missing."""
    from srcli.training.data.cameras import Cameras
    from srcli.training.data.levels import LevelSpec
    from srcli.training.data.photos import Photos
    from srcli.training.recipe import CAMERAS

    crops = chosen.crops
    if not isinstance(photos, Photos) or isinstance(crops, LevelSpec) or not crops.degradation:
        return photos
    if crops.degradation == CAMERAS:
        return Cameras(photos, crops.camera_scales)
    return _generated(photos, generation, out, device, output)


def _generated(photos: Photos, generation: Generation, out: Path, device: str, output: Output) -> Generated:
    from rich.progress import Progress

    from srcli.degrader import Degrader, find
    from srcli.methods.degflow.generated import Generated

    cache, each = generation.cache or out / "generated", generation.versions
    ready = Degrader(find(None, generation.autoencoder, generation.flow), generation.way(), device=device)
    output.say(f"generating {each} pictures of each photo in {cache}, before training; --max-minutes does not count it")
    with Progress(disable=not sys.stderr.isatty(), console=output.err, transient=True) as bar:
        task = bar.add_task("generating")
        return Generated(
            photos,
            cache,
            ready,
            each=each,
            grain=generation.grain,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
