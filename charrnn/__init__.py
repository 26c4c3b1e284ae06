"""charrnn: small recurrent language models of your own text.

    model = charrnn.load("checkpoints/scenes")    # NumPy alone; no PyTorch is imported
    print(model.generate("MARROW:", temperature=0.8))

Names are loaded when they are first used, so that importing charrnn costs nothing.
"""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from charrnn.config import EvalConfig, ModelConfig, SampleConfig, TrainConfig
    from charrnn.corpus import Corpus, read_corpus
    from charrnn.decoding import Reading
    from charrnn.errors import CharRNNError
    from charrnn.evaluation import evaluate
    from charrnn.events import Evaluated, Evaluation, Event, Finished, Progress, Started
    from charrnn.mixture import Mixture
    from charrnn.network import CharRNN
    from charrnn.runtime import Model, load
    from charrnn.sampling import Sample
    from charrnn.scoring import Score
    from charrnn.tokenizer import ByteTokenizer, CharTokenizer
    from charrnn.training import resume, train

_HOMES = {
    "ByteTokenizer": "tokenizer",
    "CharRNN": "network",
    "CharRNNError": "errors",
    "CharTokenizer": "tokenizer",
    "Corpus": "corpus",
    "Evaluated": "events",
    "Evaluation": "events",
    "Event": "events",
    "Finished": "events",
    "EvalConfig": "config",
    "Mixture": "mixture",
    "Model": "runtime",
    "ModelConfig": "config",
    "Progress": "events",
    "Reading": "decoding",
    "Sample": "sampling",
    "SampleConfig": "config",
    "Score": "scoring",
    "Started": "events",
    "TrainConfig": "config",
    "evaluate": "evaluation",
    "load": "runtime",
    "read_corpus": "corpus",
    "resume": "training",
    "train": "training",
}

__all__ = [
    "ByteTokenizer",
    "CharRNN",
    "CharRNNError",
    "CharTokenizer",
    "Corpus",
    "EvalConfig",
    "Evaluated",
    "Evaluation",
    "Event",
    "Finished",
    "Mixture",
    "Model",
    "ModelConfig",
    "Progress",
    "Reading",
    "Sample",
    "SampleConfig",
    "Score",
    "Started",
    "TrainConfig",
    "evaluate",
    "load",
    "read_corpus",
    "resume",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'charrnn' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"charrnn.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
