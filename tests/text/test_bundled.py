"""The texts and examples that come with charrnn: there, whole, and never in the way of a file."""

from __future__ import annotations

import re
import shutil
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

import charrnn
from charrnn import read_corpus
from charrnn.config import TaskName
from charrnn.errors import MissingInputError, UsageError
from charrnn.text.bundled import BUNDLED
from charrnn.text.resolving import resolve
from tests.text.reading import text_of

SETS = {name: one.task for name, one in BUNDLED.items() if one.task is not None}


@pytest.mark.parametrize("name", sorted(BUNDLED.keys() - SETS))
def test_bundled_texts_are_there(name: str) -> None:
    corpus = read_corpus([name])
    assert corpus.name == name
    minimum = {"scenes": 80_000, "places": 12_000, "pydoc": 300_000}[name]
    assert len(corpus.text) >= minimum


def test_places_are_many_and_all_different() -> None:
    names = read_corpus(["places"]).text.splitlines()
    assert len(names) >= 1500
    assert len(set(names)) == len(names)


def test_scenes_are_consistent_in_form() -> None:
    line = re.compile(r"SCENE\. .+\. .+\.|[A-Z ]+: .+|\(.+\)|")
    for number, text in enumerate(read_corpus(["scenes"]).text.splitlines(), 1):
        assert line.fullmatch(text), f"line {number}: {text}"


def test_a_path_wins_over_a_bundled_name() -> None:
    Path("scenes").write_text("mine")
    assert text_of("scenes") == "mine"


@pytest.mark.parametrize(("name", "task"), SETS.items())
def test_bundled_examples_are_no_text_and_say_for_which_task_they_are(
    name: str, task: TaskName
) -> None:
    with pytest.raises(UsageError) as caught:
        text_of("scenes", name)
    assert str(caught.value) == (
        f"{name} holds examples for the task {task}; name something else, or train on it with "
        f"--task {task} (in Python task='{task}')"
    )
    Path(name).write_text("mine")
    assert text_of(name) == "mine"


def test_what_is_bundled_is_in_the_package_once_that_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = Path(charrnn.__file__).parent.parent
    wheel = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["tool"]["hatch"]["build"]
    assert wheel["targets"]["wheel"]["force-include"] == {"corpora": "charrnn/corpora"}
    shutil.copytree(root / "corpora", tmp_path / "charrnn" / "corpora")
    monkeypatch.setattr(charrnn, "__file__", str(tmp_path / "charrnn" / "__init__.py"))
    assert all(one.read() for one in BUNDLED.values())
    for name in SETS:
        (file,) = resolve(name).files
        assert file.is_relative_to(tmp_path)


def test_a_python_without_topics_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pydoc_data.topics", None)
    with pytest.raises(MissingInputError, match=r"lacks pydoc_data\.topics; train on") as error:
        text_of("pydoc")
    assert error.value.exit_code == 66


def test_pydoc_is_its_topics_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = ModuleType("pydoc_data.topics")
    fake.topics = {"b": " two ", "a": "one\n"}  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pydoc_data.topics", fake)
    assert text_of("pydoc") == "one\n\ntwo\n"
