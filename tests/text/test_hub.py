"""Data sets of the hub, through `datasets`."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from charrnn import CharRNNError, Corpus, read_corpus
from charrnn.errors import BadDataError, UsageError
from tests.text.reading import TEXT, gzipped, text_of, write_jsonl


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


def test_datasets_is_imported_only_for_the_hub() -> None:
    Path("a.txt").write_text("text")
    Path("rows.csv").write_text("text\nrow\n")
    write_jsonl("rows.jsonl")
    code = (
        "import sys; from charrnn import read_corpus; read_corpus(['a.txt', 'pydoc', '.'])\n"
        "assert 'datasets' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
