"""Draw the README's picture of a terminal from a real run.

    python docs/terminal.py

Runs the commands below in a pseudo-terminal, in a folder that is deleted afterwards, and writes
what the terminal shows at the end to `docs/terminal.svg`. It takes about two minutes, best on a
machine that does nothing else. The picture loads no fonts and makes no requests.
"""

from __future__ import annotations

import os
import pty
import re
import shlex
import subprocess
import sys
import tempfile
import termios
from html import escape
from pathlib import Path

COMMANDS = (
    "charrnn train scenes --minutes 1",
    'charrnn sample --temp 0.7 --max-lines 8 --prompt "SCENE."',
)
PICTURE = Path(__file__).with_name("terminal.svg")
COLUMNS = 108
# In pixels: a character of the font, a line, the margin around the text, the bar with the title.
WIDTH, HEIGHT, MARGIN, TITLE = 8.4, 19, 20, 40
STYLE = """\
.frame { fill: #16181d; stroke: #5a6270; }
text { font: 14px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace;
       fill: #d7dbe2; white-space: pre; }
.command { fill: #ffffff; font-weight: bold; }
.prompt, .bar { fill: #7fd08a; }
.title { fill: #8b93a1; text-anchor: middle; }
"""


def record(command: str, folder: Path) -> str:
    """Run a command in a pseudo-terminal; all that it writes there.

    Raises:
        RuntimeError: if the command fails.
    """
    terminal, inside = pty.openpty()
    termios.tcsetwinsize(inside, (50, COLUMNS))
    program, *arguments = shlex.split(command)
    process = subprocess.Popen(  # noqa: S603 - the commands are those above
        [sys.executable, "-m", program, *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent), "TERM": "xterm"},
        stdin=inside,
        stdout=inside,
        stderr=inside,
    )
    os.close(inside)
    written = b""
    try:
        while piece := os.read(terminal, 65536):
            written += piece
    except OSError:  # how Linux tells that the other end is closed
        pass
    os.close(terminal)
    if process.wait():
        raise RuntimeError(f"{command} ended with {process.returncode}: {written.decode()}")
    return written.decode()


def screen(written: str) -> list[str]:
    """The lines a terminal shows after all of `written`: returns overwrite, long lines wrap."""
    lines, row, column = [""], 0, 0
    for part in re.findall(r"\x1b\[\d*[A-Za-z]|.", written, re.DOTALL):
        if part == "\n":
            row += 1
        elif part == "\r":
            column = 0
        elif part == "\x1b[A":
            row -= 1
        elif part == "\x1b[K":
            lines[row] = lines[row][:column]
        elif part.startswith("\x1b"):
            raise ValueError(f"the terminal sequence {part!r} is not known here")
        else:
            if column == COLUMNS:
                row, column = row + 1, 0
            lines += [""] * (row + 1 - len(lines))
            line = lines[row].ljust(column)
            lines[row] = line[:column] + part + line[column + 1 :]
            column += 1
        lines += [""] * (row + 1 - len(lines))
    return [line.rstrip() for line in lines]


def draw(lines: list[str]) -> str:
    """An SVG of a terminal window that shows these lines, with a frame of its own colour."""
    width = round(2 * MARGIN + COLUMNS * WIDTH)
    height = TITLE + HEIGHT * len(lines) + MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" role="img">',
        "<title>charrnn trains a model for a minute and writes new text with it</title>",
        f"<style>\n{STYLE}</style>",
        f'<rect class="frame" x="0.5" y="0.5" width="{width - 1}" height="{height - 1}" rx="10"/>',
    ]
    for place, colour in enumerate(("#e0655f", "#e2b551", "#6cc26f")):
        parts.append(f'<circle cx="{MARGIN + 6 + 20 * place}" cy="20" r="6" fill="{colour}"/>')
    parts.append(f'<text class="title" x="{width / 2}" y="25">charrnn</text>')
    for number, line in enumerate(lines):
        y = TITLE + HEIGHT * number + 15
        indent = len(line) - len(line.lstrip())
        text = escape(line.lstrip(), quote=False)
        if not text:
            continue
        if line.startswith("$ "):
            text = f'<tspan class="prompt">$</tspan><tspan class="command">{text[1:]}</tspan>'
        if bar := re.search(
            "█+", line
        ):  # drawn as one piece, since fonts leave gaps between blocks
            start, end = bar.span()
            text = text.replace("█", " ")
            parts.append(
                f'<rect class="bar" x="{MARGIN + start * WIDTH:.1f}" y="{y - 13}" '
                f'width="{(end - start) * WIDTH:.1f}" height="{HEIGHT - 2}"/>'
            )
        length = (len(line) - indent) * WIDTH
        x = MARGIN + indent * WIDTH
        parts.append(f'<text x="{x:.1f}" y="{y}" textLength="{length:.1f}">{text}</text>')
    return "\n".join([*parts, "</svg>", ""])


def main() -> None:
    """Run, draw, write."""
    lines: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        for command in COMMANDS:
            lines += [f"$ {command}", *screen(record(command, Path(folder)))]
    while not lines[-1]:
        lines.pop()
    PICTURE.write_text(draw(lines), encoding="utf-8")
    print(f"{PICTURE}: {len(lines)} lines, {PICTURE.stat().st_size:,} bytes")  # noqa: T201


if __name__ == "__main__":
    main()
