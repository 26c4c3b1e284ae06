"""Lists that are read as records: names, tunes and recipes.

    python benchmarks/records.py NAMES...

NAMES are files with a name on each line, such as the first names of a year that the Social
Security Administration of the United States publishes. They are put in alphabetical order, those
that stand there twice (as names of girls and of boys) stay twice, and 1,000 lines are kept out.
Each held-out name is scored alone, with its end, under three models: of records, of the same text
as a story (`--records none`), and an interpolated n-gram (Witten and Bell, "The zero-frequency
problem", 1991); those that stand nowhere in the training text are averaged by themselves, too.
5,000 names drawn at temperature 1 begin as the corpus's do, as far as a chi-squared test can tell,
or do not.

Tunes in ABC and recipes on cards are written here by small grammars. Of each, 200 texts are drawn
at temperature 0.8 without a prompt; a whole one follows the grammar from its beginning to its end.

Nothing else should run at the same time. Figures go to standard output, and to
`benchmarks/results/records.json`.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import re
import resource
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from timing import charrnn, keep

from charrnn import load

HELD_OUT, SAMPLES, WHOLE = 1000, 5000, 200
ORDER = 6  # of the n-gram


def train(text: Path, model: Path, *options: object) -> dict[str, Any]:
    """What `charrnn train` says at its end."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    found = charrnn("train", text, "--out", model, *options)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    kept = ("parameters", "epochs", "steps", "seconds", "stopped_early", "train_nats", "val_nats")
    return {
        "command": " ".join(["charrnn", "train", text.name, *map(str, options)]),
        "processor_seconds": after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime,
    } | {name: found[name] for name in kept}


class NGram:
    """An interpolated character n-gram with the smoothing of Witten and Bell."""

    def __init__(self, names: list[str], order: int) -> None:
        self.order = order
        self.counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.size = len(set("".join(names))) + 1
        for name in names:
            text = "\n" + name + "\n"
            for place in range(1, len(text)):
                for length in range(min(order, place + 1)):
                    self.counts[text[place - length : place]][text[place]] += 1

    def probability(self, before: str, character: str) -> float:
        """Of a character after some text, down to the uniform distribution."""
        lower = self.probability(before[1:], character) if before else 1 / self.size
        found = self.counts.get(before)
        if not found:
            return lower
        total, kinds = found.total(), len(found)
        return (found[character] + kinds * lower) / (total + kinds)

    def nats(self, name: str) -> float:
        """What a name costs with its end."""
        text = "\n" + name + "\n"
        chances = (
            self.probability(text[max(0, k - self.order + 1) : k], text[k])
            for k in range(1, len(text))
        )
        return -sum(map(math.log, chances))


def chi_squared(drawn: list[str], corpus: list[str]) -> dict[str, float]:
    """Whether first letters are as often those of the corpus: the statistic, and its p-value.

    Letters that are expected fewer than five times count as one.
    """
    shares = Counter(name[0] for name in corpus)
    often = [letter for letter, n in shares.items() if n * len(drawn) >= 5 * len(corpus)]
    found = Counter(name[0] for name in drawn if name)
    expected = np.array([shares[letter] for letter in often]) / len(corpus)
    counts = np.array([found[letter] for letter in often])
    if expected.sum() < 1:
        expected = np.append(expected, 1 - expected.sum())
        counts = np.append(counts, len(drawn) - counts.sum())
    wanted = expected * len(drawn)
    statistic = float(((counts - wanted) ** 2 / wanted).sum())
    by_chance = np.random.default_rng(0).multinomial(len(drawn), expected, size=20_000)
    p = float((((by_chance - wanted) ** 2 / wanted).sum(1) >= statistic).mean())
    return {"chi_squared": statistic, "letters": len(wanted), "p": p}


def per_character(
    names: Sequence[str], nats: Iterable[float], known: Iterable[str]
) -> dict[str, float]:
    """What held-out names cost per character, ends counted: all, and those that are new."""
    costs, trained = list(nats), set(known)
    found = {}
    for label, some in (("held_out", names), ("held_out_new", set(names) - trained)):
        own = [(name, cost) for name, cost in zip(names, costs, strict=True) if name in some]
        characters = sum(len(name) + 1 for name, _ in own)
        found[label] = sum(cost for _, cost in own) / characters if own else math.nan
    return found


def names(sources: list[Path], folder: Path, minutes: float) -> dict[str, Any]:
    """Held-out names, and first letters."""
    lines = [line.strip() for path in sources for line in path.read_text("utf-8").split("\n")]
    listed = sorted(filter(None, lines))
    chosen = set(random.Random(0).sample(range(len(listed)), HELD_OUT))  # noqa: S311
    known = [name for number, name in enumerate(listed) if number not in chosen]
    text = folder / "names.txt"
    text.write_text("".join(f"{name}\n" for name in known), encoding="utf-8")
    rows: dict[str, Any] = {"names": len(listed), "held_out": HELD_OUT}
    scored = [listed[number] for number in sorted(chosen)]
    scored = [name for name in scored if set(name) <= set("".join(known))]
    rows |= {"scored": len(scored), "new": len(set(scored).difference(known))}
    grams = NGram(known, ORDER)
    rows["ngram"] = {"order": ORDER} | per_character(scored, map(grams.nats, scored), known)
    for label, options, end in (("records", (), ""), ("story", ("--records", "none"), "\n")):
        model_path = folder / label
        row = train(text, model_path, "--minutes", minutes, *options)
        model = load(model_path)
        scores = model.score_lines(f"{name}{end}" for name in scored)
        row |= per_character(scored, (score.nats for score in scores), known)
        if label == "records":
            drawn = [record.text for record in model.records(SAMPLES, seed=1, temperature=1.0)]
        else:
            length = 9 * SAMPLES
            written = model.generate(max_new_tokens=length, seed=1, temperature=1.0)
            drawn = [line for line in written.split("\n")[:-1] if line][:SAMPLES]
        row |= {"drawn": len(drawn), "first_letters": chi_squared(drawn, known)}
        row["new"] = len({name for name in drawn if name not in set(known)}) / len(drawn)
        rows[label] = row
        print(label, json.dumps(row), flush=True)
    return rows


WORDS = [
    "river",
    "mill",
    "lark",
    "stone",
    "harbour",
    "oak",
    "winter",
    "lantern",
    "copper",
    "meadow",
    "fiddle",
    "tide",
]
FOODS = [
    "leek",
    "bean",
    "barley",
    "apple",
    "onion",
    "trout",
    "butter",
    "parsley",
    "carrot",
    "oat",
    "honey",
    "plum",
]
BAR = "[A-Ga-g]{8}"
HEAD = r"X:\d+\nT:[A-Za-z ]+\nM:4/4\nL:1/8\nK:(?:G|D|Am|C)\n"
TUNE = re.compile(rf"{HEAD}((?:{BAR}\|){{4}}\n){{3}}(?:{BAR}\|){{3}}{BAR}\|\]")
RECIPE = re.compile(
    r"Title: [a-z ]+\nServes: \d\nIngredients:\n(- \d+ g [a-z]+\n){2,5}Method:\n"
    r"(\d\. [A-Z][a-z ]+\.\n){2,4}Time: \d+ minutes"
)


def tune(chance: random.Random, number: int) -> str:
    """A tune in ABC: four lines of four bars, in two parts that come twice."""

    def bar() -> str:
        place, notes = chance.randrange(4, 10), ""
        for _ in range(8):
            place = min(max(place + chance.choice((-2, -1, -1, 1, 1, 2)), 0), 13)
            notes += "CDEFGABcdefgab"[place]
        return notes

    bars = [bar() for _ in range(4)]
    first, second = (f"{bars[k]}|{bars[k + 1]}|{bars[k]}|{bar()}" for k in (0, 2))
    title = f"The {chance.choice(WORDS)} {chance.choice(WORDS)}".title()
    head = f"X:{number}\nT:{title}\nM:4/4\nL:1/8\nK:{chance.choice(['G', 'D', 'Am', 'C'])}\n"
    return f"{head}{first}|\n{second}|\n{first}|\n{second}|]"


def recipe(chance: random.Random, _number: int) -> str:
    """A recipe on a card."""
    foods = chance.sample(FOODS, chance.randrange(2, 6))
    things = "".join(f"- {chance.randrange(1, 20) * 25} g {food}\n" for food in foods)
    ways = ("Chop the {}", "Boil the {} slowly", "Add the {} and stir", "Bake it with the {}")
    steps = "".join(
        f"{k}. {chance.choice(ways).format(chance.choice(foods))}.\n"
        for k in range(1, chance.randrange(3, 6))
    )
    return (
        f"Title: {foods[0]} with {foods[1]}\nServes: {chance.randrange(1, 9)}\nIngredients:\n"
        f"{things}Method:\n{steps}Time: {chance.randrange(2, 20) * 5} minutes"
    )


def wholes(label: str, folder: Path, minutes: float) -> dict[str, Any]:
    """How many of 200 texts are whole, of a model of tunes or recipes."""
    write, grammar = {"tunes": (tune, TUNE), "recipes": (recipe, RECIPE)}[label]
    chance = random.Random(label)  # noqa: S311
    texts = [write(chance, number) for number in range(1, 1001)]
    assert all(grammar.fullmatch(text) for text in texts)
    text = folder / f"{label}.txt"
    text.write_text("\n\n".join(texts) + "\n")
    row = train(text, folder / label, "--minutes", minutes)
    drawn = load(folder / label).generate_batch(WHOLE, seed=1)
    ends = {"tunes": ("X:", "|]"), "recipes": ("Title:", "minutes")}[label]
    row |= {
        "drawn": WHOLE,
        "begin_and_end_whole": sum(
            one.whole and one.text.startswith(ends[0]) and one.text.endswith(ends[1])
            for one in drawn
        ),
        "follow_the_grammar": sum(grammar.fullmatch(one.text) is not None for one in drawn),
        "example": drawn[0].text,
    }
    print(label, json.dumps(row), flush=True)
    return row


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="+", type=Path, metavar="NAMES")
    parser.add_argument("--minutes", type=float, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        result: dict[str, Any] = {}
        for label in ("tunes", "recipes"):
            result[label] = wholes(label, folder, options.minutes)
        result["names"] = names(options.names, folder, options.minutes)
    keep("records", **result)
    for label in ("tunes", "recipes"):
        row = result[label]
        print(f"{label}: {row['begin_and_end_whole']} of {WHOLE} begin and end whole")
    for label in ("records", "story", "ngram"):
        row = result["names"][label]
        print(
            f"names, {label}: {row['held_out']:.3f} nats per character, "
            f"{row['held_out_new']:.3f} of new ones"
        )


if __name__ == "__main__":
    main()
