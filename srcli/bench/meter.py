"""Count what torch is asked for: kernels, bytes that they touch, floating-point operations, by stage of a model."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

REST = "rest"
# Give out memory or look at it otherwise, and launch nothing.
SILENT = {
    "empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided", "detach", "lift_fresh", "_unsafe_view",
    "resize_", "set_", "is_pinned", "_pin_memory", "_local_scalar_dense",
}  # fmt: skip
OVERWRITES = {"copy_", "fill_", "zero_"}  # what they change they do not read


@dataclass(slots=True)
class Tally:
    """kernels: operations that compute or copy.
    bytes: what they read and write, each tensor once; twice where it is changed in its place.
    flop: of products and convolutions."""

    kernels: int = 0
    bytes: int = 0
    flop: int = 0


class Meter(TorchDispatchMode):
    """Counts what runs inside.

    stage: tells the stage that is running; None outside of all.
    device: the kind of device that is counted; None: all. On a GPU's side of the bus no small table of the CPU counts.
    """

    def __init__(self, stage: Callable[[], str | None] = lambda: None, device: str | None = None) -> None:
        super().__init__()
        self.stage, self.device = stage, device
        self.tallies: dict[str, Tally] = defaultdict(Tally)

    @property
    def total(self) -> Tally:
        each = self.tallies.values()
        return Tally(sum(t.kernels for t in each), sum(t.bytes for t in each), sum(t.flop for t in each))

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func._can_decompose() and func not in flop_registry:
            with self:  # a composite, which inference mode hands over whole
                made = func.decompose(*args, **kwargs)
            if made is not NotImplemented:
                return made
        made = self.compute(func, args, kwargs)
        given = args[1:] if func.overloadpacket.__name__ in OVERWRITES else args
        inputs = (given, {name: value for name, value in kwargs.items() if name != "out"})
        read, written = ({id(t): t for t in tree_leaves(of) if isinstance(t, Tensor)} for of in (inputs, made))
        there = {t.device.type for t in (read | written).values()}
        if launches(func) and (self.device is None or self.device in there):
            tally = self.tallies[self.stage() or REST]
            tally.kernels += 1
            tally.bytes += sum(map(touched, [*read.values(), *written.values()]))
            if func.overloadpacket in flop_registry:
                tally.flop += flop_registry[func.overloadpacket](*args, **kwargs, out_val=made)
        return made

    def compute(self, func: Any, args: Any, kwargs: Any) -> Any:
        return func(*args, **kwargs)


def launches(func: Any) -> bool:
    """Whether an operation launches a kernel, rather than looking at memory in another way."""
    return not func.is_view and func.overloadpacket.__name__ not in SILENT


def touched(tensor: Tensor) -> int:
    """Bytes of a tensor, those of a repeated element once."""
    count = 1
    for side, step in zip(tensor.shape, tensor.stride(), strict=True):
        count *= side if step or not side else 1
    return count * tensor.element_size()
