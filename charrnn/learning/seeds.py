"""Random numbers that depend on a key alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

__all__ = ["seeded"]


@contextmanager
def seeded(*key: int) -> Iterator[None]:
    """Inside, PyTorch's random numbers are those of `key`; after, the caller's go on."""
    seed = int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0])
    with torch.random.fork_rng(range(torch.cuda.device_count())):
        if torch.accelerator.is_available():
            torch.manual_seed(seed)
        else:  # a tenth of the time, which is felt in small networks
            torch.default_generator.manual_seed(seed)
        yield
