"""charrnn corpora: the texts and examples that come with charrnn."""

from __future__ import annotations

from charrnn.errors import MissingInputError
from charrnn.terminal.output import write

__all__ = ["corpora"]


def corpora() -> None:
    """List the texts and examples that come with charrnn."""
    from charrnn.text.bundled import BUNDLED

    for name, bundled in BUNDLED.items():
        try:
            size = f"{len(bundled.read()):,} characters"
            if bundled.task is not None:
                size = f"{bundled.size}, --task {bundled.task}"
        except MissingInputError as error:
            size = error.found
        write(f"{name:<8} {bundled.description} ({size})\n")
