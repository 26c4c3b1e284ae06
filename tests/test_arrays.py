"""Products raise no error for what stands beside their numbers; matrices become bytes."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator

import llvmlite.binding as llvm
import numpy as np
import pytest

from charrnn import arrays
from charrnn.arrays import Floats, in_bytes, product
from charrnn.config import CellName
from charrnn.text.tokenizer import CharTokenizer
from tests.conftest import random_model

SIGNALLING = 0x7FA00000  # a NaN that a processor reports as soon as it computes with it
WORDS = 2**15  # of the stack that are written over, more than a product uses
DIRTYING = f"""
define void @dirty(i32 %value) {{
entry:
  %words = alloca [{WORDS} x i32]
  br label %next
next:
  %i = phi i64 [0, %entry], [%after, %next]
  %word = getelementptr [{WORDS} x i32], ptr %words, i64 0, i64 %i
  store volatile i32 %value, ptr %word
  %after = add i64 %i, 1
  %more = icmp ult i64 %after, {WORDS}
  br i1 %more, label %next, label %done
done:
  ret void
}}
"""


@pytest.fixture
def dirty() -> Iterator[Callable[[], None]]:
    """Leaves signalling NaNs on the stack, where the next call has its own variables."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_default_triple().create_target_machine(opt=0)
    with llvm.create_mcjit_compiler(llvm.parse_assembly(DIRTYING), machine) as engine:
        engine.finalize_object()
        write = ctypes.CFUNCTYPE(None, ctypes.c_uint32)(engine.get_function_address("dirty"))
        yield lambda: write(SIGNALLING)


@pytest.mark.parametrize("rows", [1, 2, 7])
def test_what_stands_beside_a_product_is_no_error(dirty: Callable[[], None], rows: int) -> None:
    """Five numbers of one row are what OpenBLAS has flagged; in a suite it failed by chance."""
    rng = np.random.default_rng(0)
    for inner in range(1, 18):
        for columns in (1, 3, 15):
            x = rng.normal(size=(rows, inner)).astype(np.float32)
            weights = rng.normal(size=(columns, inner)).astype(np.float32).T
            with np.errstate(all="raise"):
                dirty()
                found = product(x, weights)
            np.testing.assert_allclose(found, np.einsum("ri,ic->rc", x, weights), 1e-4, 1e-5)


@pytest.mark.parametrize("hidden_size", [4, 5])
def test_nor_beside_those_of_a_model(
    dirty: Callable[[], None], cell: CellName, hidden_size: int
) -> None:
    model = random_model(cell, CharTokenizer("\nabc"), hidden_size=hidden_size)
    ids = np.zeros(1, np.int32)

    def watch(_place: str, _time: int, value: Floats) -> Floats:
        dirty()
        return value

    with np.errstate(all="raise"):
        stepper = model.stepper(model.start())
        for _ in range(3):
            dirty()
            logits = stepper.step(ids).copy()
        _, state = model(np.zeros((1, 2), np.int32), watch=watch)
        dirty()
        expected, _ = model.step(ids, state)
    np.testing.assert_allclose(logits, expected, 1e-4, 1e-5)


@pytest.mark.parametrize("block", [1, 64, 1 << 15])
def test_a_matrix_in_bytes_is_the_same_in_any_pieces(
    block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrays, "BLOCK", block)
    matrix = np.random.default_rng(0).normal(size=(7, 30)).astype(np.float32)
    matrix[2] = 0
    rounded, scale = in_bytes(matrix)
    assert rounded.dtype == np.int8
    assert (scale[2], rounded[2].any()) == (1, False)
    assert (np.abs(rounded).max(1)[[0, 1, 3, 4, 5, 6]] == 127).all()
    assert (np.abs(matrix - rounded * scale[:, None]) <= 0.501 * scale[:, None]).all()
