"""Which files are the corpus: never a model, a cache or a copy, and nothing left out unsaid."""

from __future__ import annotations

import errno
import io
import json
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import safetensors
import safetensors.numpy

from charrnn import Reading, load, read_corpus, resume, train
from charrnn.checkpoints import STATE
from charrnn.errors import MissingInputError, UsageError
from charrnn.folder.files import write_files
from charrnn.folder.resuming import READING_RULES
from charrnn.training.events import Evaluated
from tests.commands import run as command
from tests.conftest import VERSE
from tests.formats.documents import TEXT as LETTER
from tests.formats.documents import write_docx
from tests.text.reading import PNG, text_of

TINY: dict[str, Any] = {"steps": 20, "hidden_size": 8, "embed_size": 4, "batch_size": 4}


def test_training_on_the_current_folder_reads_no_model() -> None:
    """It once read the cards and settings of its own models, and then refused a resume."""
    Path("verse.txt").write_text(VERSE * 20)
    first = train(".", name="first", **TINY)
    first.finish(progress=False)
    Path("sub").mkdir()
    again = train(".", out="sub/other", **TINY)
    for _ in again:
        break  # stopped at once; what it has written is no corpus either
    corpus = read_corpus(["."])
    assert corpus.text == VERSE * 20
    assert corpus.notes == (
        ".: left out hidden or unreadable files, entries that are not files, linked folders, "
        "models, caches and installed packages: checkpoints, sub/other",
    )
    resume("sub/other").finish(progress=False)


def test_chapters_are_read_in_the_order_of_their_numbers() -> None:
    """Chapter 10 was read before chapter 2."""
    Path("a/part 10").mkdir(parents=True)
    Path("a/part 9").mkdir()
    names = [f"a/part 9/chapter {n}.txt" for n in (1, 2, 9, 10, 11, 100)] + ["a/part 10/1.txt"]
    with zipfile.ZipFile("a.zip", "w") as archive:
        for name in reversed(names):
            Path(name).write_text(name)
            archive.write(name)
    for source in ("a", "a/**/*.txt", "a/*/*", "a.zip"):
        assert text_of(source).split("\n") == names


def test_a_model_is_no_text() -> None:
    Path("verse.txt").write_text(VERSE * 20)
    train("verse.txt", name="first", **TINY).finish(progress=False)
    with pytest.raises(
        MissingInputError, match=r"first: a model, not a text; charrnn train .*--resume"
    ):
        text_of("checkpoints/first")
    with pytest.raises(
        MissingInputError, match=r"^first: a model, not a text; charrnn train .*--resume"
    ):
        text_of("first")
    Path("first").write_text(VERSE)
    assert text_of("first") == VERSE


def test_a_forecaster_is_no_text_either() -> None:
    """It has no tokenizer, by which other models were known."""
    Path("week.csv").write_text("y\n" + "".join(f"{k % 7}\n" for k in range(60)))
    shape: dict[str, Any] = {"horizon": 3, "hidden_size": 8, "steps": 2}
    train("week.csv", task="forecast", out="texts/week", **shape).finish(progress=False)
    Path("texts/verse.txt").write_text(VERSE)
    corpus = read_corpus("texts")
    assert corpus.text == VERSE
    (note,) = corpus.notes
    assert note.startswith("texts: left out hidden or ")
    assert note.endswith(": week")
    with pytest.raises(MissingInputError, match="week: a model, not a text"):
        text_of("texts/week")


def test_caches_and_packages_are_passed_by_and_told() -> None:
    for name in (
        *(".git/config", "node_modules/a/index.js", "src/__pycache__/a.txt", ".cache.txt"),
        *("env/pyvenv.cfg", "env/lib/a.txt", "target/CACHEDIR.TAG", "target/a.txt", "src/a.txt"),
    ):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(name)
    corpus = read_corpus(["."])
    assert corpus.text == "src/a.txt"
    (note,) = corpus.notes
    assert note.endswith(
        "installed packages: .cache.txt, .git, env, node_modules, src/__pycache__, …"
    )


def test_each_content_is_read_once_and_the_others_are_told() -> None:
    """A link upwards once gave 41 copies of each file."""
    Path("book").mkdir()
    Path("book/a.txt").write_text("one\n")
    Path("book/b.txt").write_text("two\n")
    Path("book/copy.txt").write_text("one\n")
    os.link("book/b.txt", "book/c.txt")
    Path("book/link").symlink_to("..")
    Path("d.txt").symlink_to("book/a.txt")
    corpus = read_corpus(["**/*.txt"])
    assert sorted(corpus.text.split()) == ["one", "two"]
    (note,) = corpus.notes
    assert note.startswith("the corpus: left out ")
    assert " sources with the same content as others: " in note
    assert text_of("book/a.txt", "book/a.txt", "./book/a.txt", "book") == "one\ntwo\n"
    twice = read_corpus(["scenes", "scenes"])
    assert twice.text == read_corpus(["scenes"]).text
    assert twice.notes == (
        "the corpus: left out 1 source with the same content as another: scenes",
    )
    assert read_corpus(["book/a.txt", "d.txt"]).notes == (
        "the corpus: left out 1 source with the same content as another: d.txt",
    )


def test_links_in_a_folder_are_followed_to_files_and_told_of_folders() -> None:
    """A linked folder was left out without a word."""
    for name in ("elsewhere/a.txt", "elsewhere/more/b.txt", "book/c.txt"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(Path(name).stem)
    Path("book/d.txt").symlink_to("../elsewhere/a.txt")
    Path("book/more").symlink_to("../elsewhere/more")
    Path("book/gone").symlink_to("nowhere")
    corpus = read_corpus(["book"])
    assert corpus.text == "c\na"
    (note,) = corpus.notes
    assert note.endswith("linked folders, models, caches and installed packages: gone, more")


def test_a_folder_within_that_may_not_be_entered_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("book/closed").mkdir(parents=True)
    Path("book/a.txt").write_text("one")
    entries = Path.iterdir

    def some(path: Path) -> Iterator[Path]:
        if path.name == "closed":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return entries(path)

    monkeypatch.setattr(Path, "iterdir", some)
    corpus = read_corpus(["book"])
    assert corpus.text == "one"
    (note,) = corpus.notes
    assert note.startswith("book: left out hidden or unreadable files, entries that are not files,")
    assert note.endswith(": closed")


def test_files_that_only_begin_alike_are_both_read() -> None:
    Path("a").write_text("x" * 70_000 + "a")
    Path("b").write_text("x" * 70_000 + "b")
    Path("c").write_text("x" * 70_000 + "a")
    assert text_of("a", "b", "c") == "x" * 70_000 + "a\n" + "x" * 70_000 + "b"


def test_empty_files_stay_empty_lines() -> None:
    for name in "abc":
        Path(name).write_text("text" if name == "b" else "")
    assert text_of("a", "b", "c") == "\ntext\n"


def test_a_folder_of_tables_is_a_corpus() -> None:
    Path("tables").mkdir()
    Path("tables/a.csv").write_text("n,text\n1,one\n")
    Path("tables/b.TSV").write_text("n\ttext\n1\ttwo\n")
    Path("tables/c.json").write_text('[{"text": "three"}]')
    Path("tables/package.json").write_text('{"name": "no text in it"}')
    corpus = read_corpus(["tables"])
    assert corpus.text == "one\ntwo\nthree"
    assert corpus.notes == (
        "tables: skipped 1 file without a column text: package.json (tables/package.json: no text "
        "in a column text; choose --text-column from name)",
    )
    with pytest.raises(UsageError, match=r"a\.csv: no text in a column body; choose .* n, text"):
        text_of("tables", text_column="body")


@pytest.mark.parametrize("name", ["a.tsv", "A.CSV", "a.jsonl", "a.Json"])
def test_the_text_column_is_heeded_whatever_the_name_of_the_table(name: str) -> None:
    rows = '{"body": "one", "text": "two"}' if "js" in name.lower() else "body;text\none;two\n"
    Path(name).write_text(rows)
    assert text_of(name, text_column="body") == "one"


@pytest.mark.parametrize(
    ("source", "reading"),
    [
        ("a.txt", {"text_column": "body"}),
        ("a.html", {"text_column": "text"}),
        ("a.txt", {"split": "test"}),
        ("a.parquet", {"encoding": "cp1252"}),
        ("a.parquet", {"errors": "replace"}),
        ("scenes", {"encoding": "cp1252"}),
        ("-", {"text_column": "body"}),
    ],
)
def test_a_setting_that_would_do_nothing_is_refused(
    source: str, reading: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    import pyarrow as pa
    import pyarrow.parquet

    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"text")))
    Path("a.txt").write_text("text")
    Path("a.html").write_text("text")
    pyarrow.parquet.write_table(pa.table({"text": ["text"]}), "a.parquet")
    (name,) = reading
    with pytest.raises(UsageError, match=f"{name} is '.*', which only .*; leave it out") as error:
        text_of(source, **reading)
    assert error.value.setting == name
    assert text_of(source) if source != "-" else True


def test_a_setting_that_is_for_some_of_the_sources_is_fine() -> None:
    Path("a.txt").write_text("one\n")
    Path("b.csv").write_text("body\ntwo\n")
    assert text_of("a.txt", "b.csv", "scenes", text_column="body").startswith("one\ntwo\n")


@pytest.mark.parametrize("place", ["fold", "fold.zip"])
def test_a_table_without_the_column_is_told_apart_from_a_picture(place: str) -> None:
    """It was called no plain text, though --text-column reads it."""
    Path("fold").mkdir()
    Path("fold/a.txt").write_text("plain")
    Path("fold/data.csv").write_text("body,id\nsome,1\n")
    Path("fold/p.png").write_bytes(PNG)
    with zipfile.ZipFile("fold.zip", "w") as archive:
        for path in sorted(Path("fold").iterdir()):
            archive.write(path, path.name)
    corpus = read_corpus([place])
    assert corpus.text == "plain"
    assert corpus.notes == (
        f"{place}: skipped 1 file that is not plain text: p.png",
        f"{place}: skipped 1 file without a column text: data.csv ({place}/data.csv: no text in a "
        "column text; choose --text-column from body, id, or name it by its number if the first "
        "line is no header)",
    )
    assert read_corpus([place], Reading(text_column="body")).text == "plain\nsome"


@pytest.mark.parametrize("place", ["fold", "fold.zip"])
def test_a_table_below_a_title_says_so_beside_others_too(place: str) -> None:
    """Another --text-column was advised, though the column is there."""
    Path("fold").mkdir()
    Path("fold/a.txt").write_text("plain")
    Path("fold/t.csv").write_text("A title\nid,text\n1,hello\n")
    with zipfile.ZipFile("fold.zip", "w") as archive:
        for path in sorted(Path("fold").iterdir()):
            archive.write(path, path.name)
    (note,) = read_corpus([place]).notes
    below = "there is no column text in its first line, but in line 2; delete the lines above it"
    assert note == (
        f"{place}: skipped 1 file without a column text: t.csv ({place}/t.csv: {below})"
    )


def test_a_table_alone_in_an_archive_says_which_columns_it_has() -> None:
    with zipfile.ZipFile("a.zip", "w") as archive:
        archive.writestr("data.csv", "body,id\nsome,1\n")
    with pytest.raises(UsageError, match=r"a\.zip/data\.csv: no text in .*; choose .* body, id"):
        read_corpus(["a.zip"])


def test_what_is_no_text_is_not_called_a_copy() -> None:
    for name in ("a.png", "b.png"):
        Path(name).write_bytes(PNG)
    Path("c.txt").write_text("text")
    assert read_corpus(["."]).notes == (".: skipped 2 files that are not plain text: a.png, b.png",)


class TestRunsBegunBefore:
    """Versions before the first release read some files otherwise."""

    @pytest.mark.parametrize("rules", [None, 1, 3])
    def test_one_whose_text_is_the_same_goes_on(self, rules: int | None) -> None:
        Path("verse.txt").write_text(VERSE * 20)
        whole = train("verse.txt", out="whole", eval_every=5, **TINY).finish(progress=False)
        begun = train("verse.txt", out="model", eval_every=5, **TINY)
        next(event for event in begun if isinstance(event, Evaluated))
        begin_before(Path("model"), rules)
        finished = resume("model").finish(progress=False)
        assert finished.log_probs(VERSE).tolist() == whole.log_probs(VERSE).tolist()
        assert state_of(Path("model"))[1]["reading"]["rules"] == READING_RULES

    def test_one_whose_text_is_another_now_is_refused_and_may_be_trained_anew(
        self, tmp_path: Path
    ) -> None:
        lines = VERSE.split() * 20
        Path("page.html").write_text("".join(f"<p>{line}" for line in lines))
        train("page.html", out="model", **TINY).finish(progress=False)
        begin_before(Path("model"), 3)
        Path("page.html").write_text("".join(f"<rb>{line}</rb>" for line in lines))  # lines then
        with pytest.raises(UsageError) as caught:
            resume("model")
        assert "\n" not in str(caught.value)
        assert caught.value.found.startswith("the corpus is not the one that ")
        assert caught.value.advice.endswith("start a new run from these weights with --init-from")
        done = command(tmp_path, "train", "page.html", "--init-from", "model", "--steps", "1")
        assert done.returncode == 0, done.stderr
        assert load("model").log_probs("tide").size == 3  # and the model works as before


def state_of(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The tensors of a run's state, and its progress."""
    with safetensors.safe_open(folder / STATE, "numpy") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return tensors, json.loads(file.metadata()["progress"])


def begin_before(folder: Path, rules: int | None) -> None:
    """Make the state of a run that of an earlier version: the first did not name the rules."""
    tensors, progress = state_of(folder)
    del progress["reading"]["rules"]
    progress["reading"] |= {} if rules is None else {"rules": rules}
    metadata = {"progress": json.dumps(progress)}
    write_files(folder, {STATE: safetensors.numpy.save(tensors, metadata=metadata)})


def write_letters() -> None:
    """A folder of Word documents, one of them open and one damaged."""
    Path("letters").mkdir()
    write_docx("letters/a.docx")
    Path("letters/~$a.docx").write_bytes(b"\x04Anna" + bytes(157))
    Path("letters/b.docx").write_bytes(Path("letters/a.docx").read_bytes()[:300])
    Path("letters/c.epub").write_bytes(b"")


def test_a_damaged_document_or_one_that_is_open_leaves_a_folder_readable() -> None:
    """Either made the whole folder a broken container file."""
    write_letters()
    corpus = read_corpus("letters")
    assert corpus.text == LETTER
    skipped, hidden = corpus.notes
    assert skipped == "letters: skipped 2 files that are not plain text: b.docx, c.epub"
    assert hidden.startswith("letters: left out hidden ")
    assert hidden.endswith(": ~$a.docx")
    Path("letters/a.docx").unlink()
    with pytest.raises(MissingInputError, match="letters: a folder without text files"):
        text_of("letters")


def test_what_word_leaves_beside_an_open_document_is_no_match_of_a_pattern() -> None:
    write_letters()
    corpus = read_corpus("letters/*a.docx")
    assert corpus.text == LETTER
    assert corpus.notes == ("letters/*a.docx: left out Word's lock files: letters/~$a.docx",)


def test_folders_that_a_pattern_matches_are_told() -> None:
    for name in ("book/a.txt", "book/more/b.txt"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(Path(name).stem)
    corpus = read_corpus("book/*")
    assert corpus.text == "a"
    pattern = "a pattern with /** at its end reads what is in them"
    assert corpus.notes == (f"book/*: left out 1 folder: book/more ({pattern})",)
    assert (read_corpus("book/**").text, read_corpus("book/**").notes) == ("a\nb", ())
