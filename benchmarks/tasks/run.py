"""Every task on public data, beside what other methods reach in the same run.

    python benchmarks/tasks/run.py DATA [ROW...]

DATA is a folder with the sets that each row names in its file. Without rows all are run, one after
the other, in about two hours on two cores. Nothing else should run at the same time. Figures go to
standard output, and to `benchmarks/results/tasks.json`, row by row.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

from common import Figure
from timing import RESULTS, machine

ROWS = ("names", "snippets", "entities", "airline", "hourly", "pronunciation", "sentences")


def shown(figure: Figure) -> str:
    """A line of the table."""
    mark = "" if figure.reached is None else "reached" if figure.reached else "MISSED"
    seconds = f"{figure.seconds:.0f} s" if figure.seconds else ""
    found = f"{figure.metric:<10} {figure.value:8.4g}  {seconds:>7}"
    return f"  {figure.who:<48} {found}  {figure.asked:<14} {mark}"


def main() -> None:
    """Measure the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=", ".join(ROWS))
    given = parser.parse_args()
    results = RESULTS / "tasks.json"
    found = json.loads(results.read_text()) if results.exists() else {}
    for name in given.rows or ROWS:
        row = importlib.import_module(f"row_{name}")
        with tempfile.TemporaryDirectory() as folder:
            figures = row.measure(given.data, Path(folder))
        print(f"{name}: {row.__doc__.splitlines()[0]}", *map(shown, figures), sep="\n", flush=True)
        found[name] = {"machine": machine(), "figures": [figure._asdict() for figure in figures]}
        results.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
