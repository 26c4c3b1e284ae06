"""Compiled code in several threads at once.

    run(code, arguments, threads)

They are PyTorch's own where it brings GNU's OpenMP, as on Linux: two pools of threads would fight
for the cores. OpenMP may give fewer threads than were asked for, in a parallel region of its own or
by `OMP_THREAD_LIMIT`; the code divides its work among those that there are. Elsewhere the threads
are Python's. If one can't be started, another does its share afterwards.
"""

from __future__ import annotations

import ctypes
import functools
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from charrnn.native.code.machine import THREAD_COUNT, THREAD_NUMBER, add_symbol
from charrnn.threads.side_by_side import run_side_by_side

__all__ = ["addresses", "openmp", "run"]

Number = ctypes.CFUNCTYPE(ctypes.c_int)


class _Share(threading.local):
    """Which share of the work this thread does, of how many."""

    number, count = 0, 1


_share = _Share()
_ask_number, _ask_count = Number(lambda: _share.number), Number(lambda: _share.count)


@functools.cache
def openmp() -> Any:
    """GNU's OpenMP runtime, if PyTorch has loaded it; others take no functions. Else None."""
    for path in sorted((Path(torch.__file__).parent / "lib").glob("libgomp*.so*")):
        found = ctypes.CDLL(str(path))
        found.GOMP_parallel.argtypes = [ctypes.c_void_p, ctypes.c_void_p] + [ctypes.c_uint] * 2
        found.GOMP_parallel.restype = None
        return found
    return None


@functools.cache
def _prepare() -> None:
    """Tell compiled code where the functions are that give a thread its number; before it loads."""
    runtime = openmp()
    number = _ask_number if runtime is None else runtime.omp_get_thread_num
    count = _ask_count if runtime is None else runtime.omp_get_num_threads
    for name, function in ((THREAD_NUMBER, number), (THREAD_COUNT, count)):
        add_symbol(name, ctypes.cast(function, ctypes.c_void_p).value)


def run(code: Callable[[], int], arguments: Sequence[int], threads: int) -> None:
    """Call compiled code in `threads` threads at once, and wait for all.

    Args:
        code: compiles or loads it, and gives its address.
        arguments: in the order that `Code` was given their names.
        threads: how many.
    """
    _prepare()
    function, array = code(), (ctypes.c_int64 * len(arguments))(*arguments)
    runtime = openmp()
    if runtime is not None:
        runtime.GOMP_parallel(function, ctypes.addressof(array), threads, 0)
        return
    call = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(function)

    def work(number: int) -> None:
        _share.number, _share.count = number, threads
        call(ctypes.addressof(array))

    if not run_side_by_side(work, range(threads), lambda: None):
        for number in range(threads):
            work(number)


def addresses(*tensors: Tensor | None) -> list[int]:
    """Where the numbers of tensors are, as arguments for `run`; 0 for None."""
    assert all(tensor is None or tensor.is_contiguous() for tensor in tensors), "kernels need it"
    return [0 if tensor is None else tensor.data_ptr() for tensor in tensors]
