"""What a trained model remembers, and why.

    model, text ──inside──▶ figures about the model on this text

lanes       what a network computes over a long text, in pieces
showing     on which scale values are shown, and how characters are seen
counterfactuals  which characters mattered for a prediction
pages       a text as one page, coloured by what a unit does
ngrams      what can be predicted from the last few characters alone, by counting
memory      how far back a model remembers: its horizon
roles       what each unit stands for: the feature it follows, and what is lost without it
backwards   gradients over time; the one file here that needs PyTorch

The functions for users can be had from the room itself: `charrnn.inside.units(model, text)`. Since
a file that is imported takes its name there, no file or folder is called as one of them is.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from charrnn.inside.backwards import gradients as gradients
    from charrnn.inside.counterfactuals import saliency as saliency
    from charrnn.inside.lanes import activity as activity
    from charrnn.inside.memory import horizon as horizon
    from charrnn.inside.roles.findings import units as units

# Where each function for users is found.
_HOMES: dict[str, str] = {
    "activity": "lanes",
    "gradients": "backwards",
    "horizon": "memory",
    "saliency": "counterfactuals",
    "units": "roles.findings",
}
__all__ = sorted(_HOMES)


if not TYPE_CHECKING:  # else no misspelt name would be an error

    def __getattr__(name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f"module 'charrnn.inside' has no attribute {name!r}")
        value = getattr(importlib.import_module(f"charrnn.inside.{_HOMES[name]}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    own = {name for name in globals() if name.startswith("__")}
    return sorted(own.union(__all__))
