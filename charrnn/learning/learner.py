"""A network that learns: one update after another."""

from __future__ import annotations

from typing import Any

import msgspec
import safetensors.numpy
import torch
from torch import Tensor

from charrnn.arrays import Weights
from charrnn.cells.rules import State
from charrnn.config import EngineName, ModelConfig, ProductPrecision, TrainConfig
from charrnn.errors import first_line
from charrnn.folder.resuming import RunProgress
from charrnn.learning.eager import EagerUpdates
from charrnn.learning.graph import GraphUpdates
from charrnn.learning.hardware import clock
from charrnn.learning.hardware.devices import DTYPES, choose_device, choose_precision, keep_bits
from charrnn.learning.hardware.ranks import ALONE, Change, Gather, Make, Ranks, Restore, Update
from charrnn.learning.hardware.threads import in_threads, threads_at
from charrnn.learning.optimizer import Optimizer, learning_rate
from charrnn.learning.seeds import generator
from charrnn.learning.task import Scoring, Task
from charrnn.network.stack.choice import candidates

__all__ = ["Learner", "lanes_of"]

FLUSH_EVERY = 100  # updates


def lanes_of(task: Task, batch_size: int, processes: int) -> int | None:
    """How many lanes an engine has to compute at once; None where batches differ in size."""
    return batch_size // processes if task.task_record is None else None


class Learner:
    """Weights, optimizer, the state that is carried, and how many updates were made.

    Batches and dropout are functions of the seed and the number of the update, so there is no
    random generator to save, and the caller's are left alone.

    Args:
        task: what is learnt.
        model: the shape of the network.
        config: how to train it; its number of updates may be changed between two of them.
        ranks: the processes that share each update. What is done with the learner of the first is
            done with those of the others; see `training.following`.

    Attributes:
        step: updates made so far.
        seconds: spent in `update`.
        engine: what computes the updates; "auto" if that was never settled.
        notes: what the user should know about how updates are computed.
    """

    def __init__(
        self, task: Task, model: ModelConfig, config: TrainConfig, ranks: Ranks = ALONE
    ) -> None:
        self.task = task
        self.config = config
        self.ranks = ranks
        self.device = choose_device(config.device)
        keep_bits(self.device)
        self.precision = choose_precision(config.precision, self.device)
        ranks.tell(Make(model, msgspec.structs.replace(config, precision=self.precision)))
        self.batches = task.batches(config)
        self.network = task.network(model, generator(config.seed)).to(self.device)
        self.optimizer = Optimizer(self.network, config)
        self.updates: EagerUpdates | GraphUpdates = EagerUpdates(
            task,
            self.network,
            self.optimizer,
            config,
            ranks,
            batch_tokens=self.batches.tokens_per_step if task.task_record is None else 1.0,
            bf16=self.precision == "bf16",
        )
        self.step = 0
        self.seconds = 0.0
        self.notes: tuple[str, ...] = ()
        self.use(config.engine, self.precision)

    def use(self, engine: EngineName, precision: ProductPrecision) -> None:
        """Compute the next updates in this way, from an empty state; before `prepare`.

        An engine that is not available is replaced, and `notes` says so.
        """
        self.precision = precision
        self.network.compute(engine)
        assert isinstance(self.updates, EagerUpdates), "a graph computes as it was recorded"
        self.updates.bf16, self.updates.state = precision == "bf16", None
        model, dtype = self.network.config, DTYPES[precision]
        lanes = lanes_of(self.task, self.config.batch_size, self.ranks.count)
        able = candidates(model.cell, model.hidden_size, self.device, dtype, lanes=lanes)
        self.engine: EngineName = engine
        if engine not in ("auto", *able):
            self.engine = able[0]
            self.notes += (
                f"what the run was computed with ({engine}) is not available here, so its "
                "results will differ in the last digits; a new run chooses anew",
            )

    def configure(self, config: TrainConfig) -> None:
        """Go on with changed settings."""
        self.config = config
        self.ranks.tell(Change(config))

    def prepare(self) -> None:
        """Record an update as a graph, on a device that can; see `graph`."""
        share = self.task.reset_share
        if self.device.type != "cuda" or isinstance(self.updates, GraphUpdates) or share is None:
            return
        if self.ranks.count > 1:
            self.notes += ("several processes train without a CUDA graph, which is for one alone",)
            return
        try:
            self.updates = GraphUpdates(self.updates, share)
        except RuntimeError as error:  # what PyTorch raises, out of memory included
            reason = first_line(error)
            note = f"training is slower than it could be, without a CUDA graph: {reason}"
            self.notes += (note,)

    def update(self) -> None:
        """Read a batch, and change the weights once."""
        begin = clock.now()
        self.ranks.tell(Update())
        rate = learning_rate(self.step, self.config)
        key = (self.config.seed, self.step + 1)
        with self.ranks.shared(), in_threads(threads_at(self.step, self.config)):
            self.updates.run(self._batch(), rate, key)
        self.step += 1
        if self.step % FLUSH_EVERY == 0:
            self.optimizer.flush_tiny_averages()
        self.seconds += clock.now() - begin

    def _batch(self) -> Any:
        """What this process reads of the next batch; None for nothing."""
        if self.ranks.count == 1:
            return self.batches.batch(self.step)
        rows = self.ranks.rows(self.batches.size(self.step))
        self.network.read_rows(rows)
        if rows.first == rows.last:
            return None
        return self.batches.batch(self.step, slice(rows.first, rows.last))

    def burst(self, updates: int) -> None:
        """Make so many updates, and wait until the device has done all that it was given."""
        for _ in range(updates):
            self.update()
        if self.device.type == "cuda":
            # Not for all of the device: that would end what another thread is recording.
            torch.cuda.current_stream(self.device).synchronize()

    def scoring(self, task: Task | None = None) -> Scoring:
        """A validation of the network as it is, in as many threads as the next update.

        Args:
            task: what validates; by default its own.
        """
        threads = threads_at(self.step, self.config)
        return Scoring(self.task if task is None else task, self.network, threads)

    def whole_state(self) -> State | None:
        """What all rows carry on, empty at the start; None for tasks that carry none."""
        self.ranks.tell(Gather())
        with self.ranks.shared():
            own = self.updates.state or self.ranks.own(self.task.start(self.network, self.config))
            return self.ranks.whole(own)

    def take_mean_loss(self) -> float:
        """Nats per token, over all that was predicted in the updates since this was last asked."""
        mean = float(self.updates.loss_sum) / (self.updates.loss_count or 1.0)
        self.updates.clear_losses()
        return mean

    def tensors(self) -> Weights:
        """A copy of every array that a learner needs to go on.

        Weights, the optimizer's averages, the carried state, and losses.
        """
        arrays: dict[str, Tensor] = {}
        for name, weight in self.network.named_parameters():
            arrays[f"network.{name}"] = weight
            arrays[f"mean.{name}"] = self.optimizer.means[weight]
            if weight in self.optimizer.squares:
                arrays[f"square.{name}"] = self.optimizer.squares[weight]
        state = self.whole_state() or ()
        for part, values in zip(self.network.rnn.cell.state, state, strict=bool(state)):
            arrays[f"state.{part}"] = values
        scalars = {
            "updates": self.optimizer.updates,
            "loss_sum": self.updates.loss_sum,
            # Not finite if the last update was left out.
            "grad_norm": self.updates.grad_norm.nan_to_num(0.0, 0.0, 0.0),
        }
        arrays |= {name: value.view(1) for name, value in scalars.items()}
        return {
            name: array.detach().to("cpu", torch.float32, copy=True).numpy()
            for name, array in arrays.items()
        }

    def restore(self, tensors: Weights, progress: RunProgress) -> None:
        """Go on from where another learner with the same settings stood."""
        if self.ranks.leads:
            self.ranks.tell(Restore(safetensors.numpy.save(tensors), progress))
        given = {k: torch.tensor(v, device=self.device) for k, v in tensors.items()}
        with torch.no_grad():
            for name, weight in self.network.named_parameters():
                weight.copy_(given[f"network.{name}"])
                self.optimizer.means[weight].copy_(given[f"mean.{name}"])
                if weight in self.optimizer.squares:
                    self.optimizer.squares[weight].copy_(given[f"square.{name}"])
        self.optimizer.updates.copy_(given["updates"].view(()))
        assert isinstance(self.updates, EagerUpdates), "a learner is restored before it is prepared"
        updates = self.updates
        names = [f"state.{part}" for part in self.network.rnn.cell.state]
        updates.state = self.ranks.own(tuple(given[n] for n in names if n in given) or None)
        updates.loss_sum = given["loss_sum"].view(())
        updates.grad_norm = given["grad_norm"].view(())
        updates.loss_count = progress.loss_count
        updates.loss = updates.loss_sum / (updates.loss_count or 1.0)  # until there is another
        updates.skipped, updates.skipped_in_row = progress.skipped
        self.step, self.seconds = progress.step, progress.training_seconds

    @property
    def tokens_per_second(self) -> float:
        """In updates alone, so far."""
        return self.step * self.batches.tokens_per_step / max(self.seconds, 1e-9)

    @property
    def epoch(self) -> float:
        """Passes over the training examples so far."""
        return self.step / self.batches.steps_per_epoch
