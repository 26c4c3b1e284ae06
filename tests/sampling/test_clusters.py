"""A text ends between what readers see as characters, wherever its length falls."""

from __future__ import annotations

import itertools
from functools import partial
from typing import Any

import numpy as np
import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from charrnn import ByteTokenizer, CharTokenizer, SampleConfig
from charrnn.arrays import Ids
from charrnn.cells.rules import State
from charrnn.sampling import generation
from charrnn.sampling.beams import beam_search
from charrnn.sampling.clusters import joins, may_join, without_open_end
from charrnn.sampling.generation import generate_batch, groups, stream
from charrnn.sampling.growing import MAX_OVER
from charrnn.sampling.language_model import LanguageModel
from charrnn.sampling.token_source import request_for
from charrnn.text.tokenizer import Tokenizer
from tests.conftest import random_model

ASTRONAUT = "\N{WOMAN}\N{ZERO WIDTH JOINER}\N{ROCKET}"
FLAG = "\N{REGIONAL INDICATOR SYMBOL LETTER D}\N{REGIONAL INDICATOR SYMBOL LETTER E}"
ACCENT = "\N{COMBINING ACUTE ACCENT}"
HANGUL = "\u1112\u1161\u11ab"  # a syllable in pieces
THUMB = "\N{THUMBS UP SIGN}\N{EMOJI MODIFIER FITZPATRICK TYPE-4}"
DEVANAGARI = "\u0915\u094d\u0937\u093f"
PIECES = (ASTRONAUT, FLAG, f"e{ACCENT}{ACCENT}", HANGUL, THUMB, DEVANAGARI, "x", "\r\n", "中", " ")
TEXT = "".join(PIECES) + FLAG + ASTRONAUT + "\n" + f"a{ACCENT}b"


class Script(LanguageModel):
    """A model that is sure of one text, which it writes over and over; its state is the place."""

    def __init__(self, tokenizer: Tokenizer, text: str) -> None:
        self.tokenizer = tokenizer
        self.ids = tokenizer.encode(text)

    def start(self, batch_size: int = 1) -> State:
        return (np.zeros((1, batch_size, 1), int),)

    def __call__(self, ids: Ids, state: State | None = None) -> tuple[np.ndarray, State]:
        raise NotImplementedError("drawing needs no logits but the last")

    def read(self, ids: Ids, state: State) -> tuple[np.ndarray, State]:
        del ids
        return self.after(state[0][0, :, 0]), state

    def stepper(self, state: State) -> Any:
        return Steps(self, state)

    def after(self, places: np.ndarray) -> np.ndarray:
        wanted = self.ids[places % len(self.ids)]
        return np.where(np.arange(self.tokenizer.vocab_size) == wanted[:, None], 100.0, 0.0)


class Steps:
    def __init__(self, model: Script, state: State) -> None:
        self.model, self.state = model, state

    def step(self, ids: Ids) -> np.ndarray:
        del ids
        self.state = (self.state[0] + 1,)
        return self.model.after(self.state[0][0, :, 0])


def script(kind: str, text: str = TEXT) -> Script:
    tokenizer = ByteTokenizer() if kind == "byte" else CharTokenizer.from_text(text)
    return Script(tokenizer, text)


@pytest.mark.parametrize("kind", ["char", "byte"])
def test_whatever_its_length_a_text_ends_with_a_whole_cluster(kind: str) -> None:
    """It is no shorter than asked for, and goes on no further than to where the cluster ends."""
    model = script(kind)
    ends = list(itertools.accumulate(map(len, regex.findall(r"\X", TEXT))))
    sizes = [len(model.tokenizer.encode(TEXT[:end])) for end in ends]
    for length in range(1, sizes[-1]):
        config = SampleConfig(max_new_tokens=length)
        text = "".join(stream(request_for(model, "", config)))
        wanted = next(end for end, size in zip(ends, sizes, strict=True) if size >= length)
        assert text == TEXT[:wanted], length
        for sample in generate_batch(request_for(model, "", config), range(2)):
            assert sample.text == text
            assert sample.tokens == len(model.tokenizer.encode(text))
            assert sample.mean_log_prob == pytest.approx(0, abs=1e-6)


def test_a_cluster_that_the_prompt_began_is_part_of_it() -> None:
    """Of letters of flags, which two belong together depends on all before them."""
    letters = script("char", FLAG[:1] * 8)
    for prompt, length in ((1, 1), (1, 2), (2, 1), (2, 2), (3, 4)):
        config = SampleConfig(max_new_tokens=length)
        text = "".join(stream(request_for(letters, FLAG[:1] * prompt, config)))
        assert (prompt + len(text)) % 2 == 0
        assert length <= len(text) <= length + 1


@pytest.mark.parametrize("kind", ["char", "byte"])
def test_a_cluster_without_end_is_cut(kind: str) -> None:
    model = script(kind, "a" + ACCENT * 400)
    sample, _ = generate_batch(request_for(model, "", SampleConfig(max_new_tokens=9)), range(2))
    assert 9 <= sample.tokens <= 9 + MAX_OVER
    assert sample.text == "a" + ACCENT * (len(sample.text) - 1)


def test_a_record_that_ends_beyond_the_length_is_over() -> None:
    model = Script(ByteTokenizer(end="\n"), "a")
    model.ids = np.array([97, 0xC3, 256, 98], np.int32)  # half of a character, and the end
    (sample,) = generate_batch(request_for(model, "", SampleConfig(max_new_tokens=2)), [0])
    assert sample.text == "a"


def test_stops_count_beyond_the_length() -> None:
    model = script("char", f"abe{ACCENT}cd")
    for stops, expected in (
        ((ACCENT,), "abe"),
        ((ACCENT + "c",), "abe" + ACCENT),  # it was not drawn whole
        (("be",), "a"),
        ((f"e{ACCENT}",), "ab"),
    ):
        config = SampleConfig(max_new_tokens=3, stop_strings=stops)
        assert "".join(stream(request_for(model, "", config))) == expected
        assert [s.text for s in generate_batch(request_for(model, "", config), [0])] == [expected]


def test_a_text_of_bytes_that_is_stopped_ends_with_a_whole_character() -> None:
    for last in range(4, 30):
        asked = iter([False] * last)
        request = request_for(script("byte"), "", SampleConfig(max_new_tokens=500))
        (sample,) = generate_batch(request, [1], stop=partial(next, asked, True))
        assert TEXT.startswith(sample.text)


@pytest.mark.parametrize("beams", [1, 3])
@pytest.mark.parametrize("kind", ["char", "byte"])
def test_a_beam_ends_with_a_whole_cluster_where_a_drawn_text_does(kind: str, beams: int) -> None:
    model = script(kind)
    for length in range(1, len(model.ids)):
        config = SampleConfig(max_new_tokens=length)
        best = beam_search(request_for(model, "", config), beams, 1.0)[0]
        (drawn,) = generate_batch(request_for(model, "", config), [1])
        assert (best.text, best.tokens) == (drawn.text, drawn.tokens)
        assert best.log_prob == pytest.approx(0, abs=1e-6)


@pytest.mark.filterwarnings("ignore:no text will end at")
@pytest.mark.parametrize("stops", [(), (ACCENT + "\n",)])
def test_beams_beyond_the_length_score_all_that_they_show(stops: tuple[str, ...]) -> None:
    model = random_model("lstm", CharTokenizer.from_text(f"\nabe{ACCENT}"))
    longer = 0
    for length in range(1, 12):
        found = model.beam_search(4, "a", max_new_tokens=length, stop_strings=stops, ban="b")
        for beam in found:
            assert "b" not in beam.text
            if beam.tokens == len(beam.text):  # it came to no stop
                assert beam.log_prob == pytest.approx(model.log_probs("a" + beam.text).sum())
            longer += beam.tokens > length
    assert longer


def test_beams_whose_cluster_has_no_end_have_no_half_of_it() -> None:
    model = script("char", "a" + ASTRONAUT[:2] * 200)
    best = beam_search(request_for(model, "", SampleConfig(max_new_tokens=5)), 2, 1.0)[0]
    assert best.tokens == 5 + MAX_OVER
    assert best.text == "a"


@pytest.mark.filterwarnings("ignore:no text will end at")
@pytest.mark.parametrize("characters", ["\nabcß", "\nabe\u0301\u0302", "\n\u200d👩🚀🏽ab"])
@pytest.mark.parametrize("settings", [{}, {"top_k": 4}, {"stop_strings": ("ab", "e\u0301")}])
def test_batches_streams_and_lengths_agree(characters: str, settings: dict[str, Any]) -> None:
    """A text is the beginning of every longer one; with what it always was where nothing joins."""
    model = random_model("gru", CharTokenizer.from_text(characters))
    options: dict[str, Any] = {"temperature": 1.5} | settings
    longest = model.generate("a", seed=5, max_new_tokens=60, **options)
    ends = list(itertools.accumulate(map(len, regex.findall(r"\X", "a" + longest))))
    for length in range(1, 30):
        batch = model.generate_batch(3, "a", seed=4, max_new_tokens=length, **options)
        alone = model.generate("a", seed=5, max_new_tokens=length, **options)
        assert batch[1].text == alone
        if "stop_strings" not in settings:
            assert longest.startswith(alone)
            assert 1 + len(alone) == next(end for end in ends if end > length)
            assert batch[1].tokens == len(alone)
            scores = model.log_probs("a" + alone)
            assert batch[1].mean_log_prob == pytest.approx(scores.mean(), abs=1e-5)


TRICKY = st.sampled_from([*"a1\n\r", *TEXT, "\u0600", "\u0b47", "\u115f", "\ufe0f", "\u20e3"])


@given(st.lists(TRICKY, max_size=20).map("".join))
def test_clusters_end_where_the_standard_says(text: str) -> None:
    ends = set(itertools.accumulate(map(len, regex.findall(r"\X", text))))
    for place in range(1, len(text)):
        assert joins(text[:place], text[place]) == (place not in ends)


@given(st.sets(TRICKY, min_size=1, max_size=4), st.randoms(use_true_random=False))
def test_a_vocabulary_that_never_joins_is_known(characters: set[str], random: Any) -> None:
    if not may_join("".join(sorted(characters))):
        text = "".join(random.choices(sorted(characters), k=40))
        assert len(regex.findall(r"\X", text)) == len(text)


def test_a_vocabulary_of_whole_characters_needs_no_look_ahead() -> None:
    assert not may_join("\n abcäöß")
    assert not may_join("\n中文字かなカナабв한")
    for piece in (ASTRONAUT, FLAG, "e" + ACCENT, HANGUL, THUMB, DEVANAGARI):
        assert may_join("".join(sorted(set(piece))))


def test_half_a_cluster_is_known() -> None:
    for text, expected in (
        ("a", "a"),
        ("", ""),
        (f"a{FLAG}", f"a{FLAG}"),
        (f"a{FLAG}{FLAG[0]}", f"a{FLAG}"),
        (f"a{ASTRONAUT[:2]}", "a"),
        (f"a{ASTRONAUT}", f"a{ASTRONAUT}"),
    ):
        assert without_open_end(text) == expected


def test_many_texts_are_drawn_in_groups_and_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    model = random_model("gru", CharTokenizer("\nabcdefghij"))
    settings = SampleConfig(max_new_tokens=12)
    whole = generate_batch(request_for(model, "a", settings), range(7, 20))
    monkeypatch.setattr(generation, "MAX_GROUP", 5)
    sizes = [len(group) for group in groups(request_for(model, "", settings), range(7, 20))]
    assert sizes == [5, 5, 3]
    for one, other in zip(
        generate_batch(request_for(model, "a", settings), range(7, 20)), whole, strict=True
    ):
        # Products of other numbers of rows may be rounded otherwise.
        assert one.mean_log_prob == pytest.approx(other.mean_log_prob, abs=1e-5)
        assert replace(one, mean_log_prob=0.0) == replace(other, mean_log_prob=0.0)


@pytest.mark.parametrize(("length", "size"), [(None, 256), (500, 256), (1 << 20, 16), (10**9, 1)])
def test_groups_are_smaller_the_longer_their_texts(length: int | None, size: int) -> None:
    model, config = script("byte"), SampleConfig(max_new_tokens=length)
    assert len(next(groups(request_for(model, "", config), range(257)))) == size
    assert [
        seed for group in groups(request_for(model, "", config), range(257)) for seed in group
    ] == [*range(257)]
