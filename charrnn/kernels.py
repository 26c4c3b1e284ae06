"""A layer over a whole sequence as two pieces of machine code, one for each way.

    for each time step, for each block of units, for each of this thread's lanes:
        accumulators = bₕ + h Wₕᵀ              # in registers: all gates of the block
        h, c = rule(gx + bᵢ, accumulators)     # while they are there

A loop over PyTorch's operations spends more time between the products than in them. Here a step's
product and the cell's rule are one piece of code, the lanes are divided among the threads once for
the whole sequence, and no thread waits for another before its end. The code comes from the rules
in `gradients`, run once on vectors that write down what is done to them.
"""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from charrnn import openmp
from charrnn.cells import CELLS
from charrnn.config import CellName
from charrnn.gradients import RULES
from charrnn.machine import Code, Int, Numbers, Vector, panel_blocks, size, target, vector_width

__all__ = ["available", "backward", "best", "forward"]

NUMBERS: dict[torch.dtype, Numbers] = {torch.float32: "fp32", torch.bfloat16: "bf16"}

FORWARD = ("T", "B", "gx", "hs", "memory", "kept", "weights", "b_ih", "b_hh", "ids")
BACKWARD = (
    *("T", "B", "d_out", "hs", "memory", "kept", "weights"),
    *("dxs", "dhs", "d_h", "d_memory", "d_rows", "db_hh", "ids", "V"),
)


def available(hidden_size: int, dtype: torch.dtype) -> bool:
    """Whether there are kernels for these numbers and this width, which must be whole vectors."""
    found = target()
    if found is None or not openmp.available() or dtype not in NUMBERS:
        return False
    if dtype == torch.bfloat16 and not found.bf16:
        return False
    return hidden_size % found.lanes == 0


def best(cell: CellName, hidden_size: int, dtype: torch.dtype) -> bool:
    """Whether there are kernels, and they beat what PyTorch has for LSTMs.

    In fp32 they only do with 512-bit registers; see benchmarks/NOTES.md.
    """
    if not available(hidden_size, dtype):
        return False
    return cell != "lstm" or dtype != torch.float32 or vector_width() == 16


def _threads() -> int:
    return torch.get_num_threads()


def _per_word(numbers: Numbers) -> int:
    """How many numbers a 32-bit word holds: products are made word by word."""
    return 4 // size(numbers)


def _lanes_at_once(accumulators: int) -> int:
    """How many lanes share a load of weights; half of the registers are accumulators."""
    found = target()
    assert found is not None, "callers ask `available` first"
    return next(n for n in (8, 4, 2, 1) if n * accumulators <= max(found.registers // 2, 4))


def _pack(weights: Tensor, gates: int, width: int) -> Tensor:
    """Weights in the order in which the kernels read them.

    Args:
        weights: (K, G·N), for a product x (K,) to (G·N,).
        gates: G.
        width: units of a panel, M; N is a multiple of it.

    Returns:
        packed: (N/M panels, K words, G, M), where a word is one number, or two bfloat16 of
            neighbouring k.
    """
    inputs, units = weights.shape[0], weights.shape[1] // gates
    pair = 4 // weights.element_size()
    split = weights.reshape(inputs // pair, pair, gates, units // width, width)
    return split.permute(3, 0, 2, 4, 1).contiguous()


def _product(
    code: Code, rows: list[Int], panel: Int, words: int, totals: list[Vector], numbers: Numbers
) -> list[Vector]:
    """`totals` + rows · panel: accumulators, lane by lane, all in registers."""
    register = 4 * code.lanes  # bytes
    count = len(totals) // len(rows)  # accumulators of a lane
    with code.fold(0, words, totals) as (k, values, results):
        at = panel + k * (count * register)
        weights = [code.weights(at + v * register) for v in range(count)]
        for r, row in enumerate(rows):
            x = code.everywhere(row + k * 4)
            lane = values[r * count : (r + 1) * count]
            results += [
                code.dot(total, x, w, numbers) for total, w in zip(lane, weights, strict=True)
            ]
    return results


@functools.cache
def _forward(cell: CellName, hidden_size: int, numbers: Numbers, by_id: bool) -> int:
    """The code of `forward`; `by_id` if gx is a table."""
    code = Code(f"{cell}_forward", FORWARD)
    gates, rule, bytes_ = CELLS[cell].gates, RULES[cell], size(numbers)
    blocks = panel_blocks(gates, hidden_size)
    width = blocks * code.lanes
    words = hidden_size // _per_word(numbers)
    lanes = _lanes_at_once(gates * blocks)
    lane, gate = hidden_size * bytes_, hidden_size  # bytes of a lane's h; units of a gate

    def tile(t: Int, begin: Int, count: int, panel: Int) -> None:
        """`count` lanes from `begin`, one panel of units."""
        first = panel * width
        start = [
            code.load(code["b_hh"] + (first + (g * gate + u * code.lanes)) * 4, "fp32")
            for g in range(gates)
            for u in range(blocks)
        ]
        rows = [code["hs"] + (t * code["B"] + begin + r) * lane for r in range(count)]
        weights = code["weights"] + panel * (words * gates * width * 4)
        sums = _product(code, rows, weights, words, start * count, numbers)
        for r in range(count):
            now = t * code["B"] + begin + r
            for u in range(blocks):
                unit = first + u * code.lanes
                hs = sums[r * gates * blocks + u : (r + 1) * gates * blocks : blocks]
                pointwise(now, unit, hs)

    def pointwise(now: Int, unit: Int, hs: list[Vector]) -> None:
        """The cell's rule for one lane and W units."""
        row = code.integer(code["ids"] + now * 8) if by_id else now
        xs = [
            code.load(code["gx"] + (row * gates * hidden_size + unit + g * gate) * bytes_, numbers)
            + code.load(code["b_ih"] + (unit + g * gate) * 4, "fp32")
            for g in range(gates)
        ]
        at = now * hidden_size + unit
        before = _state(code, cell, at, numbers)
        kept, after = rule.forward(xs, hs, before)
        for k, value in enumerate(kept):
            place = now * (rule.kept * hidden_size) + unit + k * hidden_size
            code.store(code["kept"] + place * bytes_, value, numbers)
        later = at + code["B"] * hidden_size
        code.store(code["hs"] + later * bytes_, after[0], numbers)
        if rule.memory:
            code.store(code["memory"] + later * 4, after[-1], "fp32")

    begin, end = code.share(code["B"], lanes, openmp.thread(code), openmp.threads(code))
    whole = begin + (end - begin) // lanes * lanes
    with code.loop(0, code["T"]) as t, code.loop(0, hidden_size // width) as panel:
        with code.loop(begin, whole, lanes) as row:
            tile(t, row, lanes, panel)
        with code.loop(whole, end) as row:
            tile(t, row, 1, panel)
    return code.compile()


def _state(code: Code, cell: CellName, at: Int, numbers: Numbers) -> tuple[Vector, ...]:
    """The state of W units: what acts past the product is kept as floats."""
    state = [code.load(code["hs"] + at * size(numbers), numbers) for _ in CELLS[cell].state]
    if RULES[cell].memory:
        state[-1] = code.load(code["memory"] + at * 4, "fp32")
    return tuple(state)


@functools.cache
def _backward(cell: CellName, hidden_size: int, numbers: Numbers, by_id: bool) -> int:
    """The code of `backward`; `by_id` if the derivatives by gx are added up for each id."""
    code = Code(f"{cell}_backward", BACKWARD)
    gates, rule, bytes_ = CELLS[cell].gates, RULES[cell], size(numbers)
    blocks = panel_blocks(1, hidden_size)
    width = blocks * code.lanes
    words = gates * hidden_size // _per_word(numbers)
    lanes = _lanes_at_once(blocks)

    def pointwise(t: Int, row: Int, unit: Int) -> list[Vector]:
        """The way back through the cell's rule, for one lane and W units.

        Returns:
            slopes: what is to be added up over all lanes and steps.
        """
        now = t * code["B"] + row
        at = now * hidden_size + unit
        here = (row * hidden_size + unit) * 4  # in what goes from step to step
        kept = tuple(
            code.load(
                code["kept"] + (now * rule.kept * hidden_size + unit + k * hidden_size) * bytes_,
                numbers,
            )
            for k in range(rule.kept)
        )
        before = _state(code, cell, at, numbers)
        after = _state(code, cell, at + code["B"] * hidden_size, numbers)
        d_after = [
            code.load(code["d_out"] + at * bytes_, numbers) + code.load(code["d_h"] + here, "fp32")
        ]
        if rule.memory:
            memory = code.load(code["d_memory"] + here, "fp32")
            d_after = [*d_after, memory] if len(before) > 1 else [d_after[0] + memory]
        dxs, dhs, d_before = rule.backward(kept, before, after, tuple(d_after))
        place = (now * gates * hidden_size + unit) * bytes_
        for g in range(gates):
            if not (by_id and rule.split):
                code.store(code["dxs"] + place + g * hidden_size * bytes_, dxs[g], numbers)
            if rule.split:
                code.store(code["dhs"] + place + g * hidden_size * bytes_, dhs[g], numbers)
        if rule.memory:
            code.store(code["d_memory"] + here, d_before[-1], "fp32")
        if by_id:
            first = thread * code["V"] + code.integer(code["ids"] + now * 8)
            for address, slope in zip(parts("d_rows", first, unit), dxs, strict=True):
                code.store(address, code.load(address, "fp32") + slope, "fp32")
        return [*(dxs if not by_id else []), *(dhs if rule.split else [])]

    def parts(name: str, row: Int, unit: Int) -> list[Int]:
        """Where the gates of W units stand in a row of sums."""
        return [
            code[name] + (row * gates * hidden_size + unit + g * hidden_size) * 4
            for g in range(gates)
        ]

    def product(t: Int, begin: Int, count: int, panel: Int) -> None:
        """The derivative by h of `count` lanes from `begin`, one panel of units."""
        row = gates * hidden_size * bytes_
        rows = [code["dhs"] + (t * code["B"] + begin + r) * row for r in range(count)]
        weights = code["weights"] + panel * (words * width * 4)
        zeros = [code.vector(0.0)] * (count * blocks)
        sums = _product(code, rows, weights, words, zeros, numbers)
        for k, total in enumerate(sums):
            r, u = divmod(k, blocks)
            unit = panel * width + u * code.lanes
            code.store(code["d_h"] + ((begin + r) * hidden_size + unit) * 4, total, "fp32")

    thread = openmp.thread(code)
    begin, end = code.share(code["B"], lanes, thread, openmp.threads(code))
    whole = begin + (end - begin) // lanes * lanes
    with code.loop(0, code["T"]) as count:
        t = code["T"] - 1 - count
        with code.loop(0, hidden_size, code.lanes) as unit:
            sums = [] if by_id else parts("d_rows", thread, unit)
            sums += parts("db_hh", thread, unit) if rule.split else []
            totals = [code.load(address, "fp32") for address in sums]
            with code.fold(begin, end, totals) as (row, values, results):
                slopes = pointwise(t, row, unit)
                results += [value + slope for value, slope in zip(values, slopes, strict=True)]
            for address, total in zip(sums, results, strict=True):
                code.store(address, total, "fp32")
        with code.loop(0, hidden_size // width) as panel:
            with code.loop(begin, whole, lanes) as row:
                product(t, row, lanes, panel)
            with code.loop(whole, end) as row:
                product(t, row, 1, panel)
    return code.compile()


def _addresses(*tensors: Tensor | None) -> list[int]:
    assert all(tensor is None or tensor.is_contiguous() for tensor in tensors), "kernels need it"
    return [0 if tensor is None else tensor.data_ptr() for tensor in tensors]


def forward(
    cell: CellName,
    gx: Tensor,
    hs: Tensor,
    memory: Tensor,
    kept: Tensor,
    w_hh: Tensor,
    biases: tuple[Tensor, Tensor],
    ids: Tensor | None,
) -> None:
    """Run a layer over a sequence.

    Args:
        cell: its cell.
        gx: (T, B, G·H), the input product without its bias; with ids a table of it (V, G·H).
        hs: (T+1, B, H), of gx's kind; its first step is the state before, the others are filled.
        memory: (T+1, B, H) fp32, likewise, for a cell whose rule has a memory.
        kept: (T, B, K·H), of gx's kind, to be filled with what `backward` needs; may be gx.
        w_hh: (G·H, H) fp32.
        biases: b_ih and b_hh (G·H,) fp32.
        ids: (T, B) int64, the row of the table at each step.
    """
    steps, batch, hidden_size = len(hs) - 1, *hs.shape[1:]
    numbers = NUMBERS[gx.dtype]
    gates = CELLS[cell].gates
    width = panel_blocks(gates, hidden_size) * vector_width()
    weights = _pack(w_hh.t().to(gx.dtype), gates, width)
    assert ids is None or ids.dtype == torch.int64, "the code reads 64 bits, and believes them"
    arguments = _addresses(gx, hs, memory, kept, weights, *biases, ids)
    code = _forward(cell, hidden_size, numbers, ids is not None)
    openmp.run(code, [steps, batch, *arguments], _threads())


def backward(
    cell: CellName,
    d_out: Tensor,
    hs: Tensor,
    memory: Tensor,
    kept: Tensor,
    w_hh: Tensor,
    d_h: Tensor,
    d_memory: Tensor,
    ids: Tensor | None,
    rows: int | None,
) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    """The way back through `forward`.

    Args:
        cell: its cell.
        d_out: (T, B, H), of hs's kind, derivatives by the output of each step.
        hs, memory, kept: as `forward` left them.
        w_hh: (G·H, H) fp32.
        d_h, d_memory: (B, H) fp32, derivatives by the state after the last step; they become
            those by the state before the first.
        ids: as in `forward`.
        rows: V, if there are ids.

    Returns:
        dxs, dhs: (T, B, G·H), derivatives by the input and the recurrent product; one tensor if
            they are equal. With ids dxs is of no use: its sums are.
        d_rows: (V, G·H) fp32, the sums of dxs for each id; without ids (1, G·H), of all.
        db_hh: (G·H,) fp32, the sum of dhs, if it is another than that of dxs.
    """
    steps, batch, hidden_size = d_out.shape
    numbers = NUMBERS[hs.dtype]
    split, width = RULES[cell].split, len(w_hh)
    dhs = d_out.new_empty(steps, batch, width)
    dxs = torch.empty_like(dhs) if split and ids is None else dhs
    d_rows = d_h.new_zeros(_threads(), rows or 1, width)
    db_hh = d_h.new_zeros(_threads(), width)
    weights = _pack(w_hh.to(hs.dtype), 1, panel_blocks(1, hidden_size) * vector_width())
    tensors = (d_out, hs, memory, kept, weights, dxs, dhs, d_h, d_memory, d_rows, db_hh, ids)
    code = _backward(cell, hidden_size, numbers, ids is not None)
    openmp.run(code, [steps, batch, *_addresses(*tensors), rows or 1], _threads())
    return dxs, dhs, d_rows.sum(0), db_hh.sum(0) if split else None
