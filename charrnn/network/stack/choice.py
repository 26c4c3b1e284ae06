"""What can compute recurrent layers here.

kernels    machine code, see `kernels`
lane_tiles machine code with tiles (AMX), see there, too
persistent one kernel of a GPU for all steps, see `gpu`
torch      PyTorch's own layers, see `builtin`
loops      a loop over PyTorch's operations, see `loops`

Which is the fastest depends on the cell, the size, the dtype and the processor. Training finds
out by trial; where nothing was tried, the first of `candidates` computes.
"""

from __future__ import annotations

import torch

from charrnn.config import CellName, EngineName
from charrnn.network.stack import builtin
from charrnn.network.stack.cpu.kernels import KERNELS, LANE_TILES
from charrnn.network.stack.engine import Engine
from charrnn.network.stack.gpu.engine import PERSISTENT, fits
from charrnn.network.stack.loops import LOOPS

__all__ = ["STEP_ENGINES", "candidates"]

STEP_ENGINES: dict[EngineName, Engine] = {
    engine.name: engine for engine in (KERNELS, LANE_TILES, PERSISTENT, LOOPS)
}


def candidates(
    cell: CellName,
    hidden_size: int,
    device: torch.device,
    dtype: torch.dtype,
    weights_dtype: torch.dtype = torch.float32,
    lanes: int | None = None,
) -> list[EngineName]:
    """What can compute layers, at least one; the likely fastest first.

    Args:
        cell, hidden_size: of the layers.
        device: where.
        dtype: of the products.
        weights_dtype: of the weights.
        lanes: B; None for a number that suits all.
    """
    if device.type != "cpu":
        supported = device.type == "cuda" and PERSISTENT.supports(hidden_size, dtype, weights_dtype)
        able = supported and fits(cell, hidden_size, lanes, device)
        return ["persistent", "torch"] if able else ["torch"]
    compiled = (LANE_TILES, KERNELS)
    first = [e.name for e in compiled if e.supports(hidden_size, dtype, weights_dtype)]
    # Of PyTorch's layers on a CPU, those of LSTMs alone are more than a loop in C++.
    order: list[EngineName] = ["torch", "loops"] if cell == "lstm" else ["loops", "torch"]
    return first + [n for n in order if n != "torch" or builtin.supports(cell, device, dtype)]
