"""PyTorch's modes as charrnn's own work needs them, whatever the caller has set.

    with own_modes(): ...             # for work that is done at once
    for event in in_own_modes(work):  # for work in steps, between which the caller has its turn

The default number type is no mode, but one for all threads: it is left alone, and every tensor that
charrnn makes has its number type named.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from typing import TypeVar

import torch

__all__ = ["in_own_modes", "own_modes"]

Item = TypeVar("Item")


@contextmanager
def own_modes() -> Iterator[None]:
    """Inside, gradients are recorded and products are in full, in this thread; after, as before."""
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
    """`steps`, each in `own_modes`; they are closed in them, too."""
    try:
        while True:
            with own_modes():
                try:
                    item = next(steps)
                except StopIteration:
                    return
            yield item
    finally:
        with own_modes():
            steps.close()
