"""The help of charrnn and of each command."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer.main

from charrnn.cli.app import VERBS as CALLED
from charrnn.cli.app import app
from tests.commands import run, run_anew

VERBS = sorted(typer.main.get_command(app).commands)  # type: ignore[attr-defined]


@pytest.mark.parametrize("verb", [None, *VERBS])
def test_every_command_has_help(verb: str | None, tmp_path: Path) -> None:
    done = run_anew(tmp_path, *([verb] if verb else []), "--help")
    assert done.returncode == 0
    assert "Usage:" in done.stdout
    if verb is None:
        assert all(name in done.stdout for name in VERBS)


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help_shows_each_verb_in_a_whole_line(tmp_path: Path, option: str) -> None:
    done = run(tmp_path, option)
    assert done.returncode == 0
    lines = done.stdout.partition("Commands:\n")[2].splitlines()
    assert [line.split()[0] for line in lines] == list(CALLED)
    assert all(len(line.split(maxsplit=1)[1]) <= 60 for line in lines)
    assert all(line.endswith(".") and not line.endswith("...") for line in lines)


def test_the_line_of_use_has_brackets_only_around_what_may_be_left_out(tmp_path: Path) -> None:
    def usage(verb: str) -> str:
        return run(tmp_path, verb, "-h").stdout.partition("\n")[0]

    assert usage("push") == "Usage: charrnn push [OPTIONS] MODEL OWNER/NAME"
    assert usage("eval") == "Usage: charrnn eval [OPTIONS] MODEL... TEXT..."
    assert usage("train") == "Usage: charrnn train [OPTIONS] [TEXT...]"


@pytest.mark.parametrize("verb", VERBS)
def test_arguments_and_options_come_before_all_other_sections(verb: str, tmp_path: Path) -> None:
    """The settings of some commands come before the options of their own."""
    lines = run(tmp_path, verb, "-h").stdout.splitlines()
    titles = [line for line in lines if line.endswith(":") and not line.startswith(" ")]
    first = [title for title in ("Arguments:", "Options:") if title in titles]
    assert titles[: len(first)] == first


def test_help_of_a_verb_has_sections_and_examples(tmp_path: Path) -> None:
    shown = run(tmp_path, "train", "-h").stdout
    places = [
        shown.index(f"\n{title}:\n")
        for title in ("Arguments", "Options", "Length of the run", "Network", "Training")
    ]
    assert places == sorted(places)
    assert shown.index("Length of the run:") < shown.index("  --minutes") < shown.index("Network:")
    assert shown.endswith(
        "\n  Examples:\n    charrnn train novel.txt --minutes 10\n"
        "    charrnn train reviews.csv --task classify\n"
    )
