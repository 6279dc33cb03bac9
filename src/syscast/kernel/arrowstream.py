"""Streams of Arrow arrays that are made when they are asked for.

nanoarrow makes streams of arrays that exist already; those of a running session do not. So this
takes such a stream (``struct ArrowArrayStream`` of the Arrow C stream interface) and puts functions
that call Python in the place of two of its own. Consumers may call them in any thread; ctypes
takes the GIL for that. Its ``release`` stays: that one is also called while an exception is on its
way, where no function in Python can run.
"""

from __future__ import annotations

import ctypes
import errno
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable


class Made(Protocol):
    """An array of nanoarrow that nobody else uses."""

    def _addr(self) -> int: ...


class _CStream(ctypes.Structure):
    _fields_ = (
        ("get_schema", ctypes.c_void_p),
        ("get_next", ctypes.c_void_p),
        ("get_last_error", ctypes.c_void_p),
        ("release", ctypes.c_void_p),
        ("private_data", ctypes.c_size_t),
    )


class _CArray(ctypes.Structure):
    _fields_ = (
        ("length", ctypes.c_int64),
        ("null_count", ctypes.c_int64),
        ("offset", ctypes.c_int64),
        ("n_buffers", ctypes.c_int64),
        ("n_children", ctypes.c_int64),
        ("buffers", ctypes.c_void_p),
        ("children", ctypes.c_void_p),
        ("dictionary", ctypes.c_void_p),
        ("release", ctypes.c_void_p),
        ("private_data", ctypes.c_void_p),
    )


class _Source:
    """What one C stream calls."""

    def __init__(self, following: Callable[[], Made | None]) -> None:
        self.following = following
        self.error: ctypes.Array[ctypes.c_char] | None = None


_sources: dict[int, _Source] = {}


def redirect(address: int, following: Callable[[], Made | None]) -> int:
    """Make a C stream ask a function for its arrays.

    Args:
        address: Of the ``struct ArrowArrayStream``; it may be moved afterwards.
        following: Gives the next array, which is moved away; None at the end. What it raises is an
            error of the consumer's call, with its message.

    Returns:
        A number for `forget`.
    """
    stream = _CStream.from_address(address)
    number = int(stream.private_data)  # its address stays when the struct is moved
    _sources[number] = _Source(following)
    stream.get_next = ctypes.cast(_GET_NEXT, ctypes.c_void_p).value
    stream.get_last_error = ctypes.cast(_GET_LAST_ERROR, ctypes.c_void_p).value
    return number


def forget(number: int) -> None:
    """Let go of what a stream asks; to be called when it is released."""
    _sources.pop(number, None)


def _get_next(stream: int, out: int) -> int:
    source = _sources[_CStream.from_address(stream).private_data]
    try:
        made = source.following()
        if made is None:
            ctypes.memset(out, 0, ctypes.sizeof(_CArray))  # a released array is the end
            return 0
        array = _CArray.from_address(made._addr())  # noqa: SLF001 - nanoarrow's name for it
        ctypes.memmove(out, ctypes.addressof(array), ctypes.sizeof(_CArray))
        array.release = None  # so the interface moves arrays
    except BaseException as error:  # noqa: BLE001 - nothing may pass through the C code
        text = str(error) or type(error).__name__
        # Stays until the next call, for get_last_error.
        source.error = ctypes.create_string_buffer(text.encode("utf-8", "backslashreplace"))
        return errno.EIO
    return 0


def _get_last_error(stream: int) -> int:
    error = _sources[_CStream.from_address(stream).private_data].error
    return 0 if error is None else ctypes.addressof(error)


_GET_NEXT = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)(_get_next)
_GET_LAST_ERROR = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)(_get_last_error)
