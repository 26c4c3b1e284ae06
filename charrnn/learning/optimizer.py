"""What changes the weights, and the learning rate by which it does.

Muon may change hidden matrices; AdamW changes all other weights.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from charrnn.cells.layout import is_hidden
from charrnn.config import TrainConfig
from charrnn.learning.muon import Muon
from charrnn.network.base import Network

__all__ = ["Optimizer", "learning_rate"]

BETAS, EPSILON = (0.9, 0.98), 1e-8

# The averages of gradients shrink at each update for what has none, such as the row of a
# character that has not been read for long. They are set to zero before they become denormal
# numbers, which take some processors a hundred times as long to compute with.
TINY = 1e-30

PARTS = 30  # of all weights; a launch takes 36 tensors
MAX_BLOCK = 65536  # numbers
LEAST = 4096  # numbers at least, so that there are not many short parts


def learning_rate(step: int, config: TrainConfig) -> float:
    """The rate of update number `step`: a linear warm-up, then a linear decay to 0.5% of the peak.

    Bergsma et al., "Straight to zero: why linearly decaying the learning rate to zero works best
    for LLMs", 2025.

    Where the number of updates was corrected, the line goes on from where it is, with another
    slope.
    """
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    decayed = 0.0  # the share of the decay done by update `first`
    first = config.warmup_steps
    for correction in config.corrections:
        if step <= correction.step:
            return _rate(decayed, first, step, correction.planned, config)
        until = max(correction.step, first)
        decayed += (1 - decayed) * _share(first, until, correction.planned)
        first = until
    return _rate(decayed, first, step, config.steps, config)


def _rate(decayed: float, first: int, step: int, steps: int, config: TrainConfig) -> float:
    """The rate of update `step` of `steps`, on a line that begins at update `first`."""
    progress = decayed + (1 - decayed) * _share(first, step, steps)
    return config.learning_rate * (1 - 0.995 * progress)


def _share(first: int, step: int, steps: int) -> float:
    """How far update `step` is on the way from `first` to `steps`."""
    return min(max((step - first) / max(steps - first, 1), 0.0), 1.0)


class Optimizer:
    """Changes all weights of a network.

    Args:
        network: whose weights are changed.
        config: weight_decay and optimizer count.

    Attributes:
        updates: how many were made: () float32, on the weights' device.
        means: the running average of each weight's gradient.
        squares: that of its square, of weights that AdamW changes.
    """

    def __init__(self, network: Network, config: TrainConfig) -> None:
        weights = dict(network.named_parameters())
        hidden = [w for n, w in weights.items() if config.optimizer == "muon" and is_hidden(n)]
        muon = Muon(hidden, config.weight_decay)
        adamw = AdamW([w for w in weights.values() if w not in muon.means], config.weight_decay)
        self._optimizers = muon, adamw
        self.updates, self.squares = adamw.updates, adamw.squares
        self.means = muon.means | adamw.means

    def clear_gradients(self) -> None:
        """Forget them; the next ones take new memory."""
        for weight in self.means:
            weight.grad = None

    def update(
        self, rate: float | Tensor, clip_divisor: Tensor, skip: Tensor | None = None
    ) -> None:
        """Change all weights that have a gradient.

        Args:
            rate: the learning rate.
            clip_divisor: (), at least 1; gradients are divided by it as they are read, which saves
                a pass over them.
            skip: (), 1 to change nothing, else 0; None for 0.
        """
        for one in self._optimizers:
            one.update(rate, clip_divisor, skip)

    @torch.no_grad()
    def flush_tiny_averages(self) -> None:
        """Set the averages to zero where they are negligible."""
        for averages in (*self.means.values(), *self.squares.values()):
            averages *= averages.abs() >= TINY


class AdamW:
    """Adam with decoupled weight decay, on matrices only.

    Loshchilov and Hutter, "Decoupled weight decay regularization", 2019. All weights are changed by
    PyTorch's fused kernel, as `torch.optim.AdamW` does. That class loads PyTorch's compiler before
    its first update, which takes a second of every run's start.

    Args:
        weights: those that are changed.
        weight_decay: of matrices, per update and learning rate.

    Attributes:
        updates, means, squares: see `Optimizer`.
    """

    def __init__(self, weights: Sequence[Tensor], weight_decay: float) -> None:
        self.updates = torch.zeros((), dtype=torch.float32, device=weights[0].device)
        self.means: dict[Tensor, Tensor] = {w: torch.zeros_like(w) for w in weights}
        self.squares: dict[Tensor, Tensor] = {w: torch.zeros_like(w) for w in weights}
        matrices = [weight for weight in weights if weight.ndim > 1]
        vectors = [weight for weight in weights if weight.ndim <= 1]
        self._groups = ((matrices, weight_decay), (vectors, 0.0))

    @torch.no_grad()
    def update(
        self, rate: float | Tensor, clip_divisor: Tensor, skip: Tensor | None = None
    ) -> None:
        """See `Optimizer.update`."""
        self.updates += 1
        for group, decay in self._groups:
            weights: list[Tensor] = [weight for weight in group if weight.grad is not None]
            gradients = [weight.grad for weight in weights if weight.grad is not None]
            size = part_size(weights)
            parts = cut(weights, size)
            torch._fused_adamw_(  # what the public class calls
                parts,
                cut([gradient.contiguous() for gradient in gradients], size),
                cut([self.means[weight] for weight in weights], size),
                cut([self.squares[weight] for weight in weights], size),
                [],
                [self.updates] * len(parts),
                lr=rate,
                beta1=BETAS[0],
                beta2=BETAS[1],
                weight_decay=decay,
                eps=EPSILON,
                amsgrad=False,
                maximize=False,
                grad_scale=clip_divisor,
                found_inf=skip,
            )
        if skip is not None:
            self.updates -= skip


def part_size(weights: Sequence[Tensor]) -> int | None:
    """How many numbers of a GPU's weights to hand over at once; None for whole tensors.

    There PyTorch's kernel gives 65,536 numbers to one multiprocessor, which leaves most idle
    where a network is small.
    """
    total = sum(weight.numel() for weight in weights)
    if not total or not weights[0].is_cuda or total > PARTS * MAX_BLOCK:
        return None
    return max(-(-total // PARTS // 4) * 4, LEAST)  # whole words of 16 bytes


def cut(tensors: list[Tensor], size: int | None) -> list[Tensor]:
    """Views of tensors, of so many numbers each."""
    if size is None:
        return tensors
    return [part for tensor in tensors for part in torch.split(tensor.view(-1), size)]
