"""Scores of spans, counted by hand, and answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import charrnn
from charrnn import UsageError
from charrnn.examples.tags import Tagged, in_bio
from charrnn.tasks.answers import MarkedText, Span
from charrnn.tasks.tag import marked, pooled, report_of, scores_of, usual_tags


def text_of(words: str, tags: str) -> Tagged:
    """A text as CoNLL has it."""
    edges, place = [], 0
    for word in words.split():
        edges.append((place, place + len(word)))
        place += len(word) + 1
    return Tagged(words, edges, in_bio(tags.split()), "a.conll: line 1")


GOLD = text_of("Ann Lee met Bo in New York", "B-per I-per O B-per O B-loc I-loc")
CASES = {
    "all right": ("B-per I-per O B-per O B-loc I-loc", 3, 3),
    "nothing": ("O O O O O O O", 0, 0),
    "an edge is wrong": ("B-per O O B-per O B-loc I-loc", 2, 3),
    "a type is wrong": ("B-loc I-loc O B-per O B-loc I-loc", 2, 3),
    "two for one": ("B-per B-per O B-per O B-loc I-loc", 2, 4),
    "one too many": ("B-per I-per B-per B-per O B-loc I-loc", 3, 4),
}


@pytest.mark.parametrize("case", CASES)
def test_spans_count_as_seqeval_counts_them(case: str) -> None:
    tags, right, found = CASES[case]
    scores = scores_of([GOLD], [tags.split()])
    precision, recall = right / max(found, 1), right / 3
    assert scores["precision"] == pytest.approx(precision)
    assert scores["recall"] == pytest.approx(recall)
    f1 = 2 * precision * recall / (precision + recall) if right else 0
    assert scores["F1"] == pytest.approx(f1)


def test_f1_is_over_all_texts_and_for_each_type() -> None:
    other = text_of("Ohio", "B-loc")
    scores = scores_of([GOLD, other], [CASES["a type is wrong"][0].split(), ["O"]])
    assert scores["F1"] == pytest.approx(2 * 2 / (3 + 4))
    assert scores["F1 of per"] == pytest.approx(2 * 1 / (1 + 2))
    assert scores["F1 of loc"] == pytest.approx(2 * 1 / (2 + 2))


def test_the_usual_tags_are_the_baseline() -> None:
    train = [text_of("Ann met Bo", "B-per O B-per"), text_of("Bo met met", "O O B-per")]
    train.append(text_of("Bo", "O"))
    assert usual_tags(train) == {"Ann": "B-per"}
    report = report_of([GOLD], [GOLD.tags], ["loc", "per"], {"Ann": "B-per", "Lee": "I-per"})
    assert report.scores["F1"] == 1
    assert report.baselines["each word's most frequent tag"]["F1"] == pytest.approx(2 / 4)
    assert report.beaten_by is None
    assert report_of([GOLD], [["O"] * 7], ["per"], {}).notes == (
        "1 span has a label that the model does not know: loc",
    )


def test_where_all_types_are_unknown_no_training_helps() -> None:
    advice = "check the labels, or name another model or file"
    for types, is_told in ((["x"], True), (["per"], False)):
        assert (advice in report_of([GOLD], [["O"] * 7], types, {}).shortfall) is is_told
    assert advice not in report_of([text_of("a", "O")], [["O"]], ["x"], {}).shortfall


def test_a_word_is_its_highest_outputs_and_those_at_its_edges() -> None:
    both = np.array([[9, 9], [3, 1], [2, 4], [5, 6], [9, 9], [7, 8], [9, 9]], np.float32)
    found = pooled(both, [(0, 2), (2, 3), (4, 5)], hidden_size=1)  # END, five characters, END
    assert found.tolist() == [[3, 4, 2, 1], [5, 6, 5, 6], [7, 8, 7, 8]]
    forwards = pooled(both, [(0, 2)], hidden_size=2)
    assert forwards.tolist() == [[3, 4, 2, 4]]


def test_spans_stand_in_the_text() -> None:
    found = marked(GOLD.text, GOLD.words, GOLD.tags)
    assert found.spans == (
        Span(0, 7, "per", "Ann Lee"),
        Span(12, 14, "per", "Bo"),
        Span(18, 26, "loc", "New York"),
    )
    assert found.plain == "[Ann Lee](per) met [Bo](per) in [New York](loc)"
    assert MarkedText("none", ()).plain == "none"
    assert MarkedText("two\r\nlines\u2028or three\n", ()).plain == "two lines or three "


WRONG_WORDS: dict[str, tuple[Any, Any, str]] = {
    "a text": ("in New", [[(0, 2)]], "texts is 'in New'; it must be a list of strings"),
    "no words": (["in New"], None, "must be a list of lists of lists of whole numbers"),
    "strings": (["in New"], [["in", "New"]], "must be a list of lists of lists of whole numbers"),
    "one text's": (["in New"], [(0, 2), (3, 6)], "must be a list of lists of lists"),
    "too few": (["in New", "film"], [[(0, 2)]], "2 texts can't have the words of 1; give a list"),
    "too long": (["in New"], [[(0, 2), (3, 9)]], "words [(0, 2), (3, 9)] don't fit the text 'in N"),
    "before": (["in New"], [[(-1, 2)]], "; give start and end of each, in order"),
    "unordered": (["in New"], [[(3, 6), (0, 2)]], "; give start and end of each, in order"),
    "overlapping": (["in New"], [[(0, 4), (3, 6)]], "; give start and end of each, in order"),
    "backwards": (["in New"], [[(2, 0)]], "; give start and end of each, in order"),
    "empty": (["in New"], [[(2, 2)]], "; give start and end of each, in order"),
    "no end": (["in New"], [[(2,)]], "; give start and end of each, in order"),
    "labels": (["in New"], [[(0, 2, 1)]], "; give start and end of each, in order"),
}


@pytest.mark.parametrize("case", WRONG_WORDS)
def test_words_that_do_not_fit_their_text_are_refused(case: str, trained_tasks: Path) -> None:
    """A text alone was answered letter by letter, and words outside a text with numbers."""
    texts, words, message = WRONG_WORDS[case]
    tagger: Any = charrnn.load(trained_tasks / "places")
    for answer in (tagger.scores, tagger.tag):
        with pytest.raises(UsageError) as error:
            answer(texts, words)
        assert message in str(error.value)


def test_words_may_be_lists_and_arrays(trained_tasks: Path) -> None:
    tagger: Any = charrnn.load(trained_tasks / "places")
    texts, words = ["in New", "", "film"], [[(0, 2), (3, 6)], [], [(0, 4)]]
    expected = tagger.scores(texts, words)
    lists = [[list(word) for word in own] for own in words]
    numbers = [[tuple(map(np.int64, word)) for word in own] for own in words]
    for given in (lists, [np.array(own) for own in words], numbers, tuple(map(tuple, words))):
        for found, own in zip(tagger.scores(texts, given), expected, strict=True):
            np.testing.assert_array_equal(found, own)
        answers = list(map(marked, texts, words, tagger.tag(texts, words)))
        assert tagger.predict(texts, given) == answers
