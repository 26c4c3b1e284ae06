"""charrnn predict and eval with models that label and tag."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import subprocess
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from charrnn import Reading, load
from charrnn.checkpoints import CONFIG
from charrnn.examples.tagged import read_tagged
from charrnn.folder.files import write_files
from charrnn.folder.reading import read_folder
from charrnn.folder.record import model_files
from charrnn.tasks.scores.reports import Report
from charrnn.tasks.tag import marked
from charrnn.text.bundled import BUNDLED
from tests import commands


@pytest.fixture
def desk(trained_tasks: Path, tmp_path: Path) -> Path:
    """A folder with examples, and models of them."""
    return Path(shutil.copytree(trained_tasks, tmp_path / "desk"))


def test_answers_are_lines_of_json_in_the_order_of_the_input(desk: Path) -> None:
    texts = (desk / "new-reviews.txt").read_text().replace("\n", "\n\n", 1)
    (desk / "gap.txt").write_text(texts)
    done = commands.run(desk, "predict", "reviews", data=texts.encode())
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(texts.splitlines())
    for answer in answers:
        assert list(answer) == ["label", "probability", "probabilities"]
        assert set(answer["probabilities"]) == {"good", "bad"}
        assert answer["probability"] == max(answer["probabilities"].values())
    same = commands.run(desk, "predict", "reviews", "gap.txt")
    assert same.stdout == done.stdout
    (alone,) = commands.run(desk, "predict", "reviews", texts.splitlines()[7]).stdout.splitlines()
    assert json.loads(alone)["probability"] == pytest.approx(answers[7]["probability"], abs=1e-5)
    plain = commands.run(desk, "predict", "reviews", "--plain", data=texts.encode())
    assert plain.stdout.splitlines() == [answer["label"] for answer in answers]


def test_texts_that_are_cut_are_counted_once(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that were answered together were also told of by themselves."""
    monkeypatch.setattr("charrnn.cli.predict.AT_ONCE", 2)
    lines = "a film\n" + f"{'good ' * 500}\n" * 3
    done = commands.run_here(desk, "predict", "reviews", data=lines.encode())
    assert len(done.stdout.splitlines()) == 4
    note = "3 texts are longer than 2,000 characters: their beginnings are read\n"
    assert done.stderr == note


@pytest.mark.parametrize("model", ["reviews", "places", "words"])
def test_a_line_of_a_pipe_is_answered_before_the_next_is_written(desk: Path, model: str) -> None:
    """What a program writes now and then once waited for a megabyte, or for its end."""
    lines = ["fine é\n".encode(), b"\n", b"[12:30] a bad film\n", b"warm\n"]
    expected = commands.run(desk, "predict", model, "--plain", data=b"".join(lines)).stdout
    process = commands.start(
        desk, "predict", model, "--plain", stdin=subprocess.PIPE, bufsize=0, stderr=None
    )
    assert process.stdin is not None
    found = b""
    for line in lines:
        process.stdin.write(line)
        found += commands.line_from(process)
    rest, _ = process.communicate(b"and good", timeout=120)
    assert process.returncode == 0
    assert found.decode() == expected
    assert rest.count(b"\n") == 1


@pytest.mark.parametrize(
    ("model", "lines", "before"),
    [
        ("reviews", [b'{"text": "fine"}\n', b'{"text": "bad"}\n'], [0, 1, 2]),
        (
            "places",
            [b"warm B-LOC\n", b"Film I-LOC\n", b"\n", b"fine O\n", b"\n"],
            [0, 0, 0, 1, 1, 2],
        ),
    ],
    ids=["JSON", "CoNLL"],
)
def test_what_comes_line_by_line_is_read_as_a_file_is(
    desk: Path, model: str, lines: list[bytes], before: list[int]
) -> None:
    """Records waited for a megabyte, and the lines of CoNLL were texts."""
    (desk / "all.txt").write_bytes(b"".join(lines))
    expected = commands.run(desk, "predict", model, "all.txt").stdout
    process = commands.start(desk, "predict", model, stdin=subprocess.PIPE, bufsize=0)
    assert process.stdin is not None
    found = b""
    for line, (earlier, later) in zip(lines, pairwise(before), strict=True):
        process.stdin.write(line)
        if later > earlier:
            found += commands.line_from(process)
    rest, _ = process.communicate(timeout=120)
    assert (process.returncode, rest) == (0, b"")
    # Some processors add up in another order beside other texts.
    text, number = found.decode(), re.compile(r"\d\.\d+")
    assert number.sub("", text) == number.sub("", expected)
    numbers = [[float(digits) for digits in number.findall(part)] for part in (text, expected)]
    assert numbers[0] == pytest.approx(numbers[1], abs=1e-6)


def test_how_a_pipe_is_read_is_said_before_its_first_answer(desk: Path) -> None:
    """It was said at the end, and what is followed (tail -f) has none."""
    process = commands.start(
        desk, "predict", "reviews", stdin=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=0
    )
    assert process.stdin is not None
    process.stdin.write(b"text,label\na film,good\n")
    found = [commands.line_from(process) for _ in range(3)]
    assert found[0] == b"standard input: a table, since line 1 names columns\n"
    assert found[1] == b"standard input: its cells are separated by commas\n"
    assert found[2].startswith(b'{"label":')
    rest, _ = process.communicate(b"bad,bad\n", timeout=120)
    assert rest.startswith(b'{"label":')
    assert rest.count(b"\n") == 1, "nothing is said twice"


def test_a_line_at_a_terminal_is_answered_at_once(desk: Path) -> None:
    lines = [b"a good film\n", b"a bad film\n"]
    ours, theirs = pty.openpty()
    process = commands.start(desk, "predict", "reviews", "--plain", stdin=theirs, bufsize=0)
    os.close(theirs)
    found = b""
    for line in lines:
        os.write(ours, line)
        found += commands.line_from(process)
    os.write(ours, b"\x04")  # Ctrl-D
    assert process.communicate(timeout=120) == (b"", b"")
    os.close(ours)
    expected = commands.run(desk, "predict", "reviews", "--plain", data=b"".join(lines))
    assert found.decode() == expected.stdout


def test_who_has_read_enough_answers_ends_the_work(desk: Path) -> None:
    with commands.start(
        desk, "predict", "reviews", stdin=subprocess.PIPE, bufsize=0, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"a good film\n")
        commands.line_from(process)
        process.stdout.close()
        process.stdin.write(b"a bad film\n")
        assert process.wait(120) == 0


@pytest.mark.parametrize("model", ["places", "words"])
def test_an_empty_line_has_an_answer(desk: Path, model: str) -> None:
    done = commands.run(desk, "predict", model, data=b"fine\n\nwarm\n")
    assert len(done.stdout.splitlines()) == 3
    (desk / "table.csv").write_text("text,n\nfine,1\n,2\n")
    done = commands.run(desk, "predict", model, "table.csv", "--text-column", "text")
    assert len(done.stdout.splitlines()) == 2


def test_a_translator_reads_the_sources_of_a_table_with_or_without_a_header(desk: Path) -> None:
    (desk / "named.csv").write_text("target,source\nA,warm\nB,cold\n")
    (desk / "bare.tsv").write_text("warm\tA\ncold\tB\n")
    (desk / "named.jsonl").write_text('{"source": "warm"}\n{"source": "cold"}\n')
    expected = commands.run(desk, "predict", "words", data=b"warm\ncold\n").stdout
    for table, said in (
        ("named.csv", ""),
        ("bare.tsv", "bare.tsv: there is no column source, so its first one is read\n"),
        ("named.jsonl", ""),
    ):
        done = commands.run(desk, "predict", "words", table)
        assert (done.stdout, done.stderr) == (expected, said)
    (desk / "other.jsonl").write_text('{"text": "warm"}\n')
    done = commands.run(desk, "predict", "words", "other.jsonl")
    assert "there is no column source; choose --text-column from text" in done.stderr


def test_spans_are_places_in_the_text_as_it_was_given(desk: Path) -> None:
    text = "fine  film in New Film, “warm song” in New Song."
    done = commands.run(desk, "predict", "places", text)
    answer = json.loads(done.stdout)
    assert list(answer) == ["text", "spans"]
    assert answer["text"] == text
    assert answer["spans"]
    for span in answer["spans"]:
        assert list(span) == ["start", "end", "label", "text"]
        assert text[span["start"] : span["end"]] == span["text"]


def test_a_tagger_answers_the_sentences_of_the_files_that_it_learns_from(desk: Path) -> None:
    content = (desk / "test-places.conll").read_text()
    texts = [
        " ".join(line.partition("\t")[0] for line in sentence.splitlines())
        for sentence in content.split("\n\n")
    ]
    done = commands.run(desk, "predict", "places", "test-places.conll")
    assert [json.loads(line)["text"] for line in done.stdout.splitlines()] == texts
    assert "its lines end with tags" in done.stderr
    assert commands.run(desk, "predict", "places", data=content.encode()).stdout == done.stdout


def test_a_tagger_answers_about_the_words_of_a_file(desk: Path) -> None:
    """They were divided anew: "New." became two words, and its span another than in `eval`."""
    words = ["warm", "film", "in", "New.", "Film"]
    (desk / "a.conll").write_text("".join(f"{word}\tO\n" for word in words))
    (desk / "a.jsonl").write_text(json.dumps({"tokens": words}))
    (desk / "a.txt").write_text("cold\n")
    tagger: Any = load(desk / "places")
    (known,) = read_tagged([desk / "a.conll"], Reading(), [])
    (tags,) = tagger.tag([known.text], [known.words])
    expected = [marked(known.text, known.words, tags), *tagger.predict(["cold"])]
    done = commands.run(desk, "predict", "places", "a.conll", "a.txt", "a.jsonl", "--plain")
    plain = [answer.plain for answer in (*expected, expected[0])]
    assert done.stdout.splitlines() == plain
    (anew,) = tagger.predict([known.text])
    assert anew != expected[0], "the words matter here"


@pytest.mark.parametrize(
    ("model", "examples", "metric"),
    [("reviews", "test-reviews.csv", "accuracy"), ("places", "test-places.conll", "F1")],
)
def test_eval_has_a_trivial_answer_beside(
    desk: Path, model: str, examples: str, metric: str
) -> None:
    found = json.loads(commands.run(desk, "eval", model, examples, "--json").stdout)
    assert found["metric"] == metric
    assert 0 <= found["scores"][metric] <= 1
    assert found["baselines"]
    shown = commands.run(desk, "eval", model, examples)
    assert shown.returncode == 0
    said = shown.stdout + shown.stderr
    assert found["verdict"] not in said, "the table says it all"
    for name, scores in found["baselines"].items():
        assert re.search(rf"^{re.escape(name)} .*{metric} {scores[metric]:.4g}", said, re.MULTILINE)


def test_scores_stand_below_each_other_whatever_the_labels(
    desk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = Report(
        metric="accuracy",
        count=1_000,
        scores={"accuracy": 0.75},
        baselines={"always 好评": {"accuracy": 0.5}},
    )
    monkeypatch.setattr("charrnn.tasks.base.TaskModel.evaluate", lambda *_, **__: report)
    shown = commands.run_here(desk, "eval", "reviews", "test-reviews.csv").stdout
    assert shown.splitlines() == (
        ["model        accuracy 0.75", "always 好评  accuracy 0.5", "examples     1,000"]
    )


def test_eval_measures_on_columns_of_other_names(desk: Path) -> None:
    tables = [
        ("reviews", "test-reviews.csv", "text,label", "kind,body", (1, 0)),
        ("words", "test-words.tsv", "source\ttarget", "spoken\twritten", (1, 0)),
        ("airline", "test-airline.csv", "ds,y", "ds,sales", (0, 1)),
    ]
    for model, examples, usual, other, order in tables:
        sign = "\t" if "\t" in usual else ","
        rows = [line.split(sign) for line in (desk / examples).read_text().splitlines()]
        rows = rows[1:] if rows[0] == usual.split(sign) else rows
        ways = []
        for name, header in (("usual", usual), ("other", other)):
            places = order if name == "other" else (0, 1)
            lines = [header, *(sign.join(row[place] for place in places) for row in rows)]
            (desk / f"{name}-{examples}").write_text("\n".join(lines))
        named = other.split(sign)
        columns = ["--label-column", named[order.index(1)]]
        if model != "airline":
            columns += ["--text-column", named[order.index(0)]]
        for more in ([f"usual-{examples}"], [f"other-{examples}", *columns]):
            done = commands.run(desk, "eval", model, *more, "--json")
            assert done.returncode == 0, done.stderr
            ways.append(json.loads(done.stdout) | {"examples": []})
        assert ways[0] == ways[1]


def test_a_forecaster_goes_on_from_a_column_of_another_name(desk: Path) -> None:
    table = (desk / "longer.csv").read_text()
    (desk / "sold.csv").write_text(
        table.replace("ds,y", "unique_id,ds,sold").replace("\n19", "\na,19")
    )
    (desk / "same.csv").write_text(
        table.replace("ds,y", "unique_id,ds,y").replace("\n19", "\na,19")
    )
    refused = commands.run(desk, "predict", "airline", "sold.csv")
    assert "there is no column y; choose --label-column from unique_id, ds, sold" in refused.stderr
    found = commands.run(desk, "predict", "airline", "sold.csv", "--label-column", "sold")
    assert found.returncode == 0, found.stderr
    assert found.stdout == commands.run(desk, "predict", "airline", "same.csv").stdout


def test_a_model_that_is_no_better_is_told_so(desk: Path) -> None:
    """One that knows nothing always says the same, as does the trivial answer."""
    found = read_folder(desk / "reviews")
    zeros = {name: np.zeros_like(weight) for name, weight in found.weights.items()}
    files = model_files(found.record, found.tokenizer, zeros, found.step)
    (desk / "zeros").mkdir()
    write_files(desk / "zeros", {**files, **found.extra})
    done = commands.run(desk, "eval", "zeros", "test-reviews.csv")
    last = done.stdout.splitlines()[-1]
    assert re.fullmatch(r"no better than always \w+ \(0\.5\): more examples .*", last)


@pytest.mark.parametrize(
    ("arguments", "code", "found"),
    [
        (("eval", "reviews", "test-places.conll"), 65, "neither a table with the columns"),
        (("eval", "places", "test-reviews.csv"), 65, "line 1 has cells between commas"),
        (("train", "reviews.txt", "--task", "classify"), 65, "neither a table with the columns"),
        (("train", "reviews.csv", "--task", "classify", "--label-column", "x"), 2, "column x"),
        (("train", "reviews.csv", "--task", "tag"), 65, "line 1 has cells between commas"),
        (("predict", "forth", "a text"), 2, "is a language model"),
        (("predict", "airline", "--horizon", "0"), 2, "--horizon is 0; it must be a whole number"),
        (("predict", "words", "a", "--label-column", "x"), 2, "--label-column is about forecasts"),
        (("predict", "airline", "1 2", "--label-column", "x"), 2, "--label-column is about tables"),
        (("predict", "airline", "--label-column", "x"), 2, "--label-column is about tables"),
        (
            ("predict", "reviews", "a text", "--text-column", "x", "--encoding", "cp1252"),
            2,
            "--encoding and --text-column can't affect what is given as arguments; leave th",
        ),
        (
            ("predict", "reviews", "a text", "--split", "test"),
            2,
            "--split can't affect what is given as arguments; leave it out",
        ),
        (
            ("predict", "reviews", "new-reviews.txt", "--split", "test"),
            2,
            "--split is 'test', which only affects data sets from the hub, and none is read here",
        ),
        (
            ("eval", "places", "test-places.conll", "--label-column", "x"),
            2,
            "--label-column is 'x', which has no meaning for the task tag; leave it out",
        ),
        (
            ("eval", "forth", "reviews.txt", "--label-column", "x"),
            2,
            "--label-column is about tasks; leave it out",
        ),
    ],
)
def test_wrong_input_is_one_line(
    desk: Path, arguments: tuple[str, ...], code: int, found: str
) -> None:
    commands.refused(commands.run_here(desk, *arguments), code, found)


@pytest.mark.parametrize(
    "arguments",
    [
        ("predict", "reviews"),
        ("predict", "airline", "-"),
        ("sample", "forth", "-n", 0, "--seed", 1),
    ],
)
def test_standard_input_may_be_closed(desk: Path, arguments: tuple[str, ...]) -> None:
    process = commands.start(desk, *arguments, limit=lambda: os.close(0))
    out, err = process.communicate(timeout=120)
    if arguments[0] == "sample":
        assert (process.returncode, err) == (0, b"")
    else:
        found = b"charrnn: standard input is closed; name a file instead\n"
        assert (process.returncode, out, err) == (66, b"", found)


def test_output_may_be_closed(desk: Path) -> None:
    process = commands.start(desk, "predict", "reviews", "fine", limit=lambda: os.close(1))
    assert process.communicate(timeout=120)[1] == b""
    assert process.returncode == 0


def test_a_server_has_language_models_alone(desk: Path) -> None:
    done = commands.run_here(desk, "serve", "forth", "reviews", *commands.NOWHERE)
    commands.refused(done, 2, "reviews is not a language model")


@pytest.mark.parametrize("column", [None, "sold"])
def test_numbers_come_as_an_argument_and_by_standard_input(desk: Path, column: str | None) -> None:
    """A column that was named for training was asked of numbers that have no names."""
    content = json.loads((desk / "airline" / CONFIG).read_bytes())
    content["task"]["label_column"] = column
    write_files(desk / "airline", {CONFIG: json.dumps(content).encode()})
    numbers = " ".join(str(-k) for k in range(1, 28))
    (desk / "numbers.txt").write_text(numbers.replace(" ", "\n"))
    answers = [
        commands.run(desk, "predict", "airline", *given, data=f"{numbers}\n".encode()).stdout
        for given in (("--", numbers), (), ("numbers.txt",))
    ]
    assert answers[0] == answers[1] == answers[2]
    assert len(json.loads(answers[0])["forecast"]) == 12
    assert commands.run_here(desk, "eval", "airline", "numbers.txt").returncode == 0
    (desk / "other.csv").write_text("kept\n1\n2\n")
    other = commands.run_here(desk, "predict", "airline", "other.csv")
    wanted = (2, "there is no column sold; choose --label-column from kept")
    commands.refused(other, *wanted if column else (2, "the series has 2 values"))


@pytest.mark.parametrize("model", ["reviews", "airline"])
def test_a_file_that_is_not_there_is_no_text(desk: Path, model: str) -> None:
    for name in ("new-review.txt", "new reviews.csv", "my new reviews.csv"):
        done = commands.run_here(desk, "predict", model, name)
        commands.refused(done, 66, f"charrnn: there is no file {name}; ")


def test_a_sentence_that_ends_with_the_name_of_a_file_is_a_text(desk: Path) -> None:
    for text in ("It is in notes.txt", "Please send me sales.csv"):
        assert commands.run_here(desk, "predict", "reviews", text).returncode == 0


@pytest.mark.parametrize(
    ("model", "name"), [("reviews", "peoples"), ("places", "log"), ("words", "verbs")]
)
def test_bundled_examples_are_evaluated_by_name(desk: Path, model: str, name: str) -> None:
    done = commands.run(desk, "eval", model, name, "--json")
    assert done.returncode == 0, done.stderr
    assert f"{json.loads(done.stdout)['count']:,}" == BUNDLED[name].size.split()[0]
    done = commands.run_here(desk, "eval", "airline", name)
    commands.refused(done, 2, f"{name} holds examples for the task {BUNDLED[name].task}; ")
