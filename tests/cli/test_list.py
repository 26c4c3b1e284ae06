"""`charrnn list` and the curve of `charrnn info`: also where folders are odd."""

from __future__ import annotations

import errno
import json
import math
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import safetensors.numpy

from charrnn import CharRNN, CharTokenizer
from charrnn.cli.app import app
from charrnn.cli.list import list_models
from charrnn.folder import untrusted
from charrnn.folder.files import write_files
from tests.commands import TINY, run
from tests.conftest import VERSE, small_config


@pytest.mark.parametrize("exists", [True, False])
def test_without_a_model_the_list_says_how_to_train_one(tmp_path: Path, exists: bool) -> None:
    if exists:
        (tmp_path / "checkpoints").mkdir()
    done = run(tmp_path, "list")
    assert (done.returncode, done.stdout) == (0, "")
    assert "train one first: charrnn train FILE" in done.stderr
    assert run(tmp_path, "list", "--json").stdout == ""


@pytest.mark.parametrize("arguments", [("list",), ("sample",), ("info",)])
def test_a_folder_of_models_that_may_not_be_read_is_told(
    arguments: tuple[str, ...],
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It had no model, or one should have made room."""
    monkeypatch.chdir(home)
    entries = Path.iterdir

    def some(path: Path) -> Iterator[Path]:
        if path.name == "checkpoints":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return entries(path)

    monkeypatch.setattr(Path, "iterdir", some)
    with pytest.raises(SystemExit, match="74"):
        app(arguments)
    said = "charrnn: checkpoints: Permission denied; see that you may use it, then try again\n"
    assert capsys.readouterr().err == said


def test_the_files_of_a_model_are_told_while_a_run_saves(home: Path) -> None:
    """Those of the save itself are none of the model's, as those of its user are not."""
    folder = home / "checkpoints" / "verse"
    before = json.loads(run(home, "info", "verse", "--json").stdout)["files"]
    assert before["resume/state.safetensors"] > before["model.safetensors"] > before["config.json"]
    for name in (".model.safetensors.charrnn-new", "notes.txt", "resume/.lock-1"):
        (folder / name).write_text("another's")
    assert json.loads(run(home, "info", "verse", "--json").stdout)["files"] == before


def test_models_are_listed_newest_first_with_what_they_are(home: Path) -> None:
    checkpoints = home / "checkpoints"
    shutil.copytree(checkpoints / "verse", checkpoints / "older")
    os.utime(checkpoints / "older" / "model.safetensors", (0, 0))
    CharRNN(small_config("gru")).save_pretrained(checkpoints / "own", CharTokenizer("\n abcdefghi"))
    os.utime(checkpoints / "own" / "model.safetensors", (9, 9))
    (checkpoints / "note.txt").write_text("not a folder")
    lines = run(home, "list").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["name", "verse", "own", "older"]
    summary = json.loads((home / "summary.json").read_text())
    for part in ("lstm 2 × 12", f"{summary['val_bits_per_char']:.3f} bits per character"):
        assert part in lines[1]
        assert part in lines[3]
    assert "gru 2 × 5" in lines[2]
    assert "days" in lines[3]
    first, own, older = map(json.loads, run(home, "list", "--json").stdout.splitlines())
    assert first["val_nats"] == older["val_nats"] == pytest.approx(summary["val_nats"])
    assert (first["cell"], first["num_layers"], first["hidden_size"]) == ("lstm", 2, 12)
    assert first["corpus"] == "verse"
    assert first["parameters"] == summary["parameters"]
    assert own["val_nats"] is own["corpus"] is None
    assert older["saved"] == 0


def test_a_model_that_is_dated_in_the_future_has_no_age(home: Path) -> None:
    """As one from a machine whose clock is wrong."""
    os.utime(home / "checkpoints" / "verse" / "model.safetensors", (1 << 40, 1 << 40))
    assert run(home, "list").stdout.endswith("  in the future\n")


def test_a_translator_is_listed_with_what_its_score_is_of(home: Path) -> None:
    (home / "pairs.tsv").write_text("".join(f"{k}\t{k * k}\n" for k in range(40)))
    options = ("--task", "translate", "--rnn-size", 5, "--steps", 2, "--device", "cpu")
    done = run(home, "train", "pairs.tsv", *options)
    assert done.returncode == 0, done.stderr
    assert "character error rate (greedy) " in done.stderr
    (line,) = (line for line in run(home, "list").stdout.splitlines() if line.startswith("pairs"))
    assert re.search(r"translate: character error rate [\d.]+ greedy", line)


def test_a_forecaster_has_no_unit_in_the_list(home: Path) -> None:
    """It was "byte", of which it reads none."""
    (home / "series.csv").write_text("y\n" + "".join(f"{k % 7}\n" for k in range(60)))
    options = ("--task", "forecast", "--rnn-size", 5, "--steps", 2, "--device", "cpu")
    assert run(home, "train", "series.csv", *options).returncode == 0
    found = map(json.loads, run(home, "list", "--json").stdout.splitlines())
    assert {one["name"]: one["unit"] for one in found} == {"series": None, "verse": "character"}
    assert re.search(r"forecast: MASE [\d.]+", run(home, "list").stdout)


def test_a_model_of_several_texts_has_the_name_of_the_first_and_says_how_many(home: Path) -> None:
    for name in ("a", "b", "c"):
        (home / f"{name}.txt").write_text(f"{name} {VERSE}" * 3)
    done = run(home, "train", "a.txt", "b.txt", "c.txt", "--steps", 3, *TINY)
    assert done.returncode == 0, done.stderr
    assert (home / "checkpoints" / "a").is_dir()
    assert re.search("corpus +a and 2 more, ", run(home, "info", "a").stdout)


def cut(folder: Path) -> None:
    with (folder / "model.safetensors").open("r+b") as file:
        file.truncate(3000)


def other_weights(folder: Path) -> None:
    CharRNN(small_config("gru")).save_pretrained(folder / "new", CharTokenizer("\n abcdefghi"))
    (folder / "manifest.json").unlink()
    shutil.move(folder / "new" / "model.safetensors", folder / "model.safetensors")
    shutil.rmtree(folder / "new")


def a_pipe(folder: Path) -> None:
    (folder / "config.json").unlink()
    os.mkfifo(folder / "config.json")


def no_model(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


def half_of_a_first_save(folder: Path) -> None:
    """Leave a folder as a run has it that saves for the first time, and is not done."""
    manifest = folder / "manifest.json"
    versions = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({name: [None, *own] for name, own in versions.items()}))
    (folder / "tokenizer.json").unlink()


ODD: list[tuple[Callable[[Path], object], str]] = [
    (cut, "damaged"),
    (other_weights, "damaged"),
    (a_pipe, "damaged"),
    (lambda folder: (folder / "config.json").write_text("{"), "damaged"),
    (lambda folder: (folder / "metrics.jsonl").write_text("{}\n"), "damaged"),
    (lambda folder: (folder / "manifest.json").write_bytes(b"\xff"), "damaged"),
    (lambda folder: (folder / "tokenizer.json").unlink(), "damaged"),
    (lambda folder: (folder / "model.safetensors").unlink(), "unfinished"),
    (half_of_a_first_save, "unfinished"),
    (no_model, "no model"),
]


@pytest.mark.parametrize(("harm", "word"), ODD)
def test_an_odd_folder_is_a_word_in_the_list(
    home: Path, harm: Callable[[Path], object], word: str
) -> None:
    odd = home / "checkpoints" / "odd"
    shutil.copytree(home / "checkpoints" / "verse", odd)
    harm(odd)
    done = run(home, "list")
    assert (done.returncode, done.stderr) == (0, "")
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("odd "))
    assert word in line
    assert "bits per character" in done.stdout  # of the model beside it
    found = map(json.loads, run(home, "list", "--json").stdout.splitlines())
    assert {one["name"]: one["status"] for one in found} == {"verse": "ready", "odd": word}


def test_the_list_reads_no_weights(home: Path) -> None:
    """What `verify` finds in the middle of the weights, the list has not looked at."""
    weights = home / "checkpoints" / "verse" / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-9] ^= 1
    weights.write_bytes(content)
    assert json.loads(run(home, "list", "--json").stdout)["status"] == "ready"
    assert run(home, "verify", "verse").returncode == 65


def test_names_are_shown_on_one_line(home: Path) -> None:
    (home / "checkpoints" / "verse").rename(home / "checkpoints" / "a\nb\x1b[1m")
    lines = run(home, "list").stdout.splitlines()
    assert len(lines) == 2
    assert lines[1].startswith(r"a\nb\x1b[1m ")


def test_info_draws_the_losses(home: Path) -> None:
    options = ("--steps", 40, "--eval-every", 4, "--name", "curve", *TINY)
    assert run(home, "train", "verse.txt", *options).returncode == 0
    shown = run(home, "info", "curve").stdout
    title, *lines = shown[shown.index("validation loss in") :].splitlines()
    assert title.startswith("validation loss in bits per character")
    assert lines[-1].endswith("updates 0 to 40")
    metrics = home / "checkpoints" / "curve" / "metrics.jsonl"
    bits = [json.loads(line)["val_nats"] / math.log(2) for line in metrics.read_text().splitlines()]
    assert lines[0].startswith(f"{max(bits):.3f}")
    assert lines[-2].startswith(f"{min(bits):.3f}")


@pytest.mark.parametrize(
    ("notes", "shown"),
    [
        ([(1, 2.0), (2, 1.7e308), (3, 1.0)], True),
        ([(1, 1.7e308), (2, 1.0)], False),
        ([(1, 9e307), (2, -9e307)], True),
        ([(90, 2.0), (-7, 3.0), (4, 1.0)], True),
    ],
)
def test_losses_that_no_training_would_note_are_no_obstacle(
    notes: list[tuple[int, float]], shown: bool, home: Path
) -> None:
    """Anyone may have made the folder; in bits, some of them are beyond all numbers."""
    folder = home / "checkpoints" / "verse"
    (folder / "manifest.json").unlink()
    metrics = folder / "metrics.jsonl"
    line = json.loads(metrics.read_text().splitlines()[0])
    noted = [json.dumps(line | {"step": step, "val_nats": nats}) for step, nats in notes]
    metrics.write_text("\n".join(noted))
    done = run(home, "info", "verse")
    assert done.returncode == 0, done.stderr
    assert ("updates 0 to" in done.stdout) == shown


def test_a_model_without_losses_has_no_curve(tmp_path: Path) -> None:
    CharRNN(small_config("rnn")).save_pretrained(tmp_path / "own", CharTokenizer("\n abcdefghi"))
    done = run(tmp_path, "info", "own")
    assert done.returncode == 0
    assert "validation" not in done.stdout


def test_a_model_that_is_saved_while_it_is_listed_is_not_damaged(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = home / "checkpoints" / "verse"
    with safetensors.safe_open(folder / "model.safetensors", framework="np") as file:
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        longer = file.metadata() | {"note": "so that its size is another"}
    weights = safetensors.numpy.save(arrays, metadata=longer)
    opened, saved = untrusted.opened, False

    @contextmanager
    def opened_before_a_save(path: Path) -> Iterator[Any]:
        nonlocal saved
        with opened(path) as file:
            if path.name == "model.safetensors" and not saved:
                saved = True
                write_files(folder, {path.name: weights})
            yield file

    monkeypatch.setattr(untrusted, "opened", opened_before_a_save)
    monkeypatch.chdir(home)
    list_models(json=True)
    assert saved
    assert [json.loads(line)["status"] for line in capsys.readouterr().out.splitlines()] == [
        "ready"
    ]
