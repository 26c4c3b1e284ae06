"""The code for ARM, as LLVM writes it down: benchmarks/arm.py runs it under emulation."""

from __future__ import annotations

from collections import Counter

import llvmlite.binding as llvm
import pytest

from charrnn.config import CellName
from charrnn.native.machine import Code
from charrnn.native.processor import Target
from charrnn.native.sampling_code import Shape, _SamplingCode
from charrnn.native.training_code import _Backward, _Forward
from tests.conftest import Processor

ARM = Target(4, 32, False, "sdot", "+neon,+dotprod")


def instructions(code: Code) -> Counter[str]:
    """How often each instruction stands in the code, compiled for AArch64."""
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    machine = llvm.Target.from_triple("aarch64-unknown-linux-gnu").create_target_machine(
        features=code.target.features, opt=3
    )
    code.builder.ret_void()
    module = llvm.parse_assembly(str(code.module))
    module.verify()
    passes = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(speed_level=2))
    passes.getModulePassManager().run(module, passes)
    lines = [line.split() for line in machine.emit_assembly(module).splitlines()]
    return Counter(words[0] for words in lines if words)


@pytest.fixture(autouse=True)
def arm(processor: Processor) -> None:
    processor(ARM)


def test_training_multiplies_and_adds_in_one_instruction(cell: CellName) -> None:
    for kind in (_Forward, _Backward):
        found = instructions(kind(cell, 32, "fp32", by_id=True).code)
        assert found["fmla"] > 4
        assert found["msr"] == 2  # small numbers become zero, and the caller's register comes back


def test_sampling_multiplies_bytes_in_fours(cell: CellName) -> None:
    shape = Shape(cell, 32, 11, (False, True), (2.0,))
    found = instructions(_SamplingCode(shape).code)
    assert found["sdot"] >= 4
    assert found["fmla"] > 4
    assert found["yield"] + found["hint"] > 0  # of a thread that waits for the other
