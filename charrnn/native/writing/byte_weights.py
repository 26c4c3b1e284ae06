"""A model's weights rounded to bytes, in the order in which machine code reads them.

A model that reads one character at a time is as fast as its weights come from the cache, and four
times as fast if they are bytes. So the weights of the products, all but the head's, are rounded to
bytes, each output's on a scale of its own, and so are the inputs. The sums are exact integers: a
sequence is the same alone, beside others, and with any number of threads.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from charrnn.arrays import Floats, in_bytes
from charrnn.cells.layout import Layer
from charrnn.cells.rules import CELLS
from charrnn.config import CellName
from charrnn.native import processor
from charrnn.native.code import intrinsics
from charrnn.native.processor import panel_blocks, vector_width

__all__ = ["ByteProduct", "PackedWeights", "pack"]

MAX_UNITS = 16_384  # or the sums of bytes would outgrow 32 bits
MAX_SHARE_LOST = 0.25  # of an output's weights, rounded to 0; 0.01 is usual, 0.15 was measured
MAX_INPUT = 4.0  # absolute value, beyond which a 127th of it is too coarse a step


class ByteProduct(NamedTuple):
    """A matrix in bytes, and how its product becomes floats: (start + sums) * scale + bias.

    Attributes:
        weights: (N/M panels, K/4, G, M, 4) signed bytes.
        start: (G·N,) int32, where the sums start, to undo the offset of the inputs' bytes.
        scale: (G·N,).
        bias: (G·N,).
    """

    weights: NDArray[np.int8]
    start: NDArray[np.int32]
    scale: Floats
    bias: Floats


class PackedLayer(NamedTuple):
    """A layer's products; the first layer has a table in place of the input's."""

    recurrent: ByteProduct
    input: ByteProduct | None
    skip: bool
    bound: float  # of the input's absolute values


class PackedWeights(NamedTuple):
    """What the samplers of one model share.

    Attributes:
        cell: of every layer.
        table: (V, G·H), the first layer's input product.
        embedding: (V, E).
        layers: from the first to the last.
        head: (V/W panels, H, W) floats; the last panel is filled up with zeros.
        head_bias: (V/W panels, W), filled up with minus infinity.
        centre: the byte that stands for zero.
    """

    cell: CellName
    table: Floats
    embedding: Floats
    layers: list[PackedLayer]
    head: Floats
    head_bias: Floats
    centre: int

    @property
    def nbytes(self) -> int:
        """Bytes of weights that a step reads."""
        products = (p for layer in self.layers for p in (layer.recurrent, layer.input) if p)
        return sum(product.weights.nbytes for product in products) + self.head.nbytes

    @property
    def largest_layer(self) -> int:
        """Bytes of the largest recurrent product."""
        return max(layer.recurrent.weights.nbytes for layer in self.layers)


def pack(
    cell: CellName,
    table: Floats,
    embedding: Floats,
    layers: list[Layer],
    head: Floats,
    bias: Floats,
) -> PackedWeights | None:
    """Round a model's weights to bytes, and arrange them.

    Args:
        cell: of every layer.
        table: (V, G·H), the first layer's input product, with its bias.
        embedding: (V, E).
        layers: the first reads the embedding.
        head: (H, V).
        bias: (V,), of the head.

    Returns:
        packed: None if the processor does not multiply bytes, or bytes do not suit the model: its
            width is not a multiple of a vector, skips add up to more than bytes resolve, or single
            weights stand out so far that the others of their output would be lost.
    """
    found, hidden = processor.target(), len(head)
    if found is None or not found.int8 or hidden % found.lanes or hidden > MAX_UNITS:
        return None
    packed, bound = [], float(np.abs(embedding).max())
    for k, layer in enumerate(layers):
        if k and bound > MAX_INPUT:
            return None
        input_ = None
        if k:  # the first layer has a table
            input_ = _product(cell, layer.w_ih, layer.b_ih, bound, found.centre)
            if input_ is None:
                return None
        recurrent = _product(cell, layer.w_hh, layer.b_hh, 1.0, found.centre)
        if recurrent is None:
            return None
        packed.append(PackedLayer(recurrent, input_, layer.skip, bound))
        bound = 1.0 + (bound if layer.skip else 0.0)
    width = vector_width()
    missing = -len(bias) % width
    columns = np.pad(head, ((0, 0), (0, missing))).reshape(hidden, -1, width)  # (H, V/W, W)
    return PackedWeights(
        cell,
        np.ascontiguousarray(table, np.float32),
        np.ascontiguousarray(embedding, np.float32),
        packed,
        np.ascontiguousarray(columns.transpose(1, 0, 2), np.float32),
        np.pad(bias, (0, missing), constant_values=-np.inf).astype(np.float32),
        found.centre,
    )


def _product(
    cell: CellName, weights: Floats, bias: Floats, bound: float, centre: int
) -> ByteProduct | None:
    """The product of inputs (K,) within ±bound with weights (K, G·N).

    None if a weight of an output is so large that too many others round to zero.
    """
    gates = CELLS[cell].gates
    inputs, units = len(weights), weights.shape[1] // gates
    rounded, scale = in_bytes(weights.T)  # (G·N, K)
    lost = np.count_nonzero(weights.T, 1) - np.count_nonzero(rounded, 1)  # (G·N,)
    if (lost > MAX_SHARE_LOST * inputs).any():
        return None
    width = panel_blocks(gates, units) * vector_width()
    words = rounded.view(np.int32).reshape(gates, units // width, width, inputs // 4, 1)
    return ByteProduct(
        np.ascontiguousarray(words.transpose(1, 3, 0, 2, 4)).view(np.int8),
        -centre * rounded.sum(1, dtype=np.int32),
        (scale * np.float32(bound / intrinsics.BYTE_MAX)).astype(np.float32),
        np.ascontiguousarray(bias, np.float32),
    )
