"""Where and how precisely to compute: device, precision, threads, memory."""

from __future__ import annotations

import contextlib
import ctypes
import platform
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from srcli import __version__
from srcli.errors import SrcliError

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
STRIP_BYTES = 350 * 2**20


class DeviceError(SrcliError):
    """A device or precision that is not here."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Runtime:
    """A device and the precision of its convolutions. Flows and their inverses are float32 everywhere."""

    device: torch.device
    precision: str
    reason: str  # why this precision

    @contextlib.contextmanager
    def computing(self, precision: str | None = None) -> Iterator[None]:
        """Inference mode with autocast at `precision` (default: this runtime's)."""
        chosen = precision or self.precision
        autocast = torch.autocast(self.device.type, PRECISIONS[chosen], enabled=chosen != "fp32")
        with torch.inference_mode(), autocast:
            yield


def choose(device: str = "auto", precision: str = "auto") -> Runtime:
    """The runtime for a device name (auto, cpu, cuda, cuda:1, 1, mps) and a precision (auto, fp32, bf16, fp16)."""
    chosen = find_device(device)
    if precision == "auto":
        return Runtime(chosen, *best_precision(chosen))
    if precision not in PRECISIONS:
        raise DeviceError(f"unknown precision {precision!r}; known: auto, {', '.join(PRECISIONS)}")
    if precision == "fp16" and chosen.type == "cpu":
        raise DeviceError("fp16 is for GPUs; on a CPU use bf16 or fp32")
    return Runtime(chosen, precision, "asked for")


def facts(chosen: Runtime) -> dict[str, str | int]:
    """What numbers measured here depend on."""
    name = torch.cuda.get_device_name(chosen.device) if chosen.device.type == "cuda" else str(chosen.device)
    return {
        "srcli": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu": _cpu(),
        "torch": torch.__version__,
        "device": name,
        "precision": chosen.precision,
        "precision_reason": chosen.reason,
        "threads": torch.get_num_threads(),
    }


def _cpu() -> str:
    """The processor's name where the system tells it."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def find_device(name: str) -> torch.device:
    """A torch device that exists here, from its name."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(f"cuda:{int(name)}" if name.isdecimal() else name)
    except (RuntimeError, ValueError):
        raise DeviceError(f"unknown device {name!r}; use auto, cpu, cuda, cuda:N, N or mps") from None
    here = {
        "cpu": True,
        "cuda": torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
    }
    if not here.get(device.type, False):
        raise DeviceError(f"device {name!r} is not available on this machine; use cpu or run srcli doctor")
    return device


def best_precision(device: torch.device) -> tuple[str, str]:
    """Fastest precision that the device computes natively, and why."""
    if device.type == "cpu":
        features = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
        for feature in ("amx_bf16", "avx512_bf16"):
            if features.get(feature):
                return "bf16", f"the CPU has {feature.upper()}"
        return "fp32", "the CPU has no bfloat16 units"
    if device.type == "cuda":
        if torch.cuda.is_bf16_supported(including_emulation=False):
            return "bf16", "the GPU computes bfloat16"
        return "fp16", "the GPU computes float16 but not bfloat16"
    return "fp32", f"{device.type} is run in float32"


def mixed(device: torch.device) -> torch.autocast:
    """Autocast for training: bfloat16 where the device computes it natively, else nothing. (Gradients in float16 would
    need their losses scaled.)"""
    return torch.autocast(device.type, torch.bfloat16, enabled=best_precision(device)[0] == "bf16")


def set_threads(count: int | None) -> int:
    """Use `count` CPU threads (default: what torch chose). Returns the number in use."""
    if count is not None:
        if count < 1:
            raise DeviceError(f"threads must be at least 1, not {count}")
        torch.set_num_threads(count)
    return torch.get_num_threads()


def strip_budget(chosen: Runtime, most: int | None = None) -> int:
    """Bytes that one strip would take in float32: what a quarter of the free memory holds at the runtime's precision,
    at most `STRIP_BYTES` on a CPU, and at most a quarter of `most`, the bytes that the work may take."""
    if chosen.device.type == "cuda":
        available = torch.cuda.mem_get_info(chosen.device)[0] // 4
    else:
        available = min(STRIP_BYTES, free_memory() // 4)
    if most is not None:
        available = min(available, most // 4)
    return available * 4 // PRECISIONS[chosen.precision].itemsize


def reuse_heap() -> None:
    """Let glibc keep freed memory for the next tensor instead of returning it to the system each time.

    Page faults of fresh memory cost a tenth of the time. For processes of our own (the command), not for a library's
    host; does nothing on other systems.
    """
    if not sys.platform.startswith("linux"):
        return
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(-3, 2**30)  # M_MMAP_THRESHOLD
        libc.mallopt(-1, 2**30)  # M_TRIM_THRESHOLD


def return_heap() -> None:
    """Give what `reuse_heap` keeps back to the system."""
    if sys.platform.startswith("linux"):
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL("libc.so.6").malloc_trim(0)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out: CUDA has a class for it, the CPU and MPS allocators only words."""
    words = ("can't allocate memory", "not enough memory", "out of memory", "bad_alloc")
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or any(w in str(error) for w in words)


def free_memory() -> int:
    """Bytes of RAM that can be had without swapping, caches included; 4 GiB where the system does not tell."""
    with contextlib.suppress(OSError, ValueError):
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return min(int(line.split()[1]) * 1024, _container_limit())
    return 4 * 2**30


def _container_limit() -> int:
    """What a memory control group leaves, where there is one; cached files, which it counts, can be had."""
    group = Path("/sys/fs/cgroup")
    with contextlib.suppress(OSError, ValueError, KeyError):
        most, used = (int((group / name).read_text()) for name in ("memory.max", "memory.current"))
        held = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        return max(0, most - used + int(held["inactive_file"]))
    return sys.maxsize
