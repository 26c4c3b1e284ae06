"""`charrnn sample` with every control it has."""

from __future__ import annotations

import itertools
import json
import os
import pty
import re
import signal
import subprocess
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import torch
import typer.main

from charrnn import ByteTokenizer, CharRNN, CharTokenizer, load
from charrnn.cli.app import app
from charrnn.models.stepper import NumPyStepper
from charrnn.sampling.drawing.draws import Draws
from tests.commands import Copy, refused, run, run_here, start
from tests.conftest import VERSE, small_config

DOCS = Path(__file__).parents[2] / "docs" / "sampling.md"


@pytest.fixture
def desk(home: Path) -> Path:
    """`home` with a prompt."""
    (home / "prompt.txt").write_text("the clerk")
    return home


def test_the_page_shows_every_option() -> None:
    command = typer.main.get_command(app).commands["sample"]  # type: ignore[attr-defined]
    options = [o for o in command.params if o.param_type_name == "option" and o.name != "help"]
    assert len(options) > 20
    page = DOCS.read_text(encoding="utf-8")
    for option in options:
        names = [*option.opts, *option.secondary_opts]
        assert any(f"{name} " in page or f"{name}`" in page for name in names), names


def test_settings_of_the_command_are_those_of_the_library(desk: Path) -> None:
    text = run(
        desk, "sample", "verse", "--prompt", "the ", "--no-echo", "-n", 90, "-t", "0.5,1.5",
        "--top-k", 9, "--top-p", 0.95, "--min-p", 0.01, "--typical-p", 0.9, "--ban", "x",
        "--repetition-penalty", 1.1, "--repetition-window", 9, "--seed", 3, "--clamp", "0.5=-1",
        "--clamp", "0.11=0.5",
    ).stdout  # fmt: skip
    expected = load(desk / "checkpoints" / "verse").generate(
        "the ", max_new_tokens=90, temperature=(0.5, 1.5), top_k=9, top_p=0.95, min_p=0.01,
        typical_p=0.9, ban="x", repetition_penalty=1.1, repetition_window=9, seed=3,
        clamp={"0.5": -1.0, "0.11": 0.5},
    )  # fmt: skip
    assert text == expected + "\n"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("-t", "warm"), 2, "temperature is 'warm'"),
        (("-t", "1,-1"), 2, "temperature is"),
        (("--min-p", 2), 2, "--min-p is 2.0"),
        (
            ("--beam", 2, "--best-of", 3),
            2,
            "--best-of can't be used with --beam, which draws nothing; leave it out",
        ),
        (("--beam", 2, "--num-samples", 3), 2, "--num-samples can't be used with --beam"),
        (("--beam", 2, "--seed", 1), 2, "--seed can't be used with --beam, which draws nothing"),
        (("--interactive", 3, "--seed", 1), 2, "--seed can't be used with --interactive"),
        (("--reject-copies", 5), 2, "--reject-copies needs --novelty; add --novelty, or leave"),
        (("--interactive", 3, "--json"), 2, "--json can't be used with --interactive"),
        (("--interactive", 3, "--stop", "a", "--max-lines", 2), 2, "--stop and --max-lines"),
        (("--prompt", "a", "--prompt-file", "prompt.txt"), 2, "--prompt-file can't be used with"),
        (("--beam", 2, "--length-penalty", 1e9), 2, "--length-penalty is 1000000000.0"),
        (("--beam", 2, "--length-penalty", "nan"), 2, "--length-penalty is nan"),
        (("--length", 0, "--json"), 2, "no end"),
        (("--length", 0, "--beam", 2), 2, "needs an end"),
        (("--allow", "@"), 2, "leave no character"),
        (("--novelty", "missing.txt"), 66, "missing.txt"),
        (("--output", "no/such/folder/x"), 73, "no/such/folder/x"),
        (
            ("--novelty", "verse.txt", "-t", 0, "--reject-copies", 1, "--length", 40),
            1,
            "in each of 50 draws",
        ),
        (("--interactive", 3, "--prompt-file", "-"), 2, "standard input"),
        (("--clamp", "9.0=1"), 2, "--clamp names layer 9"),
        (("--clamp", "0.5"), 2, "--clamp is '0.5'; it must be a name and a number"),
        (("--clamp", "0.5=inf"), 2, "it must be a finite number"),
        (("--clamp", "0.5=1", "--clamp", "0.5=0"), 2, "--clamp names 0.5 twice"),
        (("verse", "--clamp", "0.5=1"), 2, "this is a mixture of several; name one model"),
        (("--encoding", "latin-1"), 2, "--encoding needs --prompt-file or --novelty; add"),
        (("--prompt-file", "prompt.txt", "--split", "test"), 2, "--split needs --novelty; add"),
        (
            ("--prompt-file", "-", "--novelty", "-"),
            2,
            "the prompt and the text to compare with; use",
        ),
        (("--text-column", "body"), 2, "--text-column needs --novelty; add --novelty, or"),
        (("--length-penalty", 0), 2, "--length-penalty needs --beam; add --beam, or leave"),
        (("--include-stop",), 2, "--include-stop needs --stop or --max-lines; add --stop"),
        (("--repetition-window", 9), 2, "--repetition-window needs --repetition-penalty"),
        (("--beam", 2, "-t", 1, "--top-k", 3), 2, "--temperature and --top-k can't be used with"),
    ],
)
def test_mistakes_end_in_a_line(
    desk: Path, arguments: tuple[object, ...], code: int, message: str
) -> None:
    refused(run_here(desk, "sample", "verse", *arguments), code, message)


def test_a_setting_out_of_bounds_is_told_before_a_model_is_looked_for(desk: Path) -> None:
    done = run(desk, "sample", "nobody", "-n", -5)
    assert done.returncode == 2
    assert "--length is -5; it must be" in done.stderr


def test_an_output_file_is_not_touched_when_there_is_no_model(desk: Path) -> None:
    (desk / "kept.txt").write_text("kept")
    assert run(desk, "sample", "nobody", "-o", "kept.txt").returncode == 66
    assert (desk / "kept.txt").read_text() == "kept"


@pytest.mark.parametrize(
    ("more", "what"),
    [
        ((), "this text"),
        (("--num-samples", 3), "these texts"),
        (("--novelty", "verse.txt", "--reject-copies", 25, "--num-samples", 2), "these texts"),
    ],
)
def test_a_text_can_be_had_again_by_the_seed_that_is_told(
    desk: Path, more: tuple[object, ...], what: str
) -> None:
    arguments = ("sample", "verse", "-n", 60, *more)
    found = run(desk, *arguments)
    said = re.search(rf"^seed (\d+): --seed \1 writes {what} again\n", found.stderr, re.MULTILINE)
    assert said
    again = run(desk, *arguments, "--seed", said[1])
    assert again.stdout == found.stdout
    assert "seed" not in again.stderr


@pytest.mark.parametrize("more", [("-t", 0), ("--beam", 2), ("--json",)])
def test_no_seed_is_told_where_none_matters_or_it_stands_in_the_answer(
    desk: Path, more: tuple[object, ...]
) -> None:
    assert "--seed" not in run(desk, "sample", "verse", "-n", 20, *more).stderr


def test_what_a_sample_copies_is_told(desk: Path) -> None:
    arguments = ("sample", "verse", "--novelty", "verse.txt", "-n", 120, "--seed", 2)
    shown = run(desk, *arguments)
    facts = json.loads(run(desk, *arguments, "--json").stdout)
    longest = facts["novelty"]["longest"]
    assert longest in VERSE * 20
    assert longest in facts["text"]
    assert f"has {len(longest)} characters" in shown.stderr
    assert shown.stdout.strip("\n") == facts["text"].strip("\n")


def test_copies_are_found_in_a_text_in_another_encoding_and_in_a_column_of_a_table(
    desk: Path,
) -> None:
    """Of a text that is not UTF-8 nothing was found, silently; a table could not be read."""
    (desk / "host.txt").write_bytes((VERSE * 20).encode("cp500"))
    rows = "".join(f'{number},"{line}"\n' for number, line in enumerate((VERSE * 20).splitlines()))
    (desk / "rows.csv").write_text("n,body\n" + rows)
    arguments = ("sample", "verse", "-n", 120, "--seed", 2, "--json", "--novelty")
    facts = json.loads(run(desk, *arguments, "verse.txt").stdout)
    assert json.loads(run(desk, *arguments, "host.txt", "--encoding", "cp500").stdout) == (
        facts | {"characters_per_second": mock.ANY}
    )
    done = run_here(desk, *arguments, "host.txt")
    refused(done, 65, "choose the right --encoding")
    assert "--tokenizer" not in done.stderr
    in_column = run(desk, *arguments, "rows.csv", "--text-column", "body")
    assert json.loads(in_column.stdout)["novelty"] == facts["novelty"]


def test_the_encoding_of_a_prompt_is_not_that_of_the_text_to_compare_with(desk: Path) -> None:
    """Bundled texts were refused with it, and others were read wrong."""
    (desk / "prompt.txt").write_text("the ärk", encoding="cp500")
    arguments = ("sample", "verse", "-n", 90, "--seed", 2, "--unknown", "skip", "--json")
    of_host = (*arguments, "--prompt-file", "prompt.txt", "--encoding", "cp500", "--novelty")
    assert run(desk, *of_host, "places").returncode == 0
    found = json.loads(run(desk, *of_host, "verse.txt").stdout)
    typed = json.loads(
        run(desk, *arguments, "--prompt", "the ärk", "--novelty", "verse.txt").stdout
    )
    assert found == typed | {"characters_per_second": mock.ANY}
    (desk / "wide.txt").write_text(VERSE, encoding="cp500")
    done = run_here(desk, *of_host, "wide.txt")
    refused(
        done,
        65,
        "; --encoding is for --prompt-file here: use --prompt, and --encoding for this text\n",
    )


def test_what_is_left_out_of_a_text_to_compare_with_is_said(desk: Path) -> None:
    (desk / "marked.txt").write_bytes(b"the \x00clerk" + VERSE.encode())
    done = run(desk, "sample", "verse", "-n", 9, "--novelty", "marked.txt")
    assert done.stderr.startswith("marked.txt: dropped 1 NUL")


def test_samples_that_copy_are_drawn_again(desk: Path) -> None:
    arguments = ("sample", "verse", "--novelty", "verse.txt", "-n", 60, "--json", "--seed", 1)
    plain = [
        json.loads(line)
        for line in run(desk, *arguments, "--num-samples", 8).stdout.split("\n")
        if line
    ]
    lengths = [len(sample["novelty"]["longest"]) for sample in plain]
    limit = sorted(lengths)[3]
    done = run(desk, *arguments, "--num-samples", 8, "--reject-copies", limit)
    again = [json.loads(line) for line in done.stdout.split("\n") if line]
    assert all(len(sample["novelty"]["longest"]) <= limit for sample in again)
    for before, after, length in zip(plain, again, lengths, strict=True):
        assert (before["text"] == after["text"]) == (length <= limit)
    assert len({sample["seed"] for sample in again}) == 8


def test_a_user_and_a_model_write_in_turn_on_a_terminal(desk: Path) -> None:
    controller, terminal = pty.openpty()
    process = start(
        desk,
        *("sample", "verse", "--prompt", "the ", "--interactive", 4),
        stdin=terminal,
        stderr=terminal,
    )
    os.close(terminal)
    shown = b""

    def answer(text: str) -> str:
        nonlocal shown
        before = len(shown)
        while not shown[before:].endswith(b"> "):
            shown += os.read(controller, 1000)
        os.write(controller, text.encode())
        return shown[before:].decode()

    first = answer("1\n")
    choices = re.findall(r"^  (\d)  '(.|\\n)'  ([\d.]+)%\r$", first, re.MULTILINE)
    assert [number for number, _, _ in choices] == ["1", "2", "3", "4"]
    shares = [float(share) for _, _, share in choices]
    assert shares == sorted(shares, reverse=True)
    answer("clerk\n")
    answer("9\n")
    assert "there are 4 choices" in answer("Ω\n")
    assert "does not know" in answer("\x04")
    out, _ = process.communicate(timeout=120)
    os.close(controller)
    assert process.returncode == 0
    assert out.decode() == "the " + choices[0][1].replace("\\n", "\n") + "clerk\n"


@pytest.mark.parametrize(
    ("system", "key"), [("linux", "Ctrl-D ends"), ("win32", "Ctrl-Z and Enter end")]
)
@pytest.mark.parametrize("end", ["", "\x04\n", "\x1a\n"])
def test_writing_in_turn_ends_with_the_key_of_the_system(
    system: str, key: str, end: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("charrnn.terminal.writing.interactive.sys.platform", system)
    typed = f"a\n{end}" + "b\n" * bool(end)
    done = run_here(
        home, "sample", "verse", "--prompt", "the ", "--interactive", 4, data=typed.encode()
    )
    assert (done.returncode, done.stdout) == (0, "the a\n")
    assert done.stderr.splitlines()[0].endswith(f"; {key}")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("output", [(), ("--output", "turns.txt")], ids=len)
def test_what_was_written_in_turn_outlives_its_terminal(
    number: signal.Signals, output: tuple[str, ...], home: Path
) -> None:
    """All of it was lost, however long that had taken."""
    arguments = ("sample", "verse", "--prompt", "the ", "--interactive", 4, *output)
    process = start(home, *arguments, stdin=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stderr is not None
    process.stdin.write(b"clerk\n")
    process.stdin.flush()
    shown = b""
    while shown.count(b"> ") < 2:
        shown += os.read(process.stderr.fileno(), 1000)
    process.send_signal(number)
    out, _ = process.communicate(timeout=120)
    assert process.returncode == -number
    assert ((home / output[1]).read_bytes() if output else out) == b"the clerk\n"


def test_a_choice_of_thousands_of_digits_is_none(home: Path) -> None:
    done = run_here(home, "sample", "verse", "--interactive", 4, data=b"9" * 5000 + b"\na\n")
    assert (done.returncode, done.stdout) == (0, "a\n")
    assert "there are 4 choices" in done.stderr


@pytest.mark.parametrize(("length", "written"), [((), 509), (("--length", 500), 500)])
def test_writing_in_turn_ends_by_itself_only_at_a_length_that_is_given(
    length: tuple[object, ...], written: int, home: Path
) -> None:
    """It ended after 500 characters, without a word."""
    arguments = ("sample", "verse", "--interactive", 1, *length)
    done = run_here(home, *arguments, data=b"a" * 500 + b"\na" * 9)
    assert (done.returncode, done.stdout) == (0, "a" * written + "\n")


def test_the_choices_offered_are_those_with_the_units_held(desk: Path) -> None:
    arguments = ("sample", "verse", "--prompt", "the ", "--interactive", 1, "-t", 1)
    held = {"0.3": 1.0, "1.4": -1.0, "1.5": 1.0}
    clamp = [part for name, value in held.items() for part in ("--clamp", f"{name}={value}")]
    done = run(desk, *arguments, *clamp, data=b"1\n")
    best = load(desk / "checkpoints" / "verse").generate(
        "the ", max_new_tokens=1, temperature=0, clamp=held
    )
    assert done.stdout == f"the {best}\n"
    assert done.stderr != run(desk, *arguments, data=b"1\n").stderr


def test_bytes_that_are_no_characters_are_offered_by_their_numbers(desk: Path) -> None:
    """Each was shown as the same sign for what is no text."""
    network = CharRNN(small_config("gru", vocab_size=256), torch.Generator().manual_seed(1))
    network.save_pretrained(desk / "bytes", ByteTokenizer())
    done = run(desk, "sample", "bytes", "--prompt", "a", "--interactive", 256)
    choices = re.findall(r"^  \d+  (.+)  [\d.]+%$", done.stderr, re.MULTILINE)
    wanted = [repr(chr(k)) if k < 128 else f"byte {k:x}" for k in range(256)]
    assert sorted(choices) == sorted(wanted)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full device here")
@pytest.mark.parametrize(
    "arguments",
    [("--version",), ("sample", "verse", "-n", 9), ("sample", "verse", "-n", 9, "--json")],
    ids=str,
)
def test_a_full_disk_behind_a_pipe_is_told_in_one_line(
    desk: Path, arguments: tuple[object, ...]
) -> None:
    with Path("/dev/full").open("w") as full:
        process = start(desk, *arguments, stdout=full)
        _, err = process.communicate(timeout=120)
    assert process.returncode == 74
    assert err.decode().count("\n") == 1
    assert "No space left on device" in err.decode()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full device here")
def test_a_full_disk_under_a_file_has_another_code_than_a_bad_path(desk: Path) -> None:
    assert run(desk, "sample", "verse", "-n", 9, "--output", "/dev/full").returncode == 74
    assert run(desk, "sample", "verse", "-n", 9, "--output", "no/such.txt").returncode == 73


def test_bytes_of_a_prompt_that_are_no_text_come_out_as_they_went_in(desk: Path) -> None:
    (desk / "raw.bin").write_bytes(b"the \xff clerk")
    reading = ("--prompt-file", "raw.bin", "--errors", "surrogateescape", "--unknown", "skip")
    options = (*reading, "-n", 5, "--seed", 1)
    found = json.loads(run(desk, "sample", "verse", *options, "--json").stdout)
    assert found["prompt"] == "the \udcff clerk"
    assert run(desk, "sample", "verse", *options, "--output", "out.txt").returncode == 0
    assert (desk / "out.txt").read_bytes().startswith(b"the \xff clerk")


@pytest.mark.parametrize(
    "wrong",
    [("--prompt", "Ω"), ("--novelty", "nowhere.txt"), ("--beam", 2, "--length-penalty", 50)],
    ids=lambda wrong: wrong[0],
)
def test_bad_input_leaves_the_file_for_the_output_as_it_was(
    desk: Path, wrong: tuple[object, ...]
) -> None:
    (desk / "keep.txt").write_text("precious")
    assert run_here(desk, "sample", "verse", "-o", "keep.txt", *wrong).returncode in (2, 66)
    assert (desk / "keep.txt").read_text() == "precious"
    assert run_here(desk, "sample", "verse", "-o", "new.txt", *wrong).returncode in (2, 66)
    assert not (desk / "new.txt").exists()


def interrupt_drawing() -> None:
    """Let Ctrl-C come when some characters have been drawn, whether in machine code or not."""

    def interrupted(call: Callable[..., Any], calls: Iterator[int], last: int) -> Any:
        def watched(*given: Any) -> Any:
            if next(calls) == last:
                os.kill(os.getpid(), signal.SIGINT)
            return call(*given)

        return watched

    NumPyStepper.step = interrupted(NumPyStepper.step, itertools.count(1), 40)  # type: ignore[method-assign]
    Draws.ahead = interrupted(Draws.ahead, itertools.count(1), 2)  # type: ignore[method-assign]


@pytest.mark.parametrize(
    ("ways", "count"),
    [
        (("--json",), 1),
        (("--num-samples", 3), 3),
        (("--best-of", 3), 1),
        (("--beam", 2), 2),
        (("--num-samples", 2, "--novelty", "verse.txt", "--reject-copies", 5_000), 2),
        (("--num-samples", 2, "--novelty", "verse.txt", "--reject-copies", 1), 0),
    ],
)
def test_ctrl_c_writes_what_there_is_of_texts_that_are_wanted_whole(
    desk: Path, ways: tuple[object, ...], count: int
) -> None:
    file = desk / "stopped.txt"
    arguments = ("--prompt", "the ", "-n", 5_000_000, "--ban", "\n", "-o", file, *ways)
    process = Copy(desk, "sample", "verse", *arguments, prepare=interrupt_drawing)
    _, err = process.communicate(timeout=600)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert file.exists() == bool(count), "a file without a text is not kept"
    text = file.read_text() if count else ""
    texts = [json.loads(text)["text"]] if "--json" in ways else re.findall(r"^the .*$", text, re.M)
    assert len(texts) == count
    assert count or err == "2 of 2 texts copied more than 1 characters and are left out\n"
    assert all(len(one) > len("the ") for one in texts)


@pytest.mark.parametrize(
    ("given", "point", "several"), [("0,5", "0.5", "0.0,5.0"), ("1,2", "1.2", "1.0,2.0")]
)
def test_a_decimal_comma_is_recognised_and_both_readings_are_shown(
    home: Path, given: str, point: str, several: str
) -> None:
    """Much of the world writes 0,5 for a half: it meant a draw at 0, and one at 5, in turn."""
    done = run_here(home, "sample", "verse", "-n", 5, "--temp", given)
    found = f"--temperature is '{given}', which can be read in two ways"
    refused(done, 2, f"{found}; write {point} for one")
    for written in (several, "1,0.05"):  # a list is none where one of the two has a point
        assert run(home, "sample", "verse", "-n", 5, "--temp", written).returncode == 0


def test_an_end_that_cannot_come_is_told_in_one_line(home: Path) -> None:
    endless = run_here(home, "sample", "verse", "-n", 0, "--stop", "Ω")
    refused(endless, 2, "'Ω' can't come, since the model does not know 'Ω'; give a length")
    empty = run_here(home, "sample", "verse", "--stop", "x", "--stop", "")
    refused(empty, 2, "charrnn: --stop has an empty text; leave it out\n")
    said = run(home, "sample", "verse", "-n", 5, "--stop", "Ω", "--seed", 1)
    assert said.returncode == 0
    assert said.stderr == "charrnn: no text will end at 'Ω', since the model does not know 'Ω'\n"


def test_a_seed_in_json_draws_the_text_again_even_the_last(home: Path) -> None:
    arguments = ["sample", "verse", "-n", 20, "--json"]
    done = run(home, *arguments, "--num-samples", 3, "--seed", 2**63 - 2)
    for line in done.stdout.splitlines():
        found = json.loads(line)
        again = run(home, *arguments, "--seed", found["seed"])
        assert json.loads(again.stdout)["text"] == found["text"]


def test_a_model_that_has_diverged_is_refused_in_one_line(tmp_path: Path) -> None:
    network = CharRNN(small_config("lstm"))
    with torch.no_grad():
        for weight in network.parameters():
            weight.copy_(3e38 * weight.sign())
    network.save_pretrained(tmp_path / "model", CharTokenizer("\nabcdefghij"))
    done = run_here(tmp_path, "sample", "model")
    assert done.returncode == 65
    assert re.fullmatch("charrnn: the model predicts NaN or infinity; .*\n", done.stderr)


@pytest.mark.parametrize(("form", "other"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_copies_are_found_in_a_text_in_another_normal_form(
    desk: Path, form: Any, other: Any
) -> None:
    """None were found, and none rejected."""
    text = unicodedata.normalize(form, "ábaáb\n" * 9)
    tokenizer = CharTokenizer.from_text(text)
    config = small_config("gru", vocab_size=tokenizer.vocab_size)
    network = CharRNN(config, torch.Generator().manual_seed(1))
    network.save_pretrained(desk / "accents", tokenizer)
    for name in (form, other):
        (desk / f"{name}.txt").write_text(unicodedata.normalize(name, text))
    arguments = ("sample", "accents", "-n", 90, "--seed", 1, "--json", "--novelty")
    own = json.loads(run(desk, *arguments, f"{form}.txt").stdout)["novelty"]
    assert unicodedata.normalize(form, "á") in own["longest"]
    found = run(desk, *arguments, f"{other}.txt")
    assert f"normal form {form}" in found.stderr
    assert json.loads(found.stdout)["novelty"] == own
