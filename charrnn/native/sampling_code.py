"""The code of `writer`: steps and draws of B sequences, for N tokens.

    for each token, read or drawn:
        for each layer, for each panel of its units, for some sequences at a time:
            sums = bytes of x Wᵢᵀ, bytes of h Wₕᵀ    # integers in registers
            h, c = rule(scaled sums)                 # floats
        if it draws:
            logits = head · outputs
            ids = the draw

Threads divide the sequences among them; of few, they divide the panels instead, and wait for each
other after each layer.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from charrnn.arrays import Floats
from charrnn.cells.gradients import RULES
from charrnn.cells.rules import CELLS
from charrnn.config import CellName
from charrnn.native import intrinsics
from charrnn.native.machine import Code, Int, Vector
from charrnn.native.processor import made_once, panel_blocks

__all__ = [
    "DRAWING",
    "NEVER",
    "TOGETHER",
    "WAITS",
    "Product",
    "Shape",
    "argument_names",
    "code_of",
]

TOGETHER = 4  # sequences that share a load of weights
NEVER = -np.inf  # the logit of what is not in the vocabulary
WAITS = hasattr(os, "sched_yield")  # whether threads can wait for each other and let others in


class Product(NamedTuple):
    """A matrix in bytes.

    Attributes:
        weights: (N/M panels, K/4, G, M, 4) signed bytes.
        start: (G·N,) int32, where the sums start: what the offset of bytes takes away.
        scale: (G·N,), what a sum is multiplied with.
        bias: (G·N,), what is added then.
    """

    weights: NDArray[np.int8]
    start: NDArray[np.int32]
    scale: Floats
    bias: Floats


class Shape(NamedTuple):
    """What the code of a writer depends on."""

    cell: CellName
    hidden_size: int
    vocab_size: int
    skips: tuple[bool, ...]
    bounds: tuple[float, ...]  # of the inputs of all layers but the first


# Arguments of draws alone.
DRAWING = ("numbers", "heat", "mask", "logits", "weights", "chosen", "totals")


def argument_names(layers: int) -> list[str]:
    """The arguments of the code."""
    names = ["N", "B", "parity", "draws", "first", "last", "share", "shares", "sync"]
    names += ["ids", *DRAWING, "table", "embedding", "head", "head_bias"]
    names += ["h", "memory", "bytes", "inputs", "outputs"]
    for k in range(layers):
        names += [f"{name}{k}.{part}" for name in "hx"[: 1 + (k > 0)] for part in Product._fields]
    return names


def code_of(shape: Shape) -> int:
    """The address of the code for models of a shape.

    It goes through the sequences from `first` to `last`. `shares` is 1; or 2, if two threads go
    through the same sequences: then `share` says which of the units are this one's.
    """
    with _MAKING:  # two threads that need it at once would both make it
        return _made(shape)


_MAKING = threading.Lock()


@made_once
def _made(shape: Shape) -> int:
    return _Build(shape).code.compile()


class _Build:
    """The code as it is written down."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.code = code = Code(f"{shape.cell}_writer", argument_names(len(shape.skips)))
        self.gates = CELLS[shape.cell].gates
        self.blocks = panel_blocks(self.gates, shape.hidden_size)
        self.width = self.blocks * code.lanes
        with code.loop(0, code["N"]) as n:
            now = code["parity"] + n
            now = now - now // 2 * 2
            for k in range(len(shape.skips)):
                self.layer(k, n, now)
                self.wait()
            with code.loop(0, code["draws"]):
                self.head()
                self.wait()
                self.draw(n)
                self.wait()

    def wait(self) -> None:
        """Until the other thread is here, if there is one."""
        if WAITS:
            with self.code.loop(1, self.code["shares"]):  # once, or not at all
                intrinsics.barrier(self.code, self.code["sync"])

    def share(self, count: Int | int) -> tuple[Int, Int]:
        """Where this thread's part of something begins and ends."""
        return self.code.share(count, 1, self.code["share"], self.code["shares"])

    def sequences(self, work: Callable[[list[Int]], None]) -> None:
        """Write down work on sequences that share a load of weights, and on what is left."""
        code, first, last = self.code, self.code["first"], self.code["last"]
        whole = first + (last - first) // TOGETHER * TOGETHER
        with code.loop(first, whole, TOGETHER) as row:
            work([row + r for r in range(TOGETHER)])
        with code.loop(whole, last) as row:
            work([row])

    def layer(self, k: int, n: Int, now: Int) -> None:
        """A step of layer `k`: a panel of units after the other, some sequences at a time."""
        begin, end = self.share(self.shape.hidden_size // self.width)
        with self.code.loop(begin, end) as panel:
            self.sequences(lambda rows: self.tile(k, n, now, panel, rows))

    def tile(self, k: int, n: Int, now: Int, panel: Int, rows: list[Int]) -> None:
        """A step of one panel of units, for sequences that share its weights."""
        code, hidden = self.code, self.shape.hidden_size
        first = panel * self.width
        ids = [code.integer(code["ids"] + (n * code["B"] + row) * 8) for row in rows]
        if k:
            at = [code["inputs"] + (code["B"] * k + row) * hidden for row in rows]
            xs = self.product(f"x{k}", panel, at)
        else:
            xs = [
                [
                    code.load(code["table"] + (one * self.gates * hidden + unit) * 4, "fp32")
                    for unit in self.units(first)
                ]
                for one in ids
            ]
        at = [self.bytes_of_state(k, now, row) for row in rows]
        hs = self.product(f"h{k}", panel, at)
        for row, one, x, h in zip(rows, ids, xs, hs, strict=True):
            for u in range(self.blocks):
                unit = first + u * code.lanes
                self.pointwise(k, now, row, one, unit, x[u :: self.blocks], h[u :: self.blocks])

    def units(self, first: Int) -> list[Int]:
        """Where the vectors of a panel begin in rows of gates."""
        hidden, lanes = self.shape.hidden_size, self.code.lanes
        return [
            first + (g * hidden + u * lanes) for g in range(self.gates) for u in range(self.blocks)
        ]

    def bytes_of_state(self, k: int, which: Int, row: Int) -> Int:
        """The address of a sequence's state in bytes, before or after this step."""
        code = self.code
        return code["bytes"] + ((which + 2 * k) * code["B"] + row) * self.shape.hidden_size

    def product(self, name: str, panel: Int, at: list[Int]) -> list[list[Vector]]:
        """Inputs in bytes times a panel: for each sequence a vector a gate and block."""
        code, hidden = self.code, self.shape.hidden_size
        count, register = self.gates * self.blocks, 4 * code.lanes
        units = self.units(panel * self.width)
        start = [Vector(code, code.weights(code[f"{name}.start"] + unit * 4)) for unit in units]
        base = code[f"{name}.weights"] + panel * (hidden * count * code.lanes)
        with code.fold(0, hidden // 4, start * len(at)) as (word, values, results):
            weights = [
                code.weights(base + word * (count * register) + v * register) for v in range(count)
            ]
            for r, address in enumerate(at):
                x = code.everywhere(address + word * 4)
                some = values[r * count : (r + 1) * count]
                results += [
                    intrinsics.dot(code, total, x, w)
                    for total, w in zip(some, weights, strict=True)
                ]
        scale = [code.load(code[f"{name}.scale"] + unit * 4, "fp32") for unit in units]
        bias = [code.load(code[f"{name}.bias"] + unit * 4, "fp32") for unit in units]
        return [
            [
                intrinsics.floats(total) * factor + more
                for total, factor, more in zip(
                    results[r * count : (r + 1) * count], scale, bias, strict=True
                )
            ]
            for r in range(len(at))
        ]

    def pointwise(
        self, k: int, now: Int, row: Int, one: Int, unit: Int, xs: list[Vector], hs: list[Vector]
    ) -> None:
        """The cell's rule for W units of a sequence, and what comes of it put where it is read."""
        code, shape = self.code, self.shape
        rule, hidden = RULES[shape.cell], shape.hidden_size
        place = ((code["B"] * k + row) * hidden + unit) * 4
        before = (code.load(code["h"] + place, "fp32"), code.load(code["memory"] + place, "fp32"))
        _, after = rule.forward(xs, hs, before[: len(CELLS[shape.cell].state)])
        h = after[0]
        code.store(code["h"] + place, h, "fp32")
        if len(after) > 1:
            code.store(code["memory"] + place, after[1], "fp32")
        later = self.bytes_of_state(k, code.whole(1) - now, row) + unit
        intrinsics.put(code, later, h, 1.0)
        if shape.skips[k]:
            below = code["embedding"] + (one * hidden + unit) * 4
            if k:
                below = code["outputs"] + ((code["B"] * (k - 1) + row) * hidden + unit) * 4
            h = h + code.load(below, "fp32")
        code.store(code["outputs"] + place, h, "fp32")
        if k + 1 < len(shape.skips):
            at = code["inputs"] + (code["B"] * (k + 1) + row) * hidden + unit
            intrinsics.put(code, at, h, shape.bounds[k])

    def head(self) -> None:
        """Logits of all sequences, a panel of the vocabulary after the other."""
        begin, end = self.share(-(-self.shape.vocab_size // self.code.lanes))
        with self.code.loop(begin, end) as panel:
            self.sequences(lambda rows: self.logits(panel, rows))

    def logits(self, panel: Int, rows: list[Int]) -> None:
        """One panel of the vocabulary, for sequences that share its weights."""
        code, hidden = self.code, self.shape.hidden_size
        last, panels = len(self.shape.skips) - 1, -(-self.shape.vocab_size // code.lanes)
        register, apart = 4 * code.lanes, 4  # sums side by side, since each waits for itself
        xs = [code["outputs"] + (code["B"] * last + row) * (hidden * 4) for row in rows]
        base = code["head"] + panel * (hidden * register)
        start = [code.load(code["head_bias"] + panel * register, "fp32")]
        start += [code.vector(0.0)] * (apart - 1)
        with code.fold(0, hidden, start * len(rows), apart) as (k, values, results):
            weights = [code.load(base + (k + part) * register, "fp32") for part in range(apart)]
            for r, x in enumerate(xs):
                results += [
                    values[r * apart + part] + intrinsics.spread(code, x + (k + part) * 4) * weight
                    for part, weight in enumerate(weights)
                ]
        for r, row in enumerate(rows):
            a, b, c, d = results[r * apart : (r + 1) * apart]
            code.store(
                code["logits"] + (row * panels + panel) * register, (a + b) + (c + d), "fp32"
            )

    def draw(self, n: Int) -> None:
        """The next token of each sequence, and what tells its probability under the model itself.

        That is exp(chosen) / totals.
        """
        code, vocab = self.code, self.shape.vocab_size
        wide = -(-vocab // code.lanes) * code.lanes
        heat = intrinsics.spread(code, code["heat"] + n * 4)
        begin, end = self.share(code["last"] - code["first"])
        with code.loop(code["first"] + begin, code["first"] + end) as row:
            logits, weights = (code[name] + row * (wide * 4) for name in ("logits", "weights"))
            here = (n * code["B"] + row) * 4
            with code.fold(0, wide, [code.vector(NEVER)], code.lanes) as (v, values, results):
                permitted = code.load(logits + v * 4, "fp32")
                permitted = permitted + code.load(code["mask"] + v * 4, "fp32")
                code.store(weights + v * 4, permitted, "fp32")
                results.append(intrinsics.largest(permitted, values[0]))
            most = intrinsics.largest_of_all(results[0])
            with code.fold(0, wide, [code.vector(0.0)], code.lanes) as (v, values, totals):
                excess = code.load(weights + v * 4, "fp32") - most
                code.store(weights + v * 4, intrinsics.exp(excess * heat), "fp32")
                own = intrinsics.exp(code.load(logits + v * 4, "fp32") - most)
                totals.append(values[0] + own)
            intrinsics.running_sum(code, weights, wide)
            number = intrinsics.spread(code, code["numbers"] + here)
            reached = number * intrinsics.spread(code, weights + (wide - 1) * 4)
            # Not even numbers that are none lead out of the vocabulary.
            drawn = intrinsics.least(intrinsics.count_to(code, weights, wide, reached), vocab - 1)
            intrinsics.store_integer(code, code["ids"] + ((n + 1) * code["B"] + row) * 8, drawn)
            chosen = intrinsics.spread(code, logits + drawn * 4) - most
            intrinsics.store_float(code, code["chosen"] + here, chosen)
            intrinsics.store_float(code, code["totals"] + here, intrinsics.sum_of_all(totals[0]))
