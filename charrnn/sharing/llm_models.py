"""Models in Simon Willison's `llm`: a plug-in that it finds where both are installed.

    llm -m charrnn/novel "It was" -o temperature 0.7

It lists the models in `checkpoints/`, in the folder where it runs, and in the folders that the
environment's CHARRNN_MODELS names.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import llm

from charrnn.checkpoints import CHECKPOINTS, WEIGHTS
from charrnn.config import Unknown
from charrnn.errors import CharRNNError, UsageError
from charrnn.folder.reading import read_record
from charrnn.models.loading import load
from charrnn.use_config import SampleConfig

__all__ = ["CharRNNModel", "register_models"]


@llm.hookimpl
def register_models(register: Callable[[llm.Model], None]) -> None:
    """Tell `llm` of each model once; of two with one name, the first."""
    named = os.environ.get("CHARRNN_MODELS", "").split(os.pathsep)
    found: dict[str, Path] = {}
    for shelf in (CHECKPOINTS, Path(), *map(Path, filter(None, named))):
        for weights in sorted(shelf.glob(f"*/{WEIGHTS}")):
            if _may_write(weights.parent):
                found.setdefault(weights.parent.name, weights.parent)
    for name, folder in found.items():
        register(CharRNNModel(name, folder))


def _may_write(folder: Path) -> bool:
    """Whether a folder holds a language model; a damaged one can't tell."""
    try:
        return read_record(folder).task is None
    except CharRNNError:
        return False


def _with_warnings(pieces: Iterator[str]) -> Iterator[str]:
    """Pieces of a text; warnings that come with them are said as `charrnn` says them, once."""
    said = set[str]()
    piece: str | None = ""
    while piece is not None:
        with warnings.catch_warnings(record=True) as caught:
            piece = next(pieces, None)
        for line in (f"charrnn: {one.message}\n" for one in caught):
            if line not in said:
                sys.stderr.write(line)
                said.add(line)
        if piece is not None:
            yield piece


class CharRNNModel(llm.Model):
    """A model folder; it goes on with the prompt, which it does not repeat."""

    can_stream = True
    supports_conversation = False  # what was written before would not be read

    class Options(llm.Options):
        """Settings of `charrnn sample`; what is not given has its default there."""

        max_tokens: int | None = None
        temperature: float | None = None
        top_k: int | None = None
        top_p: float | None = None
        seed: int | None = None
        stop: str | None = None
        unknown: Unknown = "error"

    def __init__(self, name: str, folder: Path) -> None:
        self.model_id = f"charrnn/{name}"
        self.folder = folder

    def execute(
        self, prompt: llm.Prompt, stream: bool, response: llm.Response, conversation: Any
    ) -> Iterator[str]:
        """New text after the prompt, piece by piece."""
        del stream, response, conversation
        if prompt.system:
            raise llm.ModelError("a charrnn model takes no system prompt; put all into the prompt")
        given = prompt.options.model_dump(exclude_none=True)
        settings = {_SETTINGS.get(name, name): value for name, value in given.items()}
        if "stop_strings" in settings:
            settings["stop_strings"] = (settings["stop_strings"],)
        try:
            yield from _with_warnings(self._stream(prompt.prompt or "", settings))
        except UsageError as error:
            advice = error.advice.partition(" (in Python")[0].replace("--unknown", "-o unknown")
            raise llm.ModelError(f"{error.found}; {advice}") from None
        except CharRNNError as error:
            raise llm.ModelError(str(error)) from None

    def _stream(self, prompt: str, settings: dict[str, Any]) -> Iterator[str]:
        yield from load(self.folder).stream(prompt, **settings)


_SETTINGS = {"max_tokens": "max_new_tokens", "stop": "stop_strings"}
assert set(_SETTINGS.values()) <= set(SampleConfig.__struct_fields__)
