"""A run that goes on, or is made again, elsewhere than where it was before.

here = moved(record, progress)    # its settings here, and what changes
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec
import torch

from charrnn.config import DeviceName, ModelConfig, TrainConfig
from charrnn.folder.record import ModelRecord
from charrnn.folder.resuming import RunProgress
from charrnn.learning.hardware.devices import choose_device, choose_precision, device_here
from charrnn.learning.hardware.ranks import processes
from charrnn.learning.hardware.threads import max_threads
from charrnn.network.stack.choice import candidates
from charrnn.words import counted

__all__ = ["Moved", "moved"]


class Moved(NamedTuple):
    """A run as it is computed here.

    Attributes:
        config: its settings, equal to those before where all that they name is here.
        notes: what changes, for the user to know.
    """

    config: TrainConfig
    notes: tuple[str, ...]


def moved(record: ModelRecord, progress: RunProgress | None) -> Moved:
    """How a run is computed here; on the machine that it was begun on as it was there.

    Args:
        record: its `config.json`.
        progress: how far it has come; None if nothing is known of that.

    Raises:
        UsageError: as `choose_device` for `auto`.
    """
    config, model = record.training, record.model
    assert config is not None, "what goes on was trained"
    here = msgspec.structs.replace(config, device=device_here(config.device))
    device = choose_device(here.device)
    before = (progress and progress.device) or config.device
    notes = () if progress is None else processes().changed_from(progress.processes)
    others = progress is not None and progress.processes != processes().count
    if here.threads and others:
        # One process alone had left processors to other programs; several have other threads.
        left = counted(here.threads[-1].count, "thread")
        here = msgspec.structs.replace(here, threads=())
        notes += (f"in {left} before, to leave others room; now in all threads again",)
    if before not in ("auto", device.type):
        change = "other units are dropped, and numbers rounded otherwise"
        notes += (f"on {before} before, on {device.type} now: {change}",)
    elif device.type == "cpu" and progress is not None and not others:
        notes += _changed_threads(progress.threads)
    if record.torch_version not in (None, version := str(torch.__version__)):
        versions = f"PyTorch {record.torch_version} before, {version} now"
        notes += (f"{versions}: that may change rounding",)
    if _lacks_bf16(config, model, device, before):
        able = candidates(model.cell, model.hidden_size, device, torch.float32)
        here = msgspec.structs.replace(here, precision="fp32", engine=able[0])
        notes += ("in bf16 before, in fp32 now: this machine has no bfloat16",)
    return Moved(here, notes)


def _changed_threads(before: int | None) -> tuple[str, ...]:
    """What to know where a run could have another number of threads before, if it tells."""
    now = max_threads()
    if before is None or before == now:
        return ()
    numbers = f"{counted(before, 'thread')} before, {now:,} now"
    return (f"{numbers}: that changes rounding and nothing else",)


def _lacks_bf16(
    config: TrainConfig, model: ModelConfig, device: torch.device, before: DeviceName
) -> bool:
    """Whether a run in bfloat16 has come from where that is fast to where it is emulated.

    That takes up to hundreds of times as long as fp32. Who has chosen it here keeps it.
    """
    if config.precision != "bf16" or choose_precision("auto", device) == "bf16":
        return False
    able = candidates(model.cell, model.hidden_size, device, torch.bfloat16)
    return before not in ("auto", device.type) or config.engine not in ("auto", *able)
