"""The settings of a model, of its training and of sampling, with their bounds.

Each setting stands here once: its name, its bounds, its default where one fits every corpus.
Those that depend on the corpus and the machine are chosen in `planning`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

import msgspec
from msgspec import Meta

from charrnn.errors import UsageError

__all__ = [
    "CellName",
    "EvalConfig",
    "ModelConfig",
    "SampleConfig",
    "Settings",
    "TrainConfig",
    "check",
    "refuse_bidirectional",
    "settings_from",
]

CellName = Literal["rnn", "lstm", "gru"]
DeviceName = Literal["auto", "cpu", "cuda", "mps"]
Precision = Literal["auto", "fp32", "bf16"]

Size = Annotated[int, Meta(ge=1, le=1_000_000_000)]
Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Probability = Annotated[float, Meta(gt=0, le=1)]
Rate = Annotated[float, Meta(ge=0, lt=1)]
Positive = Annotated[float, Meta(gt=0)]
NonNegative = Annotated[float, Meta(ge=0)]


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of the settings: bounds hold however one is made, and JSON is strict.

    Raises:
        UsageError: if a value is outside its bounds; names the setting and the bounds.
    """

    def __post_init__(self) -> None:
        check(type(self), {name: getattr(self, name) for name in self.__struct_fields__})


def check(kind: type[Settings], values: Mapping[str, Any]) -> None:
    """Hold values against the bounds that the settings of `kind` have.

    Raises:
        UsageError: for the first that is out of bounds; names the setting and the bounds.
    """
    for field in msgspec.structs.fields(kind):
        if field.name not in values:
            continue
        value = values[field.name]
        try:
            msgspec.convert(value, field.type)
        except msgspec.ValidationError as error:
            raise UsageError(f"{field.name} is {value!r}", _expected(field.type, error)) from None
        numbers = value if isinstance(value, tuple) else (value,)
        if any(isinstance(n, float) and not math.isfinite(n) for n in numbers):
            raise UsageError(f"{field.name} is {value!r}", "expected a finite number")


def _expected(kind: Any, error: msgspec.ValidationError) -> str:
    if get_origin(kind) is Literal:
        return f"choose from {', '.join(get_args(kind))}"
    text = str(error).partition(" - at ")[0].replace("`", "")
    return text[0].lower() + text[1:]


class ModelConfig(Settings, frozen=True, kw_only=True):
    """The shape of a network.

    Attributes:
        cell: the recurrent cell of every layer.
        vocab_size: V, how many different token ids there are.
        embed_size: E, the width of the embedding.
        hidden_size: H, the width of each recurrent layer.
        num_layers: L, how many recurrent layers are stacked.
        dropout: the share of each layer's outputs that is dropped while training.
        weight_dropout: the share of its recurrent weights.
        skip: whether each layer whose input is as wide as its output adds its input to it.
        bidirectional: whether each layer also reads backwards; not for a language model.
    """

    cell: CellName
    vocab_size: Annotated[int, Meta(ge=1, le=0x110000)]
    embed_size: Annotated[int, Meta(ge=1, le=1_000_000)]
    hidden_size: Annotated[int, Meta(ge=1, le=1_000_000)]
    num_layers: Annotated[int, Meta(ge=1, le=1_000)]
    dropout: Rate = 0.0
    weight_dropout: Rate = 0.0
    skip: bool = False
    bidirectional: bool = False


class TrainConfig(Settings, frozen=True, kw_only=True):
    """How a network is trained, fully resolved: two runs with equal settings are equal.

    Attributes:
        batch_size: B, lanes read side by side.
        seq_length: T, time steps between two updates (truncated back-propagation).
        steps: how many updates the run makes.
        learning_rate: the peak, after the warm-up.
        warmup_steps: updates over which the rate rises from zero to its peak.
        weight_decay: AdamW's, on weight matrices.
        grad_clip: the largest norm a gradient may have.
        val_frac: the last part of the text, kept for validation.
        eval_every: updates between two evaluations.
        patience: evaluations without a better loss after which training stops.
        seed: of the weights, the lanes and the dropout.
        device: where the network is trained.
        precision: of the products in training; weights and loss are always fp32.
    """

    batch_size: Size
    seq_length: Size
    steps: Size
    learning_rate: Positive
    warmup_steps: Count
    weight_decay: NonNegative
    grad_clip: Positive = 1.0
    val_frac: Annotated[float, Meta(gt=0, lt=1)]
    eval_every: Size
    patience: Size
    seed: Count = 0
    device: DeviceName = "auto"
    precision: Precision = "auto"

    def training_tokens(self, tokens: int) -> int:
        """How many of a corpus's tokens are for training; the rest, its end, is for validation."""
        return tokens - round(tokens * self.val_frac)


class SampleConfig(Settings, frozen=True, kw_only=True):
    """How new text is drawn; the names are Hugging Face's.

    Attributes:
        max_new_tokens: how many tokens to draw, the prompt not counted; None for no end.
        temperature: divides the logits; below 1 is safer, above 1 wilder, 0 takes the likeliest.
            Several are taken in turn, one a token, round and round.
        top_k: draw only among the k likeliest; None for all.
        top_p: draw only among the likeliest that together reach this probability.
        min_p: draw only what is at least so many times as likely as the likeliest.
        typical_p: draw only among the most typical that together reach this probability.
        repetition_penalty: above 1, what stands in the window becomes less likely.
        repetition_window: how many of the last tokens the penalty looks at.
        allow: draw only these characters; None for all.
        ban: never draw these characters.
        stop_strings: the text ends before the first of these to appear.
        include_stop: whether it ends after it instead.
        max_lines: the text ends before the end of this line; None for no limit.
        seed: equal seeds draw equal texts; None draws a new one.
    """

    max_new_tokens: Count | None = 500
    temperature: NonNegative | Annotated[tuple[NonNegative, ...], Meta(min_length=1)] = 0.8
    top_k: Annotated[int, Meta(ge=1)] | None = None
    top_p: Probability = 1.0
    min_p: Annotated[float, Meta(ge=0, le=1)] = 0.0
    typical_p: Probability = 1.0
    repetition_penalty: Positive = 1.0
    repetition_window: Annotated[int, Meta(ge=1, le=1_000_000)] = 64
    allow: str | None = None
    ban: str = ""
    stop_strings: tuple[Annotated[str, Meta(min_length=1)], ...] = ()
    include_stop: bool = False
    max_lines: Annotated[int, Meta(ge=1)] | None = None
    seed: Count | None = None


class EvalConfig(Settings, frozen=True, kw_only=True):
    """How a text is scored.

    Attributes:
        protocol: whether the state is carried from the first character to the last, or starts
            empty in each window.
        window: tokens of a window.
        random_windows: how many windows, at random places; None for all, side by side.
        seed: of where random windows are.
        segment: dynamic evaluation: tokens scored before each adaptation to them.
        rate: dynamic evaluation: how far the weights go for a gradient of the usual size.
        decay: dynamic evaluation: how strongly they are drawn back to where training left them.
    """

    protocol: Literal["carried", "windows"] = "carried"
    window: Annotated[int, Meta(ge=1, le=1_000_000)] = 256
    random_windows: Size | None = None
    seed: Count = 0
    segment: Annotated[int, Meta(ge=1, le=1_000_000)] = 32
    rate: NonNegative = 7e-4
    decay: Rate = 2e-3


AnySettings = TypeVar("AnySettings", bound=Settings)


def settings_from(kind: type[AnySettings], values: Mapping[str, Any]) -> AnySettings:
    """`kind(**values)`, with unknown names refused as the user's mistake.

    Raises:
        UsageError: for a name that `kind` lacks, or a value out of bounds.
    """
    known = [field.name for field in msgspec.structs.fields(kind)]
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise UsageError(f"unknown setting {', '.join(unknown)}", f"choose from {', '.join(known)}")
    return kind(**values)


def refuse_bidirectional(config: ModelConfig) -> None:
    """A language model reads forward only.

    Raises:
        UsageError: if `config` is of a network that reads backwards too.
    """
    if config.bidirectional:
        found = "a bidirectional network has read the characters it should predict"
        raise UsageError(found, "a language model needs bidirectional=False")
