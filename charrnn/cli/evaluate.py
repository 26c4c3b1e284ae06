"""charrnn eval: how well models predict a text."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from charrnn.config import EvalConfig, Reading
from charrnn.errors import UsageError, not_written
from charrnn.terminal.options import (
    JsonOption,
    UnknownOption,
    models_and_texts,
    take,
    with_settings,
)
from charrnn.terminal.output import encode_json, say, write

if TYPE_CHECKING:
    from charrnn.arrays import Ids, Surprisals
    from charrnn.config import Unknown
    from charrnn.scoring.score import Score
    from charrnn.text.corpus import Corpus
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


@with_settings(EvalConfig, Reading)
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
    """Measure how well a model, or several together, predict a text."""
    config, reading = take(EvalConfig, given), take(Reading, given)
    if config.random_windows is not None and config.protocol == "carried":
        raise UsageError("--random-windows needs windows", "add --protocol windows")
    if config.random_windows is not None and (per_char or html):
        advice = "leave out --per-char and --html"
        raise UsageError("random windows don't make up a text to show", advice)
    models, sources = models_and_texts(arguments, "score", "charrnn eval MODEL TEXT")
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


class ScoredText(NamedTuple):
    """A text, and what the models made of it."""

    text: str  # its name
    protocol: str
    tokenizer: Tokenizer
    ids: Ids  # (N,)
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

    networks, tokenizer = losses.load_networks(models)
    reading = reading.for_tokens(tokenizer.unit)
    corpus = read_corpus(sources, reading)
    ids = tokenizer.encode(corpus.text, unknown)  # (N,)
    if validation:
        ids = ids[_training_tokens(models, corpus, len(ids)) :]
    training_ids = None
    if dynamic:
        known = read_corpus(dynamic, reading)
        training_ids = tokenizer.encode(known.text, "skip")
        training_ids = training_ids[: _training_tokens(models, known, len(training_ids))]
    total = len(networks) * (len(ids) - 1)
    hidden = None if dynamic else True  # None: where there is no terminal
    with tqdm(total=total, unit=" characters", leave=False, disable=hidden) as bar:
        nats = losses.mixed_surprisals(networks, ids, config, training_ids, bar.update)
    total_nats = float(nats.sum(dtype="float64"))
    score = score_of(total_nats, tokenizer, targets(ids, config))
    windows = "" if config.protocol == "carried" else f" of {config.window}"
    protocol = f"{config.protocol}{windows}{', dynamic' if dynamic else ''}"
    return ScoredText(corpus.name, protocol, tokenizer, ids, nats, score)


def _training_tokens(models: list[str], corpus: Corpus, tokens: int) -> int:
    """How many of a corpus's tokens the models were trained on; all, if it is another text.

    Raises:
        UsageError: if that differs from model to model.
    """
    from charrnn.folder.record import find_model, read_model

    found = set()
    for model in models:
        record = read_model(find_model(model)).record
        known = record.corpus is not None and record.corpus.sha256 == corpus.sha256
        training = record.training if known else None
        found.add(tokens if training is None else training.training_tokens(tokens))
    if len(found) > 1:
        raise UsageError(
            f"the models were trained on different parts of {corpus.name}",
            "evaluate them one by one, or on a text that none has seen",
        )
    return found.pop()


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
