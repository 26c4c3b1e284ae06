"""The settings of using a model: of sampling, evaluation and serving; see `config`.

Annotations are not strings here, as in `config`.
"""

import re
from typing import Annotated, Literal

from msgspec import Meta

from charrnn.config import (
    Budget,
    Count,
    ModelConfig,
    NonNegative,
    Positive,
    Rate,
    Reading,
    Size,
    TaskSettings,
    TrainConfig,
    Width,
)
from charrnn.errors import UsageError
from charrnn.settings import Settings, about, document

__all__ = ["SETTINGS", "EvalConfig", "LengthPenalty", "SampleConfig", "ServeConfig"]

Probability = Annotated[float, Meta(gt=0, le=1)]
LengthPenalty = Annotated[float, Meta(ge=-10, le=10)]  # of a beam search
HOST = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?", re.IGNORECASE)  # the name of a machine
# What browsers send: the scheme, the name or address, and the port if it is not the usual one.
ORIGIN = re.compile(
    r"\*|null|(?!http:.*:80$|https:.*:443$)"
    r"[a-z][a-z0-9+.-]*://(?:[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?|\[[0-9a-f:.]+\])(?::\d{1,5})?"
)


@document
class SampleConfig(Settings, frozen=True, kw_only=True):
    """How new text is drawn; the names are Hugging Face's.

    With `max_new_tokens=None` a text goes on until something else ends it.
    """

    max_new_tokens: Annotated[
        Count | None,
        about(
            "Number of characters to write (bytes, for a byte model), not counting the prompt; a "
            "few more if the last would be cut in half.",
            "--length",
            "-n",
            cli="0 writes until stopped, as --interactive does without it.",
        ),
    ] = 500
    temperature: Annotated[
        NonNegative | Annotated[tuple[NonNegative, ...], Meta(min_length=1)],
        about(
            "Divides the logits: below 1 is safer, above 1 wilder, 0 always takes the likeliest. "
            "Several take turns, one per character.",
            "--temperature",
            "--temp",
            "-t",
        ),
    ] = 0.8
    top_k: Annotated[
        Annotated[int, Meta(ge=1)] | None, about("Draw from the k likeliest characters only.")
    ] = None
    top_p: Annotated[
        Probability,
        about("Draw from the likeliest characters that together reach this probability."),
    ] = 1.0
    min_p: Annotated[
        float,
        Meta(ge=0, le=1),
        about("Draw from characters at least this many times as likely as the likeliest."),
    ] = 0.0
    typical_p: Annotated[
        Probability,
        about("Draw from the most typical characters that together reach this probability."),
    ] = 1.0
    repetition_penalty: Annotated[
        Positive, about("Above 1, makes what was just written less likely.")
    ] = 1.0
    repetition_window: Annotated[
        Width, about("How many of the last characters the repetition penalty looks at.")
    ] = 64
    allow: Annotated[str | None, about("Write these characters only.")] = None
    ban: Annotated[str, about("Never write these characters.")] = ""
    stop_strings: Annotated[
        tuple[Annotated[str, Meta(min_length=1)], ...],
        about("End before this text.", "--stop", cli="May be given several times."),
    ] = ()
    include_stop: Annotated[bool, about("End after the stop text instead of before it.")] = False
    max_lines: Annotated[
        Annotated[int, Meta(ge=1)] | None, about("Stop after this many lines.")
    ] = None
    clamp: Annotated[
        dict[str, float] | None,
        about(
            "Hold a unit, named LAYER.UNIT (both from 0), at a value from -1 to 1 while the model "
            "reads and writes.",
            cli="May be given several times.",
        ),
    ] = None
    seed: Annotated[
        Count | None,
        about(
            "The same seed writes the same text; each further text uses the next number.",
            unset="a new one",
            cli="Without one, charrnn picks a seed and prints it.",
        ),
    ] = None


@document
class EvalConfig(Settings, frozen=True, kw_only=True):
    """How a text is scored."""

    protocol: Annotated[
        Literal["carried", "windows"] | None,
        about(
            "Whether to carry the state through the whole text, or to start each window with an "
            "empty one. A model of records always starts each record with an empty one; leave this "
            "out for it.",
            unset="carried",
        ),
    ] = None
    window: Annotated[Width, about("Characters per window (bytes, for a byte model).")] = 256
    random_windows: Annotated[
        Size | None, about("Score this many windows at random places, instead of all.")
    ] = None
    seed: Annotated[Count, about("Seed of the random windows.")] = 0
    segment: Annotated[
        Width,
        about(
            "Dynamic evaluation: characters scored before each adaptation (bytes, for a "
            "byte model)."
        ),
    ] = 32
    rate: Annotated[
        NonNegative, about("Dynamic evaluation: how far the weights move each time.")
    ] = 7e-4
    decay: Annotated[
        Rate, about("Dynamic evaluation: how strongly the weights are drawn back each time.")
    ] = 2e-3


@document
class ServeConfig(Settings, frozen=True, kw_only=True):
    """Where models are served, to whom, and how much one request may ask for."""

    host: Annotated[
        str,
        Meta(min_length=1),
        about("Address to listen on; 0.0.0.0 lets other machines in, so set --api-key with it."),
    ] = "127.0.0.1"
    port: Annotated[
        int, Meta(ge=0, le=65535), about("Port to listen on; 0 takes any free one.")
    ] = 8765
    api_key: Annotated[
        Annotated[str, Meta(min_length=1)] | None,
        about(
            "Key that requests must send as `Authorization: Bearer KEY`, in ASCII.",
            unset="the environment's CHARRNN_API_KEY",
        ),
    ] = None
    allow_origin: Annotated[
        tuple[str, ...],
        about(
            "Let pages of this origin use the server, such as https://example.org; * for all.",
            cli="May be given several times.",
        ),
    ] = ()
    allow_host: Annotated[
        tuple[str, ...],
        about(
            "A name of this machine that requests may use, besides localhost and IP addresses.",
            cli="May be given several times.",
        ),
    ] = ()
    max_length: Annotated[
        Size, about("Maximum length of a text, and of a prompt, in characters.")
    ] = 10_000
    max_texts: Annotated[
        Annotated[int, Meta(ge=1, le=10_000)],
        about("Maximum number of texts written side by side."),
    ] = 512
    max_body: Annotated[Size, about("Maximum size of a request, in bytes.")] = 1_000_000
    max_seconds: Annotated[Positive, about("Maximum time that a request may take, in seconds.")] = (
        300.0
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        key = self.api_key or ""
        if not key.isascii() or not key.isprintable() or key != key.strip():
            # Some clients send é as one byte, others as two, and some not at all.
            found = "api_key holds what not all clients can send"
            advice = "choose letters, digits and signs of ASCII, without a blank at an end"
            raise UsageError(found, advice, "api_key")
        for origin in self.allow_origin:
            if not ORIGIN.fullmatch(origin):
                raise UsageError(
                    f"allow_origin is {origin!r}, which no browser sends",
                    "write it in small letters of ASCII, without a path, a / at its end or the "
                    "usual port, such as https://example.org or http://xn--bcher-kva.example:81",
                    "allow_origin",
                )
        for host in self.allow_host:
            if not HOST.fullmatch(host):
                raise UsageError(
                    f"allow_host is {host!r}, which is no name of a machine",
                    "write it in ASCII and without a port, such as box.example.org or "
                    "xn--bcher-kva.example; localhost and IP addresses always are allowed",
                    "allow_host",
                )


# All that a user can set.
SETTINGS: tuple[type[Settings], ...] = (
    Reading,
    Budget,
    ModelConfig,
    TrainConfig,
    TaskSettings,
    SampleConfig,
    EvalConfig,
    ServeConfig,
)
