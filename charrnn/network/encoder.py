"""Rows of different lengths read by one stack, or by two of which one reads backwards.

output = encoder.read(ids, lengths)    # (T, B) → (T, B, D·H), D = 2 if there are two stacks
"""

from __future__ import annotations

import torch
from torch import Tensor

from charrnn.config import ModelConfig
from charrnn.network.base import Network
from charrnn.network.modules import Embedding, Linear
from charrnn.network.stack.recurrent import Recurrent

__all__ = ["Encoder", "turned"]


class Encoder(Network):
    """The part that the networks of all tasks share: what they read, and their stacks.

    The second stack reads each row from its own end, so that what pads a row can't reach what is
    found in it. Both stacks are those of language models: one of them can start `rnn`, and one of
    reversed text `back`. Akbik, Blythe and Vollgraf, "Contextual string embeddings for sequence
    labeling", 2018.

    Args:
        config: the shape of each stack; with `bidirectional` there are two.
        features: F, how many values are read at each step; 0 to read ids. Numbers are read forwards
            only.
        generator: of the first weights; None for PyTorch's own.
    """

    def __init__(
        self, config: ModelConfig, features: int = 0, generator: torch.Generator | None = None
    ) -> None:
        super().__init__()
        self.config = config
        if features:
            self.input = Linear(features, config.embed_size, generator)
        else:
            self.embedding = Embedding(config.vocab_size, config.embed_size, generator)
        self.rnn = Recurrent(config, generator)
        if config.bidirectional:
            self.embedding_back = Embedding(config.vocab_size, config.embed_size, generator)
            self.back = Recurrent(config, generator)

    def read(self, x: Tensor, lengths: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Read rows side by side.

        Args:
            x: ids (T, B), any that there are past the end of a row, or values (T, B, F).
            lengths: (B,) int64, of each row, at most T.
            generator: of what is dropped while training; None for PyTorch's own.

        Returns:
            output: (T, B, D·H), of the last layers, side by side; past a row's end it means
                nothing.
        """
        output: Tensor
        if x.is_floating_point():
            output, _ = self.rnn(self.input(x), None, None, generator)
            return output
        output, _ = self.rnn(self.embedding.weight, None, x, generator)
        if not self.config.bidirectional:
            return output
        order = turned(lengths, len(x))  # (T, B)
        back, _ = self.back(self.embedding_back.weight, None, x.gather(0, order), generator)
        return torch.cat([output, back.gather(0, order[..., None].expand_as(back))], -1)


def turned(lengths: Tensor, steps: int) -> Tensor:
    """The order in which each row reads backwards: (T, B), its own inverse.

    A row's steps are in reverse order; those past its end stay where they are.
    """
    times = torch.arange(steps, device=lengths.device)[:, None]  # (T, 1)
    return torch.where(times < lengths, lengths - 1 - times, times)
