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
from charrnn.network.stack.cpu.kernels import LANE_TILES, TILES
from charrnn.network.stack.engine import Engine
from charrnn.network.stack.loops import LOOPS
from charrnn.network.stack.sequences import sequence
from tests.network.stack.cpu.test_kernels import run, table, tensors

pytestmark = pytest.mark.usefixtures("with_tiles")

CPU, HALF, FULL = torch.device("cpu"), torch.bfloat16, torch.float32
ENGINES = [TILES, LANE_TILES]
# Lanes of part of a tile, of one, of two, and of three; units of panels that differ in width.
SHAPES = [(4, 5, 6, 32), (3, 16, 10, 64), (2, 17, 5, 96), (2, 33, 7, 64), (5, 1, 4, 96)]


@pytest.fixture(params=ENGINES, ids=lambda engine: engine.name)
def engine(request: pytest.FixtureRequest) -> Engine:
    """Each engine that multiplies in tiles."""
    found: Engine = request.param
    return found


@pytest.mark.parametrize("shape", SHAPES)
def test_tiles_agree_with_the_loops(cell: CellName, shape: tuple[int, ...], engine: Engine) -> None:
    leaves, ids = tensors(cell, shape, FULL), None
    if shape[1] % 3 == 2:
        ids, leaves = table(leaves)
    fast = run(cell, HALF, leaves, ids, engine)
    slow = run(cell, HALF, leaves, ids, LOOPS)
    for one, other in zip(fast, slow, strict=True):
        # A last bit that falls the other way is a difference of 1/256.
        torch.testing.assert_close(one, other, atol=3e-2 * float(other.abs().max()), rtol=0)
        assert one.dtype == other.dtype


def test_tiles_stay_close_to_float64(cell: CellName, engine: Engine) -> None:
    leaves = tensors(cell, SHAPES[2], FULL)
    doubled = [leaf.detach().double().requires_grad_() for leaf in leaves]
    exact = run(cell, torch.float64, doubled, engine=LOOPS)
    for one, other in zip(run(cell, HALF, leaves, engine=engine), exact, strict=True):
        assert (one - other).norm() / other.norm() < 0.02


def both_ways(
    cell: CellName, x: Tensor, weights: list[Tensor], before: list[Tensor], engine: Engine
) -> list[Tensor]:
    """Outputs (T, B, H), and parts of states (B, H): those after, and gradients by those before."""
    before = [part.detach().requires_grad_() for part in before]
    output, *after = sequence(cell, HALF, x, weights, before, None, engine)
    return [output, *after, *torch.autograd.grad(output.float().square().sum(), before)]


def test_a_lane_is_the_same_alone_and_beside_others(cell: CellName, engine: Engine) -> None:
    """To the bit: alone, in a tile that is full, and where two tiles overlap."""
    x, *rest = tensors(cell, (3, 33, 6, 64), FULL)
    together = both_ways(cell, x, rest[:4], rest[4:], engine)
    for begin, end in ((0, 1), (0, 16), (12, 29), (32, 33)):
        before = [part[begin:end] for part in rest[4:]]
        alone = both_ways(cell, x[:, begin:end], rest[:4], before, engine)
        for one, other in zip(alone, together, strict=True):
            assert torch.equal(one, other[..., begin:end, :])


def in_threads(engine: Engine, threads: int) -> Engine:
    """In so many threads, and all else in as many as before."""

    def inside(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            before = torch.get_num_threads()
            torch.set_num_threads(threads)
            try:
                return function(*arguments)
            finally:
                torch.set_num_threads(before)

        return call

    return engine._replace(forward=inside(engine.forward), backward=inside(engine.backward))


@pytest.mark.parametrize("by_id", [False, True])
@pytest.mark.parametrize(("batch", "hidden_size"), [(2, 32), (37, 96), (5, 64)])
def test_any_number_of_threads_gives_the_same(
    cell: CellName, batch: int, hidden_size: int, by_id: bool
) -> None:
    """To the bit: also if some have more panels than others or none, or if panels become narrow."""
    leaves, ids = tensors(cell, (3, batch, 6, hidden_size), FULL), None
    if by_id:
        ids, leaves = table(leaves)
    alone = run(cell, HALF, leaves, ids, in_threads(TILES, 1))
    for threads in (2, 3):
        together = run(cell, HALF, leaves, ids, in_threads(TILES, threads))
        assert all(map(torch.equal, alone, together))


@pytest.mark.parametrize("batch", [2, 37])
def test_threads_that_divide_the_lanes_change_their_sums_alone(cell: CellName, batch: int) -> None:
    """Not the outputs, states and gradients of a lane; some threads may have none."""
    leaves = tensors(cell, (3, batch, 6, 64), FULL)
    alone = run(cell, HALF, leaves, None, in_threads(LANE_TILES, 1))
    for threads in (2, 3):
        together = run(cell, HALF, leaves, None, in_threads(LANE_TILES, threads))
        for one, other, leaf in zip(
            alone[-len(leaves) :], together[-len(leaves) :], leaves, strict=True
        ):
            if leaf.ndim > 1:
                assert torch.equal(one, other)
            torch.testing.assert_close(one, other)
        assert all(map(torch.equal, alone[: -len(leaves)], together[: -len(leaves)]))


def test_what_is_not_a_number_stays_visible(cell: CellName, engine: Engine) -> None:
    leaves = tensors(cell, (3, 4, 6, 32), FULL)
    leaves[0].data[0, 1, 2] = float("nan")
    output = run(cell, HALF, leaves, engine=engine)[0]
    assert output[:, 1].isnan().all()
    assert not output[:, [0, 2, 3]].isnan().any()


def test_saturated_gates_are_finite(cell: CellName, engine: Engine) -> None:
    leaves = tensors(cell, (3, 4, 6, 32), FULL)
    for leaf in leaves[3:5]:
        leaf.data.mul_(1e6)
    assert all(result.isfinite().all() for result in run(cell, HALF, leaves, engine=engine))


def test_tiles_are_the_likely_fastest_where_they_fit(cell: CellName) -> None:
    able = candidates(cell, 64, CPU, HALF)
    assert able[:3] == ["lane_tiles", "tiles", "kernels"]
    for hidden_size, numbers, weights in ((48, HALF, FULL), (64, FULL, FULL), (64, HALF, HALF)):
        able = candidates(cell, hidden_size, CPU, numbers, weights)
        assert not {"tiles", "lane_tiles"} & {*able}
    assert kernels.available(48, HALF)
