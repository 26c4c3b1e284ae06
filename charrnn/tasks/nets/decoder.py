"""What writes a translation, in NumPy; the twin of `network.attention`.

logits, written = decoder.step(ids, written)    # (N,) → (N, V), N texts that are being written
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from charrnn.arrays import Floats, Ids, Weights, product, softmax, underflowing
from charrnn.cells.heads import DECODER
from charrnn.cells.layout import EMBEDDING, RECURRENT
from charrnn.cells.rules import CELLS, State
from charrnn.config import ModelConfig
from charrnn.tasks.nets.encoder import copied_layers

__all__ = ["Decoder", "Memory", "Written"]

NOWHERE = np.float32(-1e30)  # the score of what is past a row's end


class Memory(NamedTuple):
    """What an encoder has read of B sources, for a decoder to look at.

    Attributes:
        values: (B, T, H), what a look at each token adds to the vector that predicts.
        keys: (B, T, H), what hidden states are compared with.
        gone: (B, T), `NOWHERE` past the end of a row, else 0.
    """

    values: Floats
    keys: Floats
    gone: Floats

    def of(self, sources: NDArray[np.integer]) -> Memory:
        """Of these sources (N,), which may come several times."""
        return Memory(*(part[sources] for part in self))


class Written(NamedTuple):
    """Where N texts stand that are being written.

    Attributes:
        sources: (N,), whose translations they are.
        memory: of the source of each.
        state: arrays (L, N, H).
        focus: (N, T), how much each token of the source was looked at last.
    """

    sources: NDArray[np.integer]
    memory: Memory
    state: State
    focus: Floats

    def of(self, rows: NDArray[np.integer], all_sources: Memory) -> Written:
        """These rows (N',), which may come several times."""
        sources = self.sources[rows]
        # What is remembered is large, and mostly the same as a step before.
        same = np.array_equal(sources, self.sources)
        memory = self.memory if same else all_sources.of(sources)
        state = tuple(part[:, rows] for part in self.state)
        return Written(sources, memory, state, self.focus[rows])


class Decoder:
    """What writes a translation, ready to use.

    Args:
        config: the shape of its stack.
        weights: of the network that it is a part of.
    """

    def __init__(self, config: ModelConfig, weights: Weights) -> None:
        self.config = config
        self.cell = CELLS[config.cell]
        self._layers = copied_layers(config, weights, DECODER + RECURRENT)
        self._embedding = weights[DECODER + EMBEDDING]
        first = self._layers[0]
        self._table = product(self._embedding, first.w_ih) + first.b_ih  # (V, G·H)

        def linear(name: str) -> tuple[Floats, Floats]:
            return np.ascontiguousarray(weights[f"{name}.weight"].T), weights[f"{name}.bias"]

        self._bridge, self._move = linear(DECODER + "bridge"), linear(DECODER + "move")
        self._head = linear("head")
        self._key = weights[DECODER + "key.weight"].T / np.float32(config.hidden_size**0.5)
        out, self._out_bias = linear(DECODER + "out")
        self._out_read, self._out_hidden = np.split(out, [-config.hidden_size])

    def start(self, output: Floats, lengths: NDArray[np.integer]) -> Written:
        """Translations that are about to be written, one for each source.

        Args:
            output: (B, T, D·H), of an encoder.
            lengths: (B,), of each row.
        """
        batch, steps, _ = output.shape
        hidden, rows = self.config.hidden_size, np.arange(batch)
        last = np.concatenate([output[rows, lengths - 1, :hidden], output[:, 0, hidden:]], -1)
        parts = (product(last, self._bridge[0]) + self._bridge[1]).reshape(
            batch, len(self.cell.state), -1, hidden
        )  # (B, parts, L, H)
        first, *others = (parts[:, k].swapaxes(0, 1) for k in range(parts.shape[1]))
        there = np.arange(steps) < lengths[:, None]  # (B, T)
        memory = Memory(
            product(output, self._out_read),
            product(output, self._key),
            np.where(there, np.float32(0), NOWHERE),
        )
        focus = np.zeros((batch, steps), np.float32)
        focus[:, 0] = 1
        return Written(rows, memory, (np.tanh(first), *others), focus)

    def step(self, ids: Ids, written: Written) -> tuple[Floats, Written]:
        """Read one token of each translation.

        Args:
            ids: (N,).
            written: where they stand.

        Returns:
            logits: (N, V), of the next token.
            written: where they stand now.
        """
        hidden, state = self._read(ids, written.state)
        values, keys, gone = written.memory
        scores = product(keys, hidden[..., None])[..., 0] + gone  # (N, T)
        moves = product(hidden, self._move[0]) + self._move[1]  # (N, 2·R+1)
        reach = moves.shape[1] // 2
        around = np.lib.stride_tricks.sliding_window_view(
            np.pad(written.focus, ((0, 0), (reach, reach))), moves.shape[1], 1
        )  # (N, T, 2·R+1)
        scores += product(around, moves[..., None])[..., 0]
        focus = softmax(scores)
        context = product(focus[:, None], values)[:, 0]  # (N, H)
        vectors = np.tanh(context + product(hidden, self._out_hidden) + self._out_bias)
        logits = product(vectors, self._head[0]) + self._head[1]
        return logits, written._replace(state=state, focus=focus)

    def _read(self, ids: Ids, state: State) -> tuple[Floats, State]:
        """The stack's output (N, H), and its state after a token."""
        x, gx, states = self._embedding[ids], self._table[ids], []
        for k, layer in enumerate(self._layers):
            gx = product(x, layer.w_ih) + layer.b_ih if k else gx  # (N, G·H)
            gh = product(state[0][k], layer.w_hh) + layer.b_hh
            with underflowing():
                output, after = self.cell.combine(gx, gh, tuple(part[k] for part in state))
            x = x + output if layer.skip else output
            states.append(after)
        return x, tuple(np.stack(parts) for parts in zip(*states, strict=True))
