"""Corpora as ids: the same whether held in memory or mapped from the disk, in little memory."""

from __future__ import annotations

import io
import unicodedata
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn import ByteTokenizer, CharTokenizer, Corpus, Reading, train
from charrnn import read_corpus as read
from charrnn.decoding import pieces, streams
from charrnn.errors import BadDataError, ReadWriteError, UsageError
from charrnn.text import cache, spool, tokenizer
from charrnn.text.spool import Spool
from charrnn.text.tokenizer import Form
from tests.commands import run_code

RAW = Reading(errors="surrogateescape")


@pytest.fixture(autouse=True)
def cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    return tmp_path / "caches" / "charrnn"


@pytest.mark.parametrize(
    ("system", "variable"),
    [("linux", "XDG_CACHE_HOME"), ("win32", "WIN_PD_OVERRIDE_LOCAL_APPDATA")],
)
def test_the_advice_on_a_cache_that_fails_names_what_the_system_heeds(
    system: str, variable: str, cached: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cached.parent.write_text("a file where a folder should be")
    monkeypatch.setattr("sys.platform", system)
    with pytest.raises(ReadWriteError, match=f"choose another place for caches with {variable}"):
        cache.check()


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


def test_a_text_of_one_line_is_taken_in_another_form_in_pieces(
    cached: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All that came before was put together again with each stored piece."""
    monkeypatch.setattr(spool, "PIECE", 7)
    taken = list[str]()

    def in_form(form: Form, text: str) -> str:
        taken.append(text)
        return tokenizer.in_form(form, text)

    monkeypatch.setattr(spool, "in_form", in_form)
    known = "Thé tidë is läte. " * 9 + "x" * 30
    with closing(Spool(Corpus("a", unicodedata.normalize("NFD", known)), Reading())) as text:
        assert text.take_known_form(CharTokenizer.from_text(known)) == "NFC"
        taken.clear()
        assert len(text.encode(CharTokenizer.from_text(known))) == len(known)
    assert max(map(len, taken)) < 45


@pytest.mark.parametrize("records", ["none", "lines", "blocks"])
def test_a_text_is_taken_in_the_form_that_is_known(length: str, records: str) -> None:
    """A mark at the beginning of a stored piece belongs to the letter before it."""
    known = "Thé tidë is läte.\n\nThe cläm is hot.\n\n"
    reading = Reading(records=records)
    with closing(Spool(Corpus("a", known), reading)) as expected:
        tokenizer = CharTokenizer(expected.characters, expected.division.end)
        ids = expected.encode(tokenizer)
        assert expected.take_known_form(tokenizer) == ""
    with closing(Spool(Corpus("a", unicodedata.normalize("NFD", known)), reading)) as text:
        assert text.take_known_form(tokenizer) == "NFC"
        assert text.characters == expected.characters
        np.testing.assert_array_equal(text.encode(tokenizer), ids)


def test_what_holds_no_text_is_refused(length: str) -> None:
    Path("empty").touch()
    for source, name in ((["empty"], "empty"), (Corpus("x", ""), "x")):
        with pytest.raises(BadDataError, match=f"^{name}: no text in it"):
            spooled(source)
    with pytest.raises(UsageError, match="no text given"):
        spooled([])


class TestTemporaryFiles:
    """Long texts and their ids, on the disk."""

    @pytest.fixture(autouse=True)
    def _all_long(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(spool, "IN_MEMORY", 1)

    def test_nothing_of_a_text_stays_there(self, cached: Path) -> None:
        _, ids = spooled(Corpus("x", "abab"))
        assert isinstance(ids.base, np.memmap)
        assert ids.tolist() == [0, 1, 0, 1]
        assert not list(cached.iterdir())

    def test_nobody_else_may_look_into_their_folder(self, cached: Path) -> None:
        spooled(Corpus("x", "ab"))
        assert cached.stat().st_mode & 0o077 == 0

    def test_a_folder_that_cannot_be_made_is_named(self, cached: Path) -> None:
        cached.parent.write_text("a file where a folder should be")
        with pytest.raises(ReadWriteError, match="caches/charrnn: Not a directory; make room"):
            spooled(Corpus("x", "ab"))

    def test_without_a_home_folder_it_is_said_where_they_could_be(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A short text needs none: it ended in a traceback, too."""

        def fail(_: str) -> Path:
            raise RuntimeError("could not determine the home directory")

        monkeypatch.setattr(platformdirs, "user_cache_path", fail)
        with pytest.raises(ReadWriteError, match=r"no home folder.*XDG_CACHE_HOME"):
            spooled(Corpus("x", "ab"))
        monkeypatch.setattr(spool, "IN_MEMORY", 1000)
        text = Corpus("x", "one line\n" * 99)
        train(text, out="model", steps=2, hidden_size=8).finish(progress=False)

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full device here")
    @pytest.mark.parametrize("whole", [0, 1])
    def test_a_full_disk_is_told_in_a_line(
        self, whole: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Whether it is full of the text or of its ids."""
        files = [io.BytesIO() for _ in range(whole)]

        def made(*args: Any, **options: Any) -> Any:
            return files.pop() if files else Path("/dev/full").open("r+b", buffering=0)

        monkeypatch.setattr(spool, "TemporaryFile", made)
        monkeypatch.setattr(cache, "TemporaryFile", made)
        with pytest.raises(ReadWriteError, match="caches/charrnn: No space left on device; make"):
            spooled(Corpus("x", "ab"))


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
    return float(run_code(MEASURE, text, text.with_suffix(".model")))


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
