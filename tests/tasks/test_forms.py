"""Texts in the other normal form of Unicode than those of the training, which look the same."""

from __future__ import annotations

import unicodedata
from itertools import product
from pathlib import Path
from typing import Any, Literal

import pytest

import charrnn
from tests.tasks.shelf import SMALL

FORMS: tuple[tuple[Any, Any], ...] = (("NFC", "NFD"), ("NFD", "NFC"))
SAID = "normal form {} of Unicode"
TEXTS = [
    f"{word} à {place}"
    for word in ("été", "reçu", "né", "allé")
    for place in ("Orléans", "Liège", "Évreux")
]
EXAMPLES = {
    "classify": [f"{text}\t{'o' if 'Orl' in text else 'l'}\n" for text in TEXTS],
    "translate": [f"{text}\t{text.replace('à', 'é')}\n" for text in TEXTS],
    "tag": ["".join(f"{w} {'B-x' if w[0].isupper() else 'O'}\n" for w in t.split()) for t in TEXTS],
}
Task = Literal["classify", "tag", "translate"]
FILES: dict[Task, str] = {"classify": "a.tsv", "tag": "b.conll", "translate": "c.tsv"}


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For each form a folder with examples in it, and models of them."""
    desk = tmp_path_factory.mktemp("desk")
    settings: dict[str, Any] = SMALL | {"steps": 60, "learning_rate": 0.02, "dropout": 0.0}
    for (form, _), task in product(FORMS, FILES):
        folder = desk / form
        folder.mkdir(exist_ok=True)
        head = "text\tlabel\n" if task == "classify" else ""
        text = head + ("\n" if task == "tag" else "").join(EXAMPLES[task])
        (folder / FILES[task]).write_text(unicodedata.normalize(form, text))
        run = charrnn.train(folder / FILES[task], task=task, out=folder / task, **settings)
        run.finish(progress=False)
    return desk


@pytest.mark.parametrize(("form", "other"), FORMS)
@pytest.mark.parametrize("task", ["classify", "translate"])
def test_a_text_in_another_form_is_answered_alike_and_it_is_said(
    task: Task, form: Any, other: Any, desk: Path
) -> None:
    """Its accents were unknown characters, and nothing was said."""
    model: Any = charrnn.load(desk / form / task)
    known = [unicodedata.normalize(form, text) for text in TEXTS]
    with pytest.warns(UserWarning, match=SAID.format(form)) as said:
        found = model.predict([unicodedata.normalize(other, text) for text in TEXTS])
    assert len(said) == 1
    assert found == model.predict(known)


@pytest.mark.parametrize(("form", "other"), FORMS)
def test_spans_are_places_in_a_text_as_it_is_given(form: Any, other: Any, desk: Path) -> None:
    model: Any = charrnn.load(desk / form / "tag")
    (known,) = model.predict([unicodedata.normalize(form, "né à Orléans, été")])
    assert [span.text for span in known.spans] == [unicodedata.normalize(form, "Orléans")]
    given = unicodedata.normalize(other, known.text)
    with pytest.warns(UserWarning, match=SAID.format(form)):
        (found,) = model.predict([given])
    assert [span.text for span in found.spans] == [unicodedata.normalize(other, "Orléans")]
    assert all(given[span.start : span.end] == span.text for span in found.spans)


@pytest.mark.parametrize("task", FILES)
def test_a_raw_text_is_answered_as_training_would_have_read_it(task: Task, desk: Path) -> None:
    """Taggers alone took CRs and byte-order marks for unknown characters, and said nothing."""
    model: Any = charrnn.load(desk / "NFC" / task)
    clean = "né à Orléans,\n\nallé à Liège"
    with pytest.warns(UserWarning, match="the text: ") as said:
        (found,) = model.predict(["\ufeff\ufeff" + clean.replace("\n", "\r\n").replace("è", "è\0")])
    assert [str(one.message) for one in said] == [
        f"the text: {what}"
        for what in (
            "dropped 2 byte-order marks",
            "dropped 1 NUL, which pads the text",
            "CRLF became LF on 2 lines",
        )
    ]
    (wanted,) = model.predict([clean])
    if task != "tag":
        assert found == wanted
        return
    assert [span.text for span in wanted.spans] == ["Orléans", "Liège"]
    assert [span.text for span in found.spans] == ["Orléans", "Liè\0ge"]
    assert all(found.text[span.start : span.end] == span.text for span in found.spans)


@pytest.mark.parametrize(("form", "other"), FORMS)
@pytest.mark.parametrize("task", ["classify", "tag", "translate"])
def test_examples_in_another_form_have_the_same_scores(
    task: Task, form: Any, other: Any, desk: Path
) -> None:
    """Translations were all edits, and the usual tag of a word was not found."""
    model: Any = charrnn.load(desk / form / task)
    wanted = model.evaluate(desk / form / FILES[task])
    with pytest.warns(UserWarning, match=SAID.format(form)):
        found = model.evaluate(desk / other / FILES[task])
    assert (found.scores, found.baselines) == (wanted.scores, wanted.baselines)


@pytest.mark.parametrize("task", FILES)
def test_examples_are_answered_in_pieces_and_that_is_told(
    task: Task, desk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All were answered at once, without a sign of life."""
    model: Any = charrnn.load(desk / "NFC" / task)
    path, shares = desk / "NFC" / FILES[task], list[float]()
    whole = model.evaluate(path)
    monkeypatch.setattr(type(model), "answered_at_once", 5)
    pieces = model.evaluate(path, progress=shares.append)
    assert (pieces.scores, pieces.baselines) == (whole.scores, whole.baselines)
    assert shares == [5 / 12, 5 / 12, 2 / 12]
