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

from charrnn import Corpus, Reading, read_corpus, resume, train
from charrnn.errors import MissingInputError, UsageError
from charrnn.examples.labelled import read_labelled
from charrnn.examples.pairs import read_pairs
from charrnn.examples.tagged import read_tagged
from tests.commands import run as command
from tests.conftest import VERSE
from tests.formats.test_documents import PAGE_FILES, W, page, zip_of
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
        ".: left out hidden or unreadable files, linked folders, models, caches and installed "
        "packages: checkpoints, sub/other",
    )
    resume("sub/other").finish(progress=False)


def test_a_model_is_no_text() -> None:
    Path("verse.txt").write_text(VERSE * 20)
    train("verse.txt", name="first", **TINY).finish(progress=False)
    with pytest.raises(MissingInputError, match=r"first: a model, not a text; .*--resume"):
        text_of("checkpoints/first")


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


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
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
    assert " files with the same content as others: " in note
    assert text_of("book/a.txt", "book/a.txt", "./book/a.txt", "book") == "one\ntwo\n"
    assert read_corpus(["scenes", "scenes"]).text == read_corpus(["scenes"]).text
    assert read_corpus(["book/a.txt", "d.txt"]).notes == (
        "the corpus: left out 1 file with the same content as another: d.txt",
    )


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
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
    assert note.startswith("book: left out hidden or unreadable files, linked folders")
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
        "tables: skipped 1 file without a column text: package.json; another --text-column may "
        "read more",
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
        f"{place}: skipped 1 file without a column text: data.csv; another --text-column may read "
        "more",
    )
    assert read_corpus([place], Reading(text_column="body")).text == "plain\nsome"


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
    """What they read, and how, is what they go on with, to the bit."""

    OLD = Reading(rules=1)

    def test_texts_are_cleaned_as_before(self) -> None:
        Path("a.txt").write_bytes(b"\xef\xbb\xbfone\r\ntwo\rthree\0\xef\xbb\xbf\xc2\x85")
        corpus = read_corpus(["a.txt"], self.OLD)
        assert corpus.text == "one\ntwo\rthree\0\ufeff\x85"
        assert corpus.notes == (
            "a.txt: dropped the byte-order mark",
            "a.txt: CRLF became LF on 1 line",
        )
        Path("rows.jsonl").write_text('{"text": "a\\r\\nb\\u0000"}')
        assert read_corpus(["rows.jsonl"], self.OLD).text == "a\r\nb\0"

    def test_folders_are_read_as_before(self) -> None:
        Path("book/checkpoints").mkdir(parents=True)
        Path("book/a.txt").write_text("one")
        Path("book/b.txt").write_text("one")
        Path("book/c.csv").write_text("text\nrow\n")
        Path("book/d.html").write_text("<p>")
        Path("book/e.CSV").write_text("text")
        Path("book/checkpoints/f.json").write_text("{}")
        Path("book/g.png").write_bytes(PNG)
        Path("book/h.bin").write_text("a\0b")
        corpus = read_corpus(["book", "book/a.txt"], self.OLD)
        assert corpus.text == "one\none\n{}\n<p>\ntext\na\0b\none"
        assert corpus.notes == ("book: skipped 2 files that are not plain text: c.csv, g.png",)

    def test_files_are_read_as_by_the_second_rules(self) -> None:
        reading = Reading(rules=2)
        times = "00:00:01,000 --> 00:00:02,000"
        Path("a.srt").write_text(f"1\n{times}\nHi\n2\n{times}\nThere\n\n3\n{times}\nYou\n")
        assert read_corpus(["a.srt"], reading).text == f"Hi\n2\n{times}\nThere\nYou\n"
        Path("b.txt").write_text("{\\rtf1 text")
        assert read_corpus(["b.txt"], reading).text == "{\\rtf1 text"
        Path("c.csv").write_text("text,text\na,b\n")
        assert read_corpus(["c.csv"], reading).text == "b"
        Path("d.jsonl").write_text('{"source": "a\\r\\nb", "target": "c\\ufeff"}')
        pairs = read_pairs(["d.jsonl"], reading, [], None)
        assert [(pair.source, pair.target) for pair in pairs] == [("a\r\nb", "c\ufeff")]
        Path("e.jsonl").write_text('{"text": "Ann\\r\\nin", "spans": []}')
        assert [one.text for one in read_tagged(["e.jsonl"], reading, [])] == ["Ann\r\nin"]

    def test_files_are_read_as_by_the_third_rules(self) -> None:
        reading = Reading(rules=3)
        Path("a.html").write_text(
            "<p>a<rb>b</rb>c<math><mi>x</mi><annotation>y</annotation></math>"
        )
        assert read_corpus(["a.html"], reading).text == "a\nb\nc\nx\ny\n"
        assert read_corpus(["a.html"]).text == "abcx\n"
        cues = ("a", "a\nb", "b", "b\nc", "c", "c\nd")
        cue = "00:00:01,000 --> 00:00:02,000\n"
        Path("b.srt").write_text("\n".join(f"{cue}{lines}\n" for lines in cues))
        assert read_corpus(["b.srt"], reading).text == "a\na\nb\nb\nb\nc\nc\nc\nd\n"
        assert read_corpus(["b.srt"]).text == "a\nb\nc\nd\n"
        ruby = "<w:ruby><w:rt><w:t>r</w:t></w:rt><w:rubyBase><w:t>b</w:t></w:rubyBase></w:ruby>"
        document = f"<w:document {W}><w:body><w:p>{ruby}</w:p></w:body></w:document>"
        Path("c.docx").write_bytes(zip_of({"word/document.xml": document}))
        assert read_corpus(["c.docx"], reading) == Corpus("c", "rb\n")
        page_files = PAGE_FILES | {"OEBPS/text/ch1.xhtml": page("a<rb>b</rb>c")}
        Path("d.epub").write_bytes(zip_of(page_files))
        assert read_corpus(["d.epub"], reading).text == "a\nb\nc\nChapter two\n"
        assert read_corpus(["d.epub"]).text == "abc\nChapter two\n"

    def test_documents_of_examples_are_read_as_by_the_third_rules(self) -> None:
        Path("a.html").write_text("__label__a &amp;\n__label__b <p>\n")
        found = read_labelled(["a.html"], Reading(rules=3), [], None)
        assert [(one.text, one.label) for one in found] == [("&amp;", "a"), ("<p>", "b")]

    def test_a_run_goes_on_with_its_rules(self) -> None:
        """A run whose state names no rules was begun under the first."""
        Path("verse.txt").write_bytes((VERSE * 20).replace(";\n", ";\r").encode())
        begun = train("verse.txt", out="model", reading=self.OLD, eval_every=5, **TINY)
        steps = 0
        for event in begun:
            steps += type(event).__name__ == "Evaluated"
            if steps:
                break
        state = Path("model/resume/state.safetensors")
        assert b'\\"rules\\":1' in state.read_bytes()
        forget_rules(Path("model"))
        assert b"rules" not in state.read_bytes()
        finished = resume("model").finish(progress=False)
        whole = train("verse.txt", out="whole", reading=self.OLD, eval_every=5, **TINY)
        other = whole.finish(progress=False)
        assert finished.tokenizer.encode("\r").size == 1
        assert finished.log_probs(VERSE).tolist() == other.log_probs(VERSE).tolist()
        assert b'\\"rules\\":1' in state.read_bytes()

    def test_the_validation_text_of_an_old_model_is_still_known(self, tmp_path: Path) -> None:
        Path("verse.txt").write_bytes((VERSE * 20).replace(";\n", ";\r").encode())
        run = train("verse.txt", out="model", reading=self.OLD, **TINY)
        run.finish(progress=False)
        assert run.finished is not None
        done = json.loads(
            command(tmp_path, "eval", "model", "verse.txt", "--validation", "--json").stdout
        )
        assert done["nats_per_char"] == pytest.approx(run.finished.val_nats, abs=1e-4)


def forget_rules(folder: Path) -> None:
    """Make the state of a run what it was before there were rules."""
    import safetensors
    import safetensors.numpy

    from charrnn.folder.files import write_files

    path = folder / "resume" / "state.safetensors"
    with safetensors.safe_open(path, "numpy") as file:
        metadata = dict(file.metadata())
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    progress = json.loads(metadata["progress"])
    del progress["reading"]["rules"]
    metadata["progress"] = json.dumps(progress)
    data = safetensors.numpy.save(tensors, metadata=metadata)
    write_files(folder, {"resume/state.safetensors": data})
