"""charrnn eval: how well models predict a text, or answer examples."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, TextIO

import typer

from charrnn.cli.parts import reading_of_own, refuse_texts_of
from charrnn.cli.scored import Asked, ScoredText, scored
from charrnn.config import Reading
from charrnn.decoding.pieces import not_as_bytes
from charrnn.errors import UsageError, printable
from charrnn.outputs import output_file, refuse_inputs
from charrnn.settings import settings_of
from charrnn.terminal.options import (
    JsonOption,
    UnknownOption,
    models_and_texts,
    option_names,
    take,
    with_settings,
)
from charrnn.terminal.output import beside, encode_json, progress_bar, say, table, write
from charrnn.use_config import EvalConfig
from charrnn.words import leave_out

__all__ = ["evaluate"]

ModelsAndTextsArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="MODEL... TEXT...",
        help="A model folder or name, or several to mix; then texts as for train.",
    ),
]
ValidationOption = Annotated[
    bool,
    typer.Option(
        "--validation",
        help="Score only the part of the text that was held out for validation (language models).",
    ),
]
DynamicOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="TEXT",
        help="Dynamic evaluation: adapt the model to what it has scored. TEXT is what it was "
        "trained on; may be given several times.",
    ),
]
PerCharOption = Annotated[
    bool,
    typer.Option(
        "--per-char", help="Print the loss of each character, one line of JSON per character."
    ),
]
HtmlOption = Annotated[
    Path | None,
    typer.Option(help="Write the text to this file as a page, coloured by the loss."),
]
LabelColumnOption = Annotated[
    str | None,
    typer.Option(
        help="Tasks: column that holds the label, the translation or the value to forecast.  "
        "[default: as in training]"
    ),
]


@with_settings(EvalConfig, Reading, leave_out=("reverse",))
def evaluate(
    arguments: ModelsAndTextsArgument,
    validation: ValidationOption = False,
    dynamic: DynamicOption = None,
    *,
    label_column: LabelColumnOption = None,
    unknown: UnknownOption = "error",
    per_char: PerCharOption = False,
    html: HtmlOption = None,
    json: JsonOption = False,
    **given: Any,
) -> None:
    """Measure how well models predict a text or answer examples."""
    as_given = {name: given[name] for name in Reading.__struct_fields__ if name in given}
    config, reading = take(EvalConfig, given), take(Reading, given)
    if config.random_windows is not None and (per_char or html):
        advice = "leave out --per-char and --html"
        raise UsageError("random windows don't make up a text to show", advice)
    models, sources = models_and_texts(arguments, "score", "name one: charrnn eval MODEL TEXT")
    if _is_for_a_task(models[0]):
        only = {"validation": validation, "dynamic": dynamic, "per_char": per_char, "html": html}
        only |= {"unknown": unknown != "error", "records": reading.records != Reading().records}
        own = {s.name: getattr(config, s.name) for s in settings_of(EvalConfig)}
        changed = [name for name, value in own.items() if value != getattr(EvalConfig(), name)]
        _refuse([n for n in only if only[n]] + changed)
        _score_answers(models, sources, reading, label_column, json)
        return
    if label_column is not None:
        raise UsageError("--label-column is about tasks", "leave it out")
    refuse_inputs(html, "--html", [*sources, *(dynamic or [])])
    refuse_texts_of(models, html, "--html")
    reading = reading_of_own(models, as_given, sources, dynamic or [])
    asked = Asked(models, sources, reading, unknown, validation, dynamic or [])
    with not_as_bytes():
        found = scored(asked, config)
    if html is not None:
        _write_page(html, f"{' + '.join(models)} reads {found.text}", found)
    told = beside(html)
    if per_char:
        _write_characters(found, told)
    elif json:
        facts: dict[str, Any] = {"models": models, "text": found.text}
        facts |= {"protocol": found.protocol, "validation": validation}
        facts |= {"unknown": unknown, "dynamic": asked.dynamic}
        write(encode_json(facts | found.score.facts() | {"settings": config}), told)
    else:
        for label, value in _rows(found).items():
            write(f"{label:<20} {value}\n", told)


def _is_for_a_task(model: str) -> bool:
    """Whether a model is not a language model."""
    from charrnn.folder.reading import find_model, read_record

    return read_record(find_model(model)).task is not None


def _refuse(given: list[str]) -> None:
    """Refuse what means nothing to a task."""
    if given:
        options = ", ".join(option_names(given).values())
        are = "is" if len(given) == 1 else "are"
        raise UsageError(f"{options} {are} about language models", leave_out(given))


def _score_answers(
    models: list[str], sources: list[str], reading: Reading, label_column: str | None, json: bool
) -> None:
    """Score a model's answers beside trivial ones."""
    from charrnn.tasks.loading import load

    model = load(models)
    with progress_bar() as done:
        report = model.evaluate(sources, reading, label_column=label_column, progress=done)
    say(*report.notes)
    if json:
        write(encode_json({"models": models, "examples": sources} | report.facts()))
        return
    rows = list[tuple[str, str]]()
    for name, scores in {"model": report.scores, **report.baselines}.items():
        values = "  ".join(f"{metric} {value:.4g}" for metric, value in scores.items())
        rows.append((printable(name), printable(values)))
    write(table([*rows, ("examples", f"{report.count:,}")]))
    if report.shortfall:
        write(f"{report.shortfall}\n")


def _rows(found: ScoredText) -> dict[str, str]:
    score = found.score
    return {
        "nats per character": f"{score.nats_per_char:.4f}",
        "bits per character": f"{score.bits_per_char:.4f}",
        "bits per byte": f"{score.bits_per_byte:.4f}",
        "perplexity": f"{score.perplexity:.3f}",
        "characters scored": f"{score.characters:,}",
        "protocol": found.protocol,
    }


def _write_characters(found: ScoredText, told: TextIO) -> None:
    for text, nats in found.characters(predicted=True):
        write(encode_json({"text": text, "nats": nats}), told)


def _write_page(path: Path, title: str, found: ScoredText) -> None:
    from charrnn.scoring import heatmap

    facts = [f"{label}: {value}" for label, value in _rows(found).items()]
    with output_file(path, "--html") as file:
        for part in heatmap.page(title, facts, found.characters()):
            file.write(part.encode(errors="replace"))
    say(f"wrote {path}")
