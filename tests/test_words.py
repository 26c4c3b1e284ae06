"""What there is one of is singular, and all else is not."""

from __future__ import annotations

import pytest

from charrnn.words import (
    as_argument,
    by_number,
    counted,
    first_few,
    leave_out,
    listing,
    together,
    twins,
)


@pytest.mark.parametrize(
    ("number", "noun", "words"),
    [
        (0, "record", "0 records"),
        (1, "training pair", "1 training pair"),
        (2_000, "pair", "2,000 pairs"),
        (1, "process", "1 process"),
        (3, "process", "3 processes"),
    ],
)
def test_how_many_there_are(number: int, noun: str, words: str) -> None:
    assert counted(number, noun) == words


def test_a_note_names_the_first_few() -> None:
    assert first_few(["a", "b c", "d", "e", "f"]) == "a, b c, d, e, f"
    assert first_few(list("abcdefg")) == "a, b, c, d, e, …"


def test_what_may_not_be_given_is_to_be_left_out() -> None:
    assert leave_out(["--a"]) == "leave it out"
    assert leave_out(["--a", "--b"]) == "leave them out"


def test_what_excludes_each_other_is_both_or_all_given() -> None:
    assert together(["--a", "--b"]) == "--a and --b are both given"
    assert together(["a", "b", "c"]) == "a, b and c are all given"


def test_names_make_one_line_however_many_and_long_they_are() -> None:
    assert listing(iter(["a", "b c"])) == "a, b c"
    assert listing(["two\nlines", "x" * 200_000]) == f"two lines, {'x' * 60}…"
    assert listing(map(str, range(21))) == f"{', '.join(map(str, range(20)))}, …"
    assert listing(map(str, range(20))).endswith(", 18, 19")
    assert listing([]) == ""


def test_names_that_look_the_same_are_pointed_out_once() -> None:
    assert twins(["caf\u00e9", "cafe", "b"], "classes") == []
    assert twins(["caf\u00e9", "b", "cafe\u0301"], "classes") == [
        r"'caf\xe9' and 'cafe\u0301' look the same, and are two classes"
    ]
    (note,) = twins(["a y", "a\xa0y", "a  y"], "types")
    assert note == r"'a y' and 'a\xa0y' look the same, and are two types; 1 more pair too"


def test_paths_are_sorted_by_the_numbers_in_their_names() -> None:
    wanted = [
        *("1", "01x", "1x", "2/10", "2/a", "2-a", "9.txt", "010.txt", "10.txt", "a", "ch.txt"),
        *("ch0", "ch1.9", "ch1.10", "cha", "cha1b2", "cha1b10", "ch²", "é2", "é10"),
    ]
    assert sorted(set(wanted), key=by_number) == wanted


def test_a_path_in_a_command_is_no_option() -> None:
    paths = ("-x", "-", "a b", "-a b", "checkpoints/-x")
    assert [as_argument(path) for path in paths] == [
        *("./-x", "-", "'a b'", "'./-a b'", "checkpoints/-x")
    ]


def test_a_path_in_a_command_is_quoted_as_windows_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "win32")
    paths = ("-x", "-", "C:\\my texts\\", r"C:\one.txt", "Müller's (2).txt", "b & c", "a,b", "")
    assert [as_argument(path) for path in paths] == [
        *("./-x", "-", r'"C:\my texts"', r"C:\one.txt", '"Müller\'s (2).txt"', '"b & c"', '"a,b"'),
        '""',
    ]
