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
        # So many lanes share each load of weights. Of few registers nearly all are accumulators:
        # with fewer, products would wait for each other.
        room = 12 if code.target.registers == 16 else 16
        self.lanes = next(n for n in (8, 4, 3, 2, 1) if n * columns <= room)
        unit = 1 if self.lanes == 3 else self.lanes  # see `groups`
        self.begin, self.end = code.share(code["B"], unit, thread, threads)

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
        for lane, count in self.groups(self.begin, self.end):
            rows = [x + (lane + r) * pitch for r in range(count)]
            starts = [start(block) for block in blocks]
            totals = [vector for gate in zip(*starts, strict=True) for vector in gate]
            sums = self.sums(rows, weights, words, totals * count)
            for r in range(count):
                of_lane = sums[r * self.columns : (r + 1) * self.columns]
                for k, block in enumerate(blocks):
                    use(lane + r, block, of_lane[k :: self.blocks])

    def groups(self, begin: Int, end: Int) -> Iterator[tuple[Int, int]]:
        """The first of each group of lanes, and how many it has; what follows is code for each.

        What whole groups leave over are single lanes; of groups of three it is pairs, as these
        divide few shares.
        """
        count = end - begin
        stops = {self.lanes: count // self.lanes * self.lanes, 1: count}
        if self.lanes == 3:
            pairs = ((count + 2) // 3 * 3 - count).minimum(count // 2)
            threes = (count - pairs * 2) // 3 * 3
            stops = {3: threes, 2: threes + pairs * 2, 1: count}
        first = begin
        for size, stop in stops.items():
            with self.code.loop(first, begin + stop, size) as lane:
                yield lane, size
            first = begin + stop

    def sums(
        self, rows: list[Int], panel: Int, words: Int | int, totals: list[Vector], pitch: int = 4
    ) -> list[Vector]:
        """`totals` + rows · panel, row by row; the words of a row are `pitch` bytes apart."""
        code, count, register = self.code, self.columns, 4 * self.code.lanes  # bytes
        with code.fold(0, words, totals) as (k, values, results):
            at = panel + k * (count * register)
            places = [at + v * register for v in range(count)]
            sums = list(values)
            # The shorter side stays in registers, the other comes one by one: there are few.
            if len(rows) < count:
                xs = [code.broadcast(row + k * pitch) for row in rows]
                for v, place in enumerate(places):
                    w = code.weights(place)
                    for n, x in zip(range(v, len(sums), count), xs, strict=True):
                        sums[n] = code.dot(sums[n], x, w, self.precision)
            else:
                ws = [code.weights(place) for place in places]
                for r, row in enumerate(rows):
                    x = code.broadcast(row + k * pitch)
                    for n, w in enumerate(ws, r * count):
                        sums[n] = code.dot(sums[n], x, w, self.precision)
            results += sums
        return results
