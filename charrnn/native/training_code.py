"""The machine code of training: one layer over a sequence, forward and backward.

    for each time step, for each block of units, for each of this thread's lanes:
        accumulators = bₕ + h Wₕᵀ              # in registers: all gates of the block
        h, c = rule(gx + bᵢ, accumulators)     # while they are there

It is made by the rules of `cells.gradients`, run once on vectors that record each operation.
`network.kernels` calls it.
"""

from __future__ import annotations

from charrnn.cells.gradients import RULES
from charrnn.cells.rules import CELLS
from charrnn.config import CellName
from charrnn.native import intrinsics
from charrnn.native.compiled import compiled_once
from charrnn.native.machine import Code, Int, Numbers, Vector, size
from charrnn.native.processor import panel_blocks
from charrnn.native.threads import thread_count, thread_number

__all__ = ["backward_code", "forward_code"]

FORWARD = ("T", "B", "gx", "hs", "memory", "kept", "weights", "b_ih", "b_hh", "ids")
BACKWARD = (
    *("T", "B", "d_out", "hs", "memory", "kept", "weights"),
    *("dxs", "dhs", "d_h", "d_memory", "d_rows", "db_hh", "ids", "V"),
)


@compiled_once
def forward_code(cell: CellName, hidden_size: int, numbers: Numbers, by_id: bool) -> Code:
    """The address of the forward pass, with the arguments `FORWARD`; `by_id` if gx is a table."""
    return _Forward(cell, hidden_size, numbers, by_id).code


@compiled_once
def backward_code(cell: CellName, hidden_size: int, numbers: Numbers, by_id: bool) -> Code:
    """That of the backward pass; `by_id` if the derivatives by gx are summed for each id."""
    return _Backward(cell, hidden_size, numbers, by_id).code


class _Build:
    """What both passes share."""

    def __init__(self, code: Code, cell: CellName, hidden_size: int, numbers: Numbers) -> None:
        self.code = code
        self.cell = cell
        self.rule = RULES[cell]
        self.gates = CELLS[cell].gates
        self.hidden_size = hidden_size
        self.numbers: Numbers = numbers
        self.bytes = size(numbers)

    def lanes_at_once(self, accumulators: int) -> int:
        """How many lanes share each load of weights; half of the registers are accumulators."""
        room = max(self.code.target.registers // 2, 4)
        return next(n for n in (8, 4, 2, 1) if n * accumulators <= room)

    def load(self, name: str, place: Int) -> Vector:
        """W numbers from an array in the format that is multiplied."""
        return self.code.load(self.code[name] + place * self.bytes, self.numbers)

    def store(self, name: str, place: Int, value: Vector) -> None:
        """W numbers to such an array."""
        self.code.store(self.code[name] + place * self.bytes, value, self.numbers)

    def state(self, at: Int) -> tuple[Vector, ...]:
        """The state of W units; the part that acts past the product is kept as floats."""
        state = [self.load("hs", at) for _ in CELLS[self.cell].state]
        if self.rule.memory:
            state[-1] = self.code.load(self.code["memory"] + at * 4, "fp32")
        return tuple(state)

    def product(
        self, rows: list[Int], panel: Int, words: int, totals: list[Vector]
    ) -> list[Vector]:
        """`totals` + rows · panel: accumulators, lane by lane, all in registers."""
        code, register = self.code, 4 * self.code.lanes  # bytes
        count = len(totals) // len(rows)  # accumulators per lane
        with code.fold(0, words, totals) as (k, values, results):
            at = panel + k * (count * register)
            weights = [code.weights(at + v * register) for v in range(count)]
            for r, row in enumerate(rows):
                x = code.broadcast(row + k * 4)
                lane = values[r * count : (r + 1) * count]
                results += [
                    code.dot(total, x, w, self.numbers)
                    for total, w in zip(lane, weights, strict=True)
                ]
        return results


class _Forward(_Build):
    """See `kernels.forward`."""

    def __init__(self, cell: CellName, hidden_size: int, numbers: Numbers, by_id: bool) -> None:
        code = Code(f"{cell}_forward", FORWARD)
        super().__init__(code, cell, hidden_size, numbers)
        self.by_id = by_id
        self.blocks = panel_blocks(self.gates, hidden_size)
        self.width = self.blocks * code.lanes
        lanes = self.lanes_at_once(self.gates * self.blocks)
        begin, end = code.share(code["B"], lanes, thread_number(code), thread_count(code))
        whole = begin + (end - begin) // lanes * lanes
        steps, panels = code["T"], hidden_size // self.width
        with (
            intrinsics.flushing_denormals(code),
            code.loop(0, steps) as t,
            code.loop(0, panels) as panel,
        ):
            with code.loop(begin, whole, lanes) as row:
                self.tile(t, row, lanes, panel)
            with code.loop(whole, end) as row:
                self.tile(t, row, 1, panel)

    def tile(self, t: Int, begin: Int, count: int, panel: Int) -> None:
        """`count` lanes from `begin`, one panel of units."""
        code, hidden = self.code, self.hidden_size
        first, words = panel * self.width, hidden * self.bytes // 4
        start = [
            code.load(code["b_hh"] + (first + (g * hidden + u * code.lanes)) * 4, "fp32")
            for g in range(self.gates)
            for u in range(self.blocks)
        ]
        lane = hidden * self.bytes
        rows = [code["hs"] + (t * code["B"] + begin + r) * lane for r in range(count)]
        weights = code["weights"] + panel * (words * self.gates * self.width * 4)
        sums = self.product(rows, weights, words, start * count)
        each = self.gates * self.blocks
        for r in range(count):
            now = t * code["B"] + begin + r
            for u in range(self.blocks):
                unit = first + u * code.lanes
                self.pointwise(now, unit, sums[r * each + u : (r + 1) * each : self.blocks])

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


class _Backward(_Build):
    """See `kernels.backward`."""

    def __init__(self, cell: CellName, hidden_size: int, numbers: Numbers, by_id: bool) -> None:
        code = Code(f"{cell}_backward", BACKWARD)
        super().__init__(code, cell, hidden_size, numbers)
        self.by_id = by_id
        self.blocks = panel_blocks(1, hidden_size)
        lanes = self.lanes_at_once(self.blocks)
        self.thread = thread_number(code)
        begin, end = code.share(code["B"], lanes, self.thread, thread_count(code))
        whole = begin + (end - begin) // lanes * lanes
        with intrinsics.flushing_denormals(code), code.loop(0, code["T"]) as count:
            t = code["T"] - 1 - count
            with code.loop(0, hidden_size, code.lanes) as unit:
                self.units(t, begin, end, unit)
            with code.loop(0, hidden_size // (self.blocks * code.lanes)) as panel:
                with code.loop(begin, whole, lanes) as row:
                    self.through_product(t, row, lanes, panel)
                with code.loop(whole, end) as row:
                    self.through_product(t, row, 1, panel)

    def units(self, t: Int, begin: Int, end: Int, unit: Int) -> None:
        """W units of all lanes of this thread, and the sums of their derivatives."""
        code = self.code
        places = [] if self.by_id else self.gate_sums("d_rows", self.thread, unit)
        places += self.gate_sums("db_hh", self.thread, unit) if self.rule.split else []
        totals = [code.load(address, "fp32") for address in places]
        with code.fold(begin, end, totals) as (row, values, results):
            slopes = self.pointwise(t, row, unit)
            results += [value + slope for value, slope in zip(values, slopes, strict=True)]
        for address, total in zip(places, results, strict=True):
            code.store(address, total, "fp32")

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

    def through_product(self, t: Int, begin: Int, count: int, panel: Int) -> None:
        """The derivative by h of `count` lanes from `begin`, one panel of units."""
        code, width = self.code, self.blocks * self.code.lanes
        row = self.gates * self.hidden_size * self.bytes
        rows = [code["dhs"] + (t * code["B"] + begin + r) * row for r in range(count)]
        words = row // 4
        weights = code["weights"] + panel * (words * width * 4)
        sums = self.product(rows, weights, words, [code.vector(0.0)] * (count * self.blocks))
        for k, total in enumerate(sums):
            r, u = divmod(k, self.blocks)
            unit = panel * width + u * code.lanes
            place = (begin + r) * self.hidden_size + unit
            code.store(code["d_h"] + place * 4, total, "fp32")
