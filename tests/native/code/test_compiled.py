"""Compiled code is kept for the next process, and what can't be trusted is compiled anew."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import platformdirs
import pytest

import charrnn
from charrnn.cli.app import app
from charrnn.native.code import compiled, machine
from charrnn.native.code.compiled import compiled_once
from charrnn.native.code.machine import Code
from charrnn.text import cache
from tests.commands import refused, run, run_here
from tests.conftest import PROCESSORS, Processor

Keep = Callable[[int], int]


def adder(number: int) -> Code:
    """Code that adds a number to a vector."""
    made.append(number)
    code = Code("add", ["x"])
    code.store(code["x"], code.load(code["x"], "fp32") + float(number), "fp32")
    return code


made: list[int] = []  # numbers for which code was made, not loaded


@pytest.fixture
def another_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Keep]:
    """The function with nothing kept in memory, as a new process has it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    made.clear()
    return lambda: compiled_once(adder)


def result(address: int) -> float:
    """What the code at an address makes of zeros."""
    x = (ctypes.c_float * 16)()
    machine.run(address, [ctypes.addressof(x)])
    return x[0]


def kept_file() -> Path:
    (path,) = compiled.entries()
    return path


def test_threads_that_need_the_same_code_make_it_once(another_process: Callable[[], Keep]) -> None:
    keep, entered, addresses = another_process(), threading.Barrier(3), list[int]()

    def ask() -> None:
        entered.wait()
        addresses.append(keep(3))

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(addresses) == 3
    assert len(set(addresses)) == 1
    assert made == [3]


def test_the_next_process_loads_what_this_one_compiled(another_process: Callable[[], Keep]) -> None:
    assert result(another_process()(3)) == 3
    assert result(another_process()(3)) == 3
    assert result(another_process()(4)) == 4  # another argument is other code
    assert made == [3, 4]
    assert len(compiled.entries()) == 2


def test_every_processor_has_code_of_its_own(
    another_process: Callable[[], Keep], processor: Processor
) -> None:
    for target in PROCESSORS:
        processor(target)
        assert result(another_process()(3)) == 3
    assert made == [3] * len(PROCESSORS)


def test_code_is_made_anew_when_what_makes_it_has_changed(
    another_process: Callable[[], Keep], monkeypatch: pytest.MonkeyPatch
) -> None:
    another_process()(3)
    monkeypatch.setattr(compiled, "source_digest", lambda: "of other code")
    another_process()(3)
    assert made == [3, 3]


def test_code_of_which_nobody_knows_what_it_is_made_by_is_not_kept(
    another_process: Callable[[], Keep], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a frozen copy of the package, which has no sources."""
    monkeypatch.setattr(charrnn, "__file__", str(tmp_path / "charrnn" / "__init__.py"))
    monkeypatch.setattr(compiled, "source_digest", compiled.source_digest.__wrapped__)
    for room in ("", "cells", "native"):
        (tmp_path / "charrnn" / room).mkdir()
        assert result(another_process()(3)) == 3
    (tmp_path / "charrnn" / "config.py").touch()
    assert result(another_process()(3)) == 3
    assert made == [3] * 4
    assert compiled.entries() == {}


@pytest.mark.parametrize("changed", ["config.py", "cells/gradients.py", "native/vectors.py"])
def test_all_that_code_is_made_by_counts(
    changed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Muon's blocks have a size of `config`, which did not count."""
    package = shutil.copytree(Path(charrnn.__file__).parent, tmp_path / "charrnn")
    monkeypatch.setattr(charrnn, "__file__", str(package / "__init__.py"))
    digest = compiled.source_digest.__wrapped__
    before = digest()
    with (package / changed).open("a") as file:
        file.write("\n")
    assert digest() != before


def emptied(data: bytes) -> bytes:
    return b""


def shortened(data: bytes) -> bytes:
    return data[:-1]


def one_bit_changed(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


def of_something_else(data: bytes) -> bytes:
    return b"#!/bin/sh\n" * 20


@pytest.mark.parametrize("change", [emptied, shortened, one_bit_changed, of_something_else])
def test_a_damaged_file_is_made_anew(
    another_process: Callable[[], Keep], change: Callable[[bytes], bytes]
) -> None:
    another_process()(3)
    whole = kept_file().read_bytes()
    kept_file().write_bytes(change(whole))
    assert result(another_process()(3)) == 3
    assert made == [3, 3]
    assert kept_file().read_bytes() == whole


@pytest.mark.parametrize("which", ["cache", "folder", "file"])
def test_code_that_others_could_have_written_is_not_loaded(
    another_process: Callable[[], Keep], which: str
) -> None:
    another_process()(3)
    path = kept_file()
    opened = {"cache": path.parent.parent, "folder": path.parent, "file": path}[which]
    opened.chmod(opened.stat().st_mode | 0o020)
    assert result(another_process()(3)) == 3
    assert made == [3, 3]


def test_code_of_another_user_is_not_loaded(
    another_process: Callable[[], Keep], monkeypatch: pytest.MonkeyPatch
) -> None:
    another_process()(3)
    user = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: user + 1)
    assert result(another_process()(3)) == 3
    assert made == [3, 3]


def test_only_the_user_may_look_into_the_folder(another_process: Callable[[], Keep]) -> None:
    another_process()(3)
    for folder in (cache.location(), kept_file().parent):
        assert folder.stat().st_mode & 0o777 == 0o700


def test_where_nothing_can_be_kept_code_is_compiled(another_process: Callable[[], Keep]) -> None:
    cache.location().parent.mkdir(parents=True, exist_ok=True)
    cache.location().write_text("a file where the folder would be")
    assert result(another_process()(3)) == 3
    assert result(another_process()(3)) == 3
    assert made == [3, 3]


def test_without_a_home_folder_code_is_compiled_and_the_command_says_what_to_set(
    another_process: Callable[[], Keep], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a container whose user has no entry: what needed code ended in a traceback."""

    def fail(_: str) -> Path:
        raise RuntimeError("could not determine the home directory")

    monkeypatch.setattr(platformdirs, "user_cache_path", fail)
    assert result(another_process()(3)) == 3
    assert result(another_process()(3)) == 3
    assert made == [3, 3]
    said = "there is no home folder, which would hold caches; choose a place for caches with XDG_"
    for option in ((), ("--all",), ("--clear",)):
        refused(run_here(tmp_path, "cache", *option), 74, said)


def test_the_least_recently_used_code_gives_way(
    another_process: Callable[[], Keep], monkeypatch: pytest.MonkeyPatch
) -> None:
    for age, number in enumerate((3, 4, 5)):
        another_process()(number)
        os.utime([*compiled.entries()][-1], (1000 + age, 1000 + age))
    sizes = [status.st_size for status in compiled.entries().values()]
    oldest = [*compiled.entries()][:2]
    monkeypatch.setattr(compiled, "LARGEST", sum(sizes[1:]))
    another_process()(6)
    assert len(compiled.entries()) == 2
    assert not any(path.exists() for path in oldest)


def test_clearing_deletes_the_code_but_not_from_under_a_process(
    another_process: Callable[[], Keep],
) -> None:
    address = another_process()(3)
    assert compiled.clear() == (1, [])
    assert compiled.entries() == {}
    assert result(address) == 3


def test_the_command_lists_and_clears_it(
    another_process: Callable[[], Keep], tmp_path: Path
) -> None:
    another_process()(3)
    assert str(kept_file()) in run(tmp_path, "cache", "--all").stdout
    assert run(tmp_path, "cache").stdout == f"1 file, 0.0 MB; in {cache.location()}\n"
    assert "deleted 1 file in" in run(tmp_path, "cache", "--clear").stdout
    assert compiled.entries() == {}
    assert run(tmp_path, "cache").stdout == ""


@pytest.fixture
def code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a cache of the test's own, where one file is kept."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    folder = cache.location() / "code"
    folder.mkdir(parents=True)
    (folder / "whole.o").write_bytes(b"code")
    return folder


@pytest.mark.parametrize("option", [[], ["--all"]])
def test_files_that_another_process_has_just_deleted_are_listed(
    option: list[str],
    code: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It ended with an error of the disk."""
    found = compiled.entries()
    (code / "whole.o").unlink()
    monkeypatch.setattr(compiled, "entries", lambda: found)
    with pytest.raises(SystemExit, match="0"):
        app(["cache", *option])
    assert ("4 bytes" if option else "1 file, 0.0 MB") in capsys.readouterr().out


def test_what_can_be_deleted_is_and_the_rest_is_named(
    code: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, name in enumerate("abc"):
        (code / f"{name}.o").touch()
        os.utime(code / f"{name}.o", (number, number))
    unlink = Path.unlink

    def refuse(path: Path, missing_ok: bool = False) -> None:
        if len(path.stem) == 1:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(SystemExit, match="74"):
        app(["cache", "--clear"])
    monkeypatch.undo()
    shown = capsys.readouterr()
    assert shown.out == f"deleted 1 file in {code.parent}\n"
    assert "a.o: Permission denied, and 2 others likewise; see that you may" in shown.err
    assert shown.err.count("\n") == 1


def test_what_is_no_file_is_none_of_its_own(code: Path) -> None:
    (code / "d.o").mkdir()
    (code / "l.o").symlink_to("nowhere")
    os.mkfifo(code / "p.o")
    assert [*compiled.entries()] == [code / "whole.o"]
    assert compiled.clear() == (1, [])
    assert len(list(code.iterdir())) == 3, "a user's own are left alone"


def test_half_made_files_of_crashed_processes_go(another_process: Callable[[], Keep]) -> None:
    """When the next code is kept."""
    another_process()(3)
    folder = kept_file().parent
    old, new = folder / ".old.new", folder / ".young.new"
    old.touch()
    new.touch()
    os.utime(old, (0, 0))
    another_process()(4)
    assert not old.exists()
    assert new.exists()


@pytest.mark.parametrize("option", [(), ("--all",), ("--clear",)])
def test_a_place_where_nothing_can_be_kept_is_named(
    option: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    assert run(tmp_path, "cache", *option).returncode == 0
    (tmp_path / "caches").write_text("a file where a folder should be")
    done = run(tmp_path, "cache", *option)
    assert (done.stdout, done.returncode) == ("", 74)
    assert "caches/charrnn: Not a directory; " in done.stderr
    assert "or choose another place for caches with XDG_CACHE_HOME" in done.stderr
