"""How well a network predicts a text: nats a token, over every token, sums divided once."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from charrnn.network import CharRNN
from charrnn.tokenizer import Ids

__all__ = ["Score", "evaluate"]

MAX_LANES = 64
WARM_UP = 512  # tokens; what came before changes the loss by less than 1e-4 nats a token
CHUNK = 64  # time steps a call; divides WARM_UP


class Score(NamedTuple):
    """A loss as a sum and a count, so that averages are taken once.

    Attributes:
        nats: the sum of -log p over the scored tokens.
        tokens: how many were scored.
    """

    nats: float
    tokens: int

    @property
    def mean(self) -> float:
        """Nats a token."""
        return self.nats / self.tokens

    @property
    def bits(self) -> float:
        """Bits a token."""
        return self.mean / math.log(2)


@torch.inference_mode()
def evaluate(network: CharRNN, ids: Ids) -> Score:
    """The loss of `ids`, each predicted from all before it; the first is not predicted.

    The text is read in lanes side by side. Each begins `WARM_UP` tokens before the first that it
    scores, which brings its state to where one reader of the whole text would have it. Neither the
    network, its mode nor any random generator is changed.

    Args:
        network: any mode; dropout is off while it is scored.
        ids: (N,), at least 2.
    """
    count = len(ids) - 1
    lanes = min(MAX_LANES, max(1, count // (4 * WARM_UP)))
    warm_up = WARM_UP if lanes > 1 else 0
    stride = math.ceil(count / lanes)  # tokens scored by a lane
    starts = np.arange(lanes) * stride - warm_up  # (B,), where each lane begins to read
    device = next(network.parameters()).device
    nats = torch.zeros((), dtype=torch.float64)
    state = None
    training = network.training
    network.eval()
    for time in range(0, warm_up + stride, CHUNK):
        at = starts[:, None] + np.arange(time, min(time + CHUNK, warm_up + stride))  # (B, T)
        inputs = torch.from_numpy(ids[at.clip(0, count - 1)]).to(device)
        targets = torch.from_numpy(ids[at.clip(0, count - 1) + 1].astype(np.int64)).to(device)
        if time == warm_up and state is not None:
            # The first lane had nothing to warm up on: the text begins here.
            keep = torch.arange(lanes, device=device)[:, None] > 0  # (B, 1)
            state = tuple(part * keep for part in state)
        logits, state = network(inputs, state)  # (B, T, V)
        if time >= warm_up:
            losses = cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none")
            scored = torch.from_numpy(at.ravel() < count).to(device)
            nats += (losses * scored).sum().cpu()
    network.train(training)
    return Score(float(nats), count)
