"""What a text is a list of, if it is one: where each of its records begins and ends.

    head of the text, wishes ──divide──▶ Division ──split──▶ records: str, str, …

A text is one story, or a list of records: lines (names, words), blocks between blank lines (tunes,
cards), documents (rows of a table, files), or what lies between separators.
"""

from __future__ import annotations

import re
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, pairwise
from typing import NamedTuple

from charrnn.errors import UsageError
from charrnn.text.scripts import unspaced

__all__ = [
    "AUTO",
    "DOCUMENTS",
    "LINES",
    "MIN_DIFFERENT",
    "NONE",
    "Division",
    "DocumentStarts",
    "divide",
    "division_of",
    "in_words",
    "kind_of_end",
    "split",
]

NONE, LINES, BLOCKS, DOCUMENTS, AUTO = "none", "lines", "blocks", "documents", "auto"

MAX_RECORD = 20_000_000  # characters; a longer one is no record, but a separator that never comes
MIN_DIFFERENT = 10  # records that make a list, where nobody says that they are one
MIN_LINES = 30  # fewer lines, blocks or separators tell nothing
MIN_BLOCKS = 20
MIN_DOCUMENTS = 10
FEW = 0.02  # gaps for each line; between stanzas, paragraphs and sentences there are more
SHORT_FILE = 4000  # characters; longer files are chapters or programs, to be read on and on
USUAL = 0.9  # a share of lines or blocks that makes a rule
LONGEST_WORD = 8  # letters of a usual word or name in writing without spaces; a sentence has more


class Division(NamedTuple):
    """How a text is divided into records.

    Attributes:
        kind: "none", "lines", "blocks", "documents", a separator, or "^" and an opening.
        end: how the end of a record reads; None for a story.
        why: what in the text speaks for it, if that was not the user's choice; of a story, what
            speaks for a list of lines nevertheless.
        but: what speaks against that list.
    """

    kind: str
    end: str | None
    why: str = ""
    but: str = ""

    @property
    def is_separated(self) -> bool:
        """Whether the records lie between separators, which belong to none of them."""
        own = (NONE, LINES, BLOCKS, DOCUMENTS)
        return self.kind not in own and not self.kind.startswith("^")


STORY = Division(NONE, None)


def division_of(kind: str) -> Division:
    """The division of a kind that `divide` has given, or a user."""
    kind = kind.replace("\\n", "\n").replace("\\t", "\t")
    ends = {NONE: None, LINES: "\n", BLOCKS: "\n\n", DOCUMENTS: "\n\n"}
    return Division(kind, ends.get(kind, "\n\n" if kind.startswith("^") else kind))


class DocumentStarts:
    """Where the documents of a text begin: files, or rows of tables and data sets.

    Attributes:
        starts: in characters from the beginning of the text.
        are_rows: whether several came from one source.
    """

    def __init__(self) -> None:
        self.starts = array("q")
        self.are_rows = False
        self._source = ""

    def add(self, source: str, start: int) -> None:
        """Note that one begins."""
        self.are_rows |= source == self._source
        self.starts.append(start)
        self._source = source


def in_words(kind: str) -> str:
    """What the records of a kind are, for people."""
    words = {LINES: "one a line", BLOCKS: "between blank lines", DOCUMENTS: "a row or file each"}
    if kind.startswith("^"):
        return f"each opens with {kind[1:]!r}"
    separator = kind.strip("\n") or kind  # which may stand on lines of its own
    return words.get(kind, f"between {separator!r}")


def kind_of_end(end: str, trained: str) -> str:
    """What a text is a list of in which this stands after each record.

    Args:
        end: how the end of a record reads.
        trained: the kind of list that was trained on; an opening tells records apart by itself.
    """
    if trained.startswith("^"):
        return trained
    return {"\n": LINES, "\n\n": BLOCKS}.get(end, end)


def divide(wanted: str, head: str, documents: DocumentStarts, length: int) -> Division:
    """How a text is divided.

    Args:
        wanted: what the user wants; "auto" looks at the text.
        head: the beginning of the text, up to a million characters.
        documents: where its documents begin.
        length: of all of it, in characters.
    """
    if wanted != AUTO:
        return _wanted(wanted, head)
    count = len(documents.starts)
    if count >= MIN_DOCUMENTS:
        if documents.are_rows:
            return division_of(DOCUMENTS)._replace(why="each row is one")
        if length / count <= SHORT_FILE:
            return division_of(DOCUMENTS)._replace(why="each file is one")
        return STORY
    lines = head.split("\n")
    return _separators(lines) or _blocks(head) or _lines(lines) or STORY


def _wanted(wanted: str, head: str) -> Division:
    found = division_of(wanted)
    if not found.is_separated:
        return found
    # A separator that stands on lines of its own means these lines.
    if "\n" not in found.kind and f"\n{found.kind}\n" in f"\n{head}\n":
        return division_of(f"\n{found.kind}\n")
    return found


def split(pieces: Iterable[str], kind: str, starts: Sequence[int] = ()) -> Iterator[list[str]]:
    """The records of a text, some at a time, without the line ends around them.

    Args:
        pieces: the text.
        kind: of a `Division`, but no story.
        starts: where its documents begin, for these.

    Yields:
        records: empty ones among them.

    Raises:
        UsageError: for a record that is too long to be one.
    """
    parts = _documents(pieces, starts) if kind == DOCUMENTS else _between(pieces, kind)
    for records in parts:
        yield [record.strip("\n") for record in records]


def _between(pieces: Iterable[str], kind: str) -> Iterator[list[str]]:
    pattern = _pattern(kind)
    around = "" if kind in (LINES, BLOCKS) else "\n"  # so that a separating line may be the first
    rest = around
    for piece in pieces:
        *whole, rest = pattern.split(rest + piece)
        if whole:
            yield whole
        if len(rest) > MAX_RECORD:
            raise UsageError(
                f"a record has more than {MAX_RECORD:,} characters", "choose another --records"
            )
    if rest:
        yield pattern.split(rest + around)


def _documents(pieces: Iterable[str], starts: Sequence[int]) -> Iterator[list[str]]:
    begin, number, rest = 0, 1, list[str]()  # of the piece; the next start; an unfinished document
    for piece in pieces:
        whole, at = list[str](), 0
        while number < len(starts) and starts[number] <= begin + len(piece):
            cut = starts[number] - begin
            whole.append("".join([*rest, piece[at:cut]]))
            rest, at, number = [], cut, number + 1
        rest.append(piece[at:])
        begin += len(piece)
        if whole:
            yield whole
    yield ["".join(rest)]


def _pattern(kind: str) -> re.Pattern[str]:
    if kind == LINES:
        return re.compile("\n")
    if kind == BLOCKS:
        return re.compile(r"(?:\A|\n)(?:[ \t]*\n)+")  # at \A, those that a piece was cut in
    if kind.startswith("^"):
        return re.compile(rf"\n(?={re.escape(kind[1:])})")
    if kind.startswith("\n") and kind.endswith("\n") and len(kind) > 1:
        return re.compile(re.escape(kind[:-1]) + "(?=\n)")  # two in a row share a line end
    return re.compile(re.escape(kind))


MESSAGES = "one a line, short messages"
# Names in programs and rules of style sheets are none, nor are comments of several lines, or on a
# setting; but those of CoNLL-U are.
OPENING = re.compile(
    r"[A-Za-z][\w ]{0,24}:(?!:)|\[\w+|<\w+|BEGIN\b|@\w+(?=\{|\s*[{(]\s*[^\s,{}()]+\s*,)|"
    r"# (?=(?:sent_id|text) = |new(?:doc|par)\b)|(#+) (?![^\n]*\n(?:\1(?:\s|$)|#\w+ ?=))"
)
# What a message of one line is not: a program's, or said by someone.
NO_MESSAGE = (
    r".*[{};]\s*$|[^{]*\{[^}]*\}|@[\w.-]+:\s|"
    r"#(?:define|include|if|ifdef|ifndef|endif|undef|pragma)\b"
)
SEPARATOR = re.compile(r"%|-{3,}|\*{3,}|={3,}|#{3,}|~{3,}|<\|endoftext\|>")


def _separators(lines: Sequence[str]) -> Division | None:
    """Lines between records: always the same, never far from the next."""
    found = Counter(line for line in lines if SEPARATOR.fullmatch(line))
    if not found:
        return None
    ((line, count),) = found.most_common(1)
    if count < MIN_BLOCKS or count < USUAL * found.total() or len(lines) > 60 * count:
        return None
    return division_of(f"\n{line}\n")._replace(why=f"between lines of {line!r}")


def _blocks(head: str) -> Division | None:
    """Blank lines between records that all open in the same way, as tunes and cards do."""
    blocks = [b for b in re.split(r"\n(?:[ \t]*\n)+", head.strip("\n")) if b]
    if len(blocks) < MIN_BLOCKS:
        return None
    openings = [_opening(block) for block in blocks]
    # Not that of the first block, which may be a title or a comment.
    found = Counter(filter(None, openings)).most_common(1)
    if not found or found[0][1] < MIN_BLOCKS:
        return None
    first = found[0][0]
    places = [place for place, opening in enumerate(openings) if opening == first]
    if len(places) >= USUAL * len(blocks):
        why = f"between blank lines, each opens with {first!r}"
        return division_of(BLOCKS)._replace(why=why)
    # Blank lines within them, too: if these come as regularly, the opening alone tells them apart.
    # What opens otherwise may be another speaker.
    if sum(map(bool, openings)) > len(places) + (1 - USUAL) * len(blocks):
        return None
    strides = Counter(after - before for before, after in pairwise(places))
    ((stride, count),) = strides.most_common(1)
    if stride <= 6 and count >= USUAL * len(strides) and count >= USUAL * strides.total():
        return division_of(f"^{first}")._replace(why=f"each opens with {first!r}")
    return None


def _opening(block: str) -> str:
    """A label at the beginning of a block: "X:", "Title:", "[Event", "# "; empty if none."""
    found = OPENING.match(block)
    return found[0] if found else ""


def _lines(lines: Sequence[str]) -> Division | None:
    """Short lines of one kind, as in lists of names, words, molecules or tweets."""
    filled = [line for line in lines if line.strip()]
    if len(filled) < MIN_LINES:
        return None
    filled = filled[: len(filled) - 1]  # the last may be cut
    if _share(filled, r"\s") > 0.02:
        return None  # indented, as programs are
    if not _letters(filled) or _share(filled, r".*\d\d?:\d\d|\W*\d{2,4}[-./]\d") > 0.2:
        return None  # numbers, or the dates and times of a log
    why = _kind_of_list(filled)
    different = len(set(filled))
    if not why or different < MIN_DIFFERENT:
        return STORY
    # Much the same again and again: words of a text, or names as people have them.
    if different < 0.5 * len(filled):
        return STORY._replace(why=why, but="most of its lines come several times")
    if not _in_groups(lines, filled):
        return division_of(LINES)._replace(why=why)
    if why == MESSAGES:  # headers of programs look like these
        return STORY
    return STORY._replace(why=why, but="blank lines part groups of them, as in verse")


def _in_groups(lines: Sequence[str], filled: Sequence[str]) -> bool:
    """Whether blank lines part groups of lines that belong together.

    Between single words a few are slips of the pen, and in an alphabetical list some part its
    letters.
    """
    groups = sum(some for some, _ in groupby(bool(line.strip()) for line in lines))
    if groups == 1 or groups >= len(filled):  # all together, or each alone
        return False
    words = _share(filled, r"\s*\S+\s*$") > 0.95
    return not words or (groups - 1 > max(1, FEW * len(filled)) and not _in_order(filled))


def _kind_of_list(lines: Sequence[str]) -> str:
    """What speaks for lines that are records; empty if nothing does."""
    lengths = sorted(map(len, lines))
    typical, longest = lengths[len(lengths) // 2], lengths[int(0.99 * len(lengths))]
    if lengths[len(lengths) // 20] == lengths[-2] and typical >= 40:
        return ""  # wrapped at a width, as sequences and encoded files are
    if _share(lines, r".*[、。，！？；：]") > 0.1:
        return ""  # sentences of a language that has no spaces between its words
    order = _in_order(lines)
    stretches = sorted(max(unspaced(line), default=0) for line in lines)
    if stretches[len(stretches) // 2] > LONGEST_WORD and not order:
        return ""  # so are these
    words = sum(len(line.split()) for line in lines) / len(lines)
    ended = _share(lines, r".*[.,;:!?{}>)\]\"'؟۔।॥]\s*$")
    if words < 1.05 and longest <= 200:
        return "one a line, a word each" if typical <= 30 else "one a line, without spaces"
    if order and words <= 12 and ended < 0.5:
        return "one a line, in alphabetical order"
    if words <= 3.2 and longest <= 60 and ended < 0.1:
        return "one a line, a few words each"
    marked = _share(lines, r".*(?:^|\s)[@#]\w|.*https?://")
    if longest <= 320 and marked > 0.3 and words >= 4 and _share(lines, NO_MESSAGE) < 0.5:
        return MESSAGES
    return ""


def _in_order(lines: Sequence[str]) -> bool:
    """Whether lines are sorted, from one letter to the next."""
    if len({line[0].casefold() for line in lines}) < 5:
        return False
    folded = [line.casefold() for line in lines]
    return sum(a <= b for a, b in pairwise(folded)) >= 0.97 * (len(folded) - 1)


def _letters(lines: Sequence[str]) -> bool:
    """Whether most lines have letters in them."""
    return sum(any(c.isalpha() for c in line) for line in lines) > 0.5 * len(lines)


def _share(lines: Sequence[str], pattern: str) -> float:
    """The share of lines that a pattern matches from their beginning."""
    match = re.compile(pattern).match
    return sum(match(line) is not None for line in lines) / len(lines)
