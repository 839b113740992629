"""Entries in words: every kind has a sentence of its own."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sevconf.trace import (
    CBitChanged,
    DeviceRegister,
    DeviceState,
    Dma,
    Dumped,
    Entry,
    EventClosed,
    EventCreated,
    EventQueued,
    ExitPhase,
    Exposed,
    Finding,
    GuestAccess,
    HostAct,
    InstructionAccess,
    IommuCommand,
    IommuFault,
    IommuState,
    MapChanged,
    MappingEnded,
    MappingMade,
    NotificationBegan,
    NotificationEnded,
    Phase,
    ProcedureBegan,
    SecretBorn,
    ServiceCall,
    ServiceReturn,
    Trace,
    describe,
    excerpt,
)
from sevconf.trace.codec import KINDS
from sevconf.vocabulary import CBit, DmaOperation, EfiStatus, EventGroup, FaultReason, Gpa, Gva, MemoryType, Tpl

_AT = (7, "core", None, Tpl.APPLICATION)
_EXIT = EventGroup.EXIT_BOOT_SERVICES.value

WORDS: list[tuple[Entry, str]] = [
    (ServiceCall(*_AT, "AllocatePool"), "calls AllocatePool()"),
    (
        ServiceCall(*_AT, "X", (("size", 16), ("who", "me"), ("all", True), ("none", None))),
        "calls X(size=0x10, who=me, all=True, none=None)",
    ),
    (ServiceReturn(*_AT, 3, "Stall", None), "Stall of step 3 returns"),
    (
        ServiceReturn(*_AT, 3, "AllocatePool", EfiStatus.SUCCESS, (("buffer", 4096),)),
        "AllocatePool of step 3 returns EFI_SUCCESS (buffer=0x1000)",
    ),
    (EventCreated(*_AT, "E1", 0, None, None), "owns new event E1, type 0x0, without notification"),
    (
        EventCreated(*_AT, "E1", 0x200, Tpl.CALLBACK, _EXIT),
        "owns new event E1, type 0x200, with notification at TPL_CALLBACK of group EXIT_BOOT_SERVICES",
    ),
    (EventQueued(*_AT, "E1", Tpl.NOTIFY), "has E1 queued at TPL_NOTIFY"),
    (EventClosed(*_AT, "E1", was_queued=False), "closes E1"),
    (EventClosed(*_AT, "E1", was_queued=True), "closes E1, which was queued"),
    (NotificationBegan(*_AT, "E1", "a-guid"), "runs the notification function of E1 of group a-guid"),
    (ProcedureBegan(*_AT, 1), "runs a procedure on application processor 1"),
    (NotificationEnded(*_AT, "E1", 3), "returns from the notification function of E1"),
    (
        MapChanged(*_AT, Gpa(0x1000), 2, MemoryType.LOADER_DATA, 0x101),
        "turns 2 pages at 0x1000 into LOADER_DATA; MapKey is now 0x101",
    ),
    (ExitPhase(*_AT, Phase.TIMERS_OFF), "timers are off"),
    (ExitPhase(*_AT, Phase.RETURNED, EfiStatus.UNSUPPORTED), "ExitBootServices returns EFI_UNSUPPORTED"),
    (
        MappingMade(*_AT, "M1", "driver:d", "device:disk", DmaOperation.READ, Gpa(0x1000), 0x2000, 512),
        (
            "has mapping M1 live: BusMasterRead of 512 bytes for device:disk, HostAddress 0x1000, "
            "DeviceAddress 0x2000, asked for by driver:d"
        ),
    ),
    (MappingEnded(*_AT, "M1"), "ends mapping M1"),
    (CBitChanged(*_AT, Gva(0x1000), Gpa(0), 3, CBit.CLEAR), "makes the C-bit clear on 3 pages at Gva 0x1000"),
    (
        GuestAccess(*_AT, Gva(0x1000), Gpa(0), 16, write=True, cbit=CBit.SET),
        "writes 16 bytes at Gva 0x1000 with the C-bit set",
    ),
    (
        InstructionAccess(*_AT, Gva(0x1000), Gpa(0), 16, write=True, cbit=CBit.CLEAR, at="IoMmuDxe+0x1405"),
        "writes 16 bytes at Gva 0x1000 with the C-bit clear, first at IoMmuDxe+0x1405",
    ),
    (Dma(*_AT, "device:disk", 0x1000, 16, write=False), "reads 16 bytes at DeviceAddress 0x1000"),
    (
        IommuFault(*_AT, "device:disk", 0x1000, 16, write=True),
        "faults: device:disk writes 16 bytes at DeviceAddress 0x1000",
    ),
    (
        IommuFault(*_AT, "device:disk", 0x1000, 16, write=False, source=8, reason=FaultReason.NO_READ_ACCESS),
        "faults: device:disk reads 16 bytes at DeviceAddress 0x1000 (NO_READ_ACCESS, source id 0x0008)",
    ),
    (
        IommuState(*_AT, translating=True, root=Gpa(0x1000)),
        "turns the IOMMU's translation on, by the tables at 0x1000",
    ),
    (
        IommuCommand(*_AT, command=1 << 31, status=1 << 30),
        "writes 0x80000000 to the IOMMU's command register, whose status is 0x40000000",
    ),
    (IommuState(*_AT, translating=False, root=Gpa(0x1000)), "turns the IOMMU's translation off"),
    (DeviceRegister(*_AT, "device:disk", "CONTROL", 1, write=True), "writes 0x1 to register CONTROL of device:disk"),
    (DeviceRegister(*_AT, "device:disk", "STATUS", 0, write=False), "reads 0x0 from register STATUS of device:disk"),
    (DeviceState(*_AT, "device:disk", running=True), "runs"),
    (DeviceState(*_AT, "device:disk", running=False), "is halted"),
    (HostAct(*_AT, "wipes its copies"), "wipes its copies"),
    (SecretBorn(*_AT, "the secret", 512), "makes the secret the secret of 512 bytes"),
    (Dumped(*_AT, attacker=False, pages=3, sha256="", findings=()), "dumps 3 pages, finds no secret"),
    (
        Dumped(*_AT, attacker=True, pages=3, sha256="", findings=(Finding("S", 0, Gpa(0x1000), 32),) * 6),
        (
            "compromised: dumps 3 pages, finds 32 bytes of S at 0x1000; 32 bytes of S at 0x1000; "
            "32 bytes of S at 0x1000; 32 bytes of S at 0x1000 and 2 more"
        ),
    ),
    (Exposed(*_AT, findings=()), "shows an attacker, from here on, no secret"),
]


@pytest.mark.parametrize(("entry", "words"), WORDS, ids=[type(entry).__name__ for entry, _ in WORDS])
def test_an_entry_reads_as_a_sentence(entry: Entry, words: str) -> None:
    """The actor comes first, then what it did, with addresses in hex and levels by name."""
    assert describe(entry) == f"core {words}"


def test_every_kind_is_in_the_table() -> None:
    """No kind of entry is left without words."""
    assert {type(entry) for entry, _ in WORDS} == set(KINDS.values())


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@given(data=st.data())
@settings(max_examples=10, deadline=None)
def test_any_values_can_be_described(kind: type[Entry], data: st.DataObject) -> None:
    """Whatever the fields hold, an entry is described by more than its kind."""
    entry = data.draw(st.from_type(kind))
    words = describe(entry)
    assert words.startswith(f"{entry.actor} ")
    assert words != f"{entry.actor} {kind.__name__}"


def test_an_unknown_kind_is_named() -> None:
    """An entry of a kind that nobody described is told by its name at least."""
    assert describe(Entry(*_AT)) == "core Entry"


def test_an_excerpt_has_numbers_levels_and_the_order_of_the_trace() -> None:
    """Steps come once each, in order, with their levels; steps that do not exist are left out."""
    trace = Trace()
    for what, tpl in (("one", Tpl.APPLICATION), ("two", Tpl.NOTIFY), ("three", Tpl.HIGH_LEVEL)):
        trace.record(HostAct, "host", None, tpl, what=what)
    assert excerpt(trace, [3, 1, 3, 0, 4]) == (
        "    1  TPL_APPLICATION host one",
        "    3  TPL_HIGH_LEVEL  host three",
    )
