"""A validation set of the user's own, beside what is trained on.

Request ──refuse_useless_validation──▶ UsageError;  examples of both ──overlap_note──▶ note
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from itertools import takewhile
from pathlib import Path
from typing import TypeVar

import msgspec

from charrnn.config import Reading
from charrnn.errors import BadDataError, UsageError, printable
from charrnn.folder.record import CorpusRecord
from charrnn.objectives.request import Request
from charrnn.tasks.scores.reports import are_unknown, unknown_labels
from charrnn.text.origin import reading_for_validation
from charrnn.text.tokenizer import CharTokenizer, Form, in_form, known_form
from charrnn.words import counted, first_few, together

__all__ = [
    "corpora_of",
    "examples_of_validation",
    "form_note",
    "form_of",
    "label_notes",
    "overlap_note",
    "overlap_of",
    "refuse_useless_validation",
    "told",
]

Example = TypeVar("Example")


def refuse_useless_validation(request: Request) -> None:
    """Refuse a validation set where another part validates.

    Raises:
        UsageError: if there is one beside `val_frac`, or to forecast.
    """
    if request.validation is None:
        return
    if "val_frac" in request.settings:
        raise UsageError(together(["validation", "val_frac"]), "give only one of them")
    if request.task_settings.task == "forecast":
        found = "validation is given, and to forecast each series is validated on its own end"
        raise UsageError(found, "leave it out; --val-frac sets how much", "validation")


def examples_of_validation(
    request: Request,
    notes: list[str],
    read: Callable[[Sequence[str | Path], Reading, list[str]], list[Example]],
) -> list[Example]:
    """The examples of the validation set; none without one.

    Args:
        request: which names it.
        notes: gets what was changed or left out.
        read: reads the examples of files, in some way, and adds to the notes.

    Raises:
        CharRNNError: as `read` does.
    """
    if request.validation is None:
        return []
    own: list[str] = []
    reading = reading_for_validation(request.validation, request.reading)
    try:
        found = read(request.validation_files, reading, own)
    except (BadDataError, UsageError) as error:
        if "-column" not in error.advice:
            raise
        # An option would be for both; what can be done without one comes before it.
        ways = list(takewhile(lambda way: "-column" not in way, error.advice.split(", or ")))
        ways.append("name its columns as those of the examples that are trained on are named")
        raise type(error)(error.found, ", or ".join(ways)) from None
    notes += told(own)
    return found


def corpora_of(
    request: Request,
    examples: Sequence[Example],
    validation: Sequence[Example],
    corpus_of: Callable[[Sequence[str | Path], Sequence[Example]], CorpusRecord],
) -> CorpusRecord:
    """What the model folder says of examples, and of those of the validation set, if there is one.

    Args:
        request: which names both.
        examples, validation: what was read.
        corpus_of: what it says of some.
    """
    corpus = corpus_of(request.files, examples)
    if not validation:
        return corpus
    held = corpus_of(request.validation_files, validation)
    return msgspec.structs.replace(corpus, validation=held)


def form_of(texts: Sequence[str], known: CharTokenizer, notes: list[str]) -> Form:
    """The form of Unicode in which a validation set is taken: that of what is trained on.

    It is one for all of its texts, so that a run that goes on finds the same: it knows all of
    their characters then.

    Args:
        texts: of the set.
        known: the characters that are trained on.
        notes: gets which form it is, if another than theirs.
    """

    def characters_in(form: Form) -> set[str]:
        return set[str]().union(*(in_form(form, text) for text in texts))

    form = known_form(characters_in, frozenset(known.characters))
    notes += form_note(form)
    return form


def form_note(form: Form) -> list[str]:
    """The note on the form of Unicode in which a validation set is taken, if it was another."""
    return told([f"taken in the normal form {form} of Unicode, as what is trained on"] * bool(form))


def told(notes: Iterable[str]) -> list[str]:
    """What is to be known of a validation set, told from what is to be known of the corpus."""
    return [f"validation: {note}" for note in notes]


def overlap_of(keys: Iterable[Hashable], others: Iterable[Hashable], noun: str) -> list[str]:
    """The note on validation examples that are trained on, too, if there are any.

    Args:
        keys: what makes validation examples equal to others.
        others: of those that are trained on.
        noun: what one is.
    """
    known, own = set(others), list(keys)
    return overlap_note(sum(key in known for key in own), len(own), noun)


def overlap_note(shared: int, count: int, noun: str) -> list[str]:
    """The same of so many that are in both, of so many that validate."""
    if not shared:
        return []
    are = "is" if shared == 1 else "are"
    return told([f"{shared:,} of the {counted(count, noun)} {are} trained on, too"])


def label_notes(wanted: Sequence[str], known: Sequence[str], noun: str) -> list[str]:
    """The note on labels that only a validation set has: they can't be learnt, and count as wrong.

    Args:
        wanted: the labels of its examples.
        known: those that are learnt.
        noun: what each of `wanted` is the label of.

    Raises:
        BadDataError: if it has labels, and none of them is learnt.
    """
    if are_unknown(wanted, known):
        names = printable(first_few(sorted(set(wanted))))
        found = f"validation: no {noun} has a label of those that are trained on, but {names}"
        raise BadDataError(found, "check the labels, or name another set")
    return told(f"{note} (they count as wrong)" for note in unknown_labels(wanted, known, noun))
