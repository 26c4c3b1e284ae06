"""An update in PyTorch's operations, one after the other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from charrnn.cells.rules import State
from charrnn.config import TrainConfig
from charrnn.learning.hardware.ranks import Ranks
from charrnn.learning.optimizer import Optimizer
from charrnn.learning.seeds import generator_for, seed_of
from charrnn.learning.task import Cost, Task
from charrnn.network.base import Network
from charrnn.network.stack.recurrent import detach

__all__ = ["EagerUpdates", "in_bfloat16"]


class EagerUpdates:
    """Updates of a network on any device.

    Args:
        task: what is learnt.
        network: in training mode; changed by each update.
        optimizer: of its weights.
        config: batch_size and grad_clip count.
        ranks: the processes that share each update.
        batch_tokens: tokens of a full batch, which `loss_count` counts as one; 1 where batches
            differ, so that it counts predictions.
        bf16: whether products are of bfloat16.

    Attributes:
        state: what the last update carries to the next; None at the start.
        loss, grad_norm: of the last update.
        loss_sum: of `loss_count` whole batches, those since `clear_losses`. A batch of which half
            is missing counts as half of one.
        skipped, skipped_in_row: updates that were not made because a gradient was not finite.
    """

    def __init__(
        self,
        task: Task,
        network: Network,
        optimizer: Optimizer,
        config: TrainConfig,
        ranks: Ranks,
        *,
        batch_tokens: float,
        bf16: bool,
    ) -> None:
        self.task, self.network = task, network
        self.optimizer, self.config, self.ranks = optimizer, config, ranks
        self.batch_tokens, self.bf16 = batch_tokens, bf16
        self.device = network.device
        self.generator = generator_for(self.device)
        self.state: State | None = None
        self.loss: Tensor
        self.grad_norm: Tensor
        self.loss_sum: Tensor
        self.loss, self.grad_norm, self.loss_sum = torch.zeros(
            3, dtype=torch.float32, device=self.device
        )
        self.loss_count = 0.0
        self.skipped = self.skipped_in_row = 0

    def run(self, batch: Any, rate: float, key: Sequence[int]) -> None:
        """Read a batch, and change the weights once.

        Args:
            batch: what to read; what this process reads, of several, or None for nothing.
            rate: the learning rate.
            key: of the random numbers; equal keys drop equal units.
        """
        self.generator.manual_seed(seed_of(*key))
        self.optimizer.clear_gradients()
        loss, number, state = (self._alone if self.ranks.count == 1 else self._together)(batch)
        gradients = [w.grad for w in self.network.parameters() if w.grad is not None]
        self.grad_norm = torch.nn.utils.get_total_norm(gradients)
        if math.isfinite(self.grad_norm + loss):  # for which the CPU waits for a GPU
            self.optimizer.update(rate, (self.grad_norm / self.config.grad_clip).clamp(min=1.0))
            # As a folder holds it, so that a resumed run has the same numbers before it.
            self.state = None if state is None else tuple(s.float() for s in detach(state))
            share = float(number) / self.batch_tokens
            self.loss = loss
            self.loss_sum = self.loss_sum + loss * share
            self.loss_count += share
            self.skipped_in_row = 0
        else:
            self.state = self.ranks.own(self.task.start(self.network, self.config))
            self.skipped += 1
            self.skipped_in_row += 1

    def _alone(self, batch: Any) -> tuple[Tensor, Tensor | int, State | None]:
        """Find the gradients of a batch; returns its loss, over how much, and what is carried."""
        cost = self._cost(batch)
        loss = cost.total / (cost.number + (cost.number == 0))  # in a batch nothing may count
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach(), cost.number, cost.state

    def _together(self, batch: Any) -> tuple[Tensor, Tensor | int, State | None]:
        """The same, of a batch whose rows several processes read."""
        cost = Cost(torch.zeros((), dtype=torch.float32, device=self.device), 0)
        if batch is not None:
            cost = self._cost(batch)
            cost.total.backward()  # type: ignore[no-untyped-call]
        weights = list(self.network.parameters())
        loss, number = self.ranks.mean(weights, cost.total.detach(), cost.number)
        return loss, number, cost.state

    def _cost(self, batch: Any) -> Cost:
        with in_bfloat16(self.device, enabled=self.bf16):
            return self.task.cost(self.network, batch, self.state, self.generator)

    @property
    def seen_in_row(self) -> int:
        """As `skipped_in_row`; see `GraphUpdates`."""
        return self.skipped_in_row

    def clear_losses(self) -> None:
        """Begin to add up losses anew."""
        self.loss_sum = torch.zeros_like(self.loss_sum)
        self.loss_count = 0.0


def in_bfloat16(device: torch.device, *, enabled: bool) -> torch.autocast:
    """Inside, products are of bfloat16.

    PyTorch would keep copies of weights until the outermost such block ends, which may be the
    caller's, around many updates.
    """
    return torch.autocast(device.type, torch.bfloat16, enabled=enabled, cache_enabled=False)
