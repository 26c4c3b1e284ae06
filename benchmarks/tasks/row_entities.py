"""ner/: WNUT-17, names in noisy English, with its own split."""

from __future__ import annotations

import csv
from pathlib import Path

from common import Figure, baseline, by_seeds, language_models

MINUTES = 5


def measure(data: Path, folder: Path) -> list[Figure]:
    """The F1 of spans: charrnn, alone and from language models, a gazetteer, and a CRF.

    Each learns from the training set, where the development set validates charrnn's. Its texts are
    of the sites that those of the test are of, and its names are as new as theirs: so all learn
    from it, too, in rows without a target.
    """
    ner = data / "ner"
    train, dev = ner / "wnut17train.conll", ner / "emerging.dev.conll"
    test = ner / "emerging.test.annotated"
    both = folder / "both.conll"
    sets = [file.read_text("utf-8") for file in (train, dev)]
    both.write_text("\n".join(sets), encoding="utf-8")
    text = folder / "text.txt"
    text.write_text("".join(line + "\n" for line in english(data)), encoding="utf-8")
    starts, learning = language_models(text, MINUTES)

    figures = []
    rows: list[tuple[str, list[object], float]] = [
        ("from scratch", [], 0.0),
        ("from language models", starts, learning),
    ]
    for learnt, validation, of, targets in (
        (train, ("--validation", dev), "training set", (24, 30)),
        (both, (), "training and development sets", (None, None)),
    ):
        for (who, given, before), target in zip(rows, targets, strict=True):
            training = (learnt, *validation, "--task", "tag", "--minutes", MINUTES, *given)
            for name, f1, seconds in by_seeds(folder / f"{who}, {of}", training, test, "F1"):
                asked, reached = ("", None) if target is None else (f"≥ {target}", f1 >= target)
                figures.append(Figure(name, "F1", f1, asked, reached, before + seconds))
        found = {"gazetteer": gazetteer(learnt, test), **baseline("tag_by_crf", learnt, test)}
        figures += [Figure(f"{who}, {of}", "F1", 100 * value) for who, value in found.items()]
    return figures


def english(data: Path) -> list[str]:
    """What the language models learn: the training texts twice, and what other rows have."""
    train = [" ".join(words) for words in sentences(data / "ner" / "wnut17train.conll")]
    pairs = (data / "translation" / "eng-deu.tsv").read_text(encoding="utf-8").splitlines()
    with (data / "reviews" / "movie-snippets.csv").open(encoding="utf-8", newline="") as file:
        films = [" ".join(row["text"].split()) for row in csv.DictReader(file)]
    return [*train, *train, *sorted({pair.split("\t")[0] for pair in pairs}), *films]


def sentences(path: Path) -> list[list[str]]:
    """The words of each sentence of a file in CoNLL's columns."""
    found: list[list[str]] = [[]]
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.strip():
            found[-1].append(line.split("\t")[0])
        elif found[-1]:
            found.append([])
    return [words for words in found if words]


def gazetteer(train: Path, test: Path) -> float:
    """The F1 of marking what was marked in training, the longest first, in any case.

    With the same case it is 0: nothing that the test asks for was marked in training.
    """
    from charrnn import Reading
    from charrnn.examples.tagged import read_tagged
    from charrnn.tasks.tag import scores_of

    known: dict[tuple[str, ...], str] = {}
    for one in read_tagged([train], Reading(), []):
        for span in one.spans:
            known[tuple(one.text[span.start : span.end].lower().split(" "))] = span.label
    longest = max(map(len, known))
    examples = read_tagged([test], Reading(), [])
    answers = []
    for one in examples:
        words = [one.text[start:end].lower() for start, end in one.words]
        tags: list[str] = []
        while len(tags) < len(words):
            at = len(tags)
            sizes = range(min(longest, len(words) - at), 0, -1)
            size = next((n for n in sizes if tuple(words[at : at + n]) in known), 0)
            if size:
                label = known[tuple(words[at : at + size])]
                tags += [f"B-{label}", *[f"I-{label}"] * (size - 1)]
            else:
                tags.append("O")
        answers.append(tags)
    return scores_of(examples, answers)["F1"]
