"""Where the folder of a run is, whatever becomes of the working directory."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

__all__ = ["Place"]


class Place(NamedTuple):
    """A folder that stays the same one when the process changes its working directory.

    Attributes:
        path: absolute; for reading and writing.
        name: as the user named it.
    """

    path: Path
    name: Path

    @classmethod
    def of(cls, name: Path) -> Place:
        """What `name` leads to now."""
        path = name
        with suppress(OSError):  # the working directory is gone, so nothing can be made there
            path = name.absolute()
        return cls(path, name)

    @property
    def shown(self) -> Path:
        """The name, as long as it leads there; then the path."""
        return self.name if self == Place.of(self.name) else self.path
