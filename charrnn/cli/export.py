"""charrnn export: a model as a web page, a script or an ONNX graph."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from charrnn.cli.parts import refuse_texts_of
from charrnn.errors import UsageError
from charrnn.outputs import output_file, refuse_inputs
from charrnn.terminal.options import ONE_MODEL
from charrnn.terminal.output import beside, say, write

if TYPE_CHECKING:
    from charrnn.sharing.bundle import Bundle

__all__ = ["export"]

ModelArgument = Annotated[
    list[str] | None,  # several are refused with more than "unexpected argument"
    ONE_MODEL,
]
HtmlOption = Annotated[
    Path | None,
    typer.Option(help="Write one web page with everything in it: it opens anywhere, offline."),
]
JsOption = Annotated[
    Path | None,
    typer.Option(help="Write a script for pages of your own, with the methods of ml5's CharRNN."),
]
OnnxOption = Annotated[
    Path | None, typer.Option(help="Write an ONNX graph (needs the extra `onnx`).")
]
ExactOption = Annotated[
    bool,
    typer.Option(
        "--exact",
        help="Put the exact weights into the page or script. Without it they are rounded to "
        "bytes, which makes the file a quarter of the size.",
    ),
]


def export(
    model: ModelArgument = None,
    html: HtmlOption = None,
    js: JsOption = None,
    onnx: OnnxOption = None,
    exact: ExactOption = False,
) -> None:
    """Write a model as a web page, a script or an ONNX graph."""
    from charrnn.folder import card
    from charrnn.folder.place import Place
    from charrnn.folder.reading import find_model, read_model, refuse_backwards

    if model is not None and len(model) > 1:
        found = f"{len(model)} models are named, and a page, script or graph holds one"
        raise UsageError(found, "name one (charrnn sample can mix several)")
    outputs = {"--html": html, "--js": js, "--onnx": onnx}
    wanted = {option: path for option, path in outputs.items() if path is not None}
    if not wanted:
        advice = "choose --html, --js or --onnx: charrnn export MODEL --html page.html"
        raise UsageError("there is nothing to write", advice)
    if len({Place.of(path).path for path in wanted.values()}) < len(wanted):
        raise UsageError("one file is named twice", "give each kind a file of its own")
    for option, path in wanted.items():
        refuse_inputs(path, option)
    with_code = html is not None or js is not None
    if exact and not with_code:
        raise UsageError("--exact is for --html and --js", "an ONNX graph is always exact")
    name = model[0] if model else None
    folder = read_model(find_model(name))
    for option, path in wanted.items():
        refuse_texts_of([name], path, option)
    refuse_backwards(folder.record, folder.path)
    say(card.memorised(folder.record))
    told = beside(*wanted.values())
    if with_code:
        from charrnn.sharing import page
        from charrnn.sharing.bundle import bundle

        made = bundle(folder, exact=exact)
        say(_weights(made, asked=exact, unit=folder.tokenizer.loss_per))
        if html is not None:
            _write(html, page.model_page(made).encode(), "--html", told)
        if js is not None:
            _write(js, page.script(made).encode(), "--js", told)
    if onnx is not None:
        from charrnn.sharing.onnx_graph import graph

        _write(onnx, graph(folder), "--onnx", told)


def _weights(made: Bundle, *, asked: bool, unit: str) -> str:
    """How the weights travel."""
    if asked:
        return "the weights are exact"
    cost = f"{abs(made.loss):.4f} nats per {unit}"
    if made.exact:
        return f"the weights are exact: rounding them to bytes would change the loss by {cost}"
    return f"the weights are rounded to bytes, which changes the loss by {cost}"


def _write(path: Path, data: bytes, option: str, told: TextIO) -> None:
    with output_file(path, option) as file:
        file.write(data)
    write(f"{path}  {len(data) / 1000:,.0f} kB\n", told)
