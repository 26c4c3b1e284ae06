"""How the work of a layer is divided among the blocks and warps of a GPU.

layout = best_layout("lstm", "forward", 512, 64, limits)    # None if it does not fit
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Literal, NamedTuple

from charrnn.cells.gradients import RULES
from charrnn.cells.rules import CELLS
from charrnn.config import CellName

__all__ = ["SPAN", "Layout", "Limits", "Way", "best_layout", "layouts"]

Way = Literal["forward", "backward"]

SPAN = 32  # of the inner dimension of the product, that is read together
REGISTERS = 65536  # of a multiprocessor
OWN_REGISTERS = {"forward": 52, "backward": 62}  # of a thread, beside weights, sums and reads
MORE_REGISTERS = 24  # for each further element, or in the backward pass for weights from elsewhere
MAX_REGISTERS = 255  # of a thread
WARPS = (8, 12, 16, 4)  # the better first
TILE = 16  # units
AREAS, AREA = 4, 40  # in which the sums of a tile stand in shared memory, with gaps


class Limits(NamedTuple):
    """What a GPU has.

    Attributes:
        blocks: its multiprocessors, each of which has one block.
        shared_bytes: the shared memory of a block.
    """

    blocks: int
    shared_bytes: int


class Layout(NamedTuple):
    """See `layer.cu`.

    Attributes:
        cell, way, hidden_size: what is computed.
        units: of a block.
        lanes: of a block.
        chunk: lanes that a block computes together.
        warps: of a block.
    """

    cell: CellName
    way: Way
    hidden_size: int
    units: int
    lanes: int
    chunk: int
    warps: int

    @property
    def threads(self) -> int:
        """Threads of a block."""
        return 32 * self.warps

    def blocks(self, batch: int) -> int:
        """Blocks in all, for so many lanes."""
        return batch // self.lanes * (self.hidden_size // self.units)

    @property
    def sums(self) -> int:
        """Rows of the product for each unit."""
        return CELLS[self.cell].gates if self.way == "forward" else 1

    @property
    def spans(self) -> int:
        """Parts of the inner dimension that a warp multiplies."""
        inner = self.hidden_size * (1 if self.way == "forward" else CELLS[self.cell].gates)
        return -(-inner // SPAN // self.warps)

    @property
    def tiles(self) -> int:
        """Of 16 rows of the product."""
        return self.units // TILE * self.sums

    @property
    def held(self) -> int:
        """Of the spans of a warp, those with weights for which registers don't suffice."""
        further = -(-self.units * self.chunk // self.threads) - 1  # elements of a thread
        held = self._held(further)
        return self._held(max(further, 1)) if held and self.way == "backward" else held

    def _held(self, further: int) -> int:
        reads = min(8, self.chunk // 8 * self.spans)
        sums = max(4, self.chunk // 8 * self.tiles)
        others = 4 * (sums + reads) + OWN_REGISTERS[self.way] + MORE_REGISTERS * further
        left = min(MAX_REGISTERS, REGISTERS // self.threads) - others
        return self.spans - max(0, min(self.spans, left // (8 * self.tiles)))

    @property
    def shared_bytes(self) -> int:
        """Shared memory of a block: weights, twice all warps' sums, memory of lanes, biases."""
        places = 4 * (4 if self.sums == 3 else self.sums)
        sums = 2 * self.warps * (self.chunk // 8) * (self.units // TILE) * AREAS * AREA * places
        own = self.lanes * self.units if RULES[self.cell].memory else 0
        biases = 2 * CELLS[self.cell].gates * self.units if self.way == "forward" else 0
        return 32 * self.held * self.tiles * self.threads + sums + 4 * (own + biases)

    def fits(self, batch: int, limits: Limits) -> bool:
        """Whether a GPU can run this for so many lanes."""
        return (
            batch % self.lanes == 0
            and self.blocks(batch) <= limits.blocks
            and self.held < self.spans
            and self.shared_bytes <= limits.shared_bytes
        )


def layouts(
    cell: CellName, way: Way, hidden_size: int, batch: int, limits: Limits
) -> Iterator[Layout]:
    """All that a GPU can run."""
    if hidden_size % SPAN or batch % 8:
        return
    for units in (16, 32):
        for lanes in range(8, batch + 1, 8):
            for chunk in (16, 8) if lanes % 16 == 0 else (8,):
                for warps in WARPS:
                    layout = Layout(cell, way, hidden_size, units, lanes, chunk, warps)
                    if hidden_size % units == 0 and layout.fits(batch, limits):
                        yield layout


@cache
def best_layout(
    cell: CellName, way: Way, hidden_size: int, batch: int, limits: Limits
) -> Layout | None:
    """The layout to use; None if none fits.

    Args:
        cell, way, hidden_size: what is to be computed.
        batch: B, the number of lanes.
        limits: of the GPU.
    """
    able = layouts(cell, way, hidden_size, batch, limits)
    return min(able, key=_preference, default=None)


def _preference(layout: Layout) -> tuple[object, ...]:
    """The smallest is the likely fastest; see "How units and lanes are divided" in NOTES.md.

    A block's lanes take their time one after the other. What blocks read from each other halves
    with twice the units, but several sums for each make a block's work too long. The forward pass
    is faster with two small chunks than with a large one, as one is read while others compute the
    other. As for warps, each thread should have one element, and each warp as many spans.
    """
    forward = layout.way == "forward"
    units = 32 if layout.sums == 1 else 16
    chunk = 8 if forward and layout.lanes == 16 else 16
    return (
        layout.lanes,
        layout.units != units,
        layout.chunk != chunk,
        layout.held,
        layout.threads < layout.units * layout.chunk,
        forward and layout.hidden_size // SPAN % layout.warps != 0,
        WARPS.index(layout.warps),
    )
