"""The one function of a page that is worth machine code: a matrix times a vector, in WebAssembly.

    multiply(matrix, vector, out, rows, width)

All are places in memory but for `rows`, a multiple of four, and `width`, the bytes of a row, a
multiple of sixteen. Four rows share each piece of the vector. Each row keeps four sums, one for
each lane, and adds them up in the end as (0 + 1) + (2 + 3). `multiplyInScript` in network.js does
the same, to the bit. The instructions are those of the WebAssembly specification 2.0, by its names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

__all__ = ["module"]

PARAMETERS = ["matrix", "vector", "out", "rows", "width"]
PLACES = ["at", "end"]  # in the row, and where it ends
SUMS = ["sum0", "sum1", "sum2", "sum3", "piece"]  # vectors of four floats
LOCALS = [*PARAMETERS, *PLACES, *SUMS]

CODES = {
    "loop": b"\x03\x40",  # a block without a result
    "end": b"\x0b",
    "br_if": b"\x0d",
    "local.get": b"\x20",
    "local.set": b"\x21",
    "i32.const": b"\x41",
    "i32.add": b"\x6a",
    "i32.sub": b"\x6b",
    "i32.lt_u": b"\x49",
    "f32.add": b"\x92",
    "f32.store": b"\x38\x02",  # aligned to 2² bytes; the offset follows
    "v128.load": b"\xfd\x00\x04",  # aligned to 2⁴ bytes; the offset follows
    "v128.zero": b"\xfd\x0c" + bytes(16),
    "f32x4.extract_lane": b"\xfd\x1f",
    "f32x4.add": b"\xfd\xe4\x01",
    "f32x4.mul": b"\xfd\xe6\x01",
}
I32, V128, FUNCTION, MEMORY = b"\x7f", b"\x7b", 0, 2


def module() -> bytes:
    """The module: it imports `page.memory` and exports `multiply`."""
    parameters = b"\x60" + _vector([I32] * len(PARAMETERS)) + _vector([])
    code = b"".join(map(_assemble, _multiply())) + CODES["end"]
    kinds = ((len(PLACES), I32), (len(SUMS), V128))
    body = _vector([_number(count) + kind for count, kind in kinds]) + code
    sections = {
        1: [parameters],  # types
        2: [_name("page") + _name("memory") + bytes([MEMORY, 0, 1])],  # imports: one page or more
        3: [_number(0)],  # functions: the first is of the first type
        7: [_name("multiply") + bytes([FUNCTION, 0])],  # exports
        10: [_sized(body)],  # code
    }
    return b"\0asm\1\0\0\0" + b"".join(
        bytes([kind]) + _sized(_vector(items)) for kind, items in sections.items()
    )


def _multiply() -> Iterator[str]:
    """The instructions of the function."""
    sums = SUMS[:4]
    yield "loop"  # over the rows, four at a time
    for one in sums:
        yield from ("v128.zero", f"local.set {one}")
    yield from ("i32.const 0", "local.set at")
    yield "loop"  # over the pieces of a row
    yield from (*_sum("vector", "at"), "v128.load 0", "local.set piece")
    yield from (*_sum("matrix", "at"), "local.set end")
    for one in sums:
        yield from ("local.get end", "v128.load 0", "local.get piece", "f32x4.mul")
        yield from (f"local.get {one}", "f32x4.add", f"local.set {one}")
        yield from (*_sum("end", "width"), "local.set end")
    yield from (*_advanced("at", 16), "local.get at", "local.get width", "i32.lt_u", "br_if 0")
    yield "end"
    for row, one in enumerate(sums):
        yield "local.get out"
        for pair in ((0, 1), (2, 3)):
            for lane in pair:
                yield from (f"local.get {one}", f"f32x4.extract_lane {lane}")
            yield "f32.add"
        yield from ("f32.add", f"f32.store {4 * row}")
    yield from _advanced("out", 16)
    for _ in sums:
        yield from (*_sum("matrix", "width"), "local.set matrix")
    yield from ("local.get rows", "i32.const 4", "i32.sub", "local.set rows")
    yield from ("i32.const 0", "local.get rows", "i32.lt_u", "br_if 0")
    yield "end"


def _sum(one: str, other: str) -> tuple[str, ...]:
    return f"local.get {one}", f"local.get {other}", "i32.add"


def _advanced(name: str, step: int) -> tuple[str, ...]:
    return f"local.get {name}", f"i32.const {step}", "i32.add", f"local.set {name}"


def _assemble(instruction: str) -> bytes:
    name, *operands = instruction.split()
    numbers = (LOCALS.index(o) if o in LOCALS else int(o) for o in operands)
    return CODES[name] + b"".join(map(_number, numbers))


def _number(value: int) -> bytes:
    """A small number in LEB128; one below 64 reads the same with a sign and without."""
    assert 0 <= value < 64, "this assembler has no need of more"
    return bytes([value])


def _sized(data: bytes) -> bytes:
    """`data` after its length."""
    low, high = len(data) & 127, len(data) >> 7
    assert high < 128, "this assembler has no need of more"
    return (bytes([low | 128, high]) if high else bytes([low])) + data


def _vector(items: Iterable[bytes]) -> bytes:
    items = list(items)
    return _number(len(items)) + b"".join(items)


def _name(text: str) -> bytes:
    return _number(len(text)) + text.encode()
