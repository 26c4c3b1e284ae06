"""Compressed files of several frames: all of them are read, or damage is an error."""

from __future__ import annotations

from pathlib import Path

import pytest

from charrnn.errors import BadDataError
from tests.decoding.test_containers import COMPRESS
from tests.text.reading import text_of

PARTS = [f"{name} of three\n" * 9 for name in ("one", "two", "three")]


def frames(suffix: str) -> list[bytes]:
    """Each part compressed."""
    return [COMPRESS[suffix](part.encode()) for part in PARTS]


def refused(suffix: str, data: bytes) -> None:
    """A file of these bytes is."""
    Path(f"a{suffix}").write_bytes(data)
    with pytest.raises(BadDataError, match=rf"^a\{suffix}: broken .*; compress it again"):
        text_of(f"a{suffix}")


@pytest.mark.parametrize("suffix", COMPRESS)
@pytest.mark.parametrize("bit", range(8))
def test_no_part_is_missing_where_the_head_of_one_is_damaged(suffix: str, bit: int) -> None:
    """From there on all text vanished without a word."""
    first, second, third = frames(suffix)
    refused(suffix, first + bytes([second[0] ^ 1 << bit]) + second[1:] + third)


@pytest.mark.parametrize("suffix", COMPRESS)
def test_what_follows_a_whole_part_and_begins_none_is_refused(suffix: str) -> None:
    first, second, _ = frames(suffix)
    refused(suffix, first + b"plain text")
    refused(suffix, first + second + b"plain text")


@pytest.mark.parametrize("suffix", COMPRESS)
def test_a_later_part_that_is_cut_off_is_refused(suffix: str) -> None:
    first, second, _ = frames(suffix)
    for length in range(1, len(second)):
        refused(suffix, first + second[:length])


@pytest.mark.parametrize("suffix", [".bz2", ".xz"])
@pytest.mark.parametrize("zeros", [1, 4, 30_000])
def test_padding_between_parts_and_at_the_end_is_passed_by(suffix: str, zeros: int) -> None:
    Path(f"a{suffix}").write_bytes(b"".join(frame + bytes(zeros) for frame in frames(suffix)))
    assert text_of(f"a{suffix}") == "".join(PARTS)


@pytest.mark.parametrize("suffix", COMPRESS)
def test_nothing_stands_before_the_first_part(suffix: str) -> None:
    refused(suffix, bytes(4) + frames(suffix)[0])


@pytest.mark.parametrize("suffix", COMPRESS)
def test_a_file_of_no_bytes_holds_no_text(suffix: str) -> None:
    """It was called broken, of most kinds."""
    Path(f"a{suffix}").touch()
    with pytest.raises(BadDataError, match=rf"^a\{suffix}: no text in it"):
        text_of(f"a{suffix}")
