"""A model's weights as they travel: a byte for each, with a scale for each row, or as they are.

The rounding is that of the writer in machine code (see `native.byte_weights`), and so is the choice
of what is rounded: the matrices of the recurrent stack. The embedding, the head and the biases stay
as they are: they are few, and the head decides what is drawn.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from charrnn.arrays import Floats, Weights
from charrnn.cells.layout import RECURRENT

__all__ = ["SCALE", "PackedWeights", "pack"]

SCALE = ".scale"  # stands behind the name of the matrix that it belongs to
BYTE_MAX = 127


class PackedWeights(NamedTuple):
    """Weights as they travel, and what is left of them on arrival.

    Attributes:
        tensors: by PyTorch's names: fp32, or signed bytes beside a scale for each row.
        weights: the fp32 weights that these stand for, to the bit.
    """

    tensors: dict[str, NDArray[np.generic]]
    weights: Weights


def pack(weights: Weights, *, exact: bool) -> PackedWeights:
    """Round the matrices of a model's recurrent stack to bytes; nothing if `exact`."""
    packed, arriving = dict[str, NDArray[np.generic]](), Weights()
    for name, values in weights.items():
        if exact or values.ndim < 2 or not name.startswith(RECURRENT):
            packed[name] = arriving[name] = values
            continue
        rounded, scale = _in_bytes(values)
        packed |= {name: rounded, name + SCALE: scale}
        arriving[name] = rounded * scale[:, None]
    return PackedWeights(packed, arriving)


def _in_bytes(matrix: Floats) -> tuple[NDArray[np.int8], Floats]:
    """A matrix (N, K) as bytes, and the scale (N,) of each row."""
    scale = np.abs(matrix).max(1) / np.float32(BYTE_MAX)
    scale[scale == 0] = 1
    return np.rint(matrix / scale[:, None]).astype(np.int8), scale
