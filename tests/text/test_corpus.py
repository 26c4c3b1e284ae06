"""Every way to name a text, and every way a text can be wrong."""

from __future__ import annotations

import codecs
import errno
import gc
import gzip
import io
import json
import logging
import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn import ByteTokenizer, CharRNNError, Corpus, Reading, read_corpus
from charrnn.errors import BadDataError, MissingInputError, ReadWriteError, UsageError
from charrnn.text.corpus import BUNDLED

GZIP_HEAD = gzip.compress(b"")[:10]
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\xff\xfe"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def text_of(*sources: str | Path, **reading: Any) -> str:
    return read_corpus(sources, Reading(**reading)).text


def test_a_file_is_read_as_it_is() -> None:
    text = "a\0b 🙂 e\u0301 שלום 文字\n\r end"
    Path("a.b.txt").write_bytes(text.encode())
    assert read_corpus(["a.b.txt"]) == Corpus("a.b", text)


def test_a_gzip_file_is_its_text() -> None:
    Path("a.txt.gz").write_bytes(gzip.compress("héllo".encode()))
    assert read_corpus(["a.txt.gz"]) == Corpus("a", "héllo")


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
    path.write_bytes(gzip.compress(b"text") if path.suffix == ".gz" else b"text")
    Path("other.txt").write_text("other")
    assert read_corpus([source, "other.txt"]) == Corpus(name, "text\nother")


def test_the_current_folder_has_its_own_name(tmp_path: Path) -> None:
    Path("a.txt").write_text("text")
    assert read_corpus(["."]) == Corpus(tmp_path.name, "text")


def test_a_folder_is_its_text_files_sorted(tmp_path: Path) -> None:
    root = tmp_path / "book"
    (root / "b").mkdir(parents=True)
    (root / ".git").mkdir()
    (root / "c.txt").write_text("three")
    (root / "b" / "x.md").write_text("two\n")
    (root / "a.txt").write_text("one")
    (root / ".git" / "config").write_text("hidden")
    (root / "picture.png").write_bytes(PNG)
    (root / "rows.csv").write_text("text\nrow\n")
    (root / "rows.jsonl.gz").write_bytes(gzip.compress(b'{"text":"row"}\n'))
    (root / "d.txt.gz").write_bytes(gzip.compress(b"four"))
    corpus = read_corpus([root])
    assert corpus.text == "one\ntwo\nthree\nfour"
    assert corpus.name == "book"
    passed_by = "passed by 3 not plain text: picture.png, rows.csv, rows.jsonl.gz"
    assert corpus.notes == (f"{root}: {passed_by}",)


def test_what_a_folder_passes_by_leaves_no_trace_in_the_text() -> None:
    """The note once came as an empty text, which put a blank line before the next source."""
    Path("book").mkdir()
    Path("book/a.txt").write_text("one\n")
    Path("b.txt").write_text("two")
    without = read_corpus(["book", "b.txt"])
    for number in range(6):
        Path(f"book/{number}.png").write_bytes(PNG)
    corpus = read_corpus(["book", "b.txt"])
    assert corpus.text == without.text == "one\ntwo"
    assert "passed by 6 not plain text: 0.png, 1.png, 2.png, 3.png, 4.png, …" in corpus.notes[0]


def test_a_binary_file_named_by_itself_is_refused_though_a_folder_passes_it_by() -> None:
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


def test_byte_order_marks_and_line_ends_are_cleaned_and_reported() -> None:
    Path("a.txt").write_bytes(b"\xef\xbb\xbfone\r\ntwo\r\nthree\r")
    corpus = read_corpus(["a.txt"])
    assert corpus.text == "one\ntwo\nthree\r"
    assert corpus.notes == (
        "a.txt: dropped the byte-order mark",
        "a.txt: CRLF became LF on 2 lines",
    )


def test_the_encoding_is_the_users() -> None:
    Path("a.txt").write_bytes("déjà".encode("latin-1"))
    assert text_of("a.txt", encoding="latin-1") == "déjà"
    Path("b.txt").write_bytes("déjà".encode("utf-16"))
    assert text_of("b.txt", encoding="utf-16") == "déjà"
    unmarked = "utf-16-le" if sys.byteorder == "little" else "utf-16-be"
    Path("c.txt").write_bytes("déjà".encode(unmarked))
    assert text_of("c.txt", encoding="utf-16") == "déjà"


@pytest.mark.parametrize("encoding", ["utf8000", "", "hex", "undefined"])
def test_an_encoding_that_is_none_is_refused_before_anything_is_read(encoding: str) -> None:
    """Python knows "hex" and "undefined" as codecs, but not as encodings of texts."""
    with pytest.raises(UsageError, match=f"no encoding '{encoding}'"):
        Reading(encoding=encoding)


def test_invalid_bytes_are_located_and_the_ways_out_work() -> None:
    Path("a.txt").write_bytes(b"d\xc3\xa9j\xe0 vu")
    with pytest.raises(BadDataError) as error:
        text_of("a.txt")
    for part in ("a.txt", "0xe0", "offset 4", "--errors replace", "--tokenizer byte"):
        assert part in str(error.value)
    assert text_of("a.txt", errors="replace") == "déj\ufffd vu"
    raw = text_of("a.txt", errors="surrogateescape")
    assert ByteTokenizer().encode(raw).astype("u1").tobytes() == b"d\xc3\xa9j\xe0 vu"


@given(st.binary(min_size=1) | st.lists(st.sampled_from([b"\r", b"\n", b"\xef\xbb\xbf"])))
def test_bytes_reach_a_byte_tokenizer_as_they_are_but_for_what_is_noted(
    data: bytes | list[bytes],
) -> None:
    data = b"." + (data if isinstance(data, bytes) else b"".join(data))
    Path("raw").write_bytes(codecs.BOM_UTF8 + data)
    corpus = read_corpus(["raw"], Reading(errors="surrogateescape"))
    assert bytes(ByteTokenizer().encode(corpus.text).tolist()) == data.replace(b"\r\n", b"\n")
    assert len(corpus.notes) == 1 + (b"\r\n" in data)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (PNG, "a binary file"),
        ("text".encode("utf-16"), "this is UTF-16, not utf-8; try --encoding utf-16"),
        (codecs.BOM_UTF16_BE + "déjà".encode("utf-16-be"), "this is UTF-16"),
        (b"", "no text"),
        (b"\xef\xbb\xbf", "no text"),
    ],
)
def test_what_is_no_text_is_called_what_it_is(data: bytes, message: str) -> None:
    Path("file").write_bytes(data)
    with pytest.raises(BadDataError, match=message):
        text_of("file")


def test_a_text_that_ends_in_half_a_character_is_an_error() -> None:
    Path("file").write_bytes("añ".encode("utf-16-le")[:-1])
    with pytest.raises(BadDataError, match="utf-16-le"):
        text_of("file", encoding="utf-16-le")


def test_an_encoding_whose_errors_have_no_place_is_still_one_error() -> None:
    Path("file").write_bytes(b"99999")
    with pytest.raises(BadDataError, match=r"file: .* is not punycode"):
        text_of("file", encoding="punycode")


@pytest.mark.parametrize("encoding", ["utf-16", "UTF_16", "u16"])
def test_utf_16_that_ends_early_is_not_advised_to_be_utf_16(encoding: str) -> None:
    """Its byte-order mark once led to "this is UTF-16, not utf-16; try --encoding utf-16"."""
    Path("file").write_bytes("añ".encode("utf-16")[:-1])
    with pytest.raises(BadDataError, match=f"is not {encoding}; .*--errors replace") as error:
        text_of("file", encoding=encoding)
    assert "try" not in str(error.value)
    assert text_of("file", encoding=encoding, errors="replace") == "a\ufffd"


@pytest.mark.parametrize(
    "data", [b"not gzip", gzip.compress(b"x" * 999)[:-9], b"\x1f\x8b", GZIP_HEAD + b"\xff" * 9]
)
def test_a_broken_gzip_file_is_an_error(data: bytes) -> None:
    Path("a.gz").write_bytes(data)
    with pytest.raises(BadDataError, match="broken gzip"):
        text_of("a.gz")


def test_a_missing_source_is_an_error() -> None:
    with pytest.raises(MissingInputError, match="no file or corpus nowhere"):
        text_of("nowhere")
    with pytest.raises(UsageError, match="no text given"):
        text_of()


@pytest.mark.parametrize("source", ["", "x" * 5000, "a/b", "a\0b", "a\udce9"])
def test_what_can_be_no_name_of_a_file_is_missing(source: str) -> None:
    """Text given in place of its file raised OSError, and an unset variable read the folder."""
    Path("a").write_text("a file, and no folder")
    with pytest.raises(MissingInputError, match="no file or corpus"):
        text_of(source)


@pytest.mark.parametrize(
    ("number", "kind", "code"),
    [
        (errno.EACCES, MissingInputError, 66),
        (errno.ENOENT, MissingInputError, 66),
        (errno.EIO, ReadWriteError, 74),
    ],
)
def test_a_read_that_fails_names_the_file_and_the_reason(
    number: int, kind: type[CharRNNError], code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("a.txt").write_text("text")

    def fail(path: Path, mode: str) -> bytes:
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(Path, "open", fail)
    with pytest.raises(kind, match=rf"a\.txt: {os.strerror(number)}") as error:
        text_of("a.txt")
    assert error.value.exit_code == code


def test_fingerprint_is_golden() -> None:
    assert Corpus("x", "é").sha256 == (
        "4a99557e4033c3539de2eb65472017cad5f9557f7a0625a09f1c3f6e2ba69c4c"
    )
    # Raw bytes are lone surrogates, and are told apart.
    assert Corpus("x", "\udce9").sha256 == (
        "b136e1f3d22a01cf6025af599e1eb45a58a146d381da70506ae1bbf9d6987171"
    )


@pytest.mark.parametrize("name", sorted(BUNDLED))
def test_bundled_corpora_are_there(name: str) -> None:
    corpus = read_corpus([name])
    assert corpus.name == name
    minimum = {"scenes": 80_000, "places": 12_000, "pydoc": 300_000}[name]
    assert len(corpus.text) >= minimum


def test_places_are_many_and_all_different() -> None:
    names = read_corpus(["places"]).text.splitlines()
    assert len(names) >= 1500
    assert len(set(names)) == len(names)


def test_scenes_are_consistent_in_form() -> None:
    line = re.compile(r"SCENE\. .+\. .+\.|[A-Z ]+: .+|\(.+\)|")
    for number, text in enumerate(read_corpus(["scenes"]).text.splitlines(), 1):
        assert line.fullmatch(text), f"line {number}: {text}"


def test_a_path_wins_over_a_bundled_name() -> None:
    Path("scenes").write_text("mine")
    assert text_of("scenes") == "mine"


def test_a_python_without_topics_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pydoc_data.topics", None)
    with pytest.raises(MissingInputError, match=r"lacks pydoc_data\.topics; train on") as error:
        text_of("pydoc")
    assert error.value.exit_code == 66


class TestTables:
    """Tables and data sets, through `datasets`."""

    ROWS = ({"text": "one", "n": 1}, {"text": "NA", "n": 2}, {"text": "thrée\n", "n": 3})
    TEXT = "one\nNA\nthrée\n"

    def jsonl(self, path: str) -> None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        lines = "".join(json.dumps(row) + "\n" for row in self.ROWS)
        Path(path).write_text(lines, encoding="utf-8")

    def test_jsonl(self) -> None:
        self.jsonl("rows.jsonl")
        assert read_corpus(["rows.jsonl"]) == Corpus("rows", self.TEXT)

    def test_csv(self) -> None:
        Path("rows.csv").write_text('n,body\n1,one\n2,NA\n3,"thrée\n"\n', encoding="utf-8")
        assert text_of("rows.csv", text_column="body") == self.TEXT

    def test_the_encoding_of_csv_is_the_users(self) -> None:
        Path("rows.csv").write_text("text\ndéjà\n", encoding="latin-1")
        assert text_of("rows.csv", encoding="latin-1") == "déjà"
        with pytest.raises(BadDataError, match=r"rows\.csv: .*byte 0xe9"):
            text_of("rows.csv")

    @pytest.mark.parametrize("cells", [["007", "1.50"], ["True", "False"], ["null", "nan", "N/A"]])
    def test_csv_is_text_whatever_it_looks_like(self, cells: list[str]) -> None:
        """pandas takes a column of numbers for numbers: 007 would be 7, or no text at all."""
        Path("rows.csv").write_text("\n".join(["text", *cells]))
        assert text_of("rows.csv") == "\n".join(cells)

    def test_compressed_tables(self) -> None:
        self.jsonl("rows.jsonl")
        Path("rows.jsonl.gz").write_bytes(gzip.compress(Path("rows.jsonl").read_bytes()))
        assert read_corpus(["rows.jsonl.gz"]) == Corpus("rows", self.TEXT)
        Path("rows.csv.gz").write_bytes(gzip.compress(b"text\none\n"))
        assert text_of("rows.csv.gz") == "one"
        Path("broken.csv.gz").write_bytes(b"text\none\n")
        with pytest.raises(BadDataError, match=r"broken\.csv\.gz"):
            text_of("broken.csv.gz")

    @pytest.mark.parametrize(
        "name", ["rows [1].jsonl", "10%?*.jsonl", "[x]/.rows.jsonl", "-.jsonl"]
    )
    def test_a_table_may_have_any_name(self, name: str) -> None:
        """`datasets` takes the name of a file for a pattern."""
        self.jsonl(name)
        assert text_of(name) == self.TEXT

    def test_an_empty_row_is_an_empty_line_and_a_missing_one_is_none(self) -> None:
        """Data sets with a row a line have "" for the lines between paragraphs."""
        rows = [{"text": "one"}, {"text": ""}, {"text": None}, {}, {"text": "a\0b"}]
        Path("rows.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
        assert text_of("rows.jsonl") == "one\n\na\0b"

    @pytest.mark.parametrize("content", ["", "\n", "{}\n", '{"text":null}\n', '{"text":""}\n'])
    def test_a_table_without_text_is_an_error(self, content: str) -> None:
        """For an empty file `datasets` lets a StopIteration slip."""
        Path("rows.jsonl").write_text(content)
        with pytest.raises(BadDataError, match="no text in it"):
            text_of("rows.jsonl")

    def test_parquet(self) -> None:
        import pyarrow as pa
        import pyarrow.parquet

        pyarrow.parquet.write_table(pa.Table.from_pylist(list(self.ROWS)), "rows.parquet")
        assert text_of("rows.parquet") == self.TEXT
        with pytest.raises(UsageError, match=r"column n; choose .* text, n"):
            text_of("rows.parquet", text_column="n")

    def test_a_column_that_is_not_there_or_holds_no_text_is_an_error(self) -> None:
        self.jsonl("rows.jsonl")
        for column in ("body", "n"):
            with pytest.raises(UsageError, match=f"column {column}; choose .* text, n"):
                text_of("rows.jsonl", text_column=column)

    @pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
    def test_csv_without_the_column_is_an_error(self) -> None:
        Path("rows.csv").write_text("n,body\n1,one\n")
        with pytest.raises(UsageError, match="column text; choose --text-column from n, body"):
            text_of("rows.csv")
        gc.collect()  # of the file that `datasets` leaves open; else a later test is warned

    @pytest.mark.parametrize(
        ("name", "content"),
        [
            ("rows.jsonl", "{"),
            ("rows.jsonl", '{"text":"\\ud800"}'),
            ("rows.csv", "text\na,b\n1,2,3\n"),
            ("rows.csv", 'text\n"half'),
            ("rows.parquet", "text"),
        ],
    )
    def test_a_broken_table_is_an_error_told_once(
        self,
        name: str,
        content: str,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """`datasets` also logs what it raises."""
        monkeypatch.setattr(logging.getLogger("datasets"), "handlers", [caplog.handler])
        Path(name).write_text(content)
        with pytest.raises(BadDataError, match=re.escape(name)):
            text_of(name)
        assert not caplog.messages

    def test_a_table_on_this_machine_asks_nothing_of_the_network(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """`datasets` counts every use of its readers at a server; a private text is nobody's."""
        monkeypatch.setattr("datasets.config.HF_UPDATE_DOWNLOAD_COUNTS", True)
        monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", False)
        asked = []

        def refuse(*address: object, **_: object) -> None:
            asked.append(address[:2])
            raise OSError("no network in tests")

        monkeypatch.setattr(socket, "getaddrinfo", refuse)
        self.jsonl("rows.jsonl")
        self.jsonl("owner/name/train.jsonl")
        assert text_of("rows.jsonl", "hf://owner/name") == self.TEXT * 2
        assert not asked

    def test_no_copy_of_a_text_stays_behind(self, tmp_path: Path) -> None:
        self.jsonl("rows.jsonl")
        self.jsonl("owner/name/train.jsonl")
        Path("rows.jsonl.gz").write_bytes(gzip.compress(Path("rows.jsonl").read_bytes()))
        Path("rows.csv").write_text("text\none\n")
        home = tmp_path / "home"
        (home / "tmp").mkdir(parents=True)
        code = (
            "from charrnn import read_corpus\n"
            "read_corpus(['rows.jsonl', 'rows.jsonl.gz', 'rows.csv', 'hf://owner/name'])"
        )
        hidden = {name: str(home) for name in ("HOME", "HF_HOME", "XDG_CACHE_HOME")}
        hidden |= {"TMPDIR": str(home / "tmp"), "HF_HUB_OFFLINE": "1"}
        kept = {k: v for k, v in os.environ.items() if not k.startswith("HF_")}
        subprocess.run([sys.executable, "-c", code], env=kept | hidden, check=True, timeout=60)
        left = [path for path in home.rglob("*") if path.is_file()]
        assert left, "`datasets` was expected to leave its empty locks here"
        assert not [path for path in left if path.stat().st_size]

    def test_a_data_set_in_the_form_of_the_hub(self) -> None:
        """A local folder OWNER/NAME is read by the code that reads the hub."""
        self.jsonl("owner/name/data/train.jsonl")
        self.jsonl("owner/name/data/test.jsonl")
        assert read_corpus(["hf://owner/name"]) == Corpus("name", self.TEXT)
        assert text_of("hf://owner/name", split="test") == self.TEXT
        with pytest.raises(CharRNNError, match=r"hf://owner/name: .*nonsense"):
            text_of("hf://owner/name", split="nonsense")

    def test_a_data_set_may_have_configurations(self) -> None:
        self.jsonl("owner/name/verse.jsonl")
        Path("owner/name/prose.jsonl").write_text('{"text":"prose"}')
        Path("owner/name/README.md").write_text(
            "---\nconfigs:\n"
            "- {config_name: verse, data_files: verse.jsonl}\n"
            "- {config_name: prose, data_files: prose.jsonl}\n"
            "---\n"
        )
        assert read_corpus(["hf://owner/name/verse"]) == Corpus("name", self.TEXT)
        assert text_of("hf://owner/name/prose") == "prose"
        for source in ("hf://owner/name", "hf://owner/name/nonsense"):
            with pytest.raises(BadDataError, match=f"{source}: .*"):
                text_of(source)

    @pytest.mark.parametrize("source", ["hf://", "hf://name", "hf:///name", "hf://owner/"])
    def test_a_data_set_has_an_owner_and_a_name(self, source: str) -> None:
        with pytest.raises(UsageError, match="OWNER/NAME"):
            text_of(source)


def test_a_data_set_that_is_not_there_is_missing() -> None:
    code = (
        "from charrnn import read_corpus, CharRNNError\n"
        "try: read_corpus(['hf://no/such'])\n"
        "except CharRNNError as e: print(e.exit_code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout == "66\n", done.stderr


def test_datasets_is_imported_only_for_tables() -> None:
    Path("a.txt").write_text("text")
    Path("rows.csv").write_text("passed by in a folder")
    code = (
        "import sys; from charrnn import read_corpus; read_corpus(['a.txt', 'pydoc', '.'])\n"
        "assert 'datasets' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_pydoc_is_its_topics_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = ModuleType("pydoc_data.topics")
    fake.topics = {"b": " two ", "a": "one\n"}  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pydoc_data.topics", fake)
    assert text_of("pydoc") == "one\n\ntwo\n"
