"""What to do where a run is out of memory, as an error."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

from charrnn.folder.files import is_saved
from charrnn.learning.hardware.devices import memory_told

__all__ = ["memory_errors"]


def memory_errors(path: Path, *, is_settled: bool = False) -> AbstractContextManager[None]:
    """Say what to do when a run is out of memory; see `memory_told`.

    Args:
        path: of the model folder, to say that what was saved there stays.
        is_settled: whether the run goes on, or is made again, with settings that can't be changed.
    """

    def advice() -> str:
        way = "free some, or train anew under another --name with" if is_settled else "choose"
        saved = "what was saved is there" if is_saved(path) else "nothing was saved"
        return f"{way} a smaller --batch-size, --seq-length or --rnn-size; {saved}"

    return memory_told(advice)
