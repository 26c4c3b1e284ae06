"""A class for each text, with a trained model and NumPy alone.

texts ──encoder──▶ (B, T, D·H) ──max and mean over time──▶ (B, 2·D·H) ──head──▶ logits (B, K)
texts ──n-grams──▶ rows of a table ──sum──▶ logits (B, K);  both together ──▶ Label
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from charrnn.arguments import checked
from charrnn.arrays import Floats, Logits, product, softmax
from charrnn.cells.heads import GRAMS
from charrnn.cells.layout import HEAD_BIAS, HEAD_WEIGHT
from charrnn.config import Reading
from charrnn.errors import BadDataError, warn
from charrnn.examples.labelled import Labelled, read_labelled
from charrnn.folder.record import Labels, ModelFolder
from charrnn.scoring.batches import Batch, groups
from charrnn.task_config import Classify
from charrnn.tasks.answers import Label
from charrnn.tasks.base import TaskModel, shared
from charrnn.tasks.nets.encoder import Encoder
from charrnn.tasks.nets.grams import grams, letters_of, summed
from charrnn.tasks.scores.reports import Report, are_unknown, unknown_labels
from charrnn.tasks.texts import (
    ADVICE,
    ENDS,
    as_ids,
    as_known,
    columns_for,
    cut_note,
    labels_for,
    tokenizer_of,
)
from charrnn.threads.numpy_jobs import results_of

__all__ = ["Classifier", "labels_in", "report_of"]


def labels_in(examples: Sequence[Labelled], classes: Sequence[str]) -> Labels:
    """What `labels.json` holds.

    Args:
        examples: for training.
        classes: of all examples.
    """
    counts = Counter(example.label for example in examples)
    return Labels(labels=tuple(classes), usual=max(sorted(counts), key=counts.__getitem__))


class _Network:
    """One network, which reads texts.

    Attributes:
        task: what its folder says of it.
        labels: its classes, and the most frequent of them.
        longest: characters; of a longer text the beginning is read, as in training.
    """

    def __init__(self, folder: ModelFolder) -> None:
        assert isinstance(folder.record.task, Classify), "the caller dispatches by task"
        self.task = folder.record.task
        self.labels = labels_for(folder, self.task.classes)
        if self.labels.usual not in self.labels.labels:
            usual = self.labels.usual
            raise BadDataError(f"{folder.path}: {usual!r} is not a label of the model", ADVICE)
        training = folder.record.training
        self.longest = training.seq_length - ENDS if training else sys.maxsize - ENDS
        self._tokenizer = tokenizer_of(folder)
        self._encoder = Encoder(folder.record.model, folder.weights)
        self._head = folder.weights[HEAD_WEIGHT].T  # (2·D·H, K)
        self._bias = folder.weights[HEAD_BIAS]  # (K,)
        self._table = folder.weights.get(GRAMS)  # (N, K); None of many classes or an older model
        self._letters = letters_of(self._tokenizer)

    def probabilities(self, texts: Sequence[str]) -> Logits:
        """Of each class for each text: (N, K)."""
        known = as_known(texts, self._tokenizer)
        rows = [as_ids(text, self._tokenizer)[: self.longest + ENDS] for text in known]
        logits = np.empty((len(rows), len(self.labels.labels)), np.float32)

        def fill(group: Batch) -> None:
            places, ids, lengths = group
            output = self._encoder.read(ids, lengths)  # (B, T, D·H)
            logits[places] = product(pooled(output, lengths), self._head) + self._bias
            if self._table is not None:
                together = np.concatenate([rows[place] for place in places])
                found = grams(together, lengths, self._letters, len(self._table))
                logits[places] += summed(found, self._table)

        results_of(fill, groups(rows))
        return softmax(logits)


class Classifier(TaskModel[Labelled]):
    """A trained classifier, or several. Get one from `charrnn.load`.

    Args:
        folders: at least one.

    Raises:
        BadDataError: if the labels in one don't fit its weights.
        UsageError: if the labels differ.

    Attributes:
        labels: the K classes, in the order of the scores.
        usual: the most frequent in training.
        longest: characters; of a longer text the beginning is read, as in training, by one of the
            networks at least.
    """

    def __init__(self, *folders: ModelFolder) -> None:
        super().__init__(*folders)
        self._networks = [_Network(folder) for folder in folders]
        self.labels = shared("labels", folders, [one.labels.labels for one in self._networks])
        self.task, self.usual = self._networks[0].task, self._networks[0].labels.usual
        self.longest = min(one.longest for one in self._networks)

    @checked
    def predict(self, texts: Sequence[str]) -> list[Label]:
        """What each text is; characters that the model does not know count as unknown ones.

        Warns:
            UserWarning: as `probabilities`.
        """
        answers = []
        for row in self.probabilities(texts):
            order = np.argsort(-row, kind="stable")
            ranked = {self.labels[k]: float(row[k]) for k in order}
            best = self.labels[order[0]]
            answers.append(Label(best, ranked[best], ranked))
        return answers

    @checked
    def probabilities(self, texts: Sequence[str]) -> Logits:
        """Of each class for each text: (N, K); the mean of several models'.

        Warns:
            UserWarning: of texts that are not read to their end.
        """
        for note in self._cut_notes(texts):
            warn(note)
        return self._probabilities(texts)

    def _probabilities(self, texts: Sequence[str]) -> Logits:
        each = [network.probabilities(texts) for network in self._networks]
        mean: Logits = each[0] if len(each) == 1 else np.mean(each, axis=0)
        return mean

    def _cut_notes(self, texts: Iterable[str]) -> list[str]:
        """What to say of texts that are not read to their end."""
        cut = sum(len(text) > self.longest for text in texts)
        return [cut_note(cut, self.longest)] if cut else []

    def _read(
        self,
        sources: Sequence[str | Path],
        reading: Reading,
        label_column: str | None,
        notes: list[str],
    ) -> list[Labelled]:
        """See `TaskModel`; raises what `read_labelled` does."""
        named = bool(reading.text_column or label_column)
        reading, label_column = columns_for(self.task, reading, label_column)
        examples = read_labelled(sources, reading, notes, label_column, named=named)
        notes += self._cut_notes(one.text for one in examples)
        return examples

    def answers(self, examples: Sequence[Labelled]) -> list[str]:
        """The likeliest label of each text."""
        probabilities = self._probabilities([example.text for example in examples])
        return [self.labels[k] for k in probabilities.argmax(-1)]

    def judged(self, examples: Sequence[Labelled], answers: Sequence[str]) -> Report:
        """How many texts are labelled correctly."""
        wanted = [example.label for example in examples]
        return report_of(wanted, answers, self.labels, self.usual)


def pooled(output: Floats, lengths: NDArray[np.integer]) -> Floats:
    """The maximum and the mean over time of outputs (B, T, D·H), without padding: (B, 2·D·H)."""
    there = np.arange(output.shape[1]) < lengths[:, None]  # (B, T)
    highest = np.where(there[..., None], output, -np.inf).max(1)
    mean = (output * there[..., None]).sum(1) / lengths[:, None].astype(np.float32)
    return np.concatenate([highest, mean], -1)


def report_of(
    wanted: Sequence[str], answers: Sequence[str], labels: Sequence[str], usual: str
) -> Report:
    """Accuracy and macro-F1, beside those of always saying the most frequent class.

    Args:
        wanted: the class of each example.
        answers: of the model.
        labels: the classes that the model knows.
        usual: the most frequent of them in training.
    """
    return Report(
        metric="accuracy",
        count=len(wanted),
        scores=scores_of(wanted, answers),
        baselines={f"always {usual}": scores_of(wanted, [usual] * len(wanted))},
        notes=unknown_labels(wanted, labels, "text"),
        all_unknown=are_unknown(wanted, labels),
    )


def scores_of(wanted: Sequence[str], answers: Sequence[str]) -> dict[str, float]:
    """The share of right answers, and F1 averaged over the classes.

    A class counts for the average if a text has it or the model says it; F1 is 0 where it is never
    right.
    """
    right = Counter(one for one, other in zip(wanted, answers, strict=True) if one == other)
    truly, said = Counter(wanted), Counter(answers)
    f1 = [2 * right[label] / (truly[label] + said[label]) for label in truly | said]
    return {"accuracy": right.total() / len(wanted), "macro-F1": sum(f1) / len(f1)}
