"""A language model that reads from the end of a text is one of the reversed text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from charrnn import Reading, evaluate, load, train
from charrnn.folder.reading import read_record
from charrnn.training.run import resume
from tests import commands
from tests.conftest import VERSE

SETTINGS: dict[str, Any] = {
    "steps": 7,
    "hidden_size": 16,
    "num_layers": 1,
    "embed_size": 5,
    "batch_size": 3,
    "seq_length": 9,
    "eval_every": 3,
}
NAMES = "\n".join(f"{first}{last}" for first in "abcdefgh" for last in ("ona", "li", "rtu", "ess"))


@pytest.mark.parametrize(("text", "records"), [(VERSE * 3, "none"), (NAMES, "lines")])
def test_reversed_training_is_training_on_the_reversed_text(
    text: str, records: str, tmp_path: Path
) -> None:
    (tmp_path / "forwards.txt").write_text(text)
    (tmp_path / "backwards.txt").write_text(text[::-1])
    reading = Reading(records=records, reverse=True)
    train(tmp_path / "forwards.txt", out=tmp_path / "a", reading=reading, **SETTINGS).finish(
        progress=False
    )
    twin = Reading(records=records)
    train(tmp_path / "backwards.txt", out=tmp_path / "b", reading=twin, **SETTINGS).finish(
        progress=False
    )
    assert read_record(tmp_path / "a").reads_backwards
    assert not read_record(tmp_path / "b").reads_backwards
    if records == "none":  # records of two lists come in another order
        weights, expected = load(tmp_path / "a").weights, load(tmp_path / "b").weights
        assert all((weights[name] == expected[name]).all() for name in expected)
    found = evaluate(tmp_path / "a", text)
    assert found.nats == pytest.approx(evaluate(tmp_path / "a", text).nats)
    if records == "none":
        assert found.nats == pytest.approx(evaluate(tmp_path / "b", text[::-1]).nats)


def test_a_reversed_run_goes_on_reversed_and_says_how_it_writes(tmp_path: Path) -> None:
    (tmp_path / "verse.txt").write_text(VERSE * 3)
    whole = train(tmp_path / "verse.txt", out=tmp_path / "whole", reading=REVERSED, **SETTINGS)
    whole.finish(progress=False)
    events = iter(train(tmp_path / "verse.txt", out=tmp_path / "a", reading=REVERSED, **SETTINGS))
    while type(next(events)).__name__ != "Evaluated":
        pass
    events.close()  # type: ignore[attr-defined]
    resume(tmp_path / "a").finish(progress=False)
    weights, expected = load(tmp_path / "a").weights, load(tmp_path / "whole").weights
    assert all((weights[name] == expected[name]).all() for name in expected)
    done = commands.run(tmp_path, "sample", "a", "-n", 5)
    assert "it writes from end to beginning" in done.stderr
    scored = commands.run(tmp_path, "eval", "a", "verse.txt")
    nats = evaluate(tmp_path / "a", VERSE * 3).nats_per_char
    assert f"{nats:.4f}" in scored.stdout


REVERSED = Reading(records="none", reverse=True)
