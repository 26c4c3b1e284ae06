"""A model as text that a page or a script can hold: one `.safetensors` file, deflated, in base 85.

Its tensors are the packed weights, the WebAssembly, and a text with its log-probabilities for the
self-test. Its metadata say what the model is, and hold what is needed to give its folder back: the
other files, and the header of the file of weights.
"""

from __future__ import annotations

import base64
import re
import zlib
from itertools import pairwise
from typing import NamedTuple

import msgspec
import numpy as np
import safetensors.numpy

from charrnn.array_checks import refuse_diverged
from charrnn.arrays import Floats, Ids, Weights, softmax
from charrnn.checkpoints import CARD, MANIFEST, METRICS, WEIGHTS
from charrnn.errors import printable
from charrnn.folder import card
from charrnn.folder.files import manifest_of, pretty_json
from charrnn.folder.hub import folder_name
from charrnn.folder.reading import refuse_backwards
from charrnn.folder.record import ModelFolder, model_files
from charrnn.folder.untrusted import read_bytes, refuse_links
from charrnn.models.model import Model
from charrnn.sampling.language_model import start_ids
from charrnn.sharing import wasm
from charrnn.sharing.packing import pack

__all__ = ["MAX_LOSS", "Bundle", "bundle", "name_of"]

MAX_LOSS = 0.01  # nats per token that rounding may cost, as for the writer in machine code
TEST_TOKENS = 300  # length of the text of the self-test
NOT_IN_NAMES = re.compile(r'[\\/:*?"<>|]')  # of folders, on one system or another
ROUNDED = """
This copy comes from a page that was made with `charrnn export`. The weights of its recurrent layers
are bytes times a scale for each row: rounded, but what the page computed with.
"""


class Bundle(NamedTuple):
    """A model, ready to be put into a page or a script.

    Attributes:
        name: of the model, for people.
        text: base 85, as `base64.b85encode` writes it, but without its `<`, which means something
            in a page.
        exact: whether the weights are those of the folder, to the bit.
        loss: nats per token that rounding the weights costs, or would have cost, on a text that
            the model wrote.
    """

    name: str
    text: str
    exact: bool
    loss: float


def bundle(folder: ModelFolder, *, exact: bool = False) -> Bundle:
    """Put a model into one text.

    Args:
        folder: the model.
        exact: whether to leave the weights as they are. They are left, too, where rounding them to
            bytes would cost more than `MAX_LOSS`.

    Raises:
        UsageError: for a model that reads backwards: a page asks for beginnings.
        BadDataError: if the model has diverged, or its card is a link to somewhere else.
    """
    refuse_backwards(folder.record, folder.path)
    with np.errstate(over="ignore", invalid="ignore"):
        packed = pack(folder.weights, exact=exact)
        ids = _test_ids(_model(folder, folder.weights))
        log_probs, log_probs_here = (
            _log_probs(_model(folder, weights), ids) for weights in (folder.weights, packed.weights)
        )
    refuse_diverged(log_probs)
    loss = float(np.mean(log_probs - log_probs_here, dtype=np.float64))
    if not exact and not abs(loss) <= MAX_LOSS:
        return bundle(folder, exact=True)._replace(loss=loss)
    tensors = packed.tensors | {
        "test.ids": ids,
        "test.log_probs": log_probs,
        "test.log_probs_here": log_probs_here,
        "wasm": np.frombuffer(wasm.module(), np.uint8),
    }
    about = _about(folder, exact) | _folder(folder, packed.weights, exact)
    # One entry: several come in another order each time, and a model would not make equal pages.
    content = safetensors.numpy.save(tensors, {"about": msgspec.json.encode(about).decode()})
    digits = base64.b85encode(zlib.compress(content, 9)).decode()
    return Bundle(name_of(folder), digits.replace("<", ","), exact, loss)


def name_of(folder: ModelFolder) -> str:
    """The name of a model, fit to be shown."""
    return printable(folder_name(folder.path))


def _model(folder: ModelFolder, weights: Weights) -> Model:
    return Model(folder.record.model, folder.tokenizer, weights)


def _test_ids(model: Model) -> Ids:
    """A text (N,) that the model wrote at temperature 1: what is likely, and some that is not.

    Of a model of records, whole records one after the other; the last may be cut.
    """
    random, stepper = np.random.default_rng(0), model.stepper(model.start())
    ids = [int(start_ids(model.tokenizer)[0])]
    while len(ids) < TEST_TOKENS:
        if ids[-1] == model.tokenizer.end_id:  # a record begins with an empty state
            stepper = model.stepper(model.start())
        cumulative = softmax(stepper.step(np.array(ids[-1:]))[0]).cumsum()
        drawn = int(cumulative.searchsorted(random.random() * cumulative[-1], "right"))
        ids.append(min(drawn, model.config.vocab_size - 1))
    return np.array(ids, np.int32)


def _log_probs(model: Model, ids: Ids) -> Floats:
    """The log-probabilities (N-1,) of all ids (N,) but the first; each record has a fresh state."""
    ends = np.flatnonzero(ids == model.tokenizer.end_id).tolist()
    borders = sorted({0, *ends, len(ids) - 1})
    parts = [ids[first : last + 1] for first, last in pairwise(borders)]
    return np.concatenate([model.token_log_probs(part[None])[0] for part in parts])


def _about(folder: ModelFolder, exact: bool) -> dict[str, object]:
    """What the runtime has to know of a model, and what it tells people."""
    return {
        "name": name_of(folder),
        "model": folder.record.model,
        "tokenizer": folder.tokenizer,
        "unit": folder.tokenizer.unit,
        "corpus": " and ".join(one.name for one in folder.record.texts),
        "records": folder.records_kind,
        "facts": card.facts(folder),
        "exact": exact,
    }


def _folder(folder: ModelFolder, weights: Weights, exact: bool) -> dict[str, object]:
    """The model folder with these weights, but for the weights themselves."""
    files = model_files(folder.record, folder.tokenizer, weights, folder.step)
    text = _card(folder)
    text += "" if exact or ROUNDED in text else ROUNDED
    files[CARD] = text.encode(errors="replace")  # the name of a folder may hold anything
    if folder.metrics:
        files[METRICS] = b"".join(msgspec.json.encode(one) + b"\n" for one in folder.metrics)
    files[MANIFEST] = pretty_json(manifest_of(files))
    content = files.pop(WEIGHTS)
    header = content[8 : 8 + int.from_bytes(content[:8], "little")]
    texts = {name: data.decode() for name, data in files.items()}
    name = NOT_IN_NAMES.sub("_", name_of(folder))
    return {"folder": name, "files": texts, "weights_header": header.decode()}


def _card(folder: ModelFolder) -> str:
    """The model card, with what people wrote into it."""
    refuse_links(folder.path, [CARD])
    try:
        text = read_bytes(folder.path / CARD).decode(errors="replace")
    except FileNotFoundError:
        text = ""
    return card.renamed(text, folder) if text else card.markdown(folder)
