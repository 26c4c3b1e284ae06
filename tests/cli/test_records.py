"""Lists as the users of the commands meet them."""

from __future__ import annotations

import csv
import json
import re
import shutil
import signal
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tqdm

import charrnn
from tests.commands import TINY, refused, start
from tests.commands import run_here as run
from tests.conftest import unchanged
from tests.text.writer import Writer


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a list of names, a table of cards, and a model of each."""
    path = tmp_path_factory.mktemp("lists")
    writer = Writer()
    (path / "names.txt").write_text("\n".join(sorted({writer.name() for _ in range(150)})) + "\n")
    with (path / "cards.csv").open("w", newline="") as file:
        rows = [[f"{writer.name()}\n\n{writer.sentence()}"] for _ in range(60)]
        csv.writer(file).writerows([["text"], *rows])
    for name in ("names.txt", "cards.csv"):
        done = run(path, "train", name, "--steps", 30, *TINY)
        assert done.returncode == 0, done.stderr
        assert "--records none reads it as one story" in done.stderr
        (path / f"{name}.said").write_text(done.stderr)
    with unchanged(path):
        yield path


@pytest.fixture
def desk(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "desk"))


def test_training_says_what_the_list_is(desk: Path) -> None:
    said = (desk / "names.txt.said").read_text()
    assert "(one a line, a word each)" in said
    assert "4 records of 16 steps" in said
    assert "60 records (each row is one)" in (desk / "cards.csv.said").read_text()
    shown = run(desk, "info", "names").stdout
    assert "one a line" in shown
    assert "and the end of a record" in shown
    assert "names" in run(desk, "list").stdout


@pytest.mark.parametrize(("kind", "unit"), [("lines", "byte"), ("blocks", "token")])
def test_a_loss_per_token_is_called_one_per_byte_only_where_it_is(
    kind: str, unit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The end of a block is one token of two bytes."""
    bar = tqdm.tqdm
    writer, gap = Writer(), "\n" if kind == "lines" else "\n\n"
    text = gap.join(f"{writer.name()} {k}" for k in range(70))
    (tmp_path / "list.txt").write_text(text)
    options = ("--records", kind, "--tokenizer", "byte", "--steps", 4, *TINY)
    trained = run(tmp_path, "train", "list.txt", *options)
    assert trained.returncode == 0, trained.stderr
    assert f" training {unit}s of 63 records" in trained.stderr
    for said in (
        trained.stderr,
        run(tmp_path, "list").stdout,
        run(tmp_path, "info", "list").stdout,
        (tmp_path / "checkpoints" / "list" / "README.md").read_text(),
    ):
        assert set(re.findall(r"bits per (\w+)", said)) == {unit}
    assert json.loads(run(tmp_path, "list", "--json").stdout)["unit"] == unit
    bars: list[str] = []

    def noted(**given: Any) -> Any:
        bars.append(given["unit"])
        return bar(**given)

    monkeypatch.setattr(tqdm, "tqdm", noted)
    assert run(tmp_path, "eval", "list", "list.txt").returncode == 0
    assert bars == [f" {unit}s"]


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_a_list_in_another_normal_form_costs_what_it_does_in_the_models(
    form: Any, tmp_path: Path
) -> None:
    writer = Writer()
    names = "".join(f"{writer.name().replace('a', 'á')}\n" for _ in range(50))
    forms = {name: unicodedata.normalize(name, names) for name in ("NFC", "NFD")}
    for name, text in forms.items():
        (tmp_path / f"{name}.txt").write_text(text)
    assert run(tmp_path, "train", f"{form}.txt", "--steps", 8, *TINY).returncode == 0
    own = run(tmp_path, "eval", form, f"{form}.txt", "--json")
    (other,) = {"NFC", "NFD"} - {form}
    with pytest.warns(UserWarning, match=f"normal form {form}"):
        found = run(tmp_path, "eval", form, f"{other}.txt", "--json")
    assert found.returncode == 0, found.stderr
    assert json.loads(found.stdout) == json.loads(own.stdout) | {"text": other}


def test_records_are_written_with_what_ends_them_in_between(desk: Path) -> None:
    lines = run(desk, "sample", "names", "--records", 20, "--seed", 1).stdout.splitlines()
    assert len(lines) == 20
    assert all(lines)
    assert (
        run(desk, "sample", "names", "--records", 20, "--seed", 1).stdout.split("\n")[:-1] == lines
    )
    as_json = run(desk, "sample", "names", "--records", 3, "--seed", 1, "--json").stdout
    assert [json.loads(line)["text"] for line in as_json.splitlines()] == lines[:3]
    prompted = run(desk, "sample", "names", "--records", 5, "--prompt", "Ka").stdout.splitlines()
    assert len(prompted) == 5
    assert all(line.startswith("Ka") for line in prompted)
    command = ("sample", "names", "--records", 5, "--prompt", "KΩa", "--unknown", "skip")
    assert all(line.startswith("Ka") for line in run(desk, *command).stdout.splitlines())


def test_ctrl_c_keeps_records_and_tells_how_to_have_them_again(desk: Path) -> None:
    process = start(desk, "sample", "names", "--records", 10_000_000, bufsize=0)
    assert process.stdout is not None
    kept = process.stdout.read(10)
    process.send_signal(signal.SIGINT)
    more, err = process.communicate(timeout=120)
    assert process.returncode == 130
    said = re.fullmatch(r"seed (\d+): --seed \1 writes these records again\n", err.decode())
    assert said
    again = start(desk, "sample", "names", "--records", 300, "--seed", said[1])
    found, _ = again.communicate(timeout=120)
    first = (kept + more).splitlines()[:9]
    assert first
    assert found.splitlines()[: len(first)] == first


def test_a_prompt_that_is_a_whole_record_ends_its_line(desk: Path) -> None:
    command = ("sample", "names", "--records", 1, "--prompt", "Ka", "--allow", "k", "--seed")
    found = [run(desk, *command, seed).stdout for seed in range(10)]
    assert "Ka\n" in found
    assert all(text.endswith("\n") for text in found)


def test_a_sample_is_one_record(desk: Path) -> None:
    text = run(desk, "sample", "names", "--seed", 4).stdout
    assert text.count("\n") == 1
    assert run(desk, "sample", "names", "--seed", 4, "--length", 1).stdout == text[:1] + "\n"


def test_novel_and_unique_records(desk: Path) -> None:
    # The model remembers where its text was.
    assert run(desk, "train", "names.txt", "--steps", 1, *TINY, "--name", "here").returncode == 0
    known = set((desk / "names.txt").read_text().split())
    command = ("sample", "here", "--records", 30, "--novel", "--unique", "--seed", 1)
    found = run(desk, *command).stdout.splitlines()
    assert len(set(found)) == len(found) == 30
    assert not set(found) & known
    (desk / "names.txt").rename(desk / "moved.txt")
    refused(run(desk, *command), 66, "name the text with --novelty")
    again = run(desk, *command, "--novelty", "moved.txt", "--json")
    assert [json.loads(line)["text"] for line in again.stdout.splitlines()] == found
    (desk / "host.txt").write_bytes((desk / "moved.txt").read_text().encode("cp500"))
    host = run(desk, *command, "--novelty", "host.txt", "--encoding", "cp500", "--json")
    assert [json.loads(line)["text"] for line in host.stdout.splitlines()] == found
    assert host.stderr == f"a list of {len(known)} records\n"
    (desk / "names.txt").write_text("Another\n")
    changed = run(desk, *command)
    assert changed.returncode == 0
    assert "is not, or no longer, the text" in changed.stderr


def test_a_list_that_moved_is_read_as_it_was_for_the_report_too(desk: Path) -> None:
    """The report read it in UTF-8, and refused it. It is read once, also from a pipe."""
    names = (desk / "names.txt").read_text().replace("a", "ä")
    (desk / "old.txt").write_text(names, encoding="latin-1")
    options = ("--encoding", "latin-1", "--steps", 1, *TINY)
    assert run(desk, "train", "old.txt", *options).returncode == 0
    (desk / "old.txt").rename(desk / "moved.txt")
    (desk / "wide.txt").write_text(names)
    command = ("sample", "old", "--records", 7, "--novel", "--seed", 1, "--novelty")
    found = run(desk, *command, "moved.txt")
    assert found.returncode == 0
    said = f"read as in training, with --encoding latin-1\na list of {len(names.split())} records\n"
    assert found.stderr == f"moved.txt: {said}"
    sources = (("moved.txt",), ("-",), ("wide.txt", "--encoding", "utf-8"))
    data = (desk / "moved.txt").read_bytes()
    for source in sources:
        done = run(desk, *command, *source, "--json", data=data)
        assert done.stderr.endswith(said.partition("\n")[2]), source
        assert "no longer" not in done.stderr
        texts = [json.loads(line) for line in done.stdout.splitlines()]
        assert [text["text"] for text in texts] == found.stdout.splitlines()
        assert all(text["novelty"]["longest"] in names for text in texts)
    for models in (("old",), ("old", "old")):
        done = run(desk, "sample", *models, *command[2:], "-", data=data)
        assert (done.stdout, done.stderr) == (found.stdout, f"-: {said}")


@pytest.mark.parametrize("more", [(), ("--json",)])
def test_a_list_in_the_encoding_of_one_of_its_models_is_known_to_all(
    desk: Path, more: tuple[str, ...]
) -> None:
    """It was read as the first had read it, and no record with an umlaut was known."""
    names = (desk / "names.txt").read_text().replace("a", "ä")
    (desk / "old.txt").write_text(names, encoding="latin-1")
    (desk / "new.txt").write_text(names)
    options = ("--steps", 1, *TINY)
    assert run(desk, "train", "old.txt", "--encoding", "latin-1", *options).returncode == 0
    assert run(desk, "train", "new.txt", *options).returncode == 0
    said = {"old.txt": "old.txt: read as in training, with --encoding latin-1\n", "new.txt": ""}
    for models in (("old", "new"), ("new", "old")):
        for text in said:
            command = ("sample", *models, "--records", 2, "--novel", "--novelty", text, *more)
            done = run(desk, *command, "--seed", 1)
            assert done.returncode == 0
            counted = f"a list of {len(names.split())} records\n"
            assert done.stderr == said[text] + counted, (models, text)


def test_what_is_remembered_of_a_list_is_not_refused_where_it_is_for_nothing(desk: Path) -> None:
    """It was to be left out, and nobody had given it."""
    words = (desk / "names.txt").read_text().replace("a", "ä").split()
    rows = "n,name\n" + "".join(f"{len(word)},{word}\n" for word in words)
    (desk / "rows.csv").write_text(rows, encoding="latin-1")
    options = ("--text-column", "name", "--encoding", "latin-1", "--steps", 1, *TINY)
    assert run(desk, "train", "rows.csv", *options).returncode == 0
    (desk / "plain.txt").write_text("\n".join(words))
    (desk / "old.txt").write_text("\n".join(words), encoding="latin-1")
    command = ("sample", "rows", "--records", 5, "--novel", "--seed", 1, "--novelty")
    found = run(desk, *command, "rows.csv")
    said = "rows.csv: read as in training, with --encoding latin-1 --text-column name\n"
    assert found.stderr == said + f"a list of {len(words)} records\n"
    whole = (desk / "old.txt").read_bytes()
    for source in (("plain.txt", "--encoding", "utf-8"), ("old.txt",), ("-",)):
        done = run(desk, *command, *source, data=whole)
        assert done.returncode == 0, done.stderr
        assert done.stdout == found.stdout, source
        assert "no longer" not in done.stderr
    bundled = run(desk, *command, "places")
    assert bundled.returncode == 0
    assert "places is not, or no longer, the text" in bundled.stderr


def test_the_advice_for_a_list_that_can_not_be_read_helps(desk: Path) -> None:
    names = (desk / "names.txt").read_text().replace("a", "ん")
    (desk / "jp.txt").write_text(names, encoding="shift_jis")
    options = ("--encoding", "shift_jis", "--steps", 1, *TINY)
    assert run(desk, "train", "jp.txt", *options).returncode == 0
    (desk / "prompt.txt").write_text("K")
    command = ("sample", "jp", "--records", 2, "--novel", "--seed", 1)
    for encoding in ("utf-8", "euc_jp"):
        (desk / "jp.txt").write_text(names, encoding=encoding)
        for more in ((), ("--prompt-file", "prompt.txt")):
            refused(run(desk, *command, *more), 65, "; name the text with --novelty\n")
    done = run(desk, *command, "--novelty", "jp.txt", "--prompt-file", "prompt.txt")
    advice = "--encoding is for --prompt-file here: use --prompt, and --encoding for this text\n"
    assert (done.returncode, done.stdout) == (65, "")
    assert done.stderr.endswith(f"; {advice}")
    found = run(desk, *command, "--novelty", "jp.txt", "--prompt", "K", "--encoding", "euc_jp")
    assert found.returncode == 0
    assert "no longer" not in found.stderr


def test_a_setting_that_is_given_changes_no_other_of_how_a_text_is_read(desk: Path) -> None:
    """With its encoding, the column of a table that had moved was to be given again."""
    words = (desk / "names.txt").read_text().replace("a", "ä").split()
    (desk / "rows.csv").write_text("n,name\n" + "".join(f"{len(w)},{w}\n" for w in words))
    options = ("--text-column", "name", "--steps", 1, *TINY)
    assert run(desk, "train", "rows.csv", *options).returncode == 0
    (desk / "rows.csv").rename(desk / "moved.csv")
    (desk / "host.csv").write_bytes((desk / "moved.csv").read_text().encode("latin-1"))
    command = ("sample", "rows", "--records", 5, "--novel", "--seed", 1, "--novelty")
    found = run(desk, *command, "moved.csv")
    assert found.returncode == 0, found.stderr
    said = f"read as in training, with --text-column name\na list of {len(words)} records\n"
    assert found.stderr == f"moved.csv: {said}"
    other = run(desk, *command, "host.csv", "--encoding", "latin-1")
    assert (other.stdout, other.stderr) == (found.stdout, f"host.csv: {said}")


def test_the_encoding_of_a_prompt_is_not_that_of_the_list(desk: Path) -> None:
    (desk / "prompt.txt").write_text("Kä", encoding="latin-1")
    (desk / "names.txt").write_text((desk / "names.txt").read_text().replace("a", "ä"))
    options = ("--name", "accents", "--steps", 1, *TINY)
    assert run(desk, "train", "names.txt", *options).returncode == 0
    (desk / "names.txt").rename(desk / "moved.txt")
    of_file = ("--prompt-file", "prompt.txt", "--encoding", "latin-1")
    command = ("sample", "accents", "--records", 2, "--novel", "--seed", 1)
    found = run(desk, *command, *of_file, "--novelty", "moved.txt")
    assert found.returncode == 0
    assert "is not, or no longer" not in found.stderr
    typed = run(desk, *command, "--prompt", "Kä", "--novelty", "moved.txt")
    assert (typed.stdout, typed.stderr) == (found.stdout, found.stderr)


@pytest.mark.parametrize("more", [(), ("--json",)])
def test_what_is_left_out_of_a_list_that_moved_is_said_once(
    desk: Path, more: tuple[str, ...]
) -> None:
    (desk / "moved.txt").write_bytes(b"Ka\x00" + (desk / "names.txt").read_bytes())
    command = ("sample", "names", "names", "--records", 2, "--novel", "--novelty", "moved.txt")
    done = run(desk, *command, *more)
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("moved.txt: dropped 1 NUL")
    assert done.stderr.count("dropped") == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--unique",), "--unique needs --records; add --records, or leave --unique out"),
        (("--novel",), "--novel needs --records"),
        (("--records", 0), "at least 1"),
        (("--records", 3, "--num-samples", 2), "--num-samples can't be used with --records"),
        (("--records", 3, "--beam", 2), "--records can't be used with --beam"),
        (("--records", 3, "--reject-copies", 2), "--reject-copies can't be used with --records"),
        (
            ("--records", 3, "--novelty", "names.txt"),
            "leave it out",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(
    desk: Path, options: tuple[object, ...], message: str
) -> None:
    refused(run(desk, "sample", "names", *options), 2, message)


def test_the_line_end_of_a_prompt_file_ends_no_record(desk: Path) -> None:
    same = ("sample", "names", "--records", 2, "--seed", 1)
    done = run(desk, *same, "--prompt-file", "-", data=b"ka\n")
    assert done.stdout == run(desk, *same, "--prompt", "ka").stdout
    said = "standard input: left out the line end at its end, where records of this model end\n"
    assert done.stderr == said
    two = run(desk, *same, "--prompt-file", "-", data=b"ka\n\n")
    assert two.returncode == 2
    assert two.stderr.endswith("; give one record, or the beginning of one\n")


def test_a_story_has_no_records_to_write(home: Path) -> None:
    for more in ((), ("--novel",)):
        done = run(home, "sample", "verse", "--records", 3, *more)
        found = ("not trained on records", "train it again with --records lines")
        refused(done, 2, *found, f"leave {', '.join(('--records', *more))} out")
    done = run(home, "eval", "verse", "verse.txt", "--records", "lines")
    refused(done, 2, "not trained on records")


def test_eval_and_score_count_the_end_of_each(desk: Path) -> None:
    words = (desk / "names.txt").read_text().split()
    facts = json.loads(run(desk, "eval", "names", "names.txt", "--json").stdout)
    assert facts["characters"] == sum(len(word) + 1 for word in words)
    assert facts["protocol"] == "records"
    scored = run(desk, "score", "names", data="\n".join(words).encode()).stdout.splitlines()
    assert len(scored) == len(words)
    nats = sum(json.loads(line)["nats"] for line in scored)
    assert nats == pytest.approx(facts["nats"], rel=1e-4)
    (desk / "marked.txt").write_bytes("\r\n".join(words).encode())
    marked = run(desk, "eval", "names", "marked.txt")
    assert (
        f"CRLF became LF on {len(words) - 1} lines\na list of {len(words)} records" in marked.stderr
    )
    by_character = run(desk, "eval", "names", "names.txt", "--per-char").stdout.splitlines()
    read = [json.loads(line) for line in by_character]
    assert "".join(one["text"] for one in read) == "".join(f"{word}\n" for word in words)
    assert sum(one["nats"] for one in read) == pytest.approx(facts["nats"], rel=1e-4)
    page = run(desk, "eval", "names", "names.txt", "--html", "page.html")
    assert page.returncode == 0
    assert "</html>" in (desk / "page.html").read_text()


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (("--dynamic", "dirty.txt"), "carries nothing from one to the next"),
        (("--protocol", "windows"), "scores each by itself"),
    ],
)
def test_what_is_for_stories_is_refused_before_a_list_is_read(
    desk: Path, options: tuple[str, ...], found: str
) -> None:
    """What was dropped from the list was told first, twice."""
    (desk / "dirty.txt").write_bytes(b"Ka\x00\n" + (desk / "names.txt").read_bytes())
    refused(run(desk, "eval", "names", "dirty.txt", *options), 2, found)


def test_validation_is_what_training_said(desk: Path) -> None:
    for name in ("names.txt", "cards.csv"):
        done = run(desk, "eval", name[:5], name, "--validation", "--json")
        facts = json.loads(done.stdout)
        said = (desk / f"{name}.said").read_text()
        loss = re.search(r"validation loss ([\d.]+)", said)
        assert loss is not None
        assert facts["nats_per_char"] == pytest.approx(float(loss[1]), abs=1e-3)
    for options in ([], ["--unknown", "skip"]):  # its characters are another matter
        done = run(desk, "eval", "names", "cards.csv", "--validation", *options)
        assert done.returncode == 2
        assert "the list that was trained on" in done.stderr


def test_models_of_other_seeds_have_other_records_for_validation(desk: Path) -> None:
    for name, option, why in (
        ("reseeded", ("--seed", 1), ", which the --seed of the training chooses"),
        ("smaller", ("--val-frac", 0.2), ""),  # of the same seed
    ):
        options = (*option, "--name", name, "--steps", 3, *TINY)
        assert run(desk, "train", "names.txt", *options).returncode == 0
        done = run(desk, "eval", "names", name, "names.txt", "--validation")
        assert done.returncode == 2
        assert f"different parts of names{why}; take them one by one" in done.stderr


def test_a_row_may_have_blank_lines(desk: Path) -> None:
    with (desk / "cards.csv").open(newline="") as file:
        rows = [row[0] for row in csv.reader(file)][1:]
    facts = json.loads(run(desk, "eval", "cards", "cards.csv", "--json").stdout)
    assert facts["characters"] == sum(len(row) + 1 for row in rows)
    text = "\n\n".join(["One card", "Another\ncard"]).replace("O", "A")
    scored = run(desk, "score", "cards", "--unknown", "skip", data=text.encode()).stdout
    assert len(scored.splitlines()) == 2


def test_how_many_characters_of_records_were_left_out_is_told(desk: Path) -> None:
    (desk / "other.txt").write_text("Oslo\nΩslΩ\n" * 10, encoding="utf-8")
    done = run(desk, "eval", "names", "other.txt", "--unknown", "skip")
    assert done.returncode == 0, done.stderr
    assert "--unknown skip left out 20 of 80 characters: the figures are of the rest" in done.stderr


def test_records_can_be_refused_and_named(desk: Path) -> None:
    story = run(
        desk, "train", "names.txt", "--records", "none", "--steps", 3, *TINY, "--name", "story"
    )
    assert "records" not in story.stderr
    text = "%\n".join(f"It is {k}%\n" for k in range(40))
    (desk / "fortunes.txt").write_text(text)
    named = run(
        desk, "train", "fortunes.txt", "--records", "%", "--steps", 3, *TINY, "--name", "named"
    )
    assert "a list of 40 records" in named.stderr
    resumed = run(desk, "train", "--resume", "named")
    assert resumed.returncode == 0, resumed.stderr


def test_a_separator_that_divides_nothing_is_refused_where_it_is_given(desk: Path) -> None:
    """The whole text was scored as one record; one that a model of records reads so may be."""
    options = ("--tokenizer", "byte", "--name", "bytes", "--steps", 2, *TINY)
    assert run(desk, "train", "names.txt", *options).returncode == 0
    found = "--records is 'lins', but that does not divide the text; choose none, lines, blocks"
    for model in ("bytes", "cards"):
        done = run(desk, "eval", model, "names.txt", "--unknown", "skip", "--records", "lins")
        refused(done, 2, found)
    (desk / "one.txt").write_text("Oslo\n")
    assert "of 1 record" in run(desk, "eval", "bytes", "one.txt").stderr


def test_records_with_blank_lines_are_scored_whole(desk: Path) -> None:
    recipes = [f"Title: {k}\n\n- salt\n\nStir it.\n" for k in range(40)]
    (desk / "recipes.txt").write_text("\n".join(recipes))
    done = run(desk, "train", "recipes.txt", "--steps", 2, *TINY)
    assert "each opens with 'Title:'" in done.stderr
    scored = run(desk, "score", "recipes", data="\n".join(recipes[:3]).encode())
    counts = [json.loads(line)["characters"] for line in scored.stdout.splitlines()]
    assert counts == [len(recipe) for recipe in recipes[:3]]  # the end counts as one


def test_the_end_can_be_chosen_by_hand(desk: Path) -> None:
    done = run(desk, "sample", "names", "--interactive", 40, data=b"=Ka\n=\n")
    assert "the end of the record" in done.stderr
    (line,) = [line for line in done.stderr.splitlines() if "the end of the record" in line][-1:]
    number = line.split()[0]
    done = run(desk, "sample", "names", "--interactive", 40, data=f"=Ka\n{number}\n=x\n".encode())
    assert done.stdout == "Ka\n"


def test_a_plain_text_for_a_model_of_rows_is_one_record_unless_it_is_divided(desk: Path) -> None:
    """And the command says so."""
    with (desk / "cards.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))[:3]
    (desk / "three.txt").write_text("\n\n".join(row["text"] for row in rows))
    with (desk / "three.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["text"], *([row["text"]] for row in rows)])
    whole = run(desk, "eval", "cards", "three.txt", "--json")
    assert "three is scored as one record" in whole.stderr
    parts = run(desk, "eval", "cards", "three.txt", "--json", "--records", "blocks")
    table = run(desk, "eval", "cards", "three.csv", "--json")
    assert "as one record" not in parts.stderr + table.stderr
    counted = [json.loads(done.stdout)["characters"] for done in (whole, parts, table)]
    text = sum(len(row["text"]) for row in rows)
    assert counted == [text + 2 * 2 + 1, text - 2 * 3 + 6, text + 3]


def test_the_library_divides_a_text_as_the_command_does(tmp_path: Path) -> None:
    """Where records are told apart by how they open, and have blank lines within."""
    writer = Writer()
    songs = [
        f"Title: {writer.name()}\n\n{writer.sentence()}\n\n{writer.sentence()}\n\n"
        for _ in range(40)
    ]
    (tmp_path / "songs.txt").write_text("".join(songs))
    done = run(tmp_path, "train", "songs.txt", "--records", "^Title:", "--steps", 2, *TINY)
    assert done.returncode == 0, done.stderr
    (tmp_path / "three.txt").write_text(text := "".join(songs[:3]))
    facts = json.loads(run(tmp_path, "eval", "songs", "three.txt", "--json").stdout)
    assert facts["characters"] == sum(len(song.strip()) + 1 for song in songs[:3])
    model = charrnn.load(tmp_path / "checkpoints" / "songs")
    for models in (tmp_path / "checkpoints" / "songs", model, charrnn.Mixture([model])):
        found = charrnn.evaluate(models, text)
        assert found.characters == facts["characters"]
        assert found.nats == pytest.approx(facts["nats"], rel=1e-6)
