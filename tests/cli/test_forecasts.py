"""charrnn predict and eval with a forecaster, as processes."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import charrnn
from charrnn.cli import forecasts
from tests import commands


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model `m` of two series, and files."""
    path = tmp_path_factory.mktemp("forecasts")
    rows = [f"2024-{k + 1:02}" for k in range(12)]
    table = "".join(f"a,{time},{10 + 2 * k}\nb,{time},{50 - k}\n" for k, time in enumerate(rows))
    (path / "x.csv").write_text(f"unique_id,ds,y\n{table}")
    (path / "test.csv").write_text("unique_id,ds,y\na,2025-01,34\nb,2025-01,38\n")
    given: dict[str, Any] = {"hidden_size": 4, "steps": 3, "device": "cpu"}
    run = charrnn.train(path / "x.csv", task="forecast", horizon=2, out=path / "m", **given)
    run.finish(progress=False)
    return path


def test_answers(place: Path) -> None:
    # Standard input is a pipe without anything in it.
    named = commands.run(place, "predict", "m", "-")
    commands.refused(named, 65, "standard input is empty; give a series, or leave - out")
    own = commands.run(place, "predict", "m")
    assert own.returncode == 0, own.stderr
    assert own.stderr == "standard input is empty: the series of the training go on\n"
    answers = [json.loads(line) for line in own.stdout.splitlines()]
    assert [answer["series"] for answer in answers] == ["a", "b"]
    assert [len(answer["forecast"]) for answer in answers] == [2, 2]
    assert commands.run(place, "predict", "m", "x.csv").stdout == own.stdout
    data = (place / "x.csv").read_bytes()
    assert commands.run(place, "predict", "m", "-", data=data).stdout == own.stdout
    picture = ("--horizon", 5, "--plain", "--plot", "a.svg")
    plain = commands.run(place, "predict", "m", "1 2 3", "5 4 3", *picture)
    assert [len(line.split()) for line in plain.stdout.splitlines()] == [5, 5]
    assert "wrote a.svg" in plain.stderr
    assert (place / "a.svg").stat().st_size > 1000


def test_scores(place: Path) -> None:
    done = commands.run(place, "eval", "m", "test.csv", "--json")
    report = json.loads(done.stdout)
    assert (report["metric"], report["count"]) == ("MASE", 2)
    assert report["baselines"]["drift"]["MASE"] == pytest.approx(0)
    assert "no better than drift" in report["verdict"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("predict", "m", "1 b 3"), 65, "neither a file nor numbers"),
        (("predict", "m", "--plot", "a.txt"), 2, "not the name of a picture"),
        (("predict", "m", "--horizon", 0), 2, "--horizon"),
        (("eval", "m", "x.csv"), 65, "the model was trained on it up to 2024-12"),
        (("train", "none.csv", "--task", "forecast"), 66, "none.csv"),
        (("predict", "m", "x.csv", "--text-column", "y"), 2, "--text-column is 'y', which has"),
        (("predict", "m", "1 2 3", "--text-column", "y"), 2, "--text-column can't affect what is"),
        (
            ("predict", "m", "--text-column", "y"),
            2,
            "--text-column is 'y', which has no meaning for",
        ),
        (("eval", "m", "test.csv", "--text-column", "ds"), 2, "--text-column is 'ds', which has"),
    ],
)
def test_mistakes(place: Path, arguments: tuple[object, ...], code: int, message: str) -> None:
    commands.refused(commands.run_here(place, *arguments), code, message)


def test_the_series_of_the_training_go_on_where_there_is_no_standard_input(place: Path) -> None:
    """Nothing is said of it, as in a cron job."""
    process = commands.start(place, "predict", "m", stdin=subprocess.DEVNULL)
    out, err = process.communicate(timeout=120)
    assert [json.loads(line)["series"] for line in out.splitlines()] == ["a", "b"]
    assert err == b""


def test_series_that_come_by_a_socket_are_read(place: Path) -> None:
    """Those of the training went on in their place, without a word, where Node started it."""
    ours, theirs = socket.socketpair()
    process = commands.start(place, "predict", "m", "--plain", stdin=theirs)
    theirs.close()
    with ours:
        ours.sendall(b"5 4 3\n")
    out, err = process.communicate(timeout=120)
    assert (out.count(b"\n"), err) == (1, b"")


def test_a_socket_by_which_nothing_comes_is_not_waited_for(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Node ends none that it gave: a command waited forever, without a word."""
    monkeypatch.setattr(forecasts, "WAIT", 0)
    ours, theirs = socket.socketpair()
    with ours, theirs, theirs.makefile() as stream:
        monkeypatch.setattr(sys, "stdin", stream)
        model = charrnn.load(place / "m")
        assert isinstance(model, charrnn.Forecaster)
        forecasts.show_forecasts(model, [], charrnn.Reading(), None, None, None, plain=True)
    out, err = capsys.readouterr()
    assert out.count("\n") == 2
    assert err.startswith("nothing came by standard input, a socket, in 0 seconds: the series of ")


def test_series_shorter_than_a_season_cost_no_other_series_its_answer(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    place = tmp_path_factory.mktemp("short")
    numbers = ",".join(str(k % 3) for k in range(40))
    (place / "x.csv").write_text(f"a,{numbers}\nb,1,2\n")
    given: dict[str, Any] = {"hidden_size": 4, "steps": 3, "device": "cpu", "season": 3}
    run = charrnn.train(place / "x.csv", task="forecast", out=place / "m", **given)
    run.finish(progress=False)
    said = "no forecast of series b: it has fewer than 3 values, a whole season\n"
    own = commands.run(place, "predict", "m", "--plot", "a.svg")
    assert own.stdout.count("\n") == 1
    assert said in own.stderr
    done = commands.run(place, "predict", "m", "x.csv")
    assert (done.returncode, done.stdout, done.stderr) == (0, own.stdout, said)
    done = commands.run(place, "verify", "m")
    assert done.returncode == 0
    for arguments in (["1 2", "1 2 3"], ["b.csv"]):
        (place / "b.csv").write_text("b,1,2\nc,1\n")
        done = commands.run_here(place, "predict", "m", *arguments)
        commands.refused(done, 2, "has 2 values; give at least 3, a whole season")
