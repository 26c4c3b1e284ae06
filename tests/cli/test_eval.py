"""`charrnn eval` and `charrnn score` as their users meet them."""

from __future__ import annotations

import gzip
import json
import math
import re
import zipfile
from pathlib import Path

import pytest
import safetensors

from charrnn import load
from charrnn.cli.scored import Asked, scored
from charrnn.config import Reading
from charrnn.use_config import EvalConfig
from tests.commands import TINY, refused, run, run_here
from tests.conftest import VERSE


@pytest.fixture
def desk(home: Path) -> Path:
    """`home` with a text."""
    (home / "other.txt").write_text(VERSE[:100])
    return home


def test_the_figures_are_those_of_the_library(desk: Path) -> None:
    facts = json.loads(run(desk, "eval", "verse", "other.txt", "--json").stdout)
    nats = -float(load(desk / "checkpoints" / "verse").log_probs(VERSE[:100]).sum())
    assert facts["characters"] == facts["bytes"] == 99
    assert facts["nats"] == pytest.approx(nats, rel=1e-4)
    assert facts["bits_per_char"] == pytest.approx(nats / 99 / math.log(2), rel=1e-4)
    assert facts["protocol"] == "carried"
    shown = run(desk, "eval", "verse", "other.txt").stdout
    assert f"nats per character   {facts['nats_per_char']:.4f}" in shown
    assert "characters scored    99" in shown


def test_validation_is_what_training_said(desk: Path) -> None:
    summary = json.loads((desk / "summary.json").read_text())
    facts = json.loads(run(desk, "eval", "verse", "verse.txt", "--validation", "--json").stdout)
    assert facts["nats_per_char"] == pytest.approx(summary["val_nats"], abs=1e-4)


def test_json_tells_what_was_scored_and_how(desk: Path) -> None:
    """The part for validation could not be told from the whole text."""
    command = ("eval", "verse", "verse.txt", "--json")
    adapted = run(desk, *command, "--validation", "--dynamic", "verse.txt")
    windows = ("--protocol", "windows", "--window", 30, "--random-windows", 20)
    drawn = run(desk, *command, *windows, "--unknown", "skip")
    names = ("protocol", "validation", "unknown", "dynamic")
    assert [[json.loads(one.stdout)[name] for name in names] for one in (adapted, drawn)] == [
        ["carried, dynamic", True, "error", ["verse.txt"]],
        ["20 random windows of 30", False, "skip", []],
    ]


def test_the_text_that_was_trained_on_is_known_by_its_content(desk: Path) -> None:
    """Moved, renamed, compressed, in an archive, as it comes."""
    whole = (desk / "verse.txt").read_bytes()
    (desk / "elsewhere").mkdir()
    (desk / "elsewhere" / "renamed.txt").write_bytes(whole)
    (desk / "packed.gz").write_bytes(gzip.compress(whole))
    with zipfile.ZipFile(desk / "archive.zip", "w") as archive:
        archive.writestr("inside.txt", whole)
    summary = json.loads((desk / "summary.json").read_text())
    for source in ("elsewhere/renamed.txt", "elsewhere", "packed.gz", "archive.zip", "-"):
        done = run(desk, "eval", "verse", source, "--validation", "--json", data=whole)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["nats_per_char"] == pytest.approx(
            summary["val_nats"], abs=1e-4
        )


def test_no_part_of_another_text_was_kept_for_validation(desk: Path) -> None:
    """It was told to have 0 of the two tokens it needs, or to lack unknown characters."""
    (desk / "strange.txt").write_text("ж☃ " * 40)
    for name in ("other", "strange"):
        done = run_here(desk, "eval", "verse", f"{name}.txt", "--validation")
        found = f"{name} is not, or no longer, the text that was trained on"
        refused(done, 2, f"{found}; leave --validation out")


def test_costs_of_characters_add_up(desk: Path) -> None:
    done = run(desk, "eval", "verse", "other.txt", "--per-char")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert "".join(line["text"] for line in lines) == VERSE[1:100]
    facts = json.loads(run(desk, "eval", "verse", "other.txt", "--json").stdout)
    assert sum(line["nats"] for line in lines) == pytest.approx(facts["nats"], rel=1e-5)


def test_a_model_of_bytes_tells_costs_of_whole_characters(desk: Path) -> None:
    text = "é so — ÿ 🎭 ünd\n"
    (desk / "wide-characters.txt").write_text(text * 40, encoding="utf-8")
    (desk / "few.txt").write_text(text, encoding="utf-8")
    options = ("--tokenizer", "byte", "--name", "bytes", "--steps", 3, *TINY)
    assert run(desk, "train", "wide-characters.txt", *options).returncode == 0
    done = run(desk, "eval", "bytes", "few.txt", "--per-char")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    # Half of the first character was predicted.
    assert [line["text"] for line in lines] == list(text)
    facts = json.loads(run(desk, "eval", "bytes", "few.txt", "--json").stdout)
    assert sum(line["nats"] for line in lines) == pytest.approx(facts["nats"], rel=1e-5)
    assert facts["characters"] == len(lines)


def test_a_text_that_was_read_backwards_is_shown_in_its_own_order(desk: Path) -> None:
    """It was shown mirrored, without a word; the last character is the one not predicted."""
    verse, words = VERSE + "é", ["abona", "ülim", "exa"]
    (desk / "few.txt").write_text(verse, encoding="utf-8")
    (desk / "some.txt").write_text("\n".join(words), encoding="utf-8")
    (desk / "verse.txt").write_text(verse * 20, encoding="utf-8")
    (desk / "words.txt").write_text("\n".join(sorted({*VERSE.split()})), encoding="utf-8")
    for name, source, tokenizer, shown in (
        ("characters", "few.txt", "char", verse[:-1]),
        ("bytes", "few.txt", "byte", verse),  # half of the last was predicted
        (
            "records",
            "some.txt",
            "byte",
            "".join(f"\n{word}" for word in words),
        ),  # an end before each
    ):
        known, records = ("words.txt", "lines") if name == "records" else ("verse.txt", "none")
        options = ("--tokenizer", tokenizer, "--records", records, "--steps", 2, *TINY)
        trained = run(desk, "train", known, "--reverse", "--name", name, *options)
        assert trained.returncode == 0, trained.stderr
        done = run(desk, "eval", name, source, "--per-char", "--html", "page.html")
        assert done.returncode == 0, done.stderr
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        assert "".join(line["text"] for line in lines) == shown
        facts = json.loads(run(desk, "eval", name, source, "--json").stdout)
        assert sum(line["nats"] for line in lines) == pytest.approx(facts["nats"], rel=1e-5)
        assert facts["characters"] == len(shown)
        page = (desk / "page.html").read_text("utf-8")
        seen = re.sub("<[^>]*>", "", page[page.index("<pre>") : page.index("</pre>")])
        assert seen.strip() == (verse if source == "few.txt" else shown).strip()
        if name == "characters":
            own = load(desk / "checkpoints" / name).log_probs(verse)
            assert [line["nats"] for line in lines] == pytest.approx((-own[::-1]).tolist(), 1e-4)


def test_what_was_scored_besides_the_first_text_is_not_kept_silent(desk: Path) -> None:
    (desk / "two.txt").write_text(VERSE[100:170])
    texts = ("other.txt", "two.txt")
    assert json.loads(run(desk, "eval", "verse", *texts, "--json").stdout)["text"] == (
        "other and 1 more"
    )
    assert run(desk, "eval", "verse", *texts, "--html", "page.html").returncode == 0
    assert "verse reads other and 1 more" in (desk / "page.html").read_text("utf-8")


def test_a_page_is_one_file(desk: Path) -> None:
    assert run(desk, "eval", "verse", "other.txt", "--html", "page.html").returncode == 0
    text = (desk / "page.html").read_text("utf-8")
    assert text.startswith("<!DOCTYPE html>")
    assert "verse reads other" in text


def test_lines_are_scored_without_pytorch(desk: Path) -> None:
    lines = ["the clerk", "", "quay the on it finds"]
    done = run(desk, "score", "verse", data="\n".join(lines).encode())
    scores = [json.loads(line) for line in done.stdout.splitlines()]
    (first, *_) = load(desk / "checkpoints" / "verse").score_lines(lines)
    assert [*scores[0]] == [*first.facts()], "the names that eval --json gives"
    assert [score["characters"] for score in scores] == [len(line) for line in lines]
    assert all(math.isfinite(value) for score in scores for value in score.values())


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("eval", "verse"), 2, "no text to score"),
        (("eval", "nobody", "other.txt"), 66, "no model folder nobody"),
        (("eval", "verse", "missing.txt"), 66, "missing.txt"),
        (("eval", "other.txt", "verse"), 66, "verse: a model, not a text; a model comes first"),
        (("eval", "verse", "strange.txt"), 2, "does not know"),
        (("eval", "verse", "one.txt"), 2, "has 1 of the two tokens"),
        (("eval", "verse", "other.txt", "--window", 0), 2, "window is 0"),
        (
            ("eval", "verse", "other.txt", "--random-windows", 3),
            2,
            "--random-windows needs windows",
        ),
        (
            ("eval", "verse", "other.txt", "--window", 4),
            2,
            "--window needs windows; add the protocol windows",
        ),
        (("eval", "verse", "other.txt", "--segment", 4), 2, "--segment needs dynamic evaluation"),
        (("eval", "verse", "other.txt", "--html", "no/page.html"), 73, "no/page.html"),
        (("eval", "verse", "other.txt", "--dynamic", "verse.txt", "--rate", -1), 2, "rate is -1"),
        (("score", "verse", "a.txt"), 2, "; charrnn score verse < a.txt, or charrnn eval verse a"),
        (("score", "a.txt", "verse"), 2, "; charrnn score verse < a.txt, or charrnn eval verse a"),
        (("score", "verse", "film.srt"), 2, "standard input; charrnn eval verse film.srt"),
        (("score", "verse", "rows.jsonl"), 2, "standard input; charrnn eval verse rows.jsonl"),
        (("score", "verse", "a.txt.gz"), 2, "standard input; charrnn eval verse a.txt.gz"),
        (("score", "nobody"), 66, "no model folder nobody"),
    ],
)
def test_mistakes_end_in_a_line(
    desk: Path, arguments: tuple[object, ...], code: int, message: str
) -> None:
    (desk / "strange.txt").write_text("the Ω")
    (desk / "one.txt").write_text("t")
    refused(run_here(desk, *arguments), code, message)


@pytest.mark.parametrize(
    "verb", [("eval",), ("eval", "--dynamic", "verse.txt"), ("inspect", "--unit", "0.1")]
)
def test_a_text_for_a_model_is_not_to_be_learnt_as_bytes(desk: Path, verb: tuple[str, ...]) -> None:
    (desk / "latin.txt").write_bytes("the \xe9 \xe0".encode("latin-1"))
    done = run_here(desk, verb[0], "verse", "latin.txt", *verb[1:])
    refused(done, 65, " have their own), or --errors replace\n")


def test_a_line_that_cannot_be_scored_is_named(desk: Path) -> None:
    refused(run_here(desk, "score", "verse", data="the\nΩ\n".encode()), 2, "line 2")
    assert run(desk, "score", "verse", "--unknown", "skip", data="Ω\n".encode()).returncode == 0


@pytest.mark.parametrize(
    ("unknown", "said"),
    [
        ("skip", "left out 3 of {} characters: the figures are of the rest\n"),
        ("replace", "put others in place of 3 of {} characters: the figures are of the text with"),
    ],
)
def test_how_much_of_a_text_was_changed_is_told_once(desk: Path, unknown: str, said: str) -> None:
    """A model that knew fewer characters had a better score, and nothing told why."""
    text = "the Ωsea\nthe ΩΩ\nsea\n"
    (desk / "omega.txt").write_text(text, encoding="utf-8")
    scored = run(desk, "eval", "verse", "omega.txt", "--unknown", unknown)
    assert scored.returncode == 0, scored.stderr
    assert scored.stderr.count(f"--unknown {unknown} {said.format(len(text))}") == 1
    lines = run(desk, "score", "verse", "--unknown", unknown, data=text.encode())
    assert len(lines.stdout.splitlines()) == 3
    assert lines.stderr.count(f"--unknown {unknown} {said.format(len(text) - 3)}") == 1
    for verb in (("eval", "verse", "verse.txt"), ("score", "verse")):
        done = run(desk, *verb, "--unknown", unknown, data=b"the sea\n")
        assert (done.returncode, done.stderr) == (0, "")


def test_texts_are_read_as_for_training(desk: Path) -> None:
    """In another encoding, from a column, as raw bytes; also the one to adapt from."""
    text = VERSE * 20
    (desk / "wide.txt").write_text(text, encoding="utf-16")
    expected = run(desk, "eval", "verse", "verse.txt", "--json").stdout
    wide = run(desk, "eval", "verse", "wide.txt", "--encoding", "utf-16", "--json").stdout
    assert json.loads(wide)["nats"] == json.loads(expected)["nats"]
    table = "\n".join(json.dumps({"body": line}) for line in VERSE.splitlines())
    (desk / "table.jsonl").write_text(table)
    done = run(desk, "eval", "verse", "table.jsonl", "--text-column", "body", "--json")
    assert json.loads(done.stdout)["characters"] > 100
    (desk / "raw.bin").write_bytes(bytes(range(256)) * 40)
    trained = run(
        desk, "train", "raw.bin", "--tokenizer", "byte", "--name", "raw", "--steps", 3, *TINY
    )
    assert trained.returncode == 0, trained.stderr
    scored = run(desk, "eval", "raw", "raw.bin", "--dynamic", "raw.bin", "--json")
    assert json.loads(scored.stdout)["characters"] > 0


def test_what_is_left_out_of_a_text_that_is_also_adapted_to_is_said_once(desk: Path) -> None:
    (desk / "dirty.txt").write_bytes(b"the \x00clerk\n" + VERSE.encode() * 4)
    (desk / "other.txt").write_bytes(b"\x00\x00" + VERSE.encode())
    asked = ("eval", "verse", "dirty.txt", "--dynamic")
    for known, count in (("dirty.txt", 1), ("other.txt", 2)):
        done = run(desk, *asked, known)
        assert done.returncode == 0
        assert done.stderr.count("dropped") == count


def test_a_text_that_can_be_read_only_once_is_read_only_once(desk: Path) -> None:
    """It was read once more to see how, and then there was no more of it."""
    whole = (desk / "verse.txt").read_bytes()
    for options in (("--validation",), ("--dynamic", "verse.txt"), ("--dynamic", "/dev/stdin")):
        source = "verse.txt" if "/dev/stdin" in options else "/dev/stdin"
        known = [option.replace("/dev/stdin", "verse.txt") for option in options]
        expected = run(desk, "eval", "verse", "verse.txt", *known, "--json")
        found = run(desk, "eval", "verse", source, *options, "--json", data=whole)
        assert found.returncode == 0, found.stderr
        facts, wanted = json.loads(found.stdout), json.loads(expected.stdout)
        names = {"text": "", "dynamic": []}  # of the sources
        assert facts | names == wanted | names


def test_weights_are_read_once_whatever_is_to_be_known_of_their_training(
    desk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They were read and checked up to four times, and the hub was asked each time."""
    opened: list[str] = []
    safe_open = safetensors.safe_open

    def counting(path: Path, **how: str) -> object:
        opened.append(Path(path).name)
        return safe_open(path, **how)

    monkeypatch.chdir(desk)
    monkeypatch.setattr(safetensors, "safe_open", counting)
    asked = Asked(["verse"], ["verse.txt"], Reading(), "error", True, ["verse.txt"])
    assert scored(asked, EvalConfig()).text == "verse"
    assert opened == ["model.safetensors"]


def test_models_that_have_seen_different_parts_are_not_scored_together(desk: Path) -> None:
    options = ("--steps", 3, "--val-frac", 0.3, "--name", "other-part", *TINY)
    assert run(desk, "train", "verse.txt", *options).returncode == 0
    done = run_here(desk, "eval", "verse", "other-part", "verse.txt", "--validation")
    refused(done, 2, "trained on different parts of verse")
    assert run(desk, "eval", "verse", "other-part", "verse.txt").returncode == 0


def test_ten_thousand_lines_are_scored_in_their_order(desk: Path) -> None:
    """Side by side; the first and the last are what they are alone."""
    lines = [VERSE.splitlines()[k % 4][: 5 + k % 23] for k in range(10_000)]
    done = run(desk, "score", "verse", data="\n".join(lines).encode())
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["characters"] for line in found] == [len(line) for line in lines]
    for k in (0, 9_999):
        alone = json.loads(run(desk, "score", "verse", data=lines[k].encode()).stdout)
        assert found[k]["nats"] == pytest.approx(alone["nats"], rel=1e-4)
