"""Advice is what the losses show: nothing is called by a name that was not measured."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from charrnn import Corpus, Evaluation, Finished, resume, train
from charrnn.objectives.plans.advice import for_language, for_task
from tests.conftest import VERSE, evaluation


def metrics(*losses: tuple[float, float], step: int = 1000) -> list[Evaluation]:
    """Evaluations with these training and validation losses."""
    return [
        evaluation(step=step * k, epoch=float(k), train_nats=training, val_nats=validation)
        for k, (training, validation) in enumerate(losses, 1)
    ]


LEVEL = math.log(50)


def advice(found: list[Evaluation], max_epochs: int) -> str:
    return for_language(found, max_epochs, LEVEL, "--minutes")


RUNS = {
    "overfits: validation rose from 1.60 to 1.80": [(1.9, 1.8), (1.6, 1.6), (1.2, 1.8)],
    "both losses rose after update 2,000: a lower --learning-rate": [
        (1.9, 1.8),
        (1.6, 1.6),
        (2.5, 2.4),
    ],
    "still falling": [(3.0, 2.9), (2.5, 2.4), (2.2, 2.1), (2.0, 1.9), (1.8, 1.7)],
    "by chance (3.91 nats, a guess by frequency): the text looks like noise": [
        (LEVEL + 0.02, LEVEL + 0.01),
        (LEVEL, LEVEL + 0.001),
        (LEVEL - 0.2, LEVEL + 0.2),
    ],
    "no longer falls": [(2.0, 1.9), (1.8, 1.7), (1.8, 1.7), (1.8, 1.701), (1.799, 1.7)],
    "0.40 nats above training": [(1.5, 1.7), (1.3, 1.6), (1.1, 1.5)],
}


@pytest.mark.parametrize("cause", RUNS)
def test_advice_is_by_what_both_losses_did(cause: str) -> None:
    found = advice(metrics(*RUNS[cause]), 30)
    assert cause in found
    for other in ("overfits", "noise", "still falling", "--learning-rate"):
        assert (other in found) == (other in cause)


def test_a_wobble_of_validation_is_no_overfitting() -> None:
    """It was called so as soon as the last evaluation was not the best, by however little."""
    assert "overfits" not in advice(metrics((2.0, 1.9), (1.8, 1.7), (1.79, 1.7004)), 30)


def test_a_text_that_was_read_often_enough_needs_no_longer_run() -> None:
    falling = metrics(*[(3 - 0.1 * k, 2.9 - 0.1 * k) for k in range(20)])
    assert "longer will not" in advice(falling, 20)
    assert "still falling" in advice(falling, 60)


def test_a_few_updates_on_a_real_text_are_no_noise() -> None:
    assert "still falling" in advice(metrics((LEVEL, LEVEL - 0.002), step=3), 30)


@pytest.mark.parametrize(
    ("budget", "option"), [({"steps": 9}, "--steps"), ({"epochs": 1.0}, "--epochs")]
)
def test_what_makes_a_run_longer_is_called_as_the_user_called_it(
    budget: dict[str, float], option: str, tmp_path: Path
) -> None:
    corpus, shape = Corpus("verse", VERSE * 4), {"hidden_size": 8, "embed_size": 4}
    events = train(corpus, out=tmp_path / "m", **budget, **shape)  # type: ignore[arg-type]
    *_, finished = events
    assert isinstance(finished, Finished)
    assert f"train longer ({option})" in finished.advice


def test_a_loss_that_stands_still_in_a_short_run_tells_nothing() -> None:
    level = [(2.0, 1.9), (1.8, 1.7), (1.8, 1.7)]
    short = metrics(*level, step=600)
    found = for_language(short, 30, LEVEL, "--steps")
    assert found == (
        "it was too short to tell what would help: train longer (--steps) for a better model"
    )


def test_losses_far_apart_in_a_short_run_ask_for_a_longer_one() -> None:
    far = metrics((2.9, 3.2), (2.5, 2.9), step=100)
    assert "more text or a higher --dropout" in advice([replace(o, epoch=15.0) for o in far], 30)
    assert "still falling" in advice([replace(o, epoch=0.5) for o in far], 30)


def test_a_loss_that_stands_still_at_the_end_of_the_learning_rate_tells_nothing() -> None:
    losses = [(3.0, 2.9), (2.5, 2.4), (2.2, 2.1), (2.2, 2.1), (2.2, 2.1)]
    ended = [
        replace(one, learning_rate=0.1 if number < 2 else 0.0005)
        for number, one in enumerate(metrics(*losses))
    ]
    assert "too short to tell" in advice(ended, 30)
    assert "no longer falls" in advice(metrics(*losses), 30)


def test_answers_that_got_no_better_in_a_short_run_tell_nothing() -> None:
    found = metrics((2.0, 1.8), (1.9, 1.7), (1.8, 1.71))
    assert "stopped improving" in for_task(found, by_loss, "--steps", 1.0, 60)
    short = metrics((2.0, 1.8), (1.9, 1.7), (1.8, 1.71), step=100)
    assert "too short to tell" in for_task(short, by_loss, "--steps", 1.0, 60)


@pytest.mark.parametrize("perfect", [1.0, 0.0])
def test_answers_that_are_all_right_ask_for_nothing_of_the_run(perfect: float) -> None:
    found = metrics((2.0, 1.8), (1.9, 1.7), (1.8, 1.71))
    right = [replace(one, score=perfect) for one in found]
    assert "its score can't get better" in for_task(right, by_loss, "--steps", perfect, 60)
    other = for_task(right, by_loss, "--steps", 1.0 - perfect, 60)
    assert other == for_task(found, by_loss, "--steps", 1.0, 60)


def test_a_label_that_no_validation_example_has_is_told() -> None:
    found = [replace(one, score=1.0) for one in metrics((2.0, 1.8), (1.9, 1.7))]
    said = for_task(found, by_loss, "--steps", 1.0, 60, ["rare"])
    assert "its answers are all right, but no validation example has the label rare" in said
    assert "can't get better" not in said
    said = for_task(found, by_loss, "--steps", 0.0, 60, ["\n", *"abcdef"])
    assert said.endswith(
        r"for a better model; no validation example has the labels \n, a, b, c, d, …"
    )


def test_examples_that_were_read_as_often_as_helps_ask_for_more_of_them() -> None:
    """More minutes would change nothing: a run for minutes ends after so many passes."""
    found = [replace(one, epoch=20.0 * one.epoch) for one in metrics((2.0, 1.8), (1.9, 1.7))]
    assert "longer will not" in for_task(found, by_loss, "--minutes", 1.0, 40)
    assert "train longer (--minutes)" in for_task(found, by_loss, "--minutes", 1.0, 60)


def by_loss(evaluation: Evaluation) -> tuple[float, ...]:
    return (evaluation.val_nats,)


def test_a_loss_that_fell_and_then_stood_still_is_not_still_falling() -> None:
    """A run that stopped early was told to go on, since it was worse long before its best."""
    stopped = [(2.0, 1.9), (1.8, 1.7), (1.5, 1.4), (1.5, 1.404), (1.5, 1.405), (1.5, 1.41)]
    assert "no longer falls" in advice(metrics(*stopped), 30)
    assert "no longer falls" in advice(metrics(*stopped[:4]), 30)


def test_what_falls_is_judged_by_updates_not_by_evaluations() -> None:
    """The last evaluation may come a few updates after the one before."""
    losses, steps = [(2.2, 1.955), (1.7, 1.53), (1.5, 1.402), (1.5, 1.398)], [67, 134, 201, 208]
    found = [
        replace(one, step=step, epoch=step / 49)
        for one, step in zip(metrics(*losses), steps, strict=True)
    ]
    assert "still falling" in advice(found, 30)


def test_a_few_passes_in_a_few_updates_are_a_short_run() -> None:
    level = metrics((2.0, 1.9), (1.8, 1.7), (1.8, 1.7), step=70)
    assert "too short to tell" in advice([replace(one, epoch=4.0) for one in level], 30)
    assert "no longer falls" in advice([replace(one, epoch=16.0) for one in level], 30)
    assert "no longer falls" in advice([replace(one, step=30 * one.step) for one in level], 30)


def test_a_text_that_is_known_by_heart_is_no_noise() -> None:
    found = metrics((2.4, LEVEL + 1), (1.0, LEVEL + 3), (0.5, LEVEL + 4))
    assert "overfits" in advice(found, 30)


def test_a_learning_rate_that_is_too_high_is_not_called_noise() -> None:
    """Its losses stay above those of a guess by frequency, which noise comes down to."""
    above = [(3.62, 3.4), (3.65, 3.38), (3.44, 3.39), (3.41, 3.385), (3.37, 3.386)]
    found = for_language(metrics(*above), 30, 3.2, "--minutes")
    assert found == (
        "it predicts no better than by chance (3.20 nats, a guess by frequency): another "
        "--learning-rate, most likely a lower one, would help unless the text is noise"
    )


def test_a_run_that_still_learns_how_often_each_character_comes_is_not_over_noise() -> None:
    found = metrics((LEVEL + 0.5, LEVEL + 0.4), (LEVEL + 0.3, LEVEL + 0.2))
    assert "still falling" in advice(found, 30)


def test_a_text_that_is_predicted_without_a_mistake_asks_for_nothing() -> None:
    found = advice(metrics((0.13, 0.0001), (0.01, 0.00002), (0.01, 0.00001)), 30)
    assert "without a mistake" in found
    assert "--" not in found
    assert "without a mistake" not in advice(metrics((0.13, 0.02), (0.01, 0.01)), 30)


@pytest.mark.parametrize("ends", [{}, {"\n": 1}, {"\n": 150, "z": 3}], ids=len)
def test_noise_is_called_noise_however_often_each_character_comes(
    ends: dict[str, int], tmp_path: Path
) -> None:
    random = np.random.default_rng(1)
    text = np.concatenate(
        [random.choice(list("acgt"), 9000), np.repeat(list(ends), [*ends.values()])]
    )
    random.shuffle(text)
    shape: dict[str, Any] = {"hidden_size": 8, "embed_size": 4, "steps": 160, "eval_every": 40}
    noise = Corpus("noise", "".join(text))
    *_, finished = train(noise, out=tmp_path / "m", **shape)
    assert isinstance(finished, Finished)
    assert "looks like noise" in finished.advice
    assert "--minutes" not in finished.advice
    assert resume(tmp_path / "m", noise).finish(progress=False)
