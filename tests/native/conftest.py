"""What the tests of machine code need: without llvmlite there is no such code to be tested."""

from __future__ import annotations

import importlib.util
from pathlib import Path

NEED_LLVMLITE = [
    "test_arm.py",
    "code/test_compiled.py",
    "code/test_intrinsics.py",
    "test_muon_code.py",
    "test_tiles.py",
    "writing/test_long_texts.py",
    "writing/test_sampler.py",
    "writing/test_sharing.py",
]
assert all((Path(__file__).parent / name).exists() for name in NEED_LLVMLITE)
collect_ignore = [] if importlib.util.find_spec("llvmlite") else NEED_LLVMLITE
