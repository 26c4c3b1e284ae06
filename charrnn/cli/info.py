"""charrnn info: a model's facts and the curve of its losses."""

from __future__ import annotations

import math
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from charrnn.checkpoints import MODEL_FILES, STATE
from charrnn.errors import printable
from charrnn.terminal.options import JsonOption, ModelArgument
from charrnn.terminal.output import encode_json, write

if TYPE_CHECKING:
    from charrnn.folder.record import ModelFolder

__all__ = ["info"]


def info(model: ModelArgument = None, json: JsonOption = False) -> None:
    """Show facts about a model, its files and its loss curve."""
    from charrnn.folder import card
    from charrnn.folder.reading import find_model, read_folder

    found = read_folder(find_model(model))
    sizes: dict[str, int] = {}
    for name in sorted((*MODEL_FILES, STATE)):
        with suppress(FileNotFoundError):  # not all models have all
            sizes[name] = (found.path / name).stat().st_size
    if json:
        record = msgspec.to_builtins(found.record)
        parameters = sum(weight.size for weight in found.weights.values())
        kept = {"path": str(found.path), "parameters": parameters, "evaluation": found.evaluation}
        write(encode_json(kept | record | {"metrics": found.metrics, "files": sizes}))
        return
    rows = {"model": str(found.path)} | card.facts(found)
    rows["files"] = ", ".join(f"{name} {_size(size)}" for name, size in sizes.items())
    for label, value in rows.items():
        write(f"{label:<16} {printable(value)}\n")
    write(_curve(found))


def _curve(model: ModelFolder) -> str:
    """The validation losses of its training; nothing if there are fewer than two.

    No training notes one that is not finite, but anyone may have written the file.
    """
    from charrnn.terminal.curve import plot

    is_task = model.record.task is not None
    losses = [(m.step, m.val_nats / (1 if is_task else math.log(2))) for m in model.metrics]
    losses = [(step, loss) for step, loss in losses if math.isfinite(loss)]
    if len(losses) < 2:
        return ""
    unit = "" if is_task else f" in bits per {model.tokenizer.loss_per}"
    title = f"validation loss{unit} (o: the weights that were kept)"
    return f"\n{title}\n{plot(losses, model.step)}"


def _size(count: int) -> str:
    return f"{count:,} bytes" if count < 10_000 else f"{count / 1000:,.0f} kB"
