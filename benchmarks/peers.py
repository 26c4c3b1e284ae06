"""The training step of `benchmarks/training.py` in Keras (TensorFlow) and JAX.

    python benchmarks/peers.py keras lstm 128 64 64

runs in an environment of its own (`make bench-peers`). For each line on standard input, a number of
seconds, it makes updates for about that long and answers with characters per second.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

V, E, LAYERS = 65, 64, 2


def keras_step(cell: str, hidden: int, x: Any, y: Any) -> Callable[[], object]:
    """One update of two Keras layers, as Keras users write them."""
    import keras

    layer = {"rnn": keras.layers.SimpleRNN, "lstm": keras.layers.LSTM, "gru": keras.layers.GRU}
    model = keras.Sequential([keras.layers.Embedding(V, E)])
    for _ in range(LAYERS):
        model.add(layer[cell](hidden, return_sequences=True))
    model.add(keras.layers.Dense(V))
    model.compile(
        optimizer=keras.optimizers.AdamW(1e-3, global_clipnorm=1.0),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    return lambda: model.train_on_batch(x, y)


def jax_step(cell: str, hidden: int, x: Any, y: Any) -> Callable[[], object]:
    """The same with `lax.scan`, compiled as a whole, with the state carried from call to call."""
    import jax
    import jax.numpy as jnp

    loss = jax_loss(cell)

    @jax.jit
    def update(
        weights: Any, first: Any, second: Any, count: Any, state: Any, x: Any, y: Any
    ) -> Any:
        grads, after = jax.grad(loss, has_aux=True)(weights, state, x, y)
        return *jax_adamw(weights, first, second, count, grads), after

    weights = jax_weights(cell, hidden)
    zeros = jax.tree.map(jnp.zeros_like, weights)
    parts = 2 if cell == "lstm" else 1
    start = [tuple(jnp.zeros((len(x), hidden)) for _ in range(parts)) for _ in range(LAYERS)]
    now = [weights, zeros, zeros, start]
    count = 0

    def call() -> None:
        nonlocal count
        count += 1
        now[:] = update(*now[:3], float(count), now[3], x, y)
        jax.block_until_ready(now)

    return call


def jax_weights(cell: str, hidden: int) -> dict[str, Any]:
    """Embedding, layers and head, drawn at random."""
    import jax.numpy as jnp

    gates = {"rnn": 1, "lstm": 4, "gru": 3}[cell]
    random = np.random.default_rng(0)

    def weight(*shape: int) -> Any:
        return jnp.asarray(random.normal(0, shape[0] ** -0.5, shape), jnp.float32)

    weights = {"embedding": weight(V, E), "head": weight(hidden, V), "bias": jnp.zeros(V)}
    for k in range(LAYERS):
        weights[f"ih{k}"] = weight(hidden if k else E, gates * hidden)
        weights[f"hh{k}"] = weight(hidden, gates * hidden)
        weights[f"b{k}"] = jnp.zeros(gates * hidden)
    return weights


def jax_loss(cell: str) -> Callable[..., Any]:
    """What gives the mean loss of a batch and the state after it."""
    import jax
    import jax.numpy as jnp

    def rule(gx: Any, gh: Any, state: tuple[Any, ...]) -> tuple[Any, ...]:
        if cell == "rnn":
            return (jnp.tanh(gx + gh),)
        if cell == "lstm":
            i, f, g, o = jnp.split(gx + gh, 4, -1)
            c = jax.nn.sigmoid(f) * state[1] + jax.nn.sigmoid(i) * jnp.tanh(g)
            return jax.nn.sigmoid(o) * jnp.tanh(c), c
        (xr, xz, xn), (hr, hz, hn) = jnp.split(gx, 3, -1), jnp.split(gh, 3, -1)
        r, z = jax.nn.sigmoid(xr + hr), jax.nn.sigmoid(xz + hz)
        n = jnp.tanh(xn + r * hn)
        return (n + z * (state[0] - n),)

    def loss(weights: Any, state: Any, x: Any, y: Any) -> Any:
        h, after = weights["embedding"][x.T], []
        for k in range(LAYERS):
            gx = h @ weights[f"ih{k}"] + weights[f"b{k}"]

            def step(now: Any, g: Any, k: int = k) -> Any:
                now = rule(g, now[0] @ weights[f"hh{k}"], now)
                return now, now[0]

            end, h = jax.lax.scan(step, state[k], gx)
            after.append(end)
        logp = jax.nn.log_softmax(h @ weights["head"] + weights["bias"])
        return -jnp.take_along_axis(logp, y.T[..., None], -1).mean(), after

    return loss


def jax_adamw(weights: Any, first: Any, second: Any, count: Any, grads: Any) -> tuple[Any, ...]:
    """One update by clipped gradients: weights, means and squares after it."""
    import jax
    import jax.numpy as jnp

    norm = jnp.sqrt(sum(jnp.sum(g * g) for g in jax.tree.leaves(grads)))
    grads = jax.tree.map(lambda g: g * jnp.minimum(1.0, 1.0 / norm), grads)
    first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, first, grads)
    second = jax.tree.map(lambda v, g: 0.99 * v + 0.01 * g * g, second, grads)
    rate = 1e-3 * jnp.sqrt(1 - 0.99**count) / (1 - 0.9**count)
    weights = jax.tree.map(
        lambda w, m, v: w * (1 - 1e-5) - rate * m / (jnp.sqrt(v) + 1e-8), weights, first, second
    )
    return weights, first, second


def main() -> None:
    """Answer until standard input ends."""
    peer, cell = sys.argv[1:3]
    hidden, batch, length = map(int, sys.argv[3:])
    random = np.random.default_rng(0)
    x, y = random.integers(0, V, (2, batch, length), dtype=np.int32)
    step = (keras_step if peer == "keras" else jax_step)(cell, hidden, x, y)
    for _ in range(3):
        step()
    print("ready", flush=True)
    for line in sys.stdin:
        begin, calls = time.perf_counter(), 0
        while (elapsed := time.perf_counter() - begin) < float(line) or not calls:
            step()
            calls += 1
        print(calls * batch * length / elapsed, flush=True)


if __name__ == "__main__":
    main()
