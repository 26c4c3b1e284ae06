"""Arrays in `.safetensors` files, whose headers are checked before anything else is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import safetensors

from charrnn.arrays import Weights
from charrnn.errors import BadDataError
from charrnn.folder.files import check_file, read_manifest
from charrnn.folder.untrusted import damaged

__all__ = ["checked_metadata", "read_header", "read_tensors"]


def checked_metadata(path: Path, name: str) -> dict[str, str]:
    """The metadata of a `.safetensors` file, once it has been compared with the manifest.

    Raises:
        FileNotFoundError: if it does not exist.
        BadDataError: if it is damaged.
    """
    check_file(path, name, read_manifest(path))
    try:
        with safetensors.safe_open(path / name, framework="np") as file:
            return file.metadata() or {}
    except safetensors.SafetensorError as error:
        raise damaged(path / name, str(error)) from None


def read_tensors(
    path: Path, shapes: Mapping[str, tuple[int, ...]]
) -> tuple[Weights, dict[str, str]]:
    """The arrays and the metadata of a `.safetensors` file, whose header is checked first.

    Raises:
        BadDataError: if it is not a `.safetensors` file; if names or shapes are not `shapes`,
            or a type is not fp32; if a number is not finite.
    """
    with _with_header(path, shapes) as file:
        tensors = {name: file.get_tensor(name) for name in shapes}
        metadata = file.metadata() or {}
    for name, array in tensors.items():
        if not np.isfinite(array).all():
            raise damaged(path, f"{name} holds NaN or infinity")
    return tensors, metadata


def read_header(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, str]:
    """The metadata of a `.safetensors` file, of which nothing but the header is read.

    Raises:
        BadDataError: if it is not a `.safetensors` file; if names or shapes are not `shapes`,
            or a type is not fp32.
    """
    with _with_header(path, shapes) as file:
        return file.metadata() or {}


@contextmanager
def _with_header(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> Iterator[Any]:
    """An open `.safetensors` file whose arrays are found to have these names and shapes."""
    try:
        with safetensors.safe_open(path, framework="np") as file:
            header = {
                name: (file.get_slice(name).get_dtype(), tuple(file.get_slice(name).get_shape()))
                for name in file.keys()  # noqa: SIM118 - the file can't be iterated
            }
            for name in sorted(set(header) | set(shapes)):
                expected, found = ("F32", shapes.get(name)), header.get(name)
                if found != expected:
                    raise BadDataError(
                        f"{path}: {name} is {_described(found)}, expected {_described(expected)}",
                        "the weights are of another model; copy the folder again",
                    )
            yield file
    except safetensors.SafetensorError as error:
        raise damaged(path, str(error)) from None


def _described(entry: tuple[str, tuple[int, ...] | None] | None) -> str:
    return "missing" if entry is None or entry[1] is None else f"{entry[0]} {list(entry[1])}"
