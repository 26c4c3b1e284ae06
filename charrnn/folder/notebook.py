"""How models and runs show themselves: as lines when printed, as a table in a notebook."""

from __future__ import annotations

from collections.abc import Mapping

from charrnn.errors import printable

__all__ = ["lines", "table"]


def lines(title: str, rows: Mapping[str, str]) -> str:
    """What `repr` shows: a line for each row, label and value."""
    shown = (f"\n  {label}: {printable(value)}" for label, value in rows.items())
    return f"<{title}{''.join(shown)}>"


def table(title: str, rows: Mapping[str, str], text: str = "") -> str:
    """A small table in HTML; whatever the values hold is shown, not obeyed.

    Args:
        title: above the table.
        rows: label to value.
        text: shown below as it is, with its line breaks.
    """
    import html

    cells = "".join(
        f'<tr><td style="text-align:left">{html.escape(label)}</td>'
        f'<td style="text-align:left">{html.escape(value)}</td></tr>'
        for label, value in rows.items()
    )
    below = f"<pre>{html.escape(text)}</pre>" if text else ""
    return f"<b>{html.escape(title)}</b><table>{cells}</table>{below}"
