"""Many tokens per call in machine code: it reads one, draws the next and reads on.

    sampler = NativeSampler(packed, state)
    ids, log_probs = sampler.draw(ids, uniforms, inverse_temperatures, mask)    # (B,) → (N, B)

The weights are bytes, see `byte_weights`; all else is in floats, by the rules in `cells.gradients`.
"""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from charrnn.arrays import Floats, Ids, Logits
from charrnn.cells.rules import State
from charrnn.native.code import intrinsics, machine
from charrnn.native.code.amx import ROWS
from charrnn.native.writing import byte_tiles
from charrnn.native.writing.byte_weights import PackedWeights
from charrnn.native.writing.sampling_code import (
    DRAW_ARGUMENTS,
    SEQUENCES_AT_ONCE,
    THREADS_CAN_WAIT,
    Shape,
    Share,
    argument_names,
    sampling_address,
)
from charrnn.threads.quota import usable_processors
from charrnn.threads.side_by_side import run_side_by_side

__all__ = ["NativeSampler", "shares_of_work"]

MIN_INVERSE_TEMPERATURE = 1e-30  # below it 0 times minus infinity, which is NaN, would come up
MAX_UNIFORM = 1 - 2.0**-24  # the largest float below 1, to which doubles above it would be rounded
# What one call does at most, so that it returns soon: tokens of a sequence, tokens of all
# sequences, and bytes of weights read.
MAX_TOKENS, MAX_DRAWS, MAX_BYTES_READ = 2048, 1 << 18, 10_000_000_000
SHARED_LAYER_BYTES = 50_000  # size of a layer from which on it pays that two threads share it
# Groups of sequences from which on these, and not the units, are divided: evenly enough then.
ENOUGH_GROUPS = 4


class NativeSampler:
    """B sequences to which many tokens are added per call.

    Args:
        packed: the weights.
        state: arrays (L, B, H) to begin from; copied.
    """

    def __init__(self, packed: PackedWeights, state: State) -> None:
        self.packed = packed
        _, batch, hidden = state[0].shape
        skips = tuple(layer.skip for layer in packed.layers)
        bounds = tuple(layer.bound for layer in packed.layers[1:])
        self.shape = Shape(packed.cell, hidden, len(packed.table), skips, bounds)
        self._state = [np.array(part, np.float32, order="C") for part in state]  # (L, B, H) each
        bytes_ = intrinsics.in_bytes(self._state[0], 1.0, packed.centre)  # (L, B, H)
        self._bytes = np.stack([bytes_, bytes_], 1)  # (L, 2, B, H): before and after a step
        self._parity = 0  # which of the two is before
        self._inputs = np.zeros((len(skips), batch, hidden), np.uint8)  # (L, B, H)
        self._outputs = np.zeros((len(skips), batch, hidden), np.float32)  # (L, B, H)

    @property
    def max_tokens(self) -> int:
        """How many tokens of each to read or draw in one call, so that it returns soon."""
        batch: int = self._state[0].shape[1]
        by_bytes = MAX_BYTES_READ // (batch * self.packed.nbytes)
        return max(1, min(MAX_TOKENS, MAX_DRAWS // batch, by_bytes))

    def keep(self, rows: NDArray[np.intp]) -> None:
        """Go on with these sequences; one that is named twice is there twice."""
        self._state = [np.ascontiguousarray(part[:, rows]) for part in self._state]
        self._bytes = np.ascontiguousarray(self._bytes[:, :, rows])
        self._inputs = np.ascontiguousarray(self._inputs[:, rows])
        self._outputs = np.ascontiguousarray(self._outputs[:, rows])

    def join(self, other: NativeSampler) -> None:
        """Go on with the sequences of another sampler of the same weights, too."""
        assert other.packed is self.packed, "they are of one model"
        theirs = other._bytes if other._parity == self._parity else other._bytes[:, ::-1]
        pairs = zip(self._state, other._state, strict=True)
        self._state = [np.concatenate(pair, 1) for pair in pairs]
        self._bytes = np.concatenate([self._bytes, theirs], 2)
        self._inputs = np.concatenate([self._inputs, other._inputs], 1)
        self._outputs = np.concatenate([self._outputs, other._outputs], 1)

    def read(self, ids: Ids) -> None:
        """Read tokens (T, B) that were not drawn here."""
        self._advance(ids.astype(np.int64, order="C"), len(ids), {})

    def draw(
        self,
        ids: Ids,
        uniforms: NDArray[np.floating],
        inverse_temperatures: NDArray[np.floating],
        mask: Logits,
    ) -> tuple[Ids, Floats]:
        """See `sampling.language_model.TokenSampler.draw`."""
        count, batch = uniforms.shape
        width = self.packed.head_bias.size  # V, rounded up to whole vectors
        read = np.zeros((count + 1, batch), np.int64)  # valid ids throughout, even if interrupted
        read[0] = ids
        excess, totals = np.empty((2, count, batch), np.float32)
        uniforms = np.minimum(uniforms, MAX_UNIFORM)
        inverse_temperatures = np.maximum(inverse_temperatures, MIN_INVERSE_TEMPERATURE)
        arrays = {
            "uniforms": np.ascontiguousarray(uniforms, np.float32),
            "inverse_temperatures": inverse_temperatures.astype(np.float32),
            "mask": np.pad(mask, (0, width - len(mask))).astype(np.float32),
            "logits": np.empty((batch, width), np.float32),
            "weights": np.empty((batch, width), np.float32),
            "excess": excess,
            "totals": totals,
        }
        self._advance(read, count, arrays)
        with np.errstate(divide="ignore", invalid="ignore"):  # NaN in a model that diverged
            log_probs = excess - np.log(totals)
        return read[1:].astype(np.int32), log_probs

    def _advance(
        self, ids: NDArray[np.int64], steps: int, draw_arrays: dict[str, np.ndarray]
    ) -> None:
        """Read ids (N or N+1, B) for N steps; with arrays to draw, each step fills in the next."""
        batch, sync = ids.shape[1], np.zeros(2, np.int64)  # see `intrinsics.barrier`
        arrays = draw_arrays | self._arrays() | {"ids": ids, "sync": sync}
        assert all(array.flags.c_contiguous for array in arrays.values()), "the code relies on it"
        counts = {"N": steps, "B": batch, "parity": self._parity, "draws": int(bool(draw_arrays))}
        values = dict.fromkeys(DRAW_ARGUMENTS, 0) | counts
        values |= {name: array.ctypes.data for name, array in arrays.items()}
        names = argument_names(len(self.packed.layers))

        shares = self._shares(batch)
        most = max(share.last - share.first for share in shares)
        shape = self.shape._replace(in_tiles=self._fills_tiles(most))

        # The arrays must live on while a thread works, also if an interrupt has ended the caller.
        def run(share: Share, _kept_alive: object = arrays) -> None:
            given = values | share._asdict()
            machine.run(sampling_address(shape), [given[name] for name in names])

        def release_waiting() -> None:
            sync[1] = 1

        if not run_side_by_side(run, shares, release_waiting):
            run(Share(0, batch))
        self._parity = (self._parity + steps) % 2

    def _arrays(self) -> dict[str, np.ndarray]:
        """The code's arguments that are weights or state."""
        packed = self.packed
        arrays: dict[str, np.ndarray] = {
            "table": packed.table,
            "embedding": packed.embedding,
            "head": packed.head,
            "head_bias": packed.head_bias,
            "h": self._state[0],
            "memory": self._state[-1],  # of a cell without one it is the same, and not written
            "bytes": self._bytes,
            "inputs": self._inputs,
            "outputs": self._outputs,
        }
        for k, layer in enumerate(packed.layers):
            for name, product in (("h", layer.recurrent), ("x", layer.input)):
                if product is not None:
                    arrays |= {f"{name}{k}.{part}": a for part, a in product._asdict().items()}
        return arrays

    def _fills_tiles(self, sequences: int) -> bool:
        """Whether products of a thread's sequences are computed in tiles."""
        if sequences < ROWS or self.shape.hidden_size % byte_tiles.DEPTH:
            return False
        return byte_tiles.available()

    def _shares(self, batch: int) -> list[Share]:
        large = self.packed.largest_layer >= SHARED_LAYER_BYTES
        return shares_of_work(batch, usable_processors(), share_units=large)


def shares_of_work(batch: int, threads: int, *, share_units: bool) -> list[Share]:
    """How threads divide the work on some sequences, as evenly as they can.

    Args:
        batch: B, how many sequences there are.
        threads: how many may be used.
        share_units: whether two threads may take half of the units each, of all sequences, if
            these are too few to be divided.
    """
    groups = -(-batch // SEQUENCES_AT_ONCE)
    if THREADS_CAN_WAIT and share_units and threads > 1 and groups < ENOUGH_GROUPS:
        return [Share(0, batch, part, 2) for part in range(2)]
    count = max(1, min(groups, threads))
    ends = [min(batch, groups * k // count * SEQUENCES_AT_ONCE) for k in range(count + 1)]
    return [Share(first, last) for first, last in itertools.pairwise(ends)]
