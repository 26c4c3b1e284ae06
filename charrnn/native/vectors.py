"""Products in vector registers: a few rows by a panel of weights, all sums in registers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from charrnn.config import ProductPrecision
from charrnn.native.code.machine import Code
from charrnn.native.code.values import Int, Vector

__all__ = ["Vectors"]


class Vectors:
    """Products in vectors, of this thread's lanes by a panel.

    Args:
        code: to be written, with the number of lanes as its argument B.
        gates, blocks: a panel of weights has so many vectors of units for each of so many gates.
        thread, threads: which of how many runs the code.
        precision: of the product.
    """

    def __init__(
        self,
        code: Code,
        gates: int,
        blocks: int,
        thread: Int,
        threads: Int,
        precision: ProductPrecision,
    ) -> None:
        self.code = code
        self.blocks = blocks
        self.columns = columns = gates * blocks
        self.precision: ProductPrecision = precision
        # So many lanes share each load of weights; half of the registers are accumulators.
        room = max(code.target.registers // 2, 4)
        self.lanes = next(n for n in (8, 4, 2, 1) if n * columns <= room)
        self.begin, self.end = code.share(code["B"], self.lanes, thread, threads)

    @contextmanager
    def ready(self) -> Iterator[None]:
        """Products are computed inside."""
        yield

    def multiply(
        self,
        x: Int,
        weights: Int,
        words: Int | int,
        start: Callable[[Int], list[Vector]],
        use: Callable[[Int, Int, list[Vector]], None],
    ) -> None:
        """Make the sums of all lanes: where they start + x · weights, a vector for each column.

        Args:
            x: the address of the first lane's numbers; other lanes follow.
            weights: that of a panel, as `network.stack.cpu.packing` packs it.
            words: of four bytes that a lane has.
            start: makes what the sums of a block of units start with, a vector for each gate.
            use: gets a lane, a block of units, and their sums, a vector for each gate.
        """
        blocks = [self.code.constant(block) for block in range(self.blocks)]
        pitch = self.code.constant(words) * 4
        whole = self.begin + (self.end - self.begin) // self.lanes * self.lanes
        for first, last, count in ((self.begin, whole, self.lanes), (whole, self.end, 1)):
            with self.code.loop(first, last, count) as lane:
                rows = [x + (lane + r) * pitch for r in range(count)]
                starts = [start(block) for block in blocks]
                totals = [vector for gate in zip(*starts, strict=True) for vector in gate]
                sums = self.sums(rows, weights, words, totals * count)
                for r in range(count):
                    of_lane = sums[r * self.columns : (r + 1) * self.columns]
                    for k, block in enumerate(blocks):
                        use(lane + r, block, of_lane[k :: self.blocks])

    def sums(
        self, rows: list[Int], panel: Int, words: Int | int, totals: list[Vector], pitch: int = 4
    ) -> list[Vector]:
        """`totals` + rows · panel, row by row; the words of a row are `pitch` bytes apart."""
        code, count, register = self.code, self.columns, 4 * self.code.lanes  # bytes
        with code.fold(0, words, totals) as (k, values, results):
            at = panel + k * (count * register)
            weights = [code.weights(at + v * register) for v in range(count)]
            for r, row in enumerate(rows):
                x = code.broadcast(row + k * pitch)
                lane = values[r * count : (r + 1) * count]
                results += [
                    code.dot(total, x, w, self.precision)
                    for total, w in zip(lane, weights, strict=True)
                ]
        return results
