"""The public class of `srcli degrade --model`: a photo in, the same photo at lower resolutions out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

from srcli import arguments, runtime, weights
from srcli.degradation.bicubic import downscale
from srcli.degradation.photo import DegradeError
from srcli.errors import OutOfMemory
from srcli.flows.ode import Solver
from srcli.geometry import Size
from srcli.images.picture import Picture
from srcli.methods.degflow.model import DegflowModel, check_scales, time_of
from srcli.weights import entries, manifest, store
from srcli.weights.convert import ConvertError
from srcli.weights.model_files import OtherPart, load_part

LEAST_BUDGET = 2**20
OURS = "degflow"
ROLES = ("autoencoder", "flow")


@dataclass(frozen=True, slots=True)
class Parts:
    """The files of a generator and what it is called."""

    name: str
    autoencoder: Path
    flow: Path

    def fingerprints(self) -> dict[str, str]:
        """The sha256 of both files."""
        return {role: store.sha256(path) for role, path in zip(ROLES, (self.autoencoder, self.flow), strict=True)}

    def load(self) -> DegflowModel:
        """Raises ConvertError for files that do not hold what they should, or are not of one training."""
        flow = load_part(self.flow, entries.DEGRADES, "flow")
        try:
            autoencoder = load_part(self.autoencoder, entries.DEGRADES, "autoencoder")
            self._check_pair(autoencoder)
            return DegflowModel(autoencoder, flow)  # type: ignore[arg-type]  # what these roles are
        except OtherPart:
            if self.autoencoder != self.flow:
                raise
            raise ConvertError(f"{self.flow} has no autoencoder beside the flow; add --autoencoder FILE") from None
        except ValueError as error:
            raise ConvertError(f"{self.autoencoder} and {self.flow} do not go together: {error}") from None

    def _check_pair(self, autoencoder: nn.Module) -> None:
        """A flow that was trained here says in whose latents, which are the encoder's; published ones do not."""
        said = store.encoder_digest(self.flow)
        if said.startswith(store.TENSORS) and said != store.tensors_sha256(autoencoder.encoder):  # type: ignore[arg-type]
            raise ConvertError(
                f"{self.flow} was trained in the latents of another autoencoder than {self.autoencoder}; give that one"
            )


def find(model: str | None = None, autoencoder: Path | None = None, flow: Path | None = None) -> Parts:
    """The files of a model of the manifest, downloaded where they are missing, or those given: of the flow and of its
    autoencoder, or one with both. Raises SrcliError."""
    if flow is not None:
        if model is not None:
            raise DegradeError("give either a model's name (-n) or files (-m, --autoencoder), not both")
        return Parts("degflow", autoencoder or flow, flow)
    if autoencoder is not None:
        raise DegradeError("autoencoder and flow belong together: give the file of the flow too, with -m")
    paths = weights.resolve((entry := entry_of(model)).name)
    return Parts(entry.name, *(paths[role] for role in ROLES))


def entry_of(model: str | None) -> manifest.Entry:
    """The manifest's entry of a generator; our own for None. Raises SrcliError for what is none."""
    entry = manifest.load().find(model or OURS)
    if entry.pipeline != entries.DEGRADES:
        raise DegradeError(f"{entry.name} makes pictures larger, not smaller; use --model degflow or --preset")
    if lacking := [role for role in ROLES if role not in entry.parts]:
        raise DegradeError(f"{entry.name} has no {lacking[0]} in the manifest, without which it makes no pictures")
    return entry


class Degrader:
    """A generator ready to run, for any number of photos.

    device, precision, threads and max_memory as in `Upscaler`; the path is solved in float32 whatever the precision, as
    the model does by itself if `solver` is None.
    """

    def __init__(
        self, parts: Parts, solver: Solver | None = None, *, device: str = "auto", precision: str = "auto",
        threads: int | None = None, max_memory: int | None = None,
    ) -> None:  # fmt: skip
        self.parts = parts
        for name, value in (("threads", threads), ("max_memory", max_memory)):
            if value is not None:
                arguments.whole(name, value, least=1)
        self.runtime, self._threads = runtime.choose(device, precision), threads
        self.budget = runtime.strip_budget(self.runtime, max_memory)
        self.model = parts.load().to(self.runtime.device)
        self.solver = solver or self.model.solver
        self.weights = parts.fingerprints()
        self.digests = {role: store.tensors_sha256(getattr(self.model, role)) for role in ROLES}

    @property
    def threads(self) -> int:
        """CPU threads that it computes with."""
        return self._threads or torch.get_num_threads()

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
                while True:
                    with runtime.threads(self._threads):
                        pixels = next(made, None)
                    if pixels is None:
                        break
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
