"""The CUDA source of a layer: `layer.cu` and one way, with the cell's rule written into it.

The rules stand in `cells.gradients`, for whatever can be added and multiplied. Here that is `Term`,
which writes down what is done to it, in C.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from charrnn.cells.gradients import RULES
from charrnn.cells.rules import CELLS
from charrnn.config import CellName
from charrnn.network.stack.gpu.layout import SPAN, Layout, Way

__all__ = ["defines", "source"]


class Term:
    """A number in C; operations on it go to `lines` and give a new one."""

    def __init__(self, text: str, lines: list[str]) -> None:
        self.text, self.lines = text, lines

    def _then(self, text: str) -> Term:
        name = f"v{len(self.lines)}"
        self.lines.append(f"const float {name} = {text};")
        return Term(name, self.lines)

    def __add__(self, other: Term | float) -> Term:
        return self._then(f"{self.text} + {_text(other)}")

    def __sub__(self, other: Term | float) -> Term:
        return self._then(f"{self.text} - {_text(other)}")

    def __mul__(self, other: Term | float) -> Term:
        return self._then(f"{self.text} * {_text(other)}")

    def __rsub__(self, other: float) -> Term:
        return self._then(f"{_text(other)} - {self.text}")

    def tanh(self) -> Term:
        """Its hyperbolic tangent."""
        return self._then(f"tanh_of({self.text})")

    def sigmoid(self) -> Term:
        """Its logistic function."""
        return self._then(f"sigmoid_of({self.text})")


def _text(value: Term | float) -> str:
    return value.text if isinstance(value, Term) else f"{float(value)}f"


@cache
def source(cell: CellName, way: Way) -> str:
    """The whole source of a layer's forward or backward pass; see `defines` for its constants."""
    layer, own = (
        Path(__file__).with_name(f"{name}.cu").read_text("utf-8") for name in ("layer", way)
    )
    head, mark, rest = layer.partition("\nRULE\n")
    assert mark, "the rule has no place"
    return f"{head}\n{_forward(cell) if way == 'forward' else _backward(cell)}\n{rest}\n{own}"


@cache
def defines(layout: Layout) -> tuple[str, ...]:
    """The constants that a layout's source wants to be defined, "NAME=value" each."""
    rule, cell = RULES[layout.cell], CELLS[layout.cell]
    constants = {
        "BACK": int(layout.way == "backward"),
        "GATES": cell.gates,
        "KEPT": rule.kept,
        "MEMORY": int(rule.memory),
        "SPLIT": int(rule.split),
        "STATES": len(cell.state),
        "HIDDEN": layout.hidden_size,
        "UNITS": layout.units,
        "LANES": layout.lanes,
        "CHUNK": layout.chunk,
        "WARPS": layout.warps,
        "SPAN": SPAN,
        "HELD": layout.held,
        "SHARED_BYTES": layout.shared_bytes,
    }
    return tuple(f"{name}={value}" for name, value in constants.items())


def _forward(cell: CellName) -> str:
    rule, gates, lines = RULES[cell], CELLS[cell].gates, list[str]()
    values, after = rule.forward(
        _terms("xs", gates, lines), _terms("hs", gates, lines), _state("before", cell, lines)
    )
    _assign("values", values, lines)
    _assign("after", after, lines)
    arrays = ("const float *xs", "const float *hs", "const float *before")
    return _function("forward_rule", (*arrays, "float *values", "float *after"), lines)


def _backward(cell: CellName) -> str:
    rule, lines = RULES[cell], list[str]()
    parts = len(CELLS[cell].state)
    by_x, by_h, d_before = rule.backward(
        tuple(_terms("values", rule.kept, lines)),
        tuple(_terms("before", parts, lines)),
        tuple(_terms("after", parts, lines)),
        tuple(_terms("d_after", parts, lines)),
    )
    _assign("by_x", by_x, lines)
    _assign("by_h", by_h, lines)
    _assign("d_before", d_before, lines)
    given = [f"const float *{name}" for name in ("values", "before", "after", "d_after")]
    found = [f"float *{name}" for name in ("by_x", "by_h", "d_before")]
    return _function("backward_rule", (*given, *found), lines)


def _terms(array: str, count: int, lines: list[str]) -> list[Term]:
    return [Term(f"{array}[{k}]", lines) for k in range(count)]


def _state(array: str, cell: CellName, lines: list[str]) -> tuple[Term | None, ...]:
    """The state before a step, as far as the forward pass has it: what acts past the product."""
    terms = _terms(array, len(CELLS[cell].state), lines)
    return (*(None for _ in terms[1:]), terms[-1] if RULES[cell].memory else None)


def _assign(array: str, terms: Sequence[Term | None], lines: list[str]) -> None:
    for k, term in enumerate(terms):
        if term is not None:
            lines.append(f"{array}[{k}] = {term.text};")


def _function(name: str, parameters: Sequence[str], lines: list[str]) -> str:
    body = "".join(f"  {line}\n" for line in lines)
    return f"DEVICE void {name}({', '.join(parameters)}) {{\n{body}}}"
