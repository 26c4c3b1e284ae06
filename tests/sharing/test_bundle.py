"""Models that can't be sent as a page, script or graph are refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from charrnn.errors import BadDataError, CharRNNError, UsageError
from charrnn.sharing.bundle import bundle
from tests.sharing.travelling import folder_of


def test_a_bidirectional_network_is_refused(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "model", "lstm")
    config = msgspec.structs.replace(folder.record.model, bidirectional=True)
    record = msgspec.structs.replace(folder.record, model=config)
    with pytest.raises(UsageError, match="bidirectional"):
        bundle(replace(folder, record=record))


def test_a_model_that_has_diverged_makes_no_page(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "model", "gru")
    weights = {name: np.sign(w) * np.float32(3e38) for name, w in folder.weights.items()}
    for exact in (False, True):
        with pytest.raises(CharRNNError, match="predicts NaN or infinity"):
            bundle(replace(folder, weights=weights), exact=exact)


def test_a_card_that_is_a_link_to_somewhere_else_is_not_put_into_a_page(tmp_path: Path) -> None:
    """In a folder from somebody else, it could lead to any file of the one who shares the page."""
    folder = folder_of(tmp_path / "model", "gru")
    (tmp_path / "secret").write_text("a key")
    (folder.path / "README.md").symlink_to("../secret")
    with pytest.raises(BadDataError, match="a link to somewhere else"):
        bundle(folder)
