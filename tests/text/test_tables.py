"""Tables and data sets of the hub, through `datasets`."""

from __future__ import annotations

import gc
import json
import logging
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from charrnn import CharRNNError, Corpus, read_corpus
from charrnn.errors import BadDataError, UsageError
from tests.text.reading import gzipped, text_of

ROWS = ({"text": "one", "n": 1}, {"text": "NA", "n": 2}, {"text": "thrée\n", "n": 3})
TEXT = "one\nNA\nthrée\n"


def write_jsonl(path: str) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    lines = "".join(json.dumps(row) + "\n" for row in ROWS)
    Path(path).write_text(lines, encoding="utf-8")


def test_jsonl() -> None:
    write_jsonl("rows.jsonl")
    assert read_corpus(["rows.jsonl"]) == Corpus("rows", TEXT)


def test_csv() -> None:
    Path("rows.csv").write_text('n,body\n1,one\n2,NA\n3,"thrée\n"\n', encoding="utf-8")
    assert text_of("rows.csv", text_column="body") == TEXT


def test_the_encoding_of_csv_is_the_users() -> None:
    Path("rows.csv").write_text("text\ndéjà\n", encoding="latin-1")
    assert text_of("rows.csv", encoding="latin-1") == "déjà"
    with pytest.raises(BadDataError, match=r"rows\.csv: .*byte 0xe9"):
        text_of("rows.csv")


@pytest.mark.parametrize("cells", [["007", "1.50"], ["True", "False"], ["null", "nan", "N/A"]])
def test_csv_is_text_whatever_it_looks_like(cells: list[str]) -> None:
    """pandas takes a column of numbers for numbers: 007 would be 7, or no text at all."""
    Path("rows.csv").write_text("\n".join(["text", *cells]))
    assert text_of("rows.csv") == "\n".join(cells)


def test_compressed_tables() -> None:
    write_jsonl("rows.jsonl")
    Path("rows.jsonl.gz").write_bytes(gzipped(Path("rows.jsonl").read_bytes()))
    assert read_corpus(["rows.jsonl.gz"]) == Corpus("rows", TEXT)
    Path("rows.csv.gz").write_bytes(gzipped(b"text\none\n"))
    assert text_of("rows.csv.gz") == "one"
    Path("broken.csv.gz").write_bytes(b"text\none\n")
    with pytest.raises(BadDataError, match=r"broken\.csv\.gz"):
        text_of("broken.csv.gz")


@pytest.mark.parametrize("name", ["rows [1].jsonl", "10%?*.jsonl", "[x]/.rows.jsonl", "-.jsonl"])
def test_a_table_may_have_any_name(name: str) -> None:
    """`datasets` takes the name of a file for a pattern."""
    write_jsonl(name)
    assert text_of(name) == TEXT


def test_an_empty_row_is_an_empty_line_and_a_missing_one_is_none() -> None:
    """Data sets with a row a line have "" for the lines between paragraphs."""
    rows = [{"text": "one"}, {"text": ""}, {"text": None}, {}, {"text": "a\0b"}]
    Path("rows.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    assert text_of("rows.jsonl") == "one\n\na\0b"


@pytest.mark.parametrize("content", ["", "\n", "{}\n", '{"text":null}\n', '{"text":""}\n'])
def test_a_table_without_text_is_an_error(content: str) -> None:
    """For an empty file `datasets` lets a StopIteration slip."""
    Path("rows.jsonl").write_text(content)
    with pytest.raises(BadDataError, match="no text in it"):
        text_of("rows.jsonl")


def test_parquet() -> None:
    import pyarrow as pa
    import pyarrow.parquet

    pyarrow.parquet.write_table(pa.Table.from_pylist(list(ROWS)), "rows.parquet")
    assert text_of("rows.parquet") == TEXT
    with pytest.raises(UsageError, match=r"column n; choose .* text, n"):
        text_of("rows.parquet", text_column="n")


def test_a_column_that_is_not_there_or_holds_no_text_is_an_error() -> None:
    write_jsonl("rows.jsonl")
    for column in ("body", "n"):
        with pytest.raises(UsageError, match=f"column {column}; choose .* text, n"):
            text_of("rows.jsonl", text_column=column)


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
def test_csv_without_the_column_is_an_error() -> None:
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
    name: str,
    content: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """`datasets` also logs what it raises."""
    caplog.set_level(logging.WARNING, "datasets")  # an earlier test may have silenced it
    monkeypatch.setattr(logging.getLogger("datasets"), "handlers", [caplog.handler])
    Path(name).write_text(content)
    with pytest.raises(BadDataError, match=re.escape(name)):
        text_of(name)
    assert not caplog.messages


def test_a_table_on_this_machine_asks_nothing_of_the_network(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`datasets` counts every use of its readers at a server; a private text is nobody's."""
    import datasets

    monkeypatch.setattr(datasets.config, "HF_UPDATE_DOWNLOAD_COUNTS", True)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", False)
    asked = []

    def refuse(*address: object, **_: object) -> None:
        asked.append(address[:2])
        raise OSError("no network in tests")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    write_jsonl("rows.jsonl")
    write_jsonl("owner/name/train.jsonl")
    assert text_of("rows.jsonl", "hf://owner/name") == TEXT * 2
    assert not asked


def test_no_copy_of_a_text_stays_behind(tmp_path: Path) -> None:
    write_jsonl("rows.jsonl")
    write_jsonl("owner/name/train.jsonl")
    Path("rows.jsonl.gz").write_bytes(gzipped(Path("rows.jsonl").read_bytes()))
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
    subprocess.run([sys.executable, "-c", code], env=kept | hidden, check=True, timeout=120)
    left = [path for path in home.rglob("*") if path.is_file()]
    assert left, "`datasets` was expected to leave its empty locks here"
    assert not [path for path in left if path.stat().st_size]


def test_a_data_set_in_the_form_of_the_hub() -> None:
    """A local folder OWNER/NAME is read by the code that reads the hub."""
    write_jsonl("owner/name/data/train.jsonl")
    write_jsonl("owner/name/data/test.jsonl")
    assert read_corpus(["hf://owner/name"]) == Corpus("name", TEXT)
    assert text_of("hf://owner/name", split="test") == TEXT
    with pytest.raises(CharRNNError, match=r"hf://owner/name: .*nonsense"):
        text_of("hf://owner/name", split="nonsense")


def test_a_data_set_may_have_configurations() -> None:
    write_jsonl("owner/name/verse.jsonl")
    Path("owner/name/prose.jsonl").write_text('{"text":"prose"}')
    Path("owner/name/README.md").write_text(
        "---\nconfigs:\n"
        "- {config_name: verse, data_files: verse.jsonl}\n"
        "- {config_name: prose, data_files: prose.jsonl}\n"
        "---\n"
    )
    assert read_corpus(["hf://owner/name/verse"]) == Corpus("name", TEXT)
    assert text_of("hf://owner/name/prose") == "prose"
    for source in ("hf://owner/name", "hf://owner/name/nonsense"):
        with pytest.raises(BadDataError, match=f"{source}: .*"):
            text_of(source)


@pytest.mark.parametrize("source", ["hf://", "hf://name", "hf:///name", "hf://owner/"])
def test_a_data_set_has_an_owner_and_a_name(source: str) -> None:
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
        timeout=120,
    )
    assert done.stdout == "66\n", done.stderr


def test_datasets_is_imported_only_for_tables() -> None:
    Path("a.txt").write_text("text")
    Path("rows.csv").write_text("skipped in a folder")
    code = (
        "import sys; from charrnn import read_corpus; read_corpus(['a.txt', 'pydoc', '.'])\n"
        "assert 'datasets' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
