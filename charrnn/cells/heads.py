"""How the weights of every kind of network are named and shaped, language models and others.

encoder     embedding.weight (V, E), or input.weight (E, F) where numbers are read
            rnn.*    a stack that reads forwards
            back.*   another that reads each row from its own end, if the network is
                     bidirectional, with an embedding_back.weight (V, E) of its own; both as in a
                     language model, so that one can start them
decoder     decoder.*, of a translator: an embedding, a stack, the bridge from what the encoder has
            read to its first state, and its attention
head        head.weight, head.bias
grams       grams.weight (N, K), of a classifier or a tagger: what each n-gram adds to the scores
"""

from __future__ import annotations

from charrnn.cells.layout import (
    EMBEDDING,
    RECURRENT,
    recurrent_shapes,
    refuse_bidirectional,
)
from charrnn.cells.rules import CELLS
from charrnn.config import ModelConfig
from charrnn.task_config import Classify, Forecast, Tag, TaskRecord, Translate

__all__ = [
    "BACKWARDS",
    "DECODER",
    "EMBEDDING_BACK",
    "GRAMS",
    "INPUT_BIAS",
    "INPUT_WEIGHT",
    "Shapes",
    "encoder_shapes",
    "shapes_of",
]

EMBEDDING_BACK = "embedding_back.weight"  # (V, E), what the stack that reads backwards reads
BACKWARDS = "back."  # stands before the names of the weights of the stack that reads backwards
INPUT_WEIGHT = "input.weight"  # (E, F)
INPUT_BIAS = "input.bias"  # (E,)
GRAMS = "grams.weight"  # (N, K)
DECODER = "decoder."  # stands before the names of the weights of what writes a translation

Shapes = dict[str, tuple[int, ...]]


def shapes_of(config: ModelConfig, task: TaskRecord | None = None) -> Shapes:
    """Name and shape of each weight of a network.

    Args:
        config: the shape of its stacks.
        task: what it does; None for a language model.

    Raises:
        UsageError: for a language model with `bidirectional`.
    """
    width = (1 + config.bidirectional) * config.hidden_size  # D·H
    match task:
        case None:
            refuse_bidirectional(config)
            return encoder_shapes(config) | _linear(config.vocab_size, width)
        case Classify():  # of the maximum and the mean over time
            head = _linear(task.classes, 2 * width) | _table(task.grams, task.classes)
            return encoder_shapes(config) | head
        case Tag():  # of the maximum over a word's characters, and its edges
            head = _linear(task.outputs, 2 * width) | _table(task.grams, task.outputs)
            return encoder_shapes(config) | head
        case Forecast():
            outputs = task.horizon * len(task.quantiles)
            return encoder_shapes(config, task.inputs) | _linear(outputs, width)
        case Translate():
            return encoder_shapes(config) | _decoder_shapes(config, task.reach, width)


def encoder_shapes(config: ModelConfig, features: int = 0) -> Shapes:
    """The weights of a network up to its head.

    Args:
        config: its shape.
        features: F, how many numbers are read at each step; 0 where characters are read.
    """
    first: Shapes = {EMBEDDING: (config.vocab_size, config.embed_size)}
    if config.bidirectional:
        first[EMBEDDING_BACK] = first[EMBEDDING]
    if features:
        first = {INPUT_WEIGHT: (config.embed_size, features), INPUT_BIAS: (config.embed_size,)}
    stack = recurrent_shapes(config)
    directions = (RECURRENT, BACKWARDS) if config.bidirectional else (RECURRENT,)
    stacks = {start + name: shape for start in directions for name, shape in stack.items()}
    return first | stacks


def _decoder_shapes(config: ModelConfig, reach: int, width: int) -> Shapes:
    """The weights of what writes a translation, and its head.

    Args:
        config: the shape of the decoder's stack, as of each of the encoder's.
        reach: R, how far a move of the attention goes.
        width: D·H, of the encoder's output.
    """
    hidden = config.hidden_size
    stack = recurrent_shapes(config)
    states = len(CELLS[config.cell].state) * config.num_layers
    shapes: Shapes = {
        DECODER + EMBEDDING: (config.vocab_size, config.embed_size),
        **{DECODER + RECURRENT + name: shape for name, shape in stack.items()},
        DECODER + "key.weight": (hidden, width),
    }
    shapes |= _linear(states * hidden, width, DECODER + "bridge")
    shapes |= _linear(2 * reach + 1, hidden, DECODER + "move")
    shapes |= _linear(hidden, width + hidden, DECODER + "out")
    return shapes | _linear(config.vocab_size, hidden)


def _linear(outputs: int, inputs: int, name: str = "head") -> Shapes:
    return {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}


def _table(rows: int, outputs: int) -> Shapes:
    return {GRAMS: (rows, outputs)} if rows else {}
