"""The choice of sizes: every corpus gets settings that fit it, or is told what is missing."""

from __future__ import annotations

import itertools
import math
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.config import Budget, CellName
from charrnn.errors import BadDataError, CharRNNError, UsageError
from charrnn.objectives.plans.language import plan_of
from charrnn.objectives.plans.plan import SCORING_COST, Plan, schedule
from charrnn.objectives.plans.shares import MAX_VAL
from charrnn.text.records import Records


def plan(
    tokens: int, vocab_size: int, budget: Budget, given: dict[str, Any], speed: float = 90e9
) -> Plan:
    """What is chosen on two cores of a laptop."""
    return plan_of(tokens, vocab_size, budget, given, speed)


@given(st.integers(0, 10_000_000), st.floats(0.01, 600), st.integers(2, 5000))
def test_every_corpus_gets_a_plan_that_fits_or_an_error_that_says_what_is_needed(
    tokens: int, minutes: float, vocab_size: int
) -> None:
    try:
        made = plan(tokens, vocab_size, Budget(minutes=minutes), {})
    except BadDataError as error:
        needed = int(re.findall(r"need (\d+)", str(error))[0])
        assert tokens < needed
        assert plan(needed, vocab_size, Budget(minutes=minutes), {}).steps_per_epoch >= 1
        return
    assert made.val_tokens >= 8
    assert made.val_tokens <= MAX_VAL
    assert made.steps_per_epoch >= 1
    config = schedule(made, 1000)
    assert config.batch_size * config.seq_length <= tokens - made.val_tokens
    assert 1 <= config.eval_every <= config.steps
    assert config.warmup_steps < config.steps


@pytest.mark.parametrize("val_frac", [0.0005, 0.999])
def test_a_text_that_is_long_enough_for_the_usual_share_gets_that_advice(val_frac: float) -> None:
    """They were asked for a longer text, many times as long."""
    given, budget = {"val_frac": val_frac}, Budget(steps=1)
    with pytest.raises(UsageError, match=r"needs 16001 .* there are 5677; .* usual 0\.1") as caught:
        plan(5677, 60, budget, given)
    assert caught.value.setting == "val_frac"
    with pytest.raises(BadDataError, match="need 16001; give a longer text"):
        plan(50, 60, budget, given)
    assert plan(16001, 60, budget, given).steps_per_epoch >= 1


@given(st.integers(1, 10_000))
def test_any_number_of_steps_has_a_schedule(steps: int) -> None:
    config = schedule(plan(50_000, 60, Budget(steps=steps), {}), steps)
    assert config.steps == steps
    assert 0 <= config.warmup_steps < steps
    assert config.eval_every <= max(math.ceil(steps / 2), 1)


@given(st.integers(1, 10_000), st.integers(1, 10_000))
def test_a_run_ends_early_after_a_quarter_of_its_evaluations(steps: int, every: int) -> None:
    config = schedule(plan(50_000, 60, Budget(steps=steps), {"eval_every": every}), steps)
    assert config.eval_every == every
    assert config.patience == max(3, round(math.ceil(steps / every) / 4))


@given(st.integers(100, 100_000), st.integers(20_000, 3_000_000))
def test_evaluations_take_three_hundredths_of_a_run(steps: int, tokens: int) -> None:
    """But for two, which every run has: at its half and at its end."""
    made = plan(tokens, 60, Budget(minutes=3), {})
    config = schedule(made, steps)
    evaluations = math.ceil(steps / config.eval_every)
    scored = evaluations * made.val_tokens * SCORING_COST
    learnt = steps * config.batch_size * config.seq_length
    assert evaluations == 2 or scored <= 0.03 * learnt
    assert evaluations <= 40


def test_regularisation_grows_as_the_text_shrinks() -> None:
    sizes = (4_000, 20_000, 60_000, 200_000, 1_000_000, 5_000_000, 50_000_000)
    plans = [plan(size, 60, Budget(minutes=3), {}, speed=3e11).model for size in sizes]
    for shorter, longer in itertools.pairwise(plans):
        assert shorter.dropout >= longer.dropout
        assert shorter.weight_dropout >= longer.weight_dropout
        assert shorter.hidden_size <= longer.hidden_size
    assert plans[0].dropout > 0.3
    assert plans[0].weight_dropout > 0
    assert plans[-1].dropout == 0


def test_a_short_text_is_read_often_in_small_updates_with_much_dropout() -> None:
    shares = {"lstm": (0.6, 0.5), "gru": (0.5, 0.3), "rnn": (0.25, 0.25)}
    for cell, (units, weights) in shares.items():
        made = plan(30_000, 60, Budget(minutes=3), {"cell": cell})
        assert "4 lanes of 64 steps" in made.reasons
        model = made.model
        assert (model.hidden_size, model.dropout, model.weight_dropout) == (192, units, weights)
    lanes = (
        plan(size, 60, Budget(), {}).settings["batch_size"] for size in (50_000, 60_000, 230_000)
    )
    assert [*lanes] == [4, 16, 32]
    assert plan(5_000, 60, Budget(minutes=3), {}).model.hidden_size == 128


def test_smaller_updates_read_less_in_the_same_time() -> None:
    """So a network of 256 units takes more minutes to be worth it."""

    def minutes(lanes: int) -> int:
        for some in range(1, 60):
            made = plan(1_000_000, 60, Budget(minutes=some), {"batch_size": lanes})
            if made.model.hidden_size >= 256:
                return some
        raise AssertionError("256 units take an hour")

    needed = [minutes(lanes) for lanes in (32, 16, 8, 4)]
    assert needed == sorted(set(needed))
    assert 0.3 < needed[0] / needed[-1] < 0.5  # as was measured


def test_a_text_that_is_read_many_times_gets_a_larger_network_and_more_dropout() -> None:
    """As on a GPU; on two cores it takes hours."""
    slow, fast = (plan(1_000_000, 60, Budget(minutes=3), {}, speed=s).model for s in (3e12, 2e13))
    assert (slow.hidden_size, fast.hidden_size) == (512, 768)
    assert (fast.dropout, fast.weight_dropout) == (0.5, 0.5)
    assert slow.dropout < 0.5
    given = plan(1_000_000, 60, Budget(minutes=3), {"hidden_size": 768}, speed=2e13).model
    assert given == fast
    assert plan(1_000_000, 60, Budget(minutes=60), {}).model.hidden_size == 512
    longer = plan(2_900_000, 90, Budget(minutes=10), {}, speed=6e13).model
    assert (longer.hidden_size, longer.dropout, longer.weight_dropout) == (1024, 0.5, 0.5)
    sooner = plan(2_900_000, 90, Budget(minutes=5), {}, speed=3e13).model
    assert (sooner.hidden_size, sooner.dropout, sooner.weight_dropout) == (768, 0.4, 0.3)
    plain = plan(680_000, 60, Budget(minutes=3), {"cell": "rnn"}, speed=2e13).model
    assert (plain.hidden_size, plain.dropout, plain.weight_dropout) == (768, 0.25, 0.25)


def test_muon_changes_hidden_matrices_while_a_network_is_small_for_its_text() -> None:
    """By passes times parameters for each character."""

    def chosen(passes: float, cell: CellName = "lstm", size: int = 256) -> dict[str, Any]:
        given = {"cell": cell, "hidden_size": size}
        made = plan(300_000, 60, Budget(epochs=passes), given)
        assert (" with Muon" in made.reasons) == (made.settings["optimizer"] == "muon")
        return made.settings

    # 876,000 parameters, 270,000 characters: a load of 200 after 61.6 passes, which are too many.
    few, some, many = chosen(1), chosen(50), chosen(60, size=320)
    assert [found["optimizer"] for found in (few, some, many)] == ["muon", "muon", "adamw"]
    assert [found["weight_decay"] for found in (few, some, many)] == [0.15, 0.15, 0.05]
    assert [found["learning_rate"] for found in (few, some, many)] == [0.024, 0.024, 0.008]
    assert chosen(1, "rnn")["optimizer"] == chosen(1, "gru")["optimizer"] == "muon"
    assert chosen(1, size=250)["optimizer"] == "adamw"
    tuned = plan_of(1_000_000, 60, Budget(epochs=1), {}, 9e10, fine_tuning=True)
    assert tuned.settings["optimizer"] == "adamw"


def test_weights_decay_less_in_a_long_run() -> None:
    """So that what was read at its beginning is not forgotten: over a run it is the same."""

    def decay(tokens: int, budget: Budget, **given: Any) -> float:
        made = plan(tokens, 60, budget, {"hidden_size": 128, **given})
        found: float = made.settings["weight_decay"]
        assert f", weight decay {found:g}, dropout " in made.reasons
        return found

    epoch = 2_700_000 / 2048  # updates
    once, often, longest = (decay(3_000_000, Budget(epochs=n)) for n in (1, 5, 50))
    assert (once, longest) == (0.15, 0.05)
    assert often == pytest.approx(15 / (0.027 * 5 * epoch), rel=0.05)
    assert decay(3_000_000, Budget(epochs=5), learning_rate=0.0027) == 0.15
    larger_load = decay(1_000_000, Budget(epochs=20))
    assert larger_load == pytest.approx(25 / (0.027 * 20 * 900_000 / 2048), rel=0.05)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_with_muon_less_is_dropped(cell: CellName) -> None:
    """Which a network of 200 units can't take; it is larger than that of 192 by a twelfth."""
    models = [
        plan(300_000, 60, Budget(epochs=16), {"cell": cell, "hidden_size": size}).model
        for size in (192, 200)
    ]
    assert [(model.dropout, model.weight_dropout) for model in models] == [(0.2, 0.1), (0.3, 0.2)]


GIVEN: list[dict[str, Any]] = [
    {"cell": "gru"},
    {"hidden_size": 77},
    {"num_layers": 1},
    {"embed_size": 5},
    {"dropout": 0.0},
    {"skip": False},
    {"batch_size": 7, "seq_length": 33},
    {"learning_rate": 0.123},
    {"weight_decay": 0.5},
    {"grad_clip": 3.0},
    {"seed": 9},
    {"device": "cpu"},
    {"precision": "fp32"},
    {"eval_every": 13},
    {"patience": 17},
    {"warmup_steps": 3},
]


@pytest.mark.parametrize("given_settings", GIVEN, ids=lambda g: next(iter(g)))
def test_what_the_user_gives_is_what_is_used(given_settings: dict[str, Any]) -> None:
    made = plan(100_000, 60, Budget(), given_settings)
    config = schedule(made, 1000)
    for name, value in given_settings.items():
        chosen = getattr(made.model if hasattr(made.model, name) else config, name)
        assert chosen == value


def test_the_validation_part_is_the_users_or_a_tenth_at_most_so_large() -> None:
    assert plan(10_000, 60, Budget(), {}).val_tokens == 1000
    assert plan(10_000, 60, Budget(), {"val_frac": 0.3}).val_tokens == 3000
    assert plan(100 * MAX_VAL, 60, Budget(), {}).val_tokens == MAX_VAL
    assert plan(100 * MAX_VAL, 60, Budget(), {"val_frac": 0.1}).val_tokens == 10 * MAX_VAL


def test_a_short_text_gets_smaller_batches_and_the_user_is_told() -> None:
    made = plan(2000, 30, Budget(), {})
    assert made.settings["batch_size"] * made.settings["seq_length"] * 4 <= 2000 - made.val_tokens
    assert "the text is short" in made.notes[0]
    assert plan(1_000_000, 30, Budget(), {}).notes == ()
    kept = plan(2000, 30, Budget(), {"batch_size": 16})
    assert kept.settings["batch_size"] == 16
    assert kept.settings["seq_length"] < 64


def test_a_batch_that_is_larger_than_the_text_is_refused() -> None:
    with pytest.raises(UsageError, match="need 160000 characters"):
        plan(100_000, 60, Budget(), {"batch_size": 400, "seq_length": 400})


def test_one_budget_is_enough() -> None:
    assert Budget().minutes == 3
    with pytest.raises(UsageError, match="minutes and epochs"):
        Budget(minutes=1, epochs=2)
    with pytest.raises(UsageError, match="epochs and steps"):
        Budget(epochs=1, steps=2)
    for value in (0, -1, float("nan"), float("inf")):
        with pytest.raises(UsageError, match="minutes is"):
            Budget(minutes=value)


@pytest.mark.parametrize("minutes", [None, 0.5, 60])
def test_steps_do_not_change_what_is_chosen_for_the_minutes(minutes: float | None) -> None:
    """Else the steps that a run of some minutes took would not repeat it."""
    timed = plan(1_000_000, 60, Budget(minutes=minutes), {})
    counted = plan(1_000_000, 60, Budget(minutes=minutes, steps=4889), {})
    assert counted == timed


def test_a_single_lane_is_told_in_plain_words() -> None:
    made = plan(100, 30, Budget(steps=1), {"seq_length": 16})
    assert "1 lane of 16 steps" in made.reasons
    assert "in 1 lane of 16 steps instead of 4 of 16" in made.notes[0]


def test_the_plan_says_what_and_why_in_one_line() -> None:
    reasons = plan(1_000_000, 60, Budget(), {"cell": "gru"}).reasons
    assert "\n" not in reasons
    for part in ("gru", "900,000 training characters", "32 lanes of 64 steps"):
        assert part in reasons


def test_the_plan_of_a_list_says_how_many_of_its_records_are_trained_on() -> None:
    """Beside the characters for training stood the number of all records."""
    ids = np.array([0] + [k for one in range(1, 61) for k in (one, one, 0)])
    made = plan_of(Records.of(ids, 0), 61, Budget(), {"val_frac": 0.2}, 1e9)
    assert "144 training characters of 48 records" in made.reasons


def test_the_plan_of_a_model_in_bytes_calls_them_bytes() -> None:
    made = plan_of(1_000_000, 256, Budget(), {}, 1e9, unit="byte")
    assert "900,000 training bytes" in made.reasons
    for tokens, settings in ((9, {}), (1000, {"batch_size": 32, "seq_length": 64})):
        with pytest.raises(CharRNNError, match=r"\d bytes[;,]") as error:
            plan_of(tokens, 256, Budget(), settings, 1e9, unit="byte")
        assert "character" not in str(error.value)
