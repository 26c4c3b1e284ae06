"""The texts and examples that come with charrnn, or with Python."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import NamedTuple

import charrnn
from charrnn.config import TaskName
from charrnn.errors import MissingInputError

__all__ = ["BUNDLED", "Bundled"]


class Bundled(NamedTuple):
    """A text or examples that come with charrnn, or a text that comes with Python.

    Attributes:
        description: what it is.
        file: its name in `corpora/`; empty for a text that comes with Python.
        task: for which it holds examples; None for a text.
        size: how many examples.
    """

    description: str
    file: str = ""
    task: TaskName | None = None
    size: str = ""

    @property
    def files(self) -> tuple[Path, ...]:
        """The file that holds its examples; none for a text."""
        return () if self.task is None else (_shipped(self.file),)

    def read(self) -> str:
        """Its text, or the examples as they are written."""
        return _shipped(self.file).read_text(encoding="utf-8") if self.file else _pydoc()


def _shipped(name: str) -> Path:
    """A file of this project: in the package when installed, beside it in the repository."""
    package = Path(charrnn.__file__).parent
    for folder in (package / "corpora", package.parent / "corpora"):
        if (path := folder / name).exists():
            return path
    raise MissingInputError(f"the bundled corpus {name} is missing", "install charrnn again")


def _pydoc() -> str:
    try:
        topics: dict[str, str] = importlib.import_module("pydoc_data.topics").topics
    except ImportError:
        advice = "train on a text of your own, or on another one of `charrnn corpora`"
        raise MissingInputError("this Python lacks pydoc_data.topics", advice) from None
    return "\n".join(topics[name].strip() + "\n" for name in sorted(topics))


BUNDLED = {
    "scenes": Bundled(
        "short scenes in dialogue from an invented harbour town, written for charrnn",
        "scenes.txt",
    ),
    "places": Bundled(
        "invented names of places on an invented coast, one per line, written for charrnn",
        "places.txt",
    ),
    "pydoc": Bundled(
        "the parts of the Python language reference that come with this Python, in English"
    ),
    "peoples": Bundled(
        "invented names of persons of six invented peoples, written for charrnn",
        "peoples.csv",
        "classify",
        "900 names",
    ),
    "log": Bundled(
        "the log of an invented harbour, its ships, people and places marked, written for charrnn",
        "log.jsonl",
        "tag",
        "371 entries",
    ),
    "ferry": Bundled(
        "passengers of an invented ferry, month by month, made up for charrnn",
        "ferry.csv",
        "forecast",
        "144 months",
    ),
    "verbs": Bundled(
        "English verbs and their past tense, written down for charrnn",
        "verbs.tsv",
        "translate",
        "1,046 verbs",
    ),
}
