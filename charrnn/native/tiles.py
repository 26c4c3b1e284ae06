"""Products of a layer in tiles: AMX, which Intel's processors have since Sapphire Rapids.

    sums (16, 16) += x (16, 32) · weights (32, 16)    # (lanes, units) += (lanes, K) · (K, units)

Charrnn's authors seldom have a processor with tiles, and run the code where their instructions are
emulated. So tiles count as available only once they have multiplied correctly: see `available`.
"""

from __future__ import annotations

import ctypes
import functools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

from charrnn.errors import warn
from charrnn.native import processor
from charrnn.native.code import amx, intrinsics, machine
from charrnn.native.code.amx import FULL, LEFT, RIGHT, ROW, ROWS, SUMS, TILE, WORDS
from charrnn.native.code.compiled import compiled_once
from charrnn.native.code.machine import Code
from charrnn.native.code.values import Int, Vector

__all__ = [
    "Tiles",
    "available",
    "granted",
    "multiply_right",
    "product_address",
    "trial_product",
]

AHEAD = 4  # tiles; fetched no sooner, weights that fill the second cache would come too late
# Linux lends tiles to processes that ask: arch_prctl(ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA).
ARCH_PRCTL, REQUEST, TILE_DATA = 158, 0x1023, 18


def available() -> bool:
    """Whether products of tiles can be computed here, and are right."""
    found = processor.target()
    return found is not None and found.has_tiles and granted() and multiply_right()


@functools.cache
def granted() -> bool:
    """Ask the system for tiles, for all threads of this process."""
    if sys.platform != "linux":
        return False
    call = ctypes.CDLL(None).syscall
    call.restype = ctypes.c_long
    answer: int = call(*(ctypes.c_long(n) for n in (ARCH_PRCTL, REQUEST, TILE_DATA)))
    return answer == 0


@functools.cache
def multiply_right() -> bool:
    """Whether products are right, with a warning if not."""
    found, expected = trial_product(lanes=41, words=3 * WORDS, columns=3)
    right = np.array_equal(found, expected)
    if not right:
        warn("tiles (AMX) give wrong products here, so training does without them")
    return right


def trial_product(lanes: int, words: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """A product of small whole numbers, which is exact, in tiles and in NumPy."""
    random = np.random.default_rng(0)
    x = random.integers(-8, 9, (lanes, 2 * words)).astype(np.float32)
    weights = random.integers(-8, 9, (2 * words, columns, WORDS)).astype(np.float32)
    split = weights.reshape(words // ROWS, ROWS, 2, columns, WORDS)
    packed = split.transpose(3, 0, 1, 4, 2)  # (columns, tiles, 16 words, units, two k)
    numbers = [_bfloat16(x), _bfloat16(packed)]
    found = np.zeros((lanes, columns * WORDS), np.float32)
    arguments = [lanes, *(array.ctypes.data for array in (*numbers, found))]
    machine.run(product_address(words, columns), arguments)
    return found, x @ weights.reshape(2 * words, -1)


def _bfloat16(numbers: np.ndarray) -> np.ndarray:
    """Floats that need no rounding as bfloat16: their upper halves."""
    return (np.ascontiguousarray(numbers).view(np.uint32) >> 16).astype(np.uint16)


@compiled_once
def product_address(words: int, columns: int) -> Code:
    """The address of a product of B lanes by a panel of weights, with sums (B, columns, 16)."""
    code = Code("product", ["B", "x", "weights", "sums"])
    product = Tiles(code, 1, columns, code.constant(0), code.constant(1))

    def store(lane: Int, block: Int, sums: list[Vector]) -> None:
        code.store(code["sums"] + (lane * columns + block) * ROW, sums[0], "fp32")

    with product.ready():
        zeros = [code.vector(0.0)]
        product.multiply(code["x"], code["weights"], words, lambda _: zeros, store)
    return code


class Tiles:
    """Products in tiles, of this thread's lanes by a panel.

    The lanes are divided into as few tiles as can be, of equally many rows; two tiles are
    multiplied at once while there are two. The last begins so early that it is full, and computes
    some lanes that the one before has computed, too.

    Args:
        code: with the argument B, the number of lanes.
        gates, blocks: a panel of weights has so many vectors of units for each of so many gates.
        thread, threads: which share, of how many.
    """

    def __init__(self, code: Code, gates: int, blocks: int, thread: Int, threads: Int) -> None:
        assert code.lanes == WORDS, "processors with tiles have vectors of as many floats"
        self.code = code
        self.gates, self.blocks = gates, blocks
        self.pitch = gates * blocks * ROW  # bytes of a lane's sums
        self.begin, self.end = code.share(code["B"], 1, thread, threads)
        lanes = self.end - self.begin
        self.tiles = (lanes + (ROWS - 1)) // ROWS
        some = self.tiles.maximum(1)  # of no lanes there are no tiles
        self.rows = ((lanes + some - 1) // some).maximum(1)
        self.sums = intrinsics.memory(code, 2 * ROWS * self.pitch)  # (32 lanes, gates, blocks, 16)

    @contextmanager
    def ready(self) -> Iterator[None]:
        """Products are computed inside; tiles are of their sizes there, and given back after."""
        of_lanes = sum(1 << 8 * tile for tile in (*SUMS, LEFT))  # a byte for each tile
        rows = self.rows * of_lanes + (FULL - ROWS * of_lanes)
        with amx.configured(self.code, rows):
            yield

    def multiply(
        self,
        x: Int,
        weights: Int,
        words: int,
        start: Callable[[Int], list[Vector]],
        use: Callable[[Int, Int, list[Vector]], None],
    ) -> None:
        """See `vectors.Vectors.multiply`; words are a multiple of 16.

        Weights are (columns, words / 16, 16 words, 16 units): tiles are read one after another.
        """
        code, pairs = self.code, self.tiles // 2 * 2
        for begin, end, count in ((code.constant(0), pairs, 2), (pairs, self.tiles, 1)):
            with code.loop(begin, end, count) as tile:
                first = self.begin + tile * self.rows
                last = self.end - self.rows  # where a full tile can begin
                lanes = [(first + self.rows * r).minimum(last) for r in range(count)]
                self._store_sums(x, weights, words, lanes)
                stop = (first + self.rows * count).minimum(self.end)
                with code.loop(first, stop) as lane, code.loop(0, self.blocks) as block:
                    at = self.sums + (lane - lanes[0]) * self.pitch + block * ROW
                    places = [at + g * self.blocks * ROW for g in range(self.gates)]
                    sums = [code.load(place, "fp32") for place in places]
                    use(lane, block, [a + b for a, b in zip(start(block), sums, strict=True)])

    def _store_sums(self, x: Int, weights: Int, words: int, lanes: list[Int]) -> None:
        """Products of one or two tiles, given by their first lanes, to memory in the cache."""
        code, tiles = self.code, SUMS[: len(lanes)]
        with code.loop(0, self.gates * self.blocks) as column:
            for tile in tiles:
                amx.zero(code, tile)
            with code.loop(0, words // WORDS) as k:
                at = weights + (column * (words // WORDS) + k) * TILE
                amx.load(code, RIGHT, at, ROW)
                for line in range(0, TILE, ROW):
                    code.prefetch(at + (AHEAD * TILE + line))
                for tile, lane in zip(tiles, lanes, strict=True):
                    amx.load(code, LEFT, x + lane * (words * 4) + k * ROW, words * 4)
                    amx.multiply(code, tile, LEFT, RIGHT)
            for tile, lane in zip(tiles, lanes, strict=True):
                at = self.sums + (lane - lanes[0]) * self.pitch + column * ROW
                amx.store(code, tile, at, self.pitch)
