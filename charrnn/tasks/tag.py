"""Marked spans of texts, with a trained model and NumPy alone.

texts ──encoder──▶ (B, T, D·H) ──words──▶ (W, 2·D·H) ──head──▶ scores (W, K)
words ──n-grams──▶ rows of a table ──sum──▶ scores (W, K);  both together ──viterbi──▶ MarkedText
"""

from __future__ import annotations

import reprlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path

import numpy as np

from charrnn.arguments import checked
from charrnn.arrays import Floats, Logits, mean_log_probs, product
from charrnn.cells.heads import GRAMS
from charrnn.cells.layout import HEAD_BIAS, HEAD_WEIGHT
from charrnn.config import Reading
from charrnn.errors import BadDataError, UsageError
from charrnn.examples.tagged import read_tagged
from charrnn.examples.tags import OUTSIDE, Tagged, in_bio, spans_of, words_of
from charrnn.folder.record import Labels, ModelFolder
from charrnn.scoring.batches import Batch, groups
from charrnn.task_config import Tag
from charrnn.tasks.answers import MarkedText, Span
from charrnn.tasks.base import TaskModel, shared
from charrnn.tasks.nets.encoder import Encoder
from charrnn.tasks.nets.grams import grams_of_words, summed
from charrnn.tasks.nets.viterbi import best_tags, parts_of, tags_of_types
from charrnn.tasks.scores.reports import Report, are_unknown, unknown_labels
from charrnn.tasks.texts import (
    ADVICE,
    Words,
    as_ids,
    columns_for,
    labels_for,
    tokenizer_of,
    with_known_words,
)
from charrnn.text.prepared import as_trained
from charrnn.threads.numpy_jobs import results_of
from charrnn.words import counted

__all__ = ["Tagger", "labels_in", "marked", "report_of", "scores_of", "usual_tags"]


class _Network:
    """One network, which reads texts.

    Attributes:
        task: what its folder says of it.
        labels: the types of spans, and the usual tags of words.
        tags: the K tags, in the order of the scores.
    """

    def __init__(self, folder: ModelFolder) -> None:
        assert isinstance(folder.record.task, Tag), "the caller dispatches by task"
        self.task = folder.record.task
        self.labels = labels_for(folder, self.task.types)
        self.tags = tags_of_types(self.labels.labels)
        usual = self.labels.words.values()
        if len(self.tags) != self.task.tags or not set(usual).issubset(self.tags):
            raise BadDataError(f"{folder.path}: its labels don't fit its tags", ADVICE)
        self._tokenizer = tokenizer_of(folder)
        self._encoder = Encoder(folder.record.model, folder.weights)
        head, bias = folder.weights[HEAD_WEIGHT].T, folder.weights[HEAD_BIAS]  # (2·D·H, P), (P,)
        table = folder.weights.get(GRAMS)  # (N, P); None of an older model
        if self.task.in_parts:
            parts = parts_of(self.tags)  # (P, K)
            head, bias = product(head, parts), product(bias, parts)
            table = None if table is None else product(table, parts)
        self._head, self._bias, self._table = head, bias, table  # (2·D·H, K), (K,), (N, K)

    def as_trained(self, text: str) -> str:
        """A text as training would have read it; see `as_trained`."""
        return as_trained(text, self._tokenizer)

    def known(self, texts: Sequence[str], words: Sequence[Words]) -> tuple[list[str], list[Words]]:
        """Texts and their words in the form of Unicode that it knows."""
        return with_known_words(texts, words, self._tokenizer)

    def logits(self, texts: Sequence[str], words: Sequence[Words]) -> list[Floats]:
        """Of each tag for each word: (W, K) a text."""
        found: list[Floats] = [np.zeros((0, len(self.tags)), np.float32) for _ in texts]
        texts, words = self.known(texts, words)
        rows = [as_ids(text, self._tokenizer) for text in texts]
        size = self._encoder.config.hidden_size

        def fill(group: Batch) -> None:
            places, ids, lengths = group
            output = self._encoder.read(ids, lengths)  # (B, T, D·H)
            for place, row in zip(places.tolist(), output, strict=True):
                if words[place]:
                    outputs = pooled(row, words[place], size)  # (W, 2·D·H)
                    found[place] = product(outputs, self._head) + self._bias
                if words[place] and self._table is not None:
                    edges = np.array(words[place]) + 1  # after the END
                    of_words = grams_of_words(rows[place], edges, len(self._table))
                    found[place] += summed(of_words, self._table)

        results_of(fill, groups(rows))
        return found


class Tagger(TaskModel[Tagged]):
    """A trained tagger, or several. Get one from `charrnn.load`.

    Args:
        folders: at least one.

    Raises:
        BadDataError: if the types in one don't fit its weights.
        UsageError: if the types differ, or how texts are divided into words.

    Attributes:
        types: of spans, sorted.
        tags: the K tags, in the order of the scores.
        usual: the most frequent tag in training of each word that was mostly marked.
    """

    def __init__(self, *folders: ModelFolder) -> None:
        super().__init__(*folders)
        self._networks = [_Network(folder) for folder in folders]
        first = self._networks[0]
        self.types = shared("labels", folders, [one.labels.labels for one in self._networks])
        shared("rules of words", folders, [one.task.division for one in self._networks])
        self.task, self.tags, self.usual = first.task, first.tags, first.labels.words

    @checked
    def predict(
        self, texts: Sequence[str], words: Sequence[Sequence[Sequence[int]]] | None = None
    ) -> list[MarkedText]:
        """What is marked in each text; characters that the model does not know count as unknown.

        Spans are places in a text as it is given.

        Args:
            texts: any number.
            words: start and end of each word of each text, in order; by default a text is divided
                as one in training.

        Raises:
            UsageError: if words don't fit their text.

        Warns:
            UserWarning: of what is changed in a text to read it as training would have.
        """
        if words is not None:
            places = _checked_words(texts, words)
            return list(map(marked, texts, places, self.tag(texts, places)))
        read = [self._networks[0].as_trained(text) for text in texts]
        found = [words_of(text, self.task.rules) for text in read]
        given = map(_places_in, texts, read, found)
        return list(map(marked, texts, given, self.tag(read, found)))

    def tag(self, texts: Sequence[str], words: Sequence[Words]) -> list[list[str]]:
        """The tags of texts whose words are known: legal BIO.

        Args:
            texts: any number.
            words: start and end of each word of each text, in order.

        Raises:
            UsageError: if words don't fit their text.
        """
        return [[self.tags[k] for k in best_tags(own)] for own in self.scores(texts, words)]

    @checked
    def scores(
        self, texts: Sequence[str], words: Sequence[Sequence[Sequence[int]]]
    ) -> list[Logits]:
        """The log-probabilities of each tag for each word, before what is legal: (W, K) a text.

        Those of the mean of several models' probabilities.

        Args:
            texts: any number.
            words: start and end of each word of each text, in order.

        Raises:
            UsageError: if words don't fit their text.
        """
        places = _checked_words(texts, words)
        each = [network.logits(texts, places) for network in self._networks]
        return [mean_log_probs(logits) for logits in zip(*each, strict=True)]

    def _read(
        self,
        sources: Sequence[str | Path],
        reading: Reading,
        label_column: str | None,
        notes: list[str],
    ) -> list[Tagged]:
        """See `TaskModel`; raises what `read_tagged` does, and for a column of labels."""
        if label_column is not None:
            found = f"label_column is {label_column!r}, which has no meaning for the task tag"
            raise UsageError(found, "leave it out", "label_column")
        named = bool(reading.text_column)
        reading, _ = columns_for(self.task, reading)
        return read_tagged(sources, reading, notes, named=named, rules=self.task.rules)

    def answers(self, examples: Sequence[Tagged]) -> list[list[str]]:
        """The tags of the words of each text."""
        return self.tag([one.text for one in examples], [one.words for one in examples])

    def judged(self, examples: Sequence[Tagged], answers: Sequence[Sequence[str]]) -> Report:
        """How many spans are found, and how many of those found are right."""
        texts, words = [one.text for one in examples], [one.words for one in examples]
        known = zip(*self._networks[0].known(texts, words), strict=True)  # the usual tags are such
        same = [
            one._replace(text=text, words=list(own))
            for one, (text, own) in zip(examples, known, strict=True)
        ]
        return report_of(same, answers, self.types, self.usual)


def _checked_words(texts: Sequence[str], words: Sequence[Sequence[Sequence[int]]]) -> list[Words]:
    """The words of texts as someone gave them."""
    if len(texts) != len(words):
        found = f"{counted(len(texts), 'text')} can't have the words of {len(words):,}"
        raise UsageError(found, "give a list of words for each text")
    for text, own in zip(texts, words, strict=True):
        edges = [0, *chain(*own), len(text)]
        if edges != sorted(edges) or any(len(one) != 2 or one[0] == one[1] for one in own):
            found = f"words {reprlib.repr(own)} don't fit the text {reprlib.repr(text)}"
            raise UsageError(found, "give start and end of each, in order")
    return [[(start, end) for start, end in own] for own in words]


def _places_in(text: str, read: str, words: Words) -> Words:
    """Where words stand in a text that was read without some characters, such as the CR of CRLF."""
    if read == text:
        return words
    edges, place = dict[int, int](), 0
    for at, character in enumerate(read):
        while text[place] != character and (text[place], character) != ("\r", "\n"):
            place += 1
        edges[at] = place
        place += 1
    return [(edges[start], edges[end - 1] + 1) for start, end in words]


def marked(text: str, words: Words, tags: Sequence[str]) -> MarkedText:
    """A text with the spans that legal BIO tags of its words mark."""
    spans = spans_of(words, tags)
    return MarkedText(text, tuple(Span(*span, text[span.start : span.end]) for span in spans))


def pooled(output: Floats, words: Words, hidden_size: int) -> Floats:
    """What is known of each word: (W, 2·D·H), of outputs (T, D·H) with an END before.

    The maximum over its characters; the output of the stack that reads forwards at its last one,
    and of that which reads backwards at its first.
    """
    edges = np.array(words) + 1  # (W, 2)
    highest = np.maximum.reduceat(output, edges.ravel(), axis=0)[::2]
    read = output[edges[:, 1] - 1, :hidden_size]
    back = output[edges[:, 0], hidden_size:]
    return np.concatenate([highest, read, back], -1)


def labels_in(examples: Sequence[Tagged], types: Sequence[str]) -> Labels:
    """What `labels.json` holds."""
    return Labels(labels=tuple(types), words=usual_tags(examples))


def usual_tags(examples: Sequence[Tagged]) -> dict[str, str]:
    """The most frequent tag of each word, where that is another than O."""
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for text, words, tags, _ in examples:
        for (start, end), tag in zip(words, tags, strict=True):
            counts[text[start:end]][tag] += 1
    found = {word: max(sorted(own), key=own.__getitem__) for word, own in sorted(counts.items())}
    return {word: tag for word, tag in found.items() if tag != OUTSIDE}


def report_of(
    examples: Sequence[Tagged],
    tags: Sequence[Sequence[str]],
    types: Sequence[str],
    usual: Mapping[str, str],
) -> Report:
    """Precision, recall and F1 of spans, beside those of each word's most frequent tag.

    Args:
        examples: what is to be found.
        tags: of the model, legal BIO.
        types: that the model knows.
        usual: see `usual_tags`.
    """
    trivial = [
        in_bio([usual.get(one.text[start:end], OUTSIDE) for start, end in one.words])
        for one in examples
    ]
    wanted = [span.label for one in examples for span in one.spans]
    return Report(
        metric="F1",
        count=len(examples),
        scores=scores_of(examples, tags),
        baselines={"each word's most frequent tag": scores_of(examples, trivial)},
        notes=unknown_labels(wanted, types, "span"),
        all_unknown=are_unknown(wanted, types),
    )


def scores_of(examples: Sequence[Tagged], tags: Sequence[Sequence[str]]) -> dict[str, float]:
    """The scores of spans, strictly: one is right if its edges and its label are.

    As the evaluation of CoNLL-2003 has it (Tjong Kim Sang and De Meulder): over all texts, F1 for
    all types together, and for each.
    """
    right, found, there = counts = [Counter[str]() for _ in range(3)]
    for one, own in zip(examples, tags, strict=True):
        wanted, said = set(one.spans), set(spans_of(one.words, own))
        for count, spans in zip(counts, (wanted & said, said, wanted), strict=True):
            count.update(span.label for span in spans)
    return {
        "F1": _f1(right.total(), found.total(), there.total()),
        "precision": right.total() / max(found.total(), 1),
        "recall": right.total() / max(there.total(), 1),
        **{f"F1 of {k}": _f1(right[k], found[k], there[k]) for k in sorted(found | there)},
    }


def _f1(right: int, found: int, there: int) -> float:
    return 2 * right / max(found + there, 1)
