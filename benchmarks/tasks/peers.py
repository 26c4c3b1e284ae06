"""The baselines of other libraries, run where these are installed: see `common.baseline`.

python peers.py NAME ARGUMENTS...    # prints scores as JSON
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

Sentence = tuple[list[str], list[str]]  # words, and the tag of each

BASELINES: dict[str, Callable[..., dict[str, float]]] = {}


def register(function: Callable[..., dict[str, float]]) -> Callable[..., dict[str, float]]:
    """Let a function be called by its name from the command line."""
    BASELINES[function.__name__] = function
    return function


@register
def label_by_ngrams(
    train: str, test: str, analyzer: str, least: str, most: str
) -> dict[str, float]:
    """The accuracy of naive Bayes and of logistic regression on n-grams."""
    import csv

    from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.naive_bayes import MultinomialNB

    def read(path: str) -> tuple[list[str], list[str]]:
        with open(path, encoding="utf-8", newline="") as file:  # noqa: PTH123
            rows = list(csv.DictReader(file))
        return [row["text"] for row in rows], [row["label"] for row in rows]

    (texts, labels), (asked, wanted) = read(train), read(test)
    # Both counts and their weighted form, with and without the ends of words as characters: the
    # best of these stands for its method.
    kinds = [analyzer, "char_wb"] if analyzer == "char" else [analyzer]
    found = {"naive Bayes": 0.0, "logistic regression": 0.0}
    for vectorizer in (CountVectorizer, TfidfVectorizer):
        for kind in kinds:
            grams = vectorizer(analyzer=kind, ngram_range=(int(least), int(most)))
            x, y = grams.fit_transform(texts), grams.transform(asked)
            for who, model in (
                ("naive Bayes", MultinomialNB(alpha=0.1)),
                ("logistic regression", LogisticRegression(C=3, max_iter=500)),
            ):
                accuracy = float(model.fit(x, labels).score(y, wanted))
                found[who] = max(found[who], accuracy)
    return found


@register
def tag_by_crf(train: str, test: str) -> dict[str, float]:
    """The F1 of spans of a CRF with the usual features of a word and its neighbours."""
    import tempfile

    import pycrfsuite

    trainer = pycrfsuite.Trainer(verbose=False)
    for words, tags in _sentences(train):
        trainer.append([_features(words, at) for at in range(len(words))], tags)
    trainer.set_params({"c1": 0.1, "c2": 0.01, "max_iterations": 200})
    right = said = there = 0
    with tempfile.NamedTemporaryFile() as file:
        trainer.train(file.name)
        tagger = pycrfsuite.Tagger()
        tagger.open(file.name)
        for words, tags in _sentences(test):
            found = _spans(list(tagger.tag([_features(words, at) for at in range(len(words))])))
            wanted = _spans(tags)
            right, said, there = (
                right + len(found & wanted),
                said + len(found),
                there + len(wanted),
            )
    return {"python-crfsuite": 2 * right / (said + there)}


def _sentences(path: str) -> list[Sentence]:
    """The words and the tags of each sentence of a CoNLL file."""
    found: list[Sentence] = [([], [])]
    for line in Path(path).read_text(encoding="utf-8").splitlines():
        if line.strip():
            word, tag = line.split("\t")
            found[-1][0].append(word)
            found[-1][1].append(tag)
        elif found[-1][0]:
            found.append(([], []))
    return [one for one in found if one[0]]


def _features(words: list[str], at: int) -> list[str]:
    """What a CRF is told of a word and its neighbours."""
    found = ["bias"]
    for place in (-2, -1, 0, 1, 2):
        if not 0 <= at + place < len(words):
            found.append(f"{place}:none")
            continue
        word = words[at + place]
        shape = "".join("X" if c.isupper() else "d" if c.isdigit() else "x" for c in word)
        found += [f"{place}:{word.lower()}", f"{place}:title={word.istitle()}"]
        found += [f"{place}:upper={word.isupper()}", f"{place}:digit={word.isdigit()}"]
        if not place:
            found += [f"shape={shape}", *(f"starts={word[:n]}" for n in (1, 2, 3, 4))]
            found += [f"ends={word[-n:]}" for n in (1, 2, 3, 4)]
    return found


def _spans(tags: list[str]) -> set[tuple[int, int, str]]:
    """Where tags mark something: from, to, and what."""
    found, begun = set(), None
    for at, tag in enumerate([*tags, "O"]):
        if begun is not None and tag != f"I-{tags[begun][2:]}":
            found.add((begun, at, tags[begun][2:]))
            begun = None
        if tag != "O" and begun is None:
            begun = at
    return found


@register
def forecast_by_smoothing(train: str, test: str, season: str) -> dict[str, float]:
    """The percentage error of exponential smoothing (ETS), whose kind is chosen by AIC.

    Also that of the kind which AIC does not choose and which is best on the test: nobody can know
    that before, but a model that beats it beats them all.
    """
    import csv
    import warnings
    from itertools import product

    import numpy as np
    from statsmodels.tsa.exponential_smoothing.ets import ETSModel

    def read(path: str) -> np.ndarray:
        with open(path, encoding="utf-8", newline="") as file:  # noqa: PTH123
            return np.array([float(row["y"]) for row in csv.DictReader(file)])

    values, wanted = read(train), read(test)
    found = []
    warnings.simplefilter("ignore")
    kinds = (("add", "mul"), (False, True), ("add", "mul"))
    for error, damped, seasonal in product(*kinds):
        model = ETSModel(
            values,
            error=error,
            trend="add",
            damped_trend=damped,
            seasonal=seasonal,
            seasonal_periods=int(season),
        ).fit(disp=False)
        mape = 100 * float(np.mean(np.abs(model.forecast(len(wanted)) - wanted) / wanted))
        found.append((float(model.aic), mape))
    return {"ETS, chosen by AIC": min(found)[1], "ETS, the best of 8": min(m for _, m in found)}


if __name__ == "__main__":
    print(json.dumps(BASELINES[sys.argv[1]](*sys.argv[2:])))
