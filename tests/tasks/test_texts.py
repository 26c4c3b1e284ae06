"""How texts are written in ids."""

from __future__ import annotations

import numpy as np
import pytest

from charrnn.tasks.texts import STAND_IN, as_ids
from charrnn.text.tokenizer import CharTokenizer


@pytest.mark.parametrize("text", ["", "a", "cab", "aßb\U0001f600\udc80c", "a\nb"])
def test_a_text_is_read_between_two_ends_and_what_is_unknown_has_its_stand_in(text: str) -> None:
    tokenizer = CharTokenizer(f"abc{STAND_IN}", "\n")
    inner = [tokenizer.characters.find(character) for character in text]
    wanted = [4, *(3 if k < 0 else k for k in inner), 4]
    found = as_ids(text, tokenizer)
    assert found.tolist() == wanted
    assert found.dtype == np.int32
