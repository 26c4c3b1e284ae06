"""The machine code of products of bfloat16 that no step of a layer waits for.

    y = x · w      # (R, K) · (K, N) → (R, N): a layer's inputs by its weights
    s = xᵀ · y     # (R, M)ᵀ · (R, N) → (M, N): the gradients of weights

Both are sums over pairs of neighbouring numbers. For the first, x has them side by side, and the
weights are packed. For the second, pairs are neighbours of two rows, so both sides are packed, a
block of rows after the other, where the cache holds them. `network.stack.cpu.matrices` calls it.
"""

from __future__ import annotations

from functools import partial

from charrnn.native.code.compiled import compiled_once
from charrnn.native.code.machine import Code, thread_count, thread_number
from charrnn.native.code.values import Int, Vector
from charrnn.native.vectors import Vectors

__all__ = ["DEPTH", "STRIPS", "pairs_address", "rows_address", "sums_address"]

ROWS = ("B", "K", "N", "x", "weights", "y")
PAIRS = ("K", "N", "x", "words")
SUMS = ("R", "B", "N", "x", "y", "sums", "room")

BLOCK = 64  # rows that are multiplied by all weights before the next are
DEPTH = 256  # rows of a block of `sums_address`
STRIPS = (64, 32)  # columns of x that are packed at a time, the faster first


@compiled_once
def rows_address(columns: int) -> Code:
    """The address of y = x · w, with the arguments `ROWS`; B is R.

    x (B, K) and y (B, N) are bfloat16. The weights are packed in panels (N/(C·W), K/2 words, C, W),
    a word two neighbouring k of bfloat16, C being `columns`.
    """
    code = Code("rows_by_weights", ROWS)
    product = Vectors(code, 1, columns, thread_number(code), thread_count(code), "bf16")
    words, width = code["K"] // 2, columns * code.lanes
    end = product.end

    def store(panel: Int, row: Int, column: Int, sums: list[Vector]) -> None:
        place = row * code["N"] + panel * width + column * code.lanes
        code.store(code["y"] + place * 2, sums[0], "bf16")

    with code.loop(product.begin, end, BLOCK) as first:
        # Those that `multiply` takes: a block stays in the cache while all weights pass.
        product.begin, product.end = first, (first + BLOCK).minimum(end)
        with code.loop(0, code["N"] // width) as panel:
            weights = code["weights"] + panel * words * (width * 4)
            zeros = [code.vector(0.0)]
            product.multiply(code["x"], weights, words, lambda _: zeros, partial(store, panel))
    return code


@compiled_once
def pairs_address() -> Code:
    """The address of what packs x (K, N), bfloat16, as words (K/2, N); arguments `PAIRS`."""
    code = Code("pairs_of_rows", PAIRS)
    begin, end = code.share(code["K"] // 2, 1, thread_number(code), thread_count(code))
    with code.loop(begin, end) as k, code.loop(0, code["N"], code.lanes) as column:
        _pack(code, code["x"], code["N"], k, column, code["words"] + (k * code["N"] + column) * 4)
    return code


@compiled_once
def sums_address(columns: int, strip: int) -> Code:
    """The address of sums += xᵀ · y, with the arguments `SUMS`; B is M, which the threads divide.

    x (R, B) and y (R, N) are bfloat16, the sums (B, N) floats. R is even, B whole strips. `room` is
    what each thread needs to pack N + `strip` columns of `DEPTH` rows.
    """
    return _Sums(columns, strip).code


class _Sums:
    """See `sums_address`."""

    def __init__(self, columns: int, strip: int) -> None:
        self.code = code = Code("sums_of_rows", SUMS)
        thread, threads = thread_number(code), thread_count(code)
        self.product = Vectors(code, 1, columns, thread, threads, "bf16")
        assert strip % self.product.lanes == 0, "a strip is whole groups of rows"
        self.width, self.strip_width = columns * code.lanes, strip
        self.strip = code["room"] + thread * (code["N"] + strip) * (DEPTH * 2)
        self.panels = self.strip + DEPTH * strip * 2
        begin, end = code.share(code["B"], strip, thread, threads)
        with code.loop(0, code["R"], DEPTH) as first:
            words = ((first + DEPTH).minimum(code["R"]) - first) // 2
            self.pack_panels(first, words)
            with code.loop(begin, end, strip) as row:
                self.pack_strip(first, words, row)
                with (
                    code.loop(0, code["N"] // self.width) as panel,
                    code.loop(0, strip, self.product.lanes) as r,
                ):
                    self.add(words, panel, row, r)

    def pack_panels(self, first: Int, words: Int) -> None:
        """A block of y, from its row `first`."""
        code, width = self.code, self.width
        y = code["y"] + first * code["N"] * 2
        # Panel by panel: a row's pieces of all panels would be in each other's place in the cache.
        with code.loop(0, code["N"] // width) as panel, code.loop(0, words) as k:
            to = self.panels + (panel * words + k) * (width * 4)
            for column in range(0, width, code.lanes):
                _pack(code, y, code["N"], k, panel * width + column, to + column * 4)

    def pack_strip(self, first: Int, words: Int, row: Int) -> None:
        """A strip of the block of x, which are rows of sums from `row`."""
        code = self.code
        x = code["x"] + first * code["B"] * 2
        with code.loop(0, words) as k, code.loop(0, self.strip_width, code.lanes) as column:
            to = self.strip + (k * self.strip_width + column) * 4
            _pack(code, x, code["B"], k, row + column, to)

    def add(self, words: Int, panel: Int, row: Int, r: Int) -> None:
        """Add a panel's products to a few rows of sums, of which `r` is the first of the strip."""
        code, product = self.code, self.product
        rows, columns = range(product.lanes), range(product.columns)
        first = (row + r) * code["N"] + panel * self.width
        places = [
            code["sums"] + (first + code["N"] * n + c * code.lanes) * 4
            for n in rows
            for c in columns
        ]
        for place in places:  # it takes as long to come as the products take
            code.prefetch(place)
        x = [self.strip + (r + n) * 4 for n in rows]
        weights = self.panels + panel * words * (self.width * 4)
        zeros = [code.vector(0.0)] * len(places)
        sums = product.sums(x, weights, words, zeros, pitch=self.strip_width * 4)
        for place, total in zip(places, sums, strict=True):
            code.store(place, code.load(place, "fp32") + total, "fp32")


def _pack(code: Code, x: Int, columns: Int, k: Int, column: Int, to: Int) -> None:
    """W columns of rows 2k and 2k + 1 of x, side by side."""
    at = x + (k * 2 * columns + column) * 2
    code.store_pairs(to, *(code.load(row, "bf16") for row in (at, at + columns * 2)))
