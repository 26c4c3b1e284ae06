"""What every network can tell of itself."""

from __future__ import annotations

import torch
from torch import nn

from charrnn.arguments import checked
from charrnn.arrays import Weights
from charrnn.config import EngineName, ModelConfig
from charrnn.network.stack.recurrent import Recurrent, Rows

__all__ = ["Network"]


class Network(nn.Module):
    """A network around recurrent stacks, in float32.

    Attributes:
        config: its shape.
        rnn: the stack that reads forwards; there may be more.
        head: the last layer.
    """

    config: ModelConfig
    rnn: Recurrent
    head: nn.Linear

    @property
    def num_parameters(self) -> int:
        """How many weights the network has."""
        return sum(weight.numel() for weight in self.parameters())

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    def weights(self) -> Weights:
        """A copy of the weights as NumPy arrays, under their names."""
        return {
            name: weight.detach().to("cpu", torch.float32, copy=True).numpy()
            for name, weight in self.state_dict().items()
        }

    @checked
    def compute(self, engine: EngineName) -> None:
        """Compute the recurrent stacks with this engine, where it can; see `choice`.

        PyTorch's own layers compute them where PyTorch compiles or exports the network.
        """
        for module in self.modules():
            if isinstance(module, Recurrent):
                module.engine = engine

    def read_rows(self, rows: Rows) -> None:
        """Read these rows of the next batch, as one of several processes; see `Rows`."""
        for module in self.modules():
            if isinstance(module, Recurrent):
                module.rows = rows
