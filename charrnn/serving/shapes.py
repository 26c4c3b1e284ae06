"""What the API takes: OpenAI's shape of a completion, and texts to be scored.

What is not given has charrnn's default. A field that is unknown, or would be ignored
though it asks for something, is refused by its name.
"""

from __future__ import annotations

import json
import re
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from charrnn.config import Count, NonNegative, Unknown
from charrnn.serving.limits import ApiError

__all__ = ["CompletionRequest", "ScoreRequest", "decode"]

# Fields that clients send with the value that changes nothing.
Zero = Annotated[float, Meta(ge=0, le=0)]
# Each is looked for in each text at each token, and all clients wait for it.
StopString = Annotated[str, Meta(min_length=1, max_length=1000)]
One = Annotated[int, Meta(ge=1, le=1)]


class StreamOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`include_usage`: whether a last event counts the tokens."""

    include_usage: bool = False


class CompletionRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /v1/completions`.

    Attributes:
        model: its name; None for the first that is served.
        prompt: one text to go on from, or several.
        max_tokens, temperature, top_p, top_k: as in `SampleConfig`, whose bounds theirs are
            within; None for its default.
        n: texts for each prompt; the seeds of texts 2, 3, … are the next numbers.
        stream: whether pieces are sent as they are written.
        stop: where a text ends.
        seed: None for one that nobody chose; the answer names it.
        logprobs: None, or how many of the likeliest tokens are listed for each place.
        echo: whether the prompt is repeated.
        unknown: what to do with characters of the prompt that the model does not know.
    """

    model: str | None = None
    prompt: str | Annotated[list[str], Meta(min_length=1)] = ""
    max_tokens: Count | None = None
    temperature: NonNegative | None = None
    top_p: Annotated[float, Meta(gt=0, le=1)] | None = None
    top_k: Annotated[int, Meta(ge=1)] | None = None
    n: Annotated[int, Meta(ge=1)] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    stop: StopString | Annotated[list[StopString], Meta(max_length=16)] | None = None
    seed: Count | None = None
    logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    echo: bool | None = None
    unknown: Unknown = "error"

    user: str | None = None
    best_of: One | None = None
    suffix: None = None
    presence_penalty: Zero | None = None
    frequency_penalty: Zero | None = None
    logit_bias: Annotated[dict[str, float], Meta(max_length=0)] | None = None

    @property
    def prompts(self) -> list[str]:
        """All prompts."""
        return [self.prompt] if isinstance(self.prompt, str) else self.prompt

    def settings(self) -> dict[str, Any]:
        """The settings of `SampleConfig` that are given."""
        stops = (self.stop,) if isinstance(self.stop, str) else self.stop
        found = {
            "max_new_tokens": self.max_tokens,
            "temperature": self.temperature,
            "top_p": self.top_p,
            "top_k": self.top_k,
            "stop_strings": None if stops is None else tuple(stops),
        }
        return {name: value for name, value in found.items() if value is not None}


class ScoreRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /v1/score`.

    Attributes:
        text: what the model reads.
        model: its name; None for the first that is served.
        unknown: what to do with characters that the model does not know.
    """

    text: Annotated[str, Meta(min_length=1)]
    model: str | None = None
    unknown: Unknown = "error"


Request = TypeVar("Request", CompletionRequest, ScoreRequest)


def decode(body: bytes, kind: type[Request]) -> Request:
    """The request that a body holds.

    Raises:
        ApiError: 400 if it is not JSON, 422 if a field is wrong; names the field.
    """
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        reason, _, path = str(error).partition(" - at `$")
        field = path.rstrip("`").lstrip(".")
        if named := re.search(r"(unknown|required) field `(\w+)`", reason):
            field = f"{field}.{named[2]}" if field else named[2]
            reason = "there is no such field" if named[1] == "unknown" else "it must be given"
        found = f"{field}: {reason}" if field else reason
        raise ApiError(422, found.replace("`", ""), param=field or None) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        found = f"the body is not JSON: {error}"
        if _has_half_a_character(body):  # as JavaScript sends where it has cut a text
            found = "the body holds half a character (a lone surrogate); send both halves, or none"
        raise ApiError(400, found, code="invalid_json") from None


def _has_half_a_character(body: bytes) -> bool:
    """Whether a text has a surrogate without its other half, which Python's parser takes."""
    try:
        text = json.dumps(json.loads(body), ensure_ascii=False)
    except (ValueError, RecursionError):
        return False
    return any("\ud800" <= character <= "\udfff" for character in text)
