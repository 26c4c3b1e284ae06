"""What a stream shows: a terminal obeys no text, and what can't be carried is said."""

from __future__ import annotations

import io
import json
import math
import os
import pty
import re
import subprocess
import sys
import termios
from pathlib import Path

import msgspec
import pytest

from charrnn import CharRNN, CharTokenizer, load
from charrnn.checkpoints import WEIGHTS
from charrnn.terminal import output, progress
from charrnn.training.events import Corrected, Evaluated, Progress
from tests.commands import all_from, in_terminal
from tests.conftest import evaluation, small_config, small_training
from tests.terminal.showing import DONE, STARTED, Terminal

CHARACTERS = "\n\x1b\x85 [abcЖ👩"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model that writes whatever comes."""
    network = CharRNN(small_config("gru", vocab_size=len(CHARACTERS)))
    network.save_pretrained(tmp_path / "wild", CharTokenizer("".join(sorted(CHARACTERS))))
    assert (tmp_path / "wild" / WEIGHTS).exists()
    return tmp_path / "wild"


def sample(cwd: Path, *arguments: object, encoding: str = "utf-8") -> tuple[bytes, str]:
    """Standard output and error of `charrnn sample wild` in a pipe of this encoding."""
    command = [sys.executable, "-m", "charrnn", "sample", "wild", *map(str, arguments)]
    done = subprocess.run(
        command,
        cwd=cwd,
        env=os.environ | {"PYTHONIOENCODING": encoding},
        capture_output=True,
        timeout=120,
        check=True,
    )
    return done.stdout, done.stderr.decode()


def test_control_characters_are_shown_on_a_terminal_and_raw_elsewhere() -> None:
    text = "a\x1b[2J\r\x07\x7f\x9b\tb\nЖ\u200d"
    assert output.shown(text, Terminal()) == "a\\x1b[2J\\r\\x07\\x7f\\x9b\tb\nЖ\u200d"
    assert output.shown(text, io.StringIO()) == text


def test_a_terminal_and_a_pipe_get_a_text_as_they_can_take_it(model: Path) -> None:
    text = load(model).generate("a\x1b[", max_new_tokens=200, seed=3, temperature=2.0)
    assert {"\x1b", "Ж", "\x85", "👩"} <= set(text)
    options = ("-n", 200, "--seed", 3, "-t", 2, "--prompt", "a\x1b[")
    whole = "a\x1b[" + text + "\n"
    raw, said = sample(model.parent, *options)
    assert raw.decode() == whole
    assert said == ""
    lossy, said = sample(model.parent, *options, encoding="cp1252")
    assert lossy.decode("cp1252") == "".join(c if c in "\n\x1b [abc" else "?" for c in whole)
    assert said.count("\n") == 1
    assert "standard output is in cp1252, which has no U+" in said
    assert "PYTHONIOENCODING=utf-8" in said


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-16", "utf-8"])
def test_json_is_whole_whatever_the_stream_carries(encoding: str, model: Path) -> None:
    out, said = sample(
        model.parent, "-n", 99, "--seed", 3, "-t", 2, "--json", "--prompt", "Ж", encoding=encoding
    )
    assert said == ""
    found = json.loads(out.decode(encoding))
    expected = load(model).generate("Ж", max_new_tokens=99, seed=3, temperature=2.0)
    assert found["text"] == expected
    assert b"\x1b" not in out
    assert "\x85" not in out.decode(encoding)
    if encoding != "utf-16":
        assert out.isascii() == (encoding != "utf-8")


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_json_has_null_for_what_is_no_number(
    encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding=encoding))
    numbers = [math.nan, -math.inf, 0.1]
    assert output.encode_json({"n": numbers}) == '{"n":[null,null,0.1]}\n'
    with_a_byte = output.encode_json({"text": "\udcff", "n": numbers})
    assert with_a_byte == '{"text":"\\udcff","n":[null,null,0.1]}\n'


def test_samples_on_a_terminal_move_no_cursor(model: Path) -> None:
    """Drawn alone, together, and one character after the other by hand."""
    for arguments in (("--num-samples", 2, "--seed", 3), ("--seed", 3), ("--interactive", 9)):
        command = ("sample", "wild", "-n", 60, "-t", 2, *arguments)
        shown = in_terminal(model.parent, *command, typed=b"1\n" * 60)
        assert "\\x1b" in shown
        assert "\x1b" not in shown


def test_a_sample_of_a_training_moves_no_cursor(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    sampled = Evaluated(evaluation=evaluation(), best=True, sample="a\x1b[2Jb")
    progress.show([sampled, DONE])
    assert "a\\x1b[2Jb" in terminal.getvalue()


CORRECTED = [
    Corrected(step=100, planned=300, steps=200, seconds=41.2),
    Corrected(step=150, planned=200, steps=1260, seconds=62.0),
]


@pytest.mark.parametrize(
    ("columns", "speed", "last"),
    [
        (42, 9.0, "left"),
        (56, 9.0, "loss 2.000"),
        (80, 73_032.0, ", 73,032 chars/s"),
        (80, 1_234_567.0, ", 1,234,567 chars/s"),
        (100, 9.0, ", 9 chars/s"),
    ],
)
def test_in_a_narrow_terminal_the_bar_gives_way(
    columns: int, speed: float, last: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It kept its twenty columns, and the time left and the loss had none.

    In 80 it then had none itself, and the rate was cut, even within its number.
    """
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, columns))
    started = msgspec.structs.replace(STARTED, training=small_training(steps=99_999))
    progressed = Progress(step=12_345, train_nats=2.0, tokens_per_second=speed)
    with os.fdopen(theirs, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        progress.show([started, progressed, DONE])
    shown = all_from(ours)
    (*_, line) = (one for one in re.split(r"[\r\n]", shown) if "12345/99999" in one)
    assert last in line
    assert len(line) <= columns
    if columns >= 80:
        assert len(line.split("|")[1]) > 3


def test_bar_and_summary_follow_the_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr("charrnn.terminal.progress.BAR", "{n_fmt}/{total_fmt}")
    done = msgspec.structs.replace(DONE, corrections=tuple(CORRECTED))
    last = Progress(step=1000, train_nats=2.0, tokens_per_second=9.0)
    progress.show([CORRECTED[0], CORRECTED[1], last, done])
    assert "1000/1260" in terminal.getvalue()
    (line,) = (line for line in terminal.getvalue().split("\n") if "was corrected" in line)
    assert line == (
        "to end on time, the plan was corrected 2 times, from 300 to 1,260 updates, as the "
        "machine's speed changed"
    )
    once = msgspec.structs.replace(DONE, corrections=tuple(CORRECTED[:1]))
    terminal.truncate(0)
    progress.show([once])
    assert "was corrected once, from 300 to 200 updates, as" in terminal.getvalue()


@pytest.mark.parametrize("name", ["Muller", "Mu\u0308ller", "紅樓夢", "नदी"])
def test_columns_of_a_table_stand_below_each_other_in_every_script(name: str) -> None:
    """Marks take no place of a terminal, and Chinese characters take two."""
    places = {"Muller": 6, "Mu\u0308ller": 6, "紅樓夢": 6, "नदी": 3}[name]
    first, second = output.table([(name, "end", "1"), ("abcdefgh", "end", "22")]).splitlines()
    assert first == f"{name}{' ' * (8 - places)}  end  1"
    assert second == "abcdefgh  end  22"
    numbers = output.table([(name, "end"), ("abcdefgh", "end")], numbers=1)
    assert numbers.splitlines()[0] == f"{' ' * (8 - places)}{name}  end"
