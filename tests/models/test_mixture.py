"""A mixture is what it was made of, and a model mixed with itself is that model."""

from __future__ import annotations

from typing import Any

import numpy as np

from charrnn import CharTokenizer, Mixture
from tests.conftest import V, changed, random_model


def test_a_mixture_keeps_its_models_whatever_becomes_of_the_list() -> None:
    one, two, three = (random_model("gru", CharTokenizer("\n abcdefghi")) for _ in range(3))
    models = [one, two]
    mixture = Mixture(models)
    ids = np.arange(V, dtype=np.int32)[None]
    before, state = mixture(ids)
    models[0] = three
    models.append(three)
    np.testing.assert_array_equal(mixture(ids)[0], before)
    mixture(ids, state)


def test_logits_of_a_model_mixed_with_itself_are_its_own() -> None:
    """Also in a mixture of mixtures: the repetition penalty depends on their level."""
    drawn = random_model("lstm", CharTokenizer("\n abcdefghi"))
    model = changed(drawn, {"head.bias": drawn.weights["head.bias"] + 3})
    twice = Mixture([model, Mixture([model, model])])
    ids = np.arange(V, dtype=np.int32)[None]
    np.testing.assert_allclose(twice(ids)[0], model(ids)[0], rtol=1e-4, atol=1e-4)
    prompt = np.array([[1, 2, 3]], np.int32)
    np.testing.assert_allclose(
        twice.read(prompt, twice.start())[0], model.read(prompt, model.start())[0], atol=1e-4
    )
    for penalty in (0.7, 1.3, 2.0):
        wanted: dict[str, Any] = {"max_new_tokens": 40, "seed": 5, "repetition_penalty": penalty}
        assert twice.generate("ab", **wanted) == model.generate("ab", **wanted)
