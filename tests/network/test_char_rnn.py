"""The language model in PyTorch refuses what it can't read, and derives nothing wrongly."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.utils import parametrizations, parametrize, prune

from charrnn import CharRNN, CharRNNError, CharTokenizer
from charrnn.config import CellName, EngineName
from charrnn.errors import UsageError
from charrnn.network.stack import builtin
from tests.conftest import B, L, T, V, small_config

WIDTH = 16  # units, which machine code takes
ENGINES: list[EngineName] = ["auto", "loops", "torch"]
IDS = torch.randint(V, (B, T), generator=torch.Generator().manual_seed(0))


def make(cell: CellName, engine: EngineName = "auto", **changes: object) -> CharRNN:
    network = CharRNN(small_config(cell, hidden_size=WIDTH, **changes))
    network.compute(engine)
    return network


WRONG_STATES: dict[str, Callable[[tuple[Tensor, ...]], Any]] = {
    "one sequence": lambda state: tuple(part[:, :1] for part in state),
    "more sequences": lambda state: tuple(part.repeat(1, 2, 1) for part in state),
    "fewer layers": lambda state: tuple(part[:1] for part in state),
    "more layers": lambda state: tuple(part.repeat(2, 1, 1) for part in state),
    "one unit": lambda state: tuple(part[..., :1] for part in state),
    "more units": lambda state: tuple(part.repeat(1, 1, 2) for part in state),
    "two axes": lambda state: tuple(part[0] for part in state),
    "too many parts": lambda state: (*state, state[0]),
    "too few parts": lambda state: state[1:],
    "a bare tensor": lambda state: state[0],
    "arrays": lambda state: tuple(part.numpy() for part in state),
    "whole numbers": lambda state: tuple(part.long() for part in state),
    "another device": lambda state: tuple(part.to("meta") for part in state),
}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("wrong", WRONG_STATES)
def test_a_state_of_another_size_or_kind_is_refused(
    cell: CellName, engine: EngineName, wrong: str
) -> None:
    network = make(cell, engine)
    state = WRONG_STATES[wrong](network.rnn.start(B))
    with pytest.raises(CharRNNError, match="does not fit the network; begin with none, or give"):
        network(IDS, state)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_line_about_a_state_says_what_was_given_and_what_is_wanted(
    cell: CellName, engine: EngineName
) -> None:
    network = make(cell, engine)
    with pytest.raises(CharRNNError) as error:
        network(IDS, network.rnn.start(64))
    parts = len(network.rnn.cell.state)
    assert f"a state of float32 ({L}, 64, {WIDTH}) on cpu" in str(error.value)
    assert f"give {parts} tensors ({L}, {B}, {WIDTH}) on cpu" in str(error.value)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_a_state_of_another_precision_is_converted(
    cell: CellName, engine: EngineName, dtype: torch.dtype
) -> None:
    network = make(cell, engine)
    _, state = network(IDS)
    given = tuple(part.to(dtype) for part in state)
    expected, _ = network(IDS, tuple(part.float() for part in given))
    torch.testing.assert_close(network(IDS, given)[0], expected)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("dtype", [torch.int8, torch.int16, torch.uint8, torch.int32])
def test_ids_of_any_integers_are_read(
    cell: CellName, engine: EngineName, dtype: torch.dtype
) -> None:
    network = make(cell, engine)
    torch.testing.assert_close(network(IDS.to(dtype))[0], network(IDS)[0], rtol=0, atol=0)


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (IDS[:, :0], "there are no ids to read"),
        (IDS[:0], "there are no ids to read"),
        (IDS[0], "torch.int64 of 1 axes can't be read"),
        (IDS.bool(), "torch.bool of 2 axes can't be read"),
        (IDS.to(torch.complex64), "torch.complex64 of 2 axes can't be read"),
        (IDS.to("meta"), "the ids are on meta; move them to cpu"),
        (IDS + V, "can't be read; ids are whole numbers from 0 to"),
        (IDS.numpy(), "ndarray can't be read"),
    ],
)
@pytest.mark.parametrize("engine", ENGINES)
def test_ids_that_are_none_are_refused(engine: EngineName, ids: Any, message: str) -> None:
    with pytest.raises(CharRNNError, match=message):
        make("gru", engine)(ids)


def test_an_engine_that_is_none_is_refused() -> None:
    """It was computed with another, and nothing was said."""
    wrong: Any = "toch"
    with pytest.raises(CharRNNError, match="engine is 'toch'; it must be "):
        make("gru").compute(wrong)


def penalty(network: CharRNN) -> Tensor:
    """The square of a gradient, which depends on every weight."""
    logits, _ = network(IDS)
    (slope,) = torch.autograd.grad(
        logits.square().sum(), network.embedding.weight, create_graph=True
    )
    return slope.square().sum()


@pytest.mark.parametrize("wanted", ["weights", "embedding", "all"])
@pytest.mark.parametrize("engine", ["auto", "loops"])
def test_engines_refuse_second_derivatives_whatever_they_are_of(
    cell: CellName, engine: EngineName, wanted: str
) -> None:
    network = make(cell, engine)
    if wanted != "all":
        network.requires_grad_(False)
        (network.rnn if wanted == "weights" else network.embedding).requires_grad_(True)
    loss = network(IDS)[0].square().sum()
    weights = [weight for weight in network.parameters() if weight.requires_grad]
    with pytest.raises(CharRNNError, match=r"no second derivatives.*compute\(\"torch\"\)"):
        torch.autograd.grad(loss, weights, create_graph=True)


def test_pytorchs_own_layers_have_second_derivatives(cell: CellName) -> None:
    network = make(cell, "torch").double()
    direction = {name: torch.randn_like(w) for name, w in network.rnn.named_parameters()}
    slopes = torch.autograd.grad(penalty(network), list(network.rnn.parameters()))
    named = zip(slopes, direction.values(), strict=True)
    expected = sum(float((slope * way).sum()) for slope, way in named)
    values = []
    for step in (-1e-5, 1e-5):
        moved = make(cell, "torch").double()
        moved.load_state_dict(network.state_dict())
        for name, weight in moved.rnn.named_parameters():
            weight.data.add_(direction[name], alpha=step)
        values.append(float(penalty(moved).detach()))
    assert (values[1] - values[0]) / 2e-5 == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("engine", ENGINES)
def test_weights_may_be_pruned(cell: CellName, engine: EngineName, tmp_path: Path) -> None:
    network = make(cell, engine)
    prune.random_unstructured(network.rnn, "weight_hh_l1", amount=0.5)  # type: ignore[no-untyped-call]
    logits, _ = network(IDS)
    logits.square().sum().backward()
    weight = network.rnn.weight_hh_l1
    slope = network.rnn.get_parameter("weight_hh_l1_orig").grad
    assert isinstance(weight, Tensor)
    assert slope is not None
    assert (slope[weight == 0] == 0).all()
    assert slope.abs().sum() > 0
    with pytest.raises(CharRNNError, match=r"no place for rnn\.weight_hh_l1_mask; end the pruning"):
        network.save_pretrained(tmp_path / "model", CharTokenizer("\n abcdefghi"))
    assert not (tmp_path / "model").exists()
    prune.remove(network.rnn, "weight_hh_l1")  # type: ignore[no-untyped-call]
    torch.testing.assert_close(network(IDS)[0], logits)
    network.save_pretrained(tmp_path / "model", CharTokenizer("\n abcdefghi"))
    again = CharRNN.from_pretrained(tmp_path / "model")
    torch.testing.assert_close(again.rnn.weight_hh_l1, weight)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("one_block", [False, True])
def test_weights_may_be_parametrized(
    cell: CellName, engine: EngineName, one_block: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where layers are to be one block of memory, when the network is moved."""
    network = make(cell, engine)
    expected, _ = network(IDS)
    parametrizations.weight_norm(network.rnn, "weight_hh_l0")
    if one_block:
        monkeypatch.setattr(builtin, "BLOCK_DEVICES", {"cpu"})
    network.to("cpu").float()
    logits, _ = network(IDS)
    torch.testing.assert_close(logits, expected)
    logits.square().sum().backward()
    parts = dict(network.rnn.named_parameters())
    assert all(weight.grad is not None for weight in parts.values())
    parametrize.remove_parametrizations(network.rnn, "weight_hh_l0")
    torch.testing.assert_close(network.to("cpu")(IDS)[0], expected)


@pytest.mark.parametrize("engine", ENGINES)
def test_weights_may_be_given_by_functional_call(cell: CellName, engine: EngineName) -> None:
    network, other = make(cell, engine), make(cell, engine)
    given = {name: weight.detach().clone() for name, weight in other.named_parameters()}
    for weight in given.values():
        weight.requires_grad_()
    logits, _ = torch.func.functional_call(network, given, (IDS,))
    torch.testing.assert_close(logits, other(IDS)[0])
    logits.square().sum().backward()
    assert all(weight.grad is not None for weight in given.values())
    assert all(weight.grad is None for weight in network.parameters())


@pytest.mark.parametrize("engine", ENGINES)
def test_weights_may_be_views_of_others(cell: CellName, engine: EngineName) -> None:
    """Those of more dimensions, such as a weight for each of several networks."""
    network, other = make(cell, engine), make(cell, engine)
    given = {
        name: torch.stack([weight, weight], -1).detach().requires_grad_()
        for name, weight in other.named_parameters()
    }
    views = {name: weights[..., 0] for name, weights in given.items()}
    logits, _ = torch.func.functional_call(network, views, (IDS,))
    torch.testing.assert_close(logits, other(IDS)[0])
    logits.square().sum().backward()
    other(IDS)[0].square().sum().backward()
    for name, weight in other.named_parameters():
        gradient = given[name].grad
        assert gradient is not None
        torch.testing.assert_close(gradient[..., 0], weight.grad)
        assert not gradient[..., 1].any()


def drawn(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_reset_parameters_draws_first_weights_as_the_constructor_does(cell: CellName) -> None:
    """Those of the head and the embedding once left them as they were, in silence."""
    config = small_config(cell, hidden_size=WIDTH)
    expected, network = (CharRNN(config, drawn(seed)) for seed in (1, 2))
    generator = drawn(1)
    modules: list[Any] = [network.embedding, network.rnn, network.head]
    for module in modules:
        module.reset_parameters(generator)
    for name, weight in network.named_parameters():
        assert torch.equal(weight, expected.get_parameter(name)), name


def test_every_module_can_be_reset_as_pytorchs_own(cell: CellName) -> None:
    network = make(cell)
    before = {name: weight.detach().clone() for name, weight in network.named_parameters()}
    modules: list[Any] = list(network.modules())
    for module in modules:
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()
    same = [name for name, weight in network.named_parameters() if weight.equal(before[name])]
    assert all("bias" in name for name in same), same


def test_a_network_shows_its_shape() -> None:
    network = CharRNN(small_config("gru", hidden_size=WIDTH, dropout=0.25, skip=True))
    sizes = f"gru, {network.config.embed_size}, {WIDTH}, num_layers={L}, dropout=0.25, skip=True"
    assert f"(rnn): Recurrent({sizes})" in repr(network)
    alone = CharRNN(small_config("rnn", hidden_size=WIDTH, num_layers=1, dropout=0.0))
    assert f"(rnn): Recurrent(rnn, {network.config.embed_size}, {WIDTH})" in repr(alone)


def test_shapes_can_be_computed_without_numbers(cell: CellName) -> None:
    network = make(cell).to("meta")
    logits, state = network(IDS.to("meta"))
    assert logits.shape == (B, T, V)
    assert [part.shape for part in state] == [(L, B, WIDTH)] * len(network.rnn.cell.state)


def slopes(network: CharRNN) -> dict[str, Tensor]:
    """The gradients of a loss by every weight, as a transform finds them."""

    def loss(given: dict[str, Tensor]) -> Tensor:
        logits: Tensor = torch.func.functional_call(network, given, (IDS,))[0]
        return logits.square().sum()

    given = {name: weight.detach() for name, weight in network.named_parameters()}
    found: dict[str, Tensor] = torch.func.grad(loss)(given)
    return found


@pytest.mark.parametrize("engine", ["auto", "loops"])
def test_engines_refuse_transforms_and_name_what_takes_them(
    cell: CellName, engine: EngineName
) -> None:
    """The ids were once said to be none."""
    network = make(cell, engine)
    advice = r"inside a transform of torch\.func; call network\.compute\(\"torch\"\)"
    with pytest.raises(CharRNNError, match=advice):
        slopes(network)
    with pytest.raises(CharRNNError, match=advice):
        torch.func.vmap(lambda row: network(row[None])[0])(IDS)


def test_pytorchs_own_layers_take_gradients_as_a_transform(cell: CellName) -> None:
    network = make(cell, "torch").double()
    network(IDS)[0].square().sum().backward()
    for name, slope in slopes(network).items():
        torch.testing.assert_close(slope, network.get_parameter(name).grad)


COMPILING = """
import warnings

import torch

from charrnn import CharRNN, ModelConfig
from charrnn.cells.rules import CELLS
from charrnn.network.stack import builtin

torch.set_grad_enabled(False)
sizes = {"vocab_size": 5, "embed_size": 8, "hidden_size": 16, "num_layers": 2}
ids = torch.tensor([[1, 2], [0, 4], [2, 3]])
for cell in CELLS:
    network = CharRNN(ModelConfig(cell=cell, **sizes)).eval()
    first = network(ids)
    warnings.simplefilter("error")
    compiled = torch.compile(network, backend="eager", fullgraph=True)
    exported = torch.export.export(network, (ids,)).module()
    torch.testing.assert_close(compiled(ids), first)
    torch.testing.assert_close(exported(ids), first)
    torch.testing.assert_close(compiled(ids, first[1]), network(ids, first[1]))
builtin.BLOCK_DEVICES.add("cpu")  # weights side by side, as on a GPU
torch.testing.assert_close(torch.export.export(network, (ids,)).module()(ids), first)
"""


def test_pytorch_compiles_and_exports_a_network_without_a_word() -> None:
    """It looked into machine code and said so in hundreds of lines."""
    done = subprocess.run(
        [sys.executable, "-c", COMPILING], capture_output=True, text=True, timeout=300
    )
    assert (done.stderr, done.returncode) == ("", 0)


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), 1e300])
def test_a_folder_that_nothing_could_read_is_not_written(wrong: float, tmp_path: Path) -> None:
    network = make("gru").double()
    with torch.no_grad():
        network.head.weight[1, 2] = wrong
    with pytest.raises(CharRNNError, match=r"weight head\.weight holds NaN or infinity"):
        network.save_pretrained(tmp_path / "model", CharTokenizer("\n abcdefghi"))
    assert not (tmp_path / "model").exists()


def test_a_folder_has_no_place_for_modules_of_ones_own(tmp_path: Path) -> None:
    class Wider(CharRNN):
        def __init__(self) -> None:
            super().__init__(small_config("gru", hidden_size=WIDTH))
            self.extra = torch.nn.Linear(2, 3)

    tokenizer = CharTokenizer("\n abcdefghi")
    with pytest.raises(CharRNNError, match=r"no place for extra\.bias; take that module out"):
        Wider().save_pretrained(tmp_path / "model", tokenizer)
    other = make("gru")
    other.head = type(other.head)(WIDTH, V + 1)
    with pytest.raises(CharRNNError, match=r"weight head\.weight is missing or has another shape"):
        other.save_pretrained(tmp_path / "model", tokenizer)
    assert not list(tmp_path.iterdir())


def test_weights_that_are_not_those_of_the_shape_are_refused_in_one_line() -> None:
    config = small_config("gru")
    weights = CharRNN(config).weights()
    less = {name: values for name, values in weights.items() if name != "head.bias"}
    for wrong, message in (
        ({}, "weight embedding.weight is missing"),
        (less, "weight head.bias is missing"),
        (weights | {"x": weights["head.bias"]}, "there is a weight x"),
        (weights | {"head.bias": weights["head.bias"][1:]}, "weight head.bias is float32 of shape"),
    ):
        with pytest.raises(UsageError) as caught:
            CharRNN.from_weights(config, wrong)
        assert str(caught.value).startswith(message)
        assert "\n" not in str(caught.value)


def test_a_network_is_in_float32_whatever_its_weights_were() -> None:
    config = small_config("gru")
    own = CharRNN(config)
    double = {name: values.astype("f8") for name, values in own.weights().items()}
    network = CharRNN.from_weights(config, double)
    assert {weight.dtype for weight in network.parameters()} == {torch.float32}
    assert torch.equal(network(IDS)[0], own.eval()(IDS)[0])
    assert all(weight.requires_grad for weight in network.parameters())
