"""What a processor offers, as code is made for it."""

from __future__ import annotations

import platform
import sys
from typing import Any

import llvmlite.binding as llvm
import pytest

from charrnn.native.code import machine
from charrnn.native.processor import target as this_processor
from tests.conftest import HERE, PROCESSORS, Processor


@pytest.mark.parametrize(
    ("features", "expected"),
    [
        ("avx2 fma avx512f avx512bw avx512vnni avx512bf16", (16, 32, True, "fours")),
        ("avx2 fma avx512f avx512bw avx512vnni", (16, 32, False, "fours")),
        ("avx2 fma avx512f avx512bw", (16, 32, False, "pairs")),
        ("avx2 fma avx512f", (8, 16, False, "pairs")),
        ("avx2 fma avxvnni", (8, 16, False, "fours")),
        ("avx2 fma", (8, 16, False, "pairs")),
        ("avx2", None),
        ("", None),
    ],
)
def test_what_a_processor_offers_follows_from_its_features(
    features: str, expected: tuple[object, ...] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = llvm.FeatureMap(dict.fromkeys(features.split(), True))
    monkeypatch.setattr(llvm, "get_host_cpu_features", lambda: found)
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    assert this_processor.__wrapped__() == (expected and (*expected, found.flatten()))


@pytest.mark.parametrize(
    ("system", "features", "expected"),
    [
        ("linux", "neon dotprod", (4, 32, False, "sdot", "+dotprod,+neon")),
        ("linux", "aes", (4, 32, False, None, "+aes,+neon")),
        ("darwin", "", (4, 32, False, "sdot", "+dotprod,+neon")),  # LLVM finds none there
    ],
)
def test_what_an_arm_processor_offers(
    system: str, features: str, expected: tuple[object, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = llvm.FeatureMap(dict.fromkeys(features.split(), True))
    monkeypatch.setattr(llvm, "get_host_cpu_features", lambda: found)
    monkeypatch.setattr(platform, "machine", lambda: "arm64" if system == "darwin" else "aarch64")
    monkeypatch.setattr(sys, "platform", system)
    assert this_processor.__wrapped__() == expected


@pytest.mark.skipif(HERE is None, reason="there is no machine code for this processor")
def test_code_keeps_to_what_its_processor_has(
    processor: Processor, monkeypatch: pytest.MonkeyPatch
) -> None:
    given, original = list[str](), llvm.Target.create_target_machine

    def spy(self: Any, **options: Any) -> Any:
        given.append(options["features"])
        return original(self, **options)

    monkeypatch.setattr(llvm.Target, "create_target_machine", spy)
    for target in PROCESSORS:
        assert target is not None
        processor(target)
        assert machine.Code("nothing", []).object_code()
        assert given[-1] == target.features
