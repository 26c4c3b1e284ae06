"""Products of tiles: AMX, which Intel's processors have since Sapphire Rapids.

A tile is a register of up to 16 rows of 64 bytes. One instruction multiplies two of them:

    sums (16, 16) += x (16, 32) · weights (32, 16)    # (lanes, units) += (lanes, K) · (K, units)

x and the weights are bfloat16, of the weights two neighbouring k side by side; the sums are floats.
Charrnn's authors seldom have a processor with tiles, and run the code where their instructions are
emulated. So tiles count as available only once they have multiplied correctly: see `available`.

Intel, "Intel 64 and IA-32 architectures software developer's manual", volume 2: LDTILECFG,
TILELOADD, TDPBF16PS, TILESTORED.
"""

from __future__ import annotations

import ctypes
import functools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import numpy as np

from charrnn.errors import warn
from charrnn.native import processor
from charrnn.native.code import intrinsics, machine
from charrnn.native.code.compiled import compiled_once
from charrnn.native.code.machine import Code
from charrnn.native.code.values import Int, Vector

with suppress(ImportError, OSError):  # see `machine`
    from llvmlite import ir

__all__ = [
    "ROW",
    "ROWS",
    "TILE",
    "WORDS",
    "Tiles",
    "available",
    "granted",
    "multiply_right",
    "panel_blocks",
    "product_address",
    "trial_product",
]

ROWS = 16  # of a tile, at most
WORDS = 16  # of a row: floats, or pairs of bfloat16
ROW = 4 * WORDS  # bytes
TILE = ROWS * ROW  # bytes, when full
# The eight tiles: four of sums, and two of lanes and of weights each.
SUMS, LANES, WEIGHTS = 0, 4, 6
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


def panel_blocks(gates: int, hidden_size: int, threads: int) -> int:
    """How many vectors of units stand side by side in a panel, for threads that divide the panels.

    Two columns at least, since two by two tiles are multiplied at once, and four at most: what
    leaves the least to the thread that has most.
    """
    vectors = hidden_size // WORDS
    fitting = [n for n in (4, 2, 1) if 2 <= n * gates <= 4 and vectors % n == 0]
    return min(fitting, key=lambda n: -(-vectors // (n * threads)) * n)


def trial_product(lanes: int, words: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """A product of small whole numbers, which is exact, in tiles and in NumPy."""
    random = np.random.default_rng(0)
    x = random.integers(-8, 9, (lanes, 2 * words)).astype(np.float32)
    weights = random.integers(-8, 9, (2 * words, columns, WORDS)).astype(np.float32)
    split = weights.reshape(words // ROWS, ROWS, 2, columns, WORDS)
    packed = split.transpose(0, 3, 1, 4, 2)  # (tiles, columns, 16 words, units, two k)
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
    product = Tiles(code, columns, code.constant(0), code.constant(1))

    def store(lane: Int, sums: list[Vector]) -> None:
        for c, total in enumerate(sums):
            code.store(code["sums"] + lane * (columns * ROW) + c * ROW, total, "fp32")

    with product.ready():
        zeros = [code.vector(0.0)] * columns
        product.multiply(code["x"], code["weights"], words, lambda: zeros, store)
    return code


class Tiles:
    """Products in tiles, of all lanes by this thread's panels of weights.

    A step reads all weights, so they decide its speed. A thread that has only some of them keeps
    them in its cache, and multiplies each with all lanes. So the threads divide the panels, and
    wait for each other once a step.

    The lanes are divided into as few tiles as can be, of equally many rows; two tiles are
    multiplied at once while there are two. The last begins so early that it is full, and computes
    some lanes that the one before has computed, too.

    Args:
        code: with the arguments B, the number of lanes, and `sync`: see `intrinsics.barrier`.
        columns: of 16 units, in a panel of weights; at most four.
        thread, threads: which share of the panels, of how many.
    """

    def __init__(self, code: Code, columns: int, thread: Int, threads: Int) -> None:
        assert code.lanes == WORDS, "processors with tiles have vectors of as many floats"
        self.code = code
        self.columns = columns
        self.thread, self.threads = thread, threads
        self.begin, self.end = code.constant(0), code["B"]
        self.row = code.constant(0)
        self.tiles = (self.end + (ROWS - 1)) // ROWS
        some = self.tiles.maximum(1)  # of no lanes there are no tiles
        self.rows = ((self.end + some - 1) // some).maximum(1)
        self.configuration = intrinsics.memory(code, 64)
        self.sums = intrinsics.memory(code, 2 * columns * TILE)  # (32 lanes, columns, 16)

    def panels(self, count: int) -> tuple[Int, Int]:
        """Where this thread's share of the panels begins and ends."""
        return self.code.share(count, 1, self.thread, self.threads)

    def wait(self) -> None:
        """Until the units of all threads are there."""
        intrinsics.barrier(self.code, self.code["sync"], self.threads)

    @contextmanager
    def ready(self) -> Iterator[None]:
        """Products are computed inside; tiles are of their sizes there, and given back after."""
        code = self.code
        # Palette 1 has eight tiles: how long their rows are, in 16 bits each, and how many, in 8.
        bytes_of_rows = ROW * 0x0001_0001_0001_0001
        rows = self.rows * 0x0000_0101_0101_0101 + (ROWS * 0x0101 << 8 * WEIGHTS)
        parts: list[Int | int] = [1, 0, bytes_of_rows, bytes_of_rows, 0, 0, rows, 0]
        for k, part in enumerate(parts):
            intrinsics.store_integer(code, self.configuration + 8 * k, code.constant(part))
        self._do("ldtilecfg ($0)", self.configuration)
        yield
        self._do("tilerelease")

    def multiply(
        self,
        x: Int,
        weights: Int,
        words: int,
        start: Callable[[], list[Vector]],
        use: Callable[[Int, list[Vector]], None],
    ) -> None:
        """See `vectors.Vectors.multiply`; words are a multiple of 16.

        Weights are (words / 16, columns, 16 words, 16 units), so that a tile is read in a row.
        """
        code, pairs = self.code, self.tiles // 2 * 2
        for begin, end, count in ((code.constant(0), pairs, 2), (pairs, self.tiles, 1)):
            with code.loop(begin, end, count) as tile:
                first = tile * self.rows
                last = self.end - self.rows  # where a full tile can begin
                lanes = [(first + self.rows * r).minimum(last) for r in range(count)]
                self._store_sums(x, weights, words, lanes)
                stop = (first + self.rows * count).minimum(self.end)
                with code.loop(first, stop) as lane:
                    at = self.sums + (lane - lanes[0]) * (self.columns * ROW)
                    sums = [code.load(at + c * ROW, "fp32") for c in range(self.columns)]
                    use(lane, [a + b for a, b in zip(start(), sums, strict=True)])

    def _store_sums(self, x: Int, weights: Int, words: int, lanes: list[Int]) -> None:
        """Products of one or two tiles, given by their first lanes, to memory in the cache."""
        code, count, stride = self.code, len(lanes), self.columns * ROW
        together = (LANES - SUMS) // count  # columns
        for first in range(0, self.columns, together):
            columns = range(first, min(first + together, self.columns))
            sums = {(r, c): SUMS + (c - first) * count + r for c in columns for r in range(count)}
            for tile in sums.values():
                self._do(f"tilezero %tmm{tile}")
            with code.loop(0, words // WORDS) as k:
                for r, lane in enumerate(lanes):
                    self._load(LANES + r, x + lane * (words * 4) + k * ROW, words * 4)
                for c in columns:
                    right = WEIGHTS + c % 2
                    self._load(right, weights + (k * self.columns + c) * TILE, ROW)
                    for r in range(count):
                        self._do(f"tdpbf16ps %tmm{right}, %tmm{LANES + r}, %tmm{sums[r, c]}")
            for (r, c), tile in sums.items():
                at = self.sums + (lanes[r] - lanes[0]) * stride + c * ROW
                self._do(f"tilestored %tmm{tile}, ($0,$1)", at, code.constant(stride))

    def _load(self, tile: int, address: Int, stride: int) -> None:
        """Rows from memory, `stride` bytes from each to the next."""
        self._do(f"tileloadd ($0,$1), %tmm{tile}", address, self.code.constant(stride))

    def _do(self, instruction: str, *operands: Int) -> None:
        """One instruction, as it is written.

        LLVM's own functions for tiles are of no use: it takes all tiles for alike and renames them,
        but they differ in their rows.
        """
        values = [operand.value for operand in operands]
        kind = ir.FunctionType(ir.VoidType(), [value.type for value in values])
        changes = ["~{memory}", *(f"~{{tmm{tile}}}" for tile in range(8))]
        constraints = ",".join(["r"] * len(values) + changes)
        self.code.builder.asm(kind, instruction, constraints, values, side_effect=True)
