"""The options of `charrnn sample` beyond drawing a text, and which options exclude each other."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta

from charrnn.config import Reading, Unknown
from charrnn.errors import UsageError
from charrnn.settings import Settings, about
from charrnn.terminal.options import option_names
from charrnn.use_config import LengthPenalty, SampleConfig
from charrnn.words import leave_out

__all__ = ["SampleOptions", "refuse_mixed_up"]

TextCount = Annotated[int, Meta(ge=1, le=10_000)]  # texts held in memory side by side


class SampleOptions(Settings, frozen=True, kw_only=True):
    """What `charrnn sample` can do beyond drawing a text; its options alone have these."""

    prompt: Annotated[str, about("Text to continue.", "--prompt", "--start-text")] = ""
    prompt_file: Annotated[
        Path | None, about("File with the text to continue; - for standard input.")
    ] = None
    unknown: Annotated[
        Unknown, about("What to do with characters of the prompt that the model does not know.")
    ] = "error"
    echo: Annotated[bool, about("Whether to repeat the prompt.", "--echo/--no-echo")] = True
    num_samples: Annotated[TextCount, about("Number of texts to write.")] = 1
    best_of: Annotated[TextCount | None, about("Draw this many texts and write the likeliest.")] = (
        None
    )
    beam: Annotated[
        Annotated[int, Meta(ge=1, le=1_000)] | None,
        about("Search for the likeliest text along this many paths."),
    ] = None
    length_penalty: Annotated[
        LengthPenalty, about("With --beam: above 0, longer texts are favoured.")
    ] = 1.0
    records: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        about("Write this many whole records, for a model of records."),
    ] = None
    unique: Annotated[bool, about("With --records: write no record twice.", "--unique")] = False
    novel: Annotated[
        bool,
        about(
            "With --records: write no record from the training text. If that is no longer where it "
            "was, name it with --novelty.",
            "--novel",
        ),
    ] = False
    novelty: Annotated[
        str | None, about("Report what was copied from this text; any source that train takes.")
    ] = None
    reject_copies: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        about("With --novelty: redraw a text that copies a passage of more characters than this."),
    ] = None
    interactive: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        about("Choose each character yourself; shows this many of the likeliest."),
    ] = None
    output: Annotated[Path | None, about("Write to this file instead.", "--output", "-o")] = None


# What can't be used beside others, and why not.
MANY = ("num_samples", "reject_copies")
DRAWING = ("temperature", "top_k", "top_p", "min_p", "typical_p", "repetition_penalty", "seed")
ENDING = ("stop_strings", "max_lines")
NOT_BY_HAND = ("beam", "best_of", "records", *MANY, "json", "novelty", "seed", *ENDING)
EXCLUDES = {
    "interactive": (
        ", where you choose each character and the end",
        (*NOT_BY_HAND, "repetition_penalty"),
    ),
    "beam": (", which draws nothing", ("best_of", "records", *MANY, *DRAWING)),
    "best_of": ("", ("records", *MANY)),
    "records": ("", MANY),
    "prompt": ("", ("prompt_file",)),
}
# What changes nothing without one of others.
NEEDS = {
    "length_penalty": ("beam",),
    "include_stop": ENDING,
    "repetition_window": ("repetition_penalty",),
    "reject_copies": ("novelty",),
    "unique": ("records",),
    "novel": ("records",),
    "text_column": ("novelty",),
    "split": ("novelty",),
    "encoding": ("prompt_file", "novelty"),
    "errors": ("prompt_file", "novelty"),
}


def refuse_mixed_up(given: dict[str, Any]) -> None:
    """Refuse options that don't go together, and those that would change nothing."""
    kinds = (Reading(), SampleConfig(), SampleOptions())  # of two of a name, the last is the option
    usual = {name: getattr(kind, name) for kind in kinds for name in kind.__struct_fields__}
    # One that is given as it is anyway does no harm.
    changed = {name for name, value in given.items() if value != usual.get(name, False)}
    for name, (why, others) in EXCLUDES.items():
        if name in changed and (refused := [other for other in others if other in changed]):
            option, *options = option_names([name, *refused]).values()
            found = f"{' and '.join(options)} can't be used with {option}{why}"
            raise UsageError(found, leave_out(options))
    for name, others in NEEDS.items():
        if name in changed and changed.isdisjoint(others):
            option, *options = option_names([name, *others]).values()
            wanted = " or ".join(options)
            raise UsageError(f"{option} needs {wanted}", f"add {wanted}, or leave {option} out")
    if {"records", "novelty"} <= changed and changed.isdisjoint(("novel", "json")):
        found = "with --records, --novelty works only together with --novel or --json"
        raise UsageError(found, "give one of these, or leave it out")
    interactive = "interactive" in changed
    if str(given.get("prompt_file")) == "-" and (interactive or given.get("novelty") == "-"):
        other = "your choices" if interactive else "the text to compare with"
        raise UsageError(f"standard input can't be both the prompt and {other}", "use --prompt")
