"""Models to send, and the runtime of pages under Node.js."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import charrnn
from charrnn import CharRNN, CharTokenizer
from charrnn.config import CellName
from charrnn.folder.reading import read_model
from charrnn.folder.record import CorpusRecord, ModelFolder
from charrnn.sharing.bundle import bundle
from charrnn.sharing.page import RUNTIME
from charrnn.text.tokenizer import Tokenizer
from tests.conftest import V, small_config

__all__ = ["CHARACTERS", "SHAPES", "folder_of", "in_node", "in_runtime", "needs_node"]

PARTS = Path(charrnn.__file__).parent / "sharing" / "browser"
# As many as `small_config` has; sorted. Some are two UTF-16 units, some have a meaning in pages.
CHARACTERS = "\n &/<>aé\u2028漢😀"
assert len(CHARACTERS) == V
# One layer and several; with skips on all layers, on all but the first, and on none.
SHAPES: list[dict[str, Any]] = [
    {"num_layers": 1, "embed_size": 5, "skip": True},
    {"num_layers": 3, "embed_size": 4, "skip": True},
    {"num_layers": 2, "embed_size": 6, "skip": False, "hidden_size": 8},
]
needs_node = pytest.mark.skipif(not shutil.which("node"), reason="Node.js is not installed")


def folder_of(
    path: Path,
    cell: CellName,
    tokenizer: Tokenizer | None = None,
    records: str | None = None,
    **changes: object,
) -> ModelFolder:
    """A model folder with weights that make some characters likely and others not."""
    tokenizer = tokenizer or CharTokenizer(CHARACTERS)
    network = CharRNN(small_config(cell, **{"vocab_size": tokenizer.vocab_size} | changes))
    random = np.random.default_rng(0)
    for parameter in network.parameters():
        values = random.normal(0, 0.7, tuple(parameter.shape))
        parameter.data.copy_(parameter.data.new_tensor(values))
    if records is not None:
        network.corpus = CorpusRecord(name="list", characters=100, sha256="", records=records)
    network.save_pretrained(path, tokenizer)
    return read_model(path)


def in_node(code: str) -> Any:
    """What `code`, which may `await`, returns after the runtime."""
    runtime = "\n".join((PARTS / name).read_text("utf-8") for name in RUNTIME)
    work = f"(async () => {{{code}\n}})().then((found) => console.log(JSON.stringify(found)));"
    done = subprocess.run(
        ["node", "-"],
        input=f'"use strict";\n{runtime}\n{work}',
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def in_runtime(folder: ModelFolder, code: str, *, exact: bool = False) -> Any:
    """What `code` returns where `model` is the folder's model, and `data` what it was made from."""
    made = bundle(folder, exact=exact)
    begin = f"const data = {json.dumps(made.text)}; const model = await openModel(data);"
    return in_node(begin + code)
