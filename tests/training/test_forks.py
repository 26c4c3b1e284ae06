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
