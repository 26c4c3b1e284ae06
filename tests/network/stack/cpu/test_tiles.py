"""Layers in tiles do what other engines do. Where the processor has none, they are emulated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from charrnn.config import CellName
from charrnn.network.stack.choice import candidates
from charrnn.network.stack.cpu import kernels
from charrnn.network.stack.cpu.kernels import LANE_TILES
from charrnn.network.stack.engine import Engine
from charrnn.network.stack.loops import LOOPS
from charrnn.network.stack.sequences import sequence
from tests.network.stack.layers import run, table, tensors

pytestmark = pytest.mark.usefixtures("with_tiles")

CPU, HALF, FULL = torch.device("cpu"), torch.bfloat16, torch.float32
# Lanes of part of a tile, of one, of two, and of three; units of panels that differ in width.
SHAPES = [(4, 5, 6, 32), (3, 16, 10, 64), (2, 17, 5, 96), (2, 33, 7, 64), (5, 1, 4, 96)]


@pytest.mark.parametrize("shape", SHAPES)
def test_tiles_agree_with_the_loops(cell: CellName, shape: tuple[int, ...]) -> None:
    leaves, ids = tensors(cell, shape, FULL), None
    if shape[1] % 3 == 2:
        ids, leaves = table(leaves)
    fast = run(cell, HALF, leaves, ids, LANE_TILES)
    slow = run(cell, HALF, leaves, ids, LOOPS)
    for one, other in zip(fast, slow, strict=True):
        # A last bit that falls the other way is a difference of 1/256.
        torch.testing.assert_close(one, other, atol=3e-2 * float(other.abs().max()), rtol=0)
        assert one.dtype == other.dtype


def test_tiles_stay_close_to_float64(cell: CellName) -> None:
    leaves = tensors(cell, SHAPES[2], FULL)
    doubled = [leaf.detach().double().requires_grad_() for leaf in leaves]
    exact = run(cell, torch.float64, doubled, engine=LOOPS)
    for one, other in zip(run(cell, HALF, leaves, engine=LANE_TILES), exact, strict=True):
        assert (one - other).norm() / other.norm() < 0.02


def both_ways(
    cell: CellName, x: Tensor, weights: list[Tensor], before: list[Tensor]
) -> list[Tensor]:
    """Outputs (T, B, H), and parts of states (B, H): those after, and gradients by those before."""
    before = [part.detach().requires_grad_() for part in before]
    output, *after = sequence(cell, HALF, x, weights, before, None, LANE_TILES)
    return [output, *after, *torch.autograd.grad(output.float().square().sum(), before)]


def test_a_lane_is_the_same_alone_and_beside_others(cell: CellName) -> None:
    """To the bit: alone, in a tile that is full, and where two tiles overlap."""
    x, *rest = tensors(cell, (3, 33, 6, 64), FULL)
    together = both_ways(cell, x, rest[:4], rest[4:])
    for begin, end in ((0, 1), (0, 16), (12, 29), (32, 33)):
        before = [part[begin:end] for part in rest[4:]]
        alone = both_ways(cell, x[:, begin:end], rest[:4], before)
        for one, other in zip(alone, together, strict=True):
            assert torch.equal(one, other[..., begin:end, :])


def in_threads(threads: int) -> Engine:
    """Tiles in so many threads, and all else in as many as before."""

    def inside(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            before = torch.get_num_threads()
            torch.set_num_threads(threads)
            try:
                return function(*arguments)
            finally:
                torch.set_num_threads(before)

        return call

    forward, backward = inside(LANE_TILES.forward), inside(LANE_TILES.backward)
    return LANE_TILES._replace(forward=forward, backward=backward)


@pytest.mark.parametrize("by_id", [False, True])
@pytest.mark.parametrize(("batch", "hidden_size"), [(2, 32), (37, 96), (5, 64)])
def test_threads_change_sums_over_the_lanes_alone(
    cell: CellName, batch: int, hidden_size: int, by_id: bool
) -> None:
    """Not the outputs, states and gradients of a lane; some threads may have none."""
    leaves, ids = tensors(cell, (3, batch, 6, hidden_size), FULL), None
    if by_id:
        ids, leaves = table(leaves)
    alone = run(cell, HALF, leaves, ids, in_threads(1))
    for threads in (2, 3):
        together = run(cell, HALF, leaves, ids, in_threads(threads))
        gradients = zip(alone[-len(leaves) :], together[-len(leaves) :], strict=True)
        for k, (one, other) in enumerate(gradients):
            torch.testing.assert_close(one, other)
            # x, w_ih, w_hh, b_ih, b_hh, state: each thread adds up biases, and rows that are read.
            if k not in ((0, 1, 3, 4) if by_id else (3, 4)):
                assert torch.equal(one, other)
        assert all(map(torch.equal, alone[: -len(leaves)], together[: -len(leaves)]))


def test_what_is_not_a_number_stays_visible(cell: CellName) -> None:
    leaves = tensors(cell, (3, 4, 6, 32), FULL)
    leaves[0].data[0, 1, 2] = float("nan")
    output = run(cell, HALF, leaves, engine=LANE_TILES)[0]
    assert output[:, 1].isnan().all()
    assert not output[:, [0, 2, 3]].isnan().any()


def test_saturated_gates_are_finite(cell: CellName) -> None:
    leaves = tensors(cell, (3, 4, 6, 32), FULL)
    for leaf in leaves[3:5]:
        leaf.data.mul_(1e6)
    results = run(cell, HALF, leaves, engine=LANE_TILES)
    assert all(result.isfinite().all() for result in results)


def test_tiles_are_the_likely_fastest_where_they_fit(cell: CellName) -> None:
    able = candidates(cell, 64, CPU, HALF)
    assert able[:2] == ["lane_tiles", "kernels"]
    for hidden_size, numbers, weights in ((48, HALF, FULL), (64, FULL, FULL), (64, HALF, HALF)):
        assert "lane_tiles" not in candidates(cell, hidden_size, CPU, numbers, weights)
    assert kernels.available(48, HALF)
