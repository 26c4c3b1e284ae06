"""Answers as people read them."""

from __future__ import annotations

import pytest

from charrnn.tasks.answers import Answer, Forecast, Label, MarkedText, Span, Translation


@pytest.mark.parametrize(
    ("answer", "plain"),
    [
        (Label("not\ngood", 0.9, {"not\ngood": 0.9, "fine": 0.1}), "not good"),
        (MarkedText("to\r\nYork", (Span(4, 8, "a\vb", "York"),)), "to [York](a b)"),
        (Translation("first\u2028second\r\nthird", -0.5), "first second third"),
        (Forecast((1.5, 20), (1, 19), (2, 21), "north\r\nwest"), "north west: 1.5 20"),
        (Forecast((3,), (2,), (4,)), "3"),
    ],
    ids=lambda one: type(one).__name__,
)
def test_a_plain_answer_is_one_line(answer: Answer, plain: str) -> None:
    assert answer.plain == plain
    assert len(answer.plain.splitlines()) == 1
