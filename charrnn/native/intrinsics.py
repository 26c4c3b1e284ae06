"""What code asks of the processor beyond `machine`: bytes, exponentials, sums, other threads.

A float x within ±bound travels as a byte, the whole number nearest to 127 x / bound. Where one
instruction multiplies fours of them, which takes unsigned bytes on this side, 128 is added.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from llvmlite import ir

from charrnn.native.machine import Code, Int, Vector

__all__ = [
    "barrier",
    "count_to",
    "dot",
    "exp",
    "floats",
    "flushing",
    "in_bytes",
    "largest",
    "largest_of_all",
    "least",
    "put",
    "running_sum",
    "spread",
    "store_float",
    "store_integer",
    "sum_of_all",
]

I1, I8, I16, I32, I64 = (ir.IntType(bits) for bits in (1, 8, 16, 32, 64))
HALF, REACH = 128, 127
FLUSH = 0x8040  # bits of the control word: what is too small is read as zero, and written as zero
PATIENCE = 200  # turns of waiting before another program is let in


def in_bytes(x: np.ndarray, bound: float, centre: int) -> np.ndarray:
    """Floats within ±bound as bytes around `Target.centre`."""
    scaled = np.clip(x / np.float32(bound), -1, 1) * REACH
    return np.floor(scaled + (centre + 0.5)).astype(np.int16).astype(np.uint8)


def put(code: Code, address: Int, x: Vector, bound: float) -> None:
    """Store W floats within ±bound as bytes."""
    build, kind = code.builder, ir.VectorType(I32, code.lanes)
    # Rounded above zero, where cutting off rounds down.
    whole = build.fptosi((x * (REACH / bound) + (HALF + 0.5)).value, kind)
    whole = build.sub(whole, ir.Constant(kind, [HALF - code.target.centre] * code.lanes))
    narrow = ir.VectorType(I8, code.lanes)
    pointer = build.inttoptr(address.value, narrow.as_pointer())
    build.store(build.trunc(whole, narrow), pointer, align=1)


def dot(code: Code, total: Vector, left: Any, right: Any) -> Vector:
    """32-bit integers plus the products of four bytes, like `in_bytes`, with four signed ones."""
    words, build = total.value.type, code.builder
    if code.target.int8 == "fours":
        # Declared on words, as in older LLVMs; newer ones, which declare it on bytes, take both.
        name = f"llvm.x86.avx512.vpdpbusd.{32 * code.lanes}"
        return Vector(code, code.external(name, words, total.value, left, right))
    bytes_, halves = (ir.VectorType(kind, 32 // kind.width * code.lanes) for kind in (I8, I16))
    left, right = build.bitcast(left, bytes_), build.bitcast(right, bytes_)
    # The instruction for pairs takes unsigned bytes first, so the sign goes to the other ones. No
    # sum of two leaves 16 bits: these are within ±127, and no size is above 128.
    sizes = code.external(f"llvm.abs.v{4 * code.lanes}i8", bytes_, left, ir.Constant(I1, 0))
    if code.lanes == 16:
        by_two, by_four = "llvm.x86.avx512.pmaddubs.w.512", "llvm.x86.avx512.pmaddw.d.512"
        negative = build.icmp_signed("<", left, ir.Constant(bytes_, None))
        signed = build.select(negative, build.neg(right), right)
    else:
        by_two, by_four = "llvm.x86.avx2.pmadd.ub.sw", "llvm.x86.avx2.pmadd.wd"
        signed = code.external("llvm.x86.avx2.psign.b", bytes_, right, left)
    twos = code.external(by_two, halves, sizes, signed)
    ones = ir.Constant(halves, [1] * (2 * code.lanes))
    return Vector(code, build.add(total.value, code.external(by_four, words, twos, ones)))


def floats(x: Vector) -> Vector:
    """W integers as floats."""
    kind = ir.VectorType(ir.FloatType(), x.code.lanes)
    return Vector(x.code, x.code.builder.sitofp(x.value, kind))


def exp(x: Vector) -> Vector:
    """The exponential of numbers up to 88; 0 below -87.

    Powers of two times a polynomial on ±½ ln 2; Cody and Waite, "Software manual for the
    elementary functions", 1980.
    """
    code, build = x.code, x.code.builder
    near = x.clip(88.0)
    turns = near * 1.4426950408889634
    name = f"llvm.rint.v{code.lanes}f32"
    turns = Vector(code, code.external(name, turns.value.type, turns.value))
    rest = near - turns * 0.693359375 - turns * -2.12194440e-4
    value = code.vector(1 / 5040)
    for factor in (1 / 720, 1 / 120, 1 / 24, 1 / 6, 1 / 2, 1.0, 1.0):
        value = value * rest + factor
    kind = ir.VectorType(I32, code.lanes)
    exponent = build.add(build.fptosi(turns.value, kind), ir.Constant(kind, [127] * code.lanes))
    power = build.shl(exponent, ir.Constant(kind, [23] * code.lanes))
    value = value * Vector(code, build.bitcast(power, value.value.type))
    nothing = build.fcmp_ordered("<", x.value, code.vector(-87.0).value)
    return Vector(code, build.select(nothing, code.vector(0.0).value, value.value))


@contextmanager
def flushing(code: Code) -> Iterator[None]:
    """Inside, floats below 1e-38, with which some processors take long, count as zero.

    For this call of the code in this thread only: its caller's control word is put back.
    """
    if code.lanes == 4:  # not an x86
        yield
        return
    build = code.builder
    before, inside = (build.alloca(I32) for _ in range(2))

    def word(verb: str, place: Any) -> None:
        address = build.bitcast(place, I8.as_pointer())
        code.external(f"llvm.x86.sse.{verb}mxcsr", ir.VoidType(), address)

    word("st", before)
    build.store(build.or_(build.load(before), ir.Constant(I32, FLUSH)), inside)
    word("ld", inside)
    yield
    word("ld", before)


def largest(one: Vector, other: Vector) -> Vector:
    """The larger of each pair."""
    build = one.code.builder
    larger = build.fcmp_ordered(">", one.value, other.value)
    return Vector(one.code, build.select(larger, one.value, other.value))


def spread(code: Code, address: Int) -> Vector:
    """The float at an address, W times."""
    value = code.builder.bitcast(code.everywhere(address), code.vector(0.0).value.type)
    return Vector(code, value)


def largest_of_all(x: Vector) -> Vector:
    """The largest of W floats, W times."""
    return _across(x, largest)


def sum_of_all(x: Vector) -> Vector:
    """The sum of W floats, W times."""
    return _across(x, Vector.__add__)


def _across(x: Vector, combine: Callable[[Vector, Vector], Vector]) -> Vector:
    code = x.code
    for step in (code.lanes >> k for k in range(1, code.lanes.bit_length())):
        order = ir.Constant(ir.VectorType(I32, code.lanes), [k ^ step for k in range(code.lanes)])
        x = combine(x, Vector(code, code.builder.shuffle_vector(x.value, x.value, order)))
    return x


def running_sum(code: Code, address: Int, count: Int | int) -> None:
    """Replace floats by the sums of all up to each."""
    build, kind = code.builder, ir.FloatType()
    nothing = Vector(code, ir.Constant(kind, 0.0))
    with code.fold(0, count, [nothing]) as (k, values, results):
        pointer = build.inttoptr((address + k * 4).value, kind.as_pointer())
        total = build.fadd(values[0].value, build.load(pointer, align=4))
        build.store(total, pointer, align=4)
        results.append(Vector(code, total))


def count_to(code: Code, sums: Int, count: int, number: Vector) -> Int:
    """How many of `count` floats are at most `number`."""
    build = code.builder
    with code.fold(0, count, [code.vector(0.0)], code.lanes) as (k, values, results):
        within = build.fcmp_ordered("<=", code.load(sums + k * 4, "fp32").value, number.value)
        one, zero = code.vector(1.0).value, code.vector(0.0).value
        results.append(values[0] + Vector(code, build.select(within, one, zero)))
    name = f"llvm.vector.reduce.fadd.v{code.lanes}f32"
    start = ir.Constant(ir.FloatType(), 0.0)
    total = code.external(name, ir.FloatType(), start, results[0].value)
    return Int(code, build.fptosi(total, I64))


def store_float(code: Code, address: Int, x: Vector) -> None:
    """The first of W floats to memory."""
    build = code.builder
    value = build.extract_element(x.value, ir.Constant(I32, 0))
    build.store(value, build.inttoptr(address.value, value.type.as_pointer()), align=4)


def store_integer(code: Code, address: Int, value: Int) -> None:
    """A 64-bit integer to memory."""
    build = code.builder
    build.store(value.value, build.inttoptr(address.value, I64.as_pointer()), align=8)


def least(one: Int, other: int) -> Int:
    """The smaller."""
    build, code = one.code.builder, one.code
    limit = code.whole(other).value
    smaller = build.icmp_signed("<", one.value, limit)
    return Int(code, build.select(smaller, one.value, limit))


def barrier(code: Code, address: Int) -> None:
    """Wait until the other one of two threads is here.

    Args:
        code: that the threads run.
        address: of two 64-bit integers, zero in the beginning: how many have arrived, and whether
            nobody shall wait any more.
    """
    build = code.builder
    arrived, stop = (build.inttoptr((address + at).value, I64.as_pointer()) for at in (0, 8))
    before = Int(code, build.atomic_rmw("add", arrived, ir.Constant(I64, 1), "seq_cst"))
    goal = (before + 2) // 2 * 2
    entry = build.block
    head, wait, let_in, done = (build.append_basic_block() for _ in range(4))
    build.branch(head)
    build.position_at_end(head)
    turns = build.phi(I64)
    turns.add_incoming(ir.Constant(I64, 0), entry)
    now = build.load_atomic(arrived, "acquire", 8)
    left = build.load_atomic(stop, "acquire", 8)
    here = build.icmp_unsigned(">=", now, goal.value)
    build.cbranch(build.or_(here, build.icmp_unsigned("!=", left, ir.Constant(I64, 0))), done, wait)
    build.position_at_end(wait)
    code.external("llvm.x86.sse2.pause", ir.VoidType())
    more = build.add(turns, ir.Constant(I64, 1))
    turns.add_incoming(more, wait)
    build.cbranch(build.icmp_unsigned("<", more, ir.Constant(I64, PATIENCE)), head, let_in)
    build.position_at_end(let_in)
    code.function("sched_yield")
    turns.add_incoming(ir.Constant(I64, 0), let_in)
    build.branch(head)
    build.position_at_end(done)
