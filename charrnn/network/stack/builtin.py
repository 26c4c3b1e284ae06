"""PyTorch's own layers: cuDNN on a GPU, on a CPU oneDNN for LSTMs and loops in C++ for others.

output, after = run("gru", x, weights, before)    # (T, B, I) → (T, B, H)
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from charrnn.cells.rules import State
from charrnn.config import CellName

__all__ = ["one_block", "run", "supports", "wants_one_block"]

# Where a layer's weights are to stand side by side: cuDNN, given others, warns and copies them.
BLOCK_DEVICES = {"cuda"}


def supports(cell: CellName, device: torch.device, dtype: torch.dtype) -> bool:
    """Whether PyTorch has a layer of this cell here for this dtype, and for its gradients."""
    if device.type != "cpu" or cell != "lstm":
        return True
    if dtype == torch.float16:  # under autocast oneDNN has no gradients, or on AVX2 nothing at all
        return False
    return dtype != torch.bfloat16 or onednn_takes_bfloat16()


def onednn_takes_bfloat16() -> bool:
    """Whether torch.lstm runs under autocast on this processor; without AVX-512 it fails."""
    built_in = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return bool(built_in and torch.ops.mkldnn._is_mkldnn_bf16_supported())


def run(cell: CellName, x: Tensor, weights: list[Tensor], before: State) -> tuple[Tensor, State]:
    """Run one layer over a sequence.

    Under autocast PyTorch hands cuDNN float16, whatever was asked for. cuDNN has faster code for
    float16 than for bfloat16.

    Args:
        cell: its cell.
        x: (T, B, I).
        weights: w_ih, w_hh, b_ih and b_hh.
        before: parts of the state, (1, B, H) each.

    Returns:
        output: (T, B, H).
        after: the state after the last step, like `before`.
    """
    # A compiler sees no addresses; the network's own weights are one block by then.
    looks = wants_one_block(x.device) and not torch.compiler.is_compiling()
    if looks and not _is_one_block(weights):
        weights = one_block(weights)  # dropped weights are new at each call
    # cuDNN keeps what the backward pass needs only in training mode.
    train = torch.is_grad_enabled()
    options = (True, 1, 0.0, train, False, False)
    if cell == "lstm":
        output, h, c = torch.lstm(x, before, weights, *options)
        return output, (h, c)
    layer = torch.gru if cell == "gru" else torch.rnn_tanh
    output, h = layer(x, before[0], weights, *options)
    return output, (h,)


def wants_one_block(device: torch.device) -> bool:
    """Whether a layer's weights are to be one block of memory on this device."""
    return device.type in BLOCK_DEVICES


def one_block(weights: Sequence[Tensor]) -> list[Tensor]:
    """Copies of a layer's weights, side by side in one block of memory.

    Their order is cuDNN's, too: the matrices, then the biases. Gradients flow through to `weights`.

    Args:
        weights: as for `run`.
    """
    block = torch.cat([weight.flatten() for weight in weights])
    parts = torch.split(block, [weight.numel() for weight in weights])
    return [part.view_as(weight) for part, weight in zip(parts, weights, strict=True)]


def _is_one_block(weights: Sequence[Tensor]) -> bool:
    """Whether they are what `one_block` made."""
    return len({weight.untyped_storage().data_ptr() for weight in weights}) == 1
