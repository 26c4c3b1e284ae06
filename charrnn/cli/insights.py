"""The ways of `charrnn inspect` that measure: --units, --horizon and --gradients."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from charrnn.errors import CharRNNError
from charrnn.terminal.output import encode_json, say, write

if TYPE_CHECKING:
    from charrnn.config import Unknown
    from charrnn.folder.record import ModelRecord
    from charrnn.models.model import Model
    from charrnn.models.predictor import Predictor
    from charrnn.text.corpus import Corpus
    from charrnn.text.tokenizer import Tokenizer

__all__ = [
    "Measured",
    "give",
    "measure_gradients",
    "measure_horizon",
    "measure_units",
    "progress_bar",
]

LONG = 1_000_000  # characters whose units are looked at
BAR = "{percentage:3.0f}% |{bar:20}| {remaining} left"


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


def measure_horizon(name: str, model: Predictor, corpus: Corpus, unknown: Unknown) -> Measured:
    """How far back a model remembers; `name` is that of the first of a mixture."""
    from charrnn.folder.reading import find_model, read_record
    from charrnn.inside.memory import horizon, ids_and_contexts
    from charrnn.plots.insights import draw_horizon
    from charrnn.terminal.insights import show_horizon

    folder = find_model(name)
    record = read_record(folder)
    training = record.training
    divided = record.corpus if record.validation is None else None
    if training and divided and divided.sha256 == corpus.sha256:
        say("the model was trained on this text: the part kept for validation is predicted")
        ids = model.tokenizer.encode(corpus.text, unknown)
        first = training.training_tokens(len(ids))
        known: str | None = model.tokenizer.decode(ids[:first])
        text = model.tokenizer.decode(ids[first:])
    else:
        text = corpus.text
        ids_and_contexts(model, text, unknown)  # what is wrong is said before what is left out
        known = _training_text(folder, record, model.tokenizer)
    with progress_bar() as done:
        found = horizon(model, text, known, unknown=unknown, progress=done)
    seq_length = training.seq_length if training else None
    facts = msgspec.to_builtins(found) | {"seq_length": seq_length}
    show = partial(show_horizon, found, seq_length)
    return Measured(facts, partial(draw_horizon, found=found), show)


def _training_text(path: Path, record: ModelRecord, tokenizer: Tokenizer) -> str | None:
    """The text that a model was trained on, without its end that was kept for validation.

    None if it is no longer where it was; says so.
    """
    from charrnn.folder.resuming import origin_of_run
    from charrnn.text.corpus import read_corpus

    try:
        if record.training is None or record.corpus is None:
            reason = f"{path} does not say what it was trained on"
        elif (origin := origin_of_run(path)) is None:
            reason = f"{path} holds no state to resume from"
        elif origin.is_gone:
            reason = f"{path} was trained on standard input or a pipe"
        elif (corpus := read_corpus(*origin[:2])).sha256 != record.corpus.sha256:
            reason = f"{', '.join(origin.sources)} has changed since training"
        else:
            ids = tokenizer.encode(corpus.text, "skip")
            return tokenizer.decode(ids[: record.training_tokens(len(ids))])
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


@contextmanager
def progress_bar() -> Iterator[Callable[[float], object]]:
    """A bar on a terminal, while work goes on; it is told which share of the work was done.

    A machine that only uses models may have no tqdm, and then no bar.
    """
    if not sys.stderr.isatty() or find_spec("tqdm") is None:
        yield lambda _share: None
        return
    from tqdm import tqdm

    with tqdm(total=1, bar_format=BAR, leave=False) as bar:
        yield bar.update
