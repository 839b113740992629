"""
The protocol between suite and agent: framed, checked, little-endian.

A frame is a start byte, the length of its payload (two bytes), the payload, and the CRC-32 of length and payload. The
suite sends commands: an act to perform, and behind it the script of the event that it creates, if it does. The agent
answers with records as things happen, from inside notification functions too; `DONE` ends the answer to a command.
Each record has a stamp that counts from 1, so the order of records is the order of what happened.

The agent's C is compiled with the same numbers: `header()` writes them.
"""

import struct
import uuid
import zlib
from dataclasses import dataclass
from enum import IntEnum

from sevconf.vocabulary import Tpl

START = 0xA5
#: Bytes of the longest payload; a memory map of 1,000 ranges fits.
LONGEST = 16_384
#: Values of a record, at least: zeros at the end are not sent.
VALUES = 4
#: Slots for events, and acts in one script.
SLOTS = 96
SCRIPT = 12

_HEAD = struct.Struct("<BH")
_CHECK = struct.Struct("<I")
_ACT = struct.Struct("<BBBB4xQQQ16s")
_RECORD = struct.Struct("<BBI")
_RANGE = struct.Struct("<III")
#: Bytes of a frame beside its payload.
OVERHEAD = _HEAD.size + _CHECK.size


class Service(IntEnum):
    """What the agent can be asked to call; the last two are of its own making."""

    CreateEvent = 1
    CreateEventEx = 2
    CloseEvent = 3
    SignalEvent = 4
    CheckEvent = 5
    WaitForEvent = 6
    SetTimer = 7
    RaiseTPL = 8
    RestoreTPL = 9
    AllocatePages = 10
    FreePages = 11
    AllocatePool = 12
    FreePool = 13
    GetMemoryMap = 14
    ExitBootServices = 15
    Stall = 16
    LocateProtocol = 17
    InstallProtocol = 18
    UninstallProtocol = 19
    #: Stall for a while, unrecorded, so that timers can tick.
    PassTime = 20
    #: Connect every driver to every handle, as a boot manager may.
    ConnectAll = 21


class Record(IntEnum):
    """What the agent tells."""

    HELLO = 1
    CALL = 2
    RETURN = 3
    BEGAN = 4
    ENDED = 5
    DONE = 6
    #: A command that the agent could not read, or that names a slot which does not exist.
    REFUSED = 7


class Flag(IntEnum):
    """Bits of a command's flags."""

    #: The event has a notification function.
    NOTIFY = 1
    #: The event belongs to the group of the act's GUID.
    GROUP = 2
    #: AllocatePool keeps the buffer for a later act of a script, FreePool takes the newest of them.
    KEPT = 4
    #: GetMemoryMap tells the ranges too.
    RANGES = 8


@dataclass(frozen=True, slots=True)
class Command:
    """An act: `slot` is the event that it concerns, `a`, `b` and `c` are what the service takes (see the agent)."""

    service: Service
    slot: int = 0
    flags: int = 0
    a: int = 0
    b: int = 0
    c: int = 0
    guid: str | None = None

    def pack(self) -> bytes:
        """Return its bytes."""
        guid = uuid.UUID(self.guid).bytes_le if self.guid else bytes(16)
        mask = (1 << 64) - 1
        return _ACT.pack(self.service, self.slot, self.flags, 0, self.a & mask, self.b & mask, self.c & mask, guid)


@dataclass(frozen=True, slots=True)
class Told:
    """One record: its stamp, the level the agent is at as far as it asked for it, a number, and 64-bit values."""

    kind: Record
    stamp: int
    level: Tpl
    number: int
    values: tuple[int, ...]
    rest: bytes = b""


class BadFrame(Exception):
    """What came is no frame of this protocol."""


def frame(payload: bytes) -> bytes:
    """Return a payload in its frame."""
    body = _HEAD.pack(START, len(payload)) + payload
    return body + _CHECK.pack(zlib.crc32(body[1:]))


def command(*acts: Command) -> bytes:
    """Return the frame of an act, and of the script behind it; zeros at the end are not sent."""
    return frame(b"".join(act.pack() for act in acts).rstrip(b"\0"))


def missing(buffer: bytearray) -> int:
    """Return how many bytes are missing from the first frame in a buffer, as far as that is known."""
    if len(buffer) < _HEAD.size:
        return _HEAD.size - len(buffer)
    return max(int(_HEAD.unpack_from(buffer)[1]) + OVERHEAD - len(buffer), 1)


def take(buffer: bytearray) -> bytes | None:
    """
    Take the payload of the first whole frame out of a buffer, or return None if none is whole.

    Raises:
        BadFrame: what stands there is no frame.

    """
    if len(buffer) < _HEAD.size:
        return None
    start, length = _HEAD.unpack_from(buffer)
    if start != START or length > LONGEST:
        raise BadFrame(f"expected a frame, not {bytes(buffer[:16]).hex(' ')}")
    if len(buffer) < length + OVERHEAD:
        return None
    body, check = bytes(buffer[: length + _HEAD.size]), _CHECK.unpack_from(buffer, length + _HEAD.size)[0]
    if zlib.crc32(body[1:]) != check:
        raise BadFrame(f"expected the checksum {zlib.crc32(body[1:]):#010x}, not {check:#010x}")
    del buffer[: length + OVERHEAD]
    return body[_HEAD.size :]


def told(payload: bytes) -> Told:
    """
    Read a record.

    Raises:
        BadFrame: it is none.

    """
    try:
        kind, level, stamp = _RECORD.unpack_from(payload)
        number, count = payload[_RECORD.size], payload[_RECORD.size + 1]
        values = struct.unpack_from(f"<{count}Q", payload, _RECORD.size + 2)
        values += (0,) * (VALUES - count)
        return Told(Record(kind), stamp, Tpl(level), number, values, payload[_RECORD.size + 2 + 8 * count :])
    except (struct.error, IndexError, ValueError) as error:
        raise BadFrame(f"expected a record, not {payload[:32].hex(' ')}: {error}") from error


def ranges(rest: bytes) -> tuple[tuple[int, int, int], ...]:
    """Return type, first page and count of pages of each range of a memory map."""
    return tuple(_RANGE.iter_unpack(rest))


def header() -> str:
    """Return the numbers of this protocol as a C header."""
    words: dict[str, type[IntEnum]] = {"SERVICE": Service, "RECORD": Record, "FLAG": Flag}
    lines = ["#pragma once", f"#define WIRE_START 0x{START:02x}", f"#define WIRE_LONGEST {LONGEST}"]
    lines += [f"#define WIRE_SLOTS {SLOTS}", f"#define WIRE_SCRIPT {SCRIPT}"]
    for word, numbers in words.items():
        lines += [f"#define {word}_{member.name} {member.value}" for member in numbers]
    return "\n".join(lines) + "\n"
