"""How good a model's answers are, beside those that need no model.

report.verdict    # "accuracy 0.81; without a model: always positive 0.47"
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from charrnn.errors import printable
from charrnn.words import first_few

__all__ = ["Report", "are_unknown", "unknown_labels"]

CLOSE = 1e-9  # a model that is no better than that has learnt nothing


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Scores of a model and of the trivial answers on the same examples.

    Attributes:
        metric: the score that counts.
        count: examples.
        scores: of the model, by name.
        baselines: of trivial answers: their name to their scores, under the same names.
        higher_is_better: of the score that counts.
        notes: what else a user should know.
        all_unknown: whether the model knows no label that the examples have.
    """

    metric: str
    count: int
    scores: Mapping[str, float]
    baselines: Mapping[str, Mapping[str, float]]
    higher_is_better: bool = True
    notes: tuple[str, ...] = ()
    all_unknown: bool = False

    def __hash__(self) -> int:
        return hash((self.metric, self.count))

    @property
    def score(self) -> float:
        """The one that counts."""
        return self.scores[self.metric]

    @property
    def beaten_by(self) -> str | None:
        """The best of the trivial answers, if it is as good as the model."""
        sign = 1 if self.higher_is_better else -1
        best = max(self.baselines, key=lambda name: sign * self.baselines[name][self.metric])
        is_worse = sign * (self.score - self.baselines[best][self.metric]) <= CLOSE
        return best if is_worse else None

    def facts(self) -> dict[str, Any]:
        """All of it, for JSON."""
        return msgspec.structs.asdict(self) | {"verdict": self.verdict}

    @property
    def verdict(self) -> str:
        """What it comes to, in one line, whatever the labels hold."""
        found = f"{self.metric} {self.score:.4g}"
        if self.beaten_by is not None:
            return f"{found}, {self._beaten(self.beaten_by)}"
        beside = ", ".join(
            f"{name} {scores[self.metric]:.4g}" for name, scores in self.baselines.items()
        )
        return f"{found}; without a model: {printable(beside)}"

    @property
    def shortfall(self) -> str:
        """That a trivial answer is as good, and what may help; empty if none is."""
        best = self.beaten_by
        if best is None:
            return ""
        perfect = 1 if self.higher_is_better else 0  # the best of each score that counts
        if self.baselines[best][self.metric] == perfect:
            return self._beaten(best)
        if self.all_unknown:
            return f"{self._beaten(best)}: check the labels, or name another model or file"
        return f"{self._beaten(best)}: more examples or a longer run may help"

    def _beaten(self, best: str) -> str:
        return f"no better than {printable(best)} ({self.baselines[best][self.metric]:.4g})"


def unknown_labels(wanted: Iterable[str], known: Iterable[str], noun: str) -> tuple[str, ...]:
    """A note on labels that a model does not know, if there are any.

    Args:
        wanted: the labels of all examples.
        known: those of the model.
        noun: what each of `wanted` is the label of.
    """
    labels = set(known)
    unknown = Counter(label for label in wanted if label not in labels)
    if not unknown:
        return ()
    count = unknown.total()
    have = f"1 {noun} has a label" if count == 1 else f"{count:,} {noun}s have labels"
    named = printable(first_few(sorted(unknown)))
    return (f"{have} that the model does not know: {named}",)


def are_unknown(wanted: Iterable[str], known: Iterable[str]) -> bool:
    """Whether there are labels, and the model knows none of them."""
    labels = set(wanted)
    return bool(labels) and labels.isdisjoint(known)
