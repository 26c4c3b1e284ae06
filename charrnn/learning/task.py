"""What a run learns: the one place where the training loop and the kinds of work meet.

    task.batches(config).batch(step) ──cost──▶ Cost(total, number, state)
    task.validate(network)           ──────▶ Scored(nats, score)

The loop knows nothing else of language models, classifiers or forecasters. The tasks themselves
are in `objectives`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from charrnn.arrays import Weights
from charrnn.cells.rules import State
from charrnn.config import ModelConfig, TrainConfig
from charrnn.folder.record import Evaluation, ModelFolder
from charrnn.learning.hardware.threads import each_in_threads
from charrnn.learning.lanes import ALL
from charrnn.network.base import Network
from charrnn.task_config import TaskRecord
from charrnn.tasks.scores.reports import Report
from charrnn.text.tokenizer import Tokenizer

__all__ = ["Batches", "Cost", "Scored", "Scoring", "Task"]


class Cost(NamedTuple):
    """What a batch costs.

    Attributes:
        total: the sum over all that was predicted, in nats.
        number: over how much; total / number is the loss, so that padding never changes it. It may
            be 0, as in a part of a batch for one of several processes, and so is the total then.
        state: to carry to the next batch; None where nothing is carried.
    """

    total: Tensor
    number: Tensor | int
    state: State | None = None


class Scored(NamedTuple):
    """What a network is worth on the validation examples.

    Attributes:
        nats: the mean cost of a prediction.
        score: of the answers, by the task's own measure; None where the cost is all there is.
        measure: what that is, if not what the score of such a task usually measures.
        weights: those that the saved model has instead of the trained ones, such as a bias tuned
            to the score; training goes on with its own.
    """

    nats: float
    score: float | None = None
    measure: str | None = None
    weights: Mapping[str, NDArray[np.float32]] = MappingProxyType({})


class Batches(Protocol):
    """Training examples in batches, epoch after epoch."""

    @property
    def steps_per_epoch(self) -> int:
        """Batches in which all is read once."""

    @property
    def tokens_per_step(self) -> float:
        """Characters or values in a batch, on average."""

    def size(self, step: int) -> int:
        """How many rows the batch of update number `step` has."""

    def batch(self, step: int, rows: slice = ALL) -> Any:
        """The batch of update number `step`, a function of it and of the seed alone.

        Args:
            step: counted from 0 over all epochs.
            rows: those to read of it, if several processes share it.
        """


class Task(Protocol):
    """Training and validation examples, and what is to be learnt from them."""

    @property
    def task_record(self) -> TaskRecord | None:
        """What the model folder says of it; None for a language model."""

    @property
    def tokenizer(self) -> Tokenizer | None:
        """The model's tokenizer; None if it reads numbers."""

    @property
    def extra(self) -> Mapping[str, bytes]:
        """Further files of the model folder, by name."""

    @property
    def unit(self) -> str:
        """What the network reads: a character, a byte, a token or a value."""

    @property
    def metric(self) -> str:
        """What `Scored.score` usually measures; empty where there is only the cost."""

    @property
    def val_tokens(self) -> int:
        """How much there is to validate on."""

    @property
    def max_epochs(self) -> int:
        """Epochs after which further ones do not help."""

    @property
    def reset_share(self) -> float | None:
        """Share of lanes whose carried state is emptied before an update; None without one."""

    def network(self, model: ModelConfig, generator: torch.Generator) -> Network:
        """A new network of this shape, its first weights drawn from `generator`."""

    def batches(self, config: TrainConfig) -> Batches:
        """The training examples in batches."""

    def cost(
        self, network: Any, batch: Any, state: State | None, generator: torch.Generator
    ) -> Cost:
        """Read a batch and compare.

        Args:
            network: one of `network`'s, in training mode.
            batch: one of `batches`'.
            state: that was carried here; None at the start.
            generator: of what is dropped.
        """

    def start(self, network: Any, config: TrainConfig) -> State | None:
        """The state to carry into the first batch; None for tasks that carry none."""

    def beginning(self, tokens: int) -> Task:
        """The same with about so many tokens of validation examples, to time an evaluation."""

    def validate(self, network: Any) -> Generator[None, None, Scored]:
        """Validate a network in evaluation mode, piece after piece; see `Scoring`."""

    def rank(self, evaluation: Evaluation) -> tuple[float, ...]:
        """What evaluations are compared by; lower is better."""

    def sample(self, model: ModelConfig, weights: Weights, seed: int) -> str:
        """Something of the model to look at: a text, or an example with its answer."""

    @property
    def reporting(self) -> float:
        """How long `report` takes at most, in evaluations; 0 where there is none."""

    def report(
        self, folder: ModelFolder, is_late: Callable[[], bool]
    ) -> Generator[int, None, Report | None]:
        """The model's scores beside those of trivial answers; None where there are none.

        Args:
            folder: of the model.
            is_late: asked after each piece; once it is, the report is on what is answered so far.

        Yields:
            count: validation examples answered so far, piece after piece.
        """

    def bits(self, nats: float) -> float:
        """A loss for people: bits per character or answer; unchanged where it is not in nats."""

    def advice(self, metrics: Sequence[Evaluation], longer: str) -> str:
        """What would make the model better, judging by its evaluations."""


class Scoring:
    """Validation in pieces, so that the caller can do something else in between.

        scoring = learner.scoring()
        for _ in scoring: ...    # some of the examples have been read
        scoring.result           # once the loop is over

    Args:
        task: what validates.
        network: one of the task's; its mode is left as it was.
        threads: in how many PyTorch computes each piece; None for as many as it has.
    """

    def __init__(self, task: Task, network: Network, threads: int | None = None) -> None:
        self.task, self.network = task, network
        self.threads = torch.get_num_threads() if threads is None else threads
        self._result: Scored | None = None

    def __iter__(self) -> Iterator[None]:
        return each_in_threads(self.threads, self._pieces())

    @torch.inference_mode()
    def _pieces(self) -> Iterator[None]:
        training = self.network.training
        self.network.eval()
        try:
            self._result = yield from self.task.validate(self.network)
        finally:
            self.network.train(training)

    @property
    def result(self) -> Scored:
        """What was found."""
        assert self._result is not None, "the loop over a scoring comes first"
        return self._result
