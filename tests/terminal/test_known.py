"""How texts that moved since training are read."""

from __future__ import annotations

import shutil
from pathlib import Path
from unittest import mock

from charrnn import Reading
from charrnn.terminal.writing.known import reading_of_moved


def test_a_text_that_is_read_in_one_way_only_is_not_read_to_find_it(trained_folder: Path) -> None:
    shutil.copytree(trained_folder, "model")
    with mock.patch("charrnn.terminal.writing.known.Spool", side_effect=AssertionError):
        found = reading_of_moved(["model", "model"], "moved.txt", {}, "character")
    assert type(found) is Reading
    assert found == Reading()
