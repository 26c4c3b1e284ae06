"""CUDA source to code, and its launch, through the libraries that PyTorch comes with.

    begin_compiling(source, defines, device)
    code = compiled(source, defines, shared_bytes, device)
    code.launch(blocks, threads, arguments, stream)

NVRTC compiles without a compiler's being installed; the driver loads and launches what it made.
That is kept on disk for the next process, as other machine code is.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from ctypes import byref, c_char_p, c_int, c_size_t, c_uint, c_void_p, create_string_buffer
from functools import cache
from pathlib import Path
from typing import NamedTuple

import torch

from charrnn.native.code.compiled import cached

__all__ = [
    "Code",
    "available",
    "begin_compiling",
    "compile_source",
    "compiled",
    "compiler",
    "image",
]

KERNEL = b"layer"  # the name of the function in each source
MAX_DYNAMIC_SHARED_SIZE_BYTES = 8  # CUfunction_attribute


class Code(NamedTuple):
    """A kernel that is loaded on a GPU.

    Attributes:
        function: its handle.
        shared_bytes: the shared memory of each block.
    """

    function: c_void_p
    shared_bytes: int

    def launch(
        self, blocks: int, threads: int, arguments: Sequence[c_int | c_void_p], stream: int
    ) -> None:
        """Begin to run it, with all blocks at once.

        Args:
            blocks: how many.
            threads: of each block.
            arguments: of the kernel, each as its C type.
            stream: the handle of a CUDA stream.

        Raises:
            RuntimeError: if there is no room for all blocks, or CUDA fails.
        """
        pointers = (c_void_p * len(arguments))(
            *(ctypes.cast(ctypes.pointer(value), c_void_p) for value in arguments)
        )
        size = (c_uint(blocks), c_uint(1), c_uint(1), c_uint(threads), c_uint(1), c_uint(1))
        launch, shared = _driver().cuLaunchCooperativeKernel, c_uint(self.shared_bytes)
        _check_cuda(launch(self.function, *size, shared, c_void_p(stream), pointers))


@cache
def available() -> bool:
    """Whether the libraries are here."""
    try:
        _driver(), compiler()
    except OSError:
        return False
    return True


@cache
def compiled(source: str, defines: tuple[str, ...], shared_bytes: int, device: int) -> Code:
    """Compile and load a kernel; once for each, in a process.

    Args:
        source: in CUDA C++, without includes; its kernel is named `KERNEL`.
        defines: constants, "NAME=value" each.
        shared_bytes: the shared memory of each block.
        device: the number of a GPU, which is the current one.

    Raises:
        RuntimeError: if it can't be compiled or loaded.
    """
    module, function = c_void_p(), c_void_p()
    made = begin_compiling(source, defines, device).result()
    _check_cuda(_driver().cuModuleLoadData(byref(module), made))
    _check_cuda(_driver().cuModuleGetFunction(byref(function), module, KERNEL))
    most = MAX_DYNAMIC_SHARED_SIZE_BYTES, c_int(shared_bytes)
    _check_cuda(_driver().cuFuncSetAttribute(function, *most))
    return Code(function, shared_bytes)


@cache
def begin_compiling(source: str, defines: tuple[str, ...], device: int) -> Future[bytes]:
    """Make the image of a kernel beside whatever comes next; see `compiled`."""
    return _threads().submit(image, source, defines, torch.cuda.get_device_capability(device))


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(2)  # the ways forward and back


def image(source: str, defines: tuple[str, ...], capability: tuple[int, int]) -> bytes:
    """The machine code of a source for a GPU of a compute capability; kept on disk."""
    major, minor = capability
    constants = (f"-D{define}" for define in defines)
    options = (f"--gpu-architecture=sm_{major}{minor}", "--std=c++17", *constants)
    version = c_int(), c_int()
    _check_nvrtc(compiler().nvrtcVersion(byref(version[0]), byref(version[1])))
    key = ("nvrtc", version[0].value, version[1].value, options, source)
    return cached(key, lambda: compile_source(source, options))


def compile_source(source: str, options: Sequence[str]) -> bytes:
    """The machine code of a source for the GPU that the options name."""
    nvrtc, program, size = compiler(), c_void_p(), c_size_t()
    _check_nvrtc(
        nvrtc.nvrtcCreateProgram(byref(program), source.encode(), b"layer.cu", 0, None, None)
    )
    try:
        given = (c_char_p * len(options))(*(option.encode() for option in options))
        if nvrtc.nvrtcCompileProgram(program, len(options), given):
            _check_nvrtc(nvrtc.nvrtcGetProgramLogSize(program, byref(size)))
            log = create_string_buffer(size.value)
            _check_nvrtc(nvrtc.nvrtcGetProgramLog(program, log))
            raise RuntimeError(f"a kernel can't be compiled: {log.value.decode()}")
        _check_nvrtc(nvrtc.nvrtcGetCUBINSize(program, byref(size)))
        code = create_string_buffer(size.value)
        _check_nvrtc(nvrtc.nvrtcGetCUBIN(program, code))
    finally:
        nvrtc.nvrtcDestroyProgram(byref(program))
    return code.raw


@cache
def _driver() -> ctypes.CDLL:
    return ctypes.CDLL("libcuda.so.1")


@cache
def compiler() -> ctypes.CDLL:
    """NVRTC, which PyTorch may have loaded, or else stands beside it or in the system."""
    version = (torch.version.cuda or "0").split(".")[0]
    name, home = f"libnvrtc.so.{version}", Path(torch.__file__).parents[1]
    beside = [*home.glob(f"nvidia/*/lib/{name}*"), *home.glob("torch/lib/libnvrtc*.so*")]
    # NVRTC looks for a library of its own where the system has some, but finds it if it is loaded.
    for part in home.glob(f"nvidia/*/lib/libnvrtc-builtins.so.{version}*"):
        with suppress(OSError):
            ctypes.CDLL(str(part))
    for place in (*(path for path in beside if "builtins" not in path.name), name):
        with suppress(OSError):
            library = ctypes.CDLL(str(place))
            if hasattr(library, "nvrtcGetCUBIN"):
                return library
    raise OSError(f"there is no {name}")


def _check_cuda(result: int) -> None:
    """Raise an error of the driver's."""
    if result:
        text = c_char_p()
        _driver().cuGetErrorString(c_int(result), byref(text))
        raise RuntimeError(f"CUDA error: {(text.value or b'unknown').decode()} ({result})")


def _check_nvrtc(result: int) -> None:
    """Raise an error of the compiler's."""
    if result:
        raise RuntimeError(f"NVRTC error {result}")
