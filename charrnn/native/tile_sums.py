"""The machine code of xᵀ · y in tiles, for the gradients of weights.

    sums += xᵀ · y      # (R, M)ᵀ · (R, N) → (M, N)

Tiles take x with R along their rows, and y with pairs of neighbouring rows side by side. So a block
of `DEPTH` rows after the other is packed: all of y, and a strip of x, which the threads divide, by
which it is multiplied while the cache holds both. `network.stack.cpu.matrices` calls it.
"""

from __future__ import annotations

from charrnn.native.code import amx, intrinsics
from charrnn.native.code.amx import FULL, LEFT, RIGHT, ROW, ROWS, SUMS, TILE
from charrnn.native.code.compiled import compiled_once
from charrnn.native.code.machine import Code, thread_count, thread_number
from charrnn.native.code.values import Int

__all__ = ["DEPTH", "SQUARE", "STRIP", "tile_sums_address"]

ARGUMENTS = ("R", "M", "N", "x", "y", "sums", "room")

# Rows and columns of x and y that are packed at once; rows of two tiles of sums, and of x and y in
# a product.
SQUARE = 2 * ROWS
DEPTH = 512  # rows of a block
STRIP = 128  # columns of x that are packed at a time


@compiled_once
def tile_sums_address() -> Code:
    """The address of sums += xᵀ · y, with the arguments `ARGUMENTS`.

    x (R, M) and y (R, N) are bfloat16, the sums (M, N) floats, and R, M and N multiples of
    `SQUARE`. `room` is what each thread needs to pack N + `STRIP` columns of `DEPTH` rows.
    """
    return _TileSums().code


class _TileSums:
    """See `tile_sums_address`."""

    def __init__(self) -> None:
        self.code = code = Code("sums_of_rows_in_tiles", ARGUMENTS)
        self.thread, self.threads = thread_number(code), thread_count(code)
        self.strip = code["room"] + self.thread * (code["N"] + STRIP) * (DEPTH * 2)
        self.panels = self.strip + STRIP * DEPTH * 2
        begin, end = code.share(code["M"], SQUARE, self.thread, self.threads)
        rows = code["R"] * (end - begin).minimum(1)  # of no columns there is nothing to add
        with amx.configured(code, FULL), code.loop(0, rows, DEPTH) as first:
            depth = (first + DEPTH).minimum(code["R"]) - first
            self.pack_panels(first, depth)
            with code.loop(begin, end, STRIP) as row:
                stop = (row + STRIP).minimum(end)
                self.pack_strip(first, depth, row, stop)
                with code.loop(row, stop, SQUARE) as m, code.loop(0, code["N"], ROWS) as n:
                    self.add(depth, row, m, n)

    def pack_panels(self, first: Int, depth: Int) -> None:
        """A block of y, from its row `first`: (N/16 panels, depth/32 tiles)."""
        code, pitch = self.code, self.code["N"] * 2
        with code.loop(0, depth, SQUARE) as r, code.loop(0, code["N"], SQUARE) as n:
            y = code["y"] + (first + r) * pitch + n * 2
            to = self.panels + (n * depth + r * ROWS) * 2
            with code.loop(0, ROWS) as pair:
                row = y + pair * 2 * pitch
                for c, words in enumerate(intrinsics.word_pairs(code, row, row + pitch)):
                    panel = to + depth * (c * ROWS * 2)
                    intrinsics.store_words(code, panel + pair * ROW, words)

    def pack_strip(self, first: Int, depth: Int, begin: Int, end: Int) -> None:
        """Columns of a block of x, turned: (columns/32, depth/32, 2 tiles)."""
        code, pitch = self.code, self.code["M"] * 2
        with code.loop(0, depth, SQUARE) as r, code.loop(begin, end, SQUARE) as m:
            x = code["x"] + (first + r) * pitch + m * 2
            to = self.strip + ((m - begin) * depth + r * SQUARE) * 2
            rows = [x + pitch * k for k in range(SQUARE)]
            pairs = [
                intrinsics.word_pairs(code, *two) for two in zip(rows[::2], rows[1::2], strict=True)
            ]
            for c, words in enumerate(zip(*pairs, strict=True)):
                for k, row in enumerate(intrinsics.transposed(code, list(words))):
                    intrinsics.store_words(code, to + k * ROW + c * TILE, row)

    def add(self, depth: Int, begin: Int, m: Int, n: Int) -> None:
        """Add a block's products to two tiles of sums, one below the other.

        Args:
            depth: rows of the block.
            begin: where the strip begins, see `pack_strip`.
            m, n: the first row and column of the sums.
        """
        code, pitch = self.code, self.code["N"] * 4
        left, right = self.strip + (m - begin) * depth * 2, self.panels + n * depth * 2
        corner = code["sums"] + m * pitch + n * 4
        places = {tile: corner + pitch * (ROWS * r) for r, tile in enumerate(SUMS)}
        for tile, place in places.items():
            amx.load(code, tile, place, pitch)
        with code.loop(0, depth * SQUARE, TILE) as at:
            amx.load(code, RIGHT, right + at, ROW)
            for r, tile in enumerate(SUMS):
                amx.load(code, LEFT, left + at * 2 + r * TILE, ROW)
                amx.multiply(code, tile, LEFT, RIGHT)
        for tile, place in places.items():
            amx.store(code, tile, place, pitch)
