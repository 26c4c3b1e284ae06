"""Stacks of recurrent layers of one cell, over whole sequences.

output, state = stack(x, state)    # (T, B, I) → (T, B, H)
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding

from charrnn.cells.layout import layer_names, recurrent_shapes
from charrnn.cells.rules import CELLS, State
from charrnn.config import EngineName, ModelConfig
from charrnn.errors import UsageError
from charrnn.network.modules import drawing
from charrnn.network.stack import builtin
from charrnn.network.stack.choice import STEP_ENGINES, candidates
from charrnn.network.stack.products import read_rows
from charrnn.network.stack.sequences import sequence

__all__ = ["Recurrent", "Rows", "detach"]

# A table's product is worth making if its rows are read so many times, on average.
MIN_READS_PER_ROW = 8
MAX_ROWS_OF_ONES = 512  # of a table, up to which a GPU adds up its gradients by a product


class Rows(NamedTuple):
    """Those rows of a batch that one of several processes reads: from `first` to before `last`.

    What is dropped is drawn for all `size` rows of the batch, so that it is the same whoever reads
    a row.
    """

    first: int
    last: int
    size: int


def detach(state: State) -> State:
    """The same state, cut off from the graph that computed it (truncated back-propagation)."""
    return tuple(part.detach() for part in state)


class Recurrent(nn.Module):
    """L recurrent layers of one cell, over a sequence of embeddings.

    Weights have the names that `nn.LSTM` and its kin give them.

    Args:
        config: the shape, and the shares that are dropped while training: of each layer's output,
            the same units at every step of a sequence; and of the recurrent weights, the same at
            every step and in every lane. I, the width of the input, is that of the embedding.
        generator: of the first weights; None for PyTorch's own.

    Attributes:
        engine: what computes the layers, where it can; see `choice`.
        rows: which rows of a batch it reads; None for all.
    """

    def __init__(self, config: ModelConfig, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.cell = CELLS[config.cell]
        self.input_size = config.embed_size
        self.hidden_size = config.hidden_size
        self.num_layers = config.num_layers
        self.dropout = config.dropout
        self.weight_dropout = config.weight_dropout
        self.skip = config.skip
        self.engine: EngineName = "auto"
        self.rows: Rows | None = None
        for name, shape in recurrent_shapes(config).items():
            self.register_parameter(name, nn.Parameter(torch.empty(shape, dtype=torch.float32)))
        self.reset_parameters(generator)

    def extra_repr(self) -> str:
        """The shape, and what differs from the usual, as PyTorch's own layers show it."""
        shown = f"{self.cell.name}, {self.input_size}, {self.hidden_size}"
        settings = ("num_layers", 1), ("dropout", 0.0), ("weight_dropout", 0.0), ("skip", False)
        for name, usual in settings:
            if (value := getattr(self, name)) != usual:
                shown += f", {name}={value}"
        return shown

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw the first weights anew; from PyTorch's own generator, if none is given.

        Orthogonal recurrent weights, Glorot input weights, zero biases, open forget gates.

        Saxe, McClelland and Ganguli, "Exact solutions to the nonlinear dynamics of learning in
        deep linear neural networks", 2014; Glorot and Bengio, "Understanding the difficulty of
        training deep feedforward neural networks", 2010; Jozefowicz, Zaremba and Sutskever, "An
        empirical exploration of recurrent network architectures", 2015 (a forget bias of 1).
        """
        if not drawing():
            return
        for name, weight in self.named_parameters():
            if name.startswith("bias"):
                nn.init.zeros_(weight)
                if self.cell.name == "lstm" and name.startswith("bias_ih"):
                    nn.init.ones_(weight[self.hidden_size : 2 * self.hidden_size])
                continue
            for block in weight.chunk(self.cell.gates):
                if name.startswith("weight_hh"):
                    nn.init.orthogonal_(block, generator=generator)
                else:
                    nn.init.xavier_uniform_(block, generator=generator)

    def start(self, batch_size: int) -> State:
        """The state before any input: zeros (L, B, H)."""
        shape = (self.num_layers, batch_size, self.hidden_size)
        weight = next(self.parameters())
        return tuple(weight.new_zeros(shape) for _ in self.cell.state)

    def forward(
        self,
        x: Tensor,
        state: State | None = None,
        ids: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, State]:
        """Read a whole sequence.

        Args:
            x: (T, B, I): time first, so that a step is one piece of memory.
            state: arrays (L, B, H); None for the start.
            ids: (T, B) integers; given, x is a table (V, I) whose rows they are.
            generator: of what is dropped while training; None for PyTorch's own.

        Raises:
            IndexError: if there is no such row.
            UsageError: if the state is not of this stack and of B sequences.

        Returns:
            output: (T, B, H), of the last layer.
            state: after the last step.
        """
        batch = (x if ids is None else ids).shape[1]
        state = self.start(batch) if state is None else self._checked(state, batch, x.device)
        states = []
        for layer in range(self.num_layers):
            before = tuple(part[layer : layer + 1] for part in state)
            output, after = self._layer(layer, x, before, ids, generator)
            if self.training and self.dropout:
                output = output * self._mask(output, generator)
            if self.skip and x.shape[-1] == output.shape[-1]:
                output = output + (x if ids is None else embedding(ids, x))
            x, ids = output, None
            states.append(after)
        return x, tuple(torch.cat(parts) for parts in zip(*states, strict=True))

    def _checked(self, state: object, batch: int, device: torch.device) -> State:
        """A state that someone gave; PyTorch's own layers read past one that is too short."""
        parts = len(self.cell.state)
        several = isinstance(state, (tuple, list))
        shape = (self.num_layers, batch, self.hidden_size)
        given: tuple[Any, ...] = tuple(state) if isinstance(state, (tuple, list)) else (state,)
        if (
            several
            and len(given) == parts
            and all(
                isinstance(part, Tensor)
                and part.shape == shape
                and part.is_floating_point()
                and part.device == device
                for part in given
            )
        ):
            return given
        found = ", ".join(_kind_of(part) for part in given)
        what = f"a state of {found}" if several else found
        advice = f"begin with none, or give {parts} tensors {shape} on {device}, as a call returns"
        raise UsageError(f"{what} does not fit the network", advice)

    def _mask(self, output: Tensor, generator: torch.Generator | None) -> Tensor:
        """What to multiply a layer's output (T, B, H) by: the same at every step.

        Gal and Ghahramani, "A theoretically grounded application of dropout in recurrent neural
        networks", 2016.
        """
        keep = 1 - self.dropout
        rows = self.rows or Rows(0, output.shape[1], output.shape[1])
        shape = 1, rows.size, output.shape[2]
        # PyTorch's Bernoulli draws otherwise on Intel's processors, and takes twice as long.
        dice = _words(math.prod(shape), output.device, generator).bitwise_and_(2**53 - 1)
        kept = (dice < math.ceil(keep * 2**53)).view(shape)[:, rows.first : rows.last]
        return kept.to(output).div_(keep)

    def _layer(
        self,
        layer: int,
        x: Tensor,
        state: State,
        ids: Tensor | None,
        generator: torch.Generator | None,
    ) -> tuple[Tensor, State]:
        """One layer; `state` is its own part, (1, B, H)."""
        weights = self._weights(layer, generator)
        dtype, weights_dtype = _product_dtype(x), weights[0].dtype
        lanes = (x if ids is None else ids).shape[1]
        if torch.compiler.is_compiling():  # a compiler can't look into machine code
            able: list[EngineName] = ["torch"]
        else:
            able = candidates(
                self.cell.name, self.hidden_size, x.device, dtype, weights_dtype, lanes
            )
        engine = self.engine if self.engine in able else able[0]
        if ids is not None and not _multiplies_table(x, ids, engine):
            x, ids = _looked_up(x, ids, engine, dtype), None
        if engine == "torch":
            if dtype == weights_dtype:  # else autocast sees to it
                state = tuple(part.to(weights_dtype) for part in state)
            return builtin.run(self.cell.name, x, weights, state)
        steps = STEP_ENGINES[engine]
        before = [part[0] for part in state]
        read = None if ids is None else ids.long().contiguous()
        output, *after = sequence(self.cell.name, dtype, x, weights, before, read, steps)
        return output, tuple(part[None] for part in after)

    def _weights(self, layer: int, generator: torch.Generator | None) -> list[Tensor]:
        """w_ih, w_hh, b_ih and b_hh of a layer."""
        # As attributes they may be computed, too: pruned, parametrized, given by functional_call.
        weights: list[Tensor] = [getattr(self, name) for name in layer_names(layer)]
        if self.training and self.weight_dropout:
            weights[1] = _dropped(weights[1], self.weight_dropout, generator)
        return weights

    def _apply(self, fn: Callable[..., Any], recurse: bool = True) -> Recurrent:
        """Move the weights, as `to` does, and each layer's to one block where that is wanted."""
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        self._join_weights()
        return self

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Become a copy: each weight was copied by itself."""
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        self._join_weights()

    def _join_weights(self) -> None:
        """Put each layer's weights into one block, if `builtin` wants them so."""
        if not builtin.wants_one_block(next(self.parameters()).device):
            return
        for layer in range(self.num_layers):
            names = layer_names(layer)
            weights = [w for w in map(self._parameters.get, names) if w is not None]
            if len(weights) < len(names):  # some are computed: `builtin` joins them when it runs
                continue
            joined = builtin.one_block([weight.detach() for weight in weights])
            for weight, place in zip(weights, joined, strict=True):
                weight.data = place


def _product_dtype(x: Tensor) -> torch.dtype:
    """The dtype of the products: the one that autocast asks for, else that of the input."""
    kind = x.device.type
    if torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind):
        return torch.get_autocast_dtype(kind)
    return x.dtype


def _multiplies_table(table: Tensor, ids: Tensor, engine: EngineName) -> bool:
    """Whether a table (V, I) is multiplied instead of its rows, which are read more often."""
    if engine == "torch" or table.device.type != "cpu":  # they read inputs, not rows of a product
        return False
    return len(table) * MIN_READS_PER_ROW <= ids.numel()


def _looked_up(table: Tensor, ids: Tensor, engine: EngineName, dtype: torch.dtype) -> Tensor:
    """The rows of a table (V, I) that ids (T, B) name, (T, B, I)."""
    on_gpu = table.device.type != "cpu"
    if on_gpu and engine != "torch" and len(table) <= MAX_ROWS_OF_ONES:
        return read_rows(table, ids, dtype)
    return embedding(ids, table)


def _dropped(weight: Tensor, share: float, generator: torch.Generator | None) -> Tensor:
    """Recurrent weights with a share of them dropped, the same at every step and in every lane.

    Merity, Keskar and Socher, "Regularizing and optimizing LSTM language models", 2018.

    Args:
        weight: the weights.
        share: rounded to one of 256, from 1 to 255 of them.
        generator: of the random numbers.
    """
    # A random byte for each weight, eight of them drawn at once: a tenth of a Bernoulli's time.
    words = _words(-(-weight.numel() // 8), weight.device, generator)
    dice = words.view(torch.uint8)[: weight.numel()].view_as(weight)
    lost = min(max(round(256 * share), 1), 255)
    kept = (dice >= lost).to(weight) * (256 / (256 - lost))
    return weight * kept


def _words(count: int, device: torch.device, generator: torch.Generator | None) -> Tensor:
    """Random words of 64 bits, the same on every processor: (count,), where they are drawn."""
    drawn_on = device if generator is None else generator.device
    words = torch.empty(count, dtype=torch.int64, device=drawn_on)
    return words.random_(-(2**63), None, generator=generator)


def _kind_of(part: object) -> str:
    """What a part of a state is, in words."""
    if not isinstance(part, Tensor):
        return type(part).__name__
    return f"{str(part.dtype).removeprefix('torch.')} {tuple(part.shape)} on {part.device}"
