"""Machine code for the processor at hand, written as Python: its functions, loops and memory.

    code = Code("double", ["count", "x"])
    with code.loop(0, code["count"], step=code.lanes) as k:
        code.store(code["x"] + k * 4, code.load(code["x"] + k * 4, "fp32") * 2.0, "fp32")
    address = code.compile()

Each operation on an `Int` or a `Vector` adds an instruction of LLVM's intermediate language, and
LLVM compiles them for this processor. llvmlite is optional: see `processor`.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from charrnn.config import ProductPrecision
from charrnn.native import processor
from charrnn.native.code.values import Int, Vector

try:
    import llvmlite
    import llvmlite.binding as llvm
    from llvmlite import ir
except (ImportError, OSError):  # then `processor.target` is None, and no code is made
    pass

__all__ = [
    "THREAD_COUNT",
    "THREAD_NUMBER",
    "Code",
    "add_symbol",
    "compiler",
    "load",
    "run",
    "size",
    "thread_count",
    "thread_number",
]

# What code asks for to know which of several threads runs it. Those of training are run by
# `network.stack.cpu.team`, which answers; sampling brings its own, see `charrnn.threads`.
THREAD_NUMBER, THREAD_COUNT = "charrnn_thread_number", "charrnn_thread_count"


def add_symbol(name: str, address: int | None) -> None:
    """Tell where the function is that code calls by this name."""
    llvm.add_symbol(name, address)


def size(precision: ProductPrecision) -> int:
    """Bytes that a stored number takes; in registers all have 4."""
    return 2 if precision == "bf16" else 4


class Code:
    """A function under construction.

    Args:
        name: of the function, as profilers show it.
        arguments: the names of its arguments: 64-bit integers and addresses. It gets their values
            as an array, in this order.
    """

    def __init__(self, name: str, arguments: Sequence[str]) -> None:
        found = processor.target()
        assert found is not None, "callers ask whether there is a target"
        self.target = found
        self.lanes = found.lanes
        self.name = name
        self.module = ir.Module(name)
        pointer = ir.IntType(64).as_pointer()
        function = ir.Function(self.module, ir.FunctionType(ir.VoidType(), [pointer]), name)
        self.builder = ir.IRBuilder(function.append_basic_block())
        self.arguments = {
            argument: Int(self, self.builder.load(self.builder.gep(function.args[0], [_i64(k)])))
            for k, argument in enumerate(arguments)
        }

    def __getitem__(self, argument: str) -> Int:
        return self.arguments[argument]

    def constant(self, value: Int | int) -> Int:
        """An integer constant."""
        return value if isinstance(value, Int) else Int(self, _i64(value))

    def vector(self, value: Vector | float) -> Vector:
        """A float constant, W times."""
        if isinstance(value, Vector):
            return value
        return Vector(self, ir.Constant(_floats(self.lanes), [float(value)] * self.lanes))

    def external(self, name: str, result: Any, *values: Any) -> Any:
        """Call a function by name: one of LLVM's, of the C library, or of `add_symbol`."""
        function = self.module.globals.get(name)
        if function is None:
            kind = ir.FunctionType(result, [value.type for value in values])
            function = ir.Function(self.module, kind, name)
        return self.builder.call(function, values)

    def call(self, name: str) -> Int:
        """Call a function without arguments that returns a 32-bit integer."""
        number = self.external(name, ir.IntType(32))
        return Int(self, self.builder.zext(number, ir.IntType(64)))

    def share(self, count: Int | int, unit: int, thread: Int, threads: Int) -> tuple[Int, Int]:
        """Where a thread's share of `count` things begins and ends, in whole units if possible."""
        count = self.constant(count)
        units = (count + (unit - 1)) // unit
        begin, end = (units * k // threads * unit for k in (thread, thread + 1))
        return begin, end.minimum(count)

    @contextmanager
    def loop(self, start: Int | int, stop: Int | int, step: int = 1) -> Iterator[Int]:
        """The code written inside runs for start, start + step, … below stop."""
        with self.fold(start, stop, [], step) as (k, _, _):
            yield k

    @contextmanager
    def fold(
        self, start: Int | int, stop: Int | int, values: Sequence[Vector], step: int = 1
    ) -> Iterator[tuple[Int, list[Vector], list[Vector]]]:
        """A loop that carries values in registers.

        Yields:
            k: the counter.
            values: the carried values in this iteration.
            results: an empty list, to be filled with the values for the next iteration. After the
                loop it holds the final ones (the initial ones if there was no iteration).
        """
        build = self.builder
        before = build.block
        head, body, done = (build.append_basic_block() for _ in range(3))
        build.branch(head)
        build.position_at_end(head)
        k = build.phi(ir.IntType(64))
        k.add_incoming(self.constant(start).value, before)
        phis = [build.phi(value.value.type) for value in values]
        for phi, value in zip(phis, values, strict=True):
            phi.add_incoming(value.value, before)
        build.cbranch(build.icmp_signed("<", k, self.constant(stop).value), body, done)
        build.position_at_end(body)
        results: list[Vector] = []
        yield Int(self, k), [Vector(self, phi) for phi in phis], results
        for phi, result in zip(phis, results, strict=True):
            phi.add_incoming(result.value, build.block)
        k.add_incoming(build.add(k, _i64(step)), build.block)
        build.branch(head)
        build.position_at_end(done)
        results[:] = [Vector(self, phi) for phi in phis]

    def _pointer(self, address: Int, kind: Any) -> Any:
        return self.builder.inttoptr(address.value, kind.as_pointer())

    def integer(self, address: Int) -> Int:
        """A 64-bit integer from memory."""
        return Int(self, self.builder.load(self._pointer(address, ir.IntType(64)), align=8))

    def prefetch(self, address: Int) -> None:
        """Ask for the line of the cache at an address, which will be read soon."""
        pointer = self._pointer(address, ir.IntType(8))
        how = (ir.Constant(ir.IntType(32), n) for n in (0, 3, 1))  # to be read, kept, data
        self.external("llvm.prefetch.p0", ir.VoidType(), pointer, *how)

    def load(self, address: Int, precision: ProductPrecision) -> Vector:
        """W numbers from memory."""
        if precision == "fp32":
            kind = _floats(self.lanes)
            return Vector(self, self.builder.load(self._pointer(address, kind), align=4))
        halves = ir.VectorType(ir.IntType(16), self.lanes)
        words = ir.VectorType(ir.IntType(32), self.lanes)
        bits = self.builder.load(self._pointer(address, halves), align=2)
        # A bfloat16 is the upper half of a float.
        shifted = self.builder.shl(
            self.builder.zext(bits, words), ir.Constant(words, [16] * self.lanes)
        )
        return Vector(self, self.builder.bitcast(shifted, _floats(self.lanes)))

    def store(self, address: Int, vector: Vector, precision: ProductPrecision) -> None:
        """W numbers to memory; bfloat16 are rounded to the nearest."""
        value, align = vector.value, 4
        if precision == "bf16":
            value = self.builder.fptrunc(value, ir.VectorType(_BFloat(), self.lanes))
            align = 2
        self.builder.store(value, self._pointer(address, value.type), align=align)

    def store_pairs(self, address: Int, first: Vector, second: Vector) -> None:
        """Words to memory of two bfloat16 each, one of either vector; nothing is rounded."""
        words = ir.VectorType(ir.IntType(32), self.lanes)
        low, high = (self.builder.bitcast(vector.value, words) for vector in (first, second))
        low = self.builder.lshr(low, ir.Constant(words, [16] * self.lanes))
        pairs = self.builder.or_(low, high)
        self.builder.store(pairs, self._pointer(address, words), align=4)

    def broadcast(self, address: Int) -> Any:
        """The four bytes at an address, W times in a register."""
        words = ir.VectorType(ir.IntType(32), self.lanes)
        word = self.builder.load(self._pointer(address, ir.IntType(32)), align=2)
        undefined = ir.Constant(words, ir.Undefined)
        first = self.builder.insert_element(undefined, word, ir.Constant(ir.IntType(32), 0))
        return self.builder.shuffle_vector(first, undefined, ir.Constant(words, [0] * self.lanes))

    def weights(self, address: Int) -> Any:
        """A register full of packed weights: see `Code.dot`."""
        words = ir.VectorType(ir.IntType(32), self.lanes)
        return self.builder.load(self._pointer(address, words), align=4)

    def dot(self, total: Vector, left: Any, right: Any, precision: ProductPrecision) -> Vector:
        """`total` + left · right: in each lane one product of floats, or two of bfloat16.

        Args:
            left: from `broadcast`.
            right: from `weights`.
        """
        floats = _floats(self.lanes)
        if precision == "fp32":
            x, w = (self.builder.bitcast(value, floats) for value in (left, right))
            name = f"llvm.fma.v{self.lanes}f32"
            return Vector(self, self.external(name, floats, x, w, total.value))
        pairs = ir.VectorType(_BFloat(), 2 * self.lanes)
        x, w = (self.builder.bitcast(value, pairs) for value in (left, right))
        name = "llvm.x86.avx512bf16.dpbf16ps.512"
        return Vector(self, self.external(name, floats, total.value, x, w))

    def object_code(self) -> bytes:
        """The compiled function, as an object file that `load` takes."""
        self.builder.ret_void()
        target_machine = _target_machine(self.target.features)
        module = llvm.parse_assembly(str(self.module))
        module.verify()
        options = llvm.create_pipeline_tuning_options(speed_level=2)
        passes = llvm.create_pass_builder(target_machine, options)
        passes.getModulePassManager().run(module, passes)
        compiled: bytes = target_machine.emit_object(module)
        return compiled

    def compile(self) -> int:
        """The address of the compiled function, which stays valid as long as the process runs."""
        return load(self.object_code(), self.name)


def thread_number(code: Code) -> Int:
    """The number of the thread that runs the code, from 0."""
    return code.call(THREAD_NUMBER)


def thread_count(code: Code) -> Int:
    """How many threads run the code."""
    return code.call(THREAD_COUNT)


def load(object_code: bytes, name: str) -> int:
    """The address of a function in an object file, valid as long as the process runs."""
    nothing = llvm.parse_assembly("")
    engine = llvm.create_mcjit_compiler(nothing, _target_machine(""))
    engine.add_object_file(llvm.ObjectFileRef.from_data(object_code))
    engine.finalize_object()
    _ENGINES.append(engine)
    return int(engine.get_function_address(name))


def run(address: int, arguments: Sequence[int]) -> None:
    """Call the function at an address, with the values of its arguments in their order."""
    array = (ctypes.c_int64 * len(arguments))(*arguments)
    ctypes.CFUNCTYPE(None, ctypes.c_void_p)(address)(ctypes.addressof(array))


def compiler() -> tuple[object, ...]:
    """What compiles, and for which kind of machine."""
    return llvmlite.__version__, llvm.llvm_version_info, llvm.get_process_triple(), _processor()


def _processor() -> str:
    name: str = llvm.get_host_cpu_name()
    return name


def _target_machine(features: str) -> Any:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    llvm.initialize_native_asmparser()  # for instructions that are written as they are
    target = llvm.Target.from_default_triple()
    return target.create_target_machine(cpu=_processor(), features=features, opt=3, jit=True)


_ENGINES: list[Any] = []  # each owns its code, and must not be collected


def _i64(value: int) -> Any:
    return ir.Constant(ir.IntType(64), value)


def _floats(lanes: int) -> Any:
    return ir.VectorType(ir.FloatType(), lanes)


def _BFloat() -> Any:  # noqa: N802 - llvmlite has no such type yet
    return _bfloat_type()()


@functools.cache
def _bfloat_type() -> Any:
    class BFloat(ir.Type):  # type: ignore[misc]
        def _to_string(self) -> str:
            return "bfloat"

        def __eq__(self, other: object) -> bool:
            return isinstance(other, BFloat)

        def __hash__(self) -> int:
            return hash("bfloat")

    return BFloat
