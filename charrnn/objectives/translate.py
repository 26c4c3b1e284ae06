"""Translation: a text for each text, learnt from pairs.

sources ──read──▶ TranslationData ──divided──▶ Translating
Translating ──batches──▶ Batch ──cost──▶ nats of the targets' characters
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from charrnn.arrays import Weights
from charrnn.config import Budget, ModelConfig, Reading, TaskSettings, TrainConfig, settings_from
from charrnn.errors import BadDataError, UsageError
from charrnn.examples.pairs import Pair, read_pairs
from charrnn.folder.record import CorpusRecord, Evaluation, ModelFolder
from charrnn.learning import transfer
from charrnn.learning.task import Cost, Scored
from charrnn.network.attention import Decoder
from charrnn.network.encoder import Encoder
from charrnn.network.modules import empty
from charrnn.objectives import advice
from charrnn.objectives.groups import Groups
from charrnn.objectives.plan import Plan
from charrnn.task_config import Translate
from charrnn.tasks.edits import character_error_rate
from charrnn.tasks.reports import Report
from charrnn.tasks.texts import END, STAND_IN
from charrnn.tasks.translate import ERRORS, Writer, report_of
from charrnn.text.corpus import short_name
from charrnn.text.records import PAD, Records
from charrnn.text.tokenizer import CharTokenizer, Tokenizer, encode_records
