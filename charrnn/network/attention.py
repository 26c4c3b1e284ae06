"""A decoder that looks at what an encoder has read.

vectors, state, focus = decoder(ids, memory, state, focus)    # (S, B) → (S, B, H)

Luong, Pham and Manning, "Effective approaches to attention-based neural machine translation", 2015,
with the general score and without input feeding: so the stack reads all of a known target in one
call. Where a step looks also depends on the focus of the step before it, by a move that the decoder
chooses: one forwards to copy, one backwards to reverse, none to write several letters for one. So
it finds its place in texts that are longer than any it was trained on, where content alone is lost.
Chorowski et al., "Attention-based models for speech recognition", 2015, made the score depend on
the attention before; here the kernel is the decoder's, anew at each step.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from charrnn.cells.rules import CELLS, State
from charrnn.config import ModelConfig
from charrnn.network.modules import Embedding, Linear
from charrnn.network.stack.recurrent import Recurrent

__all__ = ["Decoder"]


class Memory(NamedTuple):
    """What an encoder has read, for a decoder to look at.

    Attributes:
        output: (B, T, D·H).
        keys: (B, T, H), what hidden states are compared with.
        there: (B, T), False past the end of a row.
    """

    output: Tensor
    keys: Tensor
    there: Tensor


class Decoder(nn.Module):
    """What writes a translation.

    Args:
        config: the shape of the stacks of the encoder, and of its own.
        reach: R, how far a move goes at most, in tokens of the source.
        generator: of the first weights; None for PyTorch's own.
    """

    def __init__(
        self, config: ModelConfig, reach: int, generator: torch.Generator | None = None
    ) -> None:
        super().__init__()
        self.config, self.reach = config, reach
        hidden, read = config.hidden_size, (1 + config.bidirectional) * config.hidden_size
        self.parts = len(CELLS[config.cell].state)
        self.embedding = Embedding(config.vocab_size, config.embed_size, generator)
        bridge = self.parts * config.num_layers * hidden
        self.bridge = Linear(read, bridge, generator, first=_glorot)
        self.rnn = Recurrent(config, generator)
        # A bias would add the same to all scores of a step, which changes nothing.
        self.key = Linear(read, hidden, generator, bias=False, first=_glorot)
        self.move = Linear(hidden, 2 * reach + 1, generator, first=_still)
        self.out = Linear(read + hidden, hidden, generator, first=_glorot)

    def remember(self, output: Tensor, lengths: Tensor) -> tuple[Memory, State, Tensor]:
        """What to look at, and how to begin.

        Args:
            output: (T, B, D·H), of an encoder.
            lengths: (B,) int64, of each row.

        Returns:
            memory: of these rows.
            state: arrays (L, B, H), made of what each direction has read last.
            focus: (B, T), how much each token was looked at last: all at the first.
        """
        steps, batch, _ = output.shape
        hidden, rows = self.config.hidden_size, torch.arange(batch, device=output.device)
        last = torch.cat([output[lengths - 1, rows, :hidden], output[0, :, hidden:]], -1)
        parts = self.bridge(last).float().view(batch, self.parts, -1, hidden).permute(1, 2, 0, 3)
        state = (parts[0].tanh().contiguous(), *(part.contiguous() for part in parts[1:]))
        there = torch.arange(steps, device=output.device) < lengths[:, None]  # (B, T)
        focus = torch.zeros(there.shape, dtype=torch.float32, device=output.device)
        focus[:, 0] = 1
        output = output.transpose(0, 1)  # (B, T, D·H)
        return Memory(output, self.key(output), there), state, focus

    def forward(
        self,
        ids: Tensor,
        memory: Memory,
        state: State,
        focus: Tensor,
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, State, Tensor]:
        """Read a target, or go on with one.

        Args:
            ids: (S, B).
            memory, state, focus: see `remember`; of this call later.
            generator: of what is dropped while training; None for PyTorch's own.

        Returns:
            vectors: (S, B, H), of which a head predicts the next token.
            state: after the last token.
            focus: (B, T), that of the last step.
        """
        hidden, state = self.rnn(self.embedding.weight, state, ids, generator)  # (S, B, H)
        query = hidden.transpose(0, 1)  # (B, S, H)
        scores = torch.bmm(query, memory.keys.transpose(1, 2)) / math.sqrt(query.shape[-1])
        scores = scores.float().masked_fill(~memory.there[:, None], -math.inf)  # (B, S, T)
        attention = _attention(scores, self.move(query).float(), focus)  # (B, S, T)
        context = torch.bmm(attention.to(memory.output.dtype), memory.output)  # (B, S, D·H)
        vectors = self.out(torch.cat([context, query], -1)).tanh()
        return vectors.transpose(0, 1), state, attention[:, -1]


def _attention(scores: Tensor, moves: Tensor, focus: Tensor) -> Tensor:
    """How much each step looks at each token: (B, S, T).

    Args:
        scores: (B, S, T), by content.
        moves: (B, S, 2·R+1), how much a token gains by each offset from the focus.
        focus: (B, T), of the step before the first.
    """
    width, steps = moves.shape[-1], list[Tensor]()
    with torch.autocast(scores.device.type, enabled=False):
        for score, move in zip(scores.unbind(1), moves.unbind(1), strict=True):
            around = pad(focus, (width // 2, width // 2)).unfold(1, width, 1)  # (B, T, 2·R+1)
            focus = (score + torch.bmm(around, move[..., None])[..., 0]).softmax(-1)
            steps.append(focus)
    return torch.stack(steps, 1)


def _glorot(weight: Tensor, generator: torch.Generator | None) -> None:
    nn.init.xavier_uniform_(weight, generator=generator)


def _still(weight: Tensor, generator: torch.Generator | None) -> None:
    """No move at first."""
    _glorot(weight, generator)  # drawn all the same, for the sake of what is drawn after it
    nn.init.zeros_(weight)
