"""One contract, several engines: machine code and PyTorch's operations do what the rules say."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest
import torch
from torch import Tensor

from charrnn.cells.layout import layer_names
from charrnn.cells.rules import CELLS
from charrnn.config import CellName, EngineName
from charrnn.native.code import machine
from charrnn.native.processor import Target
from charrnn.network.stack import builtin
from charrnn.network.stack.choice import STEP_ENGINES, candidates
from charrnn.network.stack.cpu import kernels, matrices, team
from charrnn.network.stack.cpu.kernels import KERNELS, LANE_TILES
from charrnn.network.stack.engine import Engine
from charrnn.network.stack.loops import LOOPS
from charrnn.network.stack.sequences import sequence
from tests.conftest import HERE, PROCESSORS, Processor, processor_name
from tests.network.stack.layers import run, table, tensors
from tests.network.stacks import stack_of

# Lanes and units that don't fill the tiles, and one that does; all sizes differ.
SHAPES = [(5, 13, 6, 48), (3, 4, 10, 32), (4, 2, 14, 80), (2, 1, 4, 32), (6, 16, 20, 64)]

needs_kernels = pytest.mark.skipif(
    not kernels.available(16, torch.float32), reason="there are no kernels here"
)
needs_bfloat16 = pytest.mark.skipif(
    not kernels.available(16, torch.bfloat16), reason="the processor has no bfloat16"
)
NUMBERS = [torch.float32, pytest.param(torch.bfloat16, marks=needs_bfloat16)]


# Those of floats; `test_tiles` has the others.
ENGINES = [engine for engine in STEP_ENGINES.values() if engine is not LANE_TILES]


@pytest.fixture(params=ENGINES, ids=lambda engine: engine.name)
def engine(request: pytest.FixtureRequest) -> Engine:
    """Each engine in turn that runs here, so that a new one is tested by existing."""
    found: Engine = request.param
    if not found.supports(16, torch.float32, torch.float32):
        pytest.skip(f"there are no {found.name} here")
    return found


# All shapes for this processor; two as for another, and the rest of those in `make test-slow`: each
# has to be compiled.
CODES = [
    *((shape, HERE, torch.float32) for shape in SHAPES),
    *(
        pytest.param(shape, PROCESSORS[-1], torch.float32, marks=() if k < 2 else pytest.mark.slow)
        for k, shape in enumerate(SHAPES)
        if PROCESSORS[-1] != HERE
    ),
    *(pytest.param(shape, HERE, torch.bfloat16, marks=needs_bfloat16) for shape in SHAPES),
]


@needs_kernels
@pytest.mark.parametrize("by_id", [False, True])
@pytest.mark.parametrize(("shape", "target", "dtype"), CODES, ids=processor_name)
def test_engines_agree(
    cell: CellName,
    shape: tuple[int, ...],
    dtype: torch.dtype,
    by_id: bool,
    target: Target,
    processor: Processor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    processor(target)
    leaves, ids = tensors(cell, shape, torch.float32), None
    if by_id:
        ids, leaves = table(leaves)
    fast = run(cell, dtype, leaves, ids, KERNELS)
    for takes in ("takes_weights", "adds_rows"):  # PyTorch's products are the other side
        monkeypatch.setattr(matrices, takes, lambda *_: False)
    slow = run(cell, dtype, leaves, ids, LOOPS)
    for one, other in zip(fast, slow, strict=True):
        # In bfloat16 a last bit that falls the other way is a difference of 1/256.
        largest = float(other.abs().max())
        limit = largest * (2e-5 if dtype == torch.float32 else 3e-2)
        torch.testing.assert_close(one, other, atol=limit, rtol=0)
        assert one.dtype == other.dtype


def test_what_can_compute_depends_on_the_width_and_the_processor(
    cell: CellName, processor: Processor
) -> None:
    """Kernels need a width and a processor; PyTorch and the loops can always compute."""
    cpu, numbers = torch.device("cpu"), torch.float32
    for width, target in ((32, HERE), (33, HERE), (32, None)):
        processor(target)
        able = candidates(cell, width, cpu, numbers)
        assert set(able) >= {"torch", "loops"}
        assert ("kernels" in able) == (width == 32 and kernels.available(32, numbers))
        assert able[0] == (
            "kernels" if "kernels" in able else "torch" if cell == "lstm" else "loops"
        )


def test_what_is_chosen_computes(cell: CellName) -> None:
    """A stack with an engine gives the bits of that engine, or of the first where it can't."""
    (x, *rest), stack = tensors(cell, (3, 4, 6, 32), torch.float32), stack_of(cell, 6, 32)
    weights: list[Tensor] = [stack.get_parameter(name) for name in layer_names(0)]
    before = tuple(part.detach() for part in rest[4:])
    able = candidates(cell, 32, torch.device("cpu"), torch.float32)
    for wanted in get_args(EngineName):
        stack.engine = wanted
        name = wanted if wanted in able else able[0]
        output, _ = stack(x, tuple(part[None] for part in before))
        if name == "torch":
            expected, _ = builtin.run(cell, x, weights, tuple(part[None] for part in before))
        else:
            engine = STEP_ENGINES[name]
            expected, *_ = sequence(cell, torch.float32, x, weights, before, None, engine)
        assert torch.equal(output, expected)


@pytest.mark.parametrize("shape", SHAPES)
def test_bfloat16_stays_close_to_float64(cell: CellName, shape: tuple[int, ...]) -> None:
    leaves = tensors(cell, shape, torch.float32)
    exact = run(cell, torch.float64, [leaf.detach().double().requires_grad_() for leaf in leaves])
    for one, other in zip(run(cell, torch.bfloat16, leaves), exact, strict=True):
        distance = (one - other).norm() / other.norm()
        assert distance < 0.02


@pytest.mark.parametrize("by_id", [False, True])
def test_gradcheck_of_the_loops(cell: CellName, by_id: bool) -> None:
    leaves, ids = tensors(cell, (3, 2, 4, 5), torch.float64), None
    if by_id:
        ids, leaves = table(leaves)

    def call(*leaves: Tensor) -> tuple[Tensor, ...]:
        return sequence(cell, torch.float64, leaves[0], leaves[1:5], leaves[5:], ids, LOOPS)

    assert torch.autograd.gradcheck(call, leaves)


def test_rows_of_a_table_are_what_an_embedding_would_give(cell: CellName) -> None:
    ids, leaves = table(tensors(cell, (6, 5, 3, 4), torch.float64))
    found = run(cell, torch.float64, leaves, ids)
    looked_up = leaves[0].detach()[ids].requires_grad_()
    expected = run(cell, torch.float64, [looked_up, *leaves[1:]])
    parts = 1 + len(CELLS[cell].state)  # outputs and states; then the gradient of the table
    d_table = torch.zeros_like(leaves[0]).index_put((ids,), expected[parts], accumulate=True)
    torch.testing.assert_close(found[parts], d_table)
    torch.testing.assert_close(found[:parts], expected[:parts])
    torch.testing.assert_close(found[parts + 1 :], expected[parts + 1 :])


@pytest.mark.parametrize("by_id", [False, True])
def test_any_number_of_threads_gives_the_same(cell: CellName, by_id: bool, engine: Engine) -> None:
    leaves, ids = tensors(cell, (4, 11, 6, 32), torch.float32), None
    if by_id:
        ids, leaves = table(leaves)
    alone = run(cell, torch.float32, leaves, ids, engine)
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        together = run(cell, torch.float32, leaves, ids, engine)
    finally:
        torch.set_num_threads(before)
    for one, other in zip(alone, together, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


@needs_kernels
@pytest.mark.skipif(HERE is not None and HERE.lanes == 4, reason="no x86")
def test_what_is_too_small_for_a_float_is_zero_inside_and_not_outside(cell: CellName) -> None:
    """With such numbers, which gradients through saturated gates become, some processors crawl."""
    x, *rest = tensors(cell, (3, 4, 10, 16), torch.float32)
    output, *_ = sequence(cell, torch.float32, x, rest[:4], rest[4:], None, KERNELS)
    (gradient,) = torch.autograd.grad((output * 1e-30).sum() * 1e-9, x, retain_graph=True)
    assert (gradient == 0).all()
    (gradient,) = torch.autograd.grad((output * 1e-30).sum(), x)
    assert (gradient != 0).all()
    assert np.float32(1e-38) * np.float32(0.1) > 0


@pytest.mark.parametrize("dtype", NUMBERS)
def test_what_is_not_a_number_stays_visible(
    cell: CellName, dtype: torch.dtype, engine: Engine
) -> None:
    """A diverged run must be seen to have diverged."""
    leaves = tensors(cell, (3, 4, 6, 32), torch.float32)
    leaves[0].data[0, 1, 2] = float("nan")
    output = run(cell, dtype, leaves, engine=engine)[0]
    assert output[:, 1].isnan().all()
    assert not output[:, [0, 2, 3]].isnan().any()


def test_saturated_gates_are_exact(cell: CellName, engine: Engine) -> None:
    leaves = tensors(cell, (3, 4, 6, 32), torch.float32)
    for leaf in leaves[3:5]:
        leaf.data.mul_(1e6)
    results = run(cell, torch.float32, leaves, engine=engine)
    assert all(result.isfinite().all() for result in results)


@needs_kernels
def test_tanh_and_sigmoid_are_those_of_pytorch() -> None:
    x = torch.cat([torch.linspace(-12, 12, 160_000), torch.logspace(-30, 0, 160_000)])
    code = machine.Code("functions", ["x", "count"])
    with code.loop(0, code["count"], code.lanes) as k:
        value = code.load(code["x"] + k * 4, "fp32")
        code.store(code["x"] + k * 4, value.tanh() * 2.0 + value.sigmoid(), "fp32")
    y = x.clone()
    team.run(code.compile, [y.data_ptr(), len(y)], 1)
    torch.testing.assert_close(y, 2 * x.tanh() + x.sigmoid(), atol=1e-6, rtol=0)


@needs_bfloat16
def test_bfloat16_are_rounded_to_the_nearest() -> None:
    x = torch.randn(64_000)
    y = torch.empty(len(x), dtype=torch.bfloat16)
    code = machine.Code("rounding", ["x", "y", "count"])
    with code.loop(0, code["count"], code.lanes) as k:
        code.store(code["y"] + k * 2, code.load(code["x"] + k * 4, "fp32"), "bf16")
    team.run(code.compile, [x.data_ptr(), y.data_ptr(), len(y)], 1)
    assert torch.equal(y, x.bfloat16())


@pytest.mark.parametrize("hidden_size", [32, 33])
def test_a_stack_is_the_same_with_and_without_kernels(
    cell: CellName, hidden_size: int, processor: Processor
) -> None:
    """Without llvmlite, or at a width without kernels, all is as before but slower."""
    stack: Any = stack_of(cell, 6, hidden_size, 2)
    x = torch.randn(5, 3, 6)
    output, state = stack(x)
    processor(None)
    expected, expected_state = stack(x)
    torch.testing.assert_close(output, expected)
    torch.testing.assert_close(state, expected_state)


def test_a_processor_without_bfloat16_trains_in_it_all_the_same(
    cell: CellName, processor: Processor, monkeypatch: pytest.MonkeyPatch
) -> None:
    processor(None)
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    stack, x = stack_of(cell, 6, 16, 2).double(), torch.randn(5, 3, 6)
    exact, _ = stack(x.double())
    monkeypatch.setattr(torch, "lstm", None)
    with torch.autocast("cpu", torch.bfloat16):
        output, _ = stack.float()(x)
    assert output.dtype == torch.bfloat16
    torch.testing.assert_close(output.double(), exact, atol=0.03, rtol=0)
    output.float().sum().backward()
    for weight in stack.parameters():
        assert weight.grad is not None
        assert weight.grad.isfinite().all()


@pytest.mark.skipif(not builtin.onednn_takes_bfloat16(), reason="oneDNN has no bfloat16 here")
def test_where_onednn_has_bfloat16_an_lstm_without_kernels_is_pytorchs(
    processor: Processor,
) -> None:
    """To the bit: `nn.LSTM` under autocast, and not the loops, which take far longer."""
    processor(None)
    stack, x = stack_of("lstm", 6, 16), torch.randn(5, 3, 6)
    module = torch.nn.LSTM(6, 16)
    module.load_state_dict(stack.state_dict())
    with torch.autocast("cpu", torch.bfloat16):
        output, _ = stack(x)
        expected, _ = module(x)
    assert torch.equal(output, expected)


@pytest.mark.parametrize("hidden_size", [32, 33])
@pytest.mark.parametrize("dtype", [torch.int32, torch.int64])
@pytest.mark.parametrize("rows", [2, 80])
def test_a_stack_reads_ids_as_it_reads_what_they_stand_for(
    cell: CellName, hidden_size: int, dtype: torch.dtype, rows: int
) -> None:
    """Whether the table is short or long, and with a skip around its rows."""
    stack: Any = stack_of(cell, hidden_size, hidden_size, 2, skip=True)
    x, ids = torch.randn(rows, hidden_size), torch.randint(rows, (5, 4))
    output, state = stack(x, None, ids.to(dtype))
    expected, expected_state = stack(x[ids])
    torch.testing.assert_close(output, expected)
    torch.testing.assert_close(state, expected_state)


@pytest.mark.parametrize("hidden_size", [32, 33])
@pytest.mark.parametrize("steps", [1, 40])
def test_no_id_leads_out_of_a_table(cell: CellName, hidden_size: int, steps: int) -> None:
    """With kernels and without, by a table's product and by rows looked up."""
    stack = stack_of(cell, 6, hidden_size)
    for wrong in (3, -1):
        ids = torch.zeros(steps, 4, dtype=torch.long)
        ids[-1, 2] = wrong
        with pytest.raises(IndexError):
            stack(torch.randn(3, 6), None, ids)


@needs_bfloat16
def test_a_table_is_multiplied_in_full_precision() -> None:
    """Its product is rounded once, to what the kernels read, also under autocast."""
    ids, leaves = table(tensors("rnn", (9, 8, 64, 16), torch.float32))
    leaves[2:] = [torch.zeros_like(leaf) for leaf in leaves[2:]]
    with torch.autocast("cpu", torch.bfloat16):
        output, _ = sequence(
            "rnn", torch.bfloat16, leaves[0], leaves[1:5], leaves[5:], ids, KERNELS
        )
    exact = (leaves[0] @ leaves[1].t()).bfloat16().float().tanh()[ids]
    torch.testing.assert_close(output.float(), exact, atol=2**-8, rtol=0)
    rounded = leaves[0].bfloat16() @ leaves[1].t().bfloat16()
    assert not torch.equal(rounded, (leaves[0] @ leaves[1].t()).bfloat16())
