"""Pictures are written as they are asked for, the same each time, and say what they show."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
import warnings
from contextlib import closing
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any
from xml.parsers import expat

import matplotlib as mpl
import msgspec
import pytest

from charrnn import CharRNN, CharRNNError, Model, Reading, train
from charrnn.errors import UsageError
from charrnn.folder.reading import read_model
from charrnn.inside import gradients, horizon, units
from charrnn.objectives.language import split
from charrnn.plots.curves import curve_of, draw_curves
from charrnn.plots.forecasts import DRAWN, Outlook, draw_forecasts
from charrnn.plots.insights import draw_gradients, draw_horizon, draw_units
from charrnn.plots.style import check_path, looks
from charrnn.text.records import Records
from charrnn.text.spool import Spool
from charrnn.text.tokenizer import CharTokenizer
from tests.commands import refused
from tests.conftest import VERSE, small_config

ROOT = Path(__file__).parent.parent.parent
TEXT = VERSE * 6


def a_model(cell: str) -> Model:
    tokenizer = CharTokenizer.from_text(TEXT)
    config = small_config(cell, vocab_size=tokenizer.vocab_size)
    facts = {"model": f"checkpoints/my $1 {cell} & more", "cell": cell}
    return Model(config, tokenizer, CharRNN(config).weights(), facts)


def words(path: Path) -> str:
    """The texts of an SVG."""
    return " | ".join(re.findall(r"<text[^>]*>(.*?)</text>", path.read_text("utf-8"), re.DOTALL))


def test_training_curves_of_several_runs(trained_home: Path, tmp_path: Path) -> None:
    found = read_model(trained_home / "checkpoints" / "verse")
    curve = curve_of(found)
    assert len(curve.read) == len(found.metrics) > 1
    assert curve.read[-1] == 30 * 4 * 16, "updates times lanes times steps"
    assert curve.validation[0] == pytest.approx(found.metrics[0].val_nats / 0.6931, rel=1e-3)
    draw_curves(tmp_path / "one.svg", [curve, curve._replace(name="other", kept=None)])
    shown = words(tmp_path / "one.svg")
    for part in ("verse (", "other", "bits per character", "characters read", "1,000"):
        assert part in shown


def test_what_was_read_of_records_has_no_padding(tmp_path: Path) -> None:
    """It is told from the characters of the list, up to the lengths of those for validation."""
    path = tmp_path / "names.txt"
    path.write_text("".join(f"{'abcdefg'[k % 7] * (k % 5 + 1)}{k}\n" for k in range(300)))
    sizes: dict[str, Any] = {"hidden_size": 7, "embed_size": 5, "batch_size": 6, "seq_length": 24}
    run = train(
        path, out=tmp_path / "m", reading=Reading(records="lines"), steps=90, device="cpu", **sizes
    )
    run.finish(progress=False)
    found = read_model(tmp_path / "m")
    config, last = found.record.training, found.metrics[-1]
    assert config is not None
    with closing(Spool([path], Reading(records="lines"))) as spool:
        training, _ = split(spool.encoded(found.tokenizer), config)
    assert isinstance(training, Records)
    assert curve_of(found).read[-1] == pytest.approx(last.epoch * training.size, rel=0.02)
    assert curve_of(found).read[-1] < 90 * 6 * 24 / 2, "most of what is side by side is padding"


def test_models_whose_names_begin_with_an_underscore_are_named(
    trained_home: Path, tmp_path: Path
) -> None:
    curve = curve_of(read_model(trained_home / "checkpoints" / "verse"))
    curve = curve._replace(dropout=False)
    several = [curve._replace(name="_new"), curve._replace(name="_child0", kept=None)]
    draw_curves(tmp_path / "curves.svg", several)
    shown = words(tmp_path / "curves.svg")
    for part in ("_new (", "_child0", "the weights that were kept", "training loss"):
        assert part in shown
    (one,) = gradients([a_model("gru")], TEXT)
    found = [msgspec.structs.replace(one, model=f"checkpoints/_{name}") for name in "ab"]
    draw_gradients(tmp_path / "gradients.svg", found)
    for part in ("_a", "_b", "half of all losses"):
        assert part in words(tmp_path / "gradients.svg")


def test_a_training_loss_that_is_one_with_dropout_is_called_so(
    trained_home: Path, tmp_path: Path
) -> None:
    model = read_model(trained_home / "checkpoints" / "verse")
    for dropout, called in ((0.0, False), (0.3, True)):
        shape = msgspec.structs.replace(model.record.model, dropout=dropout, weight_dropout=0.0)
        record = msgspec.structs.replace(model.record, model=shape)
        curves = [curve_of(replace(model, record=record))]
        draw_curves(tmp_path / "curves.svg", curves)
        assert ("training loss (with dropout)" in words(tmp_path / "curves.svg")) == called


def test_a_task_and_a_language_model_share_no_picture(trained_home: Path, tmp_path: Path) -> None:
    curve = curve_of(read_model(trained_home / "checkpoints" / "verse"))
    with pytest.raises(UsageError, match="not comparable"):
        draw_curves(tmp_path / "both.svg", [curve, curve._replace(unit="", task="tag")])
    assert not (tmp_path / "both.svg").exists()
    tasks = [curve._replace(unit="", task="classify"), curve._replace(unit="", task="forecast")]
    with pytest.raises(UsageError, match="losses of different tasks are not comparable"):
        draw_curves(tmp_path / "tasks.svg", tasks)
    draw_curves(tmp_path / "bytes.svg", [curve, curve._replace(unit="byte")])
    assert "bits per token" in words(tmp_path / "bytes.svg")


def test_few_updates_have_labels_of_their_own(trained_home: Path, tmp_path: Path) -> None:
    """Half of one had the label of the next, so that there were two of each."""
    curve = curve_of(read_model(trained_home / "checkpoints" / "verse"))
    losses = (4.0, 3.0, 2.5, 2.25)
    few = curve._replace(read=(1, 2, 3, 4), training=losses, validation=losses, kept=None)
    draw_curves(tmp_path / "few.svg", [few])
    labels = re.findall(r"\d+(?= \|)", words(tmp_path / "few.svg").partition(" read")[0])
    assert labels == ["1", "2", "3", "4"]


def test_training_losses_of_several_runs_differ_in_more_than_colour(
    trained_home: Path, tmp_path: Path
) -> None:
    curve = curve_of(read_model(trained_home / "checkpoints" / "verse"))
    draw_curves(tmp_path / "two.svg", [curve, curve._replace(training=curve.validation)])
    found = (tmp_path / "two.svg").read_text("utf-8")
    thin = re.findall(r'<path d="[^"]*" clip-path[^>]*stroke-width: 0.8"/>\s*<defs>', found)
    assert len(thin) == 2, "behind each line is its marker"


def test_forecasts(tmp_path: Path) -> None:
    outlooks = [
        Outlook(f"series $ {k}", [1, 5, 2, 6], [3, 7], [2, 5], [4, 9]) for k in range(DRAWN + 1)
    ]
    draw_forecasts(tmp_path / "several.svg", outlooks)
    shown = words(tmp_path / "several.svg")
    band = "band meant to hold four of five values"  # it may hold fewer or more
    for part in ("series $ 0", "series $ 5", "history", "forecast", band):
        assert part in shown
    assert "series $ 6" not in shown, "it is one too many"
    draw_forecasts(tmp_path / "one.svg", [outlooks[0]._replace(name="")])
    assert "Forecast" in words(tmp_path / "one.svg")
    with pytest.raises(CharRNNError, match="choose another --plot"):
        draw_forecasts(tmp_path / "missing" / "one.svg", outlooks)


def test_long_names_and_control_characters_leave_a_picture_whole(
    trained_home: Path, tmp_path: Path
) -> None:
    odd = Outlook("a\x07b\nc 漢字", [1, 5, 2, 6], [3, 7], [2, 5], [4, 9])
    long = "the first of many " + "and many words " * 12 + "the last"
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # also of glyphs, which no text that stays text needs
        draw_forecasts(tmp_path / "odd.svg", [odd, odd._replace(name=long)])
        expat.ParserCreate().Parse((tmp_path / "odd.svg").read_bytes(), True)  # is XML
        shown = words(tmp_path / "odd.svg")
        assert r"a\x07b\nc 漢字" in shown
        curve = curve_of(read_model(trained_home / "checkpoints" / "verse"))
        draw_curves(tmp_path / "curves.svg", [curve._replace(name=long), curve])
        (one,) = gradients([a_model("gru")], TEXT)
        found = [msgspec.structs.replace(one, model=f"checkpoints/{long}")]
        draw_gradients(tmp_path / "gradients.svg", found)
    with pytest.warns(UserWarning, match=r"lacks characters .* name that ends in \.svg") as warned:
        draw_forecasts(tmp_path / "odd.png", [odd])
    assert len(warned) == 1, "not one for each character"
    for path in tmp_path.glob("*.svg"):
        shown = words(path)
        assert "the first of " in shown
        assert "words the last" in shown
        assert long not in shown


def test_pictures_of_what_is_inside(tmp_path: Path) -> None:
    models = [a_model(cell) for cell in ("rnn", "lstm")]
    draw_horizon(tmp_path / "horizon.svg", horizon(models[0], TEXT, VERSE))
    assert "n-grams: counting the training text" in words(tmp_path / "horizon.svg")
    draw_gradients(tmp_path / "gradients.svg", gradients(models, TEXT))
    assert "my $1 lstm &amp; more" in words(tmp_path / "gradients.svg")
    found = units(models[1], TEXT)
    draw_units(tmp_path / "units.svg", found)
    best = found[0]
    assert f"{best.feature}   {best.layer}.{best.unit}" in words(tmp_path / "units.svg")
    assert all(path.stat().st_size < 100_000 for path in tmp_path.glob("*.svg"))


def test_gradients_are_drawn_as_they_were_measured_and_not_where_they_have_vanished(
    tmp_path: Path,
) -> None:
    (one,) = gradients([a_model("rnn")], TEXT)
    shares = tuple(10.0 ** -(k * k / 90) if k < 60 else 0.0 for k in range(len(one.steps)))
    faded = msgspec.structs.replace(one, median=shares, low=shares, high=shares)
    draw_gradients(tmp_path / "faded.svg", [faded])
    drawn = (tmp_path / "faded.svg").read_text("utf-8")
    (line,) = re.findall(r'd="([^"]*)" clip-path="[^"]*" style="fill: none; stroke: #0072b2', drawn)
    heights = [float(y) for y in re.findall(r"[ML] \S+ (\S+)", line)]  # from above
    assert len(heights) == 60
    assert heights == sorted(set(heights)), "it ends without a plateau"


def test_no_units_make_a_picture_too(tmp_path: Path) -> None:
    draw_units(tmp_path / "none.png", [])
    assert (tmp_path / "none.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("ending", ["svg", "PNG"])
def test_the_same_figures_make_the_same_file(tmp_path: Path, ending: str) -> None:
    found = gradients([a_model("gru")], TEXT)
    for name in ("one", "other"):
        draw_gradients(tmp_path / f"{name}.{ending}", found)
    one, other = ((tmp_path / f"{name}.{ending}").read_bytes() for name in ("one", "other"))
    assert one == other
    dark: dict[Any, Any] = {
        "text.color": "white",
        "axes.facecolor": "black",
        "lines.antialiased": False,
    }
    with mpl.rc_context(dark):  # as from a file of the user's own
        draw_gradients(tmp_path / f"dark.{ending}", found)
    assert (tmp_path / f"dark.{ending}").read_bytes() == one


def test_lines_differ_in_more_than_colour() -> None:
    first = [*islice(looks(), 6)]
    assert len({(look["linestyle"], look["marker"]) for look in first}) == 6
    assert len({look["color"] for look in first}) == 6


@pytest.mark.parametrize("name", ["picture.pdf", "picture", "svg", ".svg"])
def test_another_ending_is_refused_before_the_work(name: str) -> None:
    with pytest.raises(CharRNNError, match=r"end it in \.svg or \.png"):
        check_path(Path(name))


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(CharRNNError, match="choose another --output"):
        draw_units(tmp_path / "missing" / "units.svg", [])


def test_without_matplotlib_there_is_one_clear_line(home: Path) -> None:
    """A fresh Python, in which it can't be found."""
    code = (
        "import sys, importlib.util as u; find = u.find_spec\n"
        "u.find_spec = lambda name, *more: None if name == 'matplotlib' else find(name, *more)\n"
        "from charrnn.cli.app import main; main()"
    )
    arguments = ["plot", "verse", "-o", "losses.svg"]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=home, capture_output=True, text=True
    )
    refused(done, 1, "charrnn: pictures need matplotlib, which is not installed; ")
    assert not (home / "losses.svg").exists()


def test_the_script_of_the_page_draws_its_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From tiny models, since a folder that is there is not trained."""
    script = runpy.run_path(str(ROOT / "docs" / "pictures.py"))
    tokenizer = CharTokenizer.from_text(TEXT + script["LINE"])
    for name, settings in script["TRAINED"].items():
        config = small_config(settings.get("cell", "lstm"), vocab_size=tokenizer.vocab_size)
        CharRNN(config).save_pretrained(tmp_path / f"shakespeare-{name}", tokenizer)
    unseen = (VERSE * 2)[::-1]  # a tenth of the text
    (tmp_path / "text.txt").write_text(TEXT * 3 + unseen)
    monkeypatch.setitem(script["main"].__globals__, "PICTURES", tmp_path / "pictures")
    monkeypatch.setattr(sys, "argv", ["pictures.py", "text.txt", "."])
    script["main"]()
    diagrams = runpy.run_path(str(ROOT / "docs" / "diagrams.py"))
    diagrams["draw_diagrams"](tmp_path / "diagrams")
    for path in (tmp_path / "diagrams").iterdir():
        assert path.read_bytes() == (ROOT / "docs" / "pictures" / path.name).read_bytes(), path.name
    drawn = {path.name for path in tmp_path.glob("*/*.svg")}
    assert drawn == {path.name for path in (ROOT / "docs" / "pictures").iterdir()}
    page = (ROOT / "docs" / "what-is-an-rnn.md").read_text("utf-8")
    assert set(re.findall(r"\]\(pictures/([^)]*)\)", page)) == drawn


@pytest.mark.parametrize("name", sorted(p.name for p in (ROOT / "docs" / "pictures").iterdir()))
def test_a_picture_of_the_page_is_small_and_loads_nothing(name: str) -> None:
    picture = (ROOT / "docs" / "pictures" / name).read_text("utf-8")
    assert len(picture.encode()) < 100_000
    assert re.findall(r'href="(?!#)|url\((?!#)|@import url|<script|<image', picture) == []
