"""Products in vectors, as LLVM writes them down: what has to stay in registers stays there."""

from __future__ import annotations

import pytest

from charrnn.cells.rules import CELLS
from charrnn.config import CellName
from charrnn.native.processor import Target, panel_blocks
from charrnn.native.training_code import Backward, Forward, LayerShape
from tests.conftest import Processor
from tests.native.assembly import assembly

AVX2 = Target(8, 16, False, "pairs", "+avx2,+fma")


def loops(lines: list[list[str]]) -> list[list[list[str]]]:
    """The instructions of each loop that has no other inside."""
    found, label, inside = [], "", list[list[str]]()
    for line in lines:
        if line[0].endswith(":"):
            label, inside = line[0].removesuffix(":"), []
        else:
            inside.append(line)
            if line[0].startswith("j") and line[1] == label:
                found.append(inside[:])
    return found


@pytest.mark.parametrize("kind", [Forward, Backward])
def test_of_few_registers_most_are_sums(
    kind: type[Forward | Backward], cell: CellName, processor: Processor
) -> None:
    """A product's loop has loads and twelve sums, of which LLVM puts none aside."""
    processor(AVX2)
    gates = CELLS[cell].gates if kind is Forward else 1
    shape = LayerShape(cell, 64, "fp32", by_id=True, blocks=panel_blocks(gates, 64))
    products = []
    for loop in loops(assembly(kind(shape).code, "x86_64-unknown-linux-gnu")):
        names = [line[0] for line in loop]
        if not any(name.startswith(("vmul", "vadd", "vdiv")) for name in names):  # no cell's rule
            products.append(sum(name.startswith("vfmadd") for name in names))
            assert not [line for line in loop if "(%rsp)" in line[-1]]
    assert max(products) == 12
