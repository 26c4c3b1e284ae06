"""The facts of a model, for people: what `charrnn info` prints and the model card holds."""

from __future__ import annotations

import math

from charrnn.folder.record import ModelFolder

__all__ = ["facts", "markdown"]


def facts(model: ModelFolder) -> dict[str, str]:
    """What there is to know of a model, each with its label."""
    record, shape = model.record, model.record.model
    parameters = sum(weight.size for weight in model.weights.values())
    skips = ", skip connections" if shape.skip else ""
    found = {
        "cell": f"{shape.cell}, {shape.num_layers} × {shape.hidden_size}, "
        f"embedding {shape.embed_size}{skips}",
        "parameters": f"{parameters:,}",
        "vocabulary": f"{shape.vocab_size} {model.tokenizer.unit}s",
    }
    if record.corpus is not None:
        found["corpus"] = f"{record.corpus.name}, {record.corpus.characters:,} characters"
    if (kept := model.evaluation) is not None:
        unit = model.tokenizer.unit
        found["validation loss"] = (
            f"{kept.val_nats:.4f} nats, {kept.val_nats / math.log(2):.4f} bits a {unit}"
        )
        found["training loss"] = f"{kept.train_nats:.4f} nats"
        found["trained"] = (
            f"{kept.step:,} updates, {kept.epoch:.1f} epochs, {kept.seconds:,.0f} seconds"
        )
    found["made by"] = f"charrnn {record.charrnn_version}" + (
        f" with PyTorch {record.torch_version}" if record.torch_version else ""
    )
    return found


def markdown(model: ModelFolder) -> str:
    """The model card."""
    rows = "\n".join(f"| {label} | {value} |" for label, value in facts(model).items())
    return f"""# {model.path.name}

A recurrent language model, one {model.tokenizer.unit} at a time, made with charrnn.

| | |
|---|---|
{rows}

Write text with it, from the folder that holds this one or from anywhere by its path:

    charrnn sample {model.path.name} --temp 0.8

Losses are means over the last part of the corpus, which was kept out of training.
"""
