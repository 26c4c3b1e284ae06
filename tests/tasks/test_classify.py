"""Scores of classes, counted by hand, and answers."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import charrnn
from charrnn import UsageError
from charrnn.examples.labelled import Labelled
from charrnn.tasks.answers import Label
from charrnn.tasks.classify import labels_in, pooled, report_of, scores_of


def test_scores_by_hand() -> None:
    wanted = ["a", "a", "a", "b", "c"]
    answers = ["a", "a", "b", "b", "d"]
    scores = scores_of(wanted, answers)
    assert scores["accuracy"] == 3 / 5
    # F1 of a is 2·2/(3+2), of b 2·1/(1+2); c is never said, and d never right.
    assert scores["macro-F1"] == pytest.approx((4 / 5 + 2 / 3 + 0 + 0) / 4)


def test_a_report_has_the_usual_class_beside_it() -> None:
    report = report_of(["a", "b", "b", "z"], ["a", "b", "a", "a"], ["a", "b"], "b")
    assert (report.metric, report.score, report.count) == ("accuracy", 0.5, 4)
    assert report.baselines["always b"]["accuracy"] == 0.5
    assert report.beaten_by == "always b"
    assert "no better than always b" in report.verdict
    assert report.notes == ("1 text has a label that the model does not know: z",)
    assert "longer run may help" in report.shortfall
    assert "may help" not in report.verdict  # beside it stands what the run showed
    assert report_of(["a", "b"], ["a", "b"], ["a", "b"], "b").beaten_by is None
    perfect = report_of(["a", "a"], ["a", "a"], ["a", "b"], "a").verdict  # nothing is better
    assert perfect == "accuracy 1, no better than always a (1)"


def test_a_report_is_a_line_whatever_the_labels_hold() -> None:
    report = report_of(["a\nb", "z\r"], ["c", "c"], ["a\nb", "c"], "a\nb")
    assert r"no better than always a\nb (0.5)" in report.verdict
    assert report.notes == (r"1 text has a label that the model does not know: z\r",)
    assert list(report.baselines) == ["always a\nb"]


def test_where_all_labels_are_unknown_no_training_helps() -> None:
    """More examples or a longer run were advised."""
    report = report_of(["gut", "schlecht"], ["a", "b"], ["a", "b"], "b")
    assert report.notes == ("2 texts have labels that the model does not know: gut, schlecht",)
    assert report.shortfall.endswith(": check the labels, or name another model or file")
    some = report_of(["gut", "a"], ["b", "b"], ["a", "b"], "b")
    assert "longer run may help" in some.shortfall


def test_the_usual_class_is_that_of_training() -> None:
    examples = [Labelled("x", label, "") for label in "bbaacc"]
    assert labels_in(examples, "abcd").labels == ("a", "b", "c", "d")
    assert labels_in(examples, "abcd").usual == "a"
    assert labels_in([*examples, examples[0]], "abcd").usual == "b"


def test_padding_is_not_pooled() -> None:
    output = np.array([[[1, -4], [3, -2], [9, 9]]], np.float32)
    assert pooled(output, np.array([2])).tolist() == [[3, -2, 2, -3]]
    assert pooled(output, np.array([3])).tolist() == [[9, 9, pytest.approx(13 / 3), 1]]


def test_a_label_is_plain() -> None:
    assert Label("good", 0.9, {"good": 0.9, "bad": 0.1}).plain == "good"


def test_answers_and_reports_can_be_in_a_set() -> None:
    label = Label("good", 0.9, {"good": 0.9, "bad": 0.1})
    report = report_of(["a", "b"], ["a", "a"], ["a", "b"], "b")
    assert {label, copy.deepcopy(label)} == {label}
    assert {report, copy.deepcopy(report)} == {report}


@pytest.mark.parametrize("method", ["predict", "probabilities"])
@pytest.mark.parametrize("wrong", ["good film", None, [5]])
def test_texts_that_are_no_list_of_strings_are_refused(
    method: str, wrong: Any, trained_tasks: Path
) -> None:
    """`probabilities` answered each letter of a text."""
    classifier: Any = charrnn.load(trained_tasks / "reviews")
    with pytest.raises(UsageError, match="it must be a list of strings"):
        getattr(classifier, method)(wrong)
