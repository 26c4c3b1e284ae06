"""Processes that train together: what they add up, and what the first one tells the others.

    ranks = processes()                  # as torchrun says; ALONE where it says nothing
    ranks.mean(weights, total, number)   # gradients of the whole batch, in every process the same

Rank 0 decides all that depends on clocks, files and users, and tells the others what to do next.
They do only that, so no two processes can wait for different things. Nothing is pickled.
"""

from __future__ import annotations

import atexit
import functools
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

import msgspec
import torch
import torch.distributed as dist
from torch import Tensor

from charrnn.cells.rules import State
from charrnn.config import ModelConfig, TrainConfig
from charrnn.errors import CharRNNError, UsageError, first_line
from charrnn.folder.resuming import RunProgress
from charrnn.network.stack.recurrent import Rows
from charrnn.words import counted

__all__ = [
    "ALONE",
    "Change",
    "Gather",
    "Leave",
    "LostError",
    "Make",
    "Order",
    "Ranks",
    "Restore",
    "Start",
    "Update",
    "processes",
]

ENVIRONMENT = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
TIMEOUT = timedelta(days=1)  # for the next order: an evaluation, or a user, may take long
# In what NCCL raises where another process has ended; all else that it raises is its own.
ENDED = ("remote process exited", "communicator was aborted")


class LostError(CharRNNError):
    """Another process of the run has ended."""


class Start(msgspec.Struct, tag=True):
    """A run begins, in this folder, on a text with this hash, in so many threads.

    Whether its settings can't be changed decides what is said where memory runs out.
    """

    folder: str
    sha256: str
    threads: int
    is_settled: bool


class Make(msgspec.Struct, tag=True):
    """Make a learner."""

    model: ModelConfig
    config: TrainConfig


class Restore(msgspec.Struct, tag=True):
    """Go on from these arrays, a safetensors file, with the learner."""

    tensors: bytes
    progress: RunProgress


class Change(msgspec.Struct, tag=True):
    """Change the settings of the learner."""

    config: TrainConfig


class Update(msgspec.Struct, tag=True):
    """Make an update."""


class Gather(msgspec.Struct, tag=True):
    """Send the state of your lanes."""


class Leave(msgspec.Struct, tag=True):
    """The run is over, or has stopped."""

    over: bool = False


Order = Start | Make | Restore | Change | Update | Gather | Leave


class Ranks:
    """The processes that train together, as one of them sees them.

    Args:
        rank: the number of this one, from 0.
        count: how many there are.
        orders: the group in which the first tells the others; None if there are no others.

    Attributes:
        asked: whether this process was asked to stop.
        stopping: whether one was, as far as the last update tells.
        busy: whether the others are in a run that this process leads.
        sharing: whether this process has work in hand in which the others wait for its part, or has
            failed there. Then they can't be told anything, and learn of it when it ends.
    """

    def __init__(self, rank: int, count: int, orders: Any = None) -> None:
        self.rank, self.count = rank, count
        self._orders = orders
        self.asked = self.stopping = self.busy = self.sharing = False

    @property
    def leads(self) -> bool:
        """Whether others do what this process tells."""
        return self.rank == 0 and self.count > 1

    @property
    def follows(self) -> bool:
        """Whether this process does what another tells."""
        return self.rank > 0

    def tell(self, order: Order) -> None:
        """Tell the others what to do next; from any other process than the first nothing is told.

        Raises:
            LostError: if one of them has ended, or this one has failed in the midst of an update.
        """
        if not self.leads:
            return
        self.busy = not isinstance(order, Leave)
        if self.sharing:
            raise _lost_error()
        # An empty message is the one that is sent most often.
        message = b"" if isinstance(order, Update) else msgspec.msgpack.encode(order)
        with _lost():
            dist.broadcast(torch.tensor([len(message)]), 0, self._orders)
            if message:
                content = torch.frombuffer(bytearray(message), dtype=torch.uint8)
                dist.broadcast(content, 0, self._orders)

    def listen(self) -> Order:
        """Wait for what the first process tells.

        Raises:
            LostError: if it has ended.
        """
        size = torch.zeros(1, dtype=torch.int64)
        with _lost():
            dist.broadcast(size, 0, self._orders)
            if not size:
                return Update()
            content = torch.empty(int(size), dtype=torch.uint8)
            dist.broadcast(content, 0, self._orders)
        order: Order = msgspec.msgpack.decode(content.numpy().tobytes(), type=Order)
        return order

    def orders(self) -> Iterator[Order]:
        """All that the first process tells, up to `Leave`."""
        while True:
            yield (order := self.listen())
            if isinstance(order, Leave):
                return

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Inside, all do their parts of one piece of work; see `sharing`."""
        self.sharing = True
        yield
        self.sharing = False

    def rows(self, size: int) -> Rows:
        """The rows that this process reads of a batch of `size`."""
        first, last = (size * rank // self.count for rank in (self.rank, self.rank + 1))
        return Rows(first, last, size)

    def own(self, state: State | None) -> State | None:
        """The part of a state (L, B, H) that belongs to the rows of this process."""
        if state is None or self.count == 1:
            return state
        rows = self.rows(state[0].shape[1])
        return tuple(part[:, rows.first : rows.last].contiguous() for part in state)

    def whole(self, own: State | None) -> State | None:
        """The state (L, B, H) of all rows, in the first process; all call this at once.

        Raises:
            LostError: if one of them has ended.
        """
        if own is None or self.count == 1:
            return own
        found = []
        for part in (part.cpu().contiguous() for part in own):
            parts = None if self.follows else [torch.empty_like(part) for _ in range(self.count)]
            with _lost():
                dist.gather(part, parts, 0, self._orders)
            found.append(part if parts is None else torch.cat(parts, 1))
        return tuple(found)

    def mean(
        self, weights: Sequence[Tensor], total: Tensor, number: Tensor | int
    ) -> tuple[Tensor, Tensor]:
        """Make gradients those of the mean cost of the whole batch; all processes call this.

        All that is added up is one array: its sum has the same bits in every process, and so have
        the weights after the update, on equal processors with the same packages.

        Args:
            weights: with the gradients of `total`, or none.
            total, number: what the rows of this process cost, and over how much; see `Cost`.

        Returns:
            loss: the mean cost.
            number: over how much, in all processes.

        Raises:
            CharRNNError: if the processes can't exchange gradients.
            LostError: if a process has ended.
        """
        counts = [float(number), float(self.asked)]
        numbers = torch.tensor(counts, dtype=torch.float32, device=total.device)
        gradients = [torch.zeros_like(w) if w.grad is None else w.grad for w in weights]
        flat = torch.cat([*(one.flatten() for one in gradients), total.view(1).float(), numbers])
        with _lost():
            dist.all_reduce(flat)
            self.stopping = bool(flat[-1])  # on a GPU, this waits
        mean = flat[:-2].div_(flat[-2] + (flat[-2] == 0))  # in a batch nothing may count
        parts = torch.split(mean[:-1], [weight.numel() for weight in weights])
        for weight, part in zip(weights, parts, strict=True):
            weight.grad = part.view_as(weight)
        return mean[-1], flat[-2]

    def refuse_uneven(self, batch_size: int, *, given: bool) -> None:
        """Check that every process has as many rows as the others.

        Args:
            batch_size: B, of all processes together.
            given: whether it can't be changed.

        Raises:
            UsageError: if B rows can't be divided.
        """
        if batch_size % self.count == 0:
            return
        fitting = max(n for n in range(1, self.count + 1) if batch_size % n == 0)
        processes = f"start {counted(fitting, 'process')}"
        larger = -(-batch_size // self.count) * self.count
        raise UsageError(
            f"batch_size is {batch_size}, which {self.count} processes can't divide evenly",
            processes if given else f"choose {larger}, or {processes}",
            "batch_size",
        )

    def changed_from(self, before: int) -> tuple[str, ...]:
        """What the user should know where a run had another number of processes before."""
        if before == self.count:
            return ()
        numbers = f"{counted(before, 'process')} before, {self.count:,} now"
        return (f"{numbers}: that changes rounding and nothing else",)

    def goes_on(self) -> bool:
        """Whether the first process goes on where this one can't."""
        try:
            return not isinstance(self.listen(), Leave)
        except LostError:
            return False

    def is_first_to_speak(self) -> bool:
        """Whether no other process has asked this before: one of those that fail says why."""
        if self.count == 1:
            return True
        try:
            return bool(dist.distributed_c10d._get_default_store().add("charrnn/failed", 1) == 1)
        except RuntimeError:  # the process that keeps the count has ended
            return self.rank == 1


ALONE = Ranks(0, 1)


@functools.cache
def processes() -> Ranks:
    """The processes that torchrun has started; `ALONE` where it has not, or only this one.

    Raises:
        CharRNNError: if they don't find each other.
    """
    given = [os.environ.get(name, "") for name in ENVIRONMENT]
    if not all(given) or given[1] == "1":
        return ALONE
    has_gpu = torch.cuda.is_available()
    if has_gpu and int(given[2]) < torch.cuda.device_count():
        torch.cuda.set_device(int(given[2]))
    try:
        if not dist.is_initialized():
            dist.init_process_group("cpu:gloo,cuda:nccl" if has_gpu else "gloo")
            atexit.register(_close)
        orders = dist.new_group(backend="gloo", timeout=TIMEOUT)
    except (RuntimeError, ValueError) as error:
        reason = first_line(error)
        advice = "start all of them with torchrun; see docs/scaling.md"
        raise CharRNNError(f"the processes don't find each other ({reason})", advice) from None
    return Ranks(dist.get_rank(), dist.get_world_size(), orders)


def _close() -> None:
    with suppress(RuntimeError, ValueError):
        dist.destroy_process_group()


@contextmanager
def _lost() -> Iterator[None]:
    """Inside, processes wait for each other.

    Raises:
        CharRNNError: if NCCL fails.
        LostError: if one of them has ended.
    """
    try:
        yield
    except (torch.OutOfMemoryError, torch.AcceleratorError):  # of this process's own GPU
        raise
    except RuntimeError as error:
        is_of_nccl = isinstance(error, dist.DistBackendError)
        if not is_of_nccl or any(words in str(error) for words in ENDED):
            raise _lost_error() from None
        raise CharRNNError(
            f"the processes can't exchange gradients ({_reason(error)})",
            "NCCL_DEBUG=INFO tells more; a container needs room in /dev/shm, see docs/scaling.md",
        ) from None


def _reason(error: Exception) -> str:
    """What NCCL says last, where it has more to say than what kind of error it is."""
    _, _, last = str(error).partition("Last error:")
    return first_line(Exception(last)) if last.strip() else first_line(error)


def _lost_error() -> LostError:
    return LostError(
        "another process of this run has ended",
        "what was saved last is whole: start all of them again, with --resume",
    )
