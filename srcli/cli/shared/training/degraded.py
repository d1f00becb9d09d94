"""The degraded pictures for `srcli train`, if a recipe asks for them."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from srcli.cli.shared.console import Output
    from srcli.flows.ode import Solver
    from srcli.methods.degflow.generated import Generated
    from srcli.training.data.photos import Photos, Source
    from srcli.training.recipe import Recipe

SOLVER_STEPS = 8  # default for a generator


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """Options for generated pictures.

    autoencoder, flow: files of the generator.
    cache: folder of the generated pictures.
    versions: number of pictures per photo.
    grain: amount of noise and JPEG added to them.
    solver, steps: how the path is solved. A few equal steps are exact enough and many times faster.
    """

    autoencoder: Path | None
    flow: Path | None
    cache: Path | None
    versions: int
    grain: float
    solver: str | None
    steps: int | None

    def check(self, chosen: Recipe) -> None:
        """Raise RecipeError for options that would have no effect."""
        from srcli.training.recipe import RecipeError

        if generates(chosen):
            return
        if self.grain or any(v is not None for v in (self.flow, self.cache, self.solver, self.steps)):
            raise RecipeError("--generator, --cache, --grain, --solver and --solver-steps need --degradation degflow")

    def make_solver(self) -> Solver:
        """The solver of the path. Raises RecipeError."""
        from srcli.flows.ode import Solver
        from srcli.training.recipe import RecipeError

        if self.steps is not None and self.solver == "dopri5":
            raise RecipeError("--solver-steps needs --solver rk4; dopri5 chooses its own steps")
        try:
            return Solver(self.solver or "rk4", self.steps or SOLVER_STEPS)
        except ValueError as error:
            raise RecipeError(str(error)) from None


def lowered(chosen: Recipe, photos: Source, generation: Generation, out: Path, device: str, output: Output) -> Source:
    """The photos of a recipe with its cameras or its generator. Missing pictures are generated now."""
    from srcli.training.data.photos import Photos

    if isinstance(photos, Photos) and generates(chosen):
        return _generated(photos, generation, out, device, output)
    return with_cameras(chosen, photos)


def generates(chosen: Recipe) -> bool:
    """Whether a recipe's low-resolution pictures are a generator's."""
    from srcli.training.data.lessons import LessonSpec
    from srcli.training.data.levels import LevelSpec
    from srcli.training.recipe import GENERATOR

    return not isinstance(chosen.crops, LevelSpec | LessonSpec) and chosen.crops.degradation == GENERATOR


def with_cameras(chosen: Recipe, photos: Source) -> Source:
    """The photos of a recipe, with its cameras if it has some."""
    from srcli.training.data.cameras import Cameras
    from srcli.training.data.lessons import LessonSpec
    from srcli.training.data.levels import LevelSpec
    from srcli.training.data.photos import Photos
    from srcli.training.recipe import CAMERAS

    crops = chosen.crops
    if isinstance(photos, Photos) and not isinstance(crops, LevelSpec | LessonSpec) and crops.degradation == CAMERAS:
        return Cameras(photos, crops.camera_scales)
    return photos


def _generated(photos: Photos, generation: Generation, out: Path, device: str, output: Output) -> Generated:
    from rich.progress import Progress

    from srcli.degrader import Degrader, find
    from srcli.methods.degflow.generated import Generated

    cache, each = generation.cache or out / "generated", generation.versions
    ready = Degrader(find(None, generation.autoencoder, generation.flow), generation.make_solver(), device=device)
    output.say(f"generating {each} pictures per photo in {cache} before training; not counted by --max-minutes")
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
