"""Products of bytes in tiles, for sequences side by side: AMX.

    sums (16, 16) += x (16, 64) · weights (64, 16)    # (B, units) += (B, K) · (K, units)

The sums are exact integers, the same as in vectors. As those of `tiles`, these products count as
available only once they have been right.
"""

from __future__ import annotations

import functools

import numpy as np

from charrnn.errors import warn
from charrnn.native import processor, tiles
from charrnn.native.code import amx, machine
from charrnn.native.code.amx import FULL, LEFT, RIGHT, ROW, ROWS, SUMS, WORDS
from charrnn.native.code.compiled import compiled_once
from charrnn.native.code.machine import Code
from charrnn.native.code.values import Int

__all__ = [
    "DEPTH",
    "available",
    "multiply",
    "multiply_right",
    "product_address",
    "trial_product",
]

DEPTH = ROW  # k in a tile


def available() -> bool:
    """Whether products of bytes in tiles can be computed here, and are right."""
    found = processor.target()
    return found is not None and found.has_byte_tiles and tiles.granted() and multiply_right()


@functools.cache
def multiply_right() -> bool:
    """Whether products are right, with a warning if not."""
    trials = (trial_product(count, inputs=2 * DEPTH, columns=3) for count in (1, 2))
    right = all(np.array_equal(found, expected) for found, expected in trials)
    if not right:
        warn("tiles (AMX) give wrong products of bytes here, so texts are written without them")
    return right


def multiply(
    code: Code,
    x: Int,
    inputs: int,
    weights: Int,
    starts: list[Int],
    sums: Int,
    count: int,
) -> None:
    """Products of `count` times 16 sequences by a panel of weights, to memory.

    Args:
        code: in which tiles are configured, all full.
        x: where the sequences' bytes are (·, K).
        inputs: K, a multiple of `DEPTH`.
        weights: where the panel's bytes are (K/4, columns, 16 units, 4).
        starts: where the integers are that the sums of each column start with (16,).
        sums: where the sums go (·, columns, 16).
        count: of tiles of sequences, one or two.
    """
    assert code.lanes == WORDS, "processors with tiles have vectors of as many units"
    pitch = len(starts) * ROW
    for c, start in enumerate(starts):
        for tile in SUMS[:count]:
            amx.load(code, tile, start, 0)  # the same for all sequences
        with code.loop(0, inputs // DEPTH) as k:
            amx.load(code, RIGHT, weights + k * (ROWS * pitch) + c * ROW, pitch)
            for r, tile in enumerate(SUMS[:count]):
                amx.load(code, LEFT, x + k * DEPTH + r * ROWS * inputs, inputs)
                amx.multiply_bytes(code, tile, LEFT, RIGHT)
        for r, tile in enumerate(SUMS[:count]):
            amx.store(code, tile, sums + r * ROWS * pitch + c * ROW, pitch)


def trial_product(count: int, inputs: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """A product of bytes of every size, with sums that start anywhere, in tiles and in NumPy."""
    random = np.random.default_rng(0)
    x = random.integers(0, 256, (count * ROWS, inputs), np.uint8)
    weights = random.integers(-128, 128, (inputs, columns * ROWS), np.int8)
    packed = weights.reshape(inputs // 4, 4, columns * ROWS).transpose(0, 2, 1)
    starts = random.integers(-1000, 1000, columns * ROWS, np.int32)
    found = np.zeros((count * ROWS, columns * ROWS), np.int32)
    arrays = x, np.ascontiguousarray(packed), starts, found
    machine.run(product_address(count, inputs, columns), [array.ctypes.data for array in arrays])
    return found, x.astype(np.int32) @ weights.astype(np.int32) + starts


@compiled_once
def product_address(count: int, inputs: int, columns: int) -> Code:
    """The address of `multiply` alone."""
    code = Code("product_of_bytes", ["x", "weights", "starts", "sums"])
    starts = [code["starts"] + c * ROW for c in range(columns)]
    with amx.configured(code, FULL):
        multiply(code, code["x"], inputs, code["weights"], starts, code["sums"], count)
    return code
