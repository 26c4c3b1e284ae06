"""What there is to know about a model: `charrnn info` prints it, the model card holds it."""

from __future__ import annotations

import math
import re

from charrnn.cells.heads import GRAMS
from charrnn.config import HUB, ModelConfig, TaskName
from charrnn.errors import printable
from charrnn.folder.hub import folder_name
from charrnn.folder.record import CorpusRecord, ModelFolder, ModelRecord, labels_of
from charrnn.task_config import SCORES, Classify, Forecast, Tag, TaskRecord, Translate
from charrnn.text import division
from charrnn.text.tokenizer import Tokenizer
from charrnn.words import as_argument, counted

__all__ = ["corpus", "facts", "markdown", "memorised", "network", "renamed", "vocabulary"]

BAR = r"\|"  # in a cell of a table
NAMED = 10  # labels that a card names


def facts(model: ModelFolder) -> dict[str, str]:
    """What there is to know about a model: label to value, both for people, each on one line."""
    record = model.record
    parameters = sum(weight.size for weight in model.weights.values())
    found = {"cell": network(record.model), "parameters": f"{parameters:,}"}
    if record.task is not None:
        found |= _of_task(model, record.task)
    if not isinstance(record.task, Forecast):
        end = "an end mark" if record.task else "the end of a record"
        found["vocabulary"] = vocabulary(model.tokenizer, end)
    if record.corpus is not None:
        found |= corpus(record.corpus, record.task)
    if (last := model.evaluation) is not None:
        unit, bits = model.tokenizer.loss_per, last.val_nats / math.log(2)
        if record.task is None:
            found["validation loss"] = f"{last.val_nats:.4f} nats, {bits:.4f} bits per {unit}"
            found["training loss"] = f"{last.train_nats:.4f} nats per {unit}"
        else:
            found["validation loss"] = f"{last.val_nats:.4f}"
            found["training loss"] = f"{last.train_nats:.4f}"
        if last.score is not None and record.task is not None:
            found["validation score"] = f"{last.score:.4g}, {last.measure or _usual(record.task)}"
        took = counted(round(last.seconds), "second") if last.seconds >= 1 else "under a second"
        found["trained"] = f"{counted(last.step, 'update')}, {last.epoch:.1f} epochs, {took}"
    found["made by"] = f"charrnn {record.charrnn_version}" + (
        f" with PyTorch {record.torch_version}" if record.torch_version else ""
    )
    return {label: printable(value) for label, value in found.items()}  # anyone may have made it


def network(shape: ModelConfig) -> str:
    """The shape of a network, in words."""
    skips = ", skip connections" if shape.skip else ""
    both = ", forwards and backwards" if shape.bidirectional else ""
    sizes = f"{shape.num_layers} × {shape.hidden_size}, embedding {shape.embed_size}"
    return f"{shape.cell}, {sizes}{skips}{both}"


def corpus(record: CorpusRecord, task: TaskRecord | None) -> dict[str, str]:
    """What a model is trained on, and validated on if that is no part of it: label to value."""
    read = "values" if isinstance(task, Forecast) else "characters"
    backwards = ", read from the end to the beginning" if record.reverse else ""
    found = {"corpus": f"{record.name}, {record.characters:,} {read}{backwards}"}
    # Only language models start others, so these were all read by the character.
    before = [f"{one.name}, {one.characters:,} characters" for one in record.texts[1:]]
    if before:
        found["corpus"] += f"; before that {' and '.join(before)}"
    if isinstance(task, Forecast):
        found["series"] = f"{record.record_count:,}"
    elif task is not None:
        found["examples"] = f"{record.record_count:,}"
    elif record.record_count:
        found["records"] = f"{record.record_count:,}, {division.in_words(record.records)}"
    if (held := record.validation) is not None:
        noun = "record" if task is None else "example"
        count = f", {counted(held.record_count, noun)}" if held.record_count else ""
        found["validated on"] = f"{held.name}, {held.characters:,} {read}{count}"
    return found


def memorised(record: ModelRecord) -> str:
    """What else leaves with a model."""
    named = [f"{one.name} ({one.characters:,} characters)" for one in record.texts]
    text = " and ".join(named) or "its text"
    if record.lacks_bases:
        text += " and of what a model before it had learnt"
    return f"this model has memorised parts of {text}; share it only with people who may read it"


def _of_task(model: ModelFolder, task: TaskRecord) -> dict[str, str]:
    """What a model for a task answers."""
    found: dict[str, str] = {"task": task.name}
    match task:
        case Classify() | Tag():
            names = labels_of(model).labels
            more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
            found["labels"] = f"{len(names):,}: {', '.join(names[:NAMED])}{more}"
            if task.grams:
                weights = model.weights[GRAMS].size
                found["n-grams"] = f"a table of {task.grams:,} rows, {weights:,} of the parameters"
        case Forecast():
            found["horizon"] = counted(task.horizon, "value")
            found["season"] = counted(task.season, "value") if task.season > 1 else "none"
    return found


def _usual(task: TaskRecord) -> str:
    """What the score of an evaluation is, and of what, where it is not of all that validates."""
    name = SCORES[task.name]
    if not isinstance(task, Translate):
        return name
    return f"{name} of greedy translations of at most {task.translated} pairs"


def vocabulary(tokenizer: Tokenizer, end: str = "the end of a record") -> str:
    """The vocabulary, in words; `end` names a last token that is no character."""
    if tokenizer.end is None:
        return f"{tokenizer.vocab_size} {tokenizer.unit}s"
    return f"{tokenizer.vocab_size - 1} {tokenizer.unit}s, and {end}"


# What a model for a task does with what it reads.
WORK: dict[TaskName, str] = {
    "classify": "It reads a text, one character at a time, and names its class.",
    "tag": "It reads a sentence, one character at a time, and marks names or other spans in it.",
    "forecast": "It reads a series of numbers and forecasts how it goes on, with a band.",
    "translate": "It reads a text, one character at a time, and writes another for it.",
}


def _table(model: ModelFolder) -> str:
    rows = (f"| {label} | {value.replace('|', BAR)} |" for label, value in facts(model).items())
    return "\n".join(["| | |", "|---|---|", *rows])


def _of_answers(model: ModelFolder, task: TaskRecord) -> str:
    """The card of a model for a task."""
    title = folder_name(model.path)
    use, validates = (
        f"charrnn predict {as_argument(title)} input.txt",
        "examples from all over the corpus",
    )
    if isinstance(task, Forecast):
        use, validates = f"charrnn predict {as_argument(title)}", "the ends of the series"
    validates = _of_own_set(model) or f"{validates}, not trained on"
    return f"""# {title}

A recurrent network, made with charrnn.
{WORK[task.name]}

{_table(model)}

Use it, from the folder that holds this one, or from anywhere with its path:

    {use}

The validation loss and score are of {validates}.
"""


def markdown(model: ModelFolder, on_hub: str | None = None, title: str | None = None) -> str:
    """The model card.

    Args:
        model: its folder.
        on_hub: a language model's name there, if the card is for there; no other is published.
        title: a language model's name here, if that is not the folder's.
    """
    if model.record.task is not None:
        return _of_answers(model, model.record.task)
    backwards = model.record.reads_backwards
    what = ""
    validates = f"the {'first' if backwards else 'last'} part of the corpus, which was"
    if model.tokenizer.end is not None:
        what = "records, each from its beginning to its end, "
        validates = "records from all over the corpus, which were"
    validates = _of_own_set(model) or f"{validates} not trained on"
    title = folder_name(model.path) if title is None else title
    where = ", from the folder that holds this one, or from anywhere with its path"
    if on_hub is not None:
        title, where = on_hub.rpartition("/")[2], ""
    return f"""# {title}

A recurrent language model, made with charrnn.
It reads and writes {what}one {model.tokenizer.unit} at a time.

{_table(model)}

Write text with it{where}:

    charrnn sample {on_hub or as_argument(title)} --temp 0.8

The validation loss is the mean over {validates}.
"""


def _of_own_set(model: ModelFolder) -> str:
    """The validation set of the user's own, in words; empty without one."""
    held = model.record.validation
    return "" if held is None else f"a validation set of its own, {held.name}"


def renamed(text: str, model: ModelFolder, on_hub: str | None = None) -> str:
    """A language model's card; if it begins as charrnn wrote it, it gets today's name."""
    title = text.partition("\n")[0].removeprefix("# ")
    written = [markdown(model, title=title)]
    written += [markdown(model, other) for other in re.findall(rf"{HUB}\S+/\S+", text)]
    for old in written:
        if text.startswith(old):
            return markdown(model, on_hub) + text.removeprefix(old)
    return text
