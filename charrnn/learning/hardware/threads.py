"""In how many threads an update is computed: it decides the last digits, so a run keeps it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch

from charrnn.config import TrainConfig

__all__ = ["each_in_threads", "in_threads", "thread_count"]


def thread_count(step: int, config: TrainConfig) -> int:
    """How many threads compute the update after `step` others; never more than PyTorch has."""
    most = torch.get_num_threads()
    counts = [change.count for change in config.threads if change.step <= step]
    return min(counts[-1], most) if counts else most


@contextmanager
def in_threads(count: int) -> Iterator[None]:
    """Inside, PyTorch computes in so many threads; after, in as many as before."""
    before = torch.get_num_threads()
    if count == before:
        yield
        return
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def each_in_threads(count: int, pieces: Iterable[None]) -> Iterator[None]:
    """Work in pieces, each computed in so many threads; between them, the caller has its own."""
    work = iter(pieces)
    while True:
        with in_threads(count):
            try:
                next(work)
            except StopIteration:
                return
        yield
