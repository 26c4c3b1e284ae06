"""The command line as its user meets it: real processes, pipes, signals and terminals."""

from __future__ import annotations

import errno
import io
import json
import math
import os
import re
import shlex
import shutil
import signal
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest
import typer.main

import charrnn.cli
from charrnn import CharRNN, CharTokenizer
from charrnn.checkpoints import WEIGHTS
from charrnn.cli.app import VERBS as CALLED
from charrnn.cli.app import app
from charrnn.text.bundled import BUNDLED
from tests.commands import TINY, Copy, in_terminal, refused, run, run_anew, run_here, start
from tests.conftest import small_config
from tests.kills import interrupt_at_update


def test_every_file_of_a_command_is_reached() -> None:
    """Nothing imports them by name."""
    files = {path.stem for path in Path(charrnn.cli.__path__[0]).glob("[a-z]*.py")}
    helpers = {"app", "forecasts", "insights", "parts", "sample_options", "scored"}
    assert {place.split(".")[0] for place in CALLED.values()} == files - helpers
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    assert all(commands[name].name == name for name in commands)


def test_training_makes_a_folder_and_a_summary(home: Path) -> None:
    summary = json.loads((home / "summary.json").read_text())
    kinds = {
        "model": str,
        "val_nats": float,
        "val_bits_per_char": float,
        "train_nats": float,
        "steps": int,
        "epochs": float,
        "parameters": int,
        "unit": str,
        "characters_per_second": float,
        "seconds": float,
        "stopped_early": bool,
        "skipped": int,
        "advice": str,
        "corrections": list,
        "task": type(None),
        "report": type(None),
        "threads": list,
    }
    assert {name: type(value) for name, value in summary.items()} == kinds
    assert summary["model"] == "checkpoints/verse"
    assert summary["steps"] == 30
    assert summary["val_bits_per_char"] == pytest.approx(summary["val_nats"] / math.log(2))
    names = {path.name for path in (home / "checkpoints" / "verse").iterdir()}
    assert names == {
        "config.json",
        "tokenizer.json",
        "model.safetensors",
        "metrics.jsonl",
        "manifest.json",
        "README.md",
        "resume",
    }


def test_names_are_made_unique_and_no_folder_is_written_over(home: Path) -> None:
    one = ("train", "verse.txt", "--steps", 1, *TINY)
    again = run(home, *one)
    assert again.returncode == 0
    assert (home / "checkpoints" / "verse-2" / "config.json").exists()
    assert again.stdout == ""
    assert "\x1b[" not in again.stderr
    before = (home / "checkpoints" / "verse" / "model.safetensors").read_bytes()
    refused(run_here(home, *one, "--name", "verse"), 73)
    assert (home / "checkpoints" / "verse" / "model.safetensors").read_bytes() == before
    out = run(home, *one, "--out", "deep/er")
    assert out.returncode == 0
    assert (home / "deep" / "er" / "model.safetensors").exists()


def test_standard_input_trains_a_byte_model(tmp_path: Path) -> None:
    data = "déjà vu, déjà lu\n".encode("latin-1") * 40
    arguments = ("train", "-", "--tokenizer", "byte", "--steps", 3, *TINY, "--json")
    done = run_anew(tmp_path, *arguments, data=data)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["model"] == "checkpoints/stdin"


BAD_TEXTS: list[tuple[str, bytes | None, int, str]] = [
    ("missing.txt", None, 66, "no file or corpus"),
    ("empty.txt", b"", 65, "no text"),
    ("same.txt", b"a" * 5000, 65, "one distinct character"),
    ("short.txt", b"too short a text", 65, "16 characters; training and validation need"),
    ("photo.jpg", b"\xff\xd8\xff\xe0\0\x10JFIF\0\1\2" * 99, 65, "a binary file"),
    ("latin.txt", b"caf\xe9 " * 99, 65, "offset 3"),
    ("broken.gz", b"\x1f\x8b\x08", 65, "broken gzip"),
    ("*.none", None, 66, "no file or corpus"),
]


@pytest.mark.parametrize(("name", "data", "code", "message"), BAD_TEXTS, ids=lambda v: str(v)[:12])
def test_a_bad_text_ends_in_one_line_and_leaves_nothing(
    tmp_path: Path, name: str, data: bytes | None, code: int, message: str
) -> None:
    if data is not None:
        (tmp_path / name).write_bytes(data)
    refused(run_here(tmp_path, "train", name, "--steps", 1), code, message)
    assert not (tmp_path / "checkpoints").exists()


BAD_SETTINGS: list[tuple[tuple[object, ...], str]] = [
    (("--epochs", 1, "--steps", 1), ": --epochs and --steps are both given; give only one"),
    (("--minutes", -1), ": --minutes is -1"),
    (("--minutes", "nan"), ": --minutes is nan; it must be a number, above 0"),
    (("--epochs", "inf"), ": --epochs is inf; it must be a number, above 0"),
    (("--dropout", 1), "dropout"),
    (("--rnn-size", 0), "--rnn-size is 0"),
    (("--lr", 0), "--learning-rate is 0"),
    (("--name", "a/b"), "plain folder name"),
    (("--name", ""), "plain folder name"),
    (("--name", "-x"), ": --name is '-x', which commands would take for an option"),
    (("--name", "a", "--out", "b"), "--name or --out"),
    (("--encoding", "klingon"), "klingon"),
    (("--batch-size", 999, "--seq-length", 999, "--steps", 1), "need 998001 characters"),
]


@pytest.mark.parametrize(("settings", "message"), BAD_SETTINGS, ids=lambda v: str(v)[:20])
def test_a_bad_setting_is_named(
    tmp_path: Path, verse: Path, settings: tuple[object, ...], message: str
) -> None:
    refused(run_here(tmp_path, "train", verse, *settings), 2, message)
    assert not (tmp_path / "checkpoints").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("nowhere",), 66, "nowhere"),
        (("--temp", -1), 2, "temperature is -1.0"),
        (("--top-p", 0), 2, "--top-p is 0"),
        (("--top-k", 0), 2, "--top-k is 0"),
        (("--length", -1), 2, "--length is -1"),
        (("--prompt", "Ωmega"), 2, "'Ω' (U+03A9)"),
        (("--prompt-file", "nowhere.txt"), 66, "nowhere.txt"),
    ],
    ids=str,
)
def test_sampling_that_cannot_be_says_why(
    home: Path, arguments: tuple[object, ...], code: int, message: str
) -> None:
    refused(run_here(home, "sample", *arguments), code, message)


def test_an_unknown_choice_is_a_usage_error(tmp_path: Path, verse: Path) -> None:
    done = run_here(tmp_path, "train", verse, "--model", "transformer")
    assert done.returncode == 2
    assert "'rnn', 'lstm', 'gru'" in done.stderr


def test_no_model_and_damaged_model(tmp_path: Path) -> None:
    refused(run_here(tmp_path, "sample"), 66, "train one first")
    CharRNN(small_config("gru")).save_pretrained(tmp_path / "m", CharTokenizer("\n abcdefghi"))
    data = bytearray((tmp_path / "m" / "model.safetensors").read_bytes())
    data[-5] ^= 64
    (tmp_path / "m" / "model.safetensors").write_bytes(data)
    refused(run_here(tmp_path, "sample", "m"), 65, "model.safetensors")


def test_a_model_without_manifest_is_used_with_a_warning(tmp_path: Path) -> None:
    CharRNN(small_config("gru")).save_pretrained(tmp_path / "m", CharTokenizer("\n abcdefghi"))
    (tmp_path / "m" / "manifest.json").unlink()
    done = run(tmp_path, "sample", "m", "-n", 5, "--seed", 1)
    assert done.returncode == 0
    assert re.fullmatch(r"charrnn: m has no manifest\.json[^\n]*\n", done.stderr)


def test_a_sample_is_the_prompt_and_the_length_and_repeats_with_its_seed(home: Path) -> None:
    arguments = ("sample", "--prompt", "The clerk", "-n", 40, "--seed", 5)
    one = run(home, *arguments)
    assert one.returncode == 0
    assert one.stderr == ""
    assert one.stdout.startswith("The clerk")
    assert len(one.stdout) == len("The clerk") + 40 + 1
    assert run(home, *arguments, "--temp", 0.8).stdout == one.stdout
    assert run(home, *arguments[:-1], 6).stdout != one.stdout
    (home / "prompt.txt").write_text("The clerk")
    same = ("-n", 40, "--seed", 5)
    assert run(home, "sample", "verse", "--prompt-file", "prompt.txt", *same).stdout == one.stdout
    piped = run(home, "sample", "checkpoints/verse", "--prompt-file", "-", *same, data=b"The clerk")
    assert piped.stdout == one.stdout


def test_greedy_text_does_not_depend_on_the_seed(home: Path) -> None:
    texts = {run(home, "sample", "-t", 0, "-n", 30, "--seed", seed).stdout for seed in (1, 2)}
    assert len(texts) == 1


def test_json_samples_are_a_line_each_and_can_be_drawn_alone(home: Path) -> None:
    done = run(home, "sample", "--num-samples", 3, "-n", 20, "--seed", 7, "--json")
    samples = [json.loads(line) for line in done.stdout.splitlines()]
    assert [sample["settings"]["seed"] for sample in samples] == [7, 8, 9]
    assert {len(sample["text"]) for sample in samples} == {20}
    alone = json.loads(run(home, "sample", "-n", 20, "--seed", 9, "--json").stdout)
    for sample in (alone, *samples):
        assert sample.pop("characters_per_second") > 0
    assert alone.pop("mean_log_prob") == pytest.approx(samples[2].pop("mean_log_prob"), abs=1e-6)
    assert alone == samples[2]


def test_stop_and_unknown_are_the_users(home: Path) -> None:
    stopped = run(home, "sample", "-n", 200, "--seed", 1, "--stop", "e", "--stop", "a")
    assert not set("ea") & set(stopped.stdout)
    skipped = run(home, "sample", "-n", 5, "--prompt", "ΩThe", "--unknown", "skip")
    assert skipped.returncode == 0


def test_info_shows_the_card(home: Path) -> None:
    text = run(home, "info", "verse").stdout
    for part in ("lstm, 2 × 12", "verse,", "validation loss", "model.safetensors"):
        assert part in text
    facts = json.loads(run(home, "info", "verse", "--json").stdout)
    assert facts["model"]["hidden_size"] == 12
    assert facts["evaluation"]["step"] == 30
    lines = (home / "checkpoints" / "verse" / "metrics.jsonl").read_text().splitlines()
    assert facts["metrics"] == [json.loads(line) for line in lines]
    assert facts["evaluation"] in facts["metrics"]
    assert facts["files"]["model.safetensors"] > 1000


def test_verify_names_each_file_that_is_wrong(home: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(home / "checkpoints" / "verse", copy)
    whole = run(tmp_path, "verify", copy)
    assert whole.returncode == 0
    assert "is intact" in whole.stdout
    (copy / "tokenizer.json").unlink()
    weights = copy / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-9] ^= 1
    weights.write_bytes(content)
    done = run(tmp_path, "verify", copy)
    assert done.returncode == 65
    assert "tokenizer.json is missing" in done.stdout
    assert "model.safetensors: its content is not what was saved" in done.stdout
    assert "damaged in 2 of its files" in done.stderr


def test_your_own_words_in_the_card_are_no_damage(home: Path) -> None:
    card = home / "checkpoints" / "verse" / "README.md"
    card.write_text(f"{card.read_text()}\nIt writes of the sea.\n")
    done = run(home, "verify", "verse")
    assert done.returncode == 0, done.stderr
    assert "is intact; its README.md was changed since it was saved\n" in done.stdout
    card.unlink()
    assert "is intact; its README.md was deleted\n" in run(home, "verify", "verse").stdout


def test_corpora_lists_every_bundled_corpus(tmp_path: Path) -> None:
    lines = run(tmp_path, "corpora").stdout.splitlines()
    assert [line.split()[0] for line in lines] == list(BUNDLED)
    sets = {name: one.task for name, one in BUNDLED.items() if one.task is not None}
    for name, line in zip(BUNDLED, lines, strict=True):
        end = rf"\w+, --task {sets[name]}" if name in sets else "characters"
        assert re.search(rf" \([\d,]+ {end}\)$", line), line


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("verbs",), "verbs holds examples for the task translate; name something else"),
        (
            ("log", "--task", "classify"),
            "log holds examples for the task tag; name something else",
        ),
        (
            ("scenes", "--task", "classify"),
            "scenes is a text, and holds no examples for a task; name examples, or train on it",
        ),
    ],
)
def test_a_bundled_corpus_for_something_else_is_refused_in_one_line(
    arguments: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    refused(run_here(tmp_path, "train", *arguments), 2, f"charrnn: {message}")
    assert not list(tmp_path.iterdir())


def test_version(tmp_path: Path) -> None:
    assert re.fullmatch(r"charrnn \d+\.\d+\.\d+\n", run_anew(tmp_path, "--version").stdout)


def test_a_pipe_closed_early_is_no_error(home: Path) -> None:
    process = start(home, "sample", "-n", 1_000_000)
    with process:
        assert process.stdout is not None
        assert process.stderr is not None
        # Text comes while the process runs: it streams.
        assert len(process.stdout.read(10)) == 10
        process.stdout.close()
        assert process.wait(120) == 0
        assert process.stderr.read() == b""


class Failing(io.StringIO):
    """A standard output that fails as one of Windows does when the other end of a pipe closes."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number

    def fileno(self) -> int:
        return self.number

    def flush(self) -> None:
        raise OSError(errno.EINVAL, "Invalid argument", "standard output")


@pytest.mark.parametrize(
    ("platform", "is_pipe", "code"), [("win32", True, 0), ("win32", False, 74), ("linux", True, 74)]
)
def test_a_pipe_closed_early_is_no_error_on_windows_either(
    platform: str,
    is_pipe: bool,
    code: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """There Python knows no broken pipe, but an invalid argument, which elsewhere is an error."""
    reader, pipe = os.pipe()
    file = os.open(tmp_path / "file", os.O_WRONLY | os.O_CREAT)
    with monkeypatch.context() as patch:
        patch.setattr("sys.platform", platform)
        patch.setattr("sys.stdout", Failing(pipe if is_pipe else file))
        found = typer.main.get_command(app).main(["--version"], "charrnn", standalone_mode=False)
    for descriptor in (reader, pipe, file):
        os.close(descriptor)
    assert found == code
    assert ("standard output: Invalid argument" in capsys.readouterr().err) == (code == 74)


def test_no_argument_that_is_required_has_a_default() -> None:
    """So it was said of a model and its texts together."""
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    arguments = [
        option
        for command in commands.values()
        for option in command.params
        if option.param_type_name == "argument" and option.required
    ]
    assert arguments
    assert not [one for one in arguments if "default:" in (one.help or "")]


def test_ctrl_c_ends_sampling_without_a_traceback(home: Path) -> None:
    process = start(home, "sample", "-n", 10_000_000)
    assert process.stdout is not None
    process.stdout.read(10)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert re.fullmatch(rb"seed (\d+): --seed \1 writes this text again\n", err)


def test_how_to_go_on_with_a_text_from_standard_input_is_told_and_works(home: Path) -> None:
    command: Sequence[object] = ("train", "-", "--steps", 1_000_000, "--name", "piped", *TINY)
    for _ in range(2):
        told = _stopped(home, command, "verse.txt")
        assert told == "charrnn train - --resume checkpoints/piped"
        command = shlex.split(told)[1:]


def test_how_to_go_on_with_several_texts_or_one_that_was_moved_is_told_and_works(
    home: Path,
) -> None:
    verse = (home / "verse.txt").read_bytes()
    for name in ("one's.txt", "two.txt", "three.txt"):
        (home / name).write_bytes(verse + name.encode())
    one = shlex.quote(str(home / "one's.txt"))
    limits = ("--steps", 1_000_000, *TINY)
    command: Sequence[object] = ("train", "one's.txt", "-", "--name", "both", *limits)
    for _ in range(2):
        told = _stopped(home, command, "two.txt")
        assert told == f"charrnn train {one} - --resume checkpoints/both"
        command = shlex.split(told)[1:]
    told = _stopped(home, ("train", "three.txt", "--name", "moved", *limits), "two.txt")
    assert told == "charrnn train --resume checkpoints/moved"
    (home / "three.txt").rename(home / "four.txt")
    command = ("train", "-", "--resume", "moved")
    for _ in range(2):
        told = _stopped(home, command, "four.txt")
        assert told == "charrnn train - --resume checkpoints/moved"
        command = shlex.split(told)[1:]


def _stopped(home: Path, command: Sequence[object], text: str) -> str:
    """How to go on after Ctrl-C with what had this file as standard input."""
    process = Copy(
        home, *command, data=(home / text).read_bytes(), prepare=partial(interrupt_at_update, 3)
    )
    _, err = process.communicate(timeout=600)
    assert process.returncode == 130, err
    said, _, told = err.splitlines()[-1].partition("; continue with: ")
    has_model = (home / told.split()[-1] / WEIGHTS).exists()
    assert said == ("stopped" if has_model else "stopped before there was a model")
    return told


def test_a_terminal_shows_a_bar_with_rate_and_time_left(home: Path) -> None:
    shown = in_terminal(home, "train", "verse.txt", "--minutes", 0.05, *TINY)
    assert re.search(r"loss \d\.\d+ nats, [\d,]+ chars/s", shown), shown
    assert re.search(r"\d+/\d+ updates, \d+:\d+ left", shown), shown
    assert "write with it: charrnn sample checkpoints/verse" in shown
