"""Rows of different lengths: NumPy and PyTorch find the same, and padding changes nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from charrnn.cells.heads import encoder_shapes
from charrnn.cells.rules import CELLS
from charrnn.config import EngineName, ModelConfig
from charrnn.network import encoder as networks
from charrnn.network.stack.choice import candidates
from charrnn.tasks.nets import encoder as twins

LENGTHS = (5, 1, 9, 3)
T, B, F = 9, 4, 2


def config_of(cell: str, layers: int = 2, back: bool = True, hidden: int = 16) -> ModelConfig:
    return ModelConfig(
        cell=cell,  # type: ignore[arg-type]
        vocab_size=7,
        embed_size=6 if layers > 1 else hidden,
        hidden_size=hidden,
        num_layers=layers,
        skip=True,
        bidirectional=back,
    )


def network_of(config: ModelConfig, features: int = 0) -> networks.Encoder:
    generator = torch.Generator().manual_seed(3)
    return networks.Encoder(config, features, generator).eval()


def ids_of(steps: int = T) -> torch.Tensor:
    return torch.randint(0, 7, (steps, B), generator=torch.Generator().manual_seed(1))


def values_of() -> torch.Tensor:
    return torch.randn(T, B, F, generator=torch.Generator().manual_seed(1))


def twin_of(network: networks.Encoder) -> twins.Encoder:
    weights = {name: value.numpy() for name, value in network.state_dict().items()}
    return twins.Encoder(network.config, weights)


def inside(output: np.ndarray) -> list[np.ndarray]:
    """What means something of an output (T, B, D·H)."""
    return [output[:length, row] for row, length in enumerate(LENGTHS)]


@pytest.mark.parametrize(("back", "features"), [(False, 0), (True, 0), (False, F)])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("cell", sorted(CELLS))
@torch.inference_mode()
def test_the_twin_finds_the_same(cell: str, layers: int, back: bool, features: int) -> None:
    config = config_of(cell, layers, back)
    network = network_of(config, features)
    shapes = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    assert shapes == encoder_shapes(config, features)
    x = values_of() if features else ids_of()
    found = network.read(x, torch.tensor(LENGTHS)).numpy()
    assert found.shape == (T, B, (1 + back) * config.hidden_size)
    own = twin_of(network).read(x.numpy().swapaxes(0, 1), np.array(LENGTHS)).swapaxes(0, 1)
    for one, other in zip(inside(found), inside(own), strict=True):
        np.testing.assert_allclose(one, other, atol=2e-6)


@pytest.mark.parametrize("cell", sorted(CELLS))
@torch.inference_mode()
def test_a_row_alone_is_read_as_two_language_models_would(cell: str) -> None:
    network = network_of(config_of(cell))
    ids = ids_of()
    together = network.read(ids, torch.tensor(LENGTHS))
    for row, length in enumerate(LENGTHS):
        alone = ids[:length, row : row + 1]
        forth, _ = network.rnn(network.embedding.weight, None, alone)
        back, _ = network.back(network.embedding_back.weight, None, alone.flip(0))
        wanted = torch.cat([forth, back.flip(0)], -1)
        torch.testing.assert_close(together[:length, row : row + 1], wanted, atol=2e-6, rtol=0)


ENGINES = [
    (cell, engine)
    for cell in sorted(CELLS)
    for engine in candidates(cell, 16, torch.device("cpu"), torch.float32)
]


@pytest.mark.parametrize(("cell", "engine"), ENGINES)
@torch.inference_mode()
def test_padding_changes_no_bit(cell: str, engine: EngineName) -> None:
    network = network_of(config_of(cell))
    for stack in (network.rnn, network.back):
        stack.engine = engine
    lengths, ids = torch.tensor(LENGTHS), ids_of()
    wanted = inside(network.read(ids, lengths).numpy())
    others = (ids + 1) % 7
    longer = torch.cat([ids, ids_of(30)])
    changed = torch.where(torch.arange(T)[:, None] < lengths, ids, others)
    assert not torch.equal(changed, ids)
    for padded in (longer, changed):
        found = inside(network.read(padded, lengths).numpy())
        assert all(map(np.array_equal, wanted, found))


@pytest.mark.parametrize("cell", sorted(CELLS))
def test_padding_changes_no_bit_in_numpy(cell: str) -> None:
    twin = twin_of(network_of(config_of(cell)))
    ids, lengths = ids_of().numpy().T, np.array(LENGTHS)
    wanted = inside(twin.read(ids, lengths).swapaxes(0, 1))
    longer = np.concatenate([ids, ids_of(30).numpy().T], 1)
    found = inside(twin.read(longer, lengths).swapaxes(0, 1))
    assert all(map(np.array_equal, wanted, found))


def test_the_order_of_reading_backwards_is_its_own_inverse() -> None:
    order = networks.turned(torch.tensor([3, 1, 0]), 4)
    assert order.T.tolist() == [[2, 1, 0, 3], [0, 1, 2, 3], [0, 1, 2, 3]]
    assert torch.equal(order.gather(0, order), torch.arange(4)[:, None].expand(4, 3))


def test_gradients_stay_within_a_row() -> None:
    network = network_of(config_of("gru", back=False), F)
    x = values_of().requires_grad_()
    output = network.read(x, torch.tensor(LENGTHS))
    total = torch.stack([output[:length, row].sum() for row, length in enumerate(LENGTHS)])
    torch.autograd.backward(total.sum())
    assert x.grad is not None
    for row, length in enumerate(LENGTHS):
        assert (x.grad[length:, row] == 0).all()
        assert (x.grad[:length, row] != 0).any()
