"""What the processor at hand offers to machine code, which llvmlite, where installed, compiles."""

from __future__ import annotations

import functools
import platform
import sys
from typing import Literal, NamedTuple

try:
    import llvmlite.binding as llvm
except (ImportError, OSError):  # not there, or not for this system
    llvm = None

__all__ = ["Target", "panel_blocks", "target", "vector_width"]

# How a processor multiplies bytes: four pairs of bytes in one instruction, of which one side has no
# sign ("fours") or both have one ("sdot"), or two pairs in one instruction.
Int8 = Literal["fours", "pairs", "sdot"]


class Target(NamedTuple):
    """What the processor offers.

    Attributes:
        lanes: W, floats in a vector register.
        registers: how many of these there are.
        bf16: whether it multiplies pairs of bfloat16.
        int8: how it multiplies bytes; None if it does not.
        features: all that it has and lacks, in LLVM's notation.
    """

    lanes: int
    registers: int
    bf16: bool
    int8: Int8 | None
    features: str

    @property
    def is_arm(self) -> bool:
        """Whether its instructions are those of AArch64, and not of x86."""
        return self.lanes == 4

    @property
    def has_tiles(self) -> bool:
        """Whether it multiplies tiles of bfloat16, if the system lets it: see `tiles`."""
        return self.bf16 and {"+amx-tile", "+amx-bf16"} <= set(self.features.split(","))

    @property
    def has_byte_tiles(self) -> bool:
        """Whether it multiplies tiles of bytes, if the system lets it: see `byte_tiles`."""
        features = set(self.features.split(","))
        whole = self.lanes == 16 and self.int8 == "fours"  # vectors of a tile's row
        return whole and {"+amx-tile", "+amx-int8"} <= features

    @property
    def centre(self) -> int:
        """The byte that stands for zero: 128 where an instruction takes unsigned bytes."""
        return 128 if self.int8 == "fours" else 0


@functools.cache
def target() -> Target | None:
    """The processor at hand; None if there is no code for its kind, or no llvmlite to make it."""
    if llvm is None:
        return None
    features = llvm.get_host_cpu_features()
    int8: Int8 | None
    if features.get("avx512f") and features.get("avx512bw"):
        int8 = "fours" if features.get("avx512vnni") else "pairs"
        return Target(16, 32, bool(features.get("avx512bf16")), int8, features.flatten())
    if features.get("avx2") and features.get("fma"):
        int8 = "fours" if features.get("avxvnni") else "pairs"
        return Target(8, 16, False, int8, features.flatten())
    if platform.machine().lower() in ("aarch64", "arm64"):
        # All of these have NEON. Apple's have products of bytes, too, but LLVM finds no features
        # outside Linux.
        found = {name for name, there in features.items() if there} | {"neon"}
        if sys.platform == "darwin":
            found.add("dotprod")
        known = ",".join(f"+{name}" for name in sorted(found))
        return Target(4, 32, False, "sdot" if "dotprod" in found else None, known)
    return None


def vector_width() -> int:
    """W, floats in a vector register."""
    found = target()
    assert found is not None, "callers ask whether there is a target"
    return found.lanes


def panel_blocks(gates: int, hidden_size: int) -> int:
    """How many vectors of units stand side by side in a panel: about four accumulators a lane."""
    vectors = hidden_size // vector_width()
    return next(n for n in (4, 3, 2, 1) if n * gates <= 4 and vectors % n == 0)
