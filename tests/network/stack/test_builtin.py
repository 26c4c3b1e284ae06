"""PyTorch's own code for layers: weights in one block, as cuDNN wants them, and no warning."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from charrnn import CharRNN, CharTokenizer, EvalConfig
from charrnn.cells.layout import layer_names
from charrnn.config import CellName
from charrnn.evaluation.dynamic import Adapting, typical_gradients
from charrnn.network.stack import builtin
from charrnn.network.stack.recurrent import Recurrent
from tests.conftest import V, small_config
from tests.network.stacks import stack_of

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)]


@pytest.fixture
def blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if a CPU wanted its weights in one block, too."""
    monkeypatch.setattr(builtin, "BLOCK_DEVICES", {"cpu", "cuda"})


@pytest.fixture
def full_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    """Products of all 24 bits, where cuDNN by default multiplies TF32 of 11."""
    monkeypatch.setattr(torch.backends.cudnn.rnn, "fp32_precision", "ieee")


def own_weights(stack: Recurrent, layer: int) -> list[Tensor]:
    return [stack.get_parameter(name) for name in layer_names(layer)]


def offsets(weights: list[Tensor]) -> list[int]:
    """Where they stand in their block, in numbers; they must fill it."""
    storage = weights[0].untyped_storage()
    assert {weight.untyped_storage().data_ptr() for weight in weights} == {storage.data_ptr()}
    size = weights[0].element_size()
    assert storage.nbytes() == size * sum(weight.numel() for weight in weights)
    assert all(weight.is_contiguous() for weight in weights)
    return [(weight.data_ptr() - storage.data_ptr()) // size for weight in weights]


def test_a_block_has_all_weights_side_by_side() -> None:
    shapes = [(6, 3), (6, 2), (6,), (6,)]
    weights = [torch.randn(shape, dtype=torch.double, requires_grad=True) for shape in shapes]
    block = builtin.one_block(weights)
    assert offsets(block) == [0, 18, 30, 36]
    for one, other in zip(block, weights, strict=True):
        assert torch.equal(one, other)
    assert torch.autograd.gradcheck(lambda *given: tuple(builtin.one_block(given)), weights)


@pytest.mark.usefixtures("blocks")
@pytest.mark.parametrize("device", DEVICES)
def test_weights_stand_in_one_block_whatever_is_done_to_them(cell: CellName, device: str) -> None:
    plain = stack_of(cell, 6, 5, 2)
    given = {name: weight.clone() for name, weight in plain.state_dict().items()}
    stack = plain.to(device)
    optimizer = torch.optim.AdamW(stack.parameters(), lr=0.1)
    before = [[weight.data_ptr() for weight in own_weights(stack, layer)] for layer in (0, 1)]
    for layer in (0, 1):
        assert sorted(offsets(own_weights(stack, layer)))[0] == 0
    for name, weight in stack.state_dict().items():
        assert torch.equal(weight.cpu(), given[name])
    stack(torch.randn(3, 4, 6, device=device))[0].sum().backward()
    optimizer.step()
    changed = copy.deepcopy(stack)
    stack.load_state_dict(given)
    assert before == [[w.data_ptr() for w in own_weights(stack, layer)] for layer in (0, 1)]
    for name, weight in changed.state_dict().items():
        assert not torch.equal(weight.cpu(), given[name]), "a copy is of its own"
    for layer in (0, 1):
        assert offsets(own_weights(changed, layer)) == offsets(own_weights(stack, layer))
        assert offsets(own_weights(changed.double(), layer))


@pytest.mark.parametrize("hidden_size", [5, 32])
def test_weights_in_blocks_train_as_they_do_without(
    cell: CellName, hidden_size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the bit, dropped weights included, which are new at each call."""
    results = []
    for devices in (set[str](), {"cpu"}):
        monkeypatch.setattr(builtin, "BLOCK_DEVICES", devices)
        torch.manual_seed(3)
        stack = stack_of(cell, 6, hidden_size, 2, weight_dropout=0.3).to("cpu")
        optimizer = torch.optim.AdamW(stack.parameters(), lr=0.1, fused=True)
        for _ in range(3):
            optimizer.zero_grad()
            stack(torch.randn(7, 4, 6))[0].square().sum().backward()
            optimizer.step()
        results.append([weight.detach() for weight in stack.parameters()])
    for one, other in zip(*results, strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("frozen", [False, True])
def test_on_a_cpu_float16_trains_too(cell: CellName, frozen: bool) -> None:
    """Of an LSTM it failed under autocast: everywhere in training, with AVX2 in use, too."""
    stack, x = stack_of(cell, 6, 16, 2).requires_grad_(not frozen), torch.randn(5, 3, 6)
    expected, _ = stack(x)
    x.requires_grad_(frozen)
    with torch.autocast("cpu", torch.float16):
        output, _ = stack(x)
        with torch.no_grad():
            answer, _ = stack(x)
    for found in (output, answer):
        torch.testing.assert_close(found.float(), expected, atol=0.01, rtol=0)
    output.float().sum().backward()
    for weight in [x] if frozen else stack.parameters():
        assert weight.grad is not None
        assert weight.grad.isfinite().all()


@pytest.mark.gpu
@pytest.mark.usefixtures("full_precision")
@pytest.mark.parametrize("hidden_size", [5, 64])
@pytest.mark.parametrize("weight_dropout", [0.0, 0.3])
@pytest.mark.parametrize("training", [False, True])
def test_a_gpu_computes_what_a_cpu_does_and_nothing_warns(
    cell: CellName, hidden_size: int, weight_dropout: float, training: bool
) -> None:
    stack = stack_of(cell, 6, hidden_size, 2, weight_dropout=weight_dropout).train(training)
    x = torch.randn(7, 4, 6)
    output, _ = stack(x)
    expected = torch.autograd.grad(output.square().sum(), list(stack.parameters()))
    stack.to("cuda")
    found, _ = stack(x.to("cuda"))
    gradients = torch.autograd.grad(found.square().sum(), list(stack.parameters()))
    assert all(gradient.isfinite().all() for gradient in gradients)
    if not (training and weight_dropout):  # a GPU draws other numbers
        # In full precision cuDNN's SimpleRNN has been seen 2e-5 from a CPU's, its gradients, which
        # are sums of larger numbers, 2e-4.
        torch.testing.assert_close(found.cpu(), output, atol=1e-4, rtol=1e-3)
        for one, other in zip(gradients, expected, strict=True):
            torch.testing.assert_close(one.cpu(), other, atol=4e-4, rtol=1e-3)
    with torch.autocast("cuda", torch.bfloat16):
        half, _ = stack(x.to("cuda"))
    half.float().square().sum().backward()
    if not (training and weight_dropout):
        torch.testing.assert_close(half.float(), found, atol=0.03, rtol=0)
    with torch.inference_mode():
        assert stack(x.to("cuda"))[0].isfinite().all()


@pytest.mark.gpu
@pytest.mark.usefixtures("full_precision")
def test_dynamic_evaluation_on_a_gpu_agrees_with_that_on_a_cpu(
    cell: CellName, tmp_path: Path
) -> None:
    """It needs gradients of a network that is not training."""
    network = CharRNN(small_config(cell))
    ids = np.random.default_rng(1).integers(0, V, 200).astype(np.int32)
    config = EvalConfig(segment=16, rate=1e-3)

    def costs() -> np.ndarray:
        typical = typical_gradients(network, ids, 16)
        return np.concatenate(list(Adapting(network, typical, config).score(ids)))

    expected = costs()
    network.to("cuda")
    np.testing.assert_allclose(costs(), expected, atol=1e-4)
    network.save_pretrained(tmp_path / "model", CharTokenizer("\nabcdefghij"))
    again = CharRNN.from_pretrained(tmp_path / "model").state_dict()
    for name, weight in network.state_dict().items():
        assert torch.equal(weight.cpu(), again[name])
