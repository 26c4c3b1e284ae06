"""charrnn eval: how well models predict a text, or answer examples."""

from __future__ import annotations

from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import msgspec
import typer

from charrnn.config import Reading
from charrnn.errors import CharRNNError, UsageError, not_written
from charrnn.settings import settings_of
from charrnn.terminal.options import (
    JsonOption,
    UnknownOption,
    models_and_texts,
    option_names,
    take,
    with_settings,
)
from charrnn.terminal.output import encode_json, say, write
from charrnn.use_config import EvalConfig

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from charrnn.arrays import Surprisals
    from charrnn.config import Unknown
    from charrnn.scoring.score import Score
    from charrnn.text.corpus import Corpus
    from charrnn.text.records import Records, Text
    from charrnn.text.tokenizer import Tokenizer

__all__ = ["evaluate"]

ModelsAndTextsArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="MODEL... TEXT...",
        help="A model folder or name, or several to be mixed; then texts as for train.",
    ),
]
ValidationOption = Annotated[
    bool,
    typer.Option("--validation", help="Score the part that training kept for validation."),
]
DynamicOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="TEXT",
        help="Dynamic evaluation: adapt the model to what it has scored. Names the text it was "
        "trained on; may be given several times.",
    ),
]
PerCharOption = Annotated[
    bool,
    typer.Option("--per-char", help="Print the loss of each character, one line of JSON for each."),
]
HtmlOption = Annotated[
    Path | None,
    typer.Option(help="Write the text to this file as a page, coloured by the loss."),
]


@with_settings(EvalConfig, Reading, leave_out=("reverse",))
def evaluate(
    arguments: ModelsAndTextsArgument,
    validation: ValidationOption = False,
    dynamic: DynamicOption = None,
    *,
    unknown: UnknownOption = "error",
    per_char: PerCharOption = False,
    html: HtmlOption = None,
    json: JsonOption = False,
    **given: Any,
) -> None:
    """Measure how well a model, or several together, predict a text or answer examples."""
    config, reading = take(EvalConfig, given), take(Reading, given)
    if config.random_windows is not None and config.protocol != "windows":
        raise UsageError("--random-windows needs windows", "add --protocol windows")
    if config.random_windows is not None and (per_char or html):
        advice = "leave out --per-char and --html"
        raise UsageError("random windows don't make up a text to show", advice)
    models, sources = models_and_texts(arguments, "score", "charrnn eval MODEL TEXT")
    if _is_for_a_task(models[0]):
        only = {"validation": validation, "dynamic": dynamic, "per_char": per_char, "html": html}
        only |= {"unknown": unknown != "error", "records": reading.records != Reading().records}
        own = {s.name: getattr(config, s.name) for s in settings_of(EvalConfig)}
        changed = [name for name, value in own.items() if value != getattr(EvalConfig(), name)]
        _score_answers(models, sources, reading, [n for n in only if only[n]] + changed, json)
        return
    found = _scored(models, sources, config, reading, unknown, dynamic or [], validation)
    if html is not None:
        _write_page(html, f"{' + '.join(models)} reads {found.text}", found)
    if per_char:
        _write_characters(found)
    elif json:
        facts = {"models": models, "text": found.text, "protocol": found.protocol}
        write(encode_json(facts | found.score.facts() | {"settings": config}))
    else:
        for label, value in _rows(found).items():
            write(f"{label:<20} {value}\n")


def _is_for_a_task(model: str) -> bool:
    """Whether a model is no language model."""
    from charrnn.folder.reading import find_model, read_record

    return read_record(find_model(model))[0].task is not None


def _score_answers(
    models: list[str], sources: list[str], reading: Reading, refused: list[str], json: bool
) -> None:
    """Score a model's answers beside trivial ones."""
    from charrnn.tasks.loading import load

    if len(models) > 1:
        found = f"{models[1]} is named beside a model for a task"
        raise UsageError(found, "evaluate models for tasks one by one")
    if refused:
        options = ", ".join(option_names(refused).values())
        raise UsageError(f"{options} is about language models", "leave it out")
    report = load(models[0]).evaluate(sources, reading)
    for note in report.notes:
        say(note)
    if json:
        write(encode_json({"model": models[0], "examples": sources} | report.facts()))
        return
    for name, scores in {"model": report.scores, **report.baselines}.items():
        values = "  ".join(f"{metric} {value:.4g}" for metric, value in scores.items())
        write(f"{name:<24} {values}\n")
    write(f"{'examples':<24} {report.count:,}\n{report.verdict}\n")


class ScoredText(NamedTuple):
    """A text, and what the models made of it."""

    text: str  # its name
    protocol: str
    tokenizer: Tokenizer
    ids: NDArray[np.integer]  # (N,); of records, an end before and after each
    nats: Surprisals  # (N-1,), or those of random windows
    score: Score


def _scored(
    models: list[str],
    sources: list[str],
    config: EvalConfig,
    reading: Reading,
    unknown: Unknown,
    dynamic: list[str],
    validation: bool,
) -> ScoredText:
    from tqdm import tqdm

    from charrnn.evaluation import losses
    from charrnn.evaluation.surprisals import targets
    from charrnn.scoring.score import score_of
    from charrnn.text.corpus import read_corpus
    from charrnn.text.records import Records

    networks, tokenizer, reverse = losses.load_networks(models)
    reading = reading.for_tokens(tokenizer.unit)
    reading = _as_trained(models, sources if validation else dynamic, reading)
    text: Text
    if tokenizer.end is not None:
        corpus_name, text = _records(models, sources, reading, tokenizer, unknown, validation)
    else:
        corpus = read_corpus(sources, reading)
        _tell(corpus.notes)
        corpus_name, text = corpus.name, tokenizer.encode(corpus.text, unknown)  # (N,)
        if validation:
            training = _training_tokens(models, corpus, len(text))
            text = text[: len(text) - training] if reverse else text[training:]
        if reverse:
            text = text[::-1].copy()
    is_list = isinstance(text, Records)
    if not is_list and reading.records not in ("auto", "none"):
        raise UsageError("this is no model of records", "leave --records out")
    training_ids = None
    if dynamic and reverse:
        raise UsageError("dynamic evaluation reads forwards", "leave --dynamic out")
    if dynamic:
        known = read_corpus(dynamic, reading)
        training_ids = tokenizer.encode(known.text, "skip")
        training_ids = training_ids[: _training_tokens(models, known, len(training_ids))]
    total = len(networks) * (text.size - (not is_list))
    hidden = None if dynamic else True  # None: where there is no terminal
    with tqdm(total=total, unit=" characters", leave=False, disable=hidden) as bar:
        nats = losses.mixed_surprisals(networks, text, config, training_ids, bar.update)
    total_nats = float(nats.sum(dtype="float64"))
    score = score_of(total_nats, tokenizer, targets(text, config))
    protocol = str(config.protocol or ("records" if is_list else "carried"))
    protocol += f" of {config.window}" * (protocol == "windows") + ", dynamic" * bool(dynamic)
    ids = text.written() if isinstance(text, Records) else text
    return ScoredText(corpus_name, protocol, tokenizer, ids, nats, score)


def _records(
    models: list[str],
    sources: list[str],
    reading: Reading,
    tokenizer: Tokenizer,
    unknown: Unknown,
    validation: bool,
) -> tuple[str, Records]:
    """The name of a list, and its records or those that were for validation."""
    from charrnn.folder.reading import find_model, read_record
    from charrnn.folder.record import reading_for
    from charrnn.text.division import DOCUMENTS
    from charrnn.text.records import Records
    from charrnn.text.spool import Spool

    records = [read_record(find_model(model))[0] for model in models]
    as_trained = reading_for(records[0], reading)
    reading = msgspec.structs.replace(reading, reverse=as_trained.reverse)
    if reading.records == "auto":
        reading = as_trained
    with closing(Spool(sources, reading)) as spool:
        if spool.division.end is None:
            raise UsageError("a model of records reads no story", "leave --records out")
        _tell(spool.notes)
        text = spool.text(tokenizer, unknown)
    assert isinstance(text, Records)
    if reading.records == DOCUMENTS and text.count == 1:
        say(
            f"{spool.name} is scored as one record, as a row or a file is one; "
            "--records lines or --records blocks divides it"
        )
    if not validation:
        return spool.name, text
    parts = set()
    for record in records:
        if record.corpus is None or record.training is None or record.corpus.sha256 != spool.sha256:
            raise UsageError(
                f"{spool.name} is not the list that was trained on", "leave --validation out"
            )
        parts.add((record.training.training_tokens(text.different), record.training.seed))
    if len(parts) > 1:
        raise _different_parts(spool.name)
    return spool.name, text.divided(*parts.pop())[1]


def _tell(notes: tuple[str, ...]) -> None:
    """Say what was changed in a text, or left out."""
    for note in notes:
        say(note)


def _as_trained(models: list[str], sources: list[str], reading: Reading) -> Reading:
    """The reading under which `sources` are what a model was trained on, if there is one.

    The rules by which files become text were others once; see `Reading.rules`.
    """
    from charrnn.folder.reading import find_model, read_model
    from charrnn.text.corpus import read_corpus

    if not sources or "-" in sources:
        return reading
    records = [read_model(find_model(model)).record for model in models]
    trained = {record.corpus.sha256 for record in records if record.corpus is not None}
    earlier = msgspec.structs.replace(reading, rules=1)
    with suppress(CharRNNError):
        if read_corpus(sources, reading).sha256 in trained:
            return reading
        if read_corpus(sources, earlier).sha256 in trained:
            return earlier
    return reading


def _training_tokens(models: list[str], corpus: Corpus, tokens: int) -> int:
    """How many of a corpus's tokens the models were trained on; all, if it is another text.

    Raises:
        UsageError: if that differs from model to model.
    """
    from charrnn.folder.reading import find_model, read_model

    found = set()
    for model in models:
        record = read_model(find_model(model)).record
        known = record.corpus is not None and record.corpus.sha256 == corpus.sha256
        training = record.training if known else None
        found.add(tokens if training is None else training.training_tokens(tokens))
    if len(found) > 1:
        raise _different_parts(corpus.name)
    return found.pop()


def _different_parts(name: str) -> UsageError:
    return UsageError(
        f"the models were trained on different parts of {name}",
        "evaluate them one by one, or on a text that none has seen",
    )


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


def _write_characters(found: ScoredText) -> None:
    from charrnn.scoring.score import by_character

    characters = by_character(found.tokenizer, found.ids, found.nats)
    if found.tokenizer.decoder()(found.ids[:1].tolist(), False):
        next(characters)  # the first is not predicted
    for text, nats in characters:
        write(encode_json({"text": text, "nats": nats}))


def _write_page(path: Path, title: str, found: ScoredText) -> None:
    from charrnn.scoring import heatmap
    from charrnn.scoring.score import by_character

    facts = [f"{label}: {value}" for label, value in _rows(found).items()]
    characters = by_character(found.tokenizer, found.ids, found.nats)
    try:
        with path.open("w", encoding="utf-8", errors="replace") as file:
            file.writelines(heatmap.page(title, facts, characters))
    except OSError as error:
        raise not_written(path, error, "--html") from None
    say(f"the page is {path}")
