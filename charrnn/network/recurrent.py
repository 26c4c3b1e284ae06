"""The cells over whole sequences, for training: a stack of layers of one kind.

output, state = stack(x, state)    # (T, B, I) → (T, B, D·H), D = 2 if bidirectional
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding

from charrnn.cells.rules import CELLS, State
from charrnn.config import CellName
from charrnn.network import kernels
from charrnn.network.sequences import sequence

__all__ = ["Recurrent", "detach", "select"]

# A table must be read so many times oftener than it is long, for its product to be worth making.
SHORT = 8


def detach(state: State) -> State:
    """The same state, cut off from the graph that made it (truncated back-propagation)."""
    return tuple(part.detach() for part in state)


def select(state: State, lanes: Tensor) -> State:
    """The state of some lanes, in the order of `lanes` (a tensor of indices)."""
    return tuple(part.index_select(1, lanes) for part in state)


class Recurrent(nn.Module):
    """L recurrent layers of one cell; weights have the names that `nn.LSTM` and its kin give them.

    Args:
        cell: a name in `cells.CELLS`.
        input_size: I, the width of the input.
        hidden_size: H.
        num_layers: L.
        dropout: the share of each layer's output that is dropped while training, the same units
            at every step of a sequence.
        weight_dropout: the share of its recurrent weights, the same in every lane, too.
        skip: add to each layer's output its input, where both have the same width.
        bidirectional: read each layer in both directions and put the outputs side by side.
    """

    def __init__(
        self,
        cell: CellName,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        dropout: float = 0.0,
        weight_dropout: float = 0.0,
        skip: bool = False,
        bidirectional: bool = False,
    ) -> None:
        super().__init__()
        self.cell = CELLS[cell]
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.dropout = dropout
        self.weight_dropout = weight_dropout
        self.skip = skip
        self.directions = ("", "_reverse") if bidirectional else ("",)
        rows = self.cell.gates * hidden_size
        width = len(self.directions) * hidden_size
        for layer in range(num_layers):
            for direction in self.directions:
                for name, shape in (
                    ("weight_ih", (rows, width if layer else input_size)),
                    ("weight_hh", (rows, hidden_size)),
                    ("bias_ih", (rows,)),
                    ("bias_hh", (rows,)),
                ):
                    weight = nn.Parameter(torch.empty(shape))
                    self.register_parameter(f"{name}_l{layer}{direction}", weight)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Orthogonal recurrent weights, Glorot input weights, zero biases, open forget gates.

        Saxe, McClelland and Ganguli, "Exact solutions to the nonlinear dynamics of learning in
        deep linear neural networks", 2014; Glorot and Bengio, "Understanding the difficulty of
        training deep feedforward neural networks", 2010; Jozefowicz, Zaremba and Sutskever, "An
        empirical exploration of recurrent network architectures", 2015 (a forget bias of 1).
        """
        for name, weight in self.named_parameters():
            if name.startswith("bias"):
                nn.init.zeros_(weight)
                if self.cell.name == "lstm" and name.startswith("bias_ih"):
                    nn.init.ones_(weight[self.hidden_size : 2 * self.hidden_size])
                continue
            for block in weight.chunk(self.cell.gates):
                if name.startswith("weight_hh"):
                    nn.init.orthogonal_(block)
                else:
                    nn.init.xavier_uniform_(block)

    def start(self, batch_size: int) -> State:
        """The state before any input: zeros (L·D, B, H)."""
        shape = (self.num_layers * len(self.directions), batch_size, self.hidden_size)
        weight = next(self.parameters())
        return tuple(weight.new_zeros(shape) for _ in self.cell.state)

    def forward(
        self, x: Tensor, state: State | None = None, ids: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """Read a whole sequence.

        Args:
            x: (T, B, I): time first, so that a step is one piece of memory.
            state: arrays (L·D, B, H), in PyTorch's order of layers and directions; None for the
                start.
            ids: (T, B) integers; given, x is a table (V, I) whose rows they are.

        Raises:
            IndexError: if there is no such row.

        Returns:
            output: (T, B, D·H), of the last layer.
            state: after the last step (for the reverse direction, after the first).
        """
        state = self.start(x.shape[1] if ids is None else ids.shape[1]) if state is None else state
        states = []
        for layer in range(self.num_layers):
            first = layer * len(self.directions)
            before = tuple(part[first : first + len(self.directions)] for part in state)
            output, after = self._layer(layer, x, before, ids)
            if self.training and self.dropout:
                output = output * self._mask(output)
            if self.skip and x.shape[-1] == output.shape[-1]:
                output = output + (x if ids is None else embedding(ids, x))
            x, ids = output, None
            states.append(after)
        return x, tuple(torch.cat(parts) for parts in zip(*states, strict=True))

    def _mask(self, output: Tensor) -> Tensor:
        """What is dropped of a layer's output (T, B, D·H): the same units at every step.

        Gal and Ghahramani, "A theoretically grounded application of dropout in recurrent neural
        networks", 2016.
        """
        keep = 1 - self.dropout
        return output.new_empty((1, *output.shape[1:])).bernoulli_(keep).div_(keep)

    def _layer(
        self, layer: int, x: Tensor, state: State, ids: Tensor | None
    ) -> tuple[Tensor, State]:
        """One layer in all its directions; `state` is its own part, (D, B, H)."""
        weights = [self._weights(f"l{layer}{direction}") for direction in self.directions]
        dtype = x.dtype
        if torch.is_autocast_enabled(x.device.type):
            dtype = torch.get_autocast_dtype(x.device.type)
        plain = self._is_pytorchs(x.device, dtype)
        if ids is not None and (plain or len(x) * SHORT > ids.numel()):
            x, ids = embedding(ids, x), None
        elif ids is not None and not 0 <= int(ids.min()) <= int(ids.max()) < len(x):
            raise IndexError(f"ids from {int(ids.min())} to {int(ids.max())}, of {len(x)} rows")
        if plain:
            return self._by_pytorch(x, [w for part in weights for w in part], state)
        outputs, states = [], []
        for number, own in enumerate(weights):
            before = [part[number] for part in state]
            read = None if ids is None else _turn(ids, number).long().contiguous()
            source = _turn(x, number) if read is None else x
            output, *after = sequence(self.cell.name, dtype, source, own, before, read)
            outputs.append(_turn(output, number))
            states.append(after)
        output = torch.cat(outputs, -1) if len(outputs) > 1 else outputs[0]
        return output, tuple(torch.stack(parts) for parts in zip(*states, strict=True))

    def _is_pytorchs(self, device: torch.device, dtype: torch.dtype) -> bool:
        """Whether PyTorch's own code does it best: all on a GPU, some LSTMs on a CPU."""
        if device.type != "cpu":
            return True
        if self.cell.name != "lstm" or kernels.best_for_lstm(self.hidden_size, dtype):
            return False
        return dtype != torch.bfloat16 or _onednn_takes_bfloat16()

    def _weights(self, end: str) -> list[Tensor]:
        """w_ih, w_hh, b_ih and b_hh of one direction of a layer."""
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        weights: list[Tensor] = [self.get_parameter(f"{name}_{end}") for name in names]
        if self.training and self.weight_dropout:
            weights[1] = _dropped(weights[1], self.weight_dropout)
        return weights

    def _by_pytorch(self, x: Tensor, weights: list[Tensor], state: State) -> tuple[Tensor, State]:
        """By what PyTorch has for this device: cuDNN on a GPU, oneDNN for LSTMs on a CPU."""
        options = (True, 1, 0.0, self.training, len(self.directions) == 2, False)
        if self.cell.name == "lstm":
            output, h, c = torch.lstm(x, state, weights, *options)
            return output, (h, c)
        run = torch.gru if self.cell.name == "gru" else torch.rnn_tanh
        output, h = run(x, state[0], weights, *options)
        return output, (h,)


def _onednn_takes_bfloat16() -> bool:
    """Whether torch.lstm runs under autocast on this processor; without AVX-512 it fails."""
    built_in = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return bool(built_in and torch.ops.mkldnn._is_mkldnn_bf16_supported())


def _dropped(weight: Tensor, share: float) -> Tensor:
    """Recurrent weights of which a share is dropped, the same at every step and in every lane.

    Merity, Keskar and Socher, "Regularizing and optimizing LSTM language models", 2018.
    """
    # A random byte for each weight, eight of them drawn at once: a tenth of a Bernoulli's time.
    words = torch.empty(-(-weight.numel() // 8), dtype=torch.int64, device=weight.device)
    dice = words.random_(-(2**63), None).view(torch.uint8)[: weight.numel()].view_as(weight)
    lost = min(max(round(256 * share), 1), 255)
    return weight * (dice >= lost) * (256 / (256 - lost))


def _turn(x: Tensor, direction: int) -> Tensor:
    """The sequence (T, B, I) in the order in which a direction reads it."""
    return x.flip(0) if direction else x
