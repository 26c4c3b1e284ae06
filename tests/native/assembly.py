"""What LLVM makes of code for a processor that need not be this one."""

from __future__ import annotations

import llvmlite.binding as llvm

from charrnn.native.code.machine import Code

__all__ = ["assembly"]


def assembly(code: Code, triple: str, processor: str = "") -> list[list[str]]:
    """The compiled code, line by line: an instruction and its operands, or a label."""
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    llvm.initialize_native_asmparser()
    machine = llvm.Target.from_triple(triple).create_target_machine(
        cpu=processor, features=code.target.features, opt=3
    )
    code.builder.ret_void()
    module = llvm.parse_assembly(str(code.module))
    module.verify()
    passes = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(speed_level=2))
    passes.getModulePassManager().run(module, passes)
    lines = [line.split(maxsplit=1) for line in machine.emit_assembly(module).splitlines()]
    return [line for line in lines if line]
