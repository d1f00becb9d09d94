"""DegFlow: from a sharp photo to how it looks at any scale above 1, of the photo's size, along a path of latents.

The photo goes through the encoder in tiles, the path is solved for the latents of the whole photo, and every tile is
decoded with the skips of the photo. Tiles hold all that their pixels depend on, so they give what the whole gives, but
for the rounding of other convolution kernels. What is not so: the padding on the right and at the bottom to whole
positions of the flow, and, with the published flow, whose norms and attention take in the whole map, that a part of a
photo gets another path than the photo. The adaptive solver's steps also depend on the whole state.

Memory: tiles take what they are given. The flow sees the whole map at an eighth of the resolution, in float32, and
takes about 50 MiB a megapixel of the photo in the size that we train, 190 MiB in the published size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from srcli import runtime
from srcli.errors import OutOfMemory, SrcliError
from srcli.flows.degradation_path import LEAST, MOST, time_of_scale
from srcli.flows.ode import Solver
from srcli.geometry import Size, TargetError, Window
from srcli.methods.degflow.autoencoder import FACTOR, Autoencoder
from srcli.methods.degflow.network import NCSNpp
from srcli.tiling.tiles import fit_tile, strips

START = 1e-3  # the time at which the path begins with the photo's own latent
MAPS = 12  # of `base_dim` channels at full resolution that a tile takes, roughly
PATH_MAPS = 26  # of `nf` channels at the latent's resolution that one evaluation of the flow takes, measured
TOGETHER = 8  # results that are made in one pass over the photo, and lie in memory together
Progress = Callable[[int, int], None]


class TooSmall(SrcliError):
    """A photo that cannot be mirrored up to whole positions of the flow."""

    reason = "too-small"


@dataclass(frozen=True, slots=True)
class Canvas:
    """A photo, uint8 (H, W, 3), mirrored on the right and at the bottom to sides that the networks take."""

    pixels: np.ndarray
    size: Size  # of the photo

    @property
    def whole(self) -> Size:
        return Size(*self.pixels.shape[:2])

    def cut(self, window: Window, device: torch.device) -> Tensor:
        """A part in [-1, 1], (1, 3, h, w)."""
        part = self.pixels[window.top : window.bottom, window.left : window.right]
        values = torch.from_numpy(np.ascontiguousarray(part)).to(device).permute(2, 0, 1)[None]
        return values.float() / 127.5 - 1


@dataclass(frozen=True, slots=True)
class Tiles:
    """A canvas in tiles, from top to bottom and from left to right; sides are whole positions of the latent."""

    whole: Size
    tile: Size

    @property
    def windows(self) -> list[Window]:
        return [window for row in strips(self.whole, self.tile) for window in row]

    def area(self, window: Window, margin: int) -> Window:
        """A tile with at least its margin, as far as there is one. All areas are of one size, also at the edges: memory
        that one has left is what the next one asks for."""
        margin = -(-margin // FACTOR) * FACTOR
        height, width = (
            min(n, tile + 2 * margin)
            for n, tile in ((self.whole.height, self.tile.height), (self.whole.width, self.tile.width))
        )
        top = min(max(0, window.top - margin), self.whole.height - height)
        left = min(max(0, window.left - margin), self.whole.width - width)
        return Window(top, left, height, width)


class DegflowModel:
    """Autoencoder and flow, ready to run. budget: bytes of work that a tile may take."""

    tiling = "exact"

    def __init__(self, autoencoder: Autoencoder, flow: NCSNpp) -> None:
        if flow.all_modules[2].in_channels != autoencoder.latent_dim:
            raise ValueError("autoencoder and flow are not of one kind: their latents have other channels")
        self.autoencoder, self.flow = autoencoder, flow
        self.align = FACTOR * flow.align

    def to(self, device: torch.device) -> DegflowModel:
        """Moves the model; returns itself."""
        self.autoencoder.to(device)
        self.flow.to(device)
        return self

    @property
    def solver(self) -> Solver:
        """How its path is solved if nothing else is said. Those that we train are smooth: 8 equal steps lead where the
        adaptive solver leads with hundreds of evaluations."""
        return Solver("rk4", 8) if self.flow.tileable else Solver()

    @property
    def device(self) -> torch.device:
        return self.autoencoder.encoder.stem.weight.device

    def generate(
        self,
        photo: np.ndarray,
        scales: Sequence[float],
        solver: Solver | None = None,
        *,
        computing: runtime.Runtime | None = None,
        budget: int = 0,
        progress: Progress = lambda done, total: None,
    ) -> Iterator[np.ndarray]:
        """The photo, uint8 (H, W, 3), at each of the scales, in their order: uint8 of the same size.

        One solution of the path serves all scales. `progress` is told tiles done and in all. Raises TargetError for
        scales outside (1, 4], TooSmall for photos with a side too short to be mirrored, OutOfMemory for photos whose
        path does not fit.
        """
        check_scales(scales)
        computing = computing or runtime.choose(str(self.device), "fp32")
        canvas = self.canvas(photo)
        self._check_memory(canvas)
        tiles = self.tiles(canvas.whole, budget or runtime.strip_budget(computing))
        groups = [range(i, min(i + TOGETHER, len(scales))) for i in range(0, len(scales), TOGETHER)]
        total, done = len(tiles.windows) * (1 + len(groups)), 0

        def advance() -> None:
            nonlocal done
            done += 1
            progress(done, total)

        with computing.computing():
            z = self.latents(canvas, tiles, advance)
        with computing.computing("fp32"), _no_smaller_path(canvas.size):
            path = self.path(z, scales, solver or self.solver)
        for group in groups:
            with computing.computing():
                made = self._decoded(canvas, tiles, [path[i] for i in group], advance)
            yield from made

    def padding(self, photo: Size) -> tuple[int, int]:
        """Pixels by which a photo is mirrored at the bottom and on the right. Raises TooSmall."""
        below, right = -photo.height % self.align, -photo.width % self.align
        if below >= photo.height or right >= photo.width:
            least = self.align // 2 + 1
            raise TooSmall(f"{photo} is too small for DegFlow, which needs {least} pixels a side")
        return below, right

    def canvas(self, photo: np.ndarray) -> Canvas:
        size = Size(*photo.shape[:2])
        below, right = self.padding(size)
        pixels = np.pad(photo, ((0, below), (0, right), (0, 0)), mode="reflect") if below or right else photo
        return Canvas(pixels, size)

    def _check_memory(self, canvas: Canvas) -> None:
        """Raises OutOfMemory, before long work, where the machine has no room for the path; it would be killed."""
        positions = canvas.whole.height * canvas.whole.width // FACTOR**2
        need = 4 * PATH_MAPS * self.flow.nf * positions
        if self.device.type == "cpu" and need > runtime.free_memory():
            raise OutOfMemory(
                f"the path of {canvas.size} takes about {need / 2**30:.1f} GiB of memory, more than is free; make the "
                "photo smaller or cut it"
            )

    def tiles(self, size: Size, budget: int) -> Tiles:
        """Tiles whose work fits into so many bytes."""
        margin, width = 2 * self.autoencoder.encoder.radius, self.autoencoder.base_dim
        # Skips, a block with its norms and activations, the parts at lower resolutions, oneDNN's own copies; measured.
        fit = fit_tile(size, lambda h, w: 4 * MAPS * width * (h + margin) * (w + margin), budget)
        return Tiles(size, Size(*(-(-n // FACTOR) * FACTOR for n in (fit.height, fit.width))))

    def latents(self, canvas: Canvas, tiles: Tiles, advance: Callable[[], None] = lambda: None) -> Tensor:
        """The latent of the whole canvas, (1, latent_dim, H/8, W/8), tile by tile."""
        whole = canvas.whole
        z = torch.empty(1, self.autoencoder.latent_dim, whole.height // FACTOR, whole.width // FACTOR)
        z = z.to(self.device)
        for window in tiles.windows:
            area = tiles.area(window, self.autoencoder.encoder.radius)
            part, _ = self.autoencoder.encoder(canvas.cut(area, self.device))
            inner = window.inside(area)
            z[..., *_positions(window)] = part[..., *_positions(inner)].float()
            advance()
        return z

    def path(self, z: Tensor, scales: Sequence[float], solver: Solver) -> list[Tensor]:
        """Latents at the scales, in their order, float32, from the photo's own."""
        # States are float64, which MPS does not have.
        home = torch.device("cpu") if z.device.type == "mps" else z.device

        def velocity(state: Tensor, t: float) -> Tensor:
            return self.flow(state.float().to(z.device), z.new_full((1,), t)).to(home).double()

        times = sorted({time_of(s) for s in scales})
        solution = solver(velocity, z.to(home), START, 1.0, times)
        at = dict(zip(times, solution.states, strict=True))
        return [at[time_of(s)].float().to(z.device) for s in scales]

    def _decoded(
        self, canvas: Canvas, tiles: Tiles, path: Sequence[Tensor], advance: Callable[[], None]
    ) -> list[np.ndarray]:
        """All latents of a group decoded, tile by tile, so that the skips of a tile are made once."""
        size = canvas.size
        results = [np.empty((size.height, size.width, 3), np.uint8) for _ in path]
        for window in tiles.windows:
            area = tiles.area(window, self.autoencoder.decoder.radius)
            shown = replace(
                window, height=min(window.height, size.height - window.top),
                width=min(window.width, size.width - window.left),
            )  # fmt: skip
            if min(shown.height, shown.width) > 0:
                skips = self.autoencoder.encoder.skips(canvas.cut(area, self.device))
                inner = shown.inside(area)
                for result, z in zip(results, path, strict=True):
                    made = self.autoencoder.decoder(z[..., *_positions(area)], skips)
                    made = made[0, :, inner.top : inner.bottom, inner.left : inner.right]
                    result[shown.top : shown.bottom, shown.left : shown.right] = to_bytes(made)
            advance()
        return results


@contextmanager
def _no_smaller_path(photo: Size) -> Iterator[None]:
    """Smaller tiles are no help where the whole map does not fit. Raises OutOfMemory."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not runtime.is_out_of_memory(error):
            raise
        raise OutOfMemory(f"not enough memory for the path of {photo}; make the photo smaller or cut it") from error


def time_of(scale: float) -> float:
    """Where a scale lies on the path; those close to 1 at its start."""
    return max(START, time_of_scale(scale))


def check_scales(scales: Sequence[float]) -> None:
    """Raise TargetError for what the path does not lead to."""
    if not scales:
        raise TargetError("give at least one scale")
    for scale in scales:
        if not LEAST < scale <= MOST:
            raise TargetError(f"DegFlow makes scales above {LEAST:g} up to {MOST:g}, not {scale:g}")


def to_bytes(made: Tensor) -> np.ndarray:
    """(3, h, w) in [-1, 1] as uint8 (h, w, 3), clamped, rounded half up."""
    if not torch.isfinite(made).all():
        raise SrcliError("the networks give no finite picture; are autoencoder and flow of the same training?")
    values = (made.float().clamp(-1, 1) + 1) / 2 * 255 + 0.5
    return values.floor().byte().permute(1, 2, 0).cpu().numpy()


def _positions(window: Window) -> tuple[slice, slice]:
    """The positions of the latent that a window of whole ones covers."""
    rows, cols = ((a // FACTOR, b // FACTOR) for a, b in ((window.top, window.bottom), (window.left, window.right)))
    return slice(*rows), slice(*cols)
