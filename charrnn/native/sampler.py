"""Many tokens at once in machine code: it reads one, draws the next and reads on.

    writer = Writer(packed, state)
    ids, log_probs = writer.write(ids, numbers, heat, mask)    # (B,) → (N, B), (N, B)

A model that is read again and again for one character each time is as fast as its weights come
from the cache, and four times as fast if they are bytes. So the weights of the recurrent products
are rounded to bytes, each row on a scale of its own, and so are what they are multiplied with; the
sums are exact integers. All else is in floats, by the rules in `gradients`.
Since nothing is rounded in the sums, a sequence is the same alone, beside others, and with any
number of threads.
"""

from __future__ import annotations

import ctypes
import itertools
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from charrnn.arrays import Floats, Ids
from charrnn.cells.layout import Layer
from charrnn.cells.rules import CELLS, State
from charrnn.config import CellName
from charrnn.native import intrinsics, processor, threads
from charrnn.native.processor import panel_blocks, vector_width
from charrnn.native.threads import Part, run_side_by_side
from charrnn.native.writing_code import (
    DRAWING,
    NEVER,
    TOGETHER,
    WAITS,
    Product,
    Shape,
    argument_names,
    code_of,
)

__all__ = ["Packed", "Writer", "pack"]

WIDEST = 16_384  # units, lest the sums of bytes outgrow 32 bits
LOST = 0.25  # of a row's weights, that may round to nothing; 0.01 is usual, 0.15 was measured
COARSE = 4.0  # absolute values of inputs, beyond which a 127th of them is too much to lose
COLDEST = 1e-30  # heat, below which nothing times minus infinity would count
# What is written at once, and soon done: tokens of a sequence, of all, bytes of weights read.
TOKENS, DRAWS, BYTES = 2048, 1 << 18, 10_000_000_000
THREAD_BYTES = 50_000  # of weights of a layer, of which two threads take half each
EVEN = 4  # times `TOGETHER` sequences, and they are divided among threads evenly enough


class PackedLayer(NamedTuple):
    """A layer's products; the first has a table in place of the input's."""

    recurrent: Product
    input: Product | None
    skip: bool
    bound: float  # of the input's absolute values


class Packed(NamedTuple):
    """What writers of one model share.

    Attributes:
        cell: of every layer.
        table: (V, G·H), the first layer's input product.
        embedding: (V, E).
        layers: all.
        head: (V/W panels, H, W), with nothing after V.
        head_bias: (V/W panels, W).
        vocab_size: V.
        centre: what a zero is as a byte.
    """

    cell: CellName
    table: Floats
    embedding: Floats
    layers: list[PackedLayer]
    head: Floats
    head_bias: Floats
    vocab_size: int
    centre: int

    @property
    def size(self) -> int:
        """Bytes of weights that a step reads."""
        products = (p for layer in self.layers for p in (layer.recurrent, layer.input) if p)
        return sum(product.weights.nbytes for product in products) + self.head.nbytes


def pack(
    cell: CellName,
    table: Floats,
    embedding: Floats,
    layers: list[Layer],
    head: Floats,
    bias: Floats,
) -> Packed | None:
    """Arrange a model's weights.

    Args:
        table: (V, G·H), the first layer's input product, with its bias.
        cell, embedding, layers, head, bias: as for `stepper.prepare`.

    Returns:
        packed: None if the processor does not multiply bytes, or bytes don't fit the model: its
            width is not whole vectors, skips add up to more than they can tell apart, or single
            weights stand out so far that the others of their row would be lost.
    """
    found, hidden = processor.target(), len(head)
    if found is None or not found.int8 or hidden % found.lanes or hidden > WIDEST:
        return None
    packed, bound = [], float(np.abs(embedding).max())
    for k, layer in enumerate(layers):
        if k and bound > COARSE:
            return None
        if any(_stands_out(weights) for weights in layer[:2][k == 0 :]):
            return None
        recurrent = _product(cell, layer.w_hh, layer.b_hh, 1.0, found.centre)
        given = _product(cell, layer.w_ih, layer.b_ih, bound, found.centre) if k else None
        packed.append(PackedLayer(recurrent, given, layer.skip, bound))
        bound = 1.0 + (bound if layer.skip else 0.0)
    width = vector_width()
    spare = -len(bias) % width
    columns = np.pad(head, ((0, 0), (0, spare))).reshape(len(head), -1, width)  # (H, P, W)
    return Packed(
        cell,
        np.ascontiguousarray(table, np.float32),
        np.ascontiguousarray(embedding, np.float32),
        packed,
        np.ascontiguousarray(columns.transpose(1, 0, 2), np.float32),
        np.pad(bias, (0, spare), constant_values=NEVER).astype(np.float32),
        len(bias),
        found.centre,
    )


def _stands_out(weights: Floats) -> bool:
    """Whether one of the weights (K, G·N) is so large that too many others of its row are lost."""
    sizes = np.abs(weights)
    lost = (sizes < sizes.max(0) / 254) & (sizes > 0)  # less than half a step
    return bool((lost.mean(0) > LOST).any())


def _product(cell: CellName, weights: Floats, bias: Floats, bound: float, centre: int) -> Product:
    """The product with `weights` (K, G·N) of inputs within ±bound."""
    gates = CELLS[cell].gates
    inputs, units = len(weights), weights.shape[1] // gates
    scale = np.abs(weights).max(0) / np.float32(127)
    scale[scale == 0] = 1
    rounded = np.rint(weights / scale).astype(np.int8)
    width = panel_blocks(gates, units) * vector_width()
    split = rounded.reshape(inputs // 4, 4, gates, units // width, width)
    return Product(
        np.ascontiguousarray(split.transpose(3, 0, 2, 4, 1)),
        -centre * rounded.sum(0, dtype=np.int32),
        (scale * np.float32(bound / intrinsics.REACH)).astype(np.float32),
        np.ascontiguousarray(bias, np.float32),
    )


class Writer:
    """B sequences that are written token after token.

    Args:
        packed: the weights.
        state: arrays (L, B, H) to begin from; copied.
    """

    def __init__(self, packed: Packed, state: State) -> None:
        self.packed = packed
        _, batch, hidden = state[0].shape
        skips = tuple(layer.skip for layer in packed.layers)
        bounds = tuple(layer.bound for layer in packed.layers[1:])
        self.shape = Shape(packed.cell, hidden, packed.vocab_size, skips, bounds)
        self._state = [np.array(part, np.float32, order="C") for part in state]  # (L, B, H) each
        if len(self._state) == 1:
            self._state.append(self._state[0])
        bytes_ = intrinsics.in_bytes(self._state[0], 1.0, packed.centre)  # (L, B, H)
        self._bytes = np.stack([bytes_, bytes_], 1)  # (L, 2, B, H): before and after a step
        self._parity = 0
        self._inputs = np.zeros((len(skips), batch, hidden), np.uint8)
        self._outputs = np.zeros((len(skips), batch, hidden), np.float32)

    @property
    def most(self) -> int:
        """How many tokens to read or write at once, at the most: nobody waits long for them."""
        batch: int = self._state[0].shape[1]
        return max(1, min(TOKENS, DRAWS // batch, BYTES // (batch * self.packed.size)))

    def keep(self, rows: NDArray[np.intp]) -> None:
        """Go on with these sequences only; one that is named again is there again."""
        h, c = self._state
        self._state = [np.ascontiguousarray(h[:, rows])]
        self._state.append(self._state[0] if c is h else np.ascontiguousarray(c[:, rows]))
        self._bytes = np.ascontiguousarray(self._bytes[:, :, rows])
        self._inputs = np.ascontiguousarray(self._inputs[:, rows])
        self._outputs = np.ascontiguousarray(self._outputs[:, rows])

    def read(self, ids: Ids) -> None:
        """Read tokens (T, B) that were not drawn here."""
        self._run(ids.astype(np.int64, order="C"), len(ids), {}, draws=False)

    def write(self, ids: Ids, numbers: Floats, heat: Floats, mask: Floats) -> tuple[Ids, Floats]:
        """Read a token of each sequence, draw the next, and so on.

        Args:
            ids: (B,), the tokens to read first.
            numbers: (N, B), in [0, 1): where in the distribution each token is drawn; 0 is the
                first of the likeliest if the heat is large.
            heat: (N,), above 0, what logits are multiplied with: 1 / temperature.
            mask: (V,), what is added to them before: 0, or minus infinity.

        Returns:
            ids: (N, B), the tokens drawn.
            log_probs: (N, B), what they have under the model itself, whatever heat and mask.
        """
        count, batch = numbers.shape
        wide = self.packed.head_bias.size
        read = np.zeros((count + 1, batch), np.int64)  # ids at every moment, whoever stops
        read[0] = ids
        chosen, totals = np.empty((2, count, batch), np.float32)
        # The largest float below 1: a double so close to it would be rounded up.
        numbers = np.minimum(numbers, 1 - 2.0**-24)
        arrays = {
            "numbers": np.ascontiguousarray(numbers, np.float32),
            "heat": np.maximum(heat, COLDEST).astype(np.float32),
            "mask": np.pad(mask, (0, wide - len(mask))).astype(np.float32),
            "logits": np.empty((batch, wide), np.float32),
            "weights": np.empty((batch, wide), np.float32),
            "chosen": chosen,
            "totals": totals,
        }
        self._run(read, count, arrays, draws=True)
        with np.errstate(divide="ignore", invalid="ignore"):  # a diverged model's are no numbers
            log_probs = chosen - np.log(totals)
        return read[1:].astype(np.int32), log_probs

    def _run(
        self, ids: NDArray[np.int64], steps: int, arrays: dict[str, np.ndarray], *, draws: bool
    ) -> None:
        """Read ids (N or more, B) for some steps; what is drawn after each, is the next's."""
        packed, sync = self.packed, np.zeros(2, np.int64)
        held = arrays | {
            "ids": ids,
            "sync": sync,
            "table": packed.table,
            "embedding": packed.embedding,
            "head": packed.head,
            "head_bias": packed.head_bias,
            "h": self._state[0],
            "memory": self._state[1],
            "bytes": self._bytes,
            "inputs": self._inputs,
            "outputs": self._outputs,
        }
        for k, layer in enumerate(packed.layers):
            for name, product in (("h", layer.recurrent), ("x", layer.input)):
                if product is not None:
                    held |= {f"{name}{k}.{part}": a for part, a in product._asdict().items()}
        assert all(array.flags.c_contiguous for array in held.values()), "the code counts on it"
        numbers = {"N": steps, "B": ids.shape[1], "parity": self._parity, "draws": int(draws)}
        given = dict.fromkeys(DRAWING, 0) | numbers
        given |= {name: array.ctypes.data for name, array in held.items()}
        names = argument_names(len(packed.layers))

        def code(part: Part) -> None:
            """One thread's work. It keeps alive what it works on."""
            values = given | part._asdict()
            call = (ctypes.c_int64 * len(names))(*(values[name] for name in names))
            ctypes.CFUNCTYPE(None, ctypes.c_void_p)(code_of(self.shape))(ctypes.addressof(call))
            assert held, "arrays are alive until here"

        batch = ids.shape[1]
        if not run_side_by_side(code, self._parts(batch), sync):
            code(Part(0, batch))
        self._parity = (self._parity + steps) % 2

    def _parts(self, batch: int) -> list[Part]:
        """What each thread has to do: of few sequences half of the units, else some sequences."""
        groups, count = -(-batch // TOGETHER), threads.usable_processors()
        largest = max(layer.recurrent.weights.nbytes for layer in self.packed.layers)
        if WAITS and groups < EVEN and count > 1 and largest >= THREAD_BYTES:
            return [Part(0, batch, share, 2) for share in range(2)]
        count = max(1, min(groups, count))
        ends = [min(batch, groups * k // count * TOGETHER) for k in range(count + 1)]
        return [Part(first, last) for first, last in itertools.pairwise(ends)]
