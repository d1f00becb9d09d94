"""A GPU that is none: tensors that say they lie on cuda:0 and are computed on the CPU.

What `gpu.py --pretend` counts with where there is no GPU: kernels, bytes that would cross the bus, and how often the
program would wait for the device. Tensors of both sides in one operation are an error, as they would be there.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any
from unittest import mock

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map

from srcli.bench.meter import Meter

DEVICE = torch.device("cuda:0")
THERE = ("cuda", "meta")  # what torch calls the device, outside and within
# Methods for which torch itself would have to know the device. Told that it is "meta", it does; but autocast, which is
# above all operations, must hear "cuda".
GUARDED = {
    "__getitem__", "__setitem__", "__invert__", "contiguous", "to", "item", "float", "int", "long", "double", "bool",
    "cpu", "copy_", "new_tensor", "nonzero", "__bool__", "__int__", "__float__", "tolist",
}  # fmt: skip
SAYS = SimpleNamespace(meta=False)  # within one of them, or below autocast
WAITS = {"_local_scalar_dense", "nonzero", "equal", "is_nonzero", "masked_select", "unique"}


@dataclass(slots=True)
class Bus:
    """Bytes that went up and down, in how many copies, and how often the CPU waited for the device."""

    up: int = 0
    down: int = 0
    copies: int = 0
    waits: int = 0


@contextmanager
def _unsaid(now: bool) -> Iterator[None]:
    before, SAYS.meta = SAYS.meta, now
    try:
        yield
    finally:
        SAYS.meta = before


class OnDevice(Tensor):
    """A tensor on the pretended device. held: the CPU tensor with its values."""

    held: Tensor

    @staticmethod
    def __new__(cls, held: Tensor) -> OnDevice:
        shell = torch.empty_strided(held.shape, held.stride(), dtype=held.dtype, device="meta")
        made: OnDevice = Tensor._make_subclass(  # type: ignore[attr-defined]
            cls, shell, False, dispatch_device=True, device_for_backend_keys=DEVICE
        )
        made.held = held
        return made

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        """Underneath it is "meta", for which torch has guards on every machine."""
        return DEVICE

    @property
    def is_cuda(self) -> bool:
        return True

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        with _unsaid(getattr(func, "__name__", "") in GUARDED), torch._C.DisableTorchFunctionSubclass():
            return func(*args, **(kwargs or {}))

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        raise RuntimeError(f"{func} outside of the pretended device")


class Pretended(Meter):
    """Counts like a `Meter`, but only what the device would do, and what crosses the bus."""

    def __init__(self) -> None:
        super().__init__()
        self.bus = Bus()

    def clear(self) -> None:
        """Counts from here."""
        self.tallies.clear()
        self.bus = Bus()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.namespace == "prim":  # where it lies, for torch itself
            return torch.device("meta") if SAYS.meta else DEVICE
        kwargs = dict(kwargs or {})
        if func.overloadpacket.__name__ == "pin_memory":
            return args[0]
        leaves = tree_leaves((args, kwargs))
        if not any(isinstance(v, OnDevice) or (isinstance(v, torch.device) and v.type in THERE) for v in leaves):
            kwargs.pop("pin_memory", None)
            return func(*args, **kwargs)
        if func.overloadpacket is torch.ops.aten.to:
            return self._to(dict(zip((a.name for a in func._schema.arguments), args, strict=False)) | kwargs)
        with _unsaid(True):
            return super().__torch_dispatch__(func, types, args, kwargs)

    def _to(self, asked: dict[str, Any]) -> Any:
        """`Tensor.to` in all its forms, which would look for the device itself."""
        like = asked.get("other")
        wanted = {"dtype": getattr(like, "dtype", None), "device": getattr(like, "device", None)} | {
            name: asked[name] for name in ("dtype", "device", "non_blocking", "memory_format") if name in asked
        }
        with _unsaid(True), self:
            return torch.ops.aten._to_copy.default(asked["self"], **{k: v for k, v in wanted.items() if v is not None})

    def compute(self, func: Any, args: Any, kwargs: Any) -> Any:
        name = func.overloadpacket.__name__
        target, there = kwargs.get("device"), [t for t in tree_leaves((args, kwargs)) if isinstance(t, OnDevice)]
        here = [t for t in tree_leaves((args, kwargs)) if isinstance(t, Tensor) and not isinstance(t, OnDevice)]
        kwargs = {k: v for k, v in kwargs.items() if k not in ("pin_memory", "device")}
        back = target is not None and torch.device(target).type == "cpu"
        if name == "_to_copy" and there and not back and not _changes(there[0], kwargs):
            return there[0]
        crosses = name in ("_to_copy", "copy_") and (bool(here) or back)
        if crosses:
            self._cross(name, args, kwargs, down=back or (bool(there) and not isinstance(args[0], OnDevice)))
        elif any(t.dim() for t in here):
            raise RuntimeError(f"{func} is given tensors of the CPU and of the device")
        if name in WAITS:
            self.bus.waits += 1
        held = tree_map(lambda t: t.held if isinstance(t, OnDevice) else t, (args, kwargs))
        made = func(*held[0], **held[1])
        if back or (name == "copy_" and not isinstance(args[0], OnDevice)):
            return args[0] if name == "copy_" else made.clone()
        if func._schema.name.endswith("_") or "out" in kwargs:  # in place: the same tensor
            return kwargs.get("out", args[0])
        return tree_map(lambda t: OnDevice(t) if isinstance(t, Tensor) else t, made)

    def _cross(self, name: str, args: Any, kwargs: Any, down: bool) -> None:
        moved: Tensor = args[1] if name == "copy_" else args[0]
        later = kwargs.get("non_blocking") or (name == "copy_" and len(args) > 2 and args[2])
        size = moved.numel() * moved.element_size()
        self.bus.copies += 1
        if down:
            self.bus.down += size
            self.bus.waits += not later
        else:
            self.bus.up += size


def _changes(tensor: Tensor, kwargs: dict[str, Any]) -> bool:
    """Whether a copy differs from a tensor in more than its place."""
    same = kwargs.get("dtype") in (None, tensor.dtype)
    return not same or kwargs.get("memory_format") not in (None, torch.preserve_format)


@contextmanager
def pretended(free: int = 64 * 2**30) -> Iterator[Pretended]:
    """A machine with a GPU that has so much free memory."""
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    event = SimpleNamespace(record=lambda *_: None, synchronize=lambda: None)
    says = {"is_available": True, "device_count": 1, "is_bf16_supported": True, "mem_get_info": (free, free)}
    says |= {"_lazy_init": None, "synchronize": None, "current_stream": None, "Event": event}
    with ExitStack() as stack:
        for name, answer in says.items():
            stack.enter_context(mock.patch.object(torch.cuda, name, return_value=answer))
        asked = "torch.cuda.amp.common.amp_definitely_not_available"
        stack.enter_context(mock.patch(asked, return_value=False))
        stack.enter_context(torch.inference_mode())  # autograd would look for the device itself
        stack.callback(torch.__future__.set_overwrite_module_params_on_conversion, False)
        yield stack.enter_context(Pretended())
