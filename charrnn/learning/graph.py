"""A whole update as one CUDA graph.

    updates = GraphUpdates(eager_updates, reset_share)
    updates.run(batch, rate, key)    # nothing waits for the GPU

An update of a small network is some hundred kernels of a few microseconds each, and launching them
one by one takes several times as long as running them. So they are recorded once, with every input
in a buffer that stays where it is, and replayed in one launch. What an update decides (whether its
gradient is finite, how far to clip it) is decided on the device; the host asks now and then.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from charrnn.learning.eager import EagerUpdates, in_bfloat16
from charrnn.learning.lanes import Batch
from charrnn.learning.seeds import seed_of
from charrnn.text.records import PAD

__all__ = ["GraphUpdates"]

MAX_AHEAD = 8  # updates by which the host may be ahead of the device; so many staging buffers
WARM_UPS = 3  # updates before the recording, in which libraries choose and allocate
CHECK_EVERY = 32  # updates, after which the host asks whether they fail
MAX_RATE = torch.finfo(torch.float32).max

# While one thread records, PyTorch's own random generator counts as recorded, too, so that a second
# recording would fail.
_RECORDING = threading.Lock()


class GraphUpdates:
    """Updates of a network, each the replay of one recording.

    Args:
        before: updates of a language model in single operations; these go on from where they
            stand.
        reset_share: of the lanes, whose state is emptied before an update.

    Raises:
        RuntimeError: if an update can't be recorded; weights and optimizer are then as before.

    Attributes:
        state: the hidden state of the lanes after the last update.
        loss, grad_norm: of the last update.
        loss_sum: of `loss_count` whole batches, those since `clear_losses`; see `EagerUpdates`.
        seen_in_row: `skipped_in_row` as it was between `CHECK_EVERY` and twice as many updates ago;
            0 before it was first looked at.
    """

    def __init__(self, before: EagerUpdates, reset_share: float) -> None:
        self.network, self.optimizer, self.config = before.network, before.optimizer, before.config
        self.bf16, self.reset_share, self.device = before.bf16, reset_share, before.device
        self.batch_tokens = before.batch_tokens
        # Its own, since a recording that fails leaves it unusable.
        self.generator = torch.Generator(self.device)
        size = (self.config.batch_size, self.config.seq_length + 1)
        self.inputs = torch.zeros(math.prod(size) + 1, dtype=torch.int64, device=self.device)
        self.window = self.inputs[:-1].view(size)  # (B, T+1)
        self.rate, self.carry = self.inputs[-1:].view(torch.float32)  # see `_Staging`
        self.state = tuple(part.clone() for part in self.network.rnn.start(size[0]))
        self.loss: Tensor
        self.grad_norm: Tensor
        self.loss_sum: Tensor
        self._loss_count: Tensor
        self.loss, self.grad_norm, self.loss_sum, self._loss_count = torch.zeros(
            4, dtype=torch.float32, device=self.device
        )
        self._counts = torch.zeros(2, dtype=torch.int64, device=self.device)  # see `_update`
        on_gpu = self.device.type == "cuda"
        self._staged = [_Staging(size, pinned=on_gpu) for _ in range(MAX_AHEAD)]
        counts = (before.skipped, before.skipped_in_row)
        self._seen = torch.tensor(counts, dtype=torch.int64, pin_memory=on_gpu)
        self._number = 0
        self._graph = self.record() if on_gpu else None
        for buffer, value in zip(self.state, before.state or (), strict=False):
            buffer.copy_(value)
        self.loss.copy_(before.loss)
        self.grad_norm.copy_(before.grad_norm)
        self.loss_sum.copy_(before.loss_sum)
        self._loss_count.fill_(before.loss_count)
        self._counts.copy_(self._seen)
        self._seen.zero_()  # those before it are no reason to end a run that goes on
        self.seen_in_row = 0

    @property
    def loss_count(self) -> float:
        """How many whole batches `loss_sum` adds up."""
        return float(self._loss_count)

    @property
    def skipped(self) -> int:
        """Updates that were not made because a gradient was not finite."""
        return int(self._counts[0])

    @property
    def skipped_in_row(self) -> int:
        """How many of these there were since the last that was made."""
        return int(self._counts[1])

    def clear_losses(self) -> None:
        """Begin to add up losses anew."""
        self.loss_sum.zero_()
        self._loss_count.zero_()

    def run(self, batch: Batch, rate: float, key: Sequence[int]) -> None:
        """As `EagerUpdates.run`, but nothing waits for the device."""
        staging = self._staged[self._number % MAX_AHEAD]
        staging.fill(batch, rate)
        self.inputs.copy_(staging.inputs, non_blocking=True)
        self.generator.manual_seed(seed_of(*key))
        self.replay()
        staging.mark_sent()
        self._number += 1
        if self._number % CHECK_EVERY == 0:
            # Sent by an update that is long past, since the host is never so far ahead.
            self.seen_in_row = int(self._seen[1])
            self._seen.copy_(self._counts, non_blocking=True)

    def replay(self) -> None:
        """An update with whatever stands in the buffers."""
        if self._graph is not None:
            self._graph.replay()
        else:
            self.optimizer.clear_gradients()
            self._update()

    def _update(self) -> None:
        """What is recorded: it reads and writes buffers that stay where they are."""
        lanes = len(self.window)
        dice = self.rate.new_empty(lanes).uniform_(generator=self.generator)
        keep = (dice >= self.reset_share) * self.carry  # (B,)
        before = tuple(part * keep[:, None] for part in self.state)
        with in_bfloat16(self.device, enabled=self.bf16):
            inputs = self.window[:, :-1].clamp(min=0)
            logits, after = self.network(inputs, before, self.generator)  # (B, T, V)
        targets = self.window[:, 1:].flatten()
        loss = cross_entropy(logits.flatten(0, 1).float(), targets)
        loss.backward()  # type: ignore[no-untyped-call]
        gradients = [w.grad for w in self.network.parameters() if w.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients)
        skip = ~torch.isfinite(norm + loss)
        clip_divisor = (norm / self.config.grad_clip).clamp(min=1.0)
        self.optimizer.update(self.rate, clip_divisor, skip.float())
        with torch.no_grad():
            for part, values in zip(self.state, after, strict=True):
                part.copy_(values.masked_fill(skip, 0.0))
            self.grad_norm.copy_(norm)
            self.loss.copy_(torch.where(skip, self.loss, loss))
            share = (targets != PAD).sum(dtype=torch.float32) / self.batch_tokens
            self.loss_sum += (loss * share).masked_fill(skip, 0.0)
            self._loss_count += share.masked_fill(skip, 0.0)
            skipped, in_row = self._counts
            self._counts.copy_(torch.stack([skipped + skip, (in_row + 1) * skip]))

    def record(self) -> torch.cuda.CUDAGraph:
        """Record an update. Weights and the optimizer's state end as they were."""
        optimizer = self.optimizer
        moved = [*self.network.parameters(), *optimizer.means.values(), *optimizer.squares.values()]
        moved.append(optimizer.updates)
        before = [tensor.detach().clone() for tensor in moved]
        try:
            with _RECORDING:
                return self.capture()
        finally:
            with torch.no_grad():
                for tensor, values in zip(moved, before, strict=True):
                    tensor.copy_(values)

    def capture(self) -> torch.cuda.CUDAGraph:
        """Make updates that change what they like, the last of them as a graph."""
        stream = torch.cuda.Stream(self.device)  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream(self.device))
        self.generator.manual_seed(0)
        with torch.cuda.stream(stream):
            for _ in range(WARM_UPS):
                self.optimizer.clear_gradients()
                self._update()
        torch.cuda.current_stream(self.device).wait_stream(stream)
        self.optimizer.clear_gradients()  # so that gradients are the recording's own
        graph = torch.cuda.CUDAGraph()
        if torch.__version__ < "2.14":  # from then on a recording knows what it draws with
            graph.register_generator_state(self.generator)  # replays draw with the seed it has then
        # What other threads do on the GPU meanwhile is none of the recording's. A recording that
        # fails would leave this thread on its stream.
        with (
            torch.cuda.stream(torch.cuda.current_stream(self.device)),
            torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"),
        ):
            self._update()
        sums = (self.loss, self.grad_norm, self.loss_sum, self._loss_count, self._counts)
        for tensor in (*self.state, *sums):
            tensor.zero_()
        return graph


class _Staging:
    """Host memory from which one update's inputs are copied while others are computed.

    All of them are one piece, whose last eight bytes are the learning rate, and 0 where lanes begin
    anew, else 1.
    """

    def __init__(self, size: tuple[int, int], *, pinned: bool) -> None:
        self.inputs = torch.zeros(math.prod(size) + 1, dtype=torch.int64, pin_memory=pinned)
        self._window = self.inputs[:-1].view(size).numpy()  # (B, T+1)
        self._scalars = self.inputs[-1:].view(torch.float32).numpy()
        self._event = torch.cuda.Event() if pinned else None  # type: ignore[no-untyped-call]

    def fill(self, batch: Batch, rate: float) -> None:
        """Put new inputs here, once the old ones have been used."""
        if self._event is not None:
            self._event.synchronize()
        width = batch.window.shape[1]
        self._window[:, :width] = batch.window
        self._window[:, width:] = PAD  # records may be shorter; what is negative is not predicted
        self._scalars[:] = min(rate, MAX_RATE), 0.0 if batch.fresh else 1.0

    def mark_sent(self) -> None:
        """Note that the update that reads this is on its way."""
        if self._event is not None:
            self._event.record()
