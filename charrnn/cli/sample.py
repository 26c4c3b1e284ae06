"""charrnn sample: a model to new text."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, TextIO

import typer

from charrnn.config import SampleConfig, settings_from
from charrnn.errors import MissingInputError, UsageError, not_written
from charrnn.sampling.generation import new_seed
from charrnn.signals import noted
from charrnn.terminal.output import JsonOption
from charrnn.text.tokenizer import Unknown

__all__ = ["sample"]

MOST_TEXTS = 10_000  # that are held in memory side by side


def sample(
    models: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[MODEL]...",
            help="A model folder, or the name of one in checkpoints/; several are mixed. "
            "[default: the newest there]",
        ),
    ] = None,
    length: Annotated[
        int,
        typer.Option("--length", "-n", help="New characters; 0 to go on until stopped."),
    ] = 500,
    temperature: Annotated[
        str,
        typer.Option(
            "--temperature",
            "--temp",
            "-t",
            metavar="T[,T...]",
            help="Lower is safer, higher wilder, 0 greedy; several are taken in turn.",
        ),
    ] = "0.8",
    prompt: Annotated[
        str, typer.Option("--prompt", "--start-text", help="Text to go on from.")
    ] = "",
    prompt_file: Annotated[
        Path | None, typer.Option(help="A file that holds it; - for standard input.")
    ] = None,
    unknown: Annotated[
        Unknown, typer.Option(help="What to do with characters of the prompt not known.")
    ] = "error",
    echo: Annotated[bool, typer.Option(help="Whether the prompt is repeated.")] = True,
    top_k: Annotated[int | None, typer.Option(help="Draw among the k likeliest only.")] = None,
    top_p: Annotated[
        float, typer.Option(help="Draw among the likeliest that reach this probability.")
    ] = 1.0,
    min_p: Annotated[
        float, typer.Option(help="Draw what is so many times as likely as the likeliest.")
    ] = 0.0,
    typical_p: Annotated[
        float, typer.Option(help="Draw among the most typical that reach this probability.")
    ] = 1.0,
    repetition_penalty: Annotated[
        float, typer.Option(help="Above 1, avoid what has just been written.")
    ] = 1.0,
    repetition_window: Annotated[
        int, typer.Option(help="How many of the last characters that looks at.")
    ] = 64,
    allow: Annotated[str | None, typer.Option(help="Write these characters only.")] = None,
    ban: Annotated[str, typer.Option(help="Never write these characters.")] = "",
    stop: Annotated[
        list[str] | None, typer.Option(help="End before this text; may be given repeatedly.")
    ] = None,
    include_stop: Annotated[
        bool, typer.Option("--include-stop", help="End after it instead.")
    ] = False,
    max_lines: Annotated[int | None, typer.Option(help="End with this line.")] = None,
    until_line: Annotated[
        bool, typer.Option("--until-line", help="End with the first line: --max-lines 1.")
    ] = False,
    num_samples: Annotated[
        int, typer.Option(min=1, max=MOST_TEXTS, help="How many texts to write.")
    ] = 1,
    best_of: Annotated[
        int | None, typer.Option(min=1, max=MOST_TEXTS, help="Draw so many, write the likeliest.")
    ] = None,
    beam: Annotated[
        int | None,
        typer.Option(min=1, max=1000, help="Search for the likeliest text on so many paths."),
    ] = None,
    length_penalty: Annotated[
        float, typer.Option(help="With --beam: above 0, longer texts are favoured.")
    ] = 1.0,
    novelty: Annotated[
        str | None, typer.Option(metavar="CORPUS", help="Tell what was copied from this text.")
    ] = None,
    reject_copies: Annotated[
        int | None,
        typer.Option(min=1, help="Draw again when more characters than this are copied."),
    ] = None,
    interactive: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Choose each character, with the N likeliest shown."),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(min=0, help="Equal seeds write equal texts; further samples count up."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write to this file instead.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Write new text with a model."""
    config = settings_from(
        SampleConfig,
        {
            "max_new_tokens": length or None,
            "temperature": _temperatures(temperature),
            "top_k": top_k,
            "top_p": top_p,
            "min_p": min_p,
            "typical_p": typical_p,
            "repetition_penalty": repetition_penalty,
            "repetition_window": repetition_window,
            "allow": allow,
            "ban": ban,
            "stop_strings": tuple(stop or ()),
            "include_stop": include_stop,
            "max_lines": 1 if until_line else max_lines,
            "seed": new_seed() if seed is None else seed,
        },
    )
    ways = {"best_of": best_of, "beam": beam, "interactive": interactive}
    chosen = [f"--{name.replace('_', '-')}" for name, value in ways.items() if value is not None]
    if len(chosen) > 1 or (chosen and num_samples > 1):
        given = [*chosen, *(["--num-samples"] if num_samples > 1 else [])]
        raise UsageError(f"{' and '.join(given)} are both given", "choose one")
    if interactive:
        _refuse_beside_interactive(
            {
                "--json": json,
                "--novelty": novelty,
                "--stop": stop,
                "--max-lines": max_lines,
                "--until-line": until_line,
                "--repetition-penalty": repetition_penalty != 1,
            }
        )
    if prompt and prompt_file:
        raise UsageError("--prompt and --prompt-file are both given", "choose one")
    if reject_copies is not None and (novelty is None or chosen):
        raise UsageError(
            "--reject-copies stands alone", "give the text as --novelty, and plain samples"
        )

    from charrnn.models.loading import load_together
    from charrnn.terminal.texts import Job

    if interactive and str(prompt_file) == "-":
        raise UsageError("standard input can't be prompt and choices", "use --prompt")
    start = _read_prompt(prompt_file) if prompt_file else prompt
    loaded = load_together(models or [None])
    with _opened(output) as out:
        job = Job(loaded, start, config, unknown, out, echo, json, novelty)
        if interactive:
            from charrnn.terminal.interactive import choose

            choose(job, interactive)
        elif beam or best_of or json or num_samples > 1 or reject_copies:
            _ = job.copies  # a long corpus is read while Ctrl-C still ends all
            with noted(signal.SIGINT) as job.received:
                if beam:
                    job.beams(beam, length_penalty)
                elif best_of:
                    job.best_of(best_of)
                else:
                    job.samples(num_samples, reject_copies)
            if job.received:
                raise KeyboardInterrupt  # now that all there was is written
        else:
            job.stream()


def _refuse_beside_interactive(given: dict[str, object]) -> None:
    names = [name for name, value in given.items() if value]
    if names:
        raise UsageError(
            f"{' and '.join(names)} can't be used with --interactive",
            "the user says what stands there and where it ends; leave it out",
        )


def _temperatures(given: str) -> float | tuple[float, ...]:
    try:
        values = tuple(float(part) for part in given.split(","))
    except ValueError:
        raise UsageError(
            f"temperature is {given!r}", "expected a number, or several with commas between"
        ) from None
    return values[0] if len(values) == 1 else values


def _read_prompt(path: Path) -> str:
    if str(path) == "-":
        return sys.stdin.read()
    try:
        return path.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        raise MissingInputError(f"{path}: {error.strerror}", "check --prompt-file") from None


@contextmanager
def _opened(path: Path | None) -> Iterator[TextIO]:
    if path is None:
        yield sys.stdout
        return
    try:
        with path.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
            yield file
    except OSError as error:
        raise not_written(path, error, "--output") from None
