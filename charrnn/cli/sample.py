"""charrnn sample: a model to new text."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from charrnn.cli.sample_options import SampleOptions, refuse_mixed_up
from charrnn.config import Reading
from charrnn.errors import BadDataError, MissingInputError, UsageError
from charrnn.outputs import refuse_inputs
from charrnn.settings import settings_from
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
from charrnn.use_config import SampleConfig

if TYPE_CHECKING:
    from charrnn.models.predictor import Predictor
    from charrnn.scoring.novelty import Copies
    from charrnn.terminal.writing.sampler import Sampler
    from charrnn.text.tokenizer import Tokenizer

__all__ = ["sample"]

ModelsArgument = Annotated[list[str] | None, several_models("several are mixed")]


@with_settings(SampleConfig, SampleOptions, Reading, leave_out=("reverse",))
def sample(
    models: ModelsArgument = None,
    *,
    json: JsonOption = False,
    **given: Any,
) -> None:
    """Write new text with a model."""
    refuse_mixed_up(given | {"json": json})
    _read_words(given)
    options = take(SampleOptions, given)
    reading = {name: given[name] for name in Reading.__struct_fields__ if name in given}
    take(Reading, given)  # checked now; made in `_sample`, which knows whether tokens are bytes
    refuse_inputs(options.output, "--output", filter(None, (options.prompt_file, options.novelty)))
    take(SampleConfig, dict(given))  # mistakes are told before a model is read
    if given.get("max_new_tokens") == 0:  # --length 0 writes until it is stopped
        given["max_new_tokens"] = None
    elif options.interactive:  # whoever chooses ends it, too
        given.setdefault("max_new_tokens", None)

    import numpy as np

    with np.errstate(over="ignore", invalid="ignore"):  # what has diverged is refused by name
        _sample(models or [None], given, options, reading, json=json)


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
    if options.output is not None:
        from charrnn.cli.parts import refuse_texts_of

        refuse_texts_of(models, options.output, "--output")
    _check_fit(model, options)
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
    from charrnn.terminal.writing.known import known_records
    from charrnn.text.corpus import read_corpus
    from charrnn.text.origin import is_read_once

    if options.novelty is None:
        return None, known_records(models)
    how = reading_of_own(models, reading, [options.novelty], moved=options.novel)
    how = how.for_tokens(tokenizer.unit)
    if options.novel and not json and not is_read_once(options.novelty):  # it may be a long one
        return None, known_records(models, [options.novelty], how)
    corpus = read_corpus([options.novelty], how)
    if options.novel:
        return _copies(corpus.text, tokenizer) if json else None, known_records(models, corpus, how)
    say(*corpus.notes)
    return _copies(corpus.text, tokenizer), ()


def _copies(corpus: str, tokenizer: Tokenizer) -> Copies:
    """What finds copies of a corpus, taken in the form of Unicode in which the model writes."""
    from charrnn.scoring.novelty import Copies

    (known,) = tokenizer.in_known_form([corpus])
    return Copies(known)


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


def _check_fit(model: Predictor, options: SampleOptions) -> None:
    """Refuse what this model can't do, and say how one that reads backwards writes."""
    _refuse_records(model.tokenizer, options)
    if not model.reads_backwards:
        return
    if options.novelty or options.novel:
        option = "--novel" if options.novel else "--novelty"
        raise UsageError(f"{option} needs a model that reads forwards", "leave it out")
    say(
        "trained with --reverse, it writes from end to beginning: type a prompt "
        "backwards, and read the text backwards"
    )


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
