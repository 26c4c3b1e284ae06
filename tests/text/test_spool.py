"""Corpora as ids: the same whether held in memory or mapped from the disk, in little memory."""

from __future__ import annotations

import errno
import io
import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn import ByteTokenizer, CharTokenizer, Corpus, Reading
from charrnn import read_corpus as read
from charrnn.cli.app import app
from charrnn.decoding import pieces, streams
from charrnn.errors import BadDataError, ReadWriteError, UsageError
from charrnn.text import cache, spool
from charrnn.text.spool import Spool
from tests.commands import run

RAW = Reading(errors="surrogateescape")


@pytest.fixture(autouse=True)
def cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    return tmp_path / "caches" / "charrnn"


@pytest.fixture(params=["short", "long"])
def length(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Texts held in memory, and texts put on the disk: every text is long for a limit of 1."""
    if request.param == "long":
        monkeypatch.setattr(spool, "IN_MEMORY", 1)
        monkeypatch.setattr(spool, "PIECE", 7)
    return str(request.param)


def spooled(corpus: Any, tokenizer: Any = None, reading: Reading | None = None) -> Any:
    with closing(Spool(corpus, reading or Reading())) as text:
        ids = text.encode(tokenizer or CharTokenizer.from_text(text.characters))
    return text, ids


@pytest.mark.parametrize("chunk", [1, 2, 3, 5, 1 << 20])
def test_a_spool_says_of_a_corpus_what_reading_it_whole_says(
    length: str, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "CHUNK", chunk)
    Path("a.txt").write_bytes("\ufeffthé 🙂 tide\r\nis late\r\r\n".encode())
    Path("b.txt").write_bytes("\r\n\ufeffwrong 文".encode())
    whole = read(["a.txt", "b.txt", "places"])
    text, ids = spooled(["a.txt", "b.txt", "places"], reading=Reading(records="none"))
    assert (text.name, text.notes, text.sha256) == (whole.name, whole.notes, whole.sha256)
    assert (text.length, text.characters) == (len(whole.text), "".join(sorted(set(whole.text))))
    assert ids.dtype == np.uint8
    assert np.array_equal(ids, CharTokenizer.from_text(whole.text).encode(whole.text))


def test_a_list_whose_lines_come_again_is_told_where_it_is_read_as_a_story() -> None:
    names = [f"{first}{last}" for first in ("Ada", "Bo", "Cyn") for last in ("lo", "mi", "ra", "")]
    text = Corpus("register", "\n".join(names * 4))
    story, _ = spooled(text)
    assert story.division.end is None
    (note,) = story.notes
    assert "one a line, a word each" in note
    assert "--records lines" in note
    for records in ("none", "lines"):
        with closing(Spool(text, Reading(records=records))) as chosen:
            assert not any("--records lines" in one for one in chosen.notes)


@pytest.mark.parametrize("lines", [["Anna", "Ben", "Cleo"], ["x = 1;", "  go();", "}", "{"], ["1"]])
def test_what_is_no_list_is_read_as_a_story_without_a_word(lines: list[str]) -> None:
    text, _ = spooled(Corpus("story", "\n".join(lines * 30)))
    assert (text.division.end, text.notes) == (None, ())


def pieced(data: bytes, encoding: str, errors: Any) -> str:
    return pieces.read_text("x", io.BytesIO(data), Reading(encoding, errors))[0]


@given(
    st.binary(max_size=30) | st.text("aé🙂文\r\n\ufeff").map(str.encode),
    st.integers(1, 6),
    st.sampled_from(["utf-8", "utf-16", "utf-16-be", "latin-1", "gb18030", "shift_jis"]),
    st.sampled_from(["strict", "replace", "surrogateescape"]),
)
def test_pieces_of_any_size_make_the_same_text_or_the_same_error(
    data: bytes, chunk: int, encoding: str, errors: str
) -> None:
    found = []
    with pytest.MonkeyPatch.context() as patch:
        for size in (chunk, 1 << 20):
            patch.setattr(streams, "CHUNK", size)
            try:
                found.append(pieced(data, encoding, errors))
            except BadDataError as error:
                found.append(str(error))
    if errors == "strict" or encoding in ("utf-8", "latin-1"):  # others join bad bytes differently
        assert found[0] == found[1]


def test_bytes_and_lone_surrogates_pass_unharmed(length: str) -> None:
    data = bytes(range(256)) * 2 + "é".encode()[:1]
    Path("raw").write_bytes(data)
    _, ids = spooled(["raw"], ByteTokenizer(), RAW)
    assert ids.astype(np.uint8).tobytes() == data.replace(b"\r\n", b"\n")
    halves = Corpus("x", "\ud83d\ude42 \ud83d")
    with closing(Spool(halves, Reading())) as text:
        assert text.sha256 == halves.sha256


def test_ids_take_the_fewest_bytes_that_hold_them(length: str) -> None:
    many = "".join(map(chr, range(40, 40 + 300)))
    assert spooled(Corpus("x", many[:256]))[1].dtype == np.uint8
    assert spooled(Corpus("x", many))[1].dtype == np.uint16
    assert spooled(Corpus("x", many))[1].tolist() == list(range(300))
    everything = "".join(chr(k) for k in range(0x20000) if not 0xD800 <= k < 0xE000)
    assert spooled(Corpus("x", everything))[1].dtype == np.uint32


def test_an_unknown_character_leaves_nothing_behind(length: str, cached: Path) -> None:
    with pytest.raises(UsageError, match="'z'"):
        spooled(Corpus("x", "abz" * 9), CharTokenizer("ab"))
    assert not list(cached.glob("*"))


def test_a_story_is_encoded_in_the_form_that_it_has(length: str) -> None:
    """A short one was taken in another, a long one piece by piece, in several or refused."""
    decomposed = "ete\u0301 " * 9
    assert spooled(Corpus("x", decomposed))[1].size == len(decomposed)
    with pytest.raises(UsageError, match="does not know a character of the text"):
        spooled(Corpus("x", decomposed), CharTokenizer(" e\u0074\u00e9"))


def test_what_holds_no_text_is_refused(length: str) -> None:
    Path("empty").touch()
    for source, name in ((["empty"], "empty"), (Corpus("x", ""), "x")):
        with pytest.raises(BadDataError, match=f"^{name}: no text in it"):
            spooled(source)
    with pytest.raises(UsageError, match="no text given"):
        spooled([])


class TestCache:
    """Ids of long texts."""

    @pytest.fixture(autouse=True)
    def _all_long(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(spool, "IN_MEMORY", 1)

    def test_a_text_is_encoded_once_for_each_vocabulary(self, cached: Path) -> None:
        spooled(Corpus("one", "abab"))
        (first,) = cache.entries()
        stamp = first.stat().st_ino
        spooled(Corpus("other", "abab"))
        assert [path.stat().st_ino for path in cache.entries()] == [stamp]
        spooled(Corpus("one", "abab"), CharTokenizer("abc"))
        spooled(Corpus("one", "abab"), ByteTokenizer())
        spooled(Corpus("one", "baba"))
        assert len(cache.entries()) == 4
        assert all(path.parent == cached for path in cache.entries())

    def test_nobody_else_may_read_it(self, cached: Path) -> None:
        spooled(Corpus("x", "ab"))
        assert cached.stat().st_mode & 0o077 == 0
        assert next(iter(cache.entries())).stat().st_mode & 0o077 == 0

    def test_a_file_of_the_wrong_length_is_made_anew(self) -> None:
        _, ids = spooled(Corpus("x", "abab"))
        (path,) = cache.entries()
        path.write_bytes(b"\0")
        assert np.array_equal(spooled(Corpus("x", "abab"))[1], [0, 1, 0, 1])
        assert path.stat().st_size == len(ids)

    @pytest.mark.parametrize("damage", [b"", b"\0\1\0\0", b"\0\1\7\1"])
    def test_a_damaged_file_is_made_anew(self, damage: bytes) -> None:
        """Of a broken disk: zeros, which would be learnt, or ids that nothing has."""
        spooled(Corpus("x", "abab"))
        (path,) = cache.entries()
        path.write_bytes(damage)
        assert np.array_equal(spooled(Corpus("x", "abab"))[1], [0, 1, 0, 1])
        assert [*cache.entries()] == [path]

    def test_ids_that_were_made_by_an_older_rule_are_not_used(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        names, reading = Corpus("names", "ab\nba\nabb\n"), Reading(records="lines")
        tokenizer = CharTokenizer("ab", end="\n")
        with monkeypatch.context() as patch:
            patch.setattr(spool, "RULE", b"older")
            expected = np.array(spooled(names, tokenizer, reading)[1])
        (path,) = cache.entries()
        path.write_bytes(bytes(len(path.read_bytes())))
        assert np.array_equal(spooled(names, tokenizer, reading)[1], expected)

    def test_a_file_that_is_deleted_while_it_is_opened_is_made_anew(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        spooled(Corpus("x", "abab"))
        memmap, opened = np.memmap, list[Path]()

        def cleared(path: Path, *given: Any, **more: Any) -> Any:
            if not opened:
                path.unlink()
            opened.append(path)
            return memmap(path, *given, **more)

        monkeypatch.setattr(np, "memmap", cleared)
        assert np.array_equal(spooled(Corpus("x", "abab"))[1], [0, 1, 0, 1])
        assert [*cache.entries()] == [opened[1]]

    def test_it_is_bounded_and_forgets_the_least_recently_used(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(cache, "LARGEST", 250)
        names = {}
        for number, letter in enumerate("abac"):  # when c comes, b was used the longest ago
            before = {path.name for path in cache.entries()}
            spooled(Corpus("x", (letter + "x") * 50))
            for path in cache.entries():
                if path.stat().st_mtime > 1e9:  # just used
                    os.utime(path, (number, number))
                if path.name not in before:
                    names[letter] = path.name
        assert {path.name for path in cache.entries()} == {names["a"], names["c"]}
        monkeypatch.setattr(cache, "LARGEST", 10)
        _, ids = spooled(Corpus("x", "dx" * 50))
        assert len(cache.entries()) == 1  # what is in use stays, however large
        assert len(ids) == 100

    def test_half_made_files_of_crashed_processes_go(self, cached: Path) -> None:
        spooled(Corpus("x", "ab"))
        old, new = cached / ".old.new", cached / ".young.new"
        old.touch()
        new.touch()
        os.utime(old, (0, 0))
        spooled(Corpus("x", "ba"))
        assert not old.exists()
        assert new.exists()

    def test_it_can_be_listed_and_cleared(self, tmp_path: Path) -> None:
        _, ids = spooled(Corpus("x", "abab"))
        shown = run(tmp_path, "cache").stdout
        assert shown == f"ids of long texts: 1 file, 0.0 MB; in {cache.location()}\n"
        line = run(tmp_path, "cache", "--all").stdout
        assert "4 bytes" in line
        assert str(next(iter(cache.entries()))) in line
        assert "deleted 1 file in" in run(tmp_path, "cache", "--clear").stdout
        assert run(tmp_path, "cache").stdout == ""
        assert ids.tolist() == [0, 1, 0, 1]  # who has mapped it keeps it

    @pytest.mark.parametrize("option", [[], ["--all"]])
    def test_files_that_another_process_has_just_deleted_are_listed(
        self,
        option: list[str],
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """It ended with an error of the disk."""
        _, ids = spooled(Corpus("x", "abab"))
        entries = cache.entries

        def listed_and_deleted() -> object:
            found = entries()
            for path in found:
                path.unlink()
            return found

        monkeypatch.setattr(cache, "entries", listed_and_deleted)
        with pytest.raises(SystemExit, match="0"):
            app(["cache", *option])
        assert ("4 bytes" if option else "1 file, 0.0 MB") in capsys.readouterr().out
        assert ids.tolist() == [0, 1, 0, 1]

    def test_what_can_be_deleted_is_and_the_rest_is_named(
        self, cached: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        spooled(Corpus("x", "abab"))
        (cached / "code").mkdir()
        for name in ("code/a.o", "code/b.o", "0.ids"):
            (cached / name).touch()
        unlink = Path.unlink

        def refuse(path: Path, missing_ok: bool = False) -> None:
            if len(path.stem) == 1:
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
            unlink(path, missing_ok=missing_ok)

        monkeypatch.setattr(Path, "unlink", refuse)
        with pytest.raises(SystemExit, match="74"):
            app(["cache", "--clear"])
        monkeypatch.undo()
        shown = capsys.readouterr()
        assert shown.out == f"deleted 1 file in {cached}\n"
        assert "0.ids: Permission denied, and 2 others likewise; see that you may" in shown.err
        assert shown.err.count("\n") == 1

    def test_what_is_no_file_is_none_of_its_own(self, cached: Path, tmp_path: Path) -> None:
        spooled(Corpus("x", "abab"))
        (path,) = cached.iterdir()
        (cached / "code" / "e.o").mkdir(parents=True)
        (cached / "d.ids").mkdir()
        (cached / "l.ids").symlink_to("nowhere")
        os.mkfifo(cached / "p.ids")
        os.mkfifo(path.with_stem(f"{path.stem[:-64]}{'0' * 64}"))
        _, ids = spooled(Corpus("x", "abab"))
        assert ids.tolist() == [0, 1, 0, 1]
        assert run(tmp_path, "cache").stdout == f"ids of long texts: 1 file, 0.0 MB; in {cached}\n"
        done = run(tmp_path, "cache", "--clear")
        assert (done.stdout, done.returncode) == (f"deleted 1 file in {cached}\n", 0)
        assert len(list(cached.iterdir())) == 5, "a user's own are left alone"

    @pytest.mark.parametrize("option", [(), ("--all",), ("--clear",)])
    def test_a_place_where_nothing_can_be_kept_is_named(
        self, option: tuple[str, ...], cached: Path, tmp_path: Path
    ) -> None:
        assert run(tmp_path, "cache", *option).returncode == 0
        cached.parent.write_text("a file where a folder should be")
        done = run(tmp_path, "cache", *option)
        assert (done.stdout, done.returncode) == ("", 74)
        assert "caches/charrnn: Not a directory; " in done.stderr
        assert "or choose another place for caches with XDG_CACHE_HOME" in done.stderr

    def test_a_cache_that_cannot_be_written_is_named(self, cached: Path) -> None:
        cached.parent.write_text("a file where a folder should be")
        with pytest.raises(ReadWriteError, match="caches/charrnn: Not a directory; make room"):
            spooled(Corpus("x", "ab"))

    def test_two_processes_that_build_it_at_once_both_get_it(self, cached: Path) -> None:
        code = (
            "import numpy as np; from contextlib import closing\n"
            "from charrnn import Corpus, CharTokenizer, Reading\n"
            "from charrnn.text import spool\n"
            "spool.IN_MEMORY = 1\n"
            "with closing(spool.Spool(Corpus('x', 'abc' * 3_000_000), Reading())) as text:\n"
            "    print(text.encode(CharTokenizer('abc')).sum(dtype=int))"
        )
        both = [
            subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) for _ in "ab"
        ]
        for process in both:
            assert process.communicate(timeout=120)[0] == b"9000000\n"
        assert len(cache.entries()) == 1
        assert len(list(cached.iterdir())) == 1


MEASURE = """
import sys, threading, time
from charrnn import train
def anonymous():
    lines = dict(line.split(":", 1) for line in open("/proc/self/status"))
    return int(lines["RssAnon"].split()[0]) / 1024
peak = 0
def watch():
    global peak
    while True:
        peak = max(peak, anonymous())
        time.sleep(0.001)
threading.Thread(target=watch, daemon=True).start()
settings = {"hidden_size": 32, "embed_size": 8, "batch_size": 8, "seq_length": 32, "device": "cpu"}
for event in train(sys.argv[1], out=sys.argv[2], steps=3, **settings): pass
print(peak)
"""


def anonymous_memory(text: Path) -> float:
    """MB at the peak of a training on `text`."""
    out = text.with_suffix(".model")
    command = [sys.executable, "-c", MEASURE, str(text), str(out)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}
    return float(subprocess.check_output(command, env=environment, timeout=500))


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads Linux's /proc")
@pytest.mark.parametrize(
    "megabytes", [(100, 20), pytest.param((1000, 200), marks=pytest.mark.slow)]
)
def test_a_long_text_takes_no_more_memory_than_a_short_one(
    megabytes: tuple[int, int], tmp_path: Path
) -> None:
    """Of many lines, or of one. Training on 1 GB stays within 64 MB of training on 1 MB:
    `make test-slow` tries it.
    """
    sentence, peaks = b"The clerk has lost the book of tides, so he goes down to the quay", []
    for size, end in (*zip(megabytes, (b"\n", b""), strict=True), (1, b"\n")):
        line, text = sentence + end, tmp_path / f"{size}.txt"
        million = (line * (1_000_000 // len(line) + 1))[:1_000_000]
        with text.open("wb") as file:
            for _ in range(size):
                file.write(million)
        peaks.append(anonymous_memory(text))
    assert max(peaks[:2]) < peaks[2] + 64
