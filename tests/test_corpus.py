"""Every way to name a text, and every way a text can be wrong."""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from charrnn import ByteTokenizer, CharRNNError, Corpus, Reading, read_corpus
from charrnn.corpus import BUNDLED
from charrnn.errors import BadDataError, MissingInputError, UsageError

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
    corpus = read_corpus([root])
    assert corpus.text == "one\ntwo\nthree\n"
    assert corpus.name == "book"
    assert "passed by 2 not plain text: picture.png, rows.csv" in corpus.notes[0]


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


def test_standard_input_is_a_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO("é\r\n".encode())))
    corpus = read_corpus(["-"])
    assert corpus.text == "é\n"
    assert corpus.name == "stdin"


def test_several_sources_are_joined_on_lines_of_their_own() -> None:
    Path("a").write_text("one")
    Path("b").write_text("two\n")
    Path("c").write_text("three")
    assert text_of("a", "b", "c") == "one\ntwo\nthree"


def test_byte_order_marks_and_line_ends_are_cleaned_and_reported() -> None:
    Path("a.txt").write_bytes(b"\xef\xbb\xbfone\r\ntwo\r\nthree\r")
    corpus = read_corpus(["a.txt"])
    assert corpus.text == "one\ntwo\nthree\r"
    assert "byte-order mark" in corpus.notes[0]
    assert "CRLF became LF on 2 lines" in corpus.notes[1]


def test_the_encoding_is_the_users() -> None:
    Path("a.txt").write_bytes("déjà".encode("latin-1"))
    assert text_of("a.txt", encoding="latin-1") == "déjà"
    Path("b.txt").write_bytes("déjà".encode("utf-16"))
    assert text_of("b.txt", encoding="utf-16") == "déjà"
    with pytest.raises(UsageError, match="no encoding 'utf8000'"):
        text_of("a.txt", encoding="utf8000")


def test_invalid_bytes_are_located_and_the_ways_out_work() -> None:
    Path("a.txt").write_bytes(b"d\xc3\xa9j\xe0 vu")
    with pytest.raises(BadDataError) as error:
        text_of("a.txt")
    for part in ("a.txt", "0xe0", "offset 4", "--errors replace", "--tokenizer byte"):
        assert part in str(error.value)
    assert text_of("a.txt", errors="replace") == "déj\ufffd vu"
    raw = text_of("a.txt", errors="surrogateescape")
    assert ByteTokenizer().encode(raw).astype("u1").tobytes() == b"d\xc3\xa9j\xe0 vu"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (PNG, "a binary file"),
        ("text".encode("utf-16"), "UTF-16"),
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


@pytest.mark.parametrize("data", [b"not gzip", gzip.compress(b"x" * 999)[:-9], b"\x1f\x8b"])
def test_a_broken_gzip_file_is_an_error(data: bytes) -> None:
    Path("a.gz").write_bytes(data)
    with pytest.raises(BadDataError, match="broken gzip"):
        text_of("a.gz")


def test_a_missing_source_is_an_error() -> None:
    with pytest.raises(MissingInputError, match="no file or corpus nowhere"):
        text_of("nowhere")
    with pytest.raises(UsageError, match="no text given"):
        text_of()


def test_fingerprint_is_golden() -> None:
    assert Corpus("x", "é").sha256 == (
        "4a99557e4033c3539de2eb65472017cad5f9557f7a0625a09f1c3f6e2ba69c4c"
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
    with pytest.raises(MissingInputError, match=r"lacks pydoc_data\.topics"):
        text_of("pydoc")


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

    def test_parquet(self) -> None:
        import pyarrow as pa
        import pyarrow.parquet

        pyarrow.parquet.write_table(pa.Table.from_pylist(list(self.ROWS)), "rows.parquet")
        assert text_of("rows.parquet") == self.TEXT

    def test_a_column_that_is_not_there_or_holds_no_text_is_an_error(self) -> None:
        self.jsonl("rows.jsonl")
        for column in ("body", "n"):
            with pytest.raises(UsageError, match=f"column {column}; choose .* text, n"):
                text_of("rows.jsonl", text_column=column)

    def test_a_broken_table_is_an_error(self) -> None:
        Path("rows.jsonl").write_text("{")
        with pytest.raises(BadDataError, match=r"rows\.jsonl"):
            text_of("rows.jsonl")

    def test_a_data_set_in_the_form_of_the_hub(self) -> None:
        """A local folder OWNER/NAME is read by the code that reads the hub."""
        self.jsonl("owner/name/data/train.jsonl")
        self.jsonl("owner/name/data/test.jsonl")
        assert read_corpus(["hf://owner/name"]) == Corpus("name", self.TEXT)
        assert text_of("hf://owner/name", split="test") == self.TEXT
        with pytest.raises(CharRNNError, match="hf://owner/name"):
            text_of("hf://owner/name", split="nonsense")
        with pytest.raises(UsageError, match="OWNER/NAME"):
            text_of("hf://name")


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
    code = (
        "import sys; from charrnn import read_corpus; read_corpus(['a.txt', 'pydoc'])\n"
        "assert 'datasets' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_pydoc_is_its_topics_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = ModuleType("pydoc_data.topics")
    fake.topics = {"b": " two ", "a": "one\n"}  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pydoc_data.topics", fake)
    assert text_of("pydoc") == "one\n\ntwo\n"
