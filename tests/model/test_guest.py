"""The guest's loads and stores as the trace keeps them, and what a page fault is to whom."""

import pytest

from sevconf.errors import BrokenContract
from sevconf.model.guest import Guest
from sevconf.model.machine import ReferenceMachine
from sevconf.trace import CBitChanged, GuestAccess
from sevconf.vocabulary import LARGE_PAGE, PAGE_SIZE, CBit, Gpa, Gva, MachineKind

PAGE = Gva(8 * LARGE_PAGE)
NOWHERE = Gva(1 << 40)


@pytest.fixture
def machine() -> ReferenceMachine:
    """Return an SEV guest, just reset."""
    return ReferenceMachine(MachineKind.SEV, 0)


@pytest.fixture
def guest(machine: ReferenceMachine) -> Guest:
    """Return its CPU."""
    return machine.guest


def test_an_access_is_recorded_with_the_c_bit_in_effect(machine: ReferenceMachine, guest: Guest) -> None:
    """Loads and stores are entries with the C-bit that the translation had, stale or not."""
    guest.write(PAGE, b"abc")
    guest.set_cbit(PAGE, 1, CBit.CLEAR, flush=False)
    guest.read(PAGE, 2)
    guest.mmu.flush_tlb()
    guest.read(Gva(PAGE + 1), 2)
    assert [(e.gva - PAGE, e.gpa - PAGE, e.length, e.write, e.cbit) for e in machine.trace.of(GuestAccess)] == [
        (0, 0, 3, True, CBit.SET),
        (0, 0, 2, False, CBit.SET),
        (1, 1, 2, False, CBit.CLEAR),
    ]


def test_a_fault_is_a_value_to_who_asks_for_one(machine: ReferenceMachine, guest: Guest) -> None:
    """`load` and `store` return a page fault, and no access is recorded."""
    assert guest.load(NOWHERE, 4) is None
    assert guest.store(NOWHERE, b"abcd") is False
    assert list(machine.trace.of(GuestAccess)) == []


def test_a_fault_is_a_drivers_failure(machine: ReferenceMachine, guest: Guest) -> None:
    """`read` and `write`, as drivers use them, raise with the name of whoever acts."""
    with machine.recorder.acting("driver:a"):
        with pytest.raises(
            BrokenContract, match=r"^driver:a: takes a page fault, while it was asked to read 4 bytes at"
        ):
            guest.read(NOWHERE, 4)
        with pytest.raises(
            BrokenContract, match=r"^driver:a: takes a page fault, .* write 2 bytes at Gva 0x10000000000$"
        ):
            guest.write(NOWHERE, b"ab")


def test_a_changed_c_bit_is_recorded_and_flushed(machine: ReferenceMachine, guest: Guest) -> None:
    """`set_cbit` changes entries, records their pages, and flushes the TLB unless it is told not to."""
    alias = Gva(1 << 39)
    guest.mmu.tables.map_page(alias, Gpa(PAGE), CBit.SET)
    guest.set_cbit(alias, 1, CBit.CLEAR)
    (changed,) = machine.trace.of(CBitChanged)
    assert (changed.gva, changed.gpa, changed.pages, changed.cbit) == (alias, Gpa(PAGE), 1, CBit.CLEAR)
    guest.write(alias, b"plain")
    assert machine.ram.read_host(Gpa(PAGE), 5) == b"plain"


def test_the_c_bit_of_a_page_that_is_not_mapped_cannot_change(guest: Guest) -> None:
    """Changing an absent page is an error of the caller."""
    with pytest.raises(ValueError, match="is to be mapped, not absent"):
        guest.set_cbit(NOWHERE, 1, CBit.SET)


def test_a_store_across_pages_is_one_access(machine: ReferenceMachine, guest: Guest) -> None:
    """An access that crosses pages is recorded once, with the C-bit of its first page."""
    guest.set_cbit(Gva(PAGE + PAGE_SIZE), 1, CBit.CLEAR)
    guest.write(Gva(PAGE + PAGE_SIZE - 2), b"abcd")
    (access,) = machine.trace.of(GuestAccess)
    assert (access.length, access.cbit) == (4, CBit.SET)
    assert machine.ram.read_host(Gpa(PAGE + PAGE_SIZE), 2) == b"cd"
