"""The ways of `charrnn inspect` that measure: --units, --horizon and --gradients."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from charrnn.cli.parts import the_one, trained_on
from charrnn.errors import CharRNNError
from charrnn.terminal.output import encode_json, progress_bar, say, write

if TYPE_CHECKING:
    from charrnn.config import Unknown
    from charrnn.folder.record import ModelRecord
    from charrnn.models.model import Model
    from charrnn.models.predictor import Predictor
    from charrnn.text.corpus import Corpus
    from charrnn.text.tokenizer import Tokenizer

__all__ = ["Measured", "give", "measure_gradients", "measure_horizon", "measure_units"]

LONG = 1_000_000  # characters whose units are looked at


class Measured(NamedTuple):
    """What was found, in each form in which it can be given."""

    facts: object  # for JSON
    draw: Callable[[Path], None]
    show: Callable[[], None]


def measure_units(model: Model, corpus: Corpus, unknown: Unknown) -> Measured:
    """What each unit of a model stands for."""
    from charrnn.inside.roles.findings import units
    from charrnn.plots.insights import draw_units
    from charrnn.terminal.insights import show_units

    text = corpus.text[:LONG]
    if len(text) < len(corpus.text):
        say(f"the first {LONG:,} characters are looked at")
    with progress_bar() as done:
        found = units(model, text, unknown=unknown, progress=done)
    show = partial(show_units, found, model.tokenizer.unit)
    return Measured(found, partial(draw_units, found=found), show)


def measure_horizon(
    names: list[str], model: Predictor, corpus: Corpus, unknown: Unknown
) -> Measured:
    """How far back a model remembers, or a mixture of the models of these names."""
    from charrnn.folder.reading import find_model, read_record
    from charrnn.inside.lanes import story_ids
    from charrnn.inside.memory import LEAST, horizon
    from charrnn.plots.insights import draw_horizon
    from charrnn.terminal.insights import show_horizon

    folders = [find_model(name) for name in names]
    records = [read_record(folder) for folder in folders]
    text, known = corpus.text, None
    divided = [record for record in records if record.validation is None]
    seen = [r.training for r in divided if r.corpus and r.corpus.sha256 == corpus.sha256]
    if trained := [training for training in seen if training is not None]:
        say("this text was trained on: the part kept for validation is predicted")
        ids = model.tokenizer.encode(text, unknown)
        first = the_one({one.training_tokens(len(ids)) for one in trained}, corpus.name)
        text = model.tokenizer.decode(ids[first:])
        if len(trained) == len(records):
            known = model.tokenizer.decode(ids[:first])
        else:
            say("n-grams are left out: some of the models were not trained on this text")
    else:
        story_ids(model, text, unknown, LEAST)  # what is wrong is said before what is left out
        known = _training_text(folders, records, model.tokenizer)
    with progress_bar() as done:
        found = horizon(model, text, known, unknown=unknown, progress=done)
    lengths = {record.training.seq_length if record.training else None for record in records}
    seq_length = lengths.pop() if len(lengths) == 1 else None
    facts = msgspec.to_builtins(found) | {"seq_length": seq_length}
    show = partial(show_horizon, found, seq_length)
    return Measured(facts, partial(draw_horizon, found=found), show)


def _training_text(
    folders: list[Path], records: list[ModelRecord], tokenizer: Tokenizer
) -> str | None:
    """The text that models were trained on, without its end that was kept for validation.

    None, and says why, if it is no longer where it was, or not the same for all.
    """
    from charrnn.folder.resuming import origin_of_run
    from charrnn.text.corpus import read_corpus

    origin = origin_of_run(folders[0])
    try:
        if origin is None or origin.is_gone:
            reason = f"{folders[0]} does not tell where its text is"
        else:
            corpus = read_corpus(*origin[:2])
            trained_on(records, corpus.sha256, "text", corpus.name)
            ids = tokenizer.encode(corpus.text, "skip")
            counts = {record.training_tokens(len(ids)) for record in records}
            return tokenizer.decode(ids[: the_one(counts, corpus.name)])
    except CharRNNError as error:
        reason = error.found
    say(f"n-grams are left out: {reason}")
    return None


def measure_gradients(model: Predictor, corpus: Corpus, unknown: Unknown) -> Measured:
    """How gradients of a model, or of each of a mixture, fall or grow on their way back."""
    from charrnn.text.origin import working_folder

    working_folder()
    from charrnn.inside.backwards import gradients
    from charrnn.models.mixture import Mixture
    from charrnn.plots.insights import draw_gradients
    from charrnn.terminal.insights import show_gradients

    models = model.models if isinstance(model, Mixture) else [model]
    with progress_bar() as done:
        found = gradients(models, corpus.text, unknown=unknown, progress=done)
    return Measured(found, partial(draw_gradients, found=found), partial(show_gradients, found))


def give(found: Measured, json: bool, output: Path | None) -> None:
    """Give what was found as the user wants it: as a picture, in JSON, or in a table."""
    if output is not None:
        found.draw(output)
        say(f"wrote {output}")
    if json:
        write(encode_json(found.facts))
    elif output is None:
        found.show()
