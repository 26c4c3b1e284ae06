"""The draw follows the distribution that was asked for, and text ends where it should."""

from __future__ import annotations

import itertools
from random import Random
from typing import Any, SupportsIndex

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn import ByteTokenizer, CharRNN, CharRNNError, CharTokenizer, Model, SampleConfig
from charrnn.arrays import Ids
from charrnn.cells.rules import State
from charrnn.config import CellName
from charrnn.sampling.beams import beam_search
from charrnn.sampling.drawing.draws import Draws
from charrnn.sampling.endings import Ending
from charrnn.sampling.generation import generate_batch, stream
from charrnn.sampling.language_model import TIME_CHUNK, LanguageModel, read_prompt
from charrnn.sampling.token_source import request_for
from charrnn.text.tokenizer import Tokenizer
from tests.conftest import small_config

CONFIG = SampleConfig(temperature=1.0)


class Echo(LanguageModel):
    """A model that is sure of what comes next: the next id, round and round."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.steps = 0
        self.tokens_read = 0

    def start(self, batch_size: int = 1) -> State:
        return (np.zeros((1, batch_size, 1)),)

    def __call__(self, ids: Ids, state: State | None = None) -> tuple[np.ndarray, State]:
        raise NotImplementedError("drawing needs no logits but the last")

    def read(self, ids: Ids, state: State) -> tuple[np.ndarray, State]:
        self.tokens_read += ids.size
        return self.after(ids[:, -1]), state

    def stepper(self, state: State) -> EchoSteps:
        return EchoSteps(self, state)

    def after(self, ids: Ids) -> np.ndarray:
        size = self.tokenizer.vocab_size
        return np.where(np.arange(size) == (ids[:, None] + 1) % size, 100.0, 0.0)


class EchoSteps:
    def __init__(self, model: Echo, state: State) -> None:
        self.model, self.state = model, state

    def step(self, ids: Ids) -> np.ndarray:
        self.model.steps += 1
        return self.model.after(ids)


class Constant(Echo):
    """A model that always finds the same ids likely, whatever it has read."""

    def __init__(self, probabilities: list[float]) -> None:
        super().__init__(CharTokenizer("abcdefgh"[: len(probabilities)]))
        self.logits = np.log(np.array(probabilities))

    def after(self, ids: Ids) -> np.ndarray:
        return np.tile(self.logits, (len(ids), 1))


FIVE = [0.05, 0.4, 0.2, 0.1, 0.25]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"temperature": 1.0}, FIVE),
        ({"temperature": 0.5}, np.array(FIVE) ** 2),
        ({"temperature": 1.0, "top_k": 2}, [0, 0.4, 0, 0, 0.25]),
        ({"temperature": 1.0, "top_p": 0.8}, [0, 0.4, 0.2, 0, 0.25]),
        ({"temperature": 1.0, "min_p": 0.45}, [0, 0.4, 0.2, 0, 0.25]),
        ({"temperature": 1.0, "typical_p": 0.3}, [0, 0, 0.2, 0, 0.25]),
        ({"temperature": 1.0, "ban": "be"}, [0.05, 0, 0.2, 0.1, 0]),
        ({"temperature": 1.0, "allow": "abx", "ban": "a"}, [0, 1, 0, 0, 0]),
        ({"temperature": 1.0, "top_k": 4, "top_p": 0.9, "ban": "c"}, [0, 0.4, 0, 0.1, 0.25]),
        ({"temperature": 0.0}, [0, 1, 0, 0, 0]),
    ],
)
def test_draws_follow_the_distribution(settings: dict[str, Any], expected: Any) -> None:
    """Chi-squared with 4 degrees of freedom: 18.5 is exceeded once in a thousand seeds."""
    texts = _texts(Constant(FIVE), SampleConfig(max_new_tokens=400, **settings), 25)
    counts = np.bincount([ord(c) - ord("a") for c in "".join(texts)], minlength=5)
    expected = np.array(expected) / np.sum(expected) * 10_000
    assert (counts[expected == 0] == 0).all()
    likely = expected > 0
    assert ((counts - expected)[likely] ** 2 / expected[likely]).sum() < 18.5


def _texts(model: Any, config: SampleConfig, count: int) -> list[str]:
    return [text.text for text in generate_batch(request_for(model, "", config), range(count))]


def test_no_text_is_wanted() -> None:
    assert _texts(Constant(FIVE), SampleConfig(max_new_tokens=5), 0) == []


def test_temperatures_are_taken_in_turn() -> None:
    text = "".join(
        stream(request_for(Constant(FIVE), "", SampleConfig(temperature=(0.0, 3.0, 0.0), seed=1)))
    )
    assert set(text[::3]) == set(text[2::3]) == {"b"}
    assert set(text[1::3]) == set("abcde")


def test_random_numbers_drawn_ahead_are_those_of_draw_after_draw() -> None:
    config = SampleConfig(temperature=(0.5, 0.0, 2.0))
    draws = Draws(CharTokenizer("ab"), config, np.zeros(1, np.int32), [3, 4])
    singly = [Random(3), Random(4)]  # noqa: S311
    for count in (2, 0, 5, 1):
        before = draws.count
        uniforms, inverse_temperatures = draws.ahead(count)
        expected = np.array([[one.random() for one in singly] for _ in range(count)])
        turn = np.arange(before, before + count) % 3
        np.testing.assert_array_equal(uniforms, expected.reshape(count, 2) * (turn != 1)[:, None])
        warm = inverse_temperatures[turn != 1]
        np.testing.assert_allclose(warm, np.array([2.0, 0, 0.5])[turn[turn != 1]])
        assert (inverse_temperatures[turn == 1] > 1e20).all()


def test_a_repetition_penalty_looks_at_its_window() -> None:
    """With a penalty this high, nothing comes back before the window has passed."""
    config = SampleConfig(temperature=1.0, repetition_penalty=1e9, repetition_window=3, seed=2)
    text = "abc" + "".join(stream(request_for(Constant(FIVE), "abc", config)))
    assert all(len(set(text[k : k + 4])) == 4 for k in range(len(text) - 3))


@pytest.mark.parametrize("write", [generate_batch, beam_search])
def test_whoever_is_stopped_reads_no_long_prompt_to_its_end(write: Any) -> None:
    how: tuple[Any, ...] = {generate_batch: (range(3),), beam_search: (3, 1.0)}[write]
    prompt = "abcd" * 2000
    model = Echo(CharTokenizer("abcd"))
    request = request_for(model, prompt, SampleConfig(max_new_tokens=9))
    asked = itertools.count()
    found = write(request, *how, stop=lambda: next(asked) > 2)
    assert 0 < model.tokens_read < len(prompt) / 2
    assert {text.tokens for text in found} == {0}
    model.tokens_read = 0
    found = write(request, *how)
    assert model.tokens_read == len(prompt)
    assert found[0].text == "abcdabcda"


@pytest.mark.parametrize("name", ["allow", "ban"])
def test_lists_of_characters_must_leave_something(name: str) -> None:
    characters = {"allow": "xyz", "ban": "abcde"}[name]
    with pytest.raises(CharRNNError, match="leave no character"):
        list(stream(request_for(Constant(FIVE), "", SampleConfig(**{name: characters}))))  # type: ignore[arg-type]
    with pytest.raises(CharRNNError, match="'é' is 2 bytes"):
        list(stream(request_for(Echo(ByteTokenizer()), "", SampleConfig(**{name: "é"}))))  # type: ignore[arg-type]


def test_length_counts_new_tokens_and_no_step_is_wasted() -> None:
    model = Echo(CharTokenizer("abcde"))
    text = "".join(stream(request_for(model, "ab", SampleConfig(max_new_tokens=7))))
    assert text == "cdeabcd"
    assert model.steps == 6
    assert list(stream(request_for(model, "ab", SampleConfig(max_new_tokens=0)))) == []


def test_without_a_prompt_text_starts_as_lines_do() -> None:
    config = SampleConfig(max_new_tokens=3)
    assert "".join(stream(request_for(Echo(CharTokenizer("\nABC")), "", config))) == "ABC"
    assert "".join(stream(request_for(Echo(CharTokenizer(" ABC")), "", config))) == "ABC"
    assert "".join(stream(request_for(Echo(CharTokenizer("ABC")), "", config))) == "BCA"
    assert "".join(stream(request_for(Echo(ByteTokenizer()), "", config))) == "\v\f\r"


def test_unknown_characters_of_the_prompt_are_the_callers_choice() -> None:
    model, config = Echo(CharTokenizer("abc")), SampleConfig(max_new_tokens=1)
    with pytest.raises(CharRNNError, match=r"'é' \(U\+00E9\)"):
        stream(request_for(model, "aé", config))
    assert "".join(stream(request_for(model, "bé", config, "skip"))) == "c"


def test_a_byte_model_streams_whole_characters() -> None:
    pieces = list(
        stream(request_for(Echo(ByteTokenizer()), "\x7f", SampleConfig(max_new_tokens=200)))
    )
    assert "".join(pieces).encode("utf-8", "replace")
    whole = bytes(range(128, 256)) + bytes(range(72))
    assert "".join(pieces) == whole.decode("utf-8", "replace")


def test_the_text_ends_before_the_first_stop_string() -> None:
    model = Echo(CharTokenizer("abcdefgh"))
    config = SampleConfig(max_new_tokens=50, stop_strings=("gh", "e"))
    assert "".join(stream(request_for(model, "a", config))) == "bcd"


@given(
    st.text("ab\n", max_size=30),
    st.lists(st.text("ab\n", min_size=1, max_size=4), max_size=3),
    st.none() | st.integers(1, 4),
    st.booleans(),
)
def test_where_a_text_ends(text: str, stops: list[str], lines: int | None, include: bool) -> None:
    """The twin knows the text up to each character; nothing shown may be taken back later."""
    config = SampleConfig(stop_strings=tuple(stops), max_lines=lines, include_stop=include)
    ending, shown = Ending(config), ""
    for length in range(1, len(text) + 1):
        shown += ending.feed(text[length - 1])
        ends = [(text.find(stop, 0, length), stop) for stop in stops if stop in text[:length]]
        if lines and text[:length].count("\n") >= lines:
            ends.append((length - 1, "\n"))
        assert ending.ended == bool(ends)
        if ends:
            at, stop = min(ends)
            assert shown == text[: at + len(stop) * include]
            assert ending.feed("more") == ending.rest() == ""
            return
        assert text[:length].startswith(shown)
    assert shown + ending.rest() == text


def test_endings_do_not_depend_on_how_the_text_arrives() -> None:
    config = SampleConfig(stop_strings=("END", "\n\n"))
    for size in range(1, 12):
        ending, text = Ending(config), "once upon a time END of it"
        shown = "".join(ending.feed(text[k : k + size]) for k in range(0, len(text), size))
        assert shown == "once upon a time "


class CountedStop(str):
    """A stop string that counts how often a beginning of it is looked for."""

    __slots__ = ()
    looks = 0

    def __getitem__(self, key: SupportsIndex | slice) -> str:
        CountedStop.looks += 1
        return super().__getitem__(key)


def test_a_long_wait_for_one_stop_makes_others_no_slower_to_look_for() -> None:
    """Each was looked for with every length that what is held back has, at every character."""
    stops = (CountedStop("a" * 900 + "b"), CountedStop("c" * 900), CountedStop("ab" * 450))
    ending = Ending(SampleConfig(stop_strings=stops))
    text = "a" * 850 + "x" + "ab" * 200 + "a" * 500
    shown = "".join(ending.feed(character) for character in text)
    assert shown + ending.rest() == text
    assert 0 < CountedStop.looks <= 2 * len(stops) * len(text)


@pytest.mark.parametrize("settings", [{}, {"top_p": 0.9, "top_k": 8, "min_p": 0.01}])
def test_a_sample_of_a_batch_is_the_one_its_seed_draws_alone(
    cell: str, settings: dict[str, Any]
) -> None:
    model = Model(small_config(cell), CharTokenizer("\nabcdefghij"), _weights(cell))
    options: dict[str, Any] = {"max_new_tokens": 30, "stop_strings": tuple("bdfhj")} | settings
    batch = model.generate_batch(9, "ab", seed=7, **options)
    assert len({sample.tokens for sample in batch}) > 2, "some end before others"
    for number, sample in enumerate(batch):
        assert sample.seed == 7 + number
        assert sample.text == model.generate("ab", seed=7 + number, **options)


def test_draws_on_the_edge_are_made_again_alone() -> None:
    """A model whose rounding differs in a batch, and a random number that lies in between."""

    class Rounding(Constant):
        def after(self, ids: Ids) -> np.ndarray:
            logits = super().after(ids)
            logits[:, 0] += 1e-6 * (len(ids) > 1)
            return logits

    for seed in range(20):
        edge = Random(seed).random()  # noqa: S311
        model = Rounding([edge - 1e-8, 1 - edge + 1e-8])
        config = SampleConfig(temperature=1.0, max_new_tokens=5, seed=seed)
        alone = "".join(stream(request_for(model, "", config)))
        batch = generate_batch(request_for(model, "", config), [seed, seed + 1, seed + 2])
        assert batch[0].text == alone


def test_the_mean_log_probability_is_the_models_own(cell: str) -> None:
    model = Model(small_config(cell), CharTokenizer("\nabcdefghij"), _weights(cell))
    for sample in model.generate_batch(3, "ab", seed=1, max_new_tokens=30, temperature=0.5):
        scores = model.log_probs("ab" + sample.text)
        assert sample.mean_log_prob == pytest.approx(scores[1:].mean(), abs=1e-5)
        assert sample.tokens == 30


def test_texts_that_are_wanted_whole_need_an_end() -> None:
    model = Model(small_config("rnn"), CharTokenizer("\nabcdefghij"), _weights("rnn"))
    with pytest.raises(CharRNNError, match="no end"):
        model.generate(max_new_tokens=None)
    assert len(model.generate(max_new_tokens=None, max_lines=2, seed=1).split("\n")) == 2
    endless = model.stream(max_new_tokens=None, seed=1)
    assert len("".join(itertools.islice(endless, 700))) == 700


def test_a_prompt_that_is_read_in_pieces_has_the_same_logits_to_the_bit(cell: CellName) -> None:
    model = Model(small_config(cell), CharTokenizer("\nabcdefghij"), _weights(cell))
    length = 4 * TIME_CHUNK + 76
    ids = np.random.default_rng(0).integers(0, 11, length).astype(np.int32)
    found, expected = read_prompt(model, ids), model.read(ids[None], model.start())
    np.testing.assert_array_equal(found[0], expected[0])
    for one, other in zip(found[1], expected[1], strict=True):
        np.testing.assert_array_equal(one, other)


def test_equal_seeds_draw_equal_texts() -> None:
    network_weights = _weights()
    model = Model(small_config("gru"), CharTokenizer("\nabcdefghij"), network_weights)
    one = model.generate("ab", max_new_tokens=60, seed=3)
    assert one == model.generate("ab", max_new_tokens=60, seed=3)
    assert one == "".join(model.stream("ab", max_new_tokens=60, seed=3))
    assert one != model.generate("ab", max_new_tokens=60, seed=4)
    assert model.generate(seed=None) != model.generate(seed=None)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("temperature", -1.0),
        ("temperature", float("nan")),
        ("top_p", 0.0),
        ("top_p", 1.5),
        ("top_k", 0),
        ("max_new_tokens", -1),
        ("seed", -1),
        ("min_p", 1.5),
        ("typical_p", 0.0),
        ("temperature", ()),
        ("temperature", (1.0, -1.0)),
        ("repetition_penalty", 0.0),
        ("max_lines", 0),
        ("stop_strings", ("",)),
        ("temprature", 1.0),
    ],
)
def test_impossible_settings_are_named(setting: str, value: Any) -> None:
    model = Model(small_config("rnn"), CharTokenizer("\nabcdefghij"), _weights("rnn"))
    with pytest.raises(CharRNNError, match=setting) as error:
        model.generate(**{setting: value})
    assert error.value.exit_code == 2


def _weights(cell: str = "gru") -> dict[str, np.ndarray]:
    from charrnn import CharRNN

    return CharRNN(small_config(cell)).weights()


def test_a_text_that_is_drawn_again_when_all_are_to_stop_stays_as_it_was() -> None:
    asked = itertools.count()
    config = SampleConfig(max_new_tokens=20, temperature=0.0)
    tied = Constant([0.1, 0.4, 0.4, 0.1])  # every draw is a tie
    found = generate_batch(request_for(tied, "a", config), range(3), stop=lambda: next(asked) > 30)
    assert [sample.tokens for sample in found] == [20] * 3
    assert next(asked) > 30, "it was asked while the first was drawn again"


def test_a_list_of_temperatures_is_taken_as_a_tuple() -> None:
    assert SampleConfig(temperature=[0.5, 1.0]) == SampleConfig(temperature=(0.5, 1.0))  # type: ignore[arg-type]


@pytest.mark.parametrize("hidden_size", [8, 512])  # machine code writes long texts of the second
@pytest.mark.parametrize("settings", [{}, {"temperature": 0}, {"top_k": 3}], ids=str)
@pytest.mark.filterwarnings("ignore:.* encountered in:RuntimeWarning")
def test_a_model_that_has_diverged_is_refused(hidden_size: int, settings: dict[str, Any]) -> None:
    config = small_config("gru", hidden_size=hidden_size, num_layers=1)
    weights = {name: np.sign(w) * np.float32(3e38) for name, w in CharRNN(config).weights().items()}
    model = Model(config, CharTokenizer("\nabcdefghij"), weights)
    settings = {"max_new_tokens": 1000, **settings}
    with pytest.raises(CharRNNError, match="predicts NaN or infinity; its training has diverged"):
        model.generate(**settings)
    with pytest.raises(CharRNNError, match="predicts NaN or infinity"):
        model.generate_batch(3, **settings)
    with pytest.raises(CharRNNError, match="predicts NaN or infinity"):
        model.beam_search(2, **settings)
