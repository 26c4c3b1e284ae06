"""The machine code of training: one layer over a sequence, forward and backward.

    for each time step, for each panel of units, for each of this thread's lanes:
        accumulators = bₕ + h Wₕᵀ              # in registers: all gates of the panel
        h, c = rule(gx + bᵢ, accumulators)     # while they are there

The code is made by the rules of `cells.gradients`, run once on vectors that record each operation;
`network.stack.cpu.kernels` calls it. Where products are computed in `tiles`, the accumulators go
through memory in the cache.
"""

from __future__ import annotations

from functools import partial
from typing import Literal, NamedTuple

from charrnn.cells.gradients import RULES
from charrnn.cells.rules import CELLS
from charrnn.config import CellName, ProductPrecision
from charrnn.native.code import intrinsics
from charrnn.native.code.compiled import compiled_once
from charrnn.native.code.machine import Code, size, thread_count, thread_number
from charrnn.native.code.values import Int, Vector
from charrnn.native.tiles import Tiles
from charrnn.native.vectors import Vectors

__all__ = [
    "Backward",
    "Forward",
    "LayerShape",
    "Product",
    "backward_address",
    "forward_address",
]

# How products are computed: in vectors of floats or of bfloat16, or in tiles of bfloat16.
Product = Literal["fp32", "bf16", "tiles"]

FORWARD = ("T", "B", "gx", "hs", "memory", "kept", "weights", "b_ih", "b_hh", "ids")
BACKWARD = (
    *("T", "B", "d_out", "hs", "memory", "kept", "weights"),
    *("dxs", "dhs", "d_h", "d_memory", "d_rows", "db_hh", "ids", "V"),
)


class LayerShape(NamedTuple):
    """What the code depends on.

    Attributes:
        by_id: whether gx is a table, for whose rows derivatives are summed.
        blocks: the vectors of units of a panel.
    """

    cell: CellName
    hidden_size: int
    product: Product
    by_id: bool
    blocks: int


@compiled_once
def forward_address(shape: LayerShape) -> Code:
    """The address of the forward pass, with the arguments `FORWARD`."""
    return Forward(shape).code


@compiled_once
def backward_address(shape: LayerShape) -> Code:
    """The address of the backward pass, with the arguments `BACKWARD`."""
    return Backward(shape).code


class _Build:
    """What both passes share.

    Args:
        code: to be written.
        shape: of the layer.
        together: gates that stand side by side in a panel.
    """

    def __init__(self, code: Code, shape: LayerShape, together: int) -> None:
        cell, hidden_size, product, self.by_id, self.blocks = shape
        self.code = code
        self.cell = cell
        self.rule = RULES[cell]
        self.gates = CELLS[cell].gates
        self.hidden_size = hidden_size
        self.precision: ProductPrecision = "fp32" if product == "fp32" else "bf16"
        self.bytes = size(self.precision)
        self.width = self.blocks * code.lanes  # units of a panel
        self.product: Vectors | Tiles
        self.thread, threads = thread_number(code), thread_count(code)
        if product == "tiles":
            self.product = Tiles(code, together, self.blocks, self.thread, threads)
        else:
            precision = self.precision
            self.product = Vectors(code, together, self.blocks, self.thread, threads, precision)
        self.panels = hidden_size // self.width

    def unit(self, panel: Int, block: Int) -> Int:
        """The first of the W units of a block."""
        return panel * self.width + block * self.code.lanes

    def load(self, name: str, place: Int) -> Vector:
        """W numbers from an array in the format that is multiplied."""
        return self.code.load(self.code[name] + place * self.bytes, self.precision)

    def store(self, name: str, place: Int, value: Vector) -> None:
        """W numbers to such an array."""
        self.code.store(self.code[name] + place * self.bytes, value, self.precision)

    def state(self, at: Int) -> tuple[Vector, ...]:
        """The state of W units; the part that acts past the product is kept as floats."""
        state = [self.load("hs", at) for _ in CELLS[self.cell].state]
        if self.rule.memory:
            state[-1] = self.code.load(self.code["memory"] + at * 4, "fp32")
        return tuple(state)


class Forward(_Build):
    """See `kernels.forward`."""

    def __init__(self, shape: LayerShape) -> None:
        code = Code(f"{shape.cell}_forward", FORWARD)
        super().__init__(code, shape, together=CELLS[shape.cell].gates)
        words = shape.hidden_size * self.bytes // 4  # of a lane
        with (
            intrinsics.flushing_denormals(code),
            self.product.ready(),
            code.loop(0, code["T"]) as t,
            code.loop(0, self.panels) as panel,
        ):
            self.product.multiply(
                code["hs"] + t * code["B"] * (words * 4),
                code["weights"] + panel * (words * self.gates * self.width * 4),
                words,
                partial(self.biases, panel),
                partial(self.units, t, panel),
            )

    def biases(self, panel: Int, block: Int) -> list[Vector]:
        """The biases of a block of a panel: its sums start with them."""
        code, unit = self.code, self.unit(panel, block)
        places = [code["b_hh"] + (unit + g * self.hidden_size) * 4 for g in range(self.gates)]
        return [code.load(place, "fp32") for place in places]

    def units(self, t: Int, panel: Int, lane: Int, block: Int, sums: list[Vector]) -> None:
        """A block of units in one lane."""
        self.pointwise(t * self.code["B"] + lane, self.unit(panel, block), sums)

    def pointwise(self, now: Int, unit: Int, hs: list[Vector]) -> None:
        """The cell's rule for one lane and W units."""
        code, hidden, rule = self.code, self.hidden_size, self.rule
        row = code.integer(code["ids"] + now * 8) if self.by_id else now
        xs = [
            self.load("gx", row * self.gates * hidden + unit + g * hidden)
            + code.load(code["b_ih"] + (unit + g * hidden) * 4, "fp32")
            for g in range(self.gates)
        ]
        at = now * hidden + unit
        kept, after = rule.forward(xs, hs, self.state(at))
        for k, value in enumerate(kept):
            self.store("kept", now * (rule.kept * hidden) + unit + k * hidden, value)
        later = at + code["B"] * hidden
        self.store("hs", later, after[0])
        if rule.memory:
            code.store(code["memory"] + later * 4, after[-1], "fp32")


class Backward(_Build):
    """See `kernels.backward`."""

    def __init__(self, shape: LayerShape) -> None:
        code = Code(f"{shape.cell}_backward", BACKWARD)
        super().__init__(code, shape, together=1)
        words = self.gates * shape.hidden_size * self.bytes // 4  # of a lane
        with (
            intrinsics.flushing_denormals(code),
            self.product.ready(),
            code.loop(0, code["T"]) as count,
        ):
            t = code["T"] - 1 - count
            with (
                code.loop(self.product.begin, self.product.end) as row,
                code.loop(0, shape.hidden_size, code.lanes) as unit,
            ):
                self.units(t, row, unit)
            with code.loop(0, self.panels) as panel:
                self.product.multiply(
                    code["dhs"] + t * code["B"] * (words * 4),
                    code["weights"] + panel * (words * self.width * 4),
                    words,
                    lambda _: [code.vector(0.0)],
                    partial(self.store_sums, panel),
                )

    def units(self, t: Int, row: Int, unit: Int) -> None:
        """W units of one lane, and the sums of their derivatives over all lanes."""
        code = self.code
        places = [] if self.by_id else self.gate_sums("d_rows", self.thread, unit)
        places += self.gate_sums("db_hh", self.thread, unit) if self.rule.split else []
        slopes = self.pointwise(t, row, unit)
        for address, slope in zip(places, slopes, strict=True):
            code.store(address, code.load(address, "fp32") + slope, "fp32")

    def gate_sums(self, name: str, row: Int, unit: Int) -> list[Int]:
        """The addresses of the gates of W units in a row of sums."""
        hidden = self.hidden_size
        return [
            self.code[name] + (row * self.gates * hidden + unit + g * hidden) * 4
            for g in range(self.gates)
        ]

    def pointwise(self, t: Int, row: Int, unit: Int) -> list[Vector]:
        """Backward through the cell's rule, for one lane and W units.

        Returns:
            slopes: the derivatives to be summed over all lanes and steps.
        """
        code, hidden, rule = self.code, self.hidden_size, self.rule
        now = t * code["B"] + row
        at = now * hidden + unit
        kept = tuple(
            self.load("kept", now * rule.kept * hidden + unit + k * hidden)
            for k in range(rule.kept)
        )
        before, after = self.state(at), self.state(at + code["B"] * hidden)
        here = (row * hidden + unit) * 4  # in the derivatives carried from step to step
        d_after = [self.load("d_out", at) + code.load(code["d_h"] + here, "fp32")]
        if rule.memory:
            memory = code.load(code["d_memory"] + here, "fp32")
            d_after = [*d_after, memory] if len(before) > 1 else [d_after[0] + memory]
        dxs, dhs, d_before = rule.backward(kept, before, after, tuple(d_after))
        for g in range(self.gates):
            place = now * self.gates * hidden + unit + g * hidden
            if not (self.by_id and rule.split):
                self.store("dxs", place, dxs[g])
            if rule.split:
                self.store("dhs", place, dhs[g])
        if rule.memory:
            code.store(code["d_memory"] + here, d_before[-1], "fp32")
        if self.by_id:
            first = self.thread * code["V"] + code.integer(code["ids"] + now * 8)
            for address, slope in zip(self.gate_sums("d_rows", first, unit), dxs, strict=True):
                code.store(address, code.load(address, "fp32") + slope, "fp32")
        return [*(dxs if not self.by_id else []), *(dhs if rule.split else [])]

    def store_sums(self, panel: Int, lane: Int, block: Int, sums: list[Vector]) -> None:
        """The derivatives with respect to h, of one lane and a block of units."""
        place = lane * self.hidden_size + self.unit(panel, block)
        self.code.store(self.code["d_h"] + place * 4, sums[0], "fp32")
