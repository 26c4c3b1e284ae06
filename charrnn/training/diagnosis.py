"""What ends a run: it has diverged, or there is not enough memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shlex import quote

import torch

from charrnn.errors import CharRNNError
from charrnn.folder.files import is_saved
from charrnn.learning.learner import Learner
from charrnn.learning.optimizer import learning_rate

__all__ = ["diverged", "is_stuck", "memory_errors", "stopped_elsewhere"]

MAX_SKIPPED = 5  # updates in a row whose gradients are not finite
OUT_OF_MEMORY = ("allocate memory", "ALLOC_FAILED")  # in what PyTorch, cuDNN and cuBLAS raise


def is_stuck(learner: Learner) -> bool:
    """Whether so many updates in a row were skipped that no further one will succeed."""
    return learner.updates.seen_in_row >= MAX_SKIPPED


def diverged(learner: Learner, *, has_weights: bool) -> CharRNNError:
    """The error for a run whose loss is not a number any more.

    Args:
        learner: as it is now.
        has_weights: whether the run has some that were evaluated, which are saved.
    """
    rate = learning_rate(learner.step - 1, learner.config)
    return CharRNNError(
        f"the loss is not a number after {learner.step} updates (learning rate {rate:g}, "
        f"gradient norm {float(learner.updates.grad_norm):g})",
        "train anew with a lower --learning-rate"
        + "; what was saved before is still there" * has_weights,
    )


def stopped_elsewhere(folder: Path) -> CharRNNError:
    """The error for a run one of whose other processes was asked to stop."""
    return CharRNNError(
        "another process of this run was asked to stop",
        f"all is saved: start all of them again, with --resume {quote(str(folder))}",
    )


@contextmanager
def memory_errors(path: Path | None = None, *, is_settled: bool = False) -> Iterator[None]:
    """Say what to do when there is not enough memory.

    Args:
        path: of the model folder, to say that what was saved there stays; None to say nothing.
        is_settled: whether the run goes on, or is made again, with settings that can't be changed.

    Raises:
        CharRNNError: in place of what PyTorch or Python raises then.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        known = isinstance(error, (MemoryError, torch.OutOfMemoryError))
        if not known and not any(words in str(error) for words in OUT_OF_MEMORY):
            raise
        way = "free some, or train anew under another --name with" if is_settled else "choose"
        advice = f"{way} a smaller --batch-size, --seq-length or --rnn-size"
        if path is not None:
            advice += "; what was saved is there" if is_saved(path) else "; nothing was saved"
        raise CharRNNError("there is not enough memory", advice) from None
