"""Whatever is given: an answer or a `CharRNNError`, never anything else."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from charrnn import CharRNNError, Reading, load, train
from charrnn.cli.app import app
from charrnn.config import ModelConfig, TrainConfig
from charrnn.errors import UsageError
from charrnn.settings import Settings
from charrnn.settings import settings_from as made
from charrnn.text.spool import Spool
from charrnn.text.tokenizer import make_tokenizer
from charrnn.use_config import EvalConfig, SampleConfig

ROOT = Path(__file__).parent.parent
NASTY = [
    "",
    "-",
    "0",
    "-1",
    "nan",
    "inf",
    "1e400",
    "9" * 30,
    "é",
    "\x01",  # no command line can hold a NUL
    "\udcff",
    "a,b",
    "[",
    "../x",
]
CODES = {0, 1, 2, 65, 66, 73, 74, 75}


@given(
    st.binary(max_size=300),
    st.sampled_from(["utf-8", "utf-16", "gb18030", "cp1252"]),
    st.sampled_from(["strict", "replace", "surrogateescape"]),
    st.sampled_from(["char", "byte"]),
    st.sampled_from(["x", "x.txt", "x.gz", "x.csv.gz", "x.jsonl"]),
)
@example(b"\x1f\x8b\x08", "utf-8", "strict", "char", "x.gz")
def test_bytes_are_a_corpus_or_an_error(
    tmp_path: Path, data: bytes, encoding: str, errors: Any, kind: Any, name: str
) -> None:
    (tmp_path / name).write_bytes(data)
    with (
        suppress(CharRNNError),
        closing(Spool([tmp_path / name], Reading(encoding, errors))) as text,
    ):
        tokenizer = make_tokenizer(kind, text.characters)
        ids = text.encode(tokenizer)
        assert ids.max() < tokenizer.vocab_size
        assert len(ids) == text.length if kind == "char" else len(ids) >= text.length


@pytest.mark.parametrize("count", [0, 1, 2, 3, 15, 16, 17, 40, 80, 81, 100])
def test_a_text_of_few_bytes_is_too_short_or_trained_on(count: int, tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_bytes(b"ab"[: count % 2] + b"ba" * (count // 2))
    if count < 81:
        with pytest.raises(CharRNNError, match=r"no text|distinct|need \d+") as error:
            train(path, out=tmp_path / "model", steps=3, hidden_size=4, embed_size=3)
        assert error.value.exit_code == 65
    else:
        events = train(path, out=tmp_path / "model", steps=3, hidden_size=4, embed_size=3)
        assert len(list(events)) >= 3
        assert load(tmp_path / "model").generate(max_new_tokens=3, seed=0)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["lstm", "auto", "windows", 2**63, 2**64, 10**400, (), ("",)]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)


@pytest.mark.parametrize("kind", [SampleConfig, ModelConfig, TrainConfig, EvalConfig])
@given(st.data())
def test_settings_are_made_or_refused(kind: type[Settings], data: st.DataObject) -> None:
    fields = msgspec.structs.fields(kind)
    required = {field.name: json_values for field in fields if field.required}
    others = [field.name for field in fields if not field.required]
    values = data.draw(st.fixed_dictionaries(required))
    values |= data.draw(st.dictionaries(st.sampled_from([*others, "unknown"]), json_values))
    with suppress(UsageError):
        made(kind, values)


OPTIONS = {
    "train": "--name --out --encoding --epochs --minutes --val-frac --dropout --lr --resume "
    "--init-from --errors --text-column --tokenizer --weight-decay --precision --records",
    "sample": "--temp --top-k --top-p --min-p --typical-p --repetition-penalty "
    "--repetition-window --allow --ban --stop --max-lines --prompt --unknown --prompt-file "
    "--novelty --seed --no-echo --include-stop --json --beam --length-penalty --best-of "
    "--num-samples --interactive --reject-copies --output --records --unique --novel",
    "eval": "--protocol --window --random-windows --per-char --dynamic --json --html --encoding "
    "--errors --validation --segment --rate --decay --records",
    "score": "--unknown",
    "cache": "",
    "info": "--json",
    "verify": "",
    "corpora": "--json",
}
USUAL = ["2", "0.5", "ab", "verse", "verse.txt", "checkpoints/verse", "skip", "windows"]


@given(st.data())
def test_a_command_line_ends_in_a_code_that_is_told_and_no_traceback(
    home: Path, data: st.DataObject
) -> None:
    verb = data.draw(st.sampled_from(sorted(OPTIONS)))
    words = st.sampled_from([*OPTIONS[verb].split(), *USUAL, *NASTY])
    arguments = data.draw(st.lists(words, max_size=6))
    if verb == "sample":
        arguments += ["--length", "5"]  # 0 would go on for ever
    if verb == "train":
        arguments += ["--steps", "1", "--rnn-size", "4"]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        patch.setattr("sys.stdin", (home / "verse.txt").open())
        with pytest.raises(SystemExit) as done, sys.stdin:
            app([verb, *arguments])
    assert (done.value.code or 0) in CODES


@pytest.mark.filterwarnings("ignore::UserWarning")  # which the command line says
@given(
    st.binary(max_size=40),
    st.sampled_from(["--prompt-file=prompt.bin", "--prompt={}", "--stop={}"]),
    st.sampled_from(["error", "skip", "replace"]),
    st.booleans(),
)
def test_any_bytes_may_be_a_prompt(
    home: Path, data: bytes, source: str, unknown: str, json: bool
) -> None:
    """In a file, and as a word of the command line; echoed, and put into JSON."""
    (home / "prompt.bin").write_bytes(data)
    word = os.fsdecode(data.replace(b"\0", b""))
    arguments = ["sample", "verse", "-n", "3", "--seed", "1", "--unknown", unknown]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        with pytest.raises(SystemExit) as done:
            app(
                [
                    *arguments,
                    source.format(word),
                    *(["--json"] if json else ["--output", "out.txt"]),
                ]
            )
    assert (done.value.code or 0) in CODES


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="needs atheris")
def test_coverage_guided_fuzzing_finds_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.fuzzing", "-atheris_runs=200000", "-seed=1"]
    command += [f"-artifact_prefix={tmp_path}/"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=1000)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Done 200000 in" in done.stderr
