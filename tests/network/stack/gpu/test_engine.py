"""A layer in one kernel of a GPU: on a GPU, and its source on an emulated one; its layouts."""

from __future__ import annotations

import platform
import shutil
import warnings
from contextlib import nullcontext
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from charrnn.config import CellName
from charrnn.network.stack import recurrent
from charrnn.network.stack.choice import candidates
from charrnn.network.stack.engine import Engine, Unrolled
from charrnn.network.stack.gpu import driver, engine
from charrnn.network.stack.gpu.engine import PERSISTENT
from charrnn.network.stack.gpu.layout import (
    OWN_REGISTERS,
    Layout,
    Limits,
    Way,
    best_layout,
    layouts,
)
from charrnn.network.stack.loops import LOOPS
from charrnn.network.stack.sequences import sequence
from tests.network.stack.gpu import emulator
from tests.network.stack.layers import run, tensors
from tests.network.stacks import stack_of

needs_gpp = pytest.mark.skipif(
    shutil.which("g++") is None or platform.libc_ver()[0] != "glibc",
    reason="there is no g++ (Debian: g++) that makes contexts of glibc's",
)

Divisions = dict[Way, tuple[int, int, int, int]]

HALF, FULL = torch.bfloat16, torch.float32
H200 = Limits(132, 232448)
SHAPE = (5, 16, 6, 64)  # T, B, inputs, H: of each cell two groups of four blocks
PLAIN: Divisions = {"forward": (16, 8, 8, 2), "backward": (16, 8, 8, 4)}
# Units, lanes, chunk and warps that differ in all: several chunks, waves, tiles and elements of a
# thread, warps with less to do than others.
MIXED: list[tuple[CellName, tuple[int, ...], Divisions]] = [
    ("lstm", (4, 32, 6, 96), {"forward": (32, 32, 8, 2), "backward": (16, 16, 16, 2)}),
    ("gru", (4, 32, 6, 96), {"forward": (32, 16, 16, 4), "backward": (16, 32, 16, 2)}),
]


@pytest.fixture
def emulated(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if this machine had a GPU, of which launches know."""
    monkeypatch.setattr(engine, "on", nullcontext)
    monkeypatch.setattr(engine, "limits", lambda _: H200)
    monkeypatch.setattr(engine, "launch", emulator.launch)
    monkeypatch.setattr(engine, "prepare", lambda *_: None)


def divided(monkeypatch: pytest.MonkeyPatch, divisions: Divisions) -> None:
    """Have these layouts, whichever is the best."""

    def layout_for(layer: Unrolled, way: Way) -> Layout:
        return Layout(layer.cell, way, layer.hs.shape[2], *divisions[way])

    monkeypatch.setattr(engine, "layout_for", layout_for)


def agree(found: tuple[Tensor, ...], leaves: list[Tensor], cell: CellName) -> None:
    """As close to float64 as the loops in bfloat16 are."""
    slow = run(cell, HALF, leaves, engine=LOOPS)
    doubled = [leaf.detach().double().requires_grad_() for leaf in leaves]
    assert_as_close(found, slow, run(cell, torch.float64, doubled, engine=LOOPS))


def assert_as_close(
    found: tuple[Tensor, ...], slow: tuple[Tensor, ...], exact: tuple[Tensor, ...]
) -> None:
    for one, other, truth in zip(found, slow, exact, strict=True):
        assert one.dtype == other.dtype
        error = (one - truth).norm() / truth.norm()
        assert error < 1.2 * (other - truth).norm() / truth.norm() + 1e-3


@needs_gpp
@pytest.mark.usefixtures("emulated")
def test_a_gpu_would_compute_what_the_loops_do(
    cell: CellName, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And to the bit whatever warp is ahead of others."""
    divided(monkeypatch, PLAIN)
    leaves = tensors(cell, SHAPE, FULL)
    found = run(cell, HALF, leaves, engine=PERSISTENT)
    agree(found, leaves, cell)
    monkeypatch.setattr(engine, "launch", partial(emulator.launch, seed=2))
    for one, other in zip(run(cell, HALF, leaves, engine=PERSISTENT), found, strict=True):
        assert torch.equal(one, other)
    single = tensors(cell, (1, *SHAPE[1:]), FULL)
    agree(run(cell, HALF, single, engine=PERSISTENT), single, cell)


@needs_gpp
@pytest.mark.usefixtures("emulated")
def test_the_way_back_is_compiled_only_for_those_who_may_go_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compiled: list[Way] = []
    monkeypatch.setattr(engine, "prepare", lambda layout, _: compiled.append(layout.way))
    divided(monkeypatch, PLAIN)
    leaves = tensors("rnn", SHAPE, FULL)
    given = leaves[0], leaves[1:5], leaves[5:], None, PERSISTENT
    with torch.inference_mode():
        sequence("rnn", HALF, *given)
    assert compiled == []
    sequence("rnn", HALF, *given)
    assert compiled == ["backward"]


@needs_gpp
@pytest.mark.usefixtures("emulated")
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_a_stack_is_the_same_on_either_engine(
    cell: CellName, monkeypatch: pytest.MonkeyPatch
) -> None:
    divided(monkeypatch, PLAIN)
    steps, batch, inputs, hidden_size = SHAPE
    dice = torch.Generator().manual_seed(0)
    stack = stack_of(cell, inputs, hidden_size, 2)
    stack.reset_parameters(dice)
    x = torch.randn(steps, batch, inputs, generator=dice)
    found = {}
    for name in ("persistent", "loops"):
        monkeypatch.setattr(recurrent, "candidates", lambda *_, name=name: [name])
        with torch.autocast("cpu", HALF):
            output, after = stack(x)
        (output.float().square().sum() + sum(part.square().sum() for part in after)).backward()
        slopes = [weight.grad for weight in stack.parameters()]
        found[name] = [output.detach(), *(part.detach() for part in after), *slopes]
        stack.zero_grad()
    for one, other in zip(*found.values(), strict=True):
        assert (one - other).norm() < 0.02 * other.norm()


@needs_gpp
@pytest.mark.usefixtures("emulated")
@pytest.mark.parametrize(("cell", "shape", "divisions"), MIXED, ids=["lstm", "gru"])
def test_however_the_work_is_divided(
    cell: CellName,
    shape: tuple[int, ...],
    divisions: Divisions,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    divided(monkeypatch, divisions)
    monkeypatch.setitem(OWN_REGISTERS, "backward", 110)  # some weights are held in shared memory
    for way in divisions:
        layout = Layout(cell, way, shape[3], *divisions[way])
        assert layout.held < layout.spans
        assert layout.held or way == "forward"
    leaves = tensors(cell, shape, FULL)
    agree(run(cell, HALF, leaves, engine=PERSISTENT), leaves, cell)


@needs_gpp
@pytest.mark.usefixtures("emulated")
def test_nobody_waits_for_what_is_not_a_number(
    cell: CellName, monkeypatch: pytest.MonkeyPatch
) -> None:
    divided(monkeypatch, PLAIN)
    leaves = tensors(cell, SHAPE, FULL)
    with torch.no_grad():
        leaves[0][1] = -float("nan")
    output, *rest = run(cell, HALF, leaves, engine=PERSISTENT)
    assert output[:1].isfinite().all()
    assert output[1:].isnan().all()
    assert rest[-1].isnan().all()


def test_lanes_that_fill_no_tile_are_pytorchs(
    cell: CellName, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(engine, "works", lambda _: True)
    monkeypatch.setattr(engine, "limits", lambda _: H200)
    gpu = torch.device("cuda", 0)
    for lanes in (None, 16, 40):
        assert candidates(cell, 64, gpu, HALF, lanes=lanes) == ["persistent", "torch"]
    assert candidates(cell, 64, gpu, HALF, lanes=7) == ["torch"]
    for hidden_size, numbers in ((80, HALF), (64, FULL)):
        assert candidates(cell, hidden_size, gpu, numbers) == ["torch"]


def test_a_layer_is_chosen_for_its_lanes(cell: CellName, monkeypatch: pytest.MonkeyPatch) -> None:
    lanes: list[Any] = []

    def noted(*given: Any) -> list[str]:
        lanes.append(given[-1])
        return ["loops"]

    monkeypatch.setattr(recurrent, "candidates", noted)
    stack = stack_of(cell, 6, 64)
    stack(torch.randn(3, 16, 6))
    stack(torch.randn(9, 6), None, torch.zeros(3, 7, dtype=torch.int64))
    assert lanes == [16, 7]


@pytest.mark.parametrize("way", ["forward", "backward"])
def test_layouts_fit(cell: CellName, way: Way) -> None:
    for hidden_size in (64, 96, 256, 352, 512, 768, 1024):
        for batch in (8, 24, 32, 40, 64, 128):
            found = list(layouts(cell, way, hidden_size, batch, H200))
            chosen = best_layout(cell, way, hidden_size, batch, H200)
            assert chosen in found if found else chosen is None
            for layout in found:
                assert batch % layout.lanes == layout.lanes % layout.chunk == 0
                assert layout.blocks(batch) <= H200.blocks
                assert layout.shared_bytes <= H200.shared_bytes
                assert layout.blocks(batch) * layout.units * layout.lanes == hidden_size * batch


def test_there_is_a_layout_for_what_is_common(cell: CellName) -> None:
    ways: tuple[Way, Way] = ("forward", "backward")
    for hidden_size, batch in ((128, 16), (256, 32), (256, 128), (512, 64), (1024, 128)):
        for way in ways:
            assert best_layout(cell, way, hidden_size, batch, H200)
    for way in ways:
        assert best_layout(cell, way, 256, 33, H200) is None
        assert best_layout(cell, way, 80, 32, H200) is None
        assert best_layout(cell, way, 8192, 8, H200) is None
        assert best_layout(cell, way, 256, 32, Limits(7, 232448)) is None
        assert best_layout(cell, way, 256, 32, Limits(132, 1024)) is None


def test_there_are_none_without_a_gpu() -> None:
    if not torch.cuda.is_available():
        assert not PERSISTENT.supports(64, HALF, FULL)
    assert not PERSISTENT.supports(64, FULL, FULL)
    assert not PERSISTENT.supports(64, HALF, torch.float64)
    assert not PERSISTENT.supports(80, HALF, FULL)


@needs_gpp
@pytest.mark.usefixtures("emulated")
@pytest.mark.parametrize(
    ("fault", "words"),
    [(None, ""), (RuntimeError("no such architecture\nsm_999"), "architecture"), (0.5, "wrongly")],
)
def test_a_gpu_is_tried_out_before_it_counts(
    fault: Any, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where code can't be made, or is wrong, PyTorch's layers compute, and that is said."""
    real = engine.forward

    def forward(layer: Unrolled, *given: Tensor) -> None:
        if isinstance(fault, Exception):
            raise fault
        real(layer, *given)
        if fault is not None:
            layer.hs[1, 2, 3] += fault

    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (9, 0))
    monkeypatch.setattr(driver, "available", lambda: True)
    monkeypatch.setattr(engine, "gpu_of", lambda _: torch.device("cpu"))
    monkeypatch.setattr(engine, "forward", forward)
    engine.works.cache_clear()
    try:
        with pytest.warns(UserWarning, match=words) if words else nullcontext():
            assert engine.works(0) is (fault is None)
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # once is enough
            assert engine.works(0) is (fault is None)
    finally:
        engine.works.cache_clear()


@pytest.mark.gpu
@pytest.mark.parametrize(
    "shape",
    [
        (9, 8, 6, 128),
        (20, 32, 10, 256),
        (7, 48, 6, 352),
        (9, 64, 6, 384),
        (20, 64, 6, 512),
        (7, 40, 6, 768),
        (10, 32, 6, 1024),
        (4, 128, 6, 1024),
    ],
)
def test_a_gpu_computes_what_the_loops_do(cell: CellName, shape: tuple[int, ...]) -> None:
    """Twice the same bits, and in a graph, too; nobody waits for what is not a number."""
    if not PERSISTENT.supports(shape[3], HALF, FULL):
        pytest.skip("the GPU has no tiles of bfloat16")
    if not engine.fits(cell, shape[3], shape[1], torch.device("cuda")):
        pytest.skip("the GPU has no room for so many lanes")
    leaves = [leaf.detach().cuda().requires_grad_() for leaf in tensors(cell, shape, FULL)]
    doubled = [leaf.detach().double().requires_grad_() for leaf in leaves]
    exact = both_ways(cell, torch.float64, doubled, LOOPS)
    slow = both_ways(cell, HALF, leaves, LOOPS)
    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        found = both_ways(cell, HALF, leaves, PERSISTENT)
    torch.cuda.current_stream().wait_stream(stream)
    assert_as_close(found, slow, exact)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        recorded = both_ways(cell, HALF, leaves, PERSISTENT)
    graph.replay()
    graph.replay()
    for one, other in zip(recorded, found, strict=True):
        assert torch.equal(one, other)
    with torch.no_grad():
        leaves[0][3] = float("nan")
    output, *_ = both_ways(cell, HALF, leaves, PERSISTENT)
    assert output[:3].isfinite().all()
    assert output[3:].isnan().all()


def both_ways(
    cell: CellName, dtype: torch.dtype, leaves: list[Tensor], steps: Engine
) -> tuple[Tensor, ...]:
    """Outputs, states after, and gradients of the sum of all their squares."""
    results = sequence(cell, dtype, leaves[0], leaves[1:5], leaves[5:], None, steps)
    found = torch.autograd.grad(results, leaves, [2 * r.detach() for r in results])
    return (*(result.detach() for result in results), *found)  # a graph's nodes know its stream
