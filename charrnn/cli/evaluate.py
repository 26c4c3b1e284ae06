"""charrnn eval and charrnn score: how well models predict texts."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from charrnn.config import EvalConfig, settings_from
from charrnn.errors import UsageError, not_written
from charrnn.terminal.output import (
    ColumnOption,
    EncodingOption,
    ErrorsOption,
    JsonOption,
    ModelArgument,
    SplitOption,
    encode_json,
    say,
    write,
)
from charrnn.text.tokenizer import Unknown

if TYPE_CHECKING:
    from charrnn.arrays import Ids, Surprisals
    from charrnn.scoring.score import Score
    from charrnn.text.corpus import Corpus
    from charrnn.text.tokenizer import Tokenizer

__all__ = ["evaluate", "score"]

UnknownOption = Annotated[
    Unknown, typer.Option(help="What to do with characters that the models don't know.")
]


def evaluate(
    arguments: Annotated[
        list[str],
        typer.Argument(
            metavar="MODEL... TEXT...",
            help="A model folder or name, or several to be mixed; then texts as for train.",
        ),
    ],
    protocol: Annotated[
        Literal["carried", "windows"],
        typer.Option(help="Carry the state through the text, or begin anew in each window."),
    ] = "carried",
    window: Annotated[int, typer.Option(help="Characters of a window.")] = 256,
    random_windows: Annotated[
        int | None, typer.Option(help="So many windows at random places, instead of all.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of where random windows are.")] = 0,
    validation: Annotated[
        bool,
        typer.Option("--validation", help="Score the part that training kept for validation."),
    ] = False,
    dynamic: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TEXT",
            help="Adapt while scoring; the text that was trained on, may be given repeatedly.",
        ),
    ] = None,
    segment: Annotated[int, typer.Option(help="With --dynamic: characters between steps.")] = 32,
    rate: Annotated[float, typer.Option(help="With --dynamic: how far a step goes.")] = 7e-4,
    decay: Annotated[float, typer.Option(help="With --dynamic: how fast it is forgotten.")] = 2e-3,
    unknown: UnknownOption = "error",
    encoding: EncodingOption = "utf-8",
    errors: ErrorsOption = "strict",
    text_column: ColumnOption = None,
    split: SplitOption = "train",
    per_char: Annotated[
        bool, typer.Option("--per-char", help="Print each character's cost, a line of JSON each.")
    ] = False,
    html: Annotated[
        Path | None, typer.Option(help="Write the text, coloured by its cost, to this file.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Tell how well a model, or several together, predict a text."""
    config = settings_from(
        EvalConfig,
        {
            "protocol": protocol,
            "window": window,
            "random_windows": random_windows,
            "seed": seed,
            "segment": segment,
            "rate": rate,
            "decay": decay,
        },
    )
    if random_windows is not None and (per_char or html or protocol == "carried"):
        raise UsageError(
            "random windows are no text to show",
            "use --protocol windows, without --per-char and --html",
        )
    from tqdm import tqdm

    from charrnn.evaluation import losses
    from charrnn.scoring.score import by_character, score_of
    from charrnn.text.corpus import read_corpus
    from charrnn.text.decoding import Reading
    from charrnn.text.tokenizer import ByteTokenizer

    models, sources = _split(arguments)
    networks, tokenizer = losses.load_networks(models)
    raw = isinstance(tokenizer, ByteTokenizer) and errors == "strict"
    reading = Reading(encoding, "surrogateescape" if raw else errors, text_column, split)
    corpus = read_corpus(sources, reading)
    ids = tokenizer.encode(corpus.text, unknown)
    if validation:
        ids = ids[_training_tokens(models, corpus, len(ids)) :]
    training_ids = None
    if dynamic:
        known = read_corpus(dynamic, reading)
        training_ids = tokenizer.encode(known.text, "skip")
        training_ids = training_ids[: _training_tokens(models, known, len(training_ids))]
    total = len(networks) * (len(ids) - 1)
    with tqdm(total=total, unit=" characters", leave=False, disable=not dynamic) as bar:
        nats = losses.costs(networks, ids, config, training_ids, bar.update)
    wanted = losses.targets(ids, config)
    found = score_of(float(nats.sum(dtype="float64")), tokenizer, wanted)
    how = protocol if protocol == "carried" else f"windows of {window}"
    how += ", dynamic" if dynamic else ""
    if html is not None:
        title = f"{' + '.join(models)} reads {corpus.name}"
        _write_page(html, title, found, how, tokenizer, ids, nats)
    if per_char:
        characters = by_character(tokenizer, ids, nats)
        if tokenizer.decoder()(ids[:1].tolist(), False):
            next(characters)  # the first is not predicted
        for text, cost in characters:
            write(encode_json({"text": text, "nats": cost}))
    elif json:
        facts = {"models": models, "text": corpus.name, "protocol": how} | found.facts()
        write(encode_json(facts | {"settings": config}))
    else:
        for label, value in _rows(found, how).items():
            write(f"{label:<18} {value}\n")


def score(
    model: ModelArgument = None,
    unknown: UnknownOption = "error",
) -> None:
    """Score lines of standard input, each for itself; a line of JSON each."""
    from charrnn.models.loading import load

    loaded = load(model)
    lines = (line.removesuffix("\n") for line in sys.stdin)
    for found in loaded.score_lines(lines, unknown):
        write(
            encode_json(
                {
                    "nats": found.nats,
                    "nats_per_char": found.nats_per_char,
                    "bits_per_char": found.bits_per_char,
                    "perplexity": found.perplexity,
                    "characters": found.characters,
                }
            )
        )


def _split(arguments: list[str]) -> tuple[list[str], list[str]]:
    """Which arguments are models: the first, and those after it that are, but the last."""
    from charrnn.folder.record import is_model

    if len(arguments) < 2:
        raise UsageError("there is no text to score", "charrnn eval MODEL TEXT")
    count = 1
    while count < len(arguments) - 1 and is_model(arguments[count]):
        count += 1
    return arguments[:count], arguments[count:]


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
        kept = record.training.val_frac if known and record.training is not None else 0.0
        found.add(tokens - round(tokens * kept))
    if len(found) > 1:
        raise UsageError(
            f"the models were trained on different parts of {corpus.name}",
            "evaluate them one by one, or on a text that none has seen",
        )
    return found.pop()


def _rows(found: Score, how: str) -> dict[str, str]:
    return {
        "nats a character": f"{found.nats_per_char:.4f}",
        "bits a character": f"{found.bits_per_char:.4f}",
        "bits a byte": f"{found.bits_per_byte:.4f}",
        "perplexity": f"{found.perplexity:.3f}",
        "characters scored": f"{found.characters:,}",
        "protocol": how,
    }


def _write_page(
    path: Path,
    title: str,
    found: Score,
    how: str,
    tokenizer: Tokenizer,
    ids: Ids,
    nats: Surprisals,
) -> None:
    from charrnn.scoring import heatmap
    from charrnn.scoring.score import by_character

    facts = [f"{label}: {value}" for label, value in _rows(found, how).items()]
    try:
        with path.open("w", encoding="utf-8", errors="replace") as file:
            file.writelines(heatmap.page(title, facts, by_character(tokenizer, ids, nats)))
    except OSError as error:
        raise not_written(path, error, "--html") from None
    say(f"the page is {path}")
