"""What computes, and in which precision."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache

import torch

from charrnn.config import CellName, DeviceName, Precision, ProductPrecision
from charrnn.errors import CharRNNError, UsageError, first_line, warn
from charrnn.learning.hardware.ranks import processes
from charrnn.learning.hardware.threads import max_threads
from charrnn.network.stack.cpu import kernels

__all__ = [
    "DTYPES",
    "choose_device",
    "choose_precision",
    "device_here",
    "keep_bits",
    "lacks_memory",
    "memory_told",
    "speed",
    "warn_of_gpu",
]

DTYPES: dict[ProductPrecision, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16}
MAX_THREADS = 8  # 32 lanes keep hardly any more of them busy
# What of an LSTM's speed is reached, by how much of the work is products.
SHARES: dict[CellName, float] = {"lstm": 1.0, "gru": 0.9, "rnn": 0.75}
# In what PyTorch, cuDNN, cuBLAS and our own driver raise.
OUT_OF_MEMORY = (
    "allocate memory",
    "ALLOC_FAILED",
    "ALLOCATION_FAILED",
    "CUDA error: out of memory",
)


def choose_device(name: DeviceName) -> torch.device:
    """The device to compute on; `auto` takes an NVIDIA GPU if one can be used, else the processor.

    Apple's GPUs have never run this code.

    Raises:
        UsageError: if it is not there, or not for each process that torchrun has started here, or
            not in a copy of a process that has asked for it, or fails; `auto` warns of a GPU that
            fails, except for several processes, which might not all find that.
    """
    wanted = name
    available: dict[DeviceName, bool] = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name == "auto":
        name = "cuda" if available["cuda"] else "cpu"
    if not available[name]:
        there = ", ".join(kind for kind, there in available.items() if there)
        found, advice = f"there is no device {name} here", f"choose --device from {there}"
        if name == "cuda" and _is_for_processors():
            found += ": this PyTorch is for processors alone"
            advice += ", or install one with CUDA (pytorch.org)"
        raise UsageError(found, advice)
    if name == "cuda":
        several = processes().count > 1  # which gives each process a GPU of its own
        _refuse_gpu()
        if (reason := gpu_fails()) is not None:
            if wanted == "cuda" or several:
                raise UsageError(
                    f"the GPU can't be used: {reason}",
                    "choose --device cpu (to go on with a run, set CUDA_VISIBLE_DEVICES= instead), "
                    "end what else uses the GPU, or install a PyTorch that is made for it "
                    "(pytorch.org)",
                )
            warn_of_gpu(reason)
            name = "cpu"
    return torch.device(name)


def device_here(name: DeviceName) -> DeviceName:
    """The device of a run that was begun elsewhere; `auto` if it can't be used here."""
    try:
        choose_device(name)
    except UsageError:
        return "auto"
    return name


def _refuse_gpu() -> None:
    """Check that this process may use a GPU, one of its own."""
    if torch.cuda._is_in_bad_fork():
        raise UsageError(
            "this process was forked from one that has asked for the GPU",
            "start it with multiprocessing's spawn method, or choose --device cpu",
        )
    count = torch.cuda.device_count()
    if int(os.environ.get("LOCAL_RANK", 0)) >= count:
        raise UsageError(
            f"there are more processes here than GPUs ({count})",
            f"start at most {count} on each machine, or choose --device cpu",
        )


@cache
def gpu_fails() -> str | None:
    """Why the GPU can't add two numbers, in a line; None if it can, or only lacks memory just now.

    PyTorch counts one that it has no code for, and one that another program has for itself. One
    that another program fills is told of where the run needs memory: it may soon be free.
    """
    try:
        torch.ones(2, device="cuda").add_(1).tolist()
    except (RuntimeError, torch.cuda.DeferredCudaCallError) as error:
        return None if "out of memory" in str(error) else first_line(error)
    return None


def lacks_memory(error: Exception) -> bool:
    """Whether an error of Python's or PyTorch's says that memory has run out."""
    known = isinstance(error, (MemoryError, torch.OutOfMemoryError))
    return known or any(words in str(error) for words in OUT_OF_MEMORY)


@contextmanager
def memory_told(advice: Callable[[], str]) -> Iterator[None]:
    """Say what to do when there is not enough memory.

    Args:
        advice: asked for when that is so.

    Raises:
        CharRNNError: in place of what PyTorch or Python raises then.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not lacks_memory(error):
            raise
        raise CharRNNError("there is not enough memory", advice()) from None


def _is_for_processors() -> bool:
    """Whether there is another PyTorch for this system, which knows NVIDIA's or AMD's GPUs."""
    others = torch.version.cuda or torch.version.hip
    return others is None and sys.platform != "darwin"


@cache
def warn_of_gpu(reason: str) -> None:
    """Say once why the processor computes."""
    warn(f"computing on the processor, since the GPU can't be used: {reason}")


def keep_bits(device: torch.device) -> None:
    """Make cuDNN's layers give the same bits each time; before a device first multiplies.

    With buffers of two sizes they need not: see "cuDNN RNN determinism" in PyTorch's documentation.
    It is for the whole process, which reads it at its first product on a GPU and never again; so
    nothing changes where the caller has made one, or has set its own.
    """
    if device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")


def choose_precision(name: Precision, device: torch.device) -> ProductPrecision:
    """The dtype of the products; `auto` takes bfloat16 where the processor has it built in."""
    if name != "auto":
        return name
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    if device.type == "cpu":
        capabilities = torch.cpu.get_capabilities()
        if capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"):
            return "bf16"
    return "fp32"


def speed(device: torch.device, precision: ProductPrecision, cell: CellName) -> float:
    """A guess at how many operations per second training reaches, where it is not measured."""
    if device.type != "cpu":
        return 3e12 * SHARES[cell]
    if kernels.available(256, DTYPES[precision]):
        each = 150e9 if precision == "bf16" else 65e9
    else:
        each = 45e9
    return each * min(max_threads(), MAX_THREADS) * SHARES[cell]
