"""What mattered is shown under the character that it is about, in every script."""

from __future__ import annotations

import numpy as np
import pytest

from charrnn.inside.counterfactuals import Saliency
from charrnn.terminal.activity import show_saliency
from charrnn.terminal.output import places_of


@pytest.mark.parametrize("before", ["abc", "我在北", "क्या", "e\u0301e", "ｂ語" * 40])
def test_a_bar_stands_under_its_character(before: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Behind Chinese characters it stood too far left, behind marks too far right."""
    tokens = [*before, "x"]
    changes = np.zeros(len(tokens), np.float32)
    changes[-1] = -1
    show_saliency(
        Saliency(len(tokens), "y", -1.0, tokens, ["a"] * len(tokens), changes), "character"
    )
    lines = capsys.readouterr().out.splitlines()
    place = next(k for k, line in enumerate(lines) if "█" in line)
    text, row = lines[place - 1 : place + 1]
    assert places_of(text[: text.index("x")]) == row.index("█")
    assert all(places_of(line) <= 76 for line in lines[2:place])
