"""`charrnn inspect`: what is shown is what the library computes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from charrnn import ByteTokenizer, CharRNN, CharTokenizer, inside, load
from charrnn.inside.showing import cells
from tests.commands import in_terminal, refused, run, run_here, start
from tests.conftest import small_config

TEXT = "the clerk\nhas lost the book\n"
WIDE = "é so — ÿ 🎭 ünd\n" * 40


@pytest.fixture
def desk(home: Path) -> Path:
    """`home` with a text."""
    (home / "other.txt").write_text(TEXT)
    (home / "one.txt").write_text("t")
    (home / "strange.txt").write_text("the Ω")
    return home


def test_a_unit_is_printed_with_its_values(desk: Path) -> None:
    model = load(desk / "checkpoints" / "verse")
    _, cache = model.run_with_cache(TEXT, "layers.1.hook_h")
    expected = cache["layers.1.hook_h"][:, 5]
    done = run(desk, "inspect", "verse", "other.txt", "--unit", "1.5")
    lines = [line.split() for line in done.stdout.splitlines()]
    assert [int(line[0]) for line in lines] == list(range(len(TEXT)))
    assert "".join(line[1] for line in lines) == TEXT.replace(" ", "·").replace("\n", "↵")
    np.testing.assert_allclose([float(line[2]) for line in lines], expected, atol=6e-4)
    shown = run(desk, "inspect", "verse", "other.txt", "--unit", "1.5", "--json")
    facts = json.loads(shown.stdout)
    assert "".join(facts["tokens"]) == TEXT
    np.testing.assert_allclose(facts["values"], expected, atol=1e-5)
    few = run(desk, "inspect", "verse", "other.txt", "--unit", "1.5", "--characters", 4)
    assert few.stdout.splitlines() == done.stdout.splitlines()[:4]
    assert few.stderr == "only the first 4 characters are shown; --characters can change that\n"


def test_a_terminal_has_colours_unless_nobody_wants_them(
    desk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ("inspect", "verse", "other.txt", "--unit", "0.3")
    coloured = in_terminal(desk, *arguments, streams=["stdout"])
    plain = re.sub(r"\x1b\[[\d;]*m", "", coloured)
    assert plain.rstrip("\n") == TEXT.replace(" ", "·").replace("\n", "↵\n").rstrip("\n")
    model = load(desk / "checkpoints" / "verse")
    values = model.run_with_cache(TEXT, "layers.0.hook_h")[1]["layers.0.hook_h"][:, 3]
    marks = re.findall(r"\x1b\[0(;4)?(;38;5;16;48;5;\d+)?m[^\x1b\n]", coloured)
    assert len(marks) == len(TEXT)
    for value, (underlined, background) in zip(values, marks, strict=True):
        if abs(abs(value) - 0.05) > 1e-4:
            assert bool(background) == (abs(value) > 0.05)
            assert bool(underlined) == (value < -0.05)
    for name, value in (("NO_COLOR", "1"), ("TERM", "dumb")):
        with monkeypatch.context() as patch:
            patch.setenv(name, value)
            numbers = in_terminal(desk, *arguments, streams=["stdout"])
        assert "\x1b" not in numbers
    assert numbers == run(desk, *arguments).stdout


def test_what_mattered_is_told(desk: Path) -> None:
    found = inside.saliency(load(desk / "checkpoints" / "verse"), TEXT, 12)
    facts = json.loads(run(desk, "inspect", "verse", "other.txt", "--at", 12, "--json").stdout)
    assert facts["target"] == TEXT[12]
    assert facts["tokens"] == list(TEXT[:12])
    assert facts["stand_ins"] == found.stand_ins
    np.testing.assert_allclose(facts["changes"], found.changes, atol=1e-5)
    done = run(desk, "inspect", "verse", "other.txt", "--at", 12)
    head, _, text, row, *_ = done.stdout.splitlines()
    assert head == f"s at character 12: {-found.log_prob / np.log(2):.2f} bits"
    assert text.strip() == "the·clerk↵ha"
    first = int(np.argmin(found.changes))
    assert row[4 + first] == "█"
    assert f"    {'the·clerk↵ha'[first]}  {12 - first:>3} back" in done.stdout
    together = run(desk, "inspect", "verse", "verse", "other.txt", "--at", 12, "--json")
    np.testing.assert_allclose(
        json.loads(together.stdout)["changes"], found.changes, atol=1e-4
    )  # two of the same


def test_what_did_not_matter_has_no_minus(desk: Path) -> None:
    network = CharRNN(small_config("rnn", vocab_size=4))
    with torch.no_grad():
        network.head.weight.zero_()  # it predicts the same whatever it has read
    network.save_pretrained(desk / "deaf", CharTokenizer("\nabc"))
    (desk / "few.txt").write_text("abcacb\n")
    assert run(desk, "inspect", "deaf", "few.txt", "--at", 3).stdout.count("  +0.000  against") == 3


def test_a_page_is_written(desk: Path) -> None:
    done = run(desk, "inspect", "verse", "other.txt", "--html", "page.html")
    assert done.stderr == "wrote page.html\n"
    written = (desk / "page.html").read_text("utf-8")
    assert "verse reads other" in written
    assert f"<p>{len(TEXT)} characters</p>" in written


def test_a_page_says_why_it_shows_less_than_all(
    desk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("charrnn.inside.pages.page.NUMBERS", 2 * 12 * 6 * 7)
    done = run_here(desk, "inspect", "verse", "other.txt", "--html", "page.html")
    assert done.stderr == (
        "only the first 7 characters are shown, so that all gates fit; "
        "--characters can change that\n"
        "wrote page.html\n"
    )
    assert "gates are left out" not in (desk / "page.html").read_text("utf-8")


def test_who_waits_for_a_page_at_a_terminal_sees_a_bar(desk: Path) -> None:
    command = ("inspect", "verse", "other.txt", "--html", "page.html")
    shown = in_terminal(desk, *command, streams=["stderr"])
    assert re.search(r"\d+% \|.*left", shown)
    assert shown.endswith("wrote page.html\n")


def test_a_text_of_one_character_has_answers(desk: Path) -> None:
    assert run(desk, "inspect", "verse", "one.txt", "--html", "page.html").returncode == 0
    assert "<p>1 character</p>" in (desk / "page.html").read_text("utf-8")
    assert len(run(desk, "inspect", "verse", "one.txt", "--unit", "0.0").stdout.splitlines()) == 1
    assert json.loads(run(desk, "inspect", "verse", "one.txt", "--at", 1, "--json").stdout)


def test_a_model_that_has_diverged_is_shown_as_it_is(desk: Path) -> None:
    network = CharRNN(small_config("gru", vocab_size=4))
    with torch.no_grad():
        for weight in network.parameters():
            weight.zero_()
        # The product of the input is infinite, and from the second character on r · (W h) is 0 · ∞.
        network.get_parameter("embedding.weight").fill_(1e38)
        network.get_parameter("rnn.weight_ih_l0").chunk(3)[2].fill_(1e38)
        network.get_parameter("rnn.weight_hh_l0").fill_(-3e38)
    network.save_pretrained(desk / "diverged", CharTokenizer("\nabc"))
    (desk / "few.txt").write_text("abcacb\n")
    for way in (("--unit", "0.1"), ("--at", 3), ("--html", "page.html")):
        done = run(desk, "inspect", "diverged", "few.txt", *way)
        assert done.returncode == 0
        assert done.stderr in ("", "wrote page.html\n")
        assert "no number" in done.stdout or "diverged:" in (desk / "page.html").read_text("utf-8")
    shown = run(desk, "inspect", "diverged", "few.txt", "--at", 3, "--json")
    assert json.loads(shown.stdout)["changes"] == [None] * 3


def test_a_model_of_bytes_is_shown_by_bytes(desk: Path) -> None:
    (desk / "wide.txt").write_text(WIDE, encoding="utf-8")
    network = CharRNN(small_config("lstm", vocab_size=256))
    network.save_pretrained(desk / "bytes", ByteTokenizer())
    bytes_of_it = ["c3", "é", "·", "s", "o", "·", "e2", "80"]
    of_a_unit = ("bytes", "wide.txt", "--unit", "0.3", "--characters", 8)
    done = run(desk, "inspect", *of_a_unit)
    assert [line.split()[1] for line in done.stdout.splitlines()] == bytes_of_it
    assert "first 8 bytes" in done.stderr
    facts = json.loads(run(desk, "inspect", *of_a_unit, "--json").stdout)
    assert facts["tokens"] == ["c3", "é", " ", "s", "o", " ", "e2", "80"]
    done = run(desk, "inspect", "bytes", "wide.txt", "--at", 8)
    head, _, text, row, *more = done.stdout.splitlines()
    assert head.startswith("— at byte 8: ")
    assert text.strip() == "".join(bytes_of_it)
    # A bar is as wide as what it stands under.
    assert len(set(row.ljust(len(text))[4:6])) == len(set(row.ljust(len(text))[11:13])) == 1
    assert "\N{REPLACEMENT CHARACTER}" not in done.stdout
    assert sum("against" in line for line in more) == 5
    wrapped = run(desk, "inspect", "bytes", "wide.txt", "--at", 60).stdout.splitlines()
    shown = "".join(line[4:] for line in wrapped[2 : wrapped.index("", 2) : 2])
    assert shown == "".join(cells(ByteTokenizer(), ByteTokenizer().encode(WIDE)[:60]))


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("verse", "other.txt"), 2, "nothing to show"),
        (("verse", "--unit", "0.1"), 2, "no text to inspect"),
        (("verse", "other.txt", "--unit", "0.1", "--at", 3), 2, "--unit and --at are both given"),
        (
            ("verse", "other.txt", "--html", "x", "--json"),
            2,
            "--json can't be used with --html; leave it out",
        ),
        (
            ("verse", "other.txt", "--at", 3, "--characters", 3),
            2,
            "--characters can't be used with --at",
        ),
        (
            ("verse", "other.txt", "--at", 3, "--quantity", "h"),
            2,
            "--quantity can't be used with --at",
        ),
        (
            ("verse", "other.txt", "--at", 3, "--characters", 0),
            2,
            "--characters can't be used with --at",
        ),
        (
            ("verse", "other.txt", "--units", "--quantity", ""),
            2,
            "--quantity can't be used with --units",
        ),
        (("verse", "other.txt", "--unit", "0.0", "--quantity", ""), 2, "--quantity is ''; choose"),
        (("verse", "verse", "other.txt", "--unit", "0.1"), 2, "2 models are named; name one"),
        (("verse", "other.txt", "--unit", "37"), 2, "--unit names the unit '37'; write LAYER.UNIT"),
        (("verse", "other.txt", "--unit", "2.0"), 2, "--unit names layer 2"),
        (("verse", "other.txt", "--unit", "0.0", "--quantity", "q"), 2, "--quantity is 'q'"),
        (("verse", "other.txt", "--unit", "0.0", "--characters", 0), 2, "--characters is 0; it"),
        (("verse", "other.txt", "--at", 0), 2, "--at is 0, and the text has 28 characters"),
        (("verse", "strange.txt", "--html", "x"), 2, "does not know a character"),
        (("nobody", "other.txt", "--html", "x"), 66, "no model folder nobody"),
        (("other.txt", "verse", "--units"), 66, "verse: a model, not a text; a model comes first"),
        (("verse", "other.txt", "--html", "no/page.html"), 73, "no/page.html"),
    ],
)
def test_mistakes_end_in_a_line(
    desk: Path, arguments: tuple[object, ...], code: int, message: str
) -> None:
    refused(run_here(desk, "inspect", *arguments), code, message)
    assert not (desk / "x").exists()


@pytest.mark.parametrize("way", [("--at", 2), ("--units",), ("--html", "page.html")], ids=str)
def test_a_model_of_records_is_refused(desk: Path, way: tuple[object, ...]) -> None:
    network = CharRNN(small_config("gru", vocab_size=4))
    network.save_pretrained(desk / "records", CharTokenizer("abc", end="\n"))
    (desk / "few.txt").write_text("abcacb\n")
    done = run_here(desk, "inspect", "records", "few.txt", *way)
    refused(done, 2, "this is one of records; train one with --records none")
    assert not (desk / "page.html").exists()


def test_a_reader_that_has_seen_enough_is_no_error(desk: Path) -> None:
    (desk / "long.txt").write_text((desk / "verse.txt").read_text() * 40)
    arguments = ("inspect", "verse", "long.txt", "--unit", "0.1", "--characters", 90_000)
    process = start(desk, *arguments)
    assert process.stdout is not None
    assert process.stdout.readline()
    process.stdout.close()
    process.stdout = None
    _, said = process.communicate(timeout=120)
    assert process.returncode == 0
    assert said.count(b"\n") == 1
