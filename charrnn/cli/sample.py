"""charrnn sample: a model to new text."""

from __future__ import annotations

import secrets
import sys
from pathlib import Path
from typing import Annotated

import typer

from charrnn.cli.common import JsonOption, ModelArgument, print_json, write
from charrnn.config import SampleConfig, settings_from
from charrnn.errors import MissingInputError
from charrnn.tokenizer import Unknown

__all__ = ["sample"]


def sample(
    model: ModelArgument = None,
    length: Annotated[
        int, typer.Option("--length", "-n", help="New characters, the prompt not counted.")
    ] = 500,
    temperature: Annotated[
        float,
        typer.Option(
            "--temperature", "--temp", "-t", help="Lower is safer, higher wilder, 0 greedy."
        ),
    ] = 0.8,
    prompt: Annotated[
        str, typer.Option("--prompt", "--start-text", help="Text to go on from.")
    ] = "",
    prompt_file: Annotated[
        Path | None, typer.Option(help="A file that holds it; - for standard input.")
    ] = None,
    top_k: Annotated[int | None, typer.Option(help="Draw among the k likeliest only.")] = None,
    top_p: Annotated[
        float, typer.Option(help="Draw among the likeliest that reach this probability.")
    ] = 1.0,
    stop: Annotated[
        list[str] | None, typer.Option(help="End before this text; may be given repeatedly.")
    ] = None,
    num_samples: Annotated[int, typer.Option(min=1, help="How many texts to write.")] = 1,
    seed: Annotated[
        int | None,
        typer.Option(min=0, help="Equal seeds write equal texts; further samples count up."),
    ] = None,
    unknown: Annotated[
        Unknown, typer.Option(help="What to do with characters of the prompt not known.")
    ] = "error",
    json: JsonOption = False,
) -> None:
    """Write new text with a model."""
    from charrnn import runtime, sampling

    first = secrets.randbits(32) if seed is None else seed
    configs = [
        settings_from(
            SampleConfig,
            {
                "max_new_tokens": length,
                "temperature": temperature,
                "top_k": top_k,
                "top_p": top_p,
                "stop_strings": tuple(stop or ()),
                "seed": first + number,
            },
        )
        for number in range(num_samples)
    ]
    start = _read_prompt(prompt_file) if prompt_file else prompt
    loaded = runtime.load(model)
    for number, config in enumerate(configs):
        pieces = sampling.stream(loaded, start, config, unknown)
        if json:
            print_json({"text": "".join(pieces), "prompt": start, "settings": config})
            continue
        if number:
            write("\n")
        write(start)
        for piece in pieces:
            write(piece)
        write("\n")


def _read_prompt(path: Path) -> str:
    if str(path) == "-":
        return sys.stdin.read()
    try:
        return path.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        raise MissingInputError(f"{path}: {error.strerror}", "check --prompt-file") from None
