"""Dynamic evaluation: a network that keeps learning from the text it scores.

A segment is scored, then the weights move against its gradient, each scaled by how large its
gradient typically is on the training text, and are pulled back a little towards where training
left them.
Krause, Kahembwe, Murray and Renals, "Dynamic evaluation of neural sequence models", 2018.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from charrnn.arrays import Ids, Surprisals
from charrnn.network.char_rnn import CharRNN
from charrnn.network.stack.recurrent import detach
from charrnn.use_config import EvalConfig

__all__ = ["Adapting", "typical_gradients"]

SEGMENTS = 400  # of the training text, on which typical gradients are measured
# Added to typical gradients, as a share of their mean: a weight that rarely has a gradient must not
# leap when it has one.
FLOOR = 0.1


def typical_gradients(network: CharRNN, ids: Ids, segment: int) -> list[Tensor]:
    """The root mean square of each weight's gradient on segments of a text.

    Args:
        network: is not changed.
        ids: (N,), the training text.
        segment: T, tokens of a segment.
    """
    network = copy.deepcopy(network).eval()
    weights = list(network.parameters())
    squares = [torch.zeros_like(weight) for weight in weights]
    # In runs of several segments, so that the state is carried as it is when a text is scored.
    run = 8
    count = max(1, min(SEGMENTS // run, (len(ids) - 1) // (segment * run)))
    starts = np.linspace(0, max(len(ids) - 1 - segment * run, 0), count).astype(np.intp)
    measured = 0
    for start in starts:
        state = None
        for number in range(run):
            part = ids[start + number * segment : start + (number + 1) * segment + 1]
            if len(part) < 2:
                break
            losses, state = _read(network, part, state)
            gradients = torch.autograd.grad(losses.mean(), weights)
            torch._foreach_addcmul_(squares, gradients, gradients)
            measured += 1
    return [(square / max(measured, 1)).sqrt() for square in squares]


class Adapting:
    """A copy of a network that adapts to the text it has scored.

    Args:
        network: is not changed.
        typical: of `typical_gradients`.
        config: segment, rate and decay.
    """

    def __init__(self, network: CharRNN, typical: list[Tensor], config: EvalConfig) -> None:
        self.config = config
        self.network = copy.deepcopy(network).eval()
        self.weights = list(self.network.parameters())
        self.trained = [weight.detach().clone() for weight in self.weights]
        mean = sum(float(part.sum()) for part in typical) / sum(part.numel() for part in typical)
        self.steps = [config.rate / (part / mean + FLOOR) / mean for part in typical]
        self.pulls = [(config.decay * part / mean).clamp(max=1.0) for part in typical]

    def score(self, ids: Ids) -> Iterator[Surprisals]:
        """What each token of ids (N,) but the first costs in nats, a segment at a time.

        The state is carried throughout; every token is scored before anything learns from it.
        """
        state = None
        for start in range(0, len(ids) - 1, self.config.segment):
            losses, state = _read(self.network, ids[start : start + self.config.segment + 1], state)
            yield losses.detach().cpu().numpy()
            self.adapt(torch.autograd.grad(losses.mean(), self.weights))

    @torch.no_grad()
    def adapt(self, gradients: tuple[Tensor, ...]) -> None:
        """Move the weights against their gradients, and pull them back a little."""
        for weight, trained, step, pull, gradient in zip(
            self.weights, self.trained, self.steps, self.pulls, gradients, strict=True
        ):
            weight.addcmul_(step, gradient, value=-1)
            weight.lerp_(trained, pull)


def _read(
    network: CharRNN, ids: Ids, state: tuple[Tensor, ...] | None
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """The losses (T,) of ids (T+1,) but the first, and the state after, cut off from the graph."""
    device = network.device
    read = torch.from_numpy(ids.astype(np.int64)).to(device)
    logits, after = network(read[None, :-1], state)  # (1, T, V)
    return cross_entropy(logits[0], read[1:], reduction="none"), detach(after)
