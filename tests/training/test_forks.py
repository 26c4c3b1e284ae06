"""Training in copies of a process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from charrnn.checkpoints import WEIGHTS

CODE = """
import multiprocessing
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
    work("first", 2)
    for name, method, threads in (("two", "fork", 2), ("one", "fork", 1), ("new", "spawn", 2)):
        copy = multiprocessing.get_context(method).Process(target=work, args=(name, threads))
        copy.start()
        copy.join(300)
        copy.kill()
        copy.join()
        print(copy.exitcode, flush=True)
"""


@pytest.mark.skipif(sys.platform == "darwin", reason="a Mac's libraries do not work in a copy")
def test_a_copy_of_a_process_that_has_trained_is_refused_what_it_would_wait_for(
    verse: Path, tmp_path: Path
) -> None:
    """One that is forked can use one thread; one that is started anew can use several."""
    (tmp_path / "program.py").write_text(CODE)
    done = subprocess.run(
        [sys.executable, "program.py"],
        cwd=tmp_path,
        env=os.environ | {"OMP_NUM_THREADS": "2"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    first, said, *others = done.stdout.splitlines()
    assert "forked" in said, done.stderr
    assert "start it with multiprocessing's spawn method" in said
    assert [first, *others] == ["5", *["5", "0"] * 3], done.stderr
    assert [(tmp_path / name).exists() for name in ("two", "one", "new")] == [False, True, True]


IN_A_LOOP = """
import os
import sys
import charrnn
import torch

def train(name, copy_does=""):
    settings = {"hidden_size": 16, "embed_size": 6, "batch_size": 3, "seq_length": 9}
    run = charrnn.train("verse.txt", out=name, steps=8, eval_every=4, device="cpu", **settings)
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
    train("whole")
    for copy_does in sys.argv[2:]:
        train(copy_does, copy_does)
except charrnn.CharRNNError as error:
    print(error, flush=True)
"""


@pytest.mark.parametrize("threads", [1, 2])
def test_a_copy_made_in_a_loop_leaves_the_run_and_its_lock_alone(
    threads: int, verse: Path, tmp_path: Path
) -> None:
    """One that left the loop once took the lock away, and saved."""
    (tmp_path / "program.py").write_text(IN_A_LOOP)
    done = subprocess.run(
        # From Python 3.12 on, it warns of copies of a process that has threads.
        [sys.executable, "-W", "ignore", "program.py", str(threads), "leave", "go on"],
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
    lock = "['.lock', '.lock.holder']"
    assert done.stdout.splitlines() == [lock] * 3 + [refusal, lock] * 3
    whole, *forked = (tmp_path / name for name in ("whole", "leave", "go on"))
    for path in forked:
        assert (path / WEIGHTS).read_bytes() == (whole / WEIGHTS).read_bytes()
