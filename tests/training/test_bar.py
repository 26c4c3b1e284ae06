"""A progress bar that can't be shown never ends a run."""

from __future__ import annotations

import io
import sys
from contextlib import closing
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import msgspec
import pytest
from tqdm import notebook

from charrnn import Corpus, Model, Progress, Started, resume, train
from charrnn.training.bar import Bar
from charrnn.training.events import Corrected
from tests.conftest import VERSE
from tests.terminal.showing import DONE, STARTED

SMALL: dict[str, Any] = {"hidden_size": 8, "embed_size": 6, "num_layers": 2, "steps": 40}
CORPUS = Corpus("Стих", VERSE * 12)


class Failing(io.StringIO):
    """A stream that takes some writes and then fails, as a pipe that nobody reads does."""

    def __init__(self, error: Exception, writes: int) -> None:
        super().__init__()
        self.error, self.left = error, writes

    def write(self, text: str) -> int:
        self.left -= 1
        if self.left < 0:
            raise self.error
        return super().write(text)


class NotFlushed(io.StringIO):
    """A stream that is full when it is flushed."""

    def flush(self) -> None:
        raise OSError(28, "No space left on device")


def closed() -> io.StringIO:
    stream = io.StringIO()
    stream.close()
    return stream


ENDS: dict[str, Any] = {
    "none": lambda: None,
    "cp1251": lambda: io.TextIOWrapper(io.BytesIO(), "cp1251", "strict"),
    "ascii": lambda: io.TextIOWrapper(io.BytesIO(), "ascii", "strict"),
    "closed": closed,
    "a pipe that nobody reads": lambda: Failing(BrokenPipeError(32, "Broken pipe"), 0),
    "one that fails later": lambda: Failing(BrokenPipeError(32, "Broken pipe"), 5),
    "one of a window that is gone": lambda: Failing(RuntimeError("deleted"), 1),
    "a full disk": NotFlushed,
}


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize(
    "streams", [("stderr",), ("stdout",), ("stderr", "stdout")], ids=" and ".join
)
def test_no_stream_ends_a_run(
    end: str, streams: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("charrnn.training.loop.REPORT_SECONDS", 0.0)
    run = train(CORPUS, **SMALL | {"steps": 10}, out=tmp_path / "model")
    with monkeypatch.context() as patch:
        for name in streams:
            patch.setattr(sys, name, ENDS[end]())
        model = run.finish()
    assert isinstance(model, Model)


def test_what_a_stream_has_no_characters_for_is_shown_as_escapes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = io.BytesIO()
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(shown, "cp1251", "strict"))
    train(CORPUS, **SMALL, out=tmp_path / "model").finish()
    sys.stderr.flush()
    assert "2\\xd78 lstm" in shown.getvalue().decode("cp1251")
    assert "40/40" in shown.getvalue().decode("cp1251")


def test_nothing_is_written_to_standard_output(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The notes and the summary once were, among the text that a program writes."""
    crlf = tmp_path / "verse.txt"
    crlf.write_bytes(CORPUS.text.replace("\n", "\r\n").encode())
    train(crlf, **SMALL, out=tmp_path / "model").finish()
    out, err = capsys.readouterr()
    assert out == ""
    assert "CRLF became LF" in err
    assert "2×8 lstm" in err


def test_a_run_that_is_over_shows_no_bar(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = train(CORPUS, **SMALL, out=tmp_path / "model")
    run.finish(progress=False)
    assert isinstance(run.finish(), Model)
    assert capsys.readouterr() == ("", "")


def test_what_was_learnt_before_a_stop_tells_nothing_of_the_time_left(
    verse: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It once counted as learnt in the first moment, so that no time seemed to be left."""
    monkeypatch.setattr("charrnn.training.loop.REPORT_SECONDS", 0.0)
    for event in train(verse, out=tmp_path / "model", **SMALL):
        if isinstance(event, Progress) and event.step == 30:
            break
    started = next(iter(resume(tmp_path / "model")))
    assert isinstance(started, Started)
    shown = io.StringIO()
    monkeypatch.setattr(sys, "stderr", shown)
    with closing(Bar(shown=True, nats=" nats")) as bar:
        bar.show(started, 30)
        assert "30/40" in shown.getvalue().rpartition("\r")[2]
    assert "? updates/s" in shown.getvalue()


@pytest.fixture
def in_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("IProgress", "HTML", "TqdmHBox"):  # as ipywidgets, which has them, is not here
        monkeypatch.setattr(notebook, name, Mock, raising=False)
    monkeypatch.setattr(notebook, "display", Mock(), raising=False)
    monkeypatch.setattr("charrnn.training.bar.tqdm", notebook.tqdm)


@pytest.mark.usefixtures("in_notebook")
def test_a_notebooks_bar_begins_where_a_resumed_run_does() -> None:
    bar = Bar(shown=True, nats=" nats")
    left, widget, right = bar._bar.container.children
    bar.show(msgspec.structs.replace(STARTED, step=30), 30)
    assert (left.value.strip("\u2007"), widget.value, widget.max) == ("10%", 30, 300)
    assert "30/300" in right.value
    bar.close()


@pytest.mark.usefixtures("in_notebook")
@pytest.mark.parametrize("ends_early", [True, False])
def test_a_notebooks_bar_grows_to_the_end_of_the_run(ends_early: bool, tmp_path: Path) -> None:
    """It once was a full stub throughout, and red at last where patience had ended the run."""
    started = next(iter(train(CORPUS, **SMALL, out=tmp_path / "model")))
    bar = Bar(shown=True, nats=" nats")
    _, widget, _ = bar._bar.container.children
    bar.show(started, 0)
    assert (widget.value, widget.max, widget.bar_style) == (0, 40, "")
    bar.show(Corrected(step=10, planned=40, steps=30, seconds=1.0), 10)
    assert widget.max == 30
    if ends_early:
        bar.show(msgspec.structs.replace(DONE, steps=20, stopped_early=True), 20)
    bar.close()
    shown = (widget.value, widget.max, widget.bar_style)
    assert shown == ((20, 20, "success") if ends_early else (10, 30, "danger"))
