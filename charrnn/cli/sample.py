"""charrnn sample: a model to new text."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta

from charrnn.config import Reading, Unknown
from charrnn.errors import BadDataError, MissingInputError, UsageError
from charrnn.outputs import refuse_inputs
from charrnn.settings import Settings, about, settings_from
from charrnn.signals import noted
from charrnn.terminal.options import (
    JsonOption,
    as_text,
    option_names,
    several_models,
    take,
    with_settings,
)
from charrnn.terminal.output import OutputFile, say
from charrnn.use_config import LengthPenalty, SampleConfig
from charrnn.words import leave_out

if TYPE_CHECKING:
    from charrnn.scoring.novelty import Copies
    from charrnn.terminal.writing.sampler import Sampler
    from charrnn.text.tokenizer import Tokenizer

__all__ = ["sample"]

ModelsArgument = Annotated[list[str] | None, several_models("several are mixed")]
TextCount = Annotated[int, Meta(ge=1, le=10_000)]  # texts held in memory side by side


class SampleOptions(Settings, frozen=True, kw_only=True):
    """What `charrnn sample` can do beyond drawing a text; its options alone have these."""

    prompt: Annotated[str, about("Text to continue.", "--prompt", "--start-text")] = ""
    prompt_file: Annotated[
        Path | None, about("File with the text to continue; - for standard input.")
    ] = None
    unknown: Annotated[
        Unknown, about("What to do with characters of the prompt that the model does not know.")
    ] = "error"
    echo: Annotated[bool, about("Whether to repeat the prompt.", "--echo/--no-echo")] = True
    num_samples: Annotated[TextCount, about("Number of texts to write.")] = 1
    best_of: Annotated[TextCount | None, about("Draw this many texts and write the likeliest.")] = (
        None
    )
    beam: Annotated[
        Annotated[int, Meta(ge=1, le=1_000)] | None,
        about("Search for the likeliest text along this many paths."),
    ] = None
    length_penalty: Annotated[
        LengthPenalty, about("With --beam: above 0, longer texts are favoured.")
    ] = 1.0
    records: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        about("Write this many whole records, for a model of records."),
    ] = None
    unique: Annotated[bool, about("With --records: write no record twice.", "--unique")] = False
    novel: Annotated[
        bool,
        about(
            "With --records: write no record from the training text. If that is no longer where it "
            "was, name it with --novelty.",
            "--novel",
        ),
    ] = False
    novelty: Annotated[
        str | None, about("Report what was copied from this text; any source that train takes.")
    ] = None
    reject_copies: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        about("With --novelty: redraw a text that copies a passage of more characters than this."),
    ] = None
    interactive: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        about("Choose each character yourself; shows this many of the likeliest."),
    ] = None
    output: Annotated[Path | None, about("Write to this file instead.", "--output", "-o")] = None


@with_settings(SampleConfig, SampleOptions, Reading, leave_out=("reverse",))
def sample(
    models: ModelsArgument = None,
    *,
    json: JsonOption = False,
    **given: Any,
) -> None:
    """Write new text with a model."""
    _refuse_mixed_up(given | {"json": json})
    _read_words(given)
    options = take(SampleOptions, given)
    as_given = {name: given[name] for name in Reading.__struct_fields__ if name in given}
    take(Reading, given)
    if options.output is not None:
        read = (options.prompt_file, options.novelty)
        refuse_inputs(options.output, "--output", filter(None, read))
    length = given.pop("max_new_tokens", None)
    take(SampleConfig, dict(given))  # mistakes are told before a model is read
    if length is not None:
        given["max_new_tokens"] = length or None

    import numpy as np

    with np.errstate(over="ignore", invalid="ignore"):  # what has diverged is refused by name
        _sample(models or [None], given, options, as_given, json=json)


def _sample(
    models: Sequence[str | None],
    given: dict[str, Any],
    options: SampleOptions,
    reading: dict[str, Any],
    *,
    json: bool,
) -> None:
    from charrnn.models.loading import load_together
    from charrnn.sampling.generation import new_seed
    from charrnn.sampling.token_source import request_for, sampling_config
    from charrnn.terminal.writing.sampler import Sampler
    from charrnn.text.prepared import as_trained

    model = load_together(models)
    _refuse_records(model.tokenizer, options)
    if model.reads_backwards:
        if options.novelty or options.novel:
            option = "--novel" if options.novel else "--novelty"
            raise UsageError(f"{option} needs a model that reads forwards", "leave it out")
        say(
            "trained with --reverse, it writes from end to beginning: type a prompt "
            "backwards, and read the text backwards"
        )
    prompt = options.prompt
    if options.prompt_file:
        how = settings_from(Reading, reading).for_tokens(model.tokenizer.unit)
        prompt = _read_prompt(options.prompt_file, how, model.tokenizer.end)
        reading = {n: value for n, value in reading.items() if n not in ("encoding", "errors")}
    prompt = as_trained(prompt, model.tokenizer)
    config = sampling_config(model.tokenizer, {"seed": new_seed()} | given)
    request = request_for(model, prompt, config, options.unknown)
    output = OutputFile(options.output) if options.output else None
    with closing(output) if output else nullcontext(), _advised(options):
        copies, known = _compared(models, model.tokenizer, options, reading, json=json)
        sampler = Sampler(
            request=request,
            prompt=prompt,
            unknown=options.unknown,
            out=output or sys.stdout,
            echo=options.echo,
            json=json,
            copies=copies,
        )
        tell_seed = partial(_tell_seed, config, options, quiet=json or "seed" in given)
        try:
            _write(sampler, options, known)
        except KeyboardInterrupt:  # which is how an endless text ends
            # What is drawn again in place of copies has other seeds where all goes on.
            if sampler.wrote and not (sampler.received and options.reject_copies):
                tell_seed()
            raise
        tell_seed()


def _compared(
    models: Sequence[str | None],
    tokenizer: Tokenizer,
    options: SampleOptions,
    reading: dict[str, Any],
    *,
    json: bool,
) -> tuple[Copies | None, Iterable[str]]:
    """What finds copies of the text that `--novelty` names, and the records not to be written.

    The text is read once for both.
    """
    if options.novelty is None and not options.novel:
        return None, ()
    from charrnn.cli.parts import reading_of_own
    from charrnn.scoring.novelty import Copies
    from charrnn.terminal.writing.known import known_records, reading_of_moved
    from charrnn.text.corpus import read_corpus
    from charrnn.text.origin import is_read_once

    if options.novelty is None:
        return None, known_records(models)
    if not options.novel:
        how = reading_of_own(models, reading, [options.novelty]).for_tokens(tokenizer.unit)
        corpus = read_corpus([options.novelty], how)
        say(*corpus.notes)
        return Copies(corpus.text), ()
    how = reading_of_moved(models, options.novelty, reading, tokenizer.unit)
    if not json and not is_read_once(options.novelty):  # it may be a long one
        return None, known_records(models, [options.novelty], how)
    corpus = read_corpus([options.novelty], how)
    return Copies(corpus.text) if json else None, known_records(models, corpus, how)


@contextmanager
def _advised(options: SampleOptions) -> Iterator[None]:
    """Leave out of an error's advice what does not help with the text of `--novelty`."""
    from charrnn.decoding.pieces import not_as_bytes

    try:
        with not_as_bytes():
            yield
    except BadDataError as error:
        if options.prompt_file is None or "--encoding" not in error.advice:
            raise
        advice = "--encoding is for --prompt-file here: use --prompt, and --encoding for this text"
        raise BadDataError(error.found, advice) from None


def _tell_seed(config: SampleConfig, options: SampleOptions, *, quiet: bool) -> None:
    """Say how to get the same again, where something was drawn and no other line tells."""
    from charrnn.sampling.drawing.distribution import temperature_schedule

    if quiet or options.interactive or options.beam or options.best_of:
        return
    if not any(temperature_schedule(config)):
        return
    what = "record" if options.records else "text"
    several = (options.records or options.num_samples) > 1
    what = f"these {what}s" if several else f"this {what}"
    say(f"seed {config.seed}: --seed {config.seed} writes {what} again")


def _write(sampler: Sampler, options: SampleOptions, known: Iterable[str]) -> None:
    """Write the texts that are asked for; of records none that is `known`."""
    whole = options.beam or options.best_of or options.num_samples > 1 or options.reject_copies
    if options.interactive:
        from charrnn.terminal.writing.interactive import choose

        choose(sampler, options.interactive)
    elif options.records:
        from charrnn.sampling.records import Wanted

        # Reading what is known, Ctrl-C still ends everything.
        wanted = Wanted(options.records, unique=options.unique, known=known)
        with noted(signal.SIGINT) as sampler.received:
            sampler.records(wanted)
        if sampler.received:
            raise KeyboardInterrupt
    elif not whole and not sampler.json:
        sampler.stream()
    else:
        with noted(signal.SIGINT) as sampler.received:
            if options.beam:
                sampler.beams(options.beam, options.length_penalty)
            elif options.best_of:
                sampler.best_of(options.best_of)
            else:
                sampler.samples(options.num_samples, options.reject_copies)
        if sampler.received:
            raise KeyboardInterrupt  # now that what there was is written


def _refuse_records(tokenizer: Tokenizer, options: SampleOptions) -> None:
    """Refuse to write records with a model of a story."""
    if options.records is None or tokenizer.end is not None:
        return
    names = [name for name in ("records", "unique", "novel") if getattr(options, name)]
    raise UsageError(
        "the model was not trained on records",
        "if its text is a list, train it again with --records lines, blocks or documents; else "
        f"leave {', '.join(option_names(names).values())} out",
    )


# What can't be used beside others, and why not.
MANY = ("num_samples", "reject_copies")
DRAWING = ("temperature", "top_k", "top_p", "min_p", "typical_p", "repetition_penalty", "seed")
ENDING = ("stop_strings", "max_lines")
NOT_BY_HAND = ("beam", "best_of", "records", *MANY, "json", "novelty", "seed", *ENDING)
EXCLUDES = {
    "interactive": (
        ", where you choose each character and the end",
        (*NOT_BY_HAND, "repetition_penalty"),
    ),
    "beam": (", which draws nothing", ("best_of", "records", *MANY, *DRAWING)),
    "best_of": ("", ("records", *MANY)),
    "records": ("", MANY),
    "prompt": ("", ("prompt_file",)),
}
# What changes nothing without one of others.
NEEDS = {
    "length_penalty": ("beam",),
    "include_stop": ENDING,
    "repetition_window": ("repetition_penalty",),
    "reject_copies": ("novelty",),
    "unique": ("records",),
    "novel": ("records",),
    "text_column": ("novelty",),
    "split": ("novelty",),
    "encoding": ("prompt_file", "novelty"),
    "errors": ("prompt_file", "novelty"),
}


def _refuse_mixed_up(given: dict[str, Any]) -> None:
    """Refuse options that don't go together, and those that would change nothing."""
    kinds = (Reading(), SampleConfig(), SampleOptions())  # of two of a name, the last is the option
    usual = {name: getattr(kind, name) for kind in kinds for name in kind.__struct_fields__}
    # One that is given as it is anyway does no harm.
    changed = {name for name, value in given.items() if value != usual.get(name, False)}
    for name, (why, others) in EXCLUDES.items():
        if name in changed and (refused := [other for other in others if other in changed]):
            option, *options = option_names([name, *refused]).values()
            found = f"{' and '.join(options)} can't be used with {option}{why}"
            raise UsageError(found, leave_out(options))
    for name, others in NEEDS.items():
        if name in changed and changed.isdisjoint(others):
            option, *options = option_names([name, *others]).values()
            wanted = " or ".join(options)
            raise UsageError(f"{option} needs {wanted}", f"add {wanted}, or leave {option} out")
    if {"records", "novelty"} <= changed and changed.isdisjoint(("novel", "json")):
        found = "with --records, --novelty works only together with --novel or --json"
        raise UsageError(found, "give one of these, or leave it out")
    interactive = "interactive" in changed
    if str(given.get("prompt_file")) == "-" and (interactive or given.get("novelty") == "-"):
        other = "your choices" if interactive else "the text to compare with"
        raise UsageError(f"standard input can't be both the prompt and {other}", "use --prompt")


def _read_words(given: dict[str, Any]) -> None:
    """Take those words of the command line that are text as UTF-8."""
    for name in ("prompt", "allow", "ban"):
        if name in given:
            given[name] = as_text(given[name])
    if "stop_strings" in given:
        given["stop_strings"] = tuple(map(as_text, given["stop_strings"]))


def _read_prompt(path: Path, reading: Reading, end: str | None) -> str:
    """The text of a file or of standard input, read as `charrnn train` reads.

    Files end with a line end, by custom: it ends no record, where records end so.
    """
    from charrnn.decoding.pieces import not_as_bytes, read_text
    from charrnn.decoding.streams import standard_input

    name = "standard input" if str(path) == "-" else str(path)
    try:
        source = nullcontext(standard_input()) if str(path) == "-" else path.open("rb")
        with source as file, not_as_bytes():
            text, notes = read_text(name, file, reading)
    except OSError as error:
        raise MissingInputError(f"{path}: {error.strerror}", "check --prompt-file") from None
    if end == "\n" and text.endswith(end):
        text = text.removesuffix(end)
        notes = (*notes, "left out the line end at its end, where records of this model end")
    say(*(f"{name}: {note}" for note in notes))
    return text
