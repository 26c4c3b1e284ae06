"""What the tests of training share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import VERSE

TEXT = VERSE * 12


@pytest.fixture
def text(tmp_path: Path) -> Path:
    """A file to train on."""
    path = tmp_path / "verse.txt"
    path.write_text(TEXT)
    return path


@pytest.fixture
def report_each_update(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each update is an event, however fast they come."""
    monkeypatch.setattr("charrnn.training.loop.REPORT_SECONDS", 0.0)
