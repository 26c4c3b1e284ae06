"""`charrnn inspect` where it measures, and `charrnn plot`, as their user meets them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from charrnn import CharRNN, CharTokenizer
from charrnn.folder import reading
from charrnn.folder.record import ModelFolder
from charrnn.models import loading
from tests.commands import TINY, refused, run, run_here
from tests.conftest import VERSE, small_config


def test_units_as_a_table_and_as_json(home: Path) -> None:
    words = np.random.default_rng(0).choice(VERSE.split(), 800)  # in no order that comes again
    (home / "words.txt").write_text(" ".join(words))
    shown = run(home, "inspect", "verse", "words.txt", "--units")
    assert shown.returncode == 0, shown.stderr
    head, *_, last, missed, tried = shown.stdout.splitlines()
    assert head.split("  ")[0] == "unit"
    assert last.endswith("units follow a feature more than by chance")
    listed = run(home, "inspect", "verse", "words.txt", "--units", "--json")
    found = json.loads(listed.stdout)
    assert len(found) == 2 * 12
    names = ["layer", "unit", "feature", "score", "shuffled", "auc", "bits", "tried_on", "passages"]
    assert all(list(unit) == names for unit in found)
    assert list(found[0]["passages"][0]) == ["at", "value", "before", "after"]
    following = sum(unit["feature"] is not None for unit in found)
    assert last.startswith(f"{following} of 24 ")
    worst = max(found, key=lambda unit: unit["bits"])
    name = f"{worst['layer']}.{worst['unit']}"
    assert missed.startswith("largest losses without a unit, in bits per character: " + name)
    counts = {unit["tried_on"] for unit in found}
    assert tried == f"each unit was ablated on {min(counts):,} characters"


def test_the_horizon_of_the_training_text_is_that_of_its_validation_part(home: Path) -> None:
    done = run(home, "inspect", "verse", "verse.txt", "--horizon", "--json")
    found = json.loads(done.stdout)
    assert "the part kept for validation" in done.stderr
    assert list(found)[:5] == ["contexts", "bits_per_char", "shuffled", "ngrams", "horizon"]
    assert found["seq_length"] == 16
    assert found["characters"] < 0.1 * len(VERSE * 20)
    assert len(found["ngrams"]) == 8


def test_another_text_is_compared_with_n_grams_of_the_training_text(home: Path) -> None:
    (home / "other.txt").write_text((VERSE[::-1] * 4)[40:440])
    done = run(home, "inspect", "verse", "other.txt", "--horizon")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    rows = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines()}
    assert len(rows["1"]) == 3, "the model, after shuffled text, n-grams"
    assert len(rows["7"]) == 1
    assert "reading" in rows or "the" in rows, "a sentence stands at the end"
    (home / "part.txt").write_text((VERSE * 4)[40:440])
    assert "know it by heart" in run(home, "inspect", "verse", "part.txt", "--horizon").stderr
    shutil.rmtree(home / "checkpoints" / "verse" / "resume")  # which says where that text is
    gone = run(home, "inspect", "verse", "other.txt", "--horizon", "--json")
    assert gone.returncode == 0
    assert gone.stderr.startswith("n-grams are left out: ")
    assert json.loads(gone.stdout)["ngrams"] == []


def test_the_horizon_of_models_that_were_trained_differently(home: Path) -> None:
    """The first of them spoke for all."""
    train = ("--steps", 3, *TINY)
    (home / "poem.txt").write_text((VERSE * 20)[7:])
    (home / "other.txt").write_text((VERSE * 4)[40:440])
    for name, text, settings in (
        ("other-part", "verse.txt", ("--val-frac", 0.3)),
        ("other-text", "poem.txt", ("--seq-length", 12)),
    ):
        done = run(home, "train", text, "--name", name, *train, *settings)
        assert done.returncode == 0, done.stderr
    done = run_here(home, "inspect", "verse", "other-part", "verse.txt", "--horizon")
    assert done.returncode == 2
    assert "\ncharrnn: the models were trained on different parts of verse; " in done.stderr

    def found(other: str, text: str) -> tuple[dict[str, Any], str]:
        done = run(home, "inspect", "verse", other, text, "--horizon", "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout), done.stderr

    horizon, said = found("other-part", "other.txt")
    assert horizon["seq_length"] == 16
    assert horizon["ngrams"] == []
    assert "n-grams are left out: the models were trained on different parts of verse" in said
    horizon, said = found("other-text", "other.txt")
    assert horizon["seq_length"] is None
    assert horizon["ngrams"] == []
    assert "n-grams are left out: verse is not, or no longer, the text that all models" in said
    for one, other in (("verse", "other-text"), ("other-text", "verse")):
        done = run(home, "inspect", one, other, "verse.txt", "--horizon", "--json")
        assert "the part kept for validation is predicted" in done.stderr
        assert "n-grams are left out: some of the models" in done.stderr
        assert json.loads(done.stdout)["characters"] < 0.1 * len(VERSE * 20)


def test_gradients_of_several_models(home: Path) -> None:
    shutil.copytree(home / "checkpoints" / "verse", home / "checkpoints" / "poem")
    done = run(home, "inspect", "verse", "poem", "verse.txt", "--gradients")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["steps", "back", "verse", "poem"]
    assert lines[1].split() == ["0", *(2 * ["1", "(1", "to", "1)"])]
    assert sum("keep a value for" in line for line in lines) == 2 * 2


def test_each_model_is_read_once(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(home / "checkpoints" / "verse", home / "checkpoints" / "poem")
    read, found = reading.read_model, []

    def noted(path: Path) -> ModelFolder:
        found.append(path.name)
        return read(path)

    monkeypatch.setattr(loading, "read_model", noted)
    command = ("inspect", "verse", "poem", "verse.txt", "--gradients", "--json")
    done = run_here(home, *command)
    assert [Path(one["model"]).name for one in json.loads(done.stdout)] == ["verse", "poem"]
    assert found == ["verse", "poem"]


def test_gradients_say_that_they_need_pytorch(home: Path) -> None:
    """In a fresh Python, in which it can't be imported."""
    code = "import sys; sys.modules['torch'] = None; from charrnn.cli.app import main; main()"
    for way in ("--gradients", "--units"):
        done = subprocess.run(
            [sys.executable, "-c", code, "inspect", "verse", "verse.txt", way],
            cwd=home,
            capture_output=True,
            text=True,
        )
        if way == "--gradients":
            refused(done, 1, "gradients need PyTorch")
        else:
            assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("plot", "verse", "verse", "--output", "picture.svg"),
        ("inspect", "verse", "verse.txt", "--horizon", "-o", "picture.svg"),
    ],
    ids=lambda arguments: arguments[-3],
)
def test_a_picture_is_written_and_named(home: Path, arguments: tuple[str, ...]) -> None:
    done = run(home, *arguments)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert done.stderr.endswith("wrote picture.svg\n")
    assert (home / "picture.svg").read_text("utf-8").startswith("<?xml")


def test_the_losses_of_models_for_tasks_are_drawn(home: Path) -> None:
    """One that reads texts, and one that reads numbers and has no vocabulary."""
    (home / "pairs.tsv").write_text("".join(f"{k}\t{k * k}\n" for k in range(40)))
    (home / "series.csv").write_text("y\n" + "".join(f"{k % 7}\n" for k in range(60)))
    sizes = ("--rnn-size", 5, "--steps", 12, "--eval-every", 4, "--device", "cpu")
    for name, source, task in (("p", "pairs.tsv", "translate"), ("s", "series.csv", "forecast")):
        done = run(home, "train", source, "--task", task, "--name", name, *sizes)
        assert done.returncode == 0, done.stderr
        done = run(home, "plot", name, "--output", f"{name}.svg")
        assert done.returncode == 0, done.stderr
        drawn = (home / f"{name}.svg").read_text("utf-8")
        for part in (f">{name} (", ">updates<", ">loss<", ">12<"):
            assert part in drawn
    done = run_here(home, "plot", "p", "verse", "--output", "both.svg")
    refused(done, 2, "are not comparable; draw them in pictures of their own")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("verse", "verse.txt", "--units", "--characters", 9), 2, "--characters can't be used"),
        (("verse", "verse.txt", "--at", 9, "-o", "a.svg"), 2, "--output can't be used with --at"),
        (("verse", "verse.txt", "--horizon", "-o", "a.pdf"), 2, "a.pdf: not the name of a picture"),
        (("verse", "verse", "verse.txt", "--units"), 2, "2 models are named"),
        (("verse", "one.txt", "--units"), 2, "has 1 of the 200 characters"),
        (("verse", "one.txt", "--horizon"), 2, "1 of the 196 characters it needs; use a longer"),
        (("verse", "greek.txt", "--units"), 2, "'Ω' (U+03A9)"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_what_is_wrong_is_said_in_one_line(
    home: Path, arguments: tuple[object, ...], code: int, message: str
) -> None:
    (home / "one.txt").write_text("t")
    (home / "greek.txt").write_text("Ω" * 500)
    refused(run_here(home, "inspect", *arguments), code, message)


def test_a_model_without_losses_has_no_curve(tmp_path: Path) -> None:
    CharRNN(small_config("rnn", vocab_size=3)).save_pretrained(tmp_path / "m", CharTokenizer("abc"))
    done = run_here(tmp_path, "plot", "m", "-o", "losses.svg")
    refused(done, 66, "charrnn: m has no losses to draw; ")


def test_a_picture_needs_a_name(tmp_path: Path) -> None:
    refused(run_here(tmp_path, "plot"), 2, "charrnn: there is nowhere to draw; ")
