"""What computes, and in which precision."""

from __future__ import annotations

import os

import torch

from charrnn.config import CellName, DeviceName, Precision, ProductPrecision
from charrnn.errors import UsageError
from charrnn.network.stack.cpu import kernels

__all__ = ["DTYPES", "choose_device", "choose_precision", "keep_bits", "speed"]

DTYPES: dict[ProductPrecision, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16}
MAX_THREADS = 8  # 32 lanes keep hardly any more of them busy
# What of an LSTM's speed is reached, by how much of the work is products.
SHARES: dict[CellName, float] = {"lstm": 1.0, "gru": 0.9, "rnn": 0.75}


def choose_device(name: DeviceName) -> torch.device:
    """The device to train on; `auto` takes an NVIDIA GPU if there is one, else the processor.

    Apple's GPUs have never run this code.

    Raises:
        UsageError: if it is not there, or not for each process that torchrun has started here, or
            not in a copy of a process that has asked for it.
    """
    available: dict[DeviceName, bool] = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name == "auto":
        name = "cuda" if available["cuda"] else "cpu"
    if not available[name]:
        there = ", ".join(kind for kind, there in available.items() if there)
        raise UsageError(f"there is no device {name} here", f"choose --device from {there}")
    if name == "cuda" and torch.cuda._is_in_bad_fork():
        raise UsageError(
            "this process was forked from one that has asked for the GPU",
            "start it with multiprocessing's spawn method, or choose --device cpu",
        )
    if name == "cuda" and int(os.environ.get("LOCAL_RANK", 0)) >= torch.cuda.device_count():
        count = torch.cuda.device_count()
        raise UsageError(
            f"there are more processes here than GPUs ({count})",
            f"start at most {count} on each machine, or choose --device cpu",
        )
    return torch.device(name)


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
    return each * min(torch.get_num_threads(), MAX_THREADS) * SHARES[cell]
