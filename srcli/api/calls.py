"""The calls of the Python API that take any kind of picture and give the same kind back."""

from __future__ import annotations

import os
import reprlib
import warnings
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal, TypedDict, TypeVar, Unpack, overload

import numpy as np
from PIL import Image
from torch import Tensor

from srcli import arguments
from srcli.api.exchange import Brought, PictureWarning, bring, name_of
from srcli.choice import Choice
from srcli.errors import SrcliError
from srcli.geometry import Target, TargetError
from srcli.images.picture import Picture
from srcli.tiling.model import Sampling

File = str | os.PathLike[str] | bytes
Held = TypeVar("Held", Image.Image, np.ndarray, Tensor)
OnExplode = Literal["repair", "error"]


Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Upscaled:
    """A result and how it was made."""

    picture: Picture
    seconds: float
    tiles: int
    redone_tiles: int  # tiles that were not finite at the chosen precision and were recomputed in float32
    exploded: int = 0  # patches where the flow's inverse exploded and was bounded or recomputed
    guarded_tiles: int = 0  # tiles that did not match their input and were recomputed with less detail
    choice: Choice | None = None  # why this model, with `auto`

    def _repr_png_(self) -> bytes:
        return self.picture._repr_png_()


class Settings(TypedDict, total=False):
    """The keyword arguments of `upscale` and `upscale_many`."""

    target: Target | None
    detail: float
    temperature: float | None
    seed: int
    steps: int
    colour: str | None
    denoise: float | None
    on_explode: OnExplode
    strict: bool


class ItemError(SrcliError):
    """One of several pictures that failed.

    index: its place, from 0.
    item: what was given there.
    error: why it failed.
    """

    def __init__(self, index: int, item: object, error: SrcliError) -> None:
        name = name_of(item)
        super().__init__(f"item {index}{f' ({name})' if name and name not in str(error) else ''}: {error}")
        self.index, self.item, self.error = index, item, error


class Calls(ABC):
    """`upscale` and `upscale_many`, for what can upscale a decoded picture."""

    @abstractmethod
    def settled(self, sampling: Sampling) -> Sampling:
        """The sampling, checked."""

    @abstractmethod
    def check_target(self, target: Target) -> None:
        """Raise `TargetError` for a scale that cannot be made."""

    @abstractmethod
    def run(
        self, picture: Picture, target: Target, sampling: Sampling | None = None, progress: Progress = ...
    ) -> Upscaled:
        """Upscale a decoded picture into memory."""

    @overload
    def upscale(self, image: Held, scale: float | None = None, **settings: Unpack[Settings]) -> Held: ...
    @overload
    def upscale(self, image: File, scale: float | None = None, **settings: Unpack[Settings]) -> Image.Image: ...
    def upscale(
        self,
        image: Any,
        scale: float | None = None,
        *,
        target: Target | None = None,
        detail: float = 1.0,
        temperature: float | None = None,
        seed: int = 0,
        steps: int = 1,
        colour: str | None = None,
        denoise: float | None = None,
        on_explode: OnExplode = "repair",
        strict: bool = False,
    ) -> Any:
        """Enlarge a picture. The result is of the same kind; of a path or bytes, it is a Pillow image.

        image: a path or bytes of a file (its first frame); a Pillow image; a uint8, uint16 or float32 array (H, W) or
            (H, W, 1 to 4); a uint8, float32, float16 or bfloat16 tensor (B, 3, H, W) or (3, H, W) on any device. Floats
            go from 0 to 1.
        scale: 1 to 8; give either this or a target.
        target: the size of the result.
        detail: 0 (most faithful) to 1 (sharp), with flow maps to 2.
        temperature, seed: randomness of models without a prior; None: the model's own temperature.
        steps, colour: network evaluations and colour fix (none, wavelet, adain) of rectified flows and flow maps.
        denoise: 0 to 1 (the default), for models with two networks to mix; others raise.
        on_explode: where a flow's inverse explodes, `repair` the patch or raise an `error`.
        strict: raise if part of the result does not match the input, instead of recomputing it with less detail.

        Raises SrcliError. Warns of what the result does not have, with PictureWarning.
        """
        wanted, sampling = _asked(
            scale, target=target, detail=detail, temperature=temperature, seed=seed, steps=steps, colour=colour,
            denoise=denoise, on_explode=on_explode, strict=strict,
        )  # fmt: skip
        self.settled(sampling)
        return self._made(bring(image), wanted, sampling)

    # fmt: off
    @overload
    def upscale_many(
        self, images: Iterable[Held], scale: float | None = None, *,
        on_error: Literal["raise"] = "raise", ahead: int = 2, **settings: Unpack[Settings],
    ) -> Iterator[Held]: ...
    @overload
    def upscale_many(
        self, images: Iterable[Held], scale: float | None = None, *,
        on_error: Literal["return"], ahead: int = 2, **settings: Unpack[Settings],
    ) -> Iterator[Held | ItemError]: ...
    @overload
    def upscale_many(
        self, images: Iterable[File], scale: float | None = None, *,
        on_error: Literal["raise"] = "raise", ahead: int = 2, **settings: Unpack[Settings],
    ) -> Iterator[Image.Image]: ...
    @overload
    def upscale_many(
        self, images: Iterable[File], scale: float | None = None, *,
        on_error: Literal["return"], ahead: int = 2, **settings: Unpack[Settings],
    ) -> Iterator[Image.Image | ItemError]: ...
    # fmt: on
    def upscale_many(
        self,
        images: Iterable[Any],
        scale: float | None = None,
        *,
        on_error: str = "raise",
        ahead: int = 2,
        **settings: Unpack[Settings],
    ) -> Iterator[Any]:
        """Enlarge pictures one by one, in their order; the next ones are read and decoded meanwhile.

        images: of any kinds that `upscale` takes. They are asked for as results are taken, at most `ahead` + 1 early.
        on_error: what to do if a picture fails: `raise` its ItemError, or `return` it in the picture's place.
        ahead: pictures that are read and decoded ahead; at least 0.
        settings: as for `upscale`.

        Raises SrcliError at once for wrong arguments.
        """
        if isinstance(images, str | os.PathLike | bytes | Image.Image):
            raise arguments.ArgumentError(f"upscale_many takes several pictures; use upscale for {images!r}")
        arguments.one_of("on_error", on_error, ("raise", "return"))
        arguments.whole("ahead", ahead, least=0)
        wanted, sampling = _asked(scale, **settings)
        self.check_target(wanted)
        self.settled(sampling)
        if not isinstance(images, Iterable):
            raise arguments.ArgumentError(f"upscale_many takes an iterable of pictures, not {images!r}")
        return self._many(iter(images), wanted, sampling, returns=on_error == "return", ahead=ahead)

    def _many(
        self, images: Iterator[Any], target: Target, sampling: Sampling, *, returns: bool, ahead: int
    ) -> Iterator[Any]:
        reader = ThreadPoolExecutor(1, "srcli-read")
        try:
            for index, (image, read) in enumerate(_reading(images, reader, ahead)):
                try:
                    made = self._made(read.result(), target, sampling)
                except SrcliError as error:
                    made = ItemError(index, image, error)
                    if not returns:
                        raise made from error
                yield made
        finally:
            reader.shutdown(cancel_futures=True)

    def _made(self, brought: Brought, target: Target, sampling: Sampling) -> Any:
        for note in brought.notes:
            warnings.warn(note, PictureWarning, stacklevel=3)
        return brought.back([self.run(picture, target, sampling).picture for picture in brought.pictures])


def _asked(scale: float | None, target: Target | None = None, **dials: Any) -> tuple[Target, Sampling]:
    """What a call asks for. Raises TargetError."""
    if (scale is None) == (target is None):
        raise TargetError("give either a scale or a target")
    return check_target(target) if target is not None else Target(scale=scale), Sampling(**dials)


def check_target(target: Any) -> Target:
    """The target, or a TargetError for what is none."""
    if not isinstance(target, Target):
        raise TargetError(f"target must be a srcli.Target, such as Target(width=3840), not {target!r}")
    return target


def check_picture(picture: Any) -> Picture:
    """The decoded picture, or an ArgumentError for what is none."""
    if not isinstance(picture, Picture):
        raise arguments.ArgumentError(
            f"expected a decoded picture, as srcli.images.read gives it, not {reprlib.repr(picture)}; "
            "upscale takes other kinds"
        )
    return picture


def _reading(images: Iterator[Any], reader: ThreadPoolExecutor, ahead: int) -> Iterator[tuple[Any, Future[Brought]]]:
    """Pictures and what reading them will give, begun before they are asked for. An error of the iterator itself comes
    after the pictures before it."""
    waiting: deque[tuple[Any, Future[Brought]]] = deque()
    failed: Exception | None = None
    more = True
    while True:
        while more and len(waiting) <= ahead:
            try:
                image = next(images)
            except StopIteration:
                more = False
            except Exception as error:
                failed, more = error, False
            else:
                waiting.append((image, reader.submit(bring, image)))
        if not waiting:
            break
        yield waiting.popleft()
    if failed is not None:
        raise failed
