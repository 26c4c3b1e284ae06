"""Every way to name a text: files, folders, globs, standard input, bundled corpora."""

from __future__ import annotations

import errno
import io
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from charrnn import Corpus, read_corpus
from charrnn.config import Reading
from charrnn.errors import BadDataError, MissingInputError, UsageError
from charrnn.text.corpus import short_name
from charrnn.text.spool import Spool
from tests.text.reading import PNG, gzipped, text_of


def test_a_file_is_read_as_it_is() -> None:
    text = "a\x01b\t🙂 e\u0301 שלום 文字\n\f end"
    Path("a.b.txt").write_bytes(text.encode())
    assert read_corpus(["a.b.txt"]) == Corpus("a.b", text)


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("corpus.txt", "corpus"),
        ("a.b.txt.gz", "a.b"),
        ("a.gz", "a"),
        ("README", "README"),
        (".notes", ".notes"),
        ("book/", "book"),
        ("v1.2/", "v1.2"),
        ("book/../corpus.txt", "corpus"),
    ],
)
def test_a_corpus_is_named_after_its_first_source(source: str, name: str) -> None:
    """The name becomes that of the model, so what sets two corpora apart must stay in it."""
    path = Path(source)
    Path("book").mkdir()
    if source.endswith("/"):
        path.mkdir(exist_ok=True)
        path /= "file.txt"
    path.write_bytes(gzipped(b"text") if path.suffix == ".gz" else b"text")
    Path("other.txt").write_text("other")
    assert read_corpus([source, "other.txt"]) == Corpus(f"{name} and 1 more", "text\nother")


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("book/*.txt", "book"),
        ("book/v1.2/a?.txt", "v1.2"),
        ("book/**/[ab].txt", "book"),
        ("book/v1.2/../*", "book"),
        ("[d].txt", "[d]"),
        ("[[]d].txt", "[d]"),
        ("book[[]1]/b.txt", "b"),
        ("book[[]1]/*.txt", "book[1]"),
        ("book[[]1]/[*]/[ab].txt", "*"),
        ("book[1[]/*.txt", "HERE"),
    ],
)
def test_a_glob_is_named_after_the_folder_that_it_looks_into(
    source: str, name: str, tmp_path: Path
) -> None:
    """It was called "*", and so was the folder of its model."""
    paths = ("book/a.txt", "book/v1.2/ab.txt", "[d].txt", "book[1]/*/a.txt", "book[1]/b.txt")
    for path in (*paths, "book1/c.txt"):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(f"{path}\n")
    assert read_corpus([source]).name == name.replace("HERE", tmp_path.name)


@pytest.mark.parametrize("source", ["/", "/*.txt", "/*/*.txt"])
def test_the_root_has_a_name_though_it_has_none(source: str) -> None:
    assert short_name(source) == "root"


def test_a_glob_of_the_current_folder_has_its_name(tmp_path: Path) -> None:
    Path("a.txt").write_text("text")
    assert read_corpus(["*.txt"]).name == read_corpus(["**/*"]).name == tmp_path.name


def test_the_current_folder_has_its_own_name(tmp_path: Path) -> None:
    Path("a.txt").write_text("text")
    assert read_corpus(["."]) == Corpus(tmp_path.name, "text")


def test_a_corpus_of_several_sources_does_not_pass_for_its_first(tmp_path: Path) -> None:
    paths = [tmp_path / f"{name}.txt" for name in ("book", "other", "third")]
    for path in paths:
        path.write_text(f"{path}\n")
    names = [read_corpus(paths[:count]).name for count in (1, 2, 3)]
    assert names == ["book", "book and 1 more", "book and 2 more"]


def test_the_name_of_a_corpus_counts_what_was_read(tmp_path: Path) -> None:
    """Texts that were left out, since they are there already, counted, too."""
    for name, text in {"book": "the same", "copy": "the same", "third": "third"}.items():
        (tmp_path / f"{name}.txt").write_text(text)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "inside.txt").write_text("third")
    sources = [tmp_path / name for name in ("book.txt", "copy.txt", "third.txt", "folder")]
    for count, name in enumerate(["book", "book", "book and 1 more", "book and 1 more"], 1):
        assert read_corpus(sources[:count]).name == name
        with closing(Spool(sources[:count], Reading())) as spool:
            assert spool.name == name


def test_a_folder_is_its_texts_and_tables_sorted(tmp_path: Path) -> None:
    root = tmp_path / "book"
    (root / "b").mkdir(parents=True)
    (root / ".git").mkdir()
    (root / "c.txt").write_text("three")
    (root / "b" / "x.md").write_text("two\n")
    (root / "a.txt").write_text("one")
    (root / ".git" / "config").write_text("hidden")
    (root / "picture.png").write_bytes(PNG)
    (root / "rows.csv").write_text("text\nrow\n")
    (root / "rows.jsonl.gz").write_bytes(gzipped(b'{"text":"line"}\n'))
    (root / "d.txt.gz").write_bytes(gzipped(b"four"))
    corpus = read_corpus([root])
    assert corpus.text == "one\ntwo\nthree\nfour\nrow\nline"
    assert corpus.name == "book"
    assert corpus.notes == (
        f"{root}: skipped 1 file that is not plain text: picture.png",
        f"{root}: left out hidden or unreadable files, entries that are not files, linked folders, "
        "models, caches and installed packages: .git",
    )


def test_skipped_files_of_a_folder_leave_no_trace_in_the_text() -> None:
    """The note once came as an empty text, which put a blank line before the next source."""
    Path("book").mkdir()
    Path("book/a.txt").write_text("one\n")
    Path("b.txt").write_text("two")
    without = read_corpus(["book", "b.txt"])
    for number in range(6):
        Path(f"book/{number}.png").write_bytes(PNG)
    corpus = read_corpus(["book", "b.txt"])
    assert corpus.text == without.text == "one\ntwo"
    (note,) = corpus.notes
    assert note.endswith("6 files that are not plain text: 0.png, 1.png, 2.png, 3.png, 4.png, …")


def test_a_binary_file_named_by_itself_is_refused_though_skipped_in_a_folder() -> None:
    Path("book").mkdir()
    Path("book/a.txt").write_text("one")
    Path("book/b.png").write_bytes(PNG)
    assert text_of("book") == "one"
    with pytest.raises(BadDataError, match="a binary file"):
        text_of("book/*")


def test_a_folder_without_text_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(MissingInputError, match="a folder without text files"):
        text_of("empty")


def test_a_folder_that_may_not_be_entered_is_not_taken_for_an_empty_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Path("closed").mkdir()

    def refuse(path: Path) -> Iterator[Path]:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(MissingInputError, match=r"^closed: Permission denied; check the path and"):
        text_of("closed")


def test_a_glob_is_its_matches_sorted() -> None:
    for name in ("b.txt", "a.txt", "c.md"):
        Path(name).write_text(name)
    assert text_of("*.txt") == "a.txt\nb.txt"
    with pytest.raises(MissingInputError, match=r"\*\.rst"):
        text_of("*.rst")


def test_two_stars_match_folders_of_any_depth() -> None:
    for name in ("b/c/2.txt", "b/1.txt", "3.txt", "b/c/4.md", ".git/5.txt"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(name)
    assert text_of("**/*.txt") == "3.txt\nb/1.txt\nb/c/2.txt"
    assert text_of("**/c/*") == "b/c/2.txt\nb/c/4.md"


def test_what_a_glob_matches_is_a_file_whatever_it_is_called(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A file "-" once made the glob wait for standard input."""
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"typed")))
    Path("-").write_text("a file")
    Path("scenes").write_text("mine")
    Path("folder").mkdir()
    assert text_of("*") == "a file\nmine"


def test_a_glob_of_folders_alone_matches_no_file() -> None:
    Path("books/one").mkdir(parents=True)
    with pytest.raises(MissingInputError, match=r"books/\*"):
        text_of("books/*")


def test_a_name_with_the_signs_of_a_glob_is_a_name_if_it_is_there() -> None:
    Path("a[1].txt").write_text("brackets")
    Path("a1.txt").write_text("one")
    assert text_of("a[1].txt") == "brackets"
    assert text_of("a[12].txt") == "one"


def test_standard_input_is_a_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO("é\r\n".encode())))
    corpus = read_corpus(["-"])
    assert corpus.text == "é\n"
    assert corpus.name == "stdin"
    assert corpus.notes == ("standard input: CRLF became LF on 1 line",)


def test_several_sources_are_joined_on_lines_of_their_own() -> None:
    Path("a").write_text("one")
    Path("b").write_text("two\n")
    Path("c").write_text("three")
    assert text_of("a", "b", "c") == "one\ntwo\nthree"


def test_a_missing_source_is_an_error() -> None:
    with pytest.raises(MissingInputError, match=r"no file or corpus https:.*; download it first"):
        text_of("https://a.b/x")
    with pytest.raises(MissingInputError, match="no file or corpus nowhere"):
        text_of("nowhere")
    with pytest.raises(UsageError, match="no text given"):
        text_of()


@pytest.mark.parametrize(
    ("system", "advice"),
    [
        ("linux", "leave ~ outside of quotation marks, or write the whole path"),
        ("win32", "write the whole path"),
    ],
)
def test_the_advice_on_a_tilde_suits_the_shell(
    system: str, advice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.platform", system)
    with pytest.raises(MissingInputError) as caught:
        text_of("~/x.txt")
    assert caught.value.advice == advice


@pytest.mark.parametrize("text", ["To be\n" * 20000, "To be, or not to be. " * 6, "One line.\n"])
def test_a_text_in_place_of_its_file_gets_a_short_line(text: str) -> None:
    """All of a book was in it."""
    with pytest.raises(MissingInputError) as error:
        text_of(text)
    shown = text[:60].replace("\n", "\\n")
    assert f"no file or corpus {shown}" in str(error.value)
    assert "trained on charrnn.Corpus(name=…, text=…), too" in str(error.value)
    assert len(str(error.value)) < 300


def test_a_long_path_is_told_whole() -> None:
    path = "/".join(["a folder with a name of some length"] * 9)
    with pytest.raises(MissingInputError, match=f"no file or corpus {path}; check the path"):
        text_of(path)


@pytest.mark.parametrize("source", ["", "x" * 5000, "a/b", "a\0b", "a\udce9"])
def test_what_can_be_no_name_of_a_file_is_missing(source: str) -> None:
    """Text given in place of its file raised OSError, and an unset variable read the folder."""
    Path("a").write_text("a file, and no folder")
    with pytest.raises(MissingInputError, match="no file or corpus"):
        text_of(source)


def test_fingerprint_is_golden() -> None:
    assert Corpus("x", "é").sha256 == (
        "4a99557e4033c3539de2eb65472017cad5f9557f7a0625a09f1c3f6e2ba69c4c"
    )
    # Raw bytes are lone surrogates, and are told apart.
    assert Corpus("x", "\udce9").sha256 == (
        "b136e1f3d22a01cf6025af599e1eb45a58a146d381da70506ae1bbf9d6987171"
    )
