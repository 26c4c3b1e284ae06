"""Files that a command makes are complete, or as they were before."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import pytest

from charrnn.checkpoints import MODEL_FILES
from charrnn.errors import CannotCreateError, ReadWriteError, UsageError
from charrnn.outputs import output_file, refuse_inputs
from tests.commands import TINY, Copy, refused, run, run_here, start
from tests.conftest import VERSE

OLD, NEW = b"an old page", b"a new page, and a longer one"


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left"), KeyboardInterrupt()])
@pytest.mark.parametrize("there", [False, True])
def test_what_fails_half_way_changes_nothing(
    error: BaseException, there: bool, tmp_path: Path
) -> None:
    path = tmp_path / "page.html"
    if there:
        path.write_bytes(OLD)
    expected = ReadWriteError if isinstance(error, OSError) else KeyboardInterrupt

    def fail() -> None:
        with output_file(path, "--html") as file:
            file.write(NEW)
            file.flush()
            raise error

    with pytest.raises(expected):
        fail()
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [OLD] * there


def test_a_file_is_replaced_where_a_link_leads_and_keeps_who_may_read_it(tmp_path: Path) -> None:
    path, link = tmp_path / "page.html", tmp_path / "folder" / "link"
    path.write_bytes(OLD)
    path.chmod(0o640)
    link.parent.mkdir()
    link.symlink_to(path)
    with output_file(link, "--html") as file:
        file.write(NEW)
        assert path.read_bytes() == OLD
        (new,) = tmp_path.glob(".*.charrnn-new")
        assert new.stat().st_mode & ~path.stat().st_mode == 0, "who may not read it never may"
    assert link.is_symlink()
    assert path.read_bytes() == NEW
    assert path.stat().st_mode & 0o777 == 0o640
    assert sorted(tmp_path.iterdir()) == [link.parent, path]


def test_a_file_in_a_folder_that_takes_no_other_is_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = os.open

    def none_new(path: Path, flags: int, mode: int) -> int:  # root would be let, whatever the mode
        if flags & os.O_EXCL:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return opened(path, flags, mode)

    path = tmp_path / "page.html"
    path.write_bytes(NEW + OLD)
    with monkeypatch.context() as patch:
        patch.setattr(os, "open", none_new)
        with output_file(path, "--html") as file:
            file.write(NEW)
        fails = pytest.raises(CannotCreateError, match="Permission denied; choose another --html")
        with fails, output_file(tmp_path / "other.html", "--html"):
            raise AssertionError("nothing can be written")
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [NEW]


@pytest.mark.parametrize("number", [errno.EBUSY, errno.EPERM, errno.EIO])
def test_a_file_that_stays_where_it_is_is_written_to_once_all_is_there(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one that is mounted by itself, or one of another user's in a folder for all."""
    path = tmp_path / "page.html"
    path.write_bytes(OLD * 2)
    inode = path.stat().st_ino

    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    def write() -> None:
        with output_file(path, "--html") as file:
            file.write(NEW)
            assert path.read_bytes() == OLD * 2

    monkeypatch.setattr(os, "rename", fail)
    monkeypatch.setattr(os, "replace", fail)
    if number == errno.EIO:
        with pytest.raises(ReadWriteError, match=r"page\.html: Input/output error"):
            write()
    else:
        write()
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [
        OLD * 2 if number == errno.EIO else NEW
    ]
    assert path.stat().st_ino == inode


WRITES = """
import signal
from pathlib import Path
from charrnn.outputs import output_file
signal.signal(signal.SIGHUP, signal.SIG_DFL)
with output_file(Path("page.html"), "--html") as file:
    file.write(b"half of it")
    print(len(list(Path().iterdir())), flush=True)
    signal.pause()
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_that_ends_the_process_leaves_no_half_file(
    number: signal.Signals, tmp_path: Path
) -> None:
    (tmp_path / "page.html").write_bytes(OLD)
    command = [sys.executable, "-c", WRITES]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"2\n"
        process.send_signal(number)
    assert process.returncode == -number, "it ends as it would without"
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [OLD]


def test_a_copy_of_the_process_that_ends_leaves_what_is_being_written(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from charrnn.outputs import output_file\n"
        "with output_file(Path('page.html'), '--html') as file:\n"
        "    file.write(b'a new page, and a longer one')\n"
        "    if not (copy := os.fork()):\n"
        "        signal.raise_signal(signal.SIGTERM)\n"
        "    _, status = os.waitpid(copy, 0)\n"
        "    signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "print(os.WTERMSIG(status), signal.getsignal(signal.SIGHUP) == signal.SIG_IGN)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.stdout == f"{signal.SIGTERM.value} True\n", done.stderr
    assert (tmp_path / "page.html").read_bytes() == NEW


def test_handlers_of_a_program_are_called_while_it_writes(tmp_path: Path) -> None:
    heard, before = list[int](), signal.getsignal(signal.SIGTERM)
    with output_file(tmp_path / "one.html", "--html") as file:
        file.write(NEW)
    assert signal.getsignal(signal.SIGTERM) == before
    signal.signal(signal.SIGTERM, lambda number, _: heard.append(number))
    try:
        with output_file(tmp_path / "page.html", "--html") as file:
            file.write(NEW)
            signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert heard == [signal.SIGTERM]
    assert (tmp_path / "page.html").read_bytes() == NEW


def test_a_new_file_may_be_read_by_whom_the_user_lets_read(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.touch()
    with output_file(tmp_path / "page.html", "--html") as file:
        file.write(NEW)
    assert (tmp_path / "page.html").stat().st_mode == plain.stat().st_mode


def test_a_pipe_gets_what_is_written(tmp_path: Path) -> None:
    pipe, got = tmp_path / "pipe", list[bytes]()
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    with output_file(pipe, "--html") as file:
        file.write(NEW)
    reader.join(60)
    assert got == [NEW]
    assert pipe.is_fifo()


def test_what_is_no_place_for_a_file_is_refused(tmp_path: Path) -> None:
    around = tmp_path / "around"
    around.symlink_to(around)
    for path in (tmp_path, tmp_path / "nowhere" / "page.html", around):
        refused = pytest.raises(CannotCreateError, match="choose another --html")
        with refused, output_file(path, "--html"):
            raise AssertionError("nothing can be written")


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("export verse --html", "a.html"),
        ("export verse --js", "a.js"),
        ("export verse --onnx", "a.onnx"),
        ("eval verse verse.txt --html", "a.html"),
        ("inspect verse verse.txt --html", "a.html"),
        ("inspect verse verse.txt --horizon --output", "a.svg"),
        ("plot verse --output", "a.png"),
    ],
)
@pytest.mark.parametrize("there", [False, True])
def test_a_command_whose_file_does_not_fit_leaves_the_old_one(
    command: str, name: str, there: bool, home: Path
) -> None:
    if there:
        (home / name).write_bytes(OLD)
    files = sorted(home.iterdir())
    limit = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (2000, 2000))
    process = Copy(home, *command.split(), name, prepare=limit)
    _, said = process.communicate()
    assert process.returncode == 74, said
    assert said.endswith(f"charrnn: {name}: File too large; make room or check the disk\n")
    assert sorted(home.iterdir()) == files
    assert not there or (home / name).read_bytes() == OLD


@pytest.mark.parametrize(
    "command",
    [
        "eval verse verse.txt --html verse.txt",
        "eval verse few.txt --dynamic verse.txt --html ./verse.txt",
        "inspect verse verse.txt --html verse.txt",
        "inspect verse verse.txt --html link",
        "eval verse v*.txt --html verse.txt",
        "eval verse . --html verse.txt",
        "sample verse -n 9 --novelty verse.txt -o verse.txt",
        "sample verse -n 9 --prompt-file verse.txt -o verse.txt",
    ],
)
def test_a_text_that_is_read_is_not_written_over(command: str, home: Path) -> None:
    """The page took its place, without a word."""
    (home / "few.txt").write_text("the clerk")
    (home / "link").symlink_to("verse.txt")
    before = (home / "verse.txt").read_bytes()
    option, name = command.split()[-2:]
    option, name = option.replace("-o", "--output"), name.removeprefix("./")
    found = f"charrnn: {option} names {name}, which is read; choose another file\n"
    refused(run_here(home, *command.split()), 2, found)
    assert (home / "verse.txt").read_bytes() == before


def test_a_text_that_a_model_was_made_from_is_not_written_over(tmp_path: Path) -> None:
    """An exported page took the place of the page that the model was trained on."""
    texts = [tmp_path / name for name in ("own.html", "own.js", "held.txt", "folder/own.txt")]
    texts[-1].parent.mkdir()
    (tmp_path / "pages.js").mkdir()  # which a pattern passes
    (tmp_path / "pages.js" / "page.txt").write_text("of an earlier command")
    for path in texts:
        path.write_text(f"of {path.name}\n{VERSE * 3}")
    (tmp_path / "other.txt").write_text("the clerk")
    train = ["train", "own.html", "*.js", "folder", "--validation", "held.txt", "--name", "own"]
    assert run_here(tmp_path, *train, "--steps", 2, *TINY).returncode == 0
    for command in (
        "export own --html own.html",
        "export own --onnx a.onnx --js own.js",
        "sample own -n 9 -o held.txt",
        "eval own other.txt --html own.html",
        "inspect own other.txt --html held.txt",
    ):
        option, name = command.replace("-o", "--output").split()[-2:]
        before = (tmp_path / name).read_bytes()
        found = f"charrnn: {option} names {name}, which the model was trained or validated on; "
        refused(run_here(tmp_path, *command.split()), 2, f"{found}choose another file\n")
        assert (tmp_path / name).read_bytes() == before
    for name in ("other.txt", "folder/own.txt", "pages.js/page.txt"):  # of earlier commands
        assert run_here(tmp_path, "sample", "own", "-n", 9, "-o", name).returncode == 0


@pytest.mark.parametrize(
    "command",
    ["sample verse -n 9 -o", "eval verse verse.txt --html", "export verse --js"],
)
def test_a_model_is_not_written_over(command: str, home: Path) -> None:
    weights = home / "checkpoints" / "verse" / "model.safetensors"
    before = weights.read_bytes()
    done = run_here(home, *command.split(), "checkpoints/verse/model.safetensors")
    refused(done, 2, "/model.safetensors, a file of a model; choose another file\n")
    assert weights.read_bytes() == before


def test_every_file_of_a_model_is_kept_and_there_is_room_for_others(home: Path) -> None:
    model = home / "checkpoints" / "verse"
    files = [path for path in model.rglob("*") if path.is_file() and path.name[0] != "."]
    assert len(files) > 6
    for path in (*files, *(model / name for name in MODEL_FILES)):  # those of other tasks too
        with pytest.raises(UsageError, match="a file of a model"):
            refuse_inputs(path, "--html")
    refuse_inputs(model / "page.html", "--html", [model / "page.html", "-", "hf://owner/name"])
    refuse_inputs(home / "README.md", "--html")


@pytest.mark.parametrize(
    ("command", "path"),
    [
        ("sample verse -n 9 --seed 1 -o", "/dev/fd/1"),
        ("sample verse -n 9 --seed 1 -o", "/dev/stdout"),
        ("eval verse verse.txt --html", "/dev/stdout"),
        ("export verse --js", "/dev/fd/1"),
    ],
)
def test_a_log_behind_standard_output_keeps_what_is_in_it(
    command: str, path: str, home: Path
) -> None:
    """It was emptied, also where it was opened to be written at its end. What is told beside a file
    is no part of it.
    """
    run(home, *command.split(), "alone")
    for mode in ("ab", "wb"):
        log = home / f"log-{mode}"
        log.write_bytes(OLD)
        with log.open(mode) as opened:
            opened.write(NEW)
            opened.flush()
            process = start(home, *command.split(), path, stdout=opened)
            _, said = process.communicate(timeout=120)
            opened.write(OLD)
        assert process.returncode == 0, said
        alone = (home / "alone").read_bytes()
        assert log.read_bytes() == OLD * (mode == "ab") + NEW + alone + OLD


@pytest.mark.parametrize(
    "command", ["sample verse -n 9 -o", "eval verse verse.txt --html", "export verse --js"]
)
def test_a_reader_of_dev_stdout_that_has_seen_enough_is_no_error(command: str, home: Path) -> None:
    process = start(home, *command.split(), "/dev/stdout")
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    with process:
        assert b"Broken pipe" not in process.stderr.read()
        assert process.wait(120) == 0


@pytest.mark.parametrize(
    "command", ["sample verse -n 9 -o", "eval verse verse.txt --html", "export verse --js"]
)
def test_a_sign_for_standard_output_is_not_taken_for_a_name(command: str, home: Path) -> None:
    option = command.split()[-1].replace("-o", "--output")
    found = f"charrnn: {option} is -, which is not the name of a file; "
    refused(
        run_here(home, *command.split(), "-"),
        2,
        f"{found}name one; standard output is /dev/stdout\n",
    )
    assert not (home / "-").exists()
