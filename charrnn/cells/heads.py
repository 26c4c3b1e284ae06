"""How the weights of every kind of network are named and shaped, language models and others.

encoder     embedding.weight (V, E), or input.weight (E, F) where numbers are read
            rnn.*    a stack that reads forwards
            back.*   another that reads each row from its own end, if the network is
                     bidirectional; both as in a language model, so that one can start them
head        head.weight, head.bias
"""

from __future__ import annotations

from charrnn.cells.layout import HEAD_BIAS, HEAD_WEIGHT, encoder_shapes, weight_shapes
from charrnn.config import ModelConfig
from charrnn.task_config import Classify, Forecast, Tag, TaskRecord, Translate

__all__ = ["shapes_of"]

Shapes = dict[str, tuple[int, ...]]


def shapes_of(config: ModelConfig, task: TaskRecord | None) -> Shapes:
    """Name and shape of each weight of a network.

    Args:
        config: the shape of its stacks.
        task: what it does; None for a language model.
    """
    width = (1 + config.bidirectional) * config.hidden_size  # D·H
    match task:
        case None:
            return weight_shapes(config)
        case Classify():  # of the maximum and the mean over time
            return encoder_shapes(config) | _linear(task.classes, 2 * width)
        case Tag():
            return encoder_shapes(config) | _linear(task.tags, width)
        case Forecast():
            outputs = task.horizon * len(task.quantiles)
            return encoder_shapes(config, 1 + len(task.features)) | _linear(outputs, width)
        case Translate():
            return encoder_shapes(config) | _linear(config.vocab_size, width)


def _linear(outputs: int, inputs: int) -> Shapes:
    return {HEAD_WEIGHT: (outputs, inputs), HEAD_BIAS: (outputs,)}
