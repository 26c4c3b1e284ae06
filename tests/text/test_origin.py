"""Where a corpus was read: by names that hold from anywhere, if it can be read again at all."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from charrnn import Corpus, Reading, read_corpus
from charrnn.errors import UsageError
from charrnn.text.origin import is_read_once, origin_of


@pytest.fixture(autouse=True)
def folder(tmp_path: Path) -> Path:
    """A folder with one source of each kind."""
    Path("file.txt").write_text("a file")
    Path("folder").mkdir()
    os.mkfifo("pipe")
    return tmp_path


def test_pipes_and_devices_are_read_once_and_files_again() -> None:
    again = ("file.txt", "folder", "places", "hf://ann/poems", "*.txt", "nowhere", "", "x" * 5000)
    assert not any(is_read_once(source) for source in (*again, Path("file.txt")))
    once = ("-", Path("-"), "pipe", Path("pipe"), os.devnull)
    assert all(is_read_once(source) for source in once)


def test_what_was_read_once_is_gone(folder: Path) -> None:
    """A run would have gone on with whatever a pipe of that name gives, or waited for ever."""
    assert origin_of(["pipe", "file.txt"], Reading()).sources == ("-", str(folder / "file.txt"))
    for sources in (["pipe"], ["-"], Corpus("one", "a text")):
        assert origin_of(sources, Reading()).is_gone
    found = origin_of(["file.txt", "folder", "places"], Reading())
    assert found.sources == (str(folder / "file.txt"), str(folder / "folder"), "places")
    assert not found.is_gone


def test_a_command_names_all_sources_and_standard_input_once(folder: Path) -> None:
    file = shlex.quote(str(folder / "file.txt"))
    for sources, words in (
        (["pipe"], "-"),
        (["file.txt", "-", "places"], f"{file} - places"),
        (["-", "hf://ann/a poem", "pipe"], "FILE 'hf://ann/a poem' FILE"),
    ):
        assert origin_of(sources, Reading()).words == words


def test_a_glob_finds_the_same_files_from_anywhere(folder: Path) -> None:
    """A run on one could only go on in the folder where it had begun."""
    desk = folder / "a [desk]*"
    (desk / "texts").mkdir(parents=True)
    (desk / "texts" / "one.txt").write_text("one\n")
    (desk / "texts" / "two.txt").write_text("two\n")
    os.chdir(desk)
    given = ["texts/*.txt", str(folder / "f*.txt"), "hf://ann/poems*", "places"]
    found = origin_of(given, Reading()).sources
    os.chdir(folder)
    assert read_corpus(found[0]).text == "one\ntwo\n"
    assert found[1:] == tuple(given[1:])
    assert origin_of(found, Reading()).sources == found


def test_a_name_that_is_not_utf_8_is_refused() -> None:
    """Half a character, which no file system takes, and a byte of latin-1."""
    found = r"\.txt: its name is not UTF-8, so a run could not find it again; rename it, or give it"
    for name in ("\ud800.txt", "\udce9.txt"):
        with pytest.raises(UsageError, match=found):
            origin_of([name], Reading())


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="only Linux's /dev/stdin is a link")
def test_a_file_behind_standard_input_is_found_again_by_its_name(folder: Path) -> None:
    """Another process has another file there."""
    code = (
        "from charrnn import Reading\n"
        "from charrnn.text.origin import origin_of\n"
        "print(*origin_of(['/dev/stdin'], Reading()).sources)"
    )
    with (folder / "file.txt").open() as file:
        done = subprocess.run(
            [sys.executable, "-c", code], stdin=file, capture_output=True, text=True, check=True
        )
    assert done.stdout == f"{(folder / 'file.txt').resolve()}\n"
