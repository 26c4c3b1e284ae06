"""A place stays the same folder, and is shown as the user knows it."""

from __future__ import annotations

import os
from pathlib import Path

from charrnn.folder.place import Place


def test_a_place_is_shown_by_its_name_only_where_that_leads_to_it(tmp_path: Path) -> None:
    place, absolute = Place.of(Path("a/model")), Place.of(tmp_path / "b")
    assert place == (tmp_path / "a/model", Path("a/model"))
    assert (place.shown, absolute.shown) == (Path("a/model"), tmp_path / "b")
    Path("a").mkdir()
    os.chdir("a")
    assert (place.shown, absolute.shown) == (tmp_path / "a/model", tmp_path / "b")


def test_a_place_survives_the_working_directory(tmp_path: Path) -> None:
    place = Place.of(Path("model"))
    gone = tmp_path / "gone"
    gone.mkdir()
    os.chdir(gone)
    gone.rmdir()
    assert place.shown == tmp_path / "model"
    assert Place.of(Path("new")).shown == Path("new")
