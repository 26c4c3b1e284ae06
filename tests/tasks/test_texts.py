"""How texts are written in ids."""

from __future__ import annotations

import numpy as np
import pytest

from charrnn.tasks.texts import STAND_IN, as_ids, with_known_words
from charrnn.text.tokenizer import CharTokenizer


@pytest.mark.parametrize("text", ["", "a", "cab", "aßb\U0001f600\udc80c", "a\nb"])
def test_a_text_is_read_between_two_ends_and_what_is_unknown_has_its_stand_in(text: str) -> None:
    tokenizer = CharTokenizer(f"abc{STAND_IN}", "\n")
    inner = [tokenizer.characters.find(character) for character in text]
    wanted = [4, *(3 if k < 0 else k for k in inner), 4]
    found = as_ids(text, tokenizer)
    assert found.tolist() == wanted
    assert found.dtype == np.int32


@pytest.mark.parametrize("words", [[], [(0, 2), (3, 6)], [(3, 6)]])
def test_words_in_another_form_are_where_they_then_stand(words: list[tuple[int, int]]) -> None:
    """Each takes its form by itself, so that their edges are known."""
    text = "e\u0301 oe\u0301!"
    tokenizer = CharTokenizer("\n !oé", "\n")
    with pytest.warns(UserWarning, match="normal form NFC"):
        (found,), (places,) = with_known_words([text], [words], tokenizer)
    assert found == "é oé!"
    assert [found[a:b] for a, b in places] == [text[a:b].replace("e\u0301", "é") for a, b in words]
    same = with_known_words([found, ""], [places, []], tokenizer)
    assert same == ([found, ""], [places, []])
