"""What the tests of machine code need: without llvmlite there is no such code to be tested."""

from __future__ import annotations

import importlib.util

NEED_LLVMLITE = [
    "test_arm.py",
    "test_compiled.py",
    "test_intrinsics.py",
    "test_long_texts.py",
    "test_sampler.py",
    "test_sharing.py",
    "test_tiles.py",
]
collect_ignore = [] if importlib.util.find_spec("llvmlite") else NEED_LLVMLITE
