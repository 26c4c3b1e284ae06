"""Muon: steps whose rows, a block of them at a time, are at right angles and equally long.

    gradients ──momentum──▶ (N, 64, C) ──orthogonal──▶ steps (N, 64, C)

Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024, orthogonalise a
whole matrix. Blocks of 64 rows learn as well here, and cost an eighth.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["Muon", "orthogonal"]

MOMENTUM = 0.9
ROWS = 64  # of a block; 32 learn no better than AdamW does, see benchmarks/NOTES.md
# Of x ↦ ax + bx³ + cx⁵, which brings what is between 0 and 1 nearer to 1: Jordan's. He takes five
# rounds; of two, three and five none learnt better than another.
A, B, C = 3.4445, -4.7750, 2.0315
ROUNDS = 2
# Root mean square of an orthogonal step, at a learning rate of 1. AdamW's are about as large, so
# that both take the same rate: Liu et al., "Muon is scalable for LLM training", 2025.
STEP = 0.2
LEAST = 1e-20  # of a block's squares, so that one of zeros stays one


class Muon:
    """Momentum that is orthogonalised, with decoupled weight decay.

    Args:
        weights: matrices (R, C).
        weight_decay: per update and learning rate.

    Attributes:
        means: the running average of each weight's gradient.
    """

    def __init__(self, weights: Sequence[Tensor], weight_decay: float) -> None:
        self.means: dict[Tensor, Tensor] = {w: torch.zeros_like(w) for w in weights}
        self.weight_decay = weight_decay

    @torch.no_grad()
    def update(self, rate: float | Tensor, excess: Tensor, broken: Tensor | None = None) -> None:
        """Change all weights that have a gradient; see `Optimizer.update`."""
        done: float | Tensor = 1.0 if broken is None else 1 - broken
        rate = rate * done
        learning = [weight for weight in self.means if weight.grad is not None]
        for width in sorted({weight.shape[1] for weight in learning}):
            weights = [weight for weight in learning if weight.shape[1] == width]
            heights = [-(-len(weight) // ROWS) * ROWS for weight in weights]  # of whole blocks
            ahead = weights[0].new_empty(sum(heights), width)
            for weight, place in zip(weights, torch.split(ahead, heights), strict=True):
                place[len(weight) :] = 0.0
                self._look_ahead(weight, place[: len(weight)], excess, done)
            steps = orthogonal(ahead.view(-1, ROWS, width)).view(-1, width)
            size = torch.as_tensor(-rate * STEP * width**0.5, dtype=ahead.dtype)
            for weight, step in zip(weights, torch.split(steps, heights), strict=True):
                weight *= 1 - rate * self.weight_decay
                weight.addcmul_(step[: len(weight)], size)

    def _look_ahead(
        self, weight: Tensor, place: Tensor, excess: Tensor, done: float | Tensor
    ) -> None:
        """Put a gradient into its average, and Nesterov's momentum (R, C) into `place`."""
        mean = self.means[weight]
        assert weight.grad is not None, "else it does not learn"
        torch.div(weight.grad, excess, out=place)
        if isinstance(done, Tensor):
            place.masked_fill_(done == 0, 0.0)
        mean.lerp_(place, (1 - MOMENTUM) * done)
        place.lerp_(mean, MOMENTUM)


def orthogonal(x: Tensor) -> Tensor:
    """The matrices nearest to x (N, R, C) whose rows, R ≤ C, are orthonormal; roughly.

    The polynomials of Newton and Schulz are of x xᵀ, which is small, and multiply x at the end.
    Singular values above a tenth of x's norm end between 0.7 and 1.2; smaller ones grow less, up to
    A² = 12 times as large beside that norm.
    """
    squares = x @ x.mT  # (N, R, R)
    size = squares.diagonal(dim1=1, dim2=2).sum(1).clamp(min=LEAST)[:, None, None]
    identity = torch.eye(x.shape[1], dtype=x.dtype, device=x.device)
    squares, product = squares / size, identity / size.sqrt()
    for _ in range(ROUNDS):
        factor = torch.baddbmm(A * identity + B * squares, squares, squares, alpha=C)
        squares, product = factor @ squares @ factor, factor @ product
    return product @ x
