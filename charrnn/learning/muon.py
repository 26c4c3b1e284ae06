"""Muon: steps whose rows are orthogonalised, in blocks of 64.

    gradients ──momentum──▶ (N, 64, C) ──orthogonal──▶ steps (N, 64, C)

Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024, orthogonalise a
whole matrix. Blocks of 64 rows learn as well here, for a fraction of the time. On a CPU this is
done by machine code where there is any, see `native.muon_code`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from charrnn.native import processor
from charrnn.native.muon_code import ROWS, muon_address, room_size
from charrnn.network.stack.cpu import team

__all__ = ["Muon", "has_code", "orthogonal"]

MOMENTUM = 0.9
# Of x ↦ ax + bx³ + cx⁵, which brings what is between 0 and 1 nearer to 1: Jordan's. He takes five
# rounds. Here two, three and five learnt alike, and one learnt less.
A, B, C = 3.4445, -4.7750, 2.0315
ROUNDS = 2
# Root mean square of an orthogonal step, at a learning rate of 1. AdamW's are about as large, so
# that both take the same rate: Liu et al., "Muon is scalable for LLM training", 2025.
STEP = 0.2
LEAST = 1e-20  # of a block's squares, so that a block of zeros stays zero


class Muon:
    """Momentum that is orthogonalised, with decoupled weight decay.

    Args:
        weights: matrices (R, C) of whole blocks, at least as wide as those are high.
        weight_decay: per update and learning rate.

    Attributes:
        means: the running average of each weight's gradient.
    """

    def __init__(self, weights: Sequence[Tensor], weight_decay: float) -> None:
        whole = all(len(w) % ROWS == 0 and w.shape[1] >= ROWS for w in weights)
        assert whole, "plans see to it"
        self.means: dict[Tensor, Tensor] = {w: torch.zeros_like(w) for w in weights}
        self.weight_decay = weight_decay

    @torch.no_grad()
    def update(
        self, rate: float | Tensor, clip_divisor: Tensor, skip: Tensor | None = None
    ) -> None:
        """Change all weights that have a gradient; see `Optimizer.update`."""
        for weight, mean in self.means.items():
            if weight.grad is None:
                continue
            size = STEP * weight.shape[1] ** 0.5
            if isinstance(rate, float) and skip is None and has_code(weight):
                factors = 1 / float(clip_divisor), 1 - rate * self.weight_decay, rate * size
                _change(weight, mean, weight.grad.contiguous(), factors)
                continue
            done = 1.0 if skip is None else 1 - skip
            gradient = weight.grad / clip_divisor
            if skip is not None:
                gradient.masked_fill_(skip > 0, 0.0)
            mean.lerp_(gradient, (1 - MOMENTUM) * done)
            ahead = gradient.lerp_(mean, MOMENTUM)  # Nesterov's
            step = orthogonal(ahead.view(-1, ROWS, weight.shape[1])).view_as(weight)
            weight *= 1 - rate * done * self.weight_decay
            weight -= step * (rate * done * size)


def has_code(weight: Tensor) -> bool:
    """Whether machine code can change a matrix: see `muon_address`."""
    whole = len(weight) % ROWS == weight.shape[1] % ROWS == 0 and weight.is_contiguous()
    on_cpu = weight.device.type == "cpu" and weight.dtype == torch.float32
    return whole and on_cpu and processor.target() is not None


def _change(
    weight: Tensor, mean: Tensor, gradient: Tensor, factors: tuple[float, float, float]
) -> None:
    """Change a matrix (R, C) and its average; `factors` are those of gradient, weight and step."""
    height, width = weight.shape
    threads = torch.get_num_threads()
    room = weight.new_empty(threads, room_size(width))
    numbers = weight.new_tensor(factors)
    places = team.addresses(weight, mean, gradient, room, numbers)
    team.run(
        lambda: muon_address(MOMENTUM, (A, B, C), ROUNDS, LEAST),
        [height // ROWS, width, *places],
        threads,
    )


def orthogonal(x: Tensor) -> Tensor:
    """The matrices nearest to x (N, R, C) whose rows, R ≤ C, are orthonormal; roughly.

    The polynomials of Newton and Schulz are of x xᵀ, which is small, and multiply x at the end.
    Singular values above a tenth of x's norm end between 0.68 and 1.2; smaller ones grow less, at
    most to 12 (A²) times what they were beside that norm.
    """
    squares = x @ x.mT  # (N, R, R)
    size = squares.diagonal(dim1=1, dim2=2).sum(1).clamp(min=LEAST)[:, None, None]
    squares = squares / size
    factor = _factor(squares)
    product = factor / size.sqrt()
    for _ in range(ROUNDS - 1):
        squares = factor @ squares @ factor
        factor = _factor(squares)
        product = factor @ product
    return product @ x


def _factor(squares: Tensor) -> Tensor:
    """The polynomial of a round: a + b squares + c squares², (N, R, R)."""
    identity = torch.eye(squares.shape[1], dtype=squares.dtype, device=squares.device)
    return torch.baddbmm(A * identity + B * squares, squares, squares, alpha=C)
