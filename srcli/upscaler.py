"""The public Python API, and the only place where images, tiles, models and weights meet."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

import torch

from srcli import arguments, choice, runtime
from srcli.api.calls import Calls, Progress, Upscaled, check_picture, check_target
from srcli.choice import Choice
from srcli.geometry import Size, Target, TargetError
from srcli.images.colour import PLAIN, ProfileError, space_of
from srcli.images.layout import Band, Layout, whole
from srcli.images.picture import Picture, bleed, unit
from srcli.look import Look, look
from srcli.methods import registry
from srcli.methods.dials import check, check_counts, refuse, turned
from srcli.methods.method import Method
from srcli.tiling.model import Model, Sampling
from srcli.tiling.planes import Planes
from srcli.tiling.strips import Engine, Job, Stream
from srcli.weights import extras, manifest, pull, store
from srcli.weights.model_files import Loaded, file_in, load_files

DIALS = ("detail", "temperature", "steps", "colour", "denoise")
__all__ = ["Chosen", "Progress", "Stream", "Upscaled", "Upscaler"]


@dataclass(frozen=True, slots=True)
class Chosen:
    """The model and settings for a picture.

    choice, seen: with `auto`, why this model, and what was measured.
    """

    upscaler: Upscaler
    sampling: Sampling
    choice: Choice | None = None
    seen: Look | None = None


class Upscaler(Calls):
    """A model ready to run: loaded once, used for any number of pictures, from any number of threads.

    model: a name or alias from the manifest (`srcli models list`), downloaded if it is not installed. The default is
        `auto`, which picks an installed model for each picture. `from_file` loads your own weights, and so does
        `spandrel:FILE` those of a community model.
    device: auto, cpu, cuda, cuda:N, xpu, mps.
    precision: auto, fp32, bf16, fp16.
    threads: CPU threads that it computes with; None: as many as torch uses. Torch's own number stays.
    tile: side of a tile in output pixels, 0 to choose by memory.
    max_memory: bytes that the work may take above what the process has now, roughly.

    Raises SrcliError.
    """

    def __init__(
        self,
        model: str | Loaded | None = None,
        *,
        device: str | torch.device = "auto",
        precision: str = "auto",
        threads: int | None = None,
        tile: int = 0,
        max_memory: int | None = None,
    ) -> None:
        _check(model, device, threads=threads, tile=tile, max_memory=max_memory)
        self.runtime, self._threads = runtime.choose(str(device), precision), threads
        self.engine: Engine
        self.choices: dict[str, Upscaler] = {}  # of `auto`, by name
        if isinstance(model, str) and (named := file_in(model)):
            model = load_files(named[1], family=named[0])
        if isinstance(model, Loaded):
            self.entry, networks = model.entry, model.networks
        else:
            self.entry = manifest.load().model(model)
            extras.check(self.entry)
            if store.missing(self.entry):
                pull.pull([self.entry])
            files = {role: store.locate(part) for role, part in self.entry.parts.items()}
            networks = registry.load(str(self.entry.pipeline), files, store.load_network)
        if self.entry.pipeline == choice.AUTO:
            same: dict[str, Any] = {"device": device, "precision": precision, "threads": threads, "tile": tile}
            same["max_memory"] = max_memory
            models = store.models_of(self.entry, manifest.load().entries)
            self.choices = {each.name: Upscaler(each.name, **same) for each in models}
            self.engine = self.choices[choice.CLEAN].engine
            return
        with runtime.threads(threads):
            ready = registry.assemble(str(self.entry.pipeline), networks).to(self.runtime.device)
        self.engine = Engine(ready, self.runtime, self.entry.name, tile, runtime.strip_budget(self.runtime, max_memory))

    @classmethod
    def from_file(
        cls,
        path: Path | str,
        prior: Path | str | None = None,
        lora: Path | str | None = None,
        twin: Path | str | None = None,
        **options: Any,
    ) -> Upscaler:
        """A model from a published checkpoint (.pth, .pt, .ckpt, .bin), or from safetensors written by `srcli`.

        prior: file of the learned prior of LINF-LP or SRFlow-LP.
        lora: file of a flow map's LoRA.
        twin: file of a network of the same shape to mix with, for `denoise`.
        options: as for the class. Raises `ConvertError`, exit code 4.
        """
        others = (None if file is None else Path(file) for file in (prior, lora, twin))
        return cls(load_files(Path(path), *others), **options)

    @property
    def model(self) -> Model:
        return self.engine.model

    @property
    def threads(self) -> int:
        """CPU threads that it computes with."""
        return self._threads or torch.get_num_threads()

    def __repr__(self) -> str:
        return (
            f"Upscaler({self.entry.name!r}, device={str(self.runtime.device)!r}, precision={self.runtime.precision!r})"
        )

    def _repr_html_(self) -> str:
        seen = ", ".join(each.entry.name for each in self.choices.values())
        facts = {
            "model": f"{self.entry.name}: {self.entry.purpose}" + (f" (picks from {seen})" if seen else ""),
            "scales": f"{self.model.scales.low:g} to {self.model.scales.high:g}",
            "dials": ", ".join(dial for dial in DIALS if self.has(dial)) or "none",
            "device": f"{self.runtime.device} in {self.runtime.precision} ({self.runtime.reason})",
        }
        rows = "".join(f"<tr><th>{escape(name)}</th><td>{escape(fact)}</td></tr>" for name, fact in facts.items())
        return f"<table>{rows}</table>"

    def pick(self, picture: Picture, sampling: Sampling | None = None, target: Target | None = None) -> Chosen:
        """The model and settings for a picture: this model, or with `auto` the one that suits it, and that makes the
        target where one is given. `auto` multiplies the detail of the sampling by the one it picks."""
        sampling = sampling or Sampling()
        if not self.choices:
            return Chosen(self, sampling)
        seen = look(check_picture(picture))
        if target is not None:
            check_target(target)
        found = choice.choose(seen, self._restorer(picture.size, sampling, target))
        wanted = replace(sampling, detail=sampling.detail * found.detail, temperature=None)
        return Chosen(self.choices[found.model], wanted, found, seen)

    def _restorer(self, size: Size, sampling: Sampling, target: Target | None) -> str:
        """The best restorer that is installed. One that cannot make the target, or lacks a dial that was turned and
        that the package's has, is passed over."""
        ours = self.choices[choice.RESTORER]
        for each in (self.choices[name] for name in choice.RESTORERS if name in self.choices):
            lacks = any(ours.has(dial) for dial in each.ignored(sampling))
            if not lacks and (target is None or each.model.scales.make(size, target)):
                return each.entry.name
        return choice.RESTORER

    def digests(self) -> list[str]:
        """Of the weights that may be used."""
        if self.choices:
            return [digest for each in self.choices.values() for digest in each.digests()]
        return [store.digest(part) for part in self.entry.parts.values()]

    @property
    def method(self) -> Method | None:
        """What the model's method declares; None for `auto`, which has several."""
        return registry.methods().get(str(self.entry.pipeline))

    def has(self, dial: str) -> bool:
        """Whether a dial of `Sampling` (detail, temperature, steps, colour, denoise) has an effect; of `auto`, on one
        of its models. A prior is sampled at detail 0 alone, which does not count."""
        if self.choices:
            return dial != "temperature" and any(each.has(dial) for each in self.choices.values())
        declared = self.method is not None and self.method.has(dial, self.entry.parts)
        return declared and (dial != "temperature" or self.model.samples)

    def ignored(self, sampling: Sampling) -> list[str]:
        """Dials that were turned and have no effect."""
        return [dial for dial in turned(sampling, samples=self.model.samples) if not self.has(dial)]

    def check_target(self, target: Target) -> None:
        """Raise `TargetError` for a scale that the model cannot make, before any picture is read."""
        self.model.scales.check(target, self.entry.name)

    def size_for(self, source: Size, target: Target) -> Size:
        """The output size, checked against the scales of the model."""
        return self.model.scales.size(source, target, self.entry.name)

    def settled(self, sampling: Sampling) -> Sampling:
        """The sampling with the model's default temperature where none is given. Raises `TargetError` for values that
        are invalid or beyond the model's range, and for a dial that a model without it refuses."""
        sampling = check(sampling)
        refuse(self.ignored(sampling), self.entry)
        check_counts(sampling, self.entry)
        most = self.model.most_detail or 1.0
        if sampling.detail > most:
            raise TargetError(f"detail goes from 0 to {most:g} with {self.entry.name}, not {sampling.detail:g}")
        own = self.model.default_temperature
        return sampling if sampling.temperature is not None else replace(sampling, temperature=own)

    def stream(
        self,
        picture: Picture,
        target: Target,
        sampling: Sampling | None = None,
        progress: Progress = lambda done, total: None,
    ) -> Stream:
        """Upscale a decoded picture strip by strip. `progress` gets the output pixels done and in total."""
        if self.choices:
            chosen = self.pick(picture, self.settled(sampling or Sampling()), target)
            return chosen.upscaler.stream(picture, target, chosen.sampling, progress)
        sampling = self.settled(sampling or Sampling())
        size = self.size_for(check_picture(picture).size, check_target(target))
        try:
            space = space_of(picture.icc, picture.metadata.gamma)
        except ProfileError:  # reading has said so
            space = PLAIN
        alpha, device = picture.alpha, self.runtime.device
        constant = alpha is None or bool((alpha == alpha.flat[0]).all())
        total, done = size.height * size.width * (1 if constant else 2), 0

        def advance(pixels: int) -> None:
            nonlocal done
            done += pixels
            progress(done, total)

        colour = picture.colour if alpha is None else bleed(picture.colour, alpha)
        planes = Planes.of(colour, sampling, device, picture.span, space)
        mask, opacity = None, 1.0
        if alpha is not None and constant:
            opacity = float(unit(alpha[0, :1])[0])
        elif alpha is not None:
            # Masks want the faithful answer: invented texture would be holes.
            mask = Planes.of(alpha[..., None], replace(sampling, detail=0.0, temperature=0.0), device)
        layout, shown = replace(Layout.of(picture), size=size), target.shown(picture.size)
        job = Job(
            self.engine, layout=layout, size=target.enlarged(picture.size), shown=shown, colour=planes, alpha=mask,
            opacity=opacity, advance=advance,
        )  # fmt: skip
        return Stream(layout, partial(self._on_threads, job.bands), job.count)

    def _on_threads(self, bands: Callable[[], Iterator[Band]]) -> Iterator[Band]:
        """Each band on the chosen number of threads, which the caller's code between two bands does not see."""
        made = bands()
        while True:
            with runtime.threads(self._threads):
                band = next(made, None)
            if band is None:
                return
            yield band

    def run(
        self,
        picture: Picture,
        target: Target,
        sampling: Sampling | None = None,
        progress: Progress = lambda done, total: None,
    ) -> Upscaled:
        """Upscale a decoded picture into memory."""
        start = time.perf_counter()
        chosen = self.pick(picture, self.settled(sampling or Sampling()), target)
        made = chosen.upscaler.stream(picture, target, chosen.sampling, progress)
        with runtime.threads(self._threads):
            pixels = whole(made.layout, made.bands())
        colour, alpha = (pixels[..., :-1], pixels[..., -1]) if made.layout.alpha else (pixels, None)
        result, count = replace(picture, colour=colour, alpha=alpha, tables=()), made.count
        return Upscaled(
            picture=result,
            seconds=time.perf_counter() - start,
            tiles=count.tiles,
            redone_tiles=count.redone,
            exploded=count.exploded,
            guarded_tiles=count.guarded,
            choice=chosen.choice,
        )


def _check(model: Any, device: Any, *, threads: Any, tile: Any, max_memory: Any) -> None:
    """Raises ArgumentError."""
    if not isinstance(model, str | Loaded | None):
        raise arguments.ArgumentError(
            f"model must be a name such as 'linf-lp-s', not {model!r}; of a file, use from_file"
        )
    if not isinstance(device, str | torch.device):
        raise arguments.ArgumentError(f"device must be a name such as 'cuda:0', not {device!r}")
    if 0 < arguments.whole("tile", tile, least=0) < 16:
        raise TargetError(f"a tile has at least 16 pixels a side (0: chosen by memory), not {tile}")
    for name, value in (("threads", threads), ("max_memory", max_memory)):
        if value is not None:
            arguments.whole(name, value, least=1)
