"""The instructions of AMX: tiles, which are registers of up to 16 rows of 64 bytes.

    with configured(code, rows):
        load(code, LEFT, lanes, stride)
        load(code, RIGHT, weights, ROW)
        multiply(code, SUMS[0], LEFT, RIGHT)    # tile 0 += tile 2 · tile 3

A product adds (16, 32) · (32, 16) to (16, 16). The factors are bfloat16, of the right one two
neighbouring k side by side; the sums are floats. Or it adds (16, 64) · (64, 16): of bytes, of the
left one without a sign, of the right one four neighbouring k side by side; the sums are integers.
Each instruction is written as it is. LLVM's own functions for tiles are of no use: it takes all
tiles for alike and renames them, but they differ in their rows.

Intel, "Intel 64 and IA-32 architectures software developer's manual", volume 2: LDTILECFG,
TILELOADD, TDPBF16PS, TDPBUSD, TILESTORED.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from charrnn.native.code.intrinsics import memory, store_integer
from charrnn.native.code.machine import Code
from charrnn.native.code.values import Int

with suppress(ImportError, OSError):  # see `machine`
    from llvmlite import ir

__all__ = [
    "FULL",
    "LEFT",
    "RIGHT",
    "ROW",
    "ROWS",
    "SUMS",
    "TILE",
    "WORDS",
    "configured",
    "load",
    "multiply",
    "multiply_bytes",
    "store",
    "zero",
]

# The tiles that charrnn uses: for sums, and for the factors. There are four more, but the fewer are
# used, the faster they are loaded while the machine's other processor is at work.
SUMS, LEFT, RIGHT = (0, 1), 2, 3

ROWS = 16  # of a tile, at most
WORDS = 16  # of a row: floats, or pairs of bfloat16
ROW = 4 * WORDS  # bytes
TILE = ROWS * ROW  # bytes, when full
FULL = ROWS * 0x0101_0101_0101_0101  # the rows of eight full tiles


@contextmanager
def configured(code: Code, rows: Int | int) -> Iterator[None]:
    """Tiles can be used inside; `rows` has a byte for each of the eight, how many rows it has."""
    configuration = memory(code, 64)
    # Palette 1 has eight tiles: how long their rows are, in 16 bits each, and how many, in 8.
    bytes_of_rows = ROW * 0x0001_0001_0001_0001
    parts: list[Int | int] = [1, 0, bytes_of_rows, bytes_of_rows, 0, 0, rows, 0]
    for k, part in enumerate(parts):
        store_integer(code, configuration + 8 * k, code.constant(part))
    _do(code, "ldtilecfg ($0)", configuration)
    yield
    _do(code, "tilerelease")


def zero(code: Code, tile: int) -> None:
    """All numbers of a tile are zero."""
    _do(code, f"tilezero %tmm{tile}")


def load(code: Code, tile: int, address: Int, stride: Int | int) -> None:
    """Rows from memory, `stride` bytes from each to the next."""
    _do(code, f"tileloadd ($0,$1), %tmm{tile}", address, code.constant(stride))


def multiply(code: Code, total: int, left: int, right: int) -> None:
    """One tile += another · a third, of bfloat16."""
    _do(code, f"tdpbf16ps %tmm{right}, %tmm{left}, %tmm{total}")


def multiply_bytes(code: Code, total: int, left: int, right: int) -> None:
    """One tile += another · a third, of bytes."""
    _do(code, f"tdpbusd %tmm{right}, %tmm{left}, %tmm{total}")


def store(code: Code, tile: int, address: Int, stride: Int | int) -> None:
    """Rows to memory, `stride` bytes from each to the next."""
    _do(code, f"tilestored %tmm{tile}, ($0,$1)", address, code.constant(stride))


def _do(code: Code, instruction: str, *operands: Int) -> None:
    values = [operand.value for operand in operands]
    kind = ir.FunctionType(ir.VoidType(), [value.type for value in values])
    changes = ["~{memory}", *(f"~{{tmm{tile}}}" for tile in range(8))]
    constraints = ",".join(["r"] * len(values) + changes)
    code.builder.asm(kind, instruction, constraints, values, side_effect=True)
