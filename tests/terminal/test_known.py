"""Records that may not be written: of a model's text, and of those that it learnt from before."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from charrnn import Reading, resume, train
from charrnn.terminal.writing.known import known_records

LISTS = {name: {f"{name} {k}" for k in range(40)} for name in ("clients", "towns", "ships")}
SMALL: dict[str, Any] = {"batch_size": 4, "seq_length": 16, "steps": 2}
LINES = Reading(records="lines")


@pytest.fixture(autouse=True)
def _chain() -> None:
    """Models of three lists, each of which starts from the one before."""
    shape: dict[str, Any] = {"hidden_size": 8, "embed_size": 6}
    for name, records in LISTS.items():
        Path(f"{name}.txt").write_text("".join(f"{record}\n" for record in sorted(records)))
        for _ in train(f"{name}.txt", out=name, reading=LINES, **SMALL | shape):
            break  # all is kept by a run that is stopped and goes on
        for _ in resume(name):
            pass
        shape = {"init_from": name}


def lost(**reasons: str) -> str:
    """What is said of lists that the last model has learnt from, by name, and why."""
    said = (
        "{}, from which ships has learnt, can't be read again: {}; records from it may be written\n"
    )
    return "".join(said.format(name, why) for name, why in reasons.items())


def test_the_records_of_the_models_before_are_known(capsys: pytest.CaptureFixture[str]) -> None:
    """A model wrote whole records of the list that the one before it was trained on."""
    assert set(known_records(["ships"])) == set.union(*LISTS.values())
    assert set(known_records(["clients", "towns"])) == LISTS["clients"] | LISTS["towns"]
    assert capsys.readouterr().err == ""
    # That of the second model of a mixture is still where it was.
    mixed = known_records(["clients", "towns"], ["clients.txt"], LINES)
    assert set(mixed) == LISTS["clients"] | LISTS["towns"]
    capsys.readouterr()
    mixed = known_records(["towns", "ships"], ["towns.txt"], LINES)
    assert set(mixed) == set.union(*LISTS.values())
    capsys.readouterr()


def test_a_list_that_is_not_there_or_has_changed_is_told(
    capsys: pytest.CaptureFixture[str],
) -> None:
    place = Path("clients.txt").absolute()
    place.rename("moved.txt")
    gone, changed = f"there is no file or corpus {place}", "it has changed"
    assert set(known_records(["ships", "ships"])) == LISTS["ships"] | LISTS["towns"]
    assert capsys.readouterr().err == lost(clients=gone)
    Path("towns.txt").write_text("Another\n")
    assert set(known_records(["ships"])) == LISTS["ships"]
    assert capsys.readouterr().err == lost(towns=changed, clients=gone)
    place.write_bytes(b"\xff\xfe\xfd")  # it is there, and not to be read: why is said
    assert set(known_records(["ships"])) == LISTS["ships"]
    assert "ships has learnt, can't be read again: " in (said := capsys.readouterr().err)
    assert "not there" not in said
    place.unlink()
    # It is named, and what is still where it was is known besides.
    assert set(known_records(["ships"], ["moved.txt"], LINES)) == LISTS["ships"] | LISTS["clients"]
    assert capsys.readouterr().err == f"a list of 40 records\n{lost(towns=changed)}"
    unknown = "where it was is not known"
    Path("ships/resume/state.safetensors").unlink()
    assert set(known_records(["ships"], ["ships.txt"], LINES)) == LISTS["ships"]
    assert (
        capsys.readouterr().err == f"a list of 40 records\n{lost(towns=unknown, clients=unknown)}"
    )


def test_an_older_model_that_does_not_tell_what_it_started_from_says_so(
    capsys: pytest.CaptureFixture[str],
) -> None:
    config = json.loads(Path("ships/config.json").read_text())
    del config["corpus"]["bases"]
    Path("ships/config.json").write_text(json.dumps(config))
    Path("ships/manifest.json").unlink()
    assert set(known_records(["ships"])) == LISTS["ships"]
    assert capsys.readouterr().err == (
        "ships does not tell what a model before it had learnt; records from it may be written\n"
    )
