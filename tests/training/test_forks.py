"""Training in copies of a process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import multiprocessing
import sys
import charrnn
import torch

def work(name, threads):
    torch.set_num_threads(threads)
    settings = {"hidden_size": 16, "embed_size": 6, "batch_size": 3, "seq_length": 9}
    try:
        run = charrnn.train("verse.txt", out=name, steps=2, device="cpu", **settings)
        run.finish(progress=False)
    except charrnn.CharRNNError as error:
        print(error)
    print(len(charrnn.load("first").generate("the", max_new_tokens=5)), flush=True)

if __name__ == "__main__":
    method, threads = sys.argv[1], int(sys.argv[2])
    work("first", 2)
    copy = multiprocessing.get_context(method).Process(target=work, args=("second", threads))
    copy.start()
    copy.join(300)
    copy.kill()
    copy.join()
    print(copy.exitcode)
"""


@pytest.mark.parametrize(
    ("method", "threads", "trains"), [("fork", 2, False), ("fork", 1, True), ("spawn", 2, True)]
)
def test_a_copy_of_a_process_that_has_trained_is_refused_what_it_would_wait_for(
    method: str, threads: int, trains: bool, verse: Path, tmp_path: Path
) -> None:
    (tmp_path / "program.py").write_text(CODE)
    done = subprocess.run(
        [sys.executable, "program.py", method, str(threads)],
        cwd=tmp_path,
        env=os.environ | {"OMP_NUM_THREADS": "2"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    lines = done.stdout.splitlines()
    assert (tmp_path / "second").exists() == trains, done.stderr
    if not trains:
        (said,) = (line for line in lines if "forked" in line)
        assert "start it with multiprocessing's spawn method" in said
        lines.remove(said)
    assert lines == ["5", "5", "0"], done.stderr


IN_A_LOOP = """
import os
import sys
import charrnn
import torch

def train(name, copy_does):
    settings = {"hidden_size": 16, "embed_size": 6, "batch_size": 3, "seq_length": 9}
    run = charrnn.train("verse.txt", out=name, steps=8, eval_every=2, device="cpu", **settings)
    for event in run:
        if copy_does and isinstance(event, (charrnn.Started, charrnn.Evaluated)):
            copy = os.fork()
            if copy == 0 and copy_does == "leave":
                sys.exit()
            if copy == 0:
                continue
            os.waitpid(copy, 0)
            print(sorted(path for path in os.listdir(name) if "lock" in path), flush=True)

torch.set_num_threads(int(sys.argv[1]))
try:
    train("whole", "")
    train("forked", sys.argv[2])
except charrnn.CharRNNError as error:
    print(error, flush=True)
"""


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("copy_does", ["leave", "go on"])
def test_a_copy_made_in_a_loop_leaves_the_run_and_its_lock_alone(
    threads: int, copy_does: str, verse: Path, tmp_path: Path
) -> None:
    """One that left the loop once took the lock away, and saved."""
    (tmp_path / "program.py").write_text(IN_A_LOOP)
    done = subprocess.run(
        [sys.executable, "program.py", str(threads), copy_does],
        cwd=tmp_path,
        env=os.environ | {"OMP_NUM_THREADS": "2"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert (done.returncode, done.stderr) == (0, "")
    refusal = (
        "this process was forked from the one that trains; leave the loop here, and go on there"
    )
    lines = done.stdout.splitlines()
    assert lines.count(refusal) == (5 if copy_does == "go on" else 0)
    assert [line for line in lines if line != refusal] == ["['.lock', '.lock.holder']"] * 5
    whole, forked = (tmp_path / name / "model.safetensors" for name in ("whole", "forked"))
    assert forked.read_bytes() == whole.read_bytes()
