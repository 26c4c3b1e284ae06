"""PyTorch's modes as charrnn's own work needs them, whatever the caller has set.

    with own_modes(): ...             # for work that is done at once
    for event in in_own_modes(work):  # for work in steps, between which the caller has its turn

Two things are no modes, but the same for all threads, and are left alone: the default number type,
so every tensor that charrnn makes has its number type named, and the precision of products in fp32
(`torch.set_float32_matmul_precision`), so a caller who lowers it changes what charrnn computes.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from typing import TypeVar

import torch

from charrnn.errors import UsageError

__all__ = ["in_own_modes", "own_modes"]

Item = TypeVar("Item")


@contextmanager
def own_modes() -> Iterator[None]:
    """Inside, gradients are recorded, and autocast lowers no precision, in this thread.

    Raises:
        UsageError: in a copy of a process that has computed with several threads.
    """
    _refuse_copy()
    with ExitStack() as modes:
        modes.enter_context(torch.inference_mode(False))
        modes.enter_context(torch.enable_grad())
        accelerator = torch.accelerator.current_accelerator()
        for kind in {"cpu", "cpu" if accelerator is None else accelerator.type}:
            modes.enter_context(torch.autocast(kind, enabled=False))
        if torch.get_default_device().type != "cpu":  # it would take time in every operation
            modes.enter_context(torch.device("cpu"))
        yield


def in_own_modes(steps: Generator[Item]) -> Generator[Item]:
    """`steps`, each in `own_modes`; they are closed in them, too.

    Raises:
        UsageError: in a copy of the process that began, unless it closes them at once.
    """
    process = os.getpid()
    try:
        while True:
            with own_modes():
                try:
                    item = next(steps)
                except StopIteration:
                    return
            yield item
            if os.getpid() != process:
                raise UsageError(
                    "this process was forked from the one that trains",
                    "leave the loop here, and go on there",
                )
    finally:
        with own_modes() if os.getpid() == process else nullcontext():
            steps.close()


_computes: int | None = None  # the process in which PyTorch has started threads for charrnn


def _refuse_copy() -> None:
    """Refuse to wait for threads for ever: `os.fork` has not copied them.

    Threads that PyTorch has started for others are not known here.
    """
    global _computes
    if torch.get_num_threads() == 1:
        return
    if _computes not in (None, os.getpid()):
        raise UsageError(
            "this process was forked from one that has computed with PyTorch, whose threads it "
            "does not have",
            "start it with multiprocessing's spawn method, or call torch.set_num_threads(1) in it",
        )
    _computes = os.getpid()
