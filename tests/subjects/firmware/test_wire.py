"""Frames and records of the agent's line."""

import pytest

from sevconf.subjects.firmware.wire import (
    BadFrame,
    Command,
    Record,
    Service,
    command,
    frame,
    header,
    missing,
    ranges,
    take,
    told,
)
from sevconf.vocabulary import Tpl


def test_a_frame_comes_back_whole() -> None:
    """What is framed is what is taken, and what follows stays."""
    buffer = bytearray(frame(b"one") + frame(b"two"))
    assert [take(buffer), take(buffer), take(buffer)] == [b"one", b"two", None]


@pytest.mark.parametrize("cut", range(1, 9))
def test_half_a_frame_is_none_yet(cut: int) -> None:
    """A frame that is not whole stays, and tells what it lacks."""
    whole = frame(b"xyz")
    buffer = bytearray(whole[:-cut])
    assert take(buffer) is None
    assert missing(buffer) == (cut if cut < 8 else 1)


@pytest.mark.parametrize("place", [0, 3, 5, -1])
def test_a_changed_byte_is_no_frame(place: int) -> None:
    """A byte that changed on the way is seen."""
    whole = bytearray(frame(b"content"))
    whole[place] ^= 0x40
    with pytest.raises(BadFrame):
        take(whole)


def test_zeros_at_the_end_are_not_sent() -> None:
    """A command without arguments is short."""
    assert len(command(Command(Service.SignalEvent, 3))) < 12


def test_a_record_is_read() -> None:
    """Kind, level, stamp, number and values; values that were not sent are 0."""
    payload = bytes([Record.RETURN, Tpl.NOTIFY, 7, 0, 0, 0, Service.AllocatePages, 1]) + (5).to_bytes(8, "little")
    record = told(payload + b"rest")
    assert (record.kind, record.level, record.stamp, record.number) == (Record.RETURN, Tpl.NOTIFY, 7, 10)
    assert (record.values, record.rest) == ((5, 0, 0, 0), b"rest")


@pytest.mark.parametrize("payload", [b"", b"\x01", bytes([99, 4, 0, 0, 0, 0, 0, 0]), bytes([2, 5, 0, 0, 0, 0, 0, 0])])
def test_what_is_no_record_is_refused(payload: bytes) -> None:
    """Too short, of no kind, or at no level."""
    with pytest.raises(BadFrame, match="expected a record"):
        told(payload)


def test_ranges_of_a_memory_map() -> None:
    """Type, first page, pages."""
    assert ranges((7).to_bytes(4, "little") + (16).to_bytes(4, "little") + (3).to_bytes(4, "little")) == ((7, 16, 3),)


def test_the_agent_is_compiled_with_these_numbers() -> None:
    """The header names every service and record."""
    for member in (*Service, *Record):
        assert f"_{member.name} {member.value}\n" in header()
