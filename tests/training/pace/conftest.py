"""What the tests of the pace share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import VERSE


@pytest.fixture
def text(tmp_path: Path) -> Path:
    """A file to train on for longer."""
    path = tmp_path / "verse.txt"
    path.write_text(VERSE * 60)
    return path
