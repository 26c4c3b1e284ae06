"""Models that can't be sent as a page, script or graph are refused."""

from __future__ import annotations

import base64
import json
import zlib
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from charrnn.errors import BadDataError, CharRNNError, UsageError
from charrnn.folder.reading import read_model
from charrnn.folder.record import CorpusRecord
from charrnn.sharing.bundle import bundle, name_of
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


def test_all_that_a_model_has_learnt_from_is_named(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "model", "gru")
    first, last = (CorpusRecord(name=name, characters=7, sha256=name) for name in ("a", "b"))
    corpus = msgspec.structs.replace(last, bases=(first,))
    record = msgspec.structs.replace(folder.record, corpus=corpus)
    made = bundle(replace(folder, record=record))
    content = zlib.decompress(base64.b85decode(made.text.replace(",", "<")))
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    about = json.loads(header["__metadata__"]["about"])
    assert about["corpus"] == "b and a"
    assert about["facts"]["corpus"] == "b, 7 characters; before that a, 7 characters"


def test_a_card_that_is_a_link_to_somewhere_else_is_not_put_into_a_page(tmp_path: Path) -> None:
    """In a folder from somebody else, it could lead to any file of the one who shares the page."""
    folder = folder_of(tmp_path / "model", "gru")
    (tmp_path / "secret").write_text("a key")
    (folder.path / "README.md").symlink_to("../secret")
    with pytest.raises(BadDataError, match="a link to somewhere else"):
        bundle(folder)


@pytest.mark.parametrize("shelf", ["snapshots", "models--a--b/snapshots"])
def test_no_folder_of_somebody_else_passes_for_the_cache_of_the_hub(
    shelf: str, tmp_path: Path
) -> None:
    folder = folder_of(tmp_path / shelf / "model", "gru")
    card = folder.path / "README.md"
    beside, blobs = tmp_path / shelf / "secret", folder.path.parents[1] / "blobs"
    secret = tmp_path / "private" / "secret"
    for file in (beside, folder.path.parents[1] / "secret", secret):
        file.parent.mkdir(exist_ok=True)
        file.write_text("a key")
        card.unlink(missing_ok=True)
        card.symlink_to(file)
        with pytest.raises(BadDataError, match="a link to somewhere else"):
            bundle(folder)
    blobs.symlink_to(secret.parent)
    card.unlink()
    card.symlink_to(blobs / "secret")
    with pytest.raises(BadDataError, match="a link to somewhere else"):
        bundle(folder)
    blobs.unlink()
    blobs.mkdir()
    (blobs / "secret").write_text("a key")
    if shelf == "snapshots":
        with pytest.raises(BadDataError, match="a link to somewhere else"):
            bundle(folder)
    else:
        assert bundle(folder).name == "b"


def test_a_model_has_the_name_that_its_user_gave(monkeypatch: pytest.MonkeyPatch) -> None:
    own = folder_of(Path("snapshots/verse"), "gru")
    # A folder of one's own that is named as the hub's cache names its, without what it holds.
    like_the_cache = folder_of(Path("models--a--b/snapshots/rhyme"), "gru")
    assert name_of(like_the_cache) == "rhyme"
    Path("best").symlink_to(own.path)
    assert {name_of(read_model(Path(name))) for name in ("snapshots/verse", "best/../verse")} == {
        "verse"
    }
    assert bundle(read_model(Path("best"))).name == "best"
    monkeypatch.chdir(own.path)
    assert name_of(read_model(Path())) == "verse"
