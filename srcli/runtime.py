"""Where and how precisely to compute: device, precision, threads, memory."""

from __future__ import annotations

import contextlib
import ctypes
import platform
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import torch

from srcli import __version__
from srcli.errors import SrcliError

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
STRIP_BYTES = 350 * 2**20
_COUNTING = threading.Lock()  # held while torch's common number of threads is another one


class DeviceError(SrcliError):
    """A device or precision that is unknown or not available."""

    reason = "device"
    exit_code = 2


@dataclass(frozen=True, slots=True)
class Runtime:
    """A device and the precision of its convolutions. Flows and their inverses are always float32.

    precision: fp32, bf16 or fp16.
    reason: why this precision was chosen.
    """

    device: torch.device
    precision: str
    reason: str

    @contextlib.contextmanager
    def computing(self, precision: str | None = None) -> Iterator[None]:
        """Inference mode with autocast.

        precision: None for that of the runtime.
        """
        chosen = precision or self.precision
        autocast = torch.autocast(self.device.type, PRECISIONS[chosen], enabled=chosen != "fp32")
        with torch.inference_mode(), autocast:
            yield


def choose(device: str = "auto", precision: str = "auto") -> Runtime:
    """The runtime for a device and a precision.

    device: auto, cpu, cuda, cuda:1, 1, xpu, xpu:1 or mps.
    precision: auto, fp32, bf16 or fp16.

    Raises DeviceError.
    """
    chosen = find_device(device)
    if precision == "auto":
        return Runtime(chosen, *best_precision(chosen))
    if precision not in PRECISIONS:
        raise DeviceError(f"unknown precision {precision!r}; use auto, {', '.join(PRECISIONS)}")
    if precision == "fp16" and chosen.type == "cpu":
        raise DeviceError("fp16 works on GPUs only; use bf16 or fp32 on a CPU")
    return Runtime(chosen, precision, "asked for")


def facts(chosen: Runtime) -> dict[str, str | int]:
    """Facts about software and hardware that measurements depend on."""
    return {
        "srcli": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu": _cpu(),
        "torch": torch.__version__,
        "device": device_name(chosen.device),
        "precision": chosen.precision,
        "precision_reason": chosen.reason,
        "threads": torch.get_num_threads(),
    }


def gpu(device: torch.device) -> Any:
    """torch's module for a GPU that has memory, streams and events of its own: `torch.cuda`, also of ROCm, or
    `torch.xpu`. None for the CPU and for MPS."""
    return getattr(torch, device.type) if device.type in ("cuda", "xpu") else None


def wait(device: torch.device) -> None:
    """Until a GPU has done all that it was asked for."""
    if device.type != "cpu":
        torch.accelerator.synchronize(device)


def device_name(device: torch.device) -> str:
    """The name of the GPU, or else of the device."""
    backend = gpu(device)
    return str(device) if backend is None else str(backend.get_device_name(device))


def _cpu() -> str:
    """The processor's name, or else its architecture."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def find_device(name: str) -> torch.device:
    """The torch device of this name. Raises DeviceError if it is unknown or not available."""
    if name == "auto":
        there = {"cuda": torch.cuda, "xpu": torch.xpu, "mps": torch.backends.mps}
        name = next((name for name, backend in there.items() if backend.is_available()), "cpu")
    try:
        device = torch.device(f"cuda:{int(name)}" if name.isdecimal() else name)
    except (RuntimeError, ValueError):
        raise DeviceError(f"unknown device {name!r}; use auto, cpu, cuda, cuda:N, N, xpu or mps") from None
    available = {
        "cpu": True,
        "cuda": torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count(),
        "xpu": torch.xpu.is_available() and (device.index or 0) < torch.xpu.device_count(),
        "mps": torch.backends.mps.is_available(),
    }
    if not available.get(device.type, False):
        raise DeviceError(f"device {name!r} is not available on this machine; use cpu or run srcli doctor")
    return device


def best_precision(device: torch.device) -> tuple[str, str]:
    """The fastest precision that the device supports natively, and the reason."""
    if device.type == "cpu":
        features = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
        for feature in ("amx_bf16", "avx512_bf16"):
            if features.get(feature):
                return "bf16", f"the CPU has {feature.upper()}"
        return "fp32", "the CPU has no bfloat16 units"
    backend = gpu(device)
    if backend is not None:
        if backend.is_bf16_supported(including_emulation=False):
            return "bf16", "the GPU computes bfloat16"
        return "fp16", "the GPU computes float16 but not bfloat16"
    return "fp32", f"{device.type} is run in float32"


def mixed(device: torch.device) -> torch.autocast:
    """Autocast for training: bfloat16 if the device supports it natively, else none.

    float16 is not used, as its gradients would need loss scaling.
    """
    return torch.autocast(device.type, torch.bfloat16, enabled=best_precision(device)[0] == "bf16")


def set_threads(count: int | None) -> int:
    """Set the number of CPU threads; None keeps torch's choice. Returns the number in use. Raises DeviceError."""
    if count is not None:
        if count < 1:
            raise DeviceError(f"--threads must be at least 1, not {count}")
        torch.set_num_threads(count)
    return torch.get_num_threads()


@contextlib.contextmanager
def threads(count: int | None) -> Iterator[None]:
    """Compute with this number of CPU threads in the block, in this thread of the program alone.

    count: None for as many as torch uses.
    """
    if count is None:
        yield
        return
    with _COUNTING:  # a thread that computes for the first time takes the common number
        own = torch.get_num_threads()
    _count_here(count)
    try:
        yield
    finally:
        _count_here(own)


def _count_here(count: int) -> None:
    """Set the number of CPU threads of the calling thread.

    torch.set_num_threads sets two numbers: of the calling thread, and of threads that have not computed yet. Another
    thread sets the second one back.
    """
    if count != torch.get_num_threads():
        with _COUNTING, ThreadPoolExecutor(1) as other:
            common = other.submit(torch.get_num_threads).result()
            torch.set_num_threads(count)
            other.submit(torch.set_num_threads, common).result()


def strip_budget(chosen: Runtime, limit: int | None = None) -> int:
    """Memory budget of a strip, as the bytes it would take in float32.

    At the runtime's precision, it is a quarter of the free memory, on a CPU at most `STRIP_BYTES`.

    limit: bytes that the work may use; a strip gets at most a quarter of it.
    """
    backend = gpu(chosen.device)
    if backend is not None:
        # What torch keeps for its next tensors is free, too.
        kept = backend.memory_reserved(chosen.device) - backend.memory_allocated(chosen.device)
        available = (backend.mem_get_info(chosen.device)[0] + kept) // 4
    else:
        available = min(STRIP_BYTES, free_memory() // 4)
    if limit is not None:
        available = max(1, min(available, limit // 4))
    return available * 4 // PRECISIONS[chosen.precision].itemsize


def reuse_heap() -> None:
    """Let glibc keep freed memory for the next tensor instead of returning it to the system.

    Page faults on new memory would take a tenth of the time. Only for our own processes, not when used as a library;
    does nothing on other systems.
    """
    if not sys.platform.startswith("linux"):
        return
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(-3, 2**30)  # M_MMAP_THRESHOLD
        libc.mallopt(-1, 2**30)  # M_TRIM_THRESHOLD


def return_heap() -> None:
    """Return the memory kept by `reuse_heap` to the system."""
    if sys.platform.startswith("linux"):
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL("libc.so.6").malloc_trim(0)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that memory ran out; CUDA has a class for it, CPU and MPS only messages."""
    words = ("can't allocate memory", "not enough memory", "out of memory", "bad_alloc")
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or any(w in str(error) for w in words)


def free_memory() -> int:
    """Bytes of RAM available without swapping, including caches, within the limit of a container; 4 GiB if unknown."""
    available = 4 * 2**30
    with contextlib.suppress(OSError):  # psutil reads /proc on Linux
        available = psutil.virtual_memory().available
    return min(available, _container_limit())


def _container_limit(group: Path = Path("/sys/fs/cgroup")) -> int:
    """Bytes left by the memory control group, if there is one; cached files count as available."""
    with contextlib.suppress(OSError, ValueError, KeyError):
        limit, used = (int((group / name).read_text()) for name in ("memory.max", "memory.current"))
        statistics = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        return max(0, limit - used + int(statistics["inactive_file"]))
    return sys.maxsize
