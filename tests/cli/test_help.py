"""The help of charrnn and of each command."""

from __future__ import annotations

import pytest
import typer.main
from typer.testing import CliRunner

from charrnn.cli.app import VERBS as CALLED
from charrnn.cli.app import app

VERBS = sorted(typer.main.get_command(app).commands)  # type: ignore[attr-defined]


def shown(*arguments: str) -> str:
    """What the command shows, in this process."""
    done = CliRunner(env={"COLUMNS": "80"}).invoke(app, arguments, prog_name="charrnn")
    assert done.exit_code == 0
    return done.stdout


@pytest.mark.parametrize("verb", VERBS)
def test_every_command_has_help(verb: str) -> None:
    assert shown(verb, "--help") == shown(verb, "-h")
    assert shown(verb, "-h").startswith(f"Usage: charrnn {verb} ")


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help_shows_each_verb_in_a_whole_line(option: str) -> None:
    lines = shown(option).partition("Commands:\n")[2].splitlines()
    assert [line.split()[0] for line in lines] == list(CALLED)
    assert all(len(line.split(maxsplit=1)[1]) <= 60 for line in lines)
    assert all(line.endswith(".") and not line.endswith("...") for line in lines)


def test_the_line_of_use_has_brackets_only_around_what_may_be_left_out() -> None:
    def usage(verb: str) -> str:
        return shown(verb, "-h").partition("\n")[0]

    assert usage("push") == "Usage: charrnn push [OPTIONS] MODEL OWNER/NAME"
    assert usage("eval") == "Usage: charrnn eval [OPTIONS] MODEL... TEXT..."
    assert usage("train") == "Usage: charrnn train [OPTIONS] [TEXT...]"


@pytest.mark.parametrize("verb", VERBS)
def test_arguments_and_options_come_before_all_other_sections(verb: str) -> None:
    """The settings of some commands come before the options of their own."""
    lines = shown(verb, "-h").splitlines()
    titles = [line for line in lines if line.endswith(":") and not line.startswith(" ")]
    first = [title for title in ("Arguments:", "Options:") if title in titles]
    assert titles[: len(first)] == first


def test_help_of_a_verb_has_sections_and_examples() -> None:
    text = shown("train", "-h")
    places = [
        text.index(f"\n{title}:\n")
        for title in ("Arguments", "Options", "Length of the run", "Network", "Training")
    ]
    assert places == sorted(places)
    assert text.index("Length of the run:") < text.index("  --minutes") < text.index("Network:")
    assert text.endswith(
        "\n  Examples:\n    charrnn train novel.txt --minutes 10\n"
        "    charrnn train reviews.csv --task classify\n"
    )
