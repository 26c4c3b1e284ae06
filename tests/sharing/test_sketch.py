"""Scripts for sketches, under Node.js: they take what fields give, and read what they are fed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from charrnn import ByteTokenizer, CharTokenizer
from charrnn.folder.record import ModelFolder
from charrnn.sharing.bundle import bundle
from charrnn.sharing.page import script
from tests.sharing.travelling import CHARACTERS, folder_of, in_node, needs_node

pytestmark = needs_node


def in_sketch(folder: ModelFolder, code: str) -> Any:
    """What `code` returns where `charRNN` is that of the exported script."""
    return in_node(f"{script(bundle(folder, exact=True))}\n{code}")


def test_settings_of_a_sketch_may_be_text_and_wrong_ones_are_refused(tmp_path: Path) -> None:
    code = """
        const wrote = async (settings) => {
          charRNN.randomSeed(4);
          const asked = { seed: "a<", length: 30, temperature: 1, ...settings };
          return charRNN.generate(asked).then(({ sample }) => sample, (error) => error.message);
        };
        const texts = [], refused = [];
        for (const temperature of [0, "0", 0.7, "0.7"]) texts.push(await wrote({ temperature }));
        for (const temperature of ["", null, -1, "x"]) refused.push(await wrote({ temperature }));
        const wrong = [{ topK: "x" }, { length: -1 }, { stop: 5 }, { seed: null }];
        for (const one of wrong) refused.push(await wrote(one));
        refused.push(await charRNN.predict("").catch((error) => error.message));
        for (const number of ["", -1, 0.5, "0.5", Infinity, 2 ** 53]) {
          try { charRNN.randomSeed(number); } catch (error) { refused.push(error.message); }
        }
        const stops = [await wrote({}), await wrote({ stop: "é" }), await wrote({ stop: ["é"] })];
        return { texts, refused, stops };"""
    found = in_sketch(folder_of(tmp_path / "model", "gru"), code)
    zero, zero_text, some, some_text = found["texts"]
    assert zero == zero_text != some == some_text
    advice = "it must be a number that is not negative"
    assert found["refused"] == [
        f'temperature is ""; {advice}',
        f"temperature is null; {advice}",
        f"temperature is -1; {advice}",
        f'temperature is "x"; {advice}',
        f'topK is "x"; {advice}',
        f"length is -1; {advice}",
        "stop must be a text or an array of texts",
        "seed must be a text",
        f'temperature is ""; {advice}',
        f'the number is ""; {advice}',
        f"the number is -1; {advice}",
        *(
            f"the number is {number}; it must be a whole one below 2 ** 53"
            for number in ("0.5", "0.5", "Infinity", "9007199254740992")
        ),
    ]
    whole, one, several = found["stops"]
    assert one == several == whole.partition("é")[0] != whole


def test_what_is_no_text_and_no_settings_is_refused_by_the_promise(tmp_path: Path) -> None:
    code = """
        const said = [], told = [];
        const tell = (error) => told.push(error.message);
        for (const wrong of [null, 5, "It was"]) {
          said.push(await charRNN.generate(wrong, tell).catch((error) => error.message));
        }
        for (const wrong of [undefined, null, 5, {}]) {
          said.push(await charRNN.feed(wrong, tell).catch((error) => error.message));
        }
        return { said, told, wrote: (await charRNN.generate()).sample.length };"""
    found = in_sketch(folder_of(tmp_path / "model", "gru"), code)
    settings = 'generate needs settings, such as { seed: "It was", length: 200 }'
    fed = "feed needs a text, or the whole result of predict"
    assert found["said"] == found["told"] == [settings] * 3 + [fed] * 4
    assert found["wrote"] >= 20


def test_an_error_that_nobody_awaits_is_shown_once_unless_a_callback_hears_it(
    tmp_path: Path,
) -> None:
    code = """
        const shown = [], told = [];
        process.on("unhandledRejection", (error) => shown.push(error.message));
        charRNN.feed("Ω");
        charRNN.feed("Ω", (error) => told.push(error.message));
        await charRNN.feed("Ω").catch(() => {});
        const { sample } = await charRNN.predict();
        await new Promise((over) => setTimeout(over));
        return { shown, told, sample };"""
    found = in_sketch(folder_of(tmp_path / "model", "gru"), code)
    unknown = 'the model does not know "Ω" (U+03A9); leave that out'
    assert (found["shown"], found["told"]) == ([unknown], [unknown])
    assert found["sample"]


def test_a_callback_may_be_the_only_argument(tmp_path: Path) -> None:
    code = """
        const called = (name) => new Promise((resolve) =>
          charRNN[name]((error, result) => resolve({ error, result })));
        return [await called("generate"), await called("predict"), await called("reset")];"""
    wrote, drew, forgot = in_sketch(folder_of(tmp_path / "model", "gru"), code)
    assert len(wrote["result"]["sample"]) >= 20
    assert len(drew["result"]["probabilities"]) == len(CHARACTERS)
    assert forgot == {}


def test_a_seed_counts_for_the_calls_after_it_whether_they_are_awaited_or_not(
    tmp_path: Path,
) -> None:
    """Both texts were drawn from the second number."""
    code = """
        const drawn = (number) => {
          charRNN.randomSeed(number);
          const text = charRNN.generate({ seed: "a<", temperature: 1 });
          return Promise.all([text, charRNN.predict(1)]);
        };
        const together = await Promise.all([drawn(1), drawn(2)]);
        return { together, alone: [await drawn(1), await drawn(2)] };"""
    found = in_sketch(folder_of(tmp_path / "model", "gru"), code)
    assert found["together"] == found["alone"]
    one, other = ([text["sample"], next_["id"]] for text, next_ in found["alone"])
    assert one[0] != other[0]
    assert one[1] != other[1]


@pytest.mark.parametrize("end", [None, "\n"])
def test_what_is_drawn_before_anything_is_fed_is_not_read(end: str | None, tmp_path: Path) -> None:
    """Drawn as at the start of a line or record, from where its result goes on."""
    code = """
        const chances = async () => JSON.stringify((await charRNN.predict(0)).probabilities);
        const [begun, again] = [await chances(), await chances()];
        await charRNN.feed("ab");
        const after = await chances();
        await charRNN.reset();
        await charRNN.feed("ab");
        const fed = await chances();
        await charRNN.reset();
        let looped = "";
        for (let k = 0; k < 9; k++) {
          const next = await charRNN.predict(0);
          if (!next.sample) break;
          looped += next.sample;
          await charRNN.feed(next);
        }
        const { sample } = await charRNN.generate({ temperature: 0, length: 9 });
        return { begun, again, after, fed, looped, sample };"""
    known = CharTokenizer("\nabcd" if end is None else "abcd", end=end)
    found = in_sketch(folder_of(tmp_path / "model", "gru", known), code)
    assert found["begun"] == found["again"] != found["after"] == found["fed"]
    assert found["looped"] == found["sample"] != ""


@pytest.mark.parametrize("kind", ["characters", "bytes"])
def test_the_loop_of_the_header_goes_on_with_a_new_record(kind: str, tmp_path: Path) -> None:
    """It fed the sample, which is empty at an end; later the end, with the record still in mind."""
    lines = script(bundle(folder_of(tmp_path / "other", "gru"))).splitlines()
    (fed,) = [line.strip() for line in lines if line.startswith("     await charRNN.feed(next")]
    code = f"""
        const chances = async () => JSON.stringify((await charRNN.predict(0)).probabilities);
        const {{ probabilities }} = await charRNN.predict(0);
        const next = {{ sample: "", id: probabilities.length - 1, probabilities }}; // the end
        const begun = JSON.stringify(probabilities);
        {fed}
        const empty = await chances();
        await charRNN.feed("ab");
        const within = await chances();
        {fed}
        const after = await chances();
        await charRNN.feed("ab");
        return {{ begun, empty, within, after, again: await chances() }};"""
    known = CharTokenizer("abcd", end="\n") if kind == "characters" else ByteTokenizer(end="\n")
    found = in_sketch(folder_of(tmp_path / "model", "lstm", known), code)
    assert found["after"] == found["empty"] == found["begun"] != found["within"] == found["again"]


@pytest.mark.parametrize("kind", ["characters", "bytes"])
def test_a_sketch_reads_the_last_record_of_what_it_is_fed(kind: str, tmp_path: Path) -> None:
    known = CharTokenizer("abcd", end="\n") if kind == "characters" else ByteTokenizer(end="\n")
    code = """
        const after = async (...texts) => {
          await charRNN.reset();
          for (const text of texts) await charRNN.feed(text);
          return (await charRNN.predict(0)).probabilities.map(({ probability }) => probability);
        };
        const found = [], fed = [["b\\ncd"], ["b", "\\ncd"], ["b", "\\nc", "d"], ["cd"], ["bcd"]];
        for (const texts of fed) found.push(await after(...texts));
        return found;"""
    found = in_sketch(folder_of(tmp_path / "model", "gru", known), code)
    assert found[0] == found[1] == found[2] == found[3] != found[4]


@pytest.mark.parametrize(
    ("kind", "fed"),
    [
        ("documents", [["a\n", "\nc"], ["a\n\nc"]]),
        ("blocks", [["a", "\n \nc"], ["c"]]),
        ("^c", [["a", "\ncb"], ["cb"]]),
        ("^c", [["a", "\r\ncb"], ["cb"]]),
        ("^c", [["a", "b\r\n"], ["ab\n"]]),
        ("^c", [["cb", "\n\nb"], ["cb\n\nb"]]),
    ],
)
def test_a_sketch_begins_a_record_where_the_list_has_one(
    kind: str, fed: list[list[str]], tmp_path: Path
) -> None:
    code = f"""
        const found = [];
        for (const texts of {fed}) {{
          await charRNN.reset();
          for (const text of texts) await charRNN.feed(text);
          found.push(JSON.stringify(await charRNN.predict(0)));
        }}
        return found;"""
    known = CharTokenizer("\n abcd", end="\n\n")
    one, same = in_sketch(folder_of(tmp_path / "model", "gru", known, kind), code)
    assert one == same
