"""Operations beyond those of `machine`: on bytes, exponentials, across lanes, a barrier.

A float x within ±bound is rounded to a byte: the integer nearest to 127 x / bound. Processors that
multiply four pairs of bytes in one instruction take one side unsigned: there, 128 is added.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from charrnn.native.code.machine import Code
from charrnn.native.code.values import Int, Vector

try:
    from llvmlite import ir

    I1, I8, I16, I32, I64 = (ir.IntType(bits) for bits in (1, 8, 16, 32, 64))
except (ImportError, OSError):  # see `machine`
    pass

__all__ = [
    "barrier",
    "broadcast_float",
    "count_up_to",
    "dot",
    "exp",
    "floats",
    "flushing_denormals",
    "in_bytes",
    "maximum",
    "maximum_of_lanes",
    "memory",
    "running_sum",
    "square_root",
    "store_bytes",
    "store_float",
    "store_integer",
    "store_words",
    "sum_of_lanes",
    "transposed",
    "word_pairs",
]

BYTE_OFFSET, BYTE_MAX = 128, 127
# Bits of the SSE control word: denormal numbers are read as zero (DAZ) and written as zero (FTZ).
DENORMALS_ARE_ZERO = 0x8040
FLUSH_TO_ZERO = 1 << 24  # the bit of AArch64's control register for both
YIELD = 1  # the hint to an AArch64 processor that this thread waits
SPINS = 200  # times a waiting thread looks again before it lets another run


def in_bytes(x: np.ndarray, bound: float, centre: int) -> np.ndarray:
    """Floats within ±bound as bytes, zero as `Target.centre`."""
    scaled = np.clip(x / np.float32(bound), -1, 1) * BYTE_MAX
    return np.floor(scaled + (centre + 0.5)).astype(np.int16).astype(np.uint8)


def store_bytes(code: Code, address: Int, x: Vector, bound: float) -> None:
    """W floats within ±bound to memory, as bytes."""
    build, kind = code.builder, ir.VectorType(I32, code.lanes)
    # Shifted above zero first, where truncation rounds down.
    whole = build.fptosi((x * (BYTE_MAX / bound) + (BYTE_OFFSET + 0.5)).value, kind)
    whole = build.sub(whole, ir.Constant(kind, [BYTE_OFFSET - code.target.centre] * code.lanes))
    narrow = ir.VectorType(I8, code.lanes)
    pointer = build.inttoptr(address.value, narrow.as_pointer())
    build.store(build.trunc(whole, narrow), pointer, align=1)


def dot(code: Code, total: Vector, left: Any, right: Any) -> Vector:
    """`total` + left · right: in each lane, four products of bytes added to a 32-bit integer.

    Args:
        left: bytes as `in_bytes` makes them.
        right: signed bytes.
    """
    words, build = total.value.type, code.builder
    if code.target.int8 == "fours":
        # Declared on words, as in older versions of LLVM; newer ones declare it on bytes, but
        # take both.
        name = f"llvm.x86.avx512.vpdpbusd.{32 * code.lanes}"
        return Vector(code, code.external(name, words, total.value, left, right))
    if code.target.int8 == "sdot":
        sixteen = ir.VectorType(I8, 16)
        left, right = build.bitcast(left, sixteen), build.bitcast(right, sixteen)
        name = "llvm.aarch64.neon.sdot.v4i32.v16i8"
        return Vector(code, code.external(name, words, total.value, left, right))
    bytes_, halves = (ir.VectorType(kind, 32 // kind.width * code.lanes) for kind in (I8, I16))
    left, right = build.bitcast(left, bytes_), build.bitcast(right, bytes_)
    # The instruction for pairs takes unsigned bytes on the left, so their sign moves to the right.
    # No sum of two products leaves 16 bits: the right is within ±127, the left at most 128.
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
    """The exponential, of numbers up to 88; 0 below -87.

    Powers of two times a polynomial on ±½ ln 2; Cody and Waite, "Software manual for the
    elementary functions", 1980.
    """
    code, build = x.code, x.code.builder
    near = x.clip(88.0)
    quotient = near * 1.4426950408889634
    name = f"llvm.rint.v{code.lanes}f32"
    quotient = Vector(code, code.external(name, quotient.value.type, quotient.value))
    rest = near - quotient * 0.693359375 - quotient * -2.12194440e-4
    value = code.vector(1 / 5040)
    for factor in (1 / 720, 1 / 120, 1 / 24, 1 / 6, 1 / 2, 1.0, 1.0):
        value = value * rest + factor
    kind = ir.VectorType(I32, code.lanes)
    exponent = build.add(build.fptosi(quotient.value, kind), ir.Constant(kind, [127] * code.lanes))
    power = build.shl(exponent, ir.Constant(kind, [23] * code.lanes))
    value = value * Vector(code, build.bitcast(power, value.value.type))
    underflows = build.fcmp_ordered("<", x.value, code.vector(-87.0).value)
    return Vector(code, build.select(underflows, code.vector(0.0).value, value.value))


@contextmanager
def flushing_denormals(code: Code) -> Iterator[None]:
    """Code written inside takes floats below 1e-38 as zero; on some processors they are slow.

    The control word of the thread that runs the code is restored afterwards.
    """
    build = code.builder
    if code.target.is_arm:
        before = code.external("llvm.aarch64.get.fpcr", I64)
        inside = build.or_(before, ir.Constant(I64, FLUSH_TO_ZERO))
        code.external("llvm.aarch64.set.fpcr", ir.VoidType(), inside)
        yield
        code.external("llvm.aarch64.set.fpcr", ir.VoidType(), before)
        return
    before, inside = (build.alloca(I32) for _ in range(2))

    def control_word(verb: str, place: Any) -> None:
        address = build.bitcast(place, I8.as_pointer())
        code.external(f"llvm.x86.sse.{verb}mxcsr", ir.VoidType(), address)

    control_word("st", before)
    build.store(build.or_(build.load(before), ir.Constant(I32, DENORMALS_ARE_ZERO)), inside)
    control_word("ld", inside)
    yield
    control_word("ld", before)


def maximum(one: Vector, other: Vector) -> Vector:
    """The larger of each pair."""
    build = one.code.builder
    larger = build.fcmp_ordered(">", one.value, other.value)
    return Vector(one.code, build.select(larger, one.value, other.value))


def square_root(x: Vector) -> Vector:
    """The square root."""
    name = f"llvm.sqrt.v{x.code.lanes}f32"
    return Vector(x.code, x.code.external(name, x.value.type, x.value))


def broadcast_float(code: Code, address: Int) -> Vector:
    """The float at an address, W times."""
    value = code.builder.bitcast(code.broadcast(address), code.vector(0.0).value.type)
    return Vector(code, value)


def maximum_of_lanes(x: Vector) -> Vector:
    """The largest of W floats, W times."""
    return _across(x, maximum)


def sum_of_lanes(x: Vector) -> Vector:
    """The sum of W floats, W times."""
    return _across(x, Vector.__add__)


def _across(x: Vector, combine: Callable[[Vector, Vector], Vector]) -> Vector:
    code = x.code
    for step in (code.lanes >> k for k in range(1, code.lanes.bit_length())):
        order = [k ^ step for k in range(code.lanes)]
        x = combine(x, Vector(code, _shuffled(code, x.value, x.value, order)))
    return x


def running_sum(code: Code, address: Int, count: Int | int) -> None:
    """Replace floats in memory by the sums of all up to each."""
    build, kind = code.builder, ir.FloatType()
    zero = Vector(code, ir.Constant(kind, 0.0))
    with code.fold(0, count, [zero]) as (k, values, results):
        pointer = build.inttoptr((address + k * 4).value, kind.as_pointer())
        total = build.fadd(values[0].value, build.load(pointer, align=4))
        build.store(total, pointer, align=4)
        results.append(Vector(code, total))


def count_up_to(code: Code, address: Int, count: int, limit: Vector) -> Int:
    """How many of `count` floats in memory are at most `limit`."""
    build = code.builder
    with code.fold(0, count, [code.vector(0.0)], code.lanes) as (k, values, results):
        within = build.fcmp_ordered("<=", code.load(address + k * 4, "fp32").value, limit.value)
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


def word_pairs(code: Code, first: Int, second: Int) -> list[Any]:
    """2W halves from each of two places, as 2W words of one from either: two registers."""
    build, kind = code.builder, ir.VectorType(I16, 2 * code.lanes)
    one, other = (
        build.load(build.inttoptr(address.value, kind.as_pointer()), align=2)
        for address in (first, second)
    )
    words = ir.VectorType(I32, code.lanes)
    halves = [range(start, start + code.lanes) for start in (0, code.lanes)]
    orders = ([n for k in half for n in (k, 2 * code.lanes + k)] for half in halves)
    return [build.bitcast(_shuffled(code, one, other, order), words) for order in orders]


def transposed(code: Code, rows: list[Any]) -> list[Any]:
    """W registers of W words each: the first words of all, then the second, and so on."""
    rows = list(rows)
    for step in (code.lanes >> k for k in range(1, code.lanes.bit_length())):
        for k in range(code.lanes):
            if k & step:
                continue
            one, other = rows[k], rows[k + step]
            # Squares of `step` words change places across the diagonal.
            inside = [n & step for n in range(code.lanes)]
            rows[k] = _shuffled(
                code, one, other, [n - step + code.lanes if i else n for n, i in enumerate(inside)]
            )
            rows[k + step] = _shuffled(
                code, one, other, [n + code.lanes if i else n + step for n, i in enumerate(inside)]
            )
    return rows


def store_words(code: Code, address: Int, words: Any) -> None:
    """W words to memory."""
    build = code.builder
    build.store(words, build.inttoptr(address.value, words.type.as_pointer()), align=4)


def _shuffled(code: Code, one: Any, other: Any, order: list[int]) -> Any:
    """The elements of two registers, which are numbered through, in this order."""
    kind = ir.VectorType(I32, len(order))
    return code.builder.shuffle_vector(one, other, ir.Constant(kind, order))


def memory(code: Code, size: int) -> Int:
    """So many bytes of the thread's own, while the function runs; at a multiple of 64."""
    place = code.builder.alloca(ir.ArrayType(I8, size))
    place.align = 64
    return Int(code, code.builder.ptrtoint(place, I64))


def barrier(code: Code, address: Int) -> None:
    """Wait until both threads have come here.

    Args:
        code: what both run.
        address: of two 64-bit integers, at first zero. The first counts arrivals. Once the second
            is not zero, waiting ends: see `run_side_by_side`.
    """
    build = code.builder
    arrived, released = (build.inttoptr((address + at).value, I64.as_pointer()) for at in (0, 8))
    before = Int(code, build.atomic_rmw("add", arrived, ir.Constant(I64, 1), "seq_cst"))
    goal = (before // 2 + 1) * 2
    entry = build.block
    look, spin, give_way, done = (build.append_basic_block() for _ in range(4))
    build.branch(look)
    build.position_at_end(look)
    spins = build.phi(I64)
    spins.add_incoming(ir.Constant(I64, 0), entry)
    now = build.load_atomic(arrived, "acquire", 8)
    let_go = build.load_atomic(released, "acquire", 8)
    here = build.icmp_unsigned(">=", now, goal.value)
    build.cbranch(
        build.or_(here, build.icmp_unsigned("!=", let_go, ir.Constant(I64, 0))), done, spin
    )
    build.position_at_end(spin)
    if code.target.is_arm:
        code.external("llvm.aarch64.hint", ir.VoidType(), ir.Constant(I32, YIELD))
    else:
        code.external("llvm.x86.sse2.pause", ir.VoidType())
    more = build.add(spins, ir.Constant(I64, 1))
    spins.add_incoming(more, spin)
    build.cbranch(build.icmp_unsigned("<", more, ir.Constant(I64, SPINS)), look, give_way)
    build.position_at_end(give_way)
    code.call("sched_yield")
    spins.add_incoming(ir.Constant(I64, 0), give_way)
    build.branch(look)
    build.position_at_end(done)
