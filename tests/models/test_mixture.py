"""A mixture is what it was made of."""

from __future__ import annotations

import numpy as np

from charrnn import CharRNN, CharTokenizer, Mixture, Model
from tests.conftest import V, small_config


def test_a_mixture_keeps_its_models_whatever_becomes_of_the_list() -> None:
    config, tokenizer = small_config("gru"), CharTokenizer("\n abcdefghi")
    one, two, three = (Model(config, tokenizer, CharRNN(config).weights()) for _ in range(3))
    models = [one, two]
    mixture = Mixture(models)
    ids = np.arange(V, dtype=np.int32)[None]
    before, state = mixture(ids)
    models[0] = three
    models.append(three)
    np.testing.assert_array_equal(mixture(ids)[0], before)
    mixture(ids, state)
