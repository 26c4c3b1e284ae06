"""The machine code of sampling: N tokens of B sequences are read, or drawn and read.

    for each token:
        for each layer, for each panel of its units, for some sequences at a time:
            sums = bytes of x Wᵢᵀ, bytes of h Wₕᵀ    # integers, in registers or the cache
            h, c = rule(scaled sums)                 # floats
        if it draws:
            logits = head · outputs
            ids = the draw

Threads divide the sequences among them. If these are few, two threads divide the panels instead,
and wait for each other after each layer. If they are many, their products are computed in tiles
where the processor has them, to the same bits.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import nullcontext
from typing import NamedTuple

import numpy as np

from charrnn.cells.gradients import RULES
from charrnn.cells.rules import CELLS
from charrnn.config import CellName
from charrnn.native.code import amx, intrinsics
from charrnn.native.code.amx import FULL, ROW, ROWS
from charrnn.native.code.compiled import compiled_once
from charrnn.native.code.machine import Code
from charrnn.native.code.values import Int, Vector
from charrnn.native.processor import panel_blocks
from charrnn.native.writing import byte_tiles
from charrnn.native.writing.byte_weights import ByteProduct

__all__ = [
    "DRAW_ARGUMENTS",
    "SEQUENCES_AT_ONCE",
    "THREADS_CAN_WAIT",
    "SamplingCode",
    "Shape",
    "Share",
    "argument_names",
    "sampling_address",
]

SEQUENCES_AT_ONCE = 4  # that share each load of weights
THREADS_CAN_WAIT = hasattr(os, "sched_yield")  # for each other, without keeping others from running

# Arguments that only draws need.
DRAW_ARGUMENTS = (
    "uniforms",
    "inverse_temperatures",
    "mask",
    "logits",
    "weights",
    "excess",
    "totals",
)


class Shape(NamedTuple):
    """What the code depends on."""

    cell: CellName
    hidden_size: int
    vocab_size: int
    skips: tuple[bool, ...]
    bounds: tuple[float, ...]  # of the inputs of all layers but the first
    in_tiles: bool = False  # whether products of many sequences are, see `byte_tiles`


class Share(NamedTuple):
    """What one thread does: all units of some sequences, or one of several parts of the units.

    Attributes:
        first: of the sequences.
        last: of the sequences, not included.
        part: which part of the units.
        parts: 1, or 2 if two threads go through the same sequences.
    """

    first: int
    last: int
    part: int = 0
    parts: int = 1


def argument_names(layers: int) -> list[str]:
    """The arguments of the code."""
    names = ["N", "B", "parity", "draws", *Share._fields, "sync"]
    names += ["ids", *DRAW_ARGUMENTS, "table", "embedding", "head", "head_bias"]
    names += ["h", "memory", "bytes", "inputs", "outputs"]
    for k in range(layers):
        products = "hx" if k else "h"
        names += [f"{name}{k}.{field}" for name in products for field in ByteProduct._fields]
    return names


@compiled_once
def sampling_address(shape: Shape) -> Code:
    """The address of the code for models of a shape."""
    return SamplingCode(shape).code


class SamplingCode:
    """The code under construction."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.code = code = Code(f"{shape.cell}_sampling", argument_names(len(shape.skips)))
        self.gates = CELLS[shape.cell].gates
        self.blocks = panel_blocks(self.gates, shape.hidden_size)
        self.width = self.blocks * code.lanes
        self.sums = dict[str, Int]()  # as `byte_tiles.multiply` stores them
        if shape.in_tiles:
            size = 2 * ROWS * self.gates * self.blocks * ROW
            self.sums = {product: intrinsics.memory(code, size) for product in ("h", "x")}
        tiles = amx.configured(code, FULL) if shape.in_tiles else nullcontext()
        with tiles, code.loop(0, code["N"]) as n:
            now = code["parity"] + n
            now = now - now // 2 * 2  # which of the two states in bytes is read
            for k in range(len(shape.skips)):
                self.layer(k, n, now)
                self.wait()
            with code.loop(0, code["draws"]):
                self.head()
                self.wait()
                self.draw(n)
                self.wait()

    def wait(self) -> None:
        """Wait until the other thread is here, if two share the units."""
        if THREADS_CAN_WAIT:
            with self.code.loop(1, self.code["parts"]):  # once, or not at all
                intrinsics.barrier(self.code, self.code["sync"])

    def share(self, count: Int | int) -> tuple[Int, Int]:
        """Where this thread's part of `count` things begins and ends."""
        return self.code.share(count, 1, self.code["part"], self.code["parts"])

    def sequences(self, work: Callable[[list[Int]], None], first: Int) -> None:
        """Add code for sequences that share each load of weights, and for those left over."""
        code, last = self.code, self.code["last"]
        whole = first + (last - first) // SEQUENCES_AT_ONCE * SEQUENCES_AT_ONCE
        with code.loop(first, whole, SEQUENCES_AT_ONCE) as row:
            work([row + r for r in range(SEQUENCES_AT_ONCE)])
        with code.loop(whole, last) as row:
            work([row])

    def layer(self, k: int, n: Int, now: Int) -> None:
        """A step of layer `k`: one panel of units after another, some sequences at a time."""
        begin, end = self.share(self.shape.hidden_size // self.width)
        with self.code.loop(begin, end) as panel:
            first = self.code["first"]
            if self.shape.in_tiles:
                first = self.tiled(
                    lambda row, count: self.step_in_tiles(k, n, now, panel, row, count)
                )
            self.sequences(lambda rows: self.step_in_vectors(k, n, now, panel, rows), first)

    def tiled(self, work: Callable[[Int, int], None]) -> Int:
        """Add code for sequences that fill two tiles, and one; returns the first left over."""
        code, first, last = self.code, self.code["first"], self.code["last"]
        for count in (2, 1):
            whole = first + (last - first) // (ROWS * count) * (ROWS * count)
            with code.loop(first, whole, ROWS * count) as row:
                work(row, count)
            first = whole
        return first

    def step_in_tiles(self, k: int, n: Int, now: Int, panel: Int, first: Int, count: int) -> None:
        """A step of one panel of units, for sequences that fill one tile or two."""
        code, columns = self.code, self.gates * self.blocks
        inputs = {"h": self.bytes_of_state(k, now, first)}
        if k:
            inputs["x"] = self.inputs(k, first)
        for product, x in inputs.items():
            starts = [code[f"{product}{k}.start"] + unit * 4 for unit in self.units(panel)]
            weights = self.panel_of(f"{product}{k}", panel)
            byte_tiles.multiply(
                code, x, self.shape.hidden_size, weights, starts, self.sums[product], count
            )
        with code.loop(first, first + ROWS * count) as row:
            token = code.integer(code["ids"] + (n * code["B"] + row) * 8)
            place = (row - first) * (columns * ROW)
            found = {}
            for product in inputs:
                at = self.sums[product] + place
                totals = [Vector(code, code.weights(at + c * ROW)) for c in range(columns)]
                found[product] = self.scaled(f"{product}{k}", panel, totals)
            xs = found["x"] if k else self.row_of_table(token, panel)
            self.units_of_sequence(k, now, row, token, panel, xs, found["h"])

    def step_in_vectors(self, k: int, n: Int, now: Int, panel: Int, rows: list[Int]) -> None:
        """A step of one panel of units, for sequences that share its weights."""
        code = self.code
        ids = [code.integer(code["ids"] + (n * code["B"] + row) * 8) for row in rows]
        if k:
            xs = self.product(f"x{k}", panel, [self.inputs(k, row) for row in rows])
        else:
            xs = [self.row_of_table(token, panel) for token in ids]
        hs = self.product(f"h{k}", panel, [self.bytes_of_state(k, now, row) for row in rows])
        for row, token, x, h in zip(rows, ids, xs, hs, strict=True):
            self.units_of_sequence(k, now, row, token, panel, x, h)

    def units_of_sequence(
        self, k: int, now: Int, row: Int, token: Int, panel: Int, x: list[Vector], h: list[Vector]
    ) -> None:
        """The cell's rule for a panel of a sequence's units."""
        for u in range(self.blocks):
            unit = panel * self.width + u * self.code.lanes
            self.pointwise(k, now, row, token, unit, x[u :: self.blocks], h[u :: self.blocks])

    def row_of_table(self, token: Int, panel: Int) -> list[Vector]:
        """The first layer's input product for a token."""
        code, row = self.code, token * self.gates * self.shape.hidden_size
        return [code.load(code["table"] + (row + unit) * 4, "fp32") for unit in self.units(panel)]

    def units(self, panel: Int) -> list[Int]:
        """Where the vectors of a panel begin in rows of all gates (G·H,)."""
        hidden, lanes = self.shape.hidden_size, self.code.lanes
        first = panel * self.width
        return [
            first + (g * hidden + u * lanes) for g in range(self.gates) for u in range(self.blocks)
        ]

    def bytes_of_state(self, k: int, which: Int, row: Int) -> Int:
        """The address of a sequence's state in bytes, before or after this step."""
        code = self.code
        return code["bytes"] + ((which + 2 * k) * code["B"] + row) * self.shape.hidden_size

    def inputs(self, k: int, row: Int) -> Int:
        """The address of what layer `k`, not the first, reads for a sequence, in bytes."""
        code = self.code
        return code["inputs"] + (code["B"] * k + row) * self.shape.hidden_size

    def panel_of(self, name: str, panel: Int) -> Int:
        """The address of a panel of weights."""
        return self.code[f"{name}.weights"] + panel * (
            self.shape.hidden_size * self.gates * self.width
        )

    def product(self, name: str, panel: Int, at: list[Int]) -> list[list[Vector]]:
        """Inputs in bytes times a panel: for each sequence, one vector per gate and block."""
        code, hidden = self.code, self.shape.hidden_size
        count, register = self.gates * self.blocks, 4 * code.lanes
        base, starts = self.panel_of(name, panel), code[f"{name}.start"]
        start = [Vector(code, code.weights(starts + unit * 4)) for unit in self.units(panel)]
        with code.fold(0, hidden // 4, start * len(at)) as (word, values, results):
            weights = [
                code.weights(base + word * (count * register) + v * register) for v in range(count)
            ]
            for r, address in enumerate(at):
                x = code.broadcast(address + word * 4)
                sums = values[r * count : (r + 1) * count]
                results += [
                    intrinsics.dot(code, total, x, w)
                    for total, w in zip(sums, weights, strict=True)
                ]
        return [
            self.scaled(name, panel, results[r * count : (r + 1) * count]) for r in range(len(at))
        ]

    def scaled(self, name: str, panel: Int, sums: list[Vector]) -> list[Vector]:
        """A sequence's sums of a panel, which are integers, as floats."""
        code = self.code
        parts: list[list[Vector]] = [
            [code.load(code[f"{name}.{part}"] + unit * 4, "fp32") for unit in self.units(panel)]
            for part in ("scale", "bias")
        ]
        return [
            intrinsics.floats(total) * factor + more
            for total, factor, more in zip(sums, *parts, strict=True)
        ]

    def pointwise(
        self, k: int, now: Int, row: Int, token: Int, unit: Int, xs: list[Vector], hs: list[Vector]
    ) -> None:
        """The cell's rule for W units of a sequence; its results go where they will be read."""
        code, shape = self.code, self.shape
        rule, hidden = RULES[shape.cell], shape.hidden_size
        place = ((code["B"] * k + row) * hidden + unit) * 4
        before = (code.load(code["h"] + place, "fp32"), code.load(code["memory"] + place, "fp32"))
        _, after = rule.forward(xs, hs, before[: len(CELLS[shape.cell].state)])
        h = after[0]
        code.store(code["h"] + place, h, "fp32")
        if len(after) > 1:
            code.store(code["memory"] + place, after[1], "fp32")
        later = self.bytes_of_state(k, code.constant(1) - now, row) + unit
        intrinsics.store_bytes(code, later, h, 1.0)
        if shape.skips[k]:
            below = code["embedding"] + (token * hidden + unit) * 4
            if k:
                below = code["outputs"] + ((code["B"] * (k - 1) + row) * hidden + unit) * 4
            h = h + code.load(below, "fp32")
        code.store(code["outputs"] + place, h, "fp32")
        if k + 1 < len(shape.skips):
            intrinsics.store_bytes(code, self.inputs(k + 1, row) + unit, h, shape.bounds[k])

    def head(self) -> None:
        """The logits of all sequences, one panel of the vocabulary after another."""
        begin, end = self.share(-(-self.shape.vocab_size // self.code.lanes))
        with self.code.loop(begin, end) as panel:
            self.sequences(lambda rows: self.logits(panel, rows), self.code["first"])

    def logits(self, panel: Int, rows: list[Int]) -> None:
        """One panel of the vocabulary, for sequences that share its weights."""
        code, hidden = self.code, self.shape.hidden_size
        last, panels = len(self.shape.skips) - 1, -(-self.shape.vocab_size // code.lanes)
        register = 4 * code.lanes
        sums = 4  # side by side, since each addition waits for the one before
        xs = [code["outputs"] + (code["B"] * last + row) * (hidden * 4) for row in rows]
        base = code["head"] + panel * (hidden * register)
        start = [code.load(code["head_bias"] + panel * register, "fp32")]
        start += [code.vector(0.0)] * (sums - 1)
        with code.fold(0, hidden, start * len(rows), sums) as (k, values, results):
            weights = [code.load(base + (k + part) * register, "fp32") for part in range(sums)]
            for r, x in enumerate(xs):
                for part, weight in enumerate(weights):
                    input_ = intrinsics.broadcast_float(code, x + (k + part) * 4)
                    results.append(values[r * sums + part] + input_ * weight)
        for r, row in enumerate(rows):
            a, b, c, d = results[r * sums : (r + 1) * sums]
            code.store(
                code["logits"] + (row * panels + panel) * register, (a + b) + (c + d), "fp32"
            )

    def draw(self, n: Int) -> None:
        """The next token of each sequence, and its probability under the model itself.

        That is exp(excess) / totals, where all logits are taken less the largest of them.
        """
        code, vocab = self.code, self.shape.vocab_size
        width = -(-vocab // code.lanes) * code.lanes
        inverse_temperature = intrinsics.broadcast_float(code, code["inverse_temperatures"] + n * 4)
        begin, end = self.share(code["last"] - code["first"])
        with code.loop(code["first"] + begin, code["first"] + end) as row:
            logits, weights = (code[name] + row * (width * 4) for name in ("logits", "weights"))
            here = (n * code["B"] + row) * 4
            lowest = [code.vector(-np.inf)] * 2  # of the permitted ones, and of all
            with code.fold(0, width, lowest, code.lanes) as (v, values, results):
                logit = code.load(logits + v * 4, "fp32")
                permitted = logit + code.load(code["mask"] + v * 4, "fp32")
                code.store(weights + v * 4, permitted, "fp32")
                results.append(intrinsics.maximum(permitted, values[0]))
                results.append(intrinsics.maximum(logit, values[1]))
            peak, highest = map(intrinsics.maximum_of_lanes, results)
            with code.fold(0, width, [code.vector(0.0)], code.lanes) as (v, values, totals):
                excess = code.load(weights + v * 4, "fp32") - peak
                code.store(weights + v * 4, intrinsics.exp(excess * inverse_temperature), "fp32")
                unmasked = intrinsics.exp(code.load(logits + v * 4, "fp32") - highest)
                totals.append(values[0] + unmasked)
            intrinsics.running_sum(code, weights, width)
            uniform = intrinsics.broadcast_float(code, code["uniforms"] + here)
            reached = uniform * intrinsics.broadcast_float(code, weights + (width - 1) * 4)
            # With NaN among the sums, too, the id stays within the vocabulary.
            count = intrinsics.count_up_to(code, weights, width, reached)
            token = count.minimum(vocab - 1)
            intrinsics.store_integer(code, code["ids"] + ((n + 1) * code["B"] + row) * 8, token)
            excess = intrinsics.broadcast_float(code, logits + token * 4) - highest
            intrinsics.store_float(code, code["excess"] + here, excess)
            intrinsics.store_float(code, code["totals"] + here, intrinsics.sum_of_lanes(totals[0]))
