"""Units that are known are explained rightly, and chance is not taken for a finding."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import charrnn
from charrnn import CharRNNError, Mixture, Model
from charrnn.arrays import Floats, Ids
from charrnn.inside import units
from charrnn.inside.roles.ablation import LEAST, LENGTH, WARM_UP, Ablation
from charrnn.inside.roles.features import FEATURES, Feature
from charrnn.inside.roles.findings import CLOSEST, Unit
from charrnn.inside.roles.following import by_chance, follow, likely_higher
from charrnn.text.tokenizer import ByteTokenizer, CharTokenizer
from tests.conftest import VERSE, H, L, changed, random_model
from tests.inside.roles.planted import (
    COUNTER,
    LINE_END,
    QUOTES,
    QUOTES_ABOVE,
    planted_model,
    planted_text,
)

PLANTED = {
    LINE_END: "newline",
    QUOTES: "inside quotes",
    QUOTES_ABOVE: "inside quotes",
    COUNTER: "characters since newline",
}


def by_place(found: list[Unit]) -> dict[tuple[int, int], Unit]:
    return {(unit.layer, unit.unit): unit for unit in found}


def a_model(text: str, cell: str = "gru", **changes: object) -> Model:
    """A network of random weights that knows the characters of a text."""
    return random_model(cell, CharTokenizer.from_text(text), **changes)


def test_planted_units_are_explained() -> None:
    found = by_place(units(planted_model(), planted_text(6000, seed=1)))
    assert len(found) == 10
    for place, feature in PLANTED.items():
        unit = found[place]
        assert unit.feature == feature
        assert unit.score > 0.99 > 0.5 > unit.shuffled
        assert (unit.auc is None) == (place == COUNTER)
        assert unit.auc is None or unit.auc > 0.999
        # Held at its mean, each says something false to what reads it.
        assert unit.bits > 0.05
    for place in found.keys() - PLANTED.keys():
        assert found[place].bits == pytest.approx(0, abs=1e-6), "nothing reads this unit"


def test_the_strongest_passages_are_those_where_the_unit_is_on() -> None:
    text = planted_text(6000, seed=1)
    found = by_place(units(planted_model(), text))
    quotes, counter = found[QUOTES].passages, found[COUNTER].passages
    assert len(quotes) == len(counter) == 5
    inside, since = FEATURES["inside quotes"](text), FEATURES["characters since newline"](text)
    assert all(inside[passage.at] for passage in quotes)
    longest = sorted(since[len(text) // 2 :])[-50]
    assert all(since[passage.at] >= longest for passage in counter)
    for passage in (*quotes, *counter):
        assert text[: passage.at + 1].endswith(passage.before)
        assert text[passage.at + 1 :].startswith(passage.after)
        assert passage.value > 0
    values = [passage.value for passage in counter]
    assert values == sorted(values, reverse=True)


def test_without_quotes_no_unit_is_called_a_quote_unit() -> None:
    found = by_place(units(planted_model(), planted_text(6000, seed=2, quotes=False)))
    assert "inside quotes" not in {unit.feature for unit in found.values()}
    assert found[QUOTES].feature is None
    assert found[COUNTER].feature == PLANTED[COUNTER]


@pytest.mark.parametrize("seed", range(4))
def test_no_unit_follows_anything_in_a_text_that_repeats_itself(seed: int, cell: str) -> None:
    """Shifted by a whole number of lines it is the same; rounding made that a finding."""
    torch.manual_seed(seed)
    text = "the clerk has lost the book of tides,\n" * 20
    found = units(a_model(text, cell), text)
    assert {unit.feature for unit in found} == {None}


def test_a_score_is_the_correlation_on_the_second_half(cell: str) -> None:
    text = planted_text(1500, seed=3)
    model = a_model(text, cell)
    _, cache = model.run_with_cache(text)
    for unit in units(model, text)[:3]:
        values = FEATURES[unit.feature or ""](text)[750:]
        h = cache[f"layers.{unit.layer}.hook_h"][750:, unit.unit]
        # The second half is read with 512 characters before it, which a state hardly outlives.
        assert unit.score == pytest.approx(np.corrcoef(h, values)[0, 1], abs=1e-3)


def test_ablation_is_a_hook_that_holds_the_unit(cell: str) -> None:
    text = planted_text(1025, seed=4)
    model = a_model(text, cell, hidden_size=12)
    ids = model.tokenizer.encode(text)[512:]  # the second half, in which one passage fits
    ids = ids[: WARM_UP + LENGTH + 1]
    every = units(model, text)
    assert len(every) > CLOSEST + 1
    found = [*every[:2], *every[CLOSEST - 1 : CLOSEST + 1], every[-1]]
    _, cache = model.run_with_cache(text)
    for unit in found:
        place = f"layers.{unit.layer}.hook_h"
        mean = float(cache[place][512:, unit.unit].mean())

        def hold(
            value: np.ndarray, *, hook: object, unit: Unit = unit, mean: float = mean
        ) -> object:
            if hook.position >= WARM_UP:  # type: ignore[attr-defined]
                value[unit.unit] = mean
            return value

        costs = []
        for hooks in ([], [(place, hold)]):
            logits = model.run_with_hooks(ids[:-1], fwd_hooks=hooks)[WARM_UP:]
            log_probs = charrnn.arrays.target_log_probs(logits, ids[WARM_UP + 1 :])
            costs.append(-log_probs.mean() / math.log(2))
        assert unit.bits == pytest.approx(costs[1] - costs[0], abs=2e-5)


def lost_without(
    model: Model, ids: Ids, starts: list[int], layer: int, unit: int, mean: float
) -> float:
    """Bits per token that are lost while a unit is held, in passages that begin there."""
    whole = WARM_UP + LENGTH + 1
    windows = ids[np.array(starts)[:, None] + np.arange(whole)]
    _, state = model(windows[:, :WARM_UP])

    def hold(name: str, _t: int, h: Floats) -> Floats:
        here = np.arange(h.shape[1]) == unit
        return np.where(here, np.float32(mean), h) if name == f"layers.{layer}.hook_h" else h

    before, after = (
        -charrnn.arrays.target_log_probs(logits, windows[:, WARM_UP + 1 :]).sum()
        for logits, _ in (model(windows[:, WARM_UP:-1], state, watch) for watch in (None, hold))
    )
    return float(after - before) / (LENGTH * len(starts)) / math.log(2)


def test_units_side_by_side_lose_what_each_loses_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    text = planted_text(3000, seed=4)
    model = a_model(text, "lstm")
    ids = model.tokenizer.encode(text)
    ablation, means = Ablation(model, ids), np.linspace(-0.5, 0.5, L * H)
    work: list[int] = []
    together, _ = ablation.bits_lost(range(L * H), means, 2 * LENGTH, work.append)
    assert work == [H] * L
    monkeypatch.setattr("charrnn.inside.roles.ablation.ROWS", 1)
    alone, _ = ablation.bits_lost(range(L * H), means, 2 * LENGTH, work.append)
    assert len(work) == L + L * H
    assert together == pytest.approx(alone, abs=1e-6)
    assert len(set(alone.values())) == L * H
    first_and_last = [0, len(ids) - WARM_UP - LENGTH - 1]
    lost = lost_without(model, ids, first_and_last, 1, 3, means[H + 3])
    assert together[H + 3] == pytest.approx(lost, abs=1e-5)


def test_every_unit_of_a_large_network_is_taken_away_on_less_of_the_text(
    cell: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("charrnn.inside.roles.ablation.WORK", 1)
    text = planted_text(4000, seed=4)
    model = a_model(text, cell, skip=True, embed_size=H, num_layers=3)
    found = units(model, text)
    assert [unit.tried_on for unit in found] == [LEAST] * (3 * H)
    _, cache = model.run_with_cache(text)
    ids = model.tokenizer.encode(text)[2000:]
    last = 2000 - WARM_UP - LENGTH - 1
    every = [last * k // 5 for k in range(6)]  # as many passages as there is room for
    for unit in found:
        mean = cache[f"layers.{unit.layer}.hook_h"][2000:, unit.unit].mean()
        starts = [every[k] for k in (0, 1, 3, 5)]
        lost = lost_without(model, ids, starts, unit.layer, unit.unit, mean)
        assert unit.bits == pytest.approx(lost, abs=2e-5)


@pytest.mark.parametrize(
    ("tokens", "work", "expected"),
    [
        (512, 1e9, 8),
        (8192, 1e9, 9),  # the text has no more
        (100, 1e9, 1),
        (512, 300 * 7 * L * 4 * H * H, 4),
        (512, 600 * 7 * L * 4 * H * H, 8),
        (512, 0, LEAST // LENGTH),
        (128, 0, 2),
    ],
)
def test_how_much_of_the_text_is_used_depends_on_the_work(
    tokens: int, work: float, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("charrnn.inside.roles.ablation.WORK", work)
    text = planted_text(3000, seed=4)
    model = a_model(text, "lstm")
    ablation = Ablation(model, model.tokenizer.encode(text))
    _, tried_on = ablation.bits_lost(range(7), np.zeros(L * H), tokens, lambda _units: None)
    assert tried_on == expected * LENGTH


def slow_coin(text: str) -> NDArray[np.bool_]:
    """On or off for about 60 characters in turn, whatever the text says."""
    turns = np.random.default_rng(5).random(len(text)) < 1 / 60
    on: NDArray[np.bool_] = np.cumsum(turns) % 2 == 1
    return on


def test_slow_units_do_not_follow_a_slow_feature_by_chance(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    coin: dict[str, Feature] = {"coin": slow_coin}
    monkeypatch.setattr("charrnn.inside.roles.findings.FEATURES", coin)
    text = planted_text(4000, seed=6)
    found = units(planted_model(), text)
    assert {unit.feature for unit in found} == {None}
    # As if characters were independent, four standard errors would be a finding.
    assert max(abs(unit.score) for unit in found) > 0.5 * 4 / math.sqrt(2000)
    assert max(unit.shuffled for unit in found) > 4 / math.sqrt(2000)


def test_bytes_have_the_features_of_their_characters() -> None:
    text = VERSE.replace("e", "é") * 8
    found = units(random_model("lstm", ByteTokenizer()), text)
    assert len(found) == L * H
    for unit in found:
        assert len(unit.passages) > 0
        for passage in unit.passages:
            assert text[: passage.at + 1].endswith(passage.before)


@pytest.mark.parametrize("seed", range(3))
def test_auc_is_the_share_of_pairs_in_order(seed: int) -> None:
    random = np.random.default_rng(seed)
    values, on = random.integers(0, 6, 40).astype(np.float32), random.random(40) < 0.3
    pairs = [(a > b) + 0.5 * (a == b) for a in values[on] for b in values[~on]]
    assert likely_higher(values, on) == pytest.approx(np.mean(pairs))


def test_what_cannot_be_looked_at_is_said() -> None:
    text = planted_text(400, seed=8)
    model = a_model(text)
    with pytest.raises(CharRNNError, match="has 1 of the 200 characters"):
        units(model, "x")
    with pytest.raises(CharRNNError, match="'Ω'"):
        units(model, text + "Ω")
    assert len(units(model, text + "Ω", unknown="skip")) == L * H
    with pytest.raises(CharRNNError, match="those of one model"):
        units(Mixture([model, model]), text)
    model = changed(model, {"head.bias": np.nan})
    assert len(units(model, text)) == L * H, "units can be looked at without the predictions"
    with pytest.raises(CharRNNError, match="are NaN or infinity"):
        units(changed(model, {"rnn.weight_hh_l0": np.nan}), text)


EXAMPLE = "Say “so (it)” 7\n  K: x # n\n"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("inside quotes", "    ........         "),
        ("inside brackets", "        ...               "),
        ("digits", "              ."),
        ("upper case", ".                 ."),
        ("newline", "               .          ."),
        ("comment", "                       ..."),
        ("inside a word", "...  ..  ..       .  .   ."),
    ],
)
def test_features_of_an_example(name: str, expected: str) -> None:
    values = FEATURES[name](EXAMPLE)
    shown = "".join(" ."[int(value)] for value in values)
    assert shown.rstrip() == expected.rstrip(), shown


@pytest.mark.parametrize("name", FEATURES)
@pytest.mark.parametrize("text", ["", "x", "\n", "\n\n", "a\nb", VERSE])
def test_every_feature_has_a_value_for_every_character(name: str, text: str) -> None:
    values = FEATURES[name](text)
    assert values.shape == (len(text),)
    assert np.isfinite(values).all()


def test_graded_features_of_an_example() -> None:
    text = "ab c\n\tdef\n"
    np.testing.assert_array_equal(
        FEATURES["characters since newline"](text), [1, 2, 3, 4, 0, 1, 2, 3, 4, 0]
    )
    np.testing.assert_allclose(
        FEATURES["position in the line"](text), [0.25, 0.5, 0.75, 1, 0, 0.25, 0.5, 0.75, 1, 0]
    )
    np.testing.assert_array_equal(
        FEATURES["position in the word"](text), [1, 2, 0, 1, 0, 0, 1, 2, 3, 0]
    )
    np.testing.assert_array_equal(FEATURES["indentation"](text), [0] * 5 + [4] * 4 + [0])


@pytest.mark.parametrize("word", ["हिन्दी", "ภาษาที่", "שָׁלוֹם", "cafe\u0301"])
def test_marks_are_parts_of_letters(word: str) -> None:
    """A vowel of Hindi or an accent of its own ended the word, and passed for punctuation."""
    text = f"{word}! {word}"
    size = len(word)
    np.testing.assert_array_equal(
        FEATURES["position in the word"](text), [*range(1, size + 1), 0, 0, *range(1, size + 1)]
    )
    np.testing.assert_array_equal(np.flatnonzero(FEATURES["punctuation"](text)), [size])


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("好！」你", "！」"),
        ("嗎？你", "？"),
        ("क्या। हाँ", "। "),
        ("لماذا؟ لا", "؟ "),
        ("ہاں۔ نہ", "۔ "),
        ("So. No", ". "),
    ],
)
def test_sentences_end_in_every_script(text: str, end: str) -> None:
    there = FEATURES["end of a sentence"](text)
    assert "".join(c for c, on in zip(text, there, strict=True) if on) == end


def test_a_speaker_is_named_before_a_colon() -> None:
    text = "JORY: Is it gone?\nNo.\nFirst Citizen:\nWe are.\nelse: x\n"
    named = "".join(c for c, on in zip(text, FEATURES["speaker's name"](text), strict=True) if on)
    assert named == "JORY:First Citizen:"
    after = FEATURES["after a speaker's name"](text)
    assert "".join(c for c, on in zip(text, after, strict=True) if on) == " Is it gone?\nWe are."


def test_no_correlation_is_beyond_one() -> None:
    """Not even that of a unit with itself, which rounding may lead past it."""
    text = planted_text(3000, seed=5)
    model = a_model(text)
    ids = model.tokenizer.encode(text)
    _, cache = model.run_with_cache(ids)
    h = np.concatenate([cache[f"layers.{k}.hook_h"] for k in range(L)], 1)
    found = follow(model, ids, np.concatenate([h, -h], 1))
    assert np.abs(found.correlations).max() == pytest.approx(1)
    assert np.abs(found.correlations).max() <= 1
    # A rhythm of which each shift is itself or its opposite.
    beat = np.tile(np.array([[1], [-1]], np.float32), (len(found.at) // 2, 1))
    same = found._replace(sample=beat, at=np.arange(len(beat)))
    chance = by_chance(same, beat)
    assert chance.max() == pytest.approx(1)
    assert chance.max() <= 1
