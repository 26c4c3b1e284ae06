"""The code for ARM, as LLVM writes it down: benchmarks/arm.py runs it under emulation."""

from __future__ import annotations

import inspect
from collections import Counter

import pytest

from charrnn.config import CellName
from charrnn.native.code.machine import Code
from charrnn.native.muon_code import muon_address
from charrnn.native.processor import Target
from charrnn.native.training_code import Backward, Forward, LayerShape
from charrnn.native.writing.sampling_code import SamplingCode, Shape
from tests.conftest import Processor
from tests.native.assembly import assembly

ARM = Target(4, 32, False, "sdot", "+neon,+dotprod")


def instructions(code: Code) -> Counter[str]:
    """How often each instruction stands in the code, compiled for AArch64."""
    return Counter(line[0] for line in assembly(code, "aarch64-unknown-linux-gnu"))


@pytest.fixture(autouse=True)
def arm(processor: Processor) -> None:
    processor(ARM)


def test_training_multiplies_and_adds_in_one_instruction(cell: CellName) -> None:
    for kind in (Forward, Backward):
        found = instructions(kind(LayerShape(cell, 32, "fp32", by_id=True, blocks=1)).code)
        assert found["fmla"] > 4
        assert found["msr"] == 2  # small numbers become zero, and the caller's register comes back


def test_muon_multiplies_and_adds_in_one_instruction() -> None:
    code = inspect.unwrap(muon_address)(0.9, (3.0, -4.0, 2.0), 2, 1e-20)
    assert isinstance(code, Code)
    found = instructions(code)
    assert found["fmla"] > 4
    assert found["fsqrt"] > 0


def test_sampling_multiplies_bytes_in_fours(cell: CellName) -> None:
    shape = Shape(cell, 32, 11, (False, True), (2.0,))
    found = instructions(SamplingCode(shape).code)
    assert found["sdot"] >= 4
    assert found["fmla"] > 4
    assert found["yield"] + found["hint"] > 0  # of a thread that waits for the other
