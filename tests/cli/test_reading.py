"""However a text comes in, it is read as `charrnn train` reads one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from charrnn import Corpus, evaluate, load, read_corpus, train
from tests.commands import line_from, refused, run, run_here, start
from tests.conftest import VERSE

CLEAN = "The clerk has lost\nthe book of tides,\n"
MARK = "\N{BYTE ORDER MARK}"
DIRTY = {
    "CRLF": CLEAN.replace("\n", "\r\n").encode(),
    "CR": CLEAN.replace("\n", "\r").encode(),
    "BOM": (MARK + CLEAN).encode(),
    "BOM within": (MARK + CLEAN).replace("book", f"{MARK}book").encode(),
}


def scores(home: Path, data: bytes, *options: str) -> str:
    done = run(home, "score", "verse", *options, data=data)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_score_reads_lines_as_training_does(home: Path) -> None:
    expected = scores(home, CLEAN.encode())
    assert len(expected.splitlines()) == 2
    for data in DIRTY.values():
        assert scores(home, data) == expected
    assert scores(home, CLEAN.encode("utf-16"), "--encoding", "utf-16") == expected


@pytest.mark.parametrize("options", [(), ("--errors", "replace")])
def test_each_line_of_a_pipe_is_scored_before_the_next_is_written(
    home: Path, options: tuple[str, ...]
) -> None:
    """What a program writes now and then once waited for a megabyte, or for its end."""
    process = start(home, "score", "verse", *options, stdin=subprocess.PIPE, bufsize=0)
    assert process.stdin is not None
    found = []
    for line in CLEAN.splitlines(keepends=True):
        process.stdin.write(line.encode())
        found.append(json.loads(line_from(process))["nats"])
    out, err = process.communicate("The Ω\n".encode(), timeout=120)
    assert (process.returncode, out) == (2, b"")
    assert b"line 3: " in err
    expected = [json.loads(line)["nats"] for line in scores(home, CLEAN.encode()).splitlines()]
    assert found == pytest.approx(expected, rel=1e-5)


def test_standard_input_that_cannot_be_read_is_named(home: Path) -> None:
    """It was said that there might be no room on the disk."""

    def write_only() -> None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 0)

    process = start(home, "score", "verse", limit=write_only)
    out, err = process.communicate(timeout=120)
    assert (process.returncode, out) == (74, b"")
    found = b"charrnn: standard input: Bad file descriptor; check the disk, then try again\n"
    assert err == found


def prompted(home: Path, *arguments: str, data: bytes = b"") -> tuple[str, str]:
    done = run(home, "sample", "verse", "-n", 12, "--seed", 1, *arguments, data=data)
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def test_a_prompt_is_read_as_training_does_and_it_is_said(home: Path) -> None:
    expected, silent = prompted(home, "--prompt", CLEAN)
    assert silent == ""
    crlf, said = prompted(home, "--prompt-file", "-", data=DIRTY["CRLF"])
    assert crlf == expected  # its echo, too
    assert said == "standard input: CRLF became LF on 2 lines\n"
    (home / "prompt.txt").write_bytes(DIRTY["BOM within"])
    marked, said = prompted(home, "--prompt-file", "prompt.txt")
    assert marked == expected
    assert said == "prompt.txt: dropped 2 byte-order marks\n"
    word, said = prompted(home, "--prompt", CLEAN.replace("\n", "\r\n"))
    assert word == expected
    assert said == "charrnn: the text: CRLF became LF on 2 lines\n"


def test_utf16_is_named_with_advice_that_works(home: Path) -> None:
    data = CLEAN.encode("utf-16")
    for arguments in (("score", "verse"), ("sample", "verse", "-n", 3, "--prompt-file", "-")):
        done = run_here(home, *arguments, data=data)
        refused(done, 65, "standard input: this is UTF-16, not utf-8; try --encoding utf-16")
        assert run(home, *arguments, "--encoding", "utf-16", data=data).returncode == 0


def test_advice_for_a_prompt_names_no_option_of_training(home: Path) -> None:
    done = run_here(home, "sample", "verse", "--prompt-file", "-", data=b"The cl\xffrk")
    refused(done, 65, "--errors replace")
    assert "--tokenizer" not in done.stderr
    done = run_here(home, "sample", "verse", "--encoding", "utf-16")
    refused(done, 2, "--encoding needs --prompt-file or --novelty")


def test_words_of_the_command_line_are_utf8_in_every_locale(tmp_path: Path) -> None:
    """Where the locale is POSIX and Python does not overrule it, they arrive as lone bytes."""
    text = "Жук жил у реки.\nОн любил книги.\n" * 20
    shape = {"steps": 20, "hidden_size": 8, "embed_size": 4}
    train(Corpus("r", text), out=tmp_path / "r", **shape).finish(progress=False)  # type: ignore[arg-type]
    command = [sys.executable, "-m", "charrnn", "sample", str(tmp_path / "r"), "-n", "20", "--json"]
    command += ["--output", str(tmp_path / "out.json")]
    command += ["--prompt", "Жук", "--stop", "книги", "--ban", "я", "--seed", "1"]
    found = []
    for locale in ({"LC_ALL": "C.UTF-8"}, {"LC_ALL": "C", "PYTHONUTF8": "0"}, {"LC_ALL": "C"}):
        env = os.environ | locale | {"PYTHONCOERCECLOCALE": "0"}
        done = subprocess.run(command, capture_output=True, env=env, timeout=120)
        assert done.returncode == 0, done.stderr
        found.append(json.loads((tmp_path / "out.json").read_text("utf-8"))["settings"])
    assert found[0]["stop_strings"] == ["книги"]
    assert found == found[:1] * 3


def test_the_library_reads_strings_as_training_does(home: Path) -> None:
    model = load(home / "checkpoints" / "verse")
    expected = model.log_probs(CLEAN).tolist(), model.generate(CLEAN, seed=1, max_new_tokens=9)
    score = evaluate(model, CLEAN)
    lines = [one.nats for one in model.score_lines(CLEAN.splitlines())]
    for data in DIRTY.values():
        text = data.decode()
        with pytest.warns(UserWarning, match="the text: "):
            found = model.log_probs(text).tolist()
        with pytest.warns(UserWarning, match="the text: "):
            assert (found, model.generate(text, seed=1, max_new_tokens=9)) == expected
        with pytest.warns(UserWarning, match="the text: "):
            assert evaluate(model, text) == score
    marked = [MARK + line for line in CLEAN.splitlines()]
    with pytest.warns(UserWarning, match="byte-order mark"):
        assert [one.nats for one in model.score_lines(marked)] == lines


def test_bytes_that_are_no_text_stay_for_a_byte_model(tmp_path: Path) -> None:
    """The head of a PNG file tells by its CR and LF whether it was changed on the way."""
    out = tmp_path / "b"
    shape = {"steps": 5, "hidden_size": 8, "embed_size": 4}
    train(Corpus("v", VERSE), out=out, tokenizer="byte", **shape).finish(progress=False)  # type: ignore[arg-type]
    model, head = load(out), os.fsdecode(b"\x89PNG\r\n\x1a\n")
    assert len(model.log_probs(head)) == 7
    with pytest.warns(UserWarning, match="CRLF"):
        assert len(model.log_probs("PNG\r\n")) == 3


def test_one_name_is_one_source(tmp_path: Path) -> None:
    """`read_corpus("t.txt")` once looked for files called t, ., t, x and t."""
    (tmp_path / "t.txt").write_bytes(DIRTY["CRLF"])
    corpus = read_corpus("t.txt")
    assert (corpus.name, corpus.text) == ("t", CLEAN)
    assert read_corpus(["t.txt"]) == read_corpus(Path("t.txt")) == corpus


def test_the_text_of_a_model_is_read_as_in_training(tmp_path: Path) -> None:
    text = "Öl für die Tür, sagt der Küster;\nwer hört Äpfel fallen?\n" * 30
    (tmp_path / "novel").mkdir()
    (tmp_path / "novel" / "a.txt").write_text(text, encoding="cp1252")
    (tmp_path / "other.txt").write_text(text, encoding="cp1252")
    settings = ("--encoding", "cp1252", "--records", "none", "--name", "nv", "--steps", 2)
    size = ("--hidden-size", 8, "--embed-size", 4, "--batch-size", 4, "--seq-length", 16)
    assert run(tmp_path, "train", "novel", *settings, *size).returncode == 0
    said = "novel: read as in training, with --encoding cp1252\n"
    evaluation = ("eval", "nv", "novel", "--validation")
    done = run(tmp_path, *evaluation)
    assert done.stderr == said
    assert run(tmp_path, *evaluation, "--encoding", "cp1252").stdout == done.stdout
    state = tmp_path / "checkpoints" / "nv" / "resume" / "state.safetensors"
    for command in (("sample", "nv", "--novelty", "novel"), ("inspect", "nv", "novel", "--at", 9)):
        assert run(tmp_path, *command).stderr.startswith(said)
    for changed in ((*evaluation, "--encoding", "utf-8"), ("eval", "nv", "other.txt")):
        assert "is not utf-8; it may be cp1252" in run(tmp_path, *changed).stderr
    state.write_bytes(state.read_bytes()[:-1])
    assert "is not utf-8" in run(tmp_path, *evaluation).stderr, "no more is known of the text"


def test_a_part_of_the_text_of_a_model_is_read_as_any_text(tmp_path: Path) -> None:
    """Settings that were for the other part were refused, though nobody had given them."""
    (tmp_path / "a.csv").write_text("n,body\n" + "1,The clerk has lost\n" * 30)
    (tmp_path / "b.csv").write_text("n,body\n" + "1,the book of tides\n" * 30)
    (tmp_path / "c.txt").write_text(CLEAN * 20)
    held, settings = ("--validation", "b.csv"), ("--text-column", "body", "--records", "none")
    size = ("--hidden-size", 8, "--embed-size", 4, "--batch-size", 4, "--seq-length", 16)
    train = ("train", "a.csv", "c.txt", *held, *settings, "--name", "m", "--steps", 2, *size)
    assert run(tmp_path, *train).returncode == 0
    said = ": read as in training, with --text-column body\n"
    for own in (
        ("a.csv", "c.txt"),
        ("b.csv",),
        ("b.csv", "--dynamic", "c.txt", "--dynamic", "a.csv"),
    ):
        done = run(tmp_path, "eval", "m", *own)
        assert (done.returncode, said in done.stderr) == (0, True)
    for part in (("c.txt",), ("c.txt", "--dynamic", "c.txt")):
        done = run(tmp_path, "eval", "m", *part)
        assert (done.returncode, done.stderr) == (0, "")
    for part in (("a.csv",), ("b.csv", "--dynamic", "c.txt")):
        assert "no text in a column text" in run(tmp_path, "eval", "m", *part).stderr
    other = ("--encoding", "utf-16", "--records", "none", "--name", "piped", "--steps", 2, *size)
    assert run(tmp_path, "train", "-", *other, data=(CLEAN * 20).encode("utf-16")).returncode == 0
    done = run(tmp_path, "eval", "piped", "-", data=CLEAN.encode())  # not what was there then
    assert (done.returncode, done.stderr) == (0, "")
