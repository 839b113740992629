"""
The line between suite and worker: values in frames, over a socket.

Both ends read values of the suite's own kinds only (enumerations, dataclasses, exceptions, and what Python has built
in): a frame can't make its reader run or import anything else.
"""

import copyreg
import io
import os
import pickle
import socket
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, is_dataclass
from enum import Enum
from typing import Any, ClassVar

#: Length of what follows, in bytes.
_HEADER = struct.Struct("!I")
HEADER_SIZE = _HEADER.size
#: The largest frame that anybody has reason to send: the whole medium of a disk fits many times.
LARGEST = 64 << 20
#: Bytes of a trace that may wait for the suite, if the system allows so many.
ROOM = 1 << 20
#: Bytes to read at once.
_GULP = 1 << 16


class LineError(Exception):
    """What came over the line is nothing that the other end of it sends."""


@dataclass(frozen=True, slots=True)
class Request:
    """The suite asks for one act of one facet."""

    facet: str
    method: str
    arguments: dict[str, Any]
    act: str


@dataclass(frozen=True, slots=True)
class Answer:
    """The act is done; `value` is what it returned."""

    value: Any


@dataclass(frozen=True, slots=True)
class Failure:
    """The act failed; nothing more is to be expected of this worker if `fatal`."""

    error: BaseException
    fatal: bool


class _Reader(pickle.Unpickler):
    #: Kinds that were found to be in order.
    _known: ClassVar[dict[tuple[str, str], type]] = {}

    def find_class(self, module: str, name: str) -> type:
        known = self._known.get((module, name))
        if known is not None:
            return known
        if module.startswith("sevconf.") and "." not in name:
            found = super().find_class(module, name)
            if isinstance(found, type) and (issubclass(found, Enum | Exception) or is_dataclass(found)):
                self._known[module, name] = found
                return found
        raise pickle.UnpicklingError(f"{module}.{name} has no business on this line")


class _Writer(pickle.Pickler):
    """Lets exceptions travel as they are, whatever their classes want to be built from."""

    def reducer_override(self, value: object) -> Any:
        if isinstance(value, BaseException):
            return copyreg.__newobj__, (type(value), *value.args), vars(value)  # type: ignore[attr-defined]
        return NotImplemented


def packed(value: object) -> bytes:
    """Return a value as a frame."""
    if isinstance(value, Failure):
        buffer = io.BytesIO()
        _Writer(buffer, pickle.HIGHEST_PROTOCOL).dump(value)
        data = buffer.getvalue()
    else:
        data = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    return _HEADER.pack(len(data)) + data


def unpacked(data: bytes) -> Any:
    """
    Read the content of a frame.

    Raises:
        LineError: it is none.

    """
    try:
        return _Reader(io.BytesIO(data)).load()
    except Exception as error:
        raise LineError(f"{type(error).__name__}: {error}") from error


class Inbox:
    """Puts frames together from whatever pieces they arrive in."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def feed(self, piece: bytes) -> None:
        """Take a piece."""
        self._bytes += piece

    def take(self) -> Iterator[Any]:
        """
        Yield the values that are complete.

        Raises:
            LineError: a frame that nobody sends.

        """
        while len(self._bytes) >= _HEADER.size:
            (length,) = _HEADER.unpack_from(self._bytes)
            if length > LARGEST:
                raise LineError(f"a frame of {length} bytes")
            end = _HEADER.size + length
            if len(self._bytes) < end:
                return
            data = bytes(self._bytes[_HEADER.size : end])
            del self._bytes[:end]
            yield unpacked(data)


def drain(source: int) -> Iterator[bytes]:
    """Yield what lies in a pipe that does not block, and not all that is written meanwhile: a writer may never end."""
    with suppress(BlockingIOError):
        for _ in range(ROOM // _GULP):
            yield os.read(source, _GULP)


def gulp(source: socket.socket) -> bytes:
    """Read what is there; nothing is the end of the line."""
    try:
        return source.recv(_GULP)
    except ConnectionError:
        return b""
