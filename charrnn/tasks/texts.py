"""Texts as tasks read them: END, the characters, END, as a language model of records does.

A character that the vocabulary lacks is U+FFFD, which stands for some characters in training.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from itertools import accumulate, chain, islice, pairwise
from pathlib import Path

import msgspec
import numpy as np

from charrnn.arrays import Ids
from charrnn.checkpoints import LABELS
from charrnn.config import Reading
from charrnn.errors import BadDataError
from charrnn.folder.record import CorpusRecord, Labels, ModelFolder, labels_of
from charrnn.task_config import TaskRecord, Translate
from charrnn.text.corpus import corpus_name
from charrnn.text.prepared import as_trained
from charrnn.text.tokenizer import CharTokenizer

__all__ = [
    "CUT",
    "END",
    "ENDS",
    "STAND_IN",
    "Words",
    "as_ids",
    "as_known",
    "columns_for",
    "corpus_of",
    "cut_note",
    "labels_for",
    "named_column",
    "tokenizer_of",
    "with_known_words",
    "with_words",
]

Words = Sequence[tuple[int, int]]

END = "\n"  # how the end of a text reads
ENDS = 2  # tokens that a text has more than characters; see `as_ids`
STAND_IN = "\N{REPLACEMENT CHARACTER}"
# Older translators hold these where no one had named a column, and there was no header.
FIRST = ("1", "2")
CUT = r"[\d,]+ texts? (is|are) longer than "  # how a `cut_note` begins
ADVICE = "get the folder anew from where it was"


def corpus_of(sources: Sequence[str | Path], texts: Sequence[str], facts: str) -> CorpusRecord:
    """What the model folder says of examples.

    Args:
        sources: where they were read.
        texts: of all examples.
        facts: all that is to be learnt of them, as text.
    """
    whole = hashlib.sha256()
    for text in (*texts, facts):
        whole.update(text.encode("utf-8", "surrogatepass") + b"\0")
    return CorpusRecord(
        name=corpus_name(sources),
        characters=sum(map(len, texts)),
        sha256=whole.hexdigest(),
        records="examples",
        record_count=len(texts),
    )


def as_ids(text: str, tokenizer: CharTokenizer) -> Ids:
    """The ids (N+2,) of a text of N characters."""
    assert tokenizer.end_id is not None, "texts have ends"
    ids = np.full(len(text) + ENDS, tokenizer.end_id, np.int32)  # np.pad takes far longer
    ids[1:-1] = tokenizer.ids_of(text, STAND_IN)
    return ids


def as_known(texts: Sequence[str], tokenizer: CharTokenizer) -> list[str]:
    """Texts as training would have read them, in the form of Unicode that the model knows.

    Warns:
        UserWarning: of each change.
    """
    return tokenizer.in_known_form([as_trained(text, tokenizer) for text in texts])


def with_known_words(
    texts: Sequence[str], words: Sequence[Words], tokenizer: CharTokenizer
) -> tuple[list[str], list[Words]]:
    """Texts in the form of Unicode that the model knows, and where their words then are.

    Warns:
        UserWarning: if any is changed.
    """
    return with_words(texts, words, tokenizer.in_known_form)


def with_words(
    texts: Sequence[str], words: Sequence[Words], changed: Callable[[list[str]], list[str]]
) -> tuple[list[str], list[Words]]:
    """Texts whose parts are changed, and where their words then are.

    Each word is changed by itself, and so is what stands between two: thus it is known where each
    begins and ends.
    """
    edges = [[0, *chain(*own), len(text)] for text, own in zip(texts, words, strict=True)]
    parts = [text[a:b] for text, own in zip(texts, edges, strict=True) for a, b in pairwise(own)]
    known = changed(parts)
    if known == parts:
        return list(texts), list(words)
    left, found, places = iter(known), list[str](), list[Words]()
    for own in edges:
        some = list(islice(left, len(own) - 1))
        ends = list(accumulate(map(len, some)))  # before a word, behind it, before the next one, …
        found.append("".join(some))
        places.append(list(zip(ends[:-1:2], ends[1::2], strict=True)))
    return found, places


def cut_note(count: int, longest: int) -> str:
    """What is said of texts that are not read to their end."""
    texts = f"1 text is longer than {longest:,} characters: its beginning is read"
    if count > 1:
        texts = f"{count:,} texts are longer than {longest:,} characters: their beginnings are read"
    return texts


def tokenizer_of(folder: ModelFolder) -> CharTokenizer:
    """The vocabulary of a task that reads texts.

    Raises:
        BadDataError: if it is that of another model.
    """
    tokenizer = folder.tokenizer
    is_whole = isinstance(tokenizer, CharTokenizer) and STAND_IN in tokenizer.characters
    if not isinstance(tokenizer, CharTokenizer) or not is_whole or tokenizer.end is None:
        raise BadDataError(f"{folder.path}: the vocabulary is not that of its task", ADVICE)
    return tokenizer


def named_column(task: TaskRecord) -> str | None:
    """The column of the texts, if it was named in training."""
    return _named(task)[0]


def columns_for(
    task: TaskRecord, reading: Reading, label_column: str | None = None
) -> tuple[Reading, str | None]:
    """How to read examples for a model, and the column of their labels.

    What is not named is as in training, unless one column would then be a name and the other a
    number: a table either names its columns or numbers them.
    """
    text, label = _named(task)
    text = reading.text_column or _fitting(text, label_column)
    label = label_column or _fitting(label, reading.text_column)
    return msgspec.structs.replace(reading, text_column=text), label


def _named(task: TaskRecord) -> tuple[str | None, str | None]:
    """The columns of the texts and the labels, as far as they were named in training."""
    if isinstance(task, Translate) and (task.text_column, task.label_column) == FIRST:
        return None, None
    return task.text_column, task.label_column


def _fitting(trained: str | None, beside: str | None) -> str | None:
    """A column of the training, if one that is given may stand in the same table."""
    is_other = trained and beside and trained.isdecimal() != beside.isdecimal()
    return None if is_other else trained


def labels_for(folder: ModelFolder, count: int) -> Labels:
    """What a folder's `labels.json` holds.

    Raises:
        BadDataError: if it has not so many different labels.
    """
    labels = labels_of(folder)
    if not len(labels.labels) == len(set(labels.labels)) == count:
        raise BadDataError(f"{folder.path}: {LABELS} does not hold {count:,} labels", ADVICE)
    return labels
