"""The curve of the losses: small, for any terminal, and right."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from charrnn.terminal.curve import plot

STEPS = st.lists(st.integers(1, 10**7), min_size=2, max_size=50, unique=True).map(sorted)


@given(STEPS, st.data())
def test_any_curve_is_a_few_lines_of_ascii(steps: list[int], data: st.DataObject) -> None:
    losses = data.draw(st.lists(st.floats(0, 30), min_size=len(steps), max_size=len(steps)))
    marked = data.draw(st.sampled_from([*steps, None]))
    text = plot(list(zip(steps, losses, strict=True)), marked)
    assert text.isascii()
    lines = text.splitlines()
    assert len(lines) <= 8
    assert max(map(len, lines)) <= 79
    assert lines[0].split(" |")[0].strip() == f"{max(losses):.3f}"
    assert lines[-2].split(" |")[0].strip() == f"{min(losses):.3f}"
    assert lines[-1].endswith(f" updates 0 to {steps[-1]:,}")
    curve = "\n".join(lines[:-1])
    assert curve.count("o") == (marked is not None)
    assert 0 < curve.count("*") + curve.count("o") <= len(steps)


def test_a_falling_loss_falls() -> None:
    lines = plot([(k, 5 - k / 10) for k in range(1, 41)], 40).splitlines()[:-1]
    rows = [[m.start() for m in re.finditer(r"[*o]", line)] for line in lines]
    assert all(rows)
    columns = [column for row in rows for column in row]
    assert columns == sorted(columns)
    assert lines[0][rows[0][0]] == "*"
    assert lines[-1].endswith("o")
