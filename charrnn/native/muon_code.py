"""The machine code of Muon's steps, which `learning.muon` explains.

    for each of this thread's blocks of 64 rows:
        x = momentum, as the gradient moves it                  # (64, C)
        s = x xᵀ, p = a polynomial of s                         # (64, 64)
        weights = weights · decay - p x

What a block needs, (C + 256) · 256 bytes, stays in most second caches, so weights, gradients and
averages are read from memory once. Each block is one thread's, so that the number of threads
changes no bit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from charrnn.config import MUON_ROWS
from charrnn.native.code import intrinsics
from charrnn.native.code.compiled import compiled_once
from charrnn.native.code.machine import Code, thread_count, thread_number
from charrnn.native.code.values import Int, Vector
from charrnn.native.vectors import Vectors

__all__ = ["ROWS", "muon_address", "room_size"]

ARGUMENTS = ("B", "C", "weights", "means", "gradients", "room", "numbers")
ROWS = MUON_ROWS  # of a block
SQUARES = 4  # (64, 64), in which polynomials are multiplied
PITCH = ROWS * 4  # bytes of a row of a square
SQUARE = ROWS * PITCH  # bytes


def room_size(width: int) -> int:
    """How many floats a thread needs for blocks of that width."""
    return ROWS * (width + SQUARES * ROWS)


@compiled_once
def muon_address(
    momentum: float, polynomial: tuple[float, float, float], rounds: int, least: float
) -> Code:
    """The address of the code that changes a matrix, with the arguments `ARGUMENTS`.

    The matrix has B blocks (64, C), of floats, and C is a multiple of 64. `room` has `room_size`
    for each thread. `numbers` are floats: what gradients are multiplied by, what weights are, and
    the size of a step.
    """
    return _Muon(momentum, polynomial, rounds, least).code


class _Muon:
    """See `muon_address`."""

    def __init__(
        self, momentum: float, polynomial: Sequence[float], rounds: int, least: float
    ) -> None:
        self.code = code = Code("muon", ARGUMENTS)
        thread, threads = thread_number(code), thread_count(code)
        self.vectors = Vectors(code, 1, ROWS // code.lanes, thread, threads, "fp32")
        self.momentum, self.polynomial, self.least = momentum, polynomial, least
        self.share, self.decay, self.size = (
            intrinsics.broadcast_float(code, code["numbers"] + 4 * k) for k in range(3)
        )
        self.panels = code["C"] // ROWS
        self.x = code["room"] + thread * (self.panels + SQUARES) * SQUARE
        squares, *others = (self.x + (self.panels + k) * SQUARE for k in range(SQUARES))
        begin, end = code.share(code["B"], 1, thread, threads)
        with intrinsics.flushing_denormals(code), code.loop(begin, end) as block:
            start = block * (ROWS * 4) * code["C"]
            self.look_ahead(start)
            self.multiply_rows(squares)
            length = self.normalise(squares)
            self.step(start, self.product(squares, others, rounds), self.size / length)

    def places(self, row: Int, panel: Int) -> list[tuple[Int, Int]]:
        """Where vectors of a row's panel stand: in x, and in a block of the matrix."""
        inside, outside = panel * SQUARE + row * PITCH, (row * self.panels + panel) * PITCH
        steps = range(0, PITCH, 4 * self.code.lanes)
        return [(self.x + inside + step, outside + step) for step in steps]

    def look_ahead(self, start: Int) -> None:
        """A block's average of gradients, and from it Nesterov's momentum: x, panel by panel."""
        code = self.code
        with code.loop(0, ROWS) as row, code.loop(0, self.panels) as panel:
            for place, at in self.places(row, panel):
                gradient = code.load(code["gradients"] + start + at, "fp32") * self.share
                address = code["means"] + start + at
                mean = code.load(address, "fp32")
                mean = mean + (gradient - mean) * (1 - self.momentum)
                code.store(address, mean, "fp32")
                code.store(place, gradient + (mean - gradient) * self.momentum, "fp32")

    def multiply_rows(self, to: Int) -> None:
        """Each row of x by each other: x xᵀ, whose halves are equal."""
        code = self.code
        tall, wide = (4 if code.target.registers >= 32 else 2), 4
        zeros = [code.vector(0.0)] * (tall * wide)
        with code.loop(0, ROWS, tall) as i, code.loop(i // wide * wide, ROWS, wide) as j:
            with code.fold(0, self.panels, zeros) as (panel, values, results):
                sums = values
                for step in range(0, PITCH, 4 * code.lanes):
                    at = self.x + panel * SQUARE + step
                    left = [code.load(at + (i + r) * PITCH, "fp32") for r in range(tall)]
                    right = [code.load(at + (j + r) * PITCH, "fp32") for r in range(wide)]
                    products = [one * other for one in left for other in right]
                    sums = [a + b for a, b in zip(sums, products, strict=True)]
                results += sums
            for k, total in enumerate(results):
                row, column = i + k // wide, j + k % wide
                value = intrinsics.sum_of_lanes(total)
                for one, other in ((row, column), (column, row)):
                    intrinsics.store_float(code, to + one * PITCH + other * 4, value)

    def normalise(self, squares: Int) -> Vector:
        """Divide x xᵀ by the square of x's length; returns that length, W times."""
        code = self.code
        with code.fold(0, ROWS, [code.vector(0.0)]) as (k, values, results):
            corner = squares + k * (PITCH + 4)
            results.append(values[0] + intrinsics.broadcast_float(code, corner))
        size = intrinsics.maximum(code.vector(self.least), results[0])
        inverse = code.vector(1.0) / size
        with code.loop(0, SQUARE, 4 * code.lanes) as at:
            code.store(squares + at, code.load(squares + at, "fp32") * inverse, "fp32")
        return intrinsics.square_root(size)

    def product(self, squares: Int, others: list[Int], rounds: int) -> Int:
        """The product of all rounds' polynomials; returns where it stands.

        What is a polynomial of the same squares may be multiplied in any order.
        """
        product, other, room = others
        self.factor(squares, product)
        factor = product
        for _ in range(rounds - 1):
            self.multiply(factor, squares, room)
            self.multiply(factor, room, squares)
            factor = other
            self.factor(squares, factor)
            self.multiply(factor, product, room)
            product, room = room, product
        return product

    def factor(self, squares: Int, to: Int) -> None:
        """The polynomial of a round: a + b squares + c squares²."""
        code, (a, b, c) = self.code, self.polynomial

        def store(row: Int, vector: int, total: Vector) -> None:
            at = row * PITCH + vector * (4 * code.lanes)
            code.store(to + at, total * c + code.load(squares + at, "fp32") * b, "fp32")

        self.by_square(squares, squares, store)
        with code.loop(0, ROWS) as k:
            corner = to + k * (PITCH + 4)
            intrinsics.store_float(code, corner, intrinsics.broadcast_float(code, corner) + a)

    def multiply(self, left: Int, right: Int, to: Int) -> None:
        """A product of two squares, to a third place."""
        code = self.code

        def store(row: Int, vector: int, total: Vector) -> None:
            code.store(to + row * PITCH + vector * (4 * code.lanes), total, "fp32")

        self.by_square(left, right, store)

    def step(self, start: Int, product: Int, size: Vector) -> None:
        """Change a block of the weights."""
        code = self.code
        with code.loop(0, self.panels) as panel:

            def change(row: Int, vector: int, total: Vector) -> None:
                _, at = self.places(row, panel)[vector]
                address = code["weights"] + start + at
                weight = code.load(address, "fp32") * self.decay - total * size
                code.store(address, weight, "fp32")

            self.by_square(product, self.x + panel * SQUARE, change)

    def by_square(self, left: Int, right: Int, use: Callable[[Int, int, Vector], None]) -> None:
        """A product of squares; `use` gets a row's number, a vector's, and what is there."""
        code, lanes, columns = self.code, self.vectors.lanes, self.vectors.columns
        zeros = [code.vector(0.0)] * (lanes * columns)
        with code.loop(0, ROWS, lanes) as row:
            rows = [left + (row + r) * PITCH for r in range(lanes)]
            sums = self.vectors.sums(rows, right, ROWS, zeros)
            for k, total in enumerate(sums):
                use(row + k // columns, k % columns, total)
