"""Random numbers that depend on a key alone."""

from __future__ import annotations

import numpy as np
import torch

__all__ = ["generator", "seed_of"]


def seed_of(*key: int) -> int:
    """A seed that depends on every part of `key`."""
    return int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0])


def generator(*key: int) -> torch.Generator:
    """A generator of its own for the random numbers of `key`.

    PyTorch's global generator is neither used nor changed, so neither the caller nor another run
    in the same process can be disturbed, or disturb.
    """
    return torch.Generator().manual_seed(seed_of(*key))
