"""A run that goes on, or is made again, elsewhere than where it was before.

here = moved(config, model, progress)    # its settings here, and what changes
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec
import torch

from charrnn.config import DeviceName, ModelConfig, TrainConfig
from charrnn.folder.resuming import RunProgress
from charrnn.learning.hardware.devices import choose_device, choose_precision, device_here
from charrnn.learning.hardware.ranks import processes
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


def moved(config: TrainConfig, model: ModelConfig, progress: RunProgress | None) -> Moved:
    """How a run is computed here; on the machine that it was begun on as it was there.

    Args:
        config, model: the settings of its training, and of the network.
        progress: how far it has come; None if nothing is known of that.

    Raises:
        UsageError: as `choose_device` for `auto`.
    """
    here = msgspec.structs.replace(config, device=device_here(config.device))
    device = choose_device(here.device)
    before = (progress and progress.device) or config.device
    notes = () if progress is None else processes().changed_from(progress.processes)
    if here.threads and progress is not None and progress.processes != processes().count:
        # One process alone had left processors to other programs; several have other threads.
        left = counted(here.threads[-1].count, "thread")
        here = msgspec.structs.replace(here, threads=())
        notes += (f"in {left} before, to leave others room; now in all threads again",)
    if before not in ("auto", device.type):
        change = "other units are dropped, and numbers rounded otherwise"
        notes += (f"on {before} before, on {device.type} now: {change}",)
    if _lacks_bf16(config, model, device, before):
        able = candidates(model.cell, model.hidden_size, device, torch.float32)
        here = msgspec.structs.replace(here, precision="fp32", engine=able[0])
        notes += ("in bf16 before, in fp32 now: this machine has no bfloat16",)
    return Moved(here, notes)


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
