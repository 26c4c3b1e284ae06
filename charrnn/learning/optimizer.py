"""AdamW and its learning rate."""

from __future__ import annotations

import torch

from charrnn.config import TrainConfig
from charrnn.network.base import Network

__all__ = ["flush_tiny_averages", "learning_rate", "make_optimizer"]

# The optimizer's averages shrink at each update for what has no gradient, such as the row of a
# character that has not been read for long. They are set to zero before they become denormal
# numbers, which take some processors a hundred times as long to compute with.
TINY = 1e-30


def learning_rate(step: int, config: TrainConfig) -> float:
    """The rate of update number `step`: it rises in a line, then falls in a line to near zero.

    Bergsma et al., "Straight to zero: why linearly decaying the learning rate to zero works best
    for LLMs", 2025.

    Where the number of updates was corrected, the line goes on from where it is, with another
    slope.
    """
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    fallen, first = 0.0, config.warmup_steps  # what of the fall was behind at update `first`
    for correction in config.corrections:
        if step <= correction.step:
            return _rate(fallen, first, step, correction.planned, config)
        until = max(correction.step, first)
        fallen += (1 - fallen) * _share(first, until, correction.planned)
        first = until
    return _rate(fallen, first, step, config.steps, config)


def _rate(fallen: float, first: int, step: int, steps: int, config: TrainConfig) -> float:
    """The rate of update `step` of `steps`, on a line that begins at update `first`."""
    progress = fallen + (1 - fallen) * _share(first, step, steps)
    return config.learning_rate * (1 - 0.995 * progress)


def _share(first: int, step: int, steps: int) -> float:
    """How far update `step` is on the way from `first` to `steps`."""
    return min(max((step - first) / max(steps - first, 1), 0.0), 1.0)


def make_optimizer(network: Network, config: TrainConfig) -> torch.optim.Optimizer:
    """AdamW, with weight decay on matrices only.

    Loshchilov and Hutter, "Decoupled weight decay regularization", 2019.
    """
    weights = list(network.parameters())
    return torch.optim.AdamW(
        [
            {"params": [w for w in weights if w.ndim > 1], "weight_decay": config.weight_decay},
            {"params": [w for w in weights if w.ndim <= 1], "weight_decay": 0.0},
        ],
        lr=config.learning_rate,
        betas=(0.9, 0.98),
        fused=True,
        capturable=weights[0].device.type == "cuda",
    )


@torch.no_grad()
def flush_tiny_averages(optimizer: torch.optim.Optimizer) -> None:
    """Set the optimizer's averages to zero where they are negligible."""
    for averages in optimizer.state.values():
        for name in ("exp_avg", "exp_avg_sq"):
            averages[name] *= averages[name].abs() >= TINY
