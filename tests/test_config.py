"""A setting stands once: its help, option and bounds are right wherever they are shown."""

from __future__ import annotations

import inspect
import re
import runpy
from pathlib import Path
from typing import Any

import pytest
import typer.main

import charrnn
from charrnn.cli.app import app
from charrnn.config import MAX_STEPS, Budget, ModelConfig, Reading, TaskSettings, TrainConfig
from charrnn.errors import UsageError
from charrnn.objectives.forecast import LONGEST_HORIZON
from charrnn.objectives.plans import pairs, series, texts
from charrnn.objectives.plans.language import plan_of
from charrnn.objectives.plans.plan import UNSTOPPED, schedule
from charrnn.settings import (
    Setting,
    Settings,
    bounds,
    check,
    choices,
    fields_of,
    in_words,
    settings_of,
    takes,
)
from charrnn.task_config import Forecast
from charrnn.terminal.options import take, with_settings
from charrnn.use_config import SETTINGS, EvalConfig, SampleConfig, ServeConfig

DOCS = Path(__file__).parent.parent / "docs"
COMMANDS: dict[str, tuple[type[Settings], ...]] = {
    "train": (Budget, TaskSettings, ModelConfig, TrainConfig, Reading),
    "sample": (SampleConfig,),
    "eval": (EvalConfig, Reading),
    "serve": (ServeConfig,),
}
FIELDS = [(kind, setting) for kind in SETTINGS for setting in fields_of(kind)]
BOUNDED = [field for field in FIELDS if re.search(r"\d", bounds(field[1].annotation))]


def field_name(value: object) -> str:
    return value.__name__ if isinstance(value, type) else getattr(value, "name", str(value))


def parameters(command: str) -> list[Any]:
    group: Any = typer.main.get_command(app)
    return [p for p in group.commands[command].params if p.param_type_name == "option"]


@pytest.mark.parametrize(("kind", "setting"), FIELDS, ids=field_name)
def test_every_setting_has_one_line_of_help(kind: type[Settings], setting: Setting) -> None:
    assert re.fullmatch(r"[A-Z][^\n]{8,}\.", setting.help)
    assert f"    {setting.name}: {setting.help}\n" in (kind.__doc__ or "")


def test_every_setting_of_a_user_has_an_option() -> None:
    offered = {kind for kinds in COMMANDS.values() for kind in kinds}
    assert offered == set(SETTINGS)


@pytest.mark.parametrize("command", COMMANDS)
def test_an_option_is_of_one_setting(command: str) -> None:
    found = parameters(command)
    names = [name for option in found for name in (*option.opts, *option.secondary_opts)]
    assert len(names) == len(set(names))
    for setting in settings_of(*COMMANDS[command]):
        if (command, setting.name) == ("eval", "reverse"):  # the model knows
            continue
        (option,) = (option for option in found if option.name == setting.name)
        assert "/".join((*option.opts, *option.secondary_opts)) == "/".join(setting.options)
        assert setting.help in option.help
        assert bounds(setting.annotation) in option.help
        assert setting.shown_default in option.help


@pytest.mark.parametrize(
    ("kind", "name"),
    [(SampleConfig, "max_new_tokens"), (EvalConfig, "window"), (EvalConfig, "segment")],
)
def test_a_number_of_tokens_is_said_to_be_one_of_bytes_for_a_byte_model(
    kind: type[Settings], name: str
) -> None:
    (setting,) = (one for one in settings_of(kind) if one.name == name)
    assert "(bytes, for a byte model)" in setting.help


def value_of(setting: Setting) -> Any:
    """A value that is within the bounds, and not the default."""
    if values := choices(setting.annotation):
        return next(value for value in values if value != setting.default)
    if setting.type in (bool, str, str | None):
        return True if setting.type is bool else "latin-1"
    if setting.type == tuple[str, ...]:
        return ("a", "b")
    if setting.type == float | tuple[float, ...]:
        return (0.25, 1.5)
    if setting.type == dict[str, float] | None:
        return {"0.5": -1.0, "1.37": 0.25}
    return 7 if setting.type in (int, int | None) else 0.25


def typed(setting: Setting, value: Any) -> list[str]:
    option = setting.options[-1].partition("/")[0]
    if value is True:
        return [option]
    if setting.type == tuple[str, ...]:
        return [part for one in value for part in (option, one)]
    if isinstance(value, dict):
        return [part for name in value for part in (option, f"{name}={value[name]}")]
    return [option, ",".join(map(str, value)) if isinstance(value, tuple) else str(value)]


@pytest.mark.parametrize(
    ("kind", "setting"), [f for f in FIELDS if not f[1].derived], ids=field_name
)
def test_an_option_sets_its_setting_and_no_other(kind: type[Settings], setting: Setting) -> None:
    seen: list[dict[str, Any]] = []

    @with_settings(kind)
    def command(**given: Any) -> None:
        seen.append(given)

    one = typer.Typer(add_completion=False)
    one.command()(command)
    value = value_of(setting)
    one(typed(setting, value), standalone_mode=False)
    assert seen == [{setting.name: value}]
    if kind in (Reading, Budget, SampleConfig, EvalConfig):
        assert getattr(take(kind, seen[0]), setting.name) == value
        assert seen == [{}]


def test_what_is_not_given_is_left_to_the_defaults() -> None:
    seen: list[dict[str, Any]] = []
    one = typer.Typer(add_completion=False)
    one.command()(with_settings(*SETTINGS)(lambda **given: seen.append(given)))
    one([], standalone_mode=False)
    assert seen == [{}]


def refused(kind: type[Settings], name: str, value: float) -> str:
    """The message about a value; empty if it is taken."""
    try:
        check(kind, {name: value})
    except UsageError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(("kind", "setting"), BOUNDED, ids=field_name)
def test_the_bounds_that_are_told_are_those_that_hold(
    kind: type[Settings], setting: Setting
) -> None:
    shown = in_words(setting.annotation)
    step = 1 if shown.startswith("a whole number") else 1e-6
    numbers = [eval(n) for n in re.findall(r"\d+\*\*\d+ - \d|[\d]+", shown.replace(",", ""))]  # noqa: S307
    words = re.findall(r"from|to|at least|above|at most|below", shown)
    assert len(words) == len(numbers) > 0
    for word, number in zip(words, numbers, strict=True):
        inward = step if word in ("from", "at least", "above") else -step
        kept = type(inward)(number)
        outside = kept if word in ("above", "below") else kept - inward
        inside = kept + inward if word in ("above", "below") else kept
        assert refused(kind, setting.name, outside) == (
            f"{setting.name} is {outside!r}; it must be {shown}"
        )
        assert not refused(kind, setting.name, inside)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"cell": "lsmt"}, "cell is 'lsmt'; choose from rnn, lstm, gru"),
        ({"dropout": float("nan")}, "dropout is nan; it must be a number, at least 0 and below 1"),
        (
            {"hidden_size": "9"},
            "hidden_size is '9'; it must be a whole number, from 1 to 1,000,000",
        ),
    ],
)
def test_a_bad_value_is_answered_with_what_it_must_be(values: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        check(ModelConfig, values)


def test_infinity_is_no_learning_rate() -> None:
    with pytest.raises(UsageError, match="learning_rate is inf; it must be a finite number"):
        check(TrainConfig, {"learning_rate": float("inf")})


def test_the_defaults_that_are_told_for_training_are_those_of_training() -> None:
    tokens = 1_000_000
    made = plan_of(tokens, 60, Budget(), {}, speed=90e9)
    config = schedule(made, 1500)
    shown = {
        setting.name: setting.unset for setting in settings_of(Budget, ModelConfig, TrainConfig)
    }
    for name in ("cell", "embed_size", "num_layers"):  # then those of other tasks
        assert shown[name].startswith(f"{getattr(made.model, name)}, but ")
    assert shown["skip"].startswith("yes, but ") is made.model.skip
    adamw, muon = _decay(100_000, 60), _decay(tokens, 1)
    decays = f"{adamw}, to forecast {series.WEIGHT_DECAY}; for language models with Muon up to "
    assert shown["weight_decay"] == f"{decays}{muon}, in runs of few updates"
    assert _decay(100_000, 6000) == pairs.WEIGHT_DECAY == adamw <= _decay(tokens, 30) < muon
    assert shown["minutes"] == f"{Budget().minutes:g}"
    assert shown["val_frac"].startswith(f"{made.val_tokens / tokens:g},")
    most = plan_of(10**8, 60, Budget(), {}, speed=90e9).val_tokens
    assert f", but at most {most:,} characters; to forecast," in shown["val_frac"]
    assert "tenth" in shown["warmup_steps"]
    assert config.warmup_steps == 150
    assert shown["warmup_steps"].endswith(f" {schedule(made, 100_000).warmup_steps}")


def _decay(tokens: int, epochs: float) -> float:
    made = plan_of(tokens, 60, Budget(epochs=epochs), {"hidden_size": 256}, speed=90e9)
    return float(made.settings["weight_decay"])


@pytest.mark.parametrize(
    ("function", "kinds"),
    [
        (charrnn.train, (ModelConfig, TrainConfig)),
        (charrnn.evaluate, (EvalConfig,)),
        (charrnn.Model.generate, (SampleConfig,)),
        (charrnn.Model.generate_batch, (SampleConfig,)),
        (charrnn.Model.stream, (SampleConfig,)),
        (charrnn.Model.beam_search, (SampleConfig,)),
    ],
    ids=lambda v: getattr(v, "__qualname__", ""),
)
def test_keyword_arguments_are_shown_for_what_they_are(
    function: Any, kinds: tuple[type[Settings], ...]
) -> None:
    shown = inspect.signature(function).parameters
    assert not [p for p in shown.values() if p.kind is p.VAR_KEYWORD]
    for setting in settings_of(*kinds):
        assert setting.name in shown
        assert f"    {setting.name}: {setting.help}\n" in function.__doc__


def test_the_defaults_that_are_told_for_other_tasks_are_theirs() -> None:
    settings = settings_of(ModelConfig, TrainConfig, TaskSettings)
    shown = {setting.name: setting.unset or "" for setting in settings}
    task = Forecast(window=24, horizon=5, season=12, quantiles=(0.1, 0.5, 0.9))
    forecaster = series.plan_of([200], task, {}).model
    told = "gru to classify, tag and forecast"
    assert shown["cell"] == f"{pairs.SHAPE['cell']}, but {told}"
    assert texts.SHAPE["cell"] == forecaster.cell == "gru"
    assert shown["num_layers"].endswith("but 1 for other tasks")
    assert texts.SHAPE["num_layers"] == pairs.SHAPE["num_layers"] == forecaster.num_layers == 1
    assert shown["skip"] == "yes, but no for a forecaster"
    assert (texts.SHAPE["skip"], pairs.SHAPE["skip"], forecaster.skip) == (True, True, False)
    assert shown["embed_size"].endswith("a forecaster's is as wide as its layers")
    assert forecaster.embed_size == forecaster.hidden_size
    assert shown["horizon"].endswith(f"at most {LONGEST_HORIZON}")
    assert shown["patience"].endswith("to classify, tag, forecast none")
    assert schedule(series.plan_of([200], task, {"eval_every": 1}), 9).patience == UNSTOPPED
    assert UNSTOPPED >= MAX_STEPS  # evaluations, of which no run has more than updates


def test_what_training_chooses_is_none_and_what_a_function_names_stays() -> None:
    @takes(ModelConfig, TrainConfig)
    def function(text: str, *, seed: int = 5, **settings: Any) -> None:
        """Do it."""

    shown = inspect.signature(function).parameters
    assert list(shown)[:2] == ["text", "seed"]
    assert shown["seed"].default == 5
    assert shown["dropout"].default is None
    assert shown["grad_clip"].default == TrainConfig.__struct_defaults__[0] == 1.0
    assert "vocab_size" not in shown
    assert (function.__doc__ or "").startswith("Do it.\n\nSettings:\n    cell: ")


@pytest.mark.parametrize("name", ["idna", "Punycode", "base64", "undefined", "no such"])
def test_what_is_no_encoding_of_texts_is_refused(name: str) -> None:
    """Those of names of hosts were taken, and failed with the first letter that has an accent."""
    with pytest.raises(UsageError, match=f"there is no encoding '{name}'"):
        Reading(encoding=name)


def test_byte_tokenizers_keep_bytes_that_are_not_text() -> None:
    assert Reading().for_tokens("byte") == Reading(errors="surrogateescape")
    assert Reading("latin-1", "replace").for_tokens("byte") == Reading("latin-1", "replace")
    assert Reading().for_tokens("character") == Reading().for_tokens("char") == Reading()


def test_the_reference_is_fresh() -> None:
    page = runpy.run_path(str(DOCS / "reference.py"))["page"]()
    assert (DOCS / "reference.md").read_text("utf-8") == page, "run: make docs"


def test_settings_can_be_in_a_set() -> None:
    """Numbers by name, which is a dict, kept them from it."""
    held, other = (SampleConfig(clamp={"0.1": value}) for value in (0.5, 0.25))
    assert {held, SampleConfig(clamp={"0.1": 0.5}), other} == {held, other}
    assert {SampleConfig(seed=1), SampleConfig(seed=1)} == {SampleConfig(seed=1)}
