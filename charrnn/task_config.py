"""What a model folder says of work other than language modelling."""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Meta

from charrnn.config import Size, TaskName, TaskSettings
from charrnn.settings import Settings

__all__ = ["SCORES", "Classify", "Forecast", "Tag", "TaskRecord", "Translate"]

# What the score of an evaluation measures.
SCORES: dict[TaskName, str] = {
    "classify": "accuracy",
    "tag": "F1",
    "forecast": "MASE",
    "translate": "character error rate",
}


Quantile = Annotated[float, Meta(gt=0, lt=1)]


class _Record(
    Settings,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    tag_field="name",
):
    """What a model folder says of its task.

    Attributes:
        text_column, label_column: of the table it was trained on, as the user named them.
    """

    text_column: str | None = None
    label_column: str | None = None

    @property
    def name(self) -> TaskName:
        """As `--task` names it."""
        name: TaskName = self.__struct_config__.tag  # type: ignore[assignment]
        return name

    @property
    def settings(self) -> TaskSettings:
        """What the user chose."""
        names = TaskSettings.__struct_fields__
        own = {name: getattr(self, name) for name in names if name in self.__struct_fields__}
        return TaskSettings(**own | {"task": self.name})


class Classify(_Record, frozen=True, kw_only=True, tag="classify"):
    """A class for each text.

    Attributes:
        classes: K, how many there are; `labels.json` names them.
        grams: N, rows of the table of n-grams, a power of two; see `tasks.nets.grams`. Older models
            have none.
    """

    classes: Size
    grams: Annotated[int, Meta(ge=0, le=1 << 24)] = 0


class Tag(_Record, frozen=True, kw_only=True, tag="tag"):
    """A tag for each word.

    Attributes:
        tags: K, how many there are; `labels.json` names them.
        in_parts: whether the score of a tag is the sum of those of its parts: O, or B or I and a
            type. In older models each tag has one of its own.
        grams: N, rows of the table of n-grams, as in `Classify`.
        rules: of how texts are divided into words, and words joined; see `examples.tags`. Since 2,
            the punctuation of all scripts stands apart from a word, before it that of a few; since
            3, words of writing without spaces are joined without.
    """

    tags: Size
    in_parts: bool = False
    grams: Annotated[int, Meta(ge=0, le=1 << 24)] = 0
    rules: Annotated[int, Meta(ge=1, le=3)] = 1

    @property
    def division(self) -> int:
        """The rules by which texts are divided: the newest do that as those before."""
        return min(self.rules, 2)

    @property
    def types(self) -> int:
        """How many types of spans there are."""
        return (self.tags - 1) // 2

    @property
    def outputs(self) -> int:
        """P, how many scores the last layer gives a word."""
        return 3 + self.types if self.in_parts else self.tags


class Forecast(_Record, frozen=True, kw_only=True, tag="forecast"):
    """What comes next in a series of numbers.

    Attributes:
        horizon: values that are predicted at once.
        season: steps after which a series repeats itself; 1 for none.
        window: values that are read; whole seasons.
        features: columns that are read beside the value.
        smoothing: how much the last season counts in the one that goes on, from 0, the mean of
            all, to 1, the last one alone; each before it counts 1 - smoothing times as much as the
            next.
        drift: whether that goes on with the mean change of a season.
        rules: of how series become windows. Since 2, windows of like length stand side by side in
            training, and one in which nothing varies is measured by its series, no longer by 1.
        quantiles: that are predicted of each: the band's lower end, the forecast, the upper end.
    """

    horizon: Size
    season: Size = 1
    window: Size
    features: tuple[str, ...] = ()
    smoothing: Annotated[float, Meta(ge=0, le=1)] = 1.0
    drift: bool = True
    rules: Annotated[int, Meta(ge=1, le=2)] = 1
    quantiles: tuple[Quantile, Quantile, Quantile] = (0.1, 0.5, 0.9)

    @property
    def inputs(self) -> int:
        """I, how many numbers a step reads: a season of the value and of each feature."""
        return self.season * (1 + len(self.features))


class Translate(_Record, frozen=True, kw_only=True, tag="translate"):
    """A text for each text.

    Attributes:
        reach: R, how far a move of the attention goes at most, in tokens of the source.
        longest_source, longest_target: tokens of the longest of the corpus, each with its end; they
            limit how long an answer may become.
        translated: validation pairs that are translated at an evaluation, greedily: the score in a
            run's metrics is of these.
    """

    translated: ClassVar[int] = 300

    reach: Annotated[int, Meta(ge=1, le=1_000)] = 4
    longest_source: Size
    longest_target: Size


TaskRecord = Classify | Tag | Forecast | Translate
