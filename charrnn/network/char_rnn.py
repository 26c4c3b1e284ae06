"""The language model in PyTorch: embedding → recurrent stack → head.

logits, state = model(ids, state)    # (B, T) → (B, T, V)
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec
import numpy as np
import torch
from torch import Tensor

import charrnn
from charrnn.arguments import checked
from charrnn.array_checks import checked_ids, checked_weights
from charrnn.arrays import Floats, Weights
from charrnn.cells.heads import shapes_of
from charrnn.cells.layout import refuse_bidirectional
from charrnn.cells.rules import State
from charrnn.config import ModelConfig
from charrnn.errors import UsageError
from charrnn.folder.files import create_folder, write_files
from charrnn.folder.reading import find_model, read_model
from charrnn.folder.record import CorpusRecord, ModelFolder, ModelRecord, model_files
from charrnn.network.base import Network
from charrnn.network.modes import own_modes
from charrnn.network.modules import Embedding, Linear, undrawn
from charrnn.network.stack.recurrent import Recurrent
from charrnn.text.tokenizer import Tokenizer

__all__ = ["CharRNN"]

READ = torch.int64, torch.int32  # which PyTorch's tables read
INTEGERS = (*READ, torch.int16, torch.int8, torch.uint8, torch.uint16, torch.uint32, torch.uint64)


class CharRNN(Network):
    """A character-level recurrent language model, in float32.

    Args:
        config: the shape of the network.
        generator: of the first weights; None for PyTorch's own.

    Raises:
        UsageError: if `config` is bidirectional.

    Attributes:
        corpus: what charrnn trained it on, and in which direction; None for a network that was not
            read from such a folder.
    """

    @checked
    def __init__(self, config: ModelConfig, generator: torch.Generator | None = None) -> None:
        super().__init__()
        refuse_bidirectional(config)
        self.config = config
        self.corpus: CorpusRecord | None = None
        self.embedding = Embedding(config.vocab_size, config.embed_size, generator)
        self.rnn = Recurrent(config, generator)
        self.head = Linear(config.hidden_size, config.vocab_size, generator)

    def forward(
        self, ids: Tensor, state: State | None = None, generator: torch.Generator | None = None
    ) -> tuple[Tensor, State]:
        """Predict what follows each token.

        The rows of the embedding are read as a table; the embedding itself is not called.

        Args:
            ids: (B, T) integers, at least one.
            state: tensors (L, B, H), (h,) or (h, c), which are not changed; None for the start.
            generator: of what is dropped while training; None for PyTorch's own.

        Returns:
            logits: (B, T, V), unnormalised natural-log probabilities of the next token.
            state: after the last token, still part of the graph; see `recurrent.detach`.

        Raises:
            UsageError: for anything else, and for no ids at all. On a GPU, inside transforms of
                `torch.func`, and while PyTorch compiles or exports the network, ids are not
                compared with the vocabulary.
        """
        ids = self._checked(ids)
        hidden, state = self.rnn(self.embedding.weight, state, ids.t(), generator)  # (T, B, H)
        return self.head(hidden).transpose(0, 1), state

    def _checked(self, ids: Tensor) -> Tensor:
        """Token ids (B, T) that someone gave, as int32 or int64."""
        if not isinstance(ids, Tensor) or ids.ndim != 2 or ids.dtype not in INTEGERS:
            kind = (
                f"{ids.dtype} of {ids.ndim} axes" if isinstance(ids, Tensor) else type(ids).__name__
            )
            raise UsageError(f"{kind} can't be read", "ids are a tensor of integers (B, T)")
        if not ids.numel():
            raise UsageError("there are no ids to read", "give at least one for each sequence")
        device = self.embedding.weight.device
        if ids.device != device:
            raise UsageError(f"the ids are on {ids.device}", f"move them to {device}")
        # On a GPU they would have to be waited for.
        if ids.device.type == "cpu" and not _is_hidden(ids):
            checked_ids(ids, self.config.vocab_size, 2)
        return ids if ids.dtype in READ else ids.long()

    @checked
    def save_pretrained(self, path: str | Path, tokenizer: Tokenizer) -> None:
        """Write a model folder that `charrnn.load` and `from_pretrained` read.

        With `corpus` it keeps in which direction the network reads, and of which records. What you
        have trained it on since is not written anywhere.

        Raises:
            UsageError: for a tokenizer of another size, for weights that are computed from others
                (pruning, parametrizations) or are not of this class, which a folder has no names
                for, and for numbers that are not finite in float32.
            CannotCreateError: if the folder can't be made, or is not empty.
            ReadWriteError: if writing fails.
        """
        if tokenizer.vocab_size != self.config.vocab_size:
            found = f"the tokenizer has {tokenizer.vocab_size} tokens"
            raise UsageError(found, f"the network has {self.config.vocab_size}; give its own")
        if self.corpus is not None and (self.corpus.records == "none") != (tokenizer.end is None):
            found = (
                "the network was trained on a list of records, and only their tokenizer has an end"
            )
            raise UsageError(found, "give its own tokenizer, or set corpus to None")
        weights = self.weights()
        _refuse_unreadable(weights, shapes_of(self.config))
        record = ModelRecord(
            charrnn_version=charrnn.__version__,
            torch_version=str(torch.__version__),
            model=self.config,
            corpus=self.corpus,
        )
        create_folder(Path(path), other="another path")
        write_files(Path(path), model_files(record, tokenizer, weights, step=0))

    @classmethod
    def from_pretrained(cls, model: str | Path) -> CharRNN:
        """The network in a model folder, in evaluation mode.

        Args:
            model: a model folder, or the name of one in `checkpoints/`.

        Raises:
            MissingInputError: if there is none.
            BadDataError: if it is damaged.
        """
        return cls.from_folder(read_model(find_model(model)))

    @classmethod
    def from_folder(cls, folder: ModelFolder) -> CharRNN:
        """The network of a model folder that was read, in evaluation mode."""
        network = cls.from_weights(folder.record.model, folder.weights)
        corpus, unknown = folder.record.corpus, folder.record.lacks_bases
        if corpus is not None:
            corpus = msgspec.structs.replace(corpus, bases_unknown=unknown)
        network.corpus = corpus
        return network

    @classmethod
    def from_weights(cls, config: ModelConfig, weights: Mapping[str, Floats]) -> CharRNN:
        """A network of this shape with copies of these weights, in evaluation mode.

        Raises:
            UsageError: for weights that are missing, one too many, or of another shape; for a
                bidirectional config.
        """
        weights = checked_weights(weights, shapes_of(config))
        with own_modes():
            with undrawn():
                network = cls(config)
            copies = {name: torch.tensor(values) for name, values in weights.items()}
            network.load_state_dict(copies, assign=True)
        return network.eval()


def _is_hidden(ids: Tensor) -> bool:
    """Whether the numbers of a tensor on the CPU are hidden: by a compiler or by `torch.func`."""
    if torch.compiler.is_compiling():
        return True
    try:
        ids.numpy()
    except RuntimeError:
        return True
    except TypeError:  # another layout: they are no ids
        pass
    return False


def _refuse_unreadable(weights: Weights, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Refuse weights from which a model folder would be made that nothing can read."""
    if unknown := sorted(weights.keys() - shapes.keys()):
        found, name = f"a model folder has no place for {unknown[0]}", unknown[0]
        advice = "take that module out of the network, or save it with torch.save"
        if ".parametrizations." in name or name.endswith(("_mask", "_orig")):
            advice = "end the pruning or parametrization: prune.remove, remove_parametrizations"
        raise UsageError(found, advice)
    for name, shape in shapes.items():
        if name not in weights or weights[name].shape != shape:
            found = f"weight {name} is missing or has another shape than {shape}"
            raise UsageError(found, "give the network the modules that its config describes")
        if not np.isfinite(weights[name]).all():
            found = f"weight {name} holds NaN or infinity, or a number beyond float32"
            raise UsageError(found, "save the network as it was before, and train more slowly")
