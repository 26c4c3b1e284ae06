"""charrnn: small recurrent language models of your own text.

    run = charrnn.train("book.txt", minutes=3)    # prepared; nothing is in its folder yet
    model = run.finish()                          # trains, with a progress bar

    model = charrnn.load("checkpoints/book")      # NumPy alone; no PyTorch is imported
    print(model.generate("It was", temperature=0.8))

Names are loaded when they are first used, so that importing charrnn costs nothing.
"""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from charrnn import inside as inside
    from charrnn.config import Budget as Budget
    from charrnn.config import ModelConfig as ModelConfig
    from charrnn.config import Reading as Reading
    from charrnn.config import TrainConfig as TrainConfig
    from charrnn.errors import BadDataError as BadDataError
    from charrnn.errors import CannotCreateError as CannotCreateError
    from charrnn.errors import CharRNNError as CharRNNError
    from charrnn.errors import LockedError as LockedError
    from charrnn.errors import MissingInputError as MissingInputError
    from charrnn.errors import ReadWriteError as ReadWriteError
    from charrnn.errors import UsageError as UsageError
    from charrnn.evaluation.losses import evaluate as evaluate
    from charrnn.folder.record import Evaluation as Evaluation
    from charrnn.models.mixture import Mixture as Mixture
    from charrnn.models.model import Model as Model
    from charrnn.network.char_rnn import CharRNN as CharRNN
    from charrnn.sampling.beams import Beam as Beam
    from charrnn.sampling.generation import Sample as Sample
    from charrnn.scoring.novelty import Copies as Copies
    from charrnn.scoring.novelty import Novelty as Novelty
    from charrnn.scoring.score import Score as Score
    from charrnn.tasks.answers import Forecast as Forecast
    from charrnn.tasks.answers import Label as Label
    from charrnn.tasks.answers import MarkedText as MarkedText
    from charrnn.tasks.answers import Span as Span
    from charrnn.tasks.answers import Translation as Translation
    from charrnn.tasks.classify import Classifier as Classifier
    from charrnn.tasks.forecast import Forecaster as Forecaster
    from charrnn.tasks.loading import load as load
    from charrnn.tasks.scores.reports import Report as Report
    from charrnn.tasks.tag import Tagger as Tagger
    from charrnn.tasks.translate import Translator as Translator
    from charrnn.text.corpus import Corpus as Corpus
    from charrnn.text.corpus import read_corpus as read_corpus
    from charrnn.text.spool import read_records as read_records
    from charrnn.text.tokenizer import ByteTokenizer as ByteTokenizer
    from charrnn.text.tokenizer import CharTokenizer as CharTokenizer
    from charrnn.training.events import Corrected as Corrected
    from charrnn.training.events import Evaluated as Evaluated
    from charrnn.training.events import Event as Event
    from charrnn.training.events import Finished as Finished
    from charrnn.training.events import Progress as Progress
    from charrnn.training.events import Reporting as Reporting
    from charrnn.training.events import Started as Started
    from charrnn.training.run import Run as Run
    from charrnn.training.run import resume as resume
    from charrnn.training.run import train as train
    from charrnn.use_config import EvalConfig as EvalConfig
    from charrnn.use_config import SampleConfig as SampleConfig

# Where each public name is found. The imports above say the same to type checkers.
_MODULES = {
    "config": ("Budget", "ModelConfig", "Reading", "TrainConfig"),
    "errors": (
        *("BadDataError", "CannotCreateError", "CharRNNError", "LockedError"),
        *("MissingInputError", "ReadWriteError", "UsageError"),
    ),
    "evaluation.losses": ("evaluate",),
    "folder.record": ("Evaluation",),
    "models.mixture": ("Mixture",),
    "models.model": ("Model",),
    "network.char_rnn": ("CharRNN",),
    "sampling.beams": ("Beam",),
    "sampling.generation": ("Sample",),
    "scoring.novelty": ("Copies", "Novelty"),
    "scoring.score": ("Score",),
    "tasks.answers": ("Forecast", "Label", "MarkedText", "Span", "Translation"),
    "tasks.classify": ("Classifier",),
    "tasks.forecast": ("Forecaster",),
    "tasks.loading": ("load",),
    "tasks.scores.reports": ("Report",),
    "tasks.tag": ("Tagger",),
    "tasks.translate": ("Translator",),
    "text.corpus": ("Corpus", "read_corpus"),
    "text.spool": ("read_records",),
    "text.tokenizer": ("ByteTokenizer", "CharTokenizer"),
    "training.events": (
        "Corrected",
        "Evaluated",
        "Event",
        "Finished",
        "Progress",
        "Reporting",
        "Started",
    ),
    "training.run": ("Run", "resume", "train"),
    "use_config": ("EvalConfig", "SampleConfig"),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}
_ROOMS = ("inside",)  # rooms that hand out their functions themselves
__all__ = sorted([*_HOMES, *_ROOMS])


if not TYPE_CHECKING:  # else no misspelt name would be an error

    def __getattr__(name: str) -> Any:
        if name in _ROOMS:
            return importlib.import_module(f"charrnn.{name}")
        if name not in _HOMES:
            raise AttributeError(f"module 'charrnn' has no attribute {name!r}")
        value = getattr(importlib.import_module(f"charrnn.{_HOMES[name]}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    own = {name for name in globals() if name.startswith("__")}
    return sorted(own.union(__all__))
