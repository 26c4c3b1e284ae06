"""A network that learns: one truncated back-propagation step at a time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from charrnn.arrays import Weights
from charrnn.cells.rules import State
from charrnn.config import DeviceName, ModelConfig, Precision, TrainConfig
from charrnn.errors import UsageError
from charrnn.folder.resuming import RunProgress
from charrnn.network import kernels
from charrnn.network.char_rnn import CharRNN
from charrnn.network.recurrent import detach
from charrnn.training.lanes import Lanes

__all__ = ["Learner", "choose_device", "choose_precision", "learning_rate", "seeded", "speed"]


# The share of lanes whose state is emptied before an update. Sampling starts with an empty state,
# so the network must know what to do with one; see benchmarks/NOTES.md for what it gains and loses.
RESET_SHARE = 0.03

# The optimizer's averages shrink at each update for what has no gradient, such as the row of a
# character that has not been read for long. They are set to zero before they become denormal
# numbers, which take some processors a hundred times as long to compute with.
TINY, FLUSH_EVERY = 1e-30, 100  # updates

MAX_THREADS = 8  # 32 lanes keep hardly any more of them busy


class Learner:
    """Weights, optimizer, hidden state of the lanes, and how many updates were made.

    Lanes and dropout are functions of the seed and the number of the update, so there is no
    random generator to save, and the caller's are left alone.

    Args:
        model: the shape of the network.
        config: how to train it.
        ids: the training text (N,).
    """

    def __init__(self, model: ModelConfig, config: TrainConfig, ids: NDArray[np.integer]) -> None:
        self.config = config
        self.device = choose_device(config.device)
        self.precision = choose_precision(config.precision, self.device)
        self.lanes = Lanes(ids, config.batch_size, config.seq_length, config.seed)
        with seeded(config.seed):
            self.network = CharRNN(model).to(self.device)
        self.optimizer = _optimizer(self.network, config)
        self.state: State | None = None
        self.step = 0
        self.skipped = 0  # updates that were not made because a gradient was not finite
        self.skipped_in_row = 0
        self.seconds = 0.0  # in `update` alone
        self.grad_norm = torch.zeros((), device=self.device)
        self.loss = torch.zeros((), device=self.device)  # of the last update
        self._loss_sum = torch.zeros((), device=self.device)  # since `mean_loss` was last asked
        self._loss_count = 0

    def update(self) -> None:
        """Read one step of every lane, and change the weights once."""
        begin = time.perf_counter()
        batch = self.lanes.batch(self.step)
        inputs = torch.from_numpy(batch.inputs).to(self.device, non_blocking=True)  # (B, T)
        targets = torch.from_numpy(batch.targets).to(self.device, non_blocking=True)  # (B, T)
        autocast = torch.autocast(
            self.device.type, torch.bfloat16, enabled=self.precision == "bf16"
        )
        with seeded(self.config.seed, self.step + 1), autocast:
            state = None if batch.fresh or self.state is None else reset_some_lanes(self.state)
            logits, state = self.network(inputs, state)  # (B, T, V)
        loss = cross_entropy(logits.flatten(0, 1).float(), targets.flatten())

        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        gradients = [w.grad for w in self.network.parameters() if w.grad is not None]
        self.grad_norm = torch.nn.utils.get_total_norm(gradients)
        if bool(torch.isfinite(self.grad_norm + loss)):  # the only time the CPU waits for a GPU
            for group in self.optimizer.param_groups:
                group["lr"] = learning_rate(self.step, self.config)
            # Fused optimizers divide by this what they read, which saves a pass over the gradients.
            excess = (self.grad_norm / self.config.grad_clip).clamp(min=1.0)
            self.optimizer.grad_scale = excess  # type: ignore[attr-defined]
            self.optimizer.step()
            self.state = detach(state)
            self._count(loss.detach())
            self.skipped_in_row = 0
        else:
            self.state = self.network.rnn.start(self.config.batch_size)
            self.skipped += 1
            self.skipped_in_row += 1
        self.step += 1
        if self.step % FLUSH_EVERY == 0:
            self.flush_tiny_averages()
        self.seconds += time.perf_counter() - begin

    def _count(self, loss: Tensor) -> None:
        """Add up losses on the device, so that nothing waits for it."""
        self.loss = loss
        self._loss_sum += loss
        self._loss_count += 1

    @torch.no_grad()
    def flush_tiny_averages(self) -> None:
        """Set the optimizer's averages to zero where they are negligible."""
        for averages in self.optimizer.state.values():
            for name in ("exp_avg", "exp_avg_sq"):
                averages[name] *= averages[name].abs() >= TINY

    def mean_loss(self) -> float:
        """Nats a token, over the updates since this was last asked."""
        mean = float(self._loss_sum) / max(self._loss_count, 1)
        self._loss_sum.zero_()
        self._loss_count = 0
        return mean

    @property
    def loss_count(self) -> int:
        """How many updates `mean_loss` would average."""
        return self._loss_count

    def tensors(self) -> Weights:
        """Every array that a learner needs to go on: weights, optimizer, hidden state, losses."""
        arrays: dict[str, Tensor] = {}
        updates = torch.zeros(())
        for name, weight in self.network.named_parameters():
            moments = self.optimizer.state.get(weight, {})
            arrays[f"network.{name}"] = weight
            arrays[f"mean.{name}"] = moments.get("exp_avg", torch.zeros_like(weight))
            arrays[f"square.{name}"] = moments.get("exp_avg_sq", torch.zeros_like(weight))
            updates = moments.get("step", updates)
        state = self.state or self.network.rnn.start(self.config.batch_size)
        for part, values in zip(self.network.rnn.cell.state, state, strict=True):
            arrays[f"state.{part}"] = values
        grad_norm = self.grad_norm.nan_to_num(0.0, 0.0, 0.0)  # of an update that was left out
        scalars = {"updates": updates, "loss_sum": self._loss_sum, "grad_norm": grad_norm}
        arrays |= {name: value.view(1) for name, value in scalars.items()}
        return {name: array.detach().cpu().float().numpy() for name, array in arrays.items()}

    def restore(self, tensors: Weights, progress: RunProgress) -> None:
        """Go on from where another learner with the same settings stood."""
        given = {k: torch.tensor(v, device=self.device) for k, v in tensors.items()}
        for name, weight in self.network.named_parameters():
            with torch.no_grad():
                weight.copy_(given[f"network.{name}"])
            if float(given["updates"]):
                self.optimizer.state[weight] = {
                    "step": given["updates"].view(()).clone(),
                    "exp_avg": given[f"mean.{name}"],
                    "exp_avg_sq": given[f"square.{name}"],
                }
        self.state = tuple(given[f"state.{part}"] for part in self.network.rnn.cell.state)
        self._loss_sum, self.grad_norm = given["loss_sum"].view(()), given["grad_norm"].view(())
        self._loss_count = progress.loss_count
        self.step, self.seconds = progress.step, progress.training_seconds
        self.skipped, self.skipped_in_row = progress.skipped

    @property
    def tokens_per_second(self) -> float:
        """In updates alone, so far."""
        tokens = self.step * self.config.batch_size * self.config.seq_length
        return tokens / max(self.seconds, 1e-9)

    @property
    def epoch(self) -> float:
        """Passes over the training text so far."""
        return self.step / self.lanes.steps_per_epoch


def reset_some_lanes(state: State) -> State:
    """The state of the lanes, emptied in a random few of them."""
    keep = torch.rand(state[0].shape[1], device=state[0].device) >= RESET_SHARE  # (B,)
    return tuple(part * keep[:, None] for part in state)


def learning_rate(step: int, config: TrainConfig) -> float:
    """The rate of update number `step`: it rises in a line, then falls in a line to near zero.

    Bergsma et al., "Straight to zero: why linearly decaying the learning rate to zero works best
    for LLMs", 2025.
    """
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    progress = (step - config.warmup_steps) / (config.steps - config.warmup_steps)
    return config.learning_rate * (1 - 0.995 * progress)


def _optimizer(network: CharRNN, config: TrainConfig) -> torch.optim.Optimizer:
    """AdamW, with weight decay on matrices only.

    Loshchilov and Hutter, "Decoupled weight decay regularization", 2019.
    """
    weights = list(network.parameters())
    return torch.optim.AdamW(
        [
            {"params": [w for w in weights if w.ndim > 1], "weight_decay": config.weight_decay},
            {"params": [w for w in weights if w.ndim <= 1], "weight_decay": 0.0},
        ],
        lr=config.learning_rate,
        betas=(0.9, 0.98),
        fused=True,
    )


@contextmanager
def seeded(*key: int) -> Iterator[None]:
    """Inside, PyTorch's random numbers are those of `key`; after, the caller's go on."""
    seed = int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0])
    with torch.random.fork_rng(range(torch.cuda.device_count())):
        if torch.accelerator.is_available():
            torch.manual_seed(seed)
        else:  # a tenth of the time, which is felt in small networks
            torch.default_generator.manual_seed(seed)
        yield


def choose_device(name: DeviceName) -> torch.device:
    """The device to train on; `auto` takes a GPU if there is one.

    Raises:
        UsageError: if it is not there.
    """
    available = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name == "auto":
        return torch.device(next(kind for kind, there in available.items() if there))
    if not available[name]:
        there = ", ".join(kind for kind, there in available.items() if there)
        raise UsageError(f"there is no device {name} here", f"choose --device from {there}")
    return torch.device(name)


def speed(device: torch.device, precision: Literal["fp32", "bf16"]) -> float:
    """About how many operations a second training reaches here; see benchmarks/NOTES.md."""
    if device.type != "cpu":
        return 3e12
    if kernels.available(256, torch.bfloat16 if precision == "bf16" else torch.float32):
        each = 150e9 if precision == "bf16" else 65e9
    else:
        each = 45e9
    return each * min(torch.get_num_threads(), MAX_THREADS)


def choose_precision(name: Precision, device: torch.device) -> Literal["fp32", "bf16"]:
    """The numbers to multiply in; `auto` takes bfloat16 where the processor has it built in."""
    if name != "auto":
        return name
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    if device.type == "cpu":
        capabilities = torch.cpu.get_capabilities()
        if capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"):
            return "bf16"
    return "fp32"
