"""What comes by a pipe: read as it comes, and as a file of the same bytes is."""

from __future__ import annotations

import io

from hypothesis import given
from hypothesis import strategies as st

from charrnn import Reading
from charrnn.decoding.pieces import read_text
from tests.text.reading import PARTS, READINGS, Parts, outcome


@given(st.lists(st.sampled_from(PARTS), max_size=6), st.sampled_from(READINGS))
def test_what_arrives_is_read_as_a_file_is_however_it_is_cut(
    parts: list[bytes], reading: Reading
) -> None:
    at_once = outcome(lambda: read_text("x", io.BytesIO(b"".join(parts)), reading))
    assert outcome(lambda: read_text("x", Parts(parts), reading)) == at_once
