"""charrnn serve: models behind an API that OpenAI's clients speak."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from charrnn.errors import UsageError
from charrnn.terminal.options import several_models, take, with_settings
from charrnn.terminal.output import say
from charrnn.use_config import ServeConfig

if TYPE_CHECKING:
    from charrnn.models.model import Model

__all__ = ["serve"]

ModelsArgument = Annotated[list[str] | None, several_models("each is served by its name")]


@with_settings(ServeConfig)
def serve(models: ModelsArgument = None, **given: Any) -> None:
    """Serve models over an OpenAI-compatible API."""
    config = take(ServeConfig, given)
    if config.api_key is None and (key := os.environ.get("CHARRNN_API_KEY")):
        config = msgspec.structs.replace(config, api_key=key)
    folders = _folders(models or [None])

    from charrnn.models.loading import load
    from charrnn.serving import server

    def load_all() -> dict[str, Model]:
        return {name: load(path) for name, path in folders.items()}

    def announce() -> None:
        say(f"{', '.join(folders)} at {server.address(listening)}/v1; press Ctrl-C to stop")
        if config.api_key is None and config.host not in ("127.0.0.1", "localhost", "::1"):
            say("anyone who reaches this address can use it: there is no --api-key")

    listening = server.listen(config)
    server.serve(load_all, config, listening, announce)


def _folders(models: list[Any]) -> dict[str, Path]:
    """The folders of the models, by the names that requests use.

    Raises:
        CharRNNError: if two have the same name, or if one has no record, is not a language model or
            reads backwards.
    """
    from charrnn.folder.hub import folder_name
    from charrnn.folder.reading import (
        find_model,
        read_record,
        read_tokenizer,
        refuse_backwards,
        refuse_task,
    )

    found: dict[str, Path] = {}
    for model in models:
        path = find_model(model)
        name = folder_name(path)
        if name in found and found[name].resolve() != path.resolve():
            advice = "rename one of the folders"
            raise UsageError(f"{found[name]} and {path} would both be served as {name}", advice)
        record = read_record(path)
        refuse_task(record, path)
        refuse_backwards(record, path)
        read_tokenizer(path, record)  # a damaged one is refused before the port is taken
        found[name] = path
    return found
