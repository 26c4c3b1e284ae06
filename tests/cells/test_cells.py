"""The readable rule of each cell, the sequence path and PyTorch's own modules are one function."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from charrnn.cells.rules import CELLS, State
from charrnn.config import CellName
from charrnn.network.stack.recurrent import Recurrent, detach
from tests.conftest import B, E, H, T
from tests.network.stacks import stack_of

LAYERS = 3  # differs from B, T, E, H


def naive(stack: Recurrent, x: Tensor, state: State) -> tuple[Tensor, State]:
    """One direction of a stack, written as the equations say: step by step, no shortcuts."""
    after = []
    for layer in range(stack.num_layers):
        w_ih, w_hh, b_ih, b_hh = (
            stack.get_parameter(f"{name}_l{layer}")
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        now = tuple(part[layer] for part in state)
        outputs = []
        for t in range(len(x)):
            gx = x[t] @ w_ih.T + b_ih  # (B, G·H)
            gh = now[0] @ w_hh.T + b_hh  # (B, G·H)
            output, now = stack.cell.combine(gx, gh, now)
            outputs.append(output)
        output = torch.stack(outputs)
        x = x + output if stack.skip and x.shape == output.shape else output
        after.append(now)
    return x, tuple(torch.stack(parts) for parts in zip(*after, strict=True))


def random_state(stack: Recurrent, batch: int = B) -> State:
    return tuple(torch.randn_like(part) for part in stack.start(batch))


def make(cell: CellName, **options: Any) -> Recurrent:
    """A stack in float64 whose biases are not zero, so that a forgotten one is noticed."""
    stack = stack_of(cell, E, H, LAYERS, **options).double()
    for name, weight in stack.named_parameters():
        if name.startswith("bias"):
            nn.init.normal_(weight)
    return stack


@pytest.mark.parametrize("skip", [False, True])
def test_sequence_path_is_the_rule_applied_step_by_step(cell: CellName, skip: bool) -> None:
    stack = make(cell, skip=skip)
    x, state = torch.randn(T, B, E).double(), random_state(make(cell))
    output, after = stack(x, state)
    expected, expected_after = naive(stack, x, state)
    torch.testing.assert_close(output, expected)
    torch.testing.assert_close(after, expected_after)


@pytest.mark.parametrize("skip", [False, True])
def test_gradients_of_the_sequence_path_are_those_of_the_rule(cell: CellName, skip: bool) -> None:
    stack = make(cell, skip=skip)
    x = torch.randn(T, B, E, dtype=torch.float64, requires_grad=True)
    state = tuple(part.requires_grad_() for part in random_state(stack))
    inputs = [x, *state, *stack.parameters()]

    def gradients(run: Any) -> tuple[Tensor, ...]:
        output, after = run()
        torch.manual_seed(2)
        loss = sum(
            (part * torch.randn(part.shape, dtype=part.dtype)).sum() for part in (output, *after)
        )
        assert isinstance(loss, Tensor)
        return torch.autograd.grad(loss, inputs)

    fast = gradients(lambda: stack(x, state))
    slow = gradients(lambda: naive(stack, x, state))
    for one, other in zip(fast, slow, strict=True):
        assert one.abs().max() > 0
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("begun", [False, True])
def test_gradcheck_of_the_sequence_path(cell: CellName, begun: bool) -> None:
    """By the input, the state if there is one, and every weight."""
    stack = stack_of(cell, 2, 3, 1).double()
    x = torch.randn(4, 2, 2, dtype=torch.float64, requires_grad=True)
    state = tuple(torch.randn(1, 2, 3).double().requires_grad_() for _ in stack.cell.state) * begun
    names = [name for name, _ in stack.named_parameters()]

    def run(x: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
        given, weights = rest[: len(state)], dict(zip(names, rest[len(state) :], strict=True))
        output, after = torch.func.functional_call(stack, weights, (x, given or None))
        return (output, *after)

    assert torch.autograd.gradcheck(run, (x, *state, *stack.parameters()))


def test_one_piece_is_the_same_as_chunks_with_carried_state(cell: CellName) -> None:
    stack, x = make(cell, skip=True), torch.randn(T, B, E).double()
    whole, end = stack(x)
    state, pieces = None, []
    for chunk in torch.split(x, [1, 4, 2]):
        piece, state = stack(chunk, state)
        pieces.append(piece)
    torch.testing.assert_close(torch.cat(pieces), whole)
    torch.testing.assert_close(state, end)


def test_weights_exchange_with_the_modules_of_pytorch(cell: CellName) -> None:
    stack = make(cell)
    kind = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}[cell]
    module = kind(E, H, LAYERS).double()
    module.load_state_dict(stack.state_dict())
    x, state = torch.randn(T, B, E).double(), random_state(stack)
    output, after = stack(x, state)
    expected, expected_after = module(x, state if cell == "lstm" else state[0])
    torch.testing.assert_close(output, expected)
    torch.testing.assert_close(after if cell == "lstm" else after[0], expected_after)


def test_the_rule_is_the_same_on_numpy_arrays(cell: CellName) -> None:
    rule = CELLS[cell]
    gx, gh = torch.randn(2, B, rule.gates * H).double()
    state = tuple(torch.randn(B, H).double() for _ in rule.state)
    output, after = rule.combine(gx, gh, state)
    array, arrays = rule.combine(gx.numpy(), gh.numpy(), tuple(part.numpy() for part in state))
    np.testing.assert_allclose(array, output, rtol=1e-12)
    for one, other in zip(arrays, after, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)


def test_the_rule_shows_its_quantities_and_goes_on_with_what_it_is_given(cell: CellName) -> None:
    """On arrays and on tensors; to be looked at changes nothing, to the bit."""
    rule = CELLS[cell]
    gx, gh = torch.randn(2, B, rule.gates * H).double()
    state = tuple(torch.randn(B, H).double() for _ in rule.state)
    shown: dict[str, Any] = {}

    def note(name: str, value: Any) -> Any:
        shown[name] = value
        return value

    output, after = rule.combine(gx, gh, state, note)
    expected, expected_after = rule.combine(gx, gh, state)
    assert torch.equal(output, expected)
    assert all(map(torch.equal, after, expected_after))
    assert tuple(shown) == rule.quantities
    tensors = shown.copy()
    rule.combine(gx.numpy(), gh.numpy(), tuple(part.numpy() for part in state), note)
    for name in rule.quantities:
        np.testing.assert_allclose(shown[name], tensors[name], rtol=1e-12)

        def push(quantity: str, value: Any, pushed: str = name) -> Any:
            return value + 1 if quantity == pushed else value

        changed, _ = rule.combine(gx, gh, state, push)
        assert (changed != output).all(), name


def test_the_rule_survives_huge_numbers_without_a_warning(cell: CellName) -> None:
    rule = CELLS[cell]
    for size in (-1e4, 1e4):
        gx = np.full((B, rule.gates * H), size, np.float32)
        state = tuple(np.ones((B, H), np.float32) for _ in rule.state)
        output, _ = rule.combine(gx, gx, state)
        assert np.isfinite(output).all()
        assert output.dtype == np.float32


def test_recurrent_weights_are_orthogonal_and_forget_gates_open(cell: CellName) -> None:
    stack = stack_of(cell, E, H, LAYERS)
    for layer in range(LAYERS):
        for block in stack.get_parameter(f"weight_hh_l{layer}").chunk(stack.cell.gates):
            torch.testing.assert_close(block @ block.T, torch.eye(H), atol=1e-5, rtol=0)
        bias = stack.get_parameter(f"bias_ih_l{layer}") + stack.get_parameter(f"bias_hh_l{layer}")
        expected = torch.zeros_like(bias)
        if cell == "lstm":
            expected[H : 2 * H] = 1
        torch.testing.assert_close(bias, expected)


@pytest.mark.parametrize("kind", ["dropout", "weight_dropout"])
def test_dropout_acts_in_training_alone(cell: CellName, kind: str) -> None:
    stack, x = make(cell, **{kind: 0.5}), torch.randn(T, B, E).double()
    first, second = stack(x)[0], stack(x)[0]
    assert not torch.equal(first, second)
    stack.eval()
    torch.testing.assert_close(stack(x)[0], stack(x)[0])


@pytest.mark.parametrize("share", [0.25, 0.5, 0.9])
def test_outputs_are_dropped_as_the_generator_says_on_every_processor(share: float) -> None:
    """The numbers are those of a Mersenne Twister, which NumPy has, too."""
    size, rows, seed = 40, 30, 7
    stack = stack_of("rnn", 1, size, dropout=share)
    plain = stack_of("rnn", 1, size)
    plain.load_state_dict(stack.state_dict())
    x = torch.randn(2, rows, 1)
    output, _ = stack(x, generator=torch.Generator().manual_seed(seed))
    halves = np.random.RandomState(seed).randint(2**32, size=(rows * size, 2), dtype=np.uint32)
    words = halves.astype(np.uint64) @ np.array([2**32, 1], np.uint64)
    kept = (words % 2**53 / 2**53 < 1 - share).reshape(rows, size)
    expected = plain(x)[0] * torch.from_numpy(kept) / (1 - share)
    torch.testing.assert_close(output, expected)


@pytest.mark.parametrize("share", [0.25, 0.5, 0.999])
def test_recurrent_weights_are_dropped_in_part_and_their_mean_stays(share: float) -> None:
    size, tiny = 301, 1e-9  # so small a state that tanh is linear
    stack = stack_of("rnn", 1, size, weight_dropout=share).double()
    weight = nn.init.uniform_(stack.get_parameter("weight_hh_l0"), 1, 2).detach()
    state = (tiny * torch.eye(size, dtype=torch.float64)[None],)
    output, _ = stack(torch.zeros(1, size, 1, dtype=torch.float64), state)
    seen = output[0].detach().T / tiny  # the weights with which it multiplied
    lost = seen == 0
    assert abs(lost.double().mean() - share) < 0.02
    ratios = (seen / weight)[~lost]
    torch.testing.assert_close(ratios, ratios[:1].expand_as(ratios))
    assert float(ratios[0] * (~lost).double().mean()) == pytest.approx(1, abs=0.2)


def test_nothing_passes_through_recurrent_weights_that_are_dropped(cell: CellName) -> None:
    stack, x = stack_of(cell, E, 20, weight_dropout=0.5), torch.randn(T, B, E)
    stack(x)[0].sum().backward()
    weight = stack.get_parameter("weight_hh_l0")
    assert weight.grad is not None
    assert 0.3 < (weight.grad == 0).double().mean() < 0.7


def test_state_is_a_value_that_can_be_cut_and_selected(cell: CellName) -> None:
    stack, x = make(cell), torch.randn(T, B, E).double()
    _, state = stack(x)
    before = tuple(part.clone() for part in state)
    chosen = tuple(part[:, [2, 0]] for part in state)  # (L, B, H)
    output, _ = stack(x[:, [2, 0]], chosen)
    torch.testing.assert_close(output, stack(x, state)[0][:, [2, 0]])
    assert all(part.requires_grad for part in state)
    assert not any(part.requires_grad for part in detach(state))
    torch.testing.assert_close(state, before)
