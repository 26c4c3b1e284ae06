"""Kernels of a GPU are kept on disk for the next process."""

from __future__ import annotations

from collections.abc import Sequence
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
