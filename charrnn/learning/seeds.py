"""Random numbers that depend on a key alone."""

from __future__ import annotations

import numpy as np
import torch

__all__ = ["generator", "generator_for", "seed_of"]


def seed_of(*key: int) -> int:
    """A seed that depends on every part of `key`."""
    return int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0])


def generator(*key: int) -> torch.Generator:
    """A generator of its own for the random numbers of `key`.

    PyTorch's global generator is neither used nor changed, so neither the caller nor another run
    in the same process can be disturbed, or disturb.
    """
    return torch.Generator().manual_seed(seed_of(*key))


def generator_for(device: torch.device) -> torch.Generator:
    """A generator of random numbers that are used on a device, to be seeded."""
    on_apple = device.type == "mps"  # where PyTorch draws no words of 64 bits
    return torch.Generator("cpu" if on_apple else device)
