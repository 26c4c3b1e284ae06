"""The page and the script that hold a model.

A page is one HTML file that opens from a disk: it loads nothing, and its Content-Security-Policy
allows it no request and no code but its own. Its parts are the files in `browser/`: plain scripts,
one after the other, for a page that is opened from a disk can load no modules.

    naming                  what characters are called, and their normal forms
    network                 the data, the arithmetic, the cells: token, state → logits, state
    tokenizers, drawing     text ↔ ids; logits → id
    archive                 the model folder as a .zip
    model                   the model in the file: these together
    api                     a model on a server, with the same methods
    page, sketch            what people see; what scripts call
"""

from __future__ import annotations

import html
from importlib.resources import files
from string import Template

from charrnn.inside.pages.page import csp_hash
from charrnn.sharing.bundle import Bundle

__all__ = ["RUNTIME", "api_page", "model_page", "script"]

# What a page or a script with a model inside needs to use it.
RUNTIME = ["naming.js", "network.js", "tokenizers.js", "drawing.js", "archive.js", "model.js"]


def model_page(model: Bundle) -> str:
    """One file with everything in it: it opens by double click and makes no request."""
    return _page(model.name, RUNTIME, model.text, connect="'none'")


def api_page() -> str:
    """The same page, which asks the server that it comes from."""
    return _page("charrnn", ["naming.js", "api.js"], "", connect="'self'")


def script(model: Bundle) -> str:
    """A script that defines `charRNN`, with the methods of ml5's CharRNN."""
    parts = "\n".join(map(_read, [*RUNTIME, "sketch.js"]))
    return f'"use strict";\n(() => {{\nconst MODEL = "{model.text}";\n{parts}}})();\n'


def _page(title: str, scripts: list[str], data: str, *, connect: str) -> str:
    code = "\n".join(['"use strict";', *map(_read, [*scripts, "page.js"])])
    style = _read("page.css")
    policy = (
        f"default-src 'none'; script-src {csp_hash(code)} 'wasm-unsafe-eval'; "
        f"style-src {csp_hash(style)}; connect-src {connect}; base-uri 'none'; form-action 'none'"
    )
    return Template(_read("page.html")).substitute(
        title=html.escape(title), policy=policy, style=style, data=data, script=code
    )


def _read(name: str) -> str:
    return files("charrnn.sharing").joinpath("browser", name).read_text("utf-8")
