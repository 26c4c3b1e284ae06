"""What a command writes: its result to standard output, the rest to standard error."""

from __future__ import annotations

import codecs
import io
import json
import os
import select
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TextIO, TypeVar

import msgspec

from charrnn.outputs import STANDARD_OUTPUT, descriptor, output_error

__all__ = [
    "OutputFile",
    "answer_in_batches",
    "beside",
    "encode_json",
    "places_of",
    "progress_bar",
    "say",
    "say_new",
    "set_up_streams",
    "shown",
    "table",
    "write",
]

Text = TypeVar("Text")

BAR = "{percentage:3.0f}% |{bar:20}| {remaining} left"

# What a terminal would obey, but for tabs and line ends: a text may move the cursor or ring a bell.
CONTROLS = [*range(9), *range(11, 32), *range(127, 160)]
ESCAPES = {code: repr(chr(code))[1:-1] for code in CONTROLS}
# JSON itself escapes only those below 32.
JSON_ESCAPES = {code: f"\\u{code:04x}" for code in CONTROLS}


def set_up_streams() -> None:
    """Let no character end a command: what a stream can't carry is replaced, and said once.

    Of streams that are closed, the output goes nowhere, and input is refused where it is read. From
    the first failure of standard error on, what is said goes nowhere: no work ends because nobody
    reads about it.
    """
    if sys.stdin is not None:
        sys.stdin = _through(sys.stdin, _Input)
        sys.stdin.reconfigure(errors="surrogateescape")  # type: ignore[attr-defined]
    sys.stdout, sys.stderr = (stream or _nowhere() for stream in (sys.stdout, sys.stderr))
    sys.stdout, sys.stderr = _through(sys.stdout, _Output), _through(sys.stderr, _Messages)
    for stream, name in ((sys.stdout, STANDARD_OUTPUT), (sys.stderr, "standard error")):
        handler = f"charrnn: {name}"
        codecs.register_error(handler, _replacer(name, stream))
        stream.reconfigure(errors=handler)  # type: ignore[attr-defined]


def _nowhere() -> TextIO:
    """A stream whose file stays open when the stream itself is gone, as others write to it."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    return open(nowhere, "w", encoding="utf-8", closefd=False)


class _Input(io.FileIO):
    """Standard input, which is waited for where it does not block."""

    def readinto(self, buffer: Any) -> int:
        while (count := super().readinto(buffer)) is None:
            select.select([self], [], [])
        return count

    # Those of `FileIO` do not call `readinto`.
    read, readall = io.RawIOBase.read, io.RawIOBase.readall  # type: ignore[assignment]


class _Output(io.FileIO):
    """Standard output, whose errors name it."""

    def write(self, data: Any) -> int:
        try:
            return _written(self, data)
        except OSError as error:
            error.filename = STANDARD_OUTPUT
            raise


class _Messages(io.FileIO):
    """Standard error, which never fails."""

    def write(self, data: Any) -> int:
        try:
            return _written(self, data)
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.fileno())
            return len(data)


def _written(file: io.FileIO, data: Any) -> int:
    """How many bytes were written; a file that does not block is waited for."""
    while (count := io.FileIO.write(file, data)) is None:
        select.select([], [file], [])
    return count


def _through(stream: Any, kind: type[io.FileIO]) -> TextIO:
    """`stream`, with its bytes read or written by a `kind`; as it is if it is no file to Python."""
    buffer: Any = getattr(stream, "buffer", None)
    if not isinstance(getattr(buffer, "raw", buffer), io.FileIO):
        return stream  # type: ignore[no-any-return]
    raw: Any = kind(stream.fileno(), "r" if kind is _Input else "w", closefd=False)
    return io.TextIOWrapper(
        # With PYTHONUNBUFFERED as well: Python drops what a system call has not taken.
        (io.BufferedReader if kind is _Input else io.BufferedWriter)(raw),
        encoding=stream.encoding,
        newline=None if os.name == "nt" else "\n",  # as Python has it
        line_buffering=stream.line_buffering or stream.write_through,
    )


def _replacer(name: str, stream: TextIO) -> Callable[[UnicodeError], tuple[str, int]]:
    """What Python calls for characters that a stream can't encode."""
    warned = False

    def replace(error: UnicodeError) -> tuple[str, int]:
        nonlocal warned
        assert isinstance(error, UnicodeEncodeError), "the handler is for writing"
        if not warned:
            warned = True
            code = ord(error.object[error.start])
            found = f"{name} is in {stream.encoding}, which has no U+{code:04X}"
            advice = (
                "for characters that are not in it, ? is shown; PYTHONIOENCODING=utf-8 shows all"
            )
            if 0xD800 <= code <= 0xDFFF:
                found, advice = "the text has bytes that are not characters", "? is shown for each"
                with suppress(UnicodeError):  # UTF-8 where Python knows of none, as in a name
                    os.fsencode(error.object[error.start : error.end]).decode()
                    found = f"{name} is in {stream.encoding}, and names are in UTF-8"
                    advice = "? is shown for what is not in it; PYTHONUTF8=1 shows all"
            say(f"charrnn: {found}; {advice}")
        return "?" * (error.end - error.start), error.end

    return replace


def shown(text: str, stream: TextIO) -> str:
    """`text` for a stream: on a terminal, control characters are shown, not obeyed."""
    return text.translate(ESCAPES) if stream.isatty() else text


def say(*lines: str) -> None:
    """Lines about the work, on standard error."""
    for line in lines:
        print(shown(line, sys.stderr), file=sys.stderr)  # noqa: T201


def say_new(lines: Iterable[str], said: set[str]) -> None:
    """Say those that are not yet said, and add them to `said`."""
    for line in lines:
        if line not in said:
            say(line)
            said.add(line)


def write(text: str, out: TextIO | OutputFile | None = None) -> None:
    """Text for the user, on standard output: at once, whether to a terminal, a pipe or a file."""
    out = out or sys.stdout
    out.write(text if isinstance(out, OutputFile) else shown(text, out))
    out.flush()


def beside(*files: Path | None) -> TextIO:
    """The stream for what is told beside files: not where one of them is written itself."""
    written = any(file is not None and descriptor(file) == 1 for file in files)
    return sys.stderr if written else sys.stdout


class OutputFile:
    """A file whose old content goes when the first text is written to it, and not before.

    Raises:
        CharRNNError: if the file can't be made; names `--output`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._is_new = not path.exists()
        self._untouched = True
        number = descriptor(path)
        self._is_open_already = number is not None
        how: dict[str, Any] = {"encoding": "utf-8", "errors": "surrogateescape", "newline": ""}
        try:
            place = path if number is None else os.dup(number)
            self._file = open(place, "a" if number is None else "w", **how)  # noqa: PTH123, SIM115
        except OSError as error:
            raise output_error(path, error, "--output") from None

    def write(self, text: str) -> None:
        """Write `text`.

        Raises:
            CharRNNError: if that fails; names `--output`.
            BrokenPipeError: if it is standard output, whose reader has left.
        """
        try:
            # no pipe, no device, and no log to which others write as well
            if self._untouched and self.path.is_file() and not self._is_open_already:
                self._file.truncate(0)
            self._untouched = False
            self._file.write(text)
            self._file.flush()
        except OSError as error:
            raise output_error(self.path, error, "--output") from None

    def flush(self) -> None:
        """Nothing: each text is flushed as it is written."""

    def close(self) -> None:
        """Close the file; one that was made in vain is deleted."""
        with suppress(OSError):  # reported when it was written
            self._file.close()
            if self._is_new and self._untouched:
                self.path.unlink()


@contextmanager
def progress_bar() -> Iterator[Callable[[float], object]]:
    """A bar on a terminal, while work goes on; it is told which share of the work was done.

    A machine that only uses models may have no tqdm, and then no bar.
    """
    if not sys.stderr.isatty() or find_spec("tqdm") is None:
        yield lambda _share: None
        return
    from tqdm import tqdm

    with tqdm(total=1, bar_format=BAR, leave=False) as bar:
        yield bar.update


def encode_json(value: Any) -> str:
    """One object on a line, in UTF-8; in ASCII if that is not what standard output carries.

    Bytes that are no text stay what they were, as escapes; NaN and infinity are null.
    """
    if codecs.lookup(sys.stdout.encoding or "ascii").name == "utf-8":
        with suppress(UnicodeEncodeError):
            text = msgspec.json.encode(value, enc_hook=str).decode()
            return text.translate(JSON_ESCAPES) + "\n"
    plain = json.dumps(msgspec.to_builtins(value, enc_hook=str))
    finite = json.loads(plain, parse_constant=lambda _: None)  # JSON has no others
    return json.dumps(finite, separators=(",", ":")) + "\n"


def table(rows: Iterable[Sequence[str]], numbers: int = 0) -> str:
    """Rows in columns, on a line each; the first `numbers` of the columns are flush right."""
    rows = list(rows)
    widths = [max(map(places_of, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = []
        for k, (cell, width) in enumerate(zip(row, widths, strict=True)):
            space = " " * (width - places_of(cell))
            cells.append(space + cell if k < numbers else cell + space)
        lines.append("  ".join(cells).rstrip())
    return "".join(f"{line}\n" for line in lines)


def places_of(text: str) -> int:
    """How many places of a terminal a text takes: marks none, Chinese characters two."""
    wide = sum(unicodedata.east_asian_width(character) in ("W", "F") for character in text)
    return len(text) + wide - sum(unicodedata.category(one) in ("Mn", "Me", "Cf") for one in text)


def answer_in_batches(
    texts_of: Callable[[Callable[[], None]], Iterable[Text]],
    size: int,
    answer: Callable[[list[Text]], None],
) -> None:
    """Answer texts in their order, some side by side; those that have come, before others do.

    Args:
        texts_of: gives the texts; calls what it is given before it waits for more of them.
        size: how many are answered together at most.
        answer: writes the answers to some texts.

    Raises:
        OSError: if they can't be written; who reads the texts doesn't take it for one of theirs.
    """
    some = list[Text]()

    def answer_those() -> None:
        if not some:
            return
        try:
            answer(some)
        except OSError as error:
            raise _NotWrittenError(error) from None
        some.clear()

    try:
        for text in texts_of(answer_those):
            some.append(text)
            if len(some) == size:
                answer_those()
        answer_those()
    except _NotWrittenError as failed:
        raise failed.error from None


class _NotWrittenError(Exception):
    """An answer could not be written."""

    def __init__(self, error: OSError) -> None:
        self.error = error
