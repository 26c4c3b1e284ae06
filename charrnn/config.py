"""The settings that a run keeps: of reading a text, of a model and of its training.

Each setting stands here once: its type, its bounds, its default where one fits every text, one
line of help and the names of its option. `settings` says what is made from that. What depends on
the text and the machine is chosen in `objectives.plans`. What using a model needs besides is in
`use_config`.

Annotations are not strings here: reading each field's from a string would take every command 3 ms.
"""

import codecs
from typing import Annotated, Literal, Self

import msgspec
from msgspec import Meta

from charrnn.errors import UsageError
from charrnn.settings import Settings, about, document
from charrnn.words import together

__all__ = [
    "HUB",
    "MAX_STEPS",
    "MUON_ROWS",
    "STANDARD_INPUT",
    "Budget",
    "BudgetName",
    "CellName",
    "Correction",
    "Count",
    "EngineName",
    "ModelConfig",
    "NonNegative",
    "OptimizerName",
    "Positive",
    "Rate",
    "Reading",
    "Size",
    "TaskName",
    "TaskSettings",
    "Threads",
    "TrainConfig",
    "Unknown",
    "Width",
]

CellName = Literal["rnn", "lstm", "gru"]
DeviceName = Literal["auto", "cpu", "cuda", "mps"]
BudgetName = Literal["minutes", "epochs", "steps"]
ProductPrecision = Literal["fp32", "bf16"]  # of matrix products
Precision = Literal["auto", ProductPrecision]
OptimizerName = Literal["adamw", "muon"]
# "tiles" is no more, but earlier runs have recorded it: AMX with threads that divided the units.
EngineName = Literal["auto", "kernels", "tiles", "lane_tiles", "persistent", "torch", "loops"]
TaskName = Literal["classify", "tag", "forecast", "translate"]
Unknown = Literal["error", "skip", "replace"]  # what to do with characters a model does not know

HUB = "hf://"  # how the names of models and data sets on the Hugging Face hub begin
STANDARD_INPUT = "-"  # its name among sources
MAX_STEPS = 1_000_000_000  # updates of a run
MUON_ROWS = 64  # of a matrix, which Muon changes together
Size = Annotated[int, Meta(ge=1, le=MAX_STEPS)]
Width = Annotated[int, Meta(ge=1, le=1_000_000)]
Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Rate = Annotated[float, Meta(ge=0, lt=1)]
Positive = Annotated[float, Meta(gt=0)]
NonNegative = Annotated[float, Meta(ge=0)]

BY_TEXT = "chosen for the text"


@document
class Reading(Settings, frozen=True):
    """How bytes become text."""

    encoding: Annotated[str, about("Encoding of text files and standard input.")] = "utf-8"
    errors: Annotated[
        Literal["strict", "replace", "surrogateescape"],
        about(
            "What to do with bytes that are not in that encoding: refuse the text, put U+FFFD in "
            "their place, or keep them for a byte tokenizer."
        ),
    ] = "strict"
    text_column: Annotated[
        str | None,
        about(
            "Column of a table or data set that holds the text, for translations the source; dots "
            "lead deeper into records.",
            unset="text, for translations source",
        ),
    ] = None
    split: Annotated[str, about("Split of a data set from the Hugging Face hub.")] = "train"
    reverse: Annotated[
        bool,
        about(
            "Read from the end to the beginning. Such a language model can start the stack of a "
            "classifier, tagger or translator that reads backwards.",
            "--reverse",
        ),
    ] = False
    records: Annotated[
        Annotated[str, Meta(min_length=1)],
        about(
            "How the text divides into records: none (one story), lines, blocks (with blank "
            "lines between them), documents (rows or files), a separator such as %, or ^Title: "
            "for lines that begin a record. auto decides by the text."
        ),
    ] = "auto"

    def __post_init__(self) -> None:
        super().__post_init__()
        try:
            "".encode(self.encoding)
            codecs.getincrementaldecoder(self.encoding)
            if codecs.lookup(self.encoding).name in ("idna", "punycode"):
                raise LookupError("an encoding of names of hosts, not of texts")
        except (LookupError, ValueError):  # the latter for "undefined", which Python does know
            advice = "name one that Python knows: utf-8, latin-1, cp1252, …"
            raise UsageError(f"there is no encoding {self.encoding!r}", advice) from None

    @property
    def keeps_bytes(self) -> bool:
        """Whether bytes that are not in the encoding are learnt as they are."""
        return self.errors == "surrogateescape"

    def for_tokens(self, kind: str) -> Self:
        """Keep every byte if the tokens are bytes, rather than refuse some."""
        if kind == "byte" and self.errors == "strict":
            return msgspec.structs.replace(self, errors="surrogateescape")
        return self


@document
class Budget(Settings, frozen=True):
    """How long to train: minutes (three if nothing is given), epochs, or steps.

    Minutes given beside steps are what sizes and settings are chosen for. The number of updates
    is corrected for minutes alone, never for epochs or steps.

    Raises:
        UsageError: if epochs and another are given, or one is not positive.
    """

    minutes: Annotated[
        Annotated[float, Meta(gt=0, le=1_000_000)] | None,
        about("Minutes to train; sizes and settings are chosen to fit.", unset="3"),
    ] = None
    epochs: Annotated[
        Annotated[float, Meta(gt=0, le=MAX_STEPS)] | None,
        about("Passes over the training text, instead of minutes."),
    ] = None
    steps: Annotated[
        Size | None,
        about("Number of updates; minutes given as well only choose the sizes and settings."),
    ] = None

    def __post_init__(self) -> None:
        super().__post_init__()
        given = [name for name in self.__struct_fields__ if getattr(self, name) is not None]
        if self.epochs is not None and len(given) > 1:
            raise UsageError(together(given), "give only one of them")
        if self.minutes is None and self.epochs is None:
            msgspec.structs.force_setattr(self, "minutes", 3.0)

    @property
    def kind(self) -> BudgetName:
        """What ends a run, and by which another becomes longer."""
        if self.steps is not None:
            return "steps"
        return "epochs" if self.epochs is not None else "minutes"

    @property
    def kept_minutes(self) -> float | None:
        """The minutes that a run keeps to; None if its number of updates is given."""
        return self.minutes if self.steps is None else None


@document
class ModelConfig(Settings, frozen=True, kw_only=True):
    """The shape of a network."""

    cell: Annotated[
        CellName,
        about(
            "Recurrent cell of every layer.",
            "--model",
            unset="lstm, but gru to classify, tag and forecast",
        ),
    ]
    vocab_size: Annotated[
        int, Meta(ge=1, le=0x110000), about("Number of different tokens (V).", derived=True)
    ]
    embed_size: Annotated[
        Width,
        about(
            "Width of the embedding (E).",
            unset="64, but a forecaster's is as wide as its layers",
        ),
    ]
    hidden_size: Annotated[
        Width,
        about("Width of each recurrent layer (H).", "--rnn-size", "--hidden-size", unset=BY_TEXT),
    ]
    num_layers: Annotated[
        int,
        Meta(ge=1, le=1_000),
        about("Number of stacked recurrent layers (L).", unset="2, but 1 for other tasks"),
    ]
    dropout: Annotated[
        Rate, about("Fraction of each layer's outputs to drop in training.", unset=BY_TEXT)
    ] = 0.0
    weight_dropout: Annotated[
        Rate, about("Fraction of the recurrent weights to drop in training.", unset=BY_TEXT)
    ] = 0.0
    skip: Annotated[
        bool,
        about(
            "Add each layer's input to its output where their widths are equal.",
            "--skip/--no-skip",
            unset="yes, but no for a forecaster",
        ),
    ] = False
    bidirectional: Annotated[
        bool, about("Read backwards too; not possible for a language model.", derived=True)
    ] = False


class Correction(Settings, frozen=True, kw_only=True):
    """A change of the number of updates while a run went on, to keep to its minutes.

    Attributes:
        step: updates that had been made.
        planned: updates in all that were planned until then.
        seconds: of the run that had passed.
    """

    step: Count
    planned: Size
    seconds: NonNegative


class Threads(Settings, frozen=True, kw_only=True):
    """A change of the number of threads while a run went on, to share the processors.

    Attributes:
        step: updates that had been made.
        count: threads that compute the updates after it.
    """

    step: Count
    count: Size


@document
class TrainConfig(Settings, frozen=True, kw_only=True):
    """How a network is trained, fully resolved: two runs with equal settings are equal."""

    batch_size: Annotated[
        Size,
        about("Number of lanes of text, or of examples, read side by side (B).", unset=BY_TEXT),
    ]
    seq_length: Annotated[
        Size,
        about(
            "Time steps per update (T): how far back gradients reach. For other tasks, the most "
            "characters of a text that are read (config.json adds 2, for its ends), or the number "
            "of values that a forecaster reads.",
            unset=BY_TEXT,
        ),
    ]
    steps: Annotated[Size, about("Number of updates.", derived=True)]
    learning_rate: Annotated[
        Positive,
        about("Peak learning rate, after the warm-up.", "--learning-rate", "--lr", unset=BY_TEXT),
    ]
    warmup_steps: Annotated[
        Count,
        about(
            "Number of updates over which the learning rate rises from zero.",
            unset="a tenth of the updates, at most 200",
        ),
    ]
    weight_decay: Annotated[
        NonNegative,
        about(
            "Weight decay, on weight matrices.",
            unset="0.05, to forecast 0.5; for language models with Muon up to 0.15, in runs of few "
            "updates",
        ),
    ]
    grad_clip: Annotated[Positive, about("Maximum norm of the gradient.")] = 1.0
    val_frac: Annotated[
        float,
        Meta(gt=0, lt=1),
        about(
            "Fraction to keep for validation: the end of a text (with --reverse, its "
            "beginning), records from all over a list.",
            unset="0.1, but at most 500,000 characters; to forecast, at least one horizon",
        ),
    ]
    eval_every: Annotated[
        Size, about("Updates between two evaluations.", unset="chosen for the number of updates")
    ]
    patience: Annotated[
        Size,
        about(
            "Evaluations without a better validation loss before training stops.",
            unset="a quarter of the evaluations, at least 3; to classify, tag, forecast none",
        ),
    ]
    seed: Annotated[
        Count,
        about(
            "Seed of weights, lanes and dropout, and of which records or examples validate; equal "
            "seeds train equal models if they are computed alike, as --repeat sees to."
        ),
    ] = 0
    device: Annotated[DeviceName, about("Where to train.")] = "auto"
    precision: Annotated[
        Precision,
        about("Number format of matrix products; weights and losses are always fp32."),
    ] = "auto"
    engine: Annotated[
        EngineName,
        about(
            "What computes the recurrent layers: machine code, machine code with tiles (AMX), one "
            "kernel of a GPU for all steps, PyTorch's own layers, or a loop over its operations. A "
            "trial finds the fastest; tiles is of earlier runs, which go on with another.",
            derived=True,
        ),
    ] = "auto"
    optimizer: Annotated[
        OptimizerName,
        about(
            "What changes hidden matrices, by which recurrent layers multiply units; AdamW changes "
            "all other weights.",
            derived=True,
        ),
    ] = "adamw"

    keep_classes: Annotated[
        bool,
        about(
            "Whether each class keeps a text to train on; in older runs it may not.",
            derived=True,
        ),
    ] = False
    rules: Annotated[  # which say for newer runs what `keep_classes`, which is older, says for one
        int,
        Meta(ge=1, le=4),
        about(
            "Version of the rules by which examples are trained on, counted and validated.",
            derived=True,
        ),
    ] = 1
    base_weights: Annotated[
        str | None,
        about(
            "SHA-256 of the weights that training started from, if they were another model's.",
            derived=True,
        ),
    ] = None
    corrections: Annotated[
        tuple[Correction, ...],
        about("How the number of updates was corrected while training.", derived=True),
    ] = ()
    threads: Annotated[
        tuple[Threads, ...],
        about("How the number of threads was changed while training.", derived=True),
    ] = ()

    def training_tokens(self, tokens: int) -> int:
        """How many of a corpus's tokens are for training; the rest, its end, is for validation.

        If the user did not give a validation set: `ModelRecord.training_tokens` looks at that, too.
        """
        return tokens - round(tokens * self.val_frac)


@document
class TaskSettings(Settings, frozen=True, kw_only=True):
    """What to learn, if not a language model."""

    task: Annotated[
        TaskName | None,
        about(
            "Learn to label texts, to find names in them, to forecast numbers or to translate.",
            unset="a language model",
        ),
    ] = None
    label_column: Annotated[
        str | None,
        about(
            "Column that holds the label, the translation or the value to forecast.",
            unset="label, target or y",
        ),
    ] = None
    horizon: Annotated[
        Size | None,
        about(
            "Forecast: number of values to predict at once.",
            unset="the season, or without one a tenth of the longest series, at most 48",
        ),
    ] = None
    season: Annotated[
        Size | None,
        about("Forecast: number of steps after which a series repeats itself.", unset="none"),
    ] = None
