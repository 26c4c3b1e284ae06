"""charrnn info and charrnn corpora: what is there."""

from __future__ import annotations

import msgspec

from charrnn.cli.common import JsonOption, ModelArgument, encode_json, write
from charrnn.errors import MissingInputError

__all__ = ["corpora", "info"]


def info(model: ModelArgument = None, json: JsonOption = False) -> None:
    """Show what there is to know of a model."""
    from charrnn import card, folder

    found = folder.read(folder.find(model))
    sizes = {
        str(path.relative_to(found.path)): path.stat().st_size
        for path in sorted(found.path.rglob("*"))
        if path.is_file()
    }
    if json:
        record = msgspec.to_builtins(found.record)
        parameters = sum(weight.size for weight in found.weights.values())
        kept = {"path": str(found.path), "parameters": parameters, "evaluation": found.evaluation}
        write(encode_json(kept | record | {"files": sizes}))
        return
    rows = {"model": str(found.path)} | card.facts(found)
    rows["files"] = ", ".join(f"{name} {_size(size)}" for name, size in sizes.items())
    for label, value in rows.items():
        write(f"{label:<16} {value}\n")


def corpora() -> None:
    """List the corpora that come with charrnn."""
    from charrnn.corpus import BUNDLED

    for name, bundled in BUNDLED.items():
        try:
            size = f"{len(bundled.read()):,} characters"
        except MissingInputError as error:
            size = error.found
        write(f"{name:<8} {bundled.description} ({size})\n")


def _size(count: int) -> str:
    return f"{count:,} bytes" if count < 10_000 else f"{count / 1000:,.0f} kB"
