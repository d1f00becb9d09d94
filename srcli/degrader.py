"""The public class of `srcli degrade --model`: a photo in, the same photo at lower resolutions out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from srcli import runtime
from srcli.degradation.bicubic import downscale
from srcli.degradation.photo import DegradeError
from srcli.errors import OutOfMemory
from srcli.geometry import Size
from srcli.images.picture import Picture
from srcli.networks.degflow_ae import Autoencoder
from srcli.networks.ncsnpp import NCSNpp
from srcli.networks.ode import Solver
from srcli.pipelines.degflow import DegflowModel, check_scales, time_of
from srcli.weights import degflow, manifest, store

LEAST_BUDGET = 2**20
NAMES = ("degflow", "degflow-s")  # known also before they have weights


@dataclass(frozen=True, slots=True)
class Parts:
    """The files of a generator and what it is called."""

    name: str
    autoencoder: Path
    flow: Path

    def fingerprints(self) -> dict[str, str]:
        """The sha256 of both files."""
        return {degflow.AUTOENCODER: store.sha256(self.autoencoder), degflow.FLOW: store.sha256(self.flow)}

    def load(self) -> DegflowModel:
        """Raises WeightsMissing, also for files that do not hold what they should."""
        autoencoder = degflow.load_network(self.autoencoder, degflow.AUTOENCODER)
        flow = degflow.load_network(self.flow, degflow.FLOW)
        for path, network, kind in ((self.autoencoder, autoencoder, Autoencoder), (self.flow, flow, NCSNpp)):
            if not isinstance(network, kind):
                raise store.WeightsMissing(f"{path} is not the {kind.__name__} of DegFlow")
        try:
            return DegflowModel(autoencoder, flow)  # type: ignore[arg-type]  # checked above
        except ValueError as error:
            raise store.WeightsMissing(f"{self.autoencoder} and {self.flow} do not go together: {error}") from None


def find(model: str | None = None, autoencoder: Path | None = None, flow: Path | None = None) -> Parts:
    """The files of a model of the manifest, or those given, which come first. Raises WeightsMissing."""
    if autoencoder is not None and flow is not None:
        return Parts("degflow", autoencoder, flow)
    if autoencoder is not None or flow is not None:
        raise DegradeError("autoencoder and flow belong together: give the files of both")
    entry = entry_of(model)
    return Parts(entry.name, *(store.locate(entry.parts[role]) for role in (degflow.AUTOENCODER, degflow.FLOW)))


def entry_of(model: str | None = None) -> manifest.Entry:
    """A generator on the manifest. Raises WeightsMissing."""
    name = model or NAMES[0]
    try:
        entry = manifest.load().find(name)
    except manifest.UnknownModel:
        if name not in NAMES:
            raise
        raise store.WeightsMissing(
            f"the weights of {name} are not part of this version; train them with srcli train degflow-ae and "
            "srcli train degflow, or give published ones: --autoencoder FILE --flow FILE"
        ) from None
    if entry.pipeline != "degflow":
        raise DegradeError(f"{entry.name} makes pictures larger, not smaller; use --model degflow or --preset")
    return entry


class Degrader:
    """A generator ready to run, for any number of photos.

    device, precision, threads and max_memory as in `Upscaler`; the path is solved in float32 whatever the precision.
    """

    def __init__(
        self, parts: Parts, solver: Solver | None = None, *, device: str = "auto", precision: str = "auto",
        threads: int | None = None, max_memory: int | None = None,
    ) -> None:  # fmt: skip
        self.parts, self.solver = parts, solver or Solver()
        self.runtime = runtime.choose(device, precision)
        self.threads = runtime.set_threads(threads)
        self.budget = runtime.strip_budget(self.runtime, max_memory)
        self.model = parts.load().to(self.runtime.device)
        self.weights = parts.fingerprints()

    def degrade(
        self,
        picture: Picture,
        scales: Sequence[float],
        *,
        resize: bool = False,
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> Iterator[Picture]:
        """The photo at each scale, 8 bits a channel, in their order and from one solution of the path.

        resize: truly smaller, by antialiased bicubic to the scale's part of the size; else of the photo's size. Alpha
        stays as it is. Raises `SrcliError`.
        """
        check_scales(scales)
        for scale, pixels in zip(scales, self._pixels(picture.rgb(), scales, progress), strict=True):
            yield _as(picture.eight(), pixels, self.size(picture.size, scale, resize=resize))

    def check(self, photo: Size) -> None:
        """Raises TooSmall for photos that are none for the model."""
        self.model.padding(photo)

    @staticmethod
    def size(photo: Size, scale: float, *, resize: bool) -> Size:
        """Of a result."""
        return Size(*(max(1, round(n / scale)) for n in (photo.height, photo.width))) if resize else photo

    def _pixels(
        self, photo: np.ndarray, scales: Sequence[float], progress: Callable[[int, int], None]
    ) -> Iterator[np.ndarray]:
        """The results; where memory runs out, the rest of them with smaller tiles. Raises OutOfMemory."""
        done = 0
        while done < len(scales):
            made = self.model.generate(
                photo, scales[done:], self.solver, computing=self.runtime, budget=self.budget, progress=progress
            )
            try:
                for pixels in made:
                    done += 1
                    yield pixels
            except (MemoryError, RuntimeError) as error:
                if not runtime.is_out_of_memory(error):
                    raise
                if self.budget // 2 < LEAST_BUDGET:
                    cure = "" if self.runtime.device.type == "cpu" else "; try --device cpu"
                    text = f"not enough memory for {photo.shape[1]}x{photo.shape[0]}, even in small tiles{cure}"
                    raise OutOfMemory(text) from error
                self.budget //= 2
                runtime.return_heap()

    def told(self, **more: Any) -> dict[str, Any]:
        """What decides the results beside the photo and the scale."""
        solver = asdict(self.solver)
        del solver["steps" if self.solver.kind == "dopri5" else "tolerance"]
        if self.solver.kind == "rk4":
            del solver["most"]
        return {"model": self.parts.name, "weights": self.weights, "solver": solver} | more

    def told_scale(self, scale: float, *, resize: bool) -> dict[str, Any]:
        return self.told(scale=scale, time=time_of(scale), resized=resize)


def _as(picture: Picture, pixels: np.ndarray, size: Size) -> Picture:
    """The picture with other pixels, made smaller to the size where they are not of it."""
    alpha = picture.alpha
    if size != picture.size:
        pixels = downscale(pixels, size.height, size.width)
        if alpha is not None:
            alpha = np.asarray(Image.fromarray(alpha).resize((size.width, size.height), Image.Resampling.BOX))
    if picture.grey:
        pixels = np.rint(pixels.mean(2, keepdims=True)).astype(np.uint8)
    return replace(picture, colour=pixels, alpha=alpha)
