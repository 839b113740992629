"""Traces as text: every kind of entry comes back as it was, and what is no trace is refused with a reason."""

import json
from dataclasses import fields

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sevconf.errors import RecordError
from sevconf.trace import (
    DeviceState,
    Dma,
    Dumped,
    Entry,
    ExitPhase,
    Finding,
    HostAct,
    IommuCommand,
    MappingMade,
    Phase,
    ServiceCall,
    ServiceReturn,
    Trace,
    describe,
    entries,
)
from sevconf.trace.codec import KINDS, decode, decode_entry, digest, encode, encode_entry
from sevconf.vocabulary import DmaOperation, EfiStatus, GlobalCommand, Gpa, Tpl

HEADER = '{"format":"sevconf-trace","version":1,"row":"EBS-01.1{on=sev}"}'


def _trace() -> Trace:
    trace = Trace()
    call = trace.record(
        ServiceCall, "scenario", None, Tpl.APPLICATION, service="PciIo.Map", arguments=(("host", 4096), ("who", None))
    )
    trace.record(
        MappingMade,
        "iommu-driver:sev",
        call.step,
        Tpl.NOTIFY,
        mapping="M1",
        owner="scenario",
        bus_master="device:probe",
        operation=DmaOperation.WRITE,
        host=Gpa(4096),
        device=8192,
        length=512,
    )
    trace.record(
        ServiceReturn, "pci", call.step, Tpl.APPLICATION, call=1, service="PciIo.Map", status=EfiStatus.SUCCESS
    )
    trace.record(ExitPhase, "core", None, Tpl.APPLICATION, phase=Phase.KEY_ACCEPTED)
    trace.record(
        Dumped,
        "host",
        None,
        Tpl.APPLICATION,
        attacker=True,
        pages=2,
        sha256="ab",
        findings=(Finding("S", 0, Gpa(8192), 32),),
    )
    return trace


LINES = (
    HEADER,
    (
        '{"kind":"ServiceCall","step":1,"actor":"scenario","within":null,"tpl":"APPLICATION","service":"PciIo.Map",'
        '"arguments":[["host",4096],["who",null]]}'
    ),
    (
        '{"kind":"MappingMade","step":2,"actor":"iommu-driver:sev","within":1,"tpl":"NOTIFY","mapping":"M1",'
        '"owner":"scenario","bus_master":"device:probe","operation":"WRITE","host":4096,"device":8192,"length":512}'
    ),
    (
        '{"kind":"ServiceReturn","step":3,"actor":"pci","within":1,"tpl":"APPLICATION","call":1,"service":"PciIo.Map",'
        '"status":"SUCCESS","results":[]}'
    ),
    '{"kind":"ExitPhase","step":4,"actor":"core","within":null,"tpl":"APPLICATION","phase":"KEY_ACCEPTED","status":null}',
    (
        '{"kind":"Dumped","step":5,"actor":"host","within":null,"tpl":"APPLICATION","attacker":true,"pages":2,'
        '"sha256":"ab","findings":[["S",0,8192,32]]}'
    ),
)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@given(data=st.data())
@settings(max_examples=30, deadline=None)
def test_every_kind_of_entry_comes_back(kind: type[Entry], data: st.DataObject) -> None:
    """An entry with any values in its fields is one line of JSON, and reads back equal, types included."""
    entry = data.draw(st.from_type(kind))
    line = encode_entry(entry)
    assert "\n" not in line
    assert repr(decode_entry(line)) == repr(entry)


def test_every_kind_of_entry_has_a_name_in_files() -> None:
    """No class of entries is forgotten, and the common base is none."""
    named = {kind for kind in vars(entries).values() if isinstance(kind, type) and issubclass(kind, Entry)}
    assert set(KINDS.values()) == named - {Entry}


def test_a_line_names_the_fields_in_their_order() -> None:
    """The text of an entry is its kind, then its fields as they are declared."""
    for kind in KINDS.values():
        line = json.loads(encode_entry(_any(kind)))
        assert list(line) == ["kind", *(field.name for field in fields(kind))]


def _any(kind: type[Entry]) -> Entry:
    values = {field.name: () if field.name in {"arguments", "results", "findings"} else None for field in fields(kind)}
    return kind(**values)  # type: ignore[arg-type]


def test_the_text_of_a_trace_is_stable() -> None:
    """The text of version 1 is this one: who changes it changes the version too."""
    assert tuple(encode(_trace(), "EBS-01.1{on=sev}")) == LINES


def test_a_trace_comes_back_with_its_row() -> None:
    """A file gives back the row's id and every entry; empty lines do not matter."""
    row, trace = decode([*LINES[:3], "", *LINES[3:], "\n"])
    assert row == "EBS-01.1{on=sev}"
    assert list(trace) == list(_trace())


def test_a_header_without_a_row_is_of_no_row() -> None:
    """A trace that is no row's own has an empty id."""
    assert decode(['{"format":"sevconf-trace","version":1}'])[0] == ""


def test_the_digest_is_of_the_text() -> None:
    """The digest depends on every entry and on the row, and on nothing else."""
    assert digest(_trace()) == digest(_trace())
    assert len({digest(_trace()), digest(_trace(), "EBS-01.1{on=sev}"), digest(list(_trace())[:-1])}) == 3


@pytest.mark.parametrize(
    "lines",
    [(), ("",), ("[]",), ("1",), ('{"format":"sevconf-trace"}',), ("not JSON",), LINES[1:]],
    ids=["nothing", "empty", "list", "number", "no version", "text", "no header"],
)
def test_a_file_without_a_header_is_refused(lines: tuple[str, ...]) -> None:
    """A file that does not begin with a header is no trace, and the message says what one begins with."""
    with pytest.raises(
        RecordError, match=r"^not a trace: no header line\nhint: expected \{\"format\":\"sevconf-trace\""
    ):
        decode(lines)


@pytest.mark.parametrize(
    ("header", "named"),
    [
        ('{"format":"sevconf-trace","version":2}', "sevconf-trace version 2"),
        ('{"format":"pcap","version":1}', "pcap version 1"),
    ],
)
def test_another_format_or_version_is_refused(header: str, named: str) -> None:
    """A trace of another version is not guessed at."""
    with pytest.raises(RecordError, match=f"^expected sevconf-trace version 1, not {named}$"):
        decode([header, *LINES[1:]])


@pytest.mark.parametrize(
    "lines",
    [LINES[2:], (*LINES[1:3], *LINES[4:]), (LINES[1], LINES[1]), LINES[:0:-1]],
    ids=["first missing", "one missing", "one doubled", "reversed"],
)
def test_a_gap_in_the_steps_is_refused(lines: tuple[str, ...]) -> None:
    """A trace with a step missing, doubled or out of order is refused."""
    with pytest.raises(RecordError, match=r"^a step is missing or doubled: expected step \d next, not \d$"):
        decode([HEADER, *lines])


@pytest.mark.parametrize(
    "line",
    [
        "not JSON",
        "[]",
        "null",
        '"ServiceCall"',
        '{"step":1}',
        '{"kind":"Miracle","step":1}',
        '{"kind":"DeviceState","step":1,"actor":"core","within":null,"tpl":"APPLICATION"}',
        '{"kind":"HostAct","step":1,"actor":"host","within":null,"tpl":"APPLICATION","what":"x","more":1}',
        '{"kind":"HostAct","step":1,"actor":"host","within":null,"tpl":"LOUD","what":"x"}',
        '{"kind":"ServiceCall","step":1,"actor":"a","within":null,"tpl":"NOTIFY","service":"S","arguments":[1]}',
        '{"kind":"Dumped","step":1,"actor":"a","within":null,"tpl":"NOTIFY","findings":[["S",0]]}',
    ],
)
def test_a_line_that_is_no_entry_is_refused(line: str) -> None:
    """A line that is no entry of this version is named, with the reason as a hint."""
    with pytest.raises(RecordError, match=r"^not an entry of a trace: .*\nhint: \w+Error: "):
        decode([HEADER, line])


def test_two_entries_of_different_kinds_never_share_a_text() -> None:
    """The kind is part of the text: what differs only in kind differs in its digest."""
    one = Dma(1, "device:disk", None, Tpl.APPLICATION, "device:disk", 0, 1, write=True)
    two = DeviceState(1, "device:disk", None, Tpl.APPLICATION, "device:disk", running=True)
    three = HostAct(1, "device:disk", None, Tpl.APPLICATION, "device:disk")
    assert len({digest([entry]) for entry in (one, two, three)}) == 3


@pytest.mark.parametrize("bits", [GlobalCommand(0), GlobalCommand.TE, GlobalCommand.TE | GlobalCommand.SRTP])
def test_bits_of_a_register_come_back_as_their_number(bits: GlobalCommand) -> None:
    """No bit, one and several: what comes back is equal, and can be told in words."""
    entry = IommuCommand(1, "iommu-driver:vtd", None, Tpl.APPLICATION, command=bits, status=bits)
    read = decode_entry(encode_entry(entry))
    assert read == entry
    assert describe(read) == describe(entry)
