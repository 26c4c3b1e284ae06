"""A model's weights as they travel: a byte for each, with a scale for each row, or as they are.

The matrices of the recurrent stack are rounded, as by the writer in machine code (see
`native.writing`), which keeps a table of the first layer's input products as it is. The embedding,
the head and the biases stay as they are: they are few, and the head decides what is drawn.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from charrnn.arrays import Weights, in_bytes
from charrnn.cells.layout import RECURRENT

__all__ = ["SCALE", "TravellingWeights", "pack"]

SCALE = ".scale"  # stands behind the name of the matrix that it belongs to


class TravellingWeights(NamedTuple):
    """Weights as they travel, and what is left of them on arrival.

    Attributes:
        tensors: by PyTorch's names: fp32, or signed bytes beside a scale for each row.
        weights: the fp32 weights that these stand for, to the bit.
    """

    tensors: dict[str, NDArray[np.generic]]
    weights: Weights


def pack(weights: Weights, *, exact: bool) -> TravellingWeights:
    """Round the matrices of a model's recurrent stack to bytes; nothing if `exact`."""
    packed, arriving = dict[str, NDArray[np.generic]](), Weights()
    for name, values in weights.items():
        if exact or values.ndim < 2 or not name.startswith(RECURRENT):
            packed[name] = arriving[name] = values
            continue
        rounded, scale = in_bytes(values)
        packed |= {name: rounded, name + SCALE: scale}
        arriving[name] = rounded * scale[:, None]
    return TravellingWeights(packed, arriving)
