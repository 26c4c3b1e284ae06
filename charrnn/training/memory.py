"""What to do where a run is out of memory, as an error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from charrnn.errors import CharRNNError
from charrnn.folder.files import is_saved
from charrnn.learning.hardware.devices import lacks_memory

__all__ = ["memory_errors"]


@contextmanager
def memory_errors(path: Path, *, is_settled: bool = False) -> Iterator[None]:
    """Say what to do when there is not enough memory.

    Args:
        path: of the model folder, to say that what was saved there stays.
        is_settled: whether the run goes on, or is made again, with settings that can't be changed.

    Raises:
        CharRNNError: in place of what PyTorch or Python raises then.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not lacks_memory(error):
            raise
        way = "free some, or train anew under another --name with" if is_settled else "choose"
        saved = "what was saved is there" if is_saved(path) else "nothing was saved"
        advice = f"{way} a smaller --batch-size, --seq-length or --rnn-size; {saved}"
        raise CharRNNError("there is not enough memory", advice) from None
