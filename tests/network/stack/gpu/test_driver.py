"""Kernels of a GPU are kept on disk for the next process."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from ctypes import c_int, c_void_p
from pathlib import Path
from typing import Any

import pytest

from charrnn.native.code import compiled
from charrnn.network.stack.gpu import driver
from charrnn.network.stack.gpu.driver import image


class Compiler:
    """NVRTC of a version, as far as it is asked."""

    minor = 0

    def nvrtcVersion(self, major: Any, minor: Any) -> int:
        major._obj.value, minor._obj.value = 13, self.minor
        return 0


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Sequence[str]]]:
    """What was compiled, by a compiler that stands for NVRTC."""
    calls: list[tuple[str, Sequence[str]]] = []

    def compile_it(source: str, options: Sequence[str]) -> bytes:
        calls.append((source, options))
        return f"code {len(calls)}".encode()

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(driver, "compiler", Compiler)
    monkeypatch.setattr(driver, "compile_source", compile_it)
    return calls


def test_the_next_process_loads_what_this_one_compiled(
    made: list[tuple[str, Sequence[str]]],
) -> None:
    assert image("text", ("HIDDEN=8",), (9, 0)) == b"code 1"
    assert image("text", ("HIDDEN=8",), (9, 0)) == b"code 1"
    assert made == [("text", ("--gpu-architecture=sm_90", "--std=c++17", "-DHIDDEN=8"))]
    assert len(compiled.entries()) == 1


def test_another_source_constant_gpu_or_compiler_has_code_of_its_own(
    made: list[tuple[str, Sequence[str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    image("text", ("HIDDEN=8",), (9, 0))
    image("other text", ("HIDDEN=8",), (9, 0))
    image("text", ("HIDDEN=16",), (9, 0))
    image("text", ("HIDDEN=8",), (8, 0))
    monkeypatch.setattr(Compiler, "minor", 2)
    image("text", ("HIDDEN=8",), (9, 0))
    assert len(made) == len(compiled.entries()) == 5


def test_a_kernel_gets_its_numbers_and_addresses_and_all_its_shared_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    launched: list[Any] = []

    class Driver:
        """CUDA's, as far as a launch asks it."""

        def cuLaunchCooperativeKernel(self, function: c_void_p, *given: Any) -> int:
            *size, shared, stream, pointers = given
            launched.extend([function.value, *(n.value for n in size), shared.value, stream.value])
            for place, kind in enumerate((c_int, c_void_p)):
                launched.append(ctypes.cast(pointers[place], ctypes.POINTER(kind))[0])
            return 0

    monkeypatch.setattr(driver, "_driver", Driver)
    address = 2**40 + 5
    driver.Code(c_void_p(7), 99).launch(3, 64, [c_int(-2), c_void_p(address)], 11)
    assert launched == [7, 3, 1, 1, 64, 1, 1, 99, 11, -2, address]
