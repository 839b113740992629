"""Memory across and above 4 GiB: RAM in two ranges, pages of 1 GiB, and where allocations go."""

import pytest

from sevconf.model.encrypted_ram import EncryptedRam
from sevconf.model.machine import FAR_RAM, RAM_SIZE, ReferenceMachine
from sevconf.model.parts import Parts, shuffled_policy
from sevconf.vocabulary import (
    FOUR_GIB,
    HUGE_PAGE,
    LARGE_PAGE,
    PAGE_SIZE,
    AllocateType,
    CBit,
    EfiStatus,
    Gpa,
    Gva,
    MachineKind,
    MemoryType,
)

DATA = MemoryType.BOOT_SERVICES_DATA
LOW, FAR = 4 * PAGE_SIZE, (FOUR_GIB - PAGE_SIZE, FOUR_GIB + 2 * PAGE_SIZE)


def test_both_ranges_hold_bytes() -> None:
    """Each address has its own byte, in both forms, and a dump names the far ones by their addresses."""
    ram = EncryptedRam(LOW, b"one guest's key!", FAR)
    ram.write_raw(Gpa(LOW - 4), b"low!")
    ram.write_private(Gpa(FOUR_GIB - 6), b"across 4 GiB")
    ram.write_host(Gpa(FAR[1] - 4), b"last")
    assert ram.read_private(Gpa(FOUR_GIB - 6), 12) == b"across 4 GiB"
    assert ram.read_raw(Gpa(FOUR_GIB - 6), 12) != b"across 4 GiB"
    assert [(int(start), len(run)) for start, run in ram.dump()] == [
        (LOW - PAGE_SIZE, PAGE_SIZE),
        (FAR[0], FAR[1] - FAR[0]),
    ]
    assert ram.touched_pages == 4


@pytest.mark.parametrize(
    ("gpa", "length"), [(LOW - 4, 8), (LOW, 1), (FAR[0] - 4, 8), (FAR[1] - 4, 8), (FOUR_GIB // 2, 1), (-1, 1)]
)
def test_between_and_behind_there_is_nothing(gpa: int, length: int) -> None:
    """An access that leaves a range is refused whole."""
    ram = EncryptedRam(LOW, b"one guest's key!", FAR)
    for act in (ram.read_raw, ram.read_private):
        with pytest.raises(ValueError, match="an access lies within RAM"):
            act(Gpa(gpa), length)
    for write in (ram.write_raw, ram.write_private):
        with pytest.raises(ValueError, match="an access lies within RAM"):
            write(Gpa(gpa), bytes(length))


def test_the_same_page_is_encrypted_by_its_address() -> None:
    """The cipher goes by addresses, not by places in the maps: a far page lies otherwise than a near one."""
    one = EncryptedRam(LOW, b"one guest's key!", FAR)
    other = EncryptedRam(LOW, b"one guest's key!", (FAR[0] + HUGE_PAGE, FAR[1] + HUGE_PAGE))
    one.write_private(Gpa(FAR[0]), bytes(16))
    other.write_private(Gpa(FAR[0] + HUGE_PAGE), bytes(16))
    assert one.read_raw(Gpa(FAR[0]), 16) != other.read_raw(Gpa(FAR[0] + HUGE_PAGE), 16)


def test_firmware_maps_far_memory_by_large_pages() -> None:
    """2 MiB below 4 GiB are one page, the GiB above is one; a split is one level at a time."""
    machine = ReferenceMachine(MachineKind.SEV, 0)
    tables = machine.mmu.tables
    sizes = [page.size for gva in (FAR_RAM[0], FOUR_GIB, FAR_RAM[1] - 1) if (page := tables.walk(Gva(gva)))]
    assert sizes == [LARGE_PAGE, HUGE_PAGE, HUGE_PAGE]
    assert tables.walk(Gva(RAM_SIZE)) is tables.walk(Gva(FAR_RAM[1])) is None
    tables.set_cbit(Gva(FOUR_GIB + 5 * PAGE_SIZE), 1, CBit.CLEAR)
    for gva, size in ((FOUR_GIB, PAGE_SIZE), (FOUR_GIB + LARGE_PAGE, LARGE_PAGE)):
        page = tables.walk(Gva(gva))
        assert page is not None
        assert (page.size, page.cbit, page.gpa(Gva(gva))) == (size, CBit.SET, gva)
    assert list(tables.pages_with(Gva(FAR_RAM[0]), HUGE_PAGE // PAGE_SIZE, CBit.CLEAR)) == [FOUR_GIB + 5 * PAGE_SIZE]


def test_the_reference_uses_far_memory_last() -> None:
    """Main memory comes first; when it is used up, far memory is taken, also below 4 GiB."""
    machine = ReferenceMachine(MachineKind.NONE, 0)
    assert machine.core.allocate_pages(AllocateType.ANY_PAGES, DATA, 1)[1] < RAM_SIZE
    free = machine.core.map.descriptors[1]
    machine.core.allocate_pages(AllocateType.ADDRESS, DATA, free.pages, free.start)
    assert machine.core.allocate_pages(AllocateType.ANY_PAGES, DATA, 1)[1] == FAR_RAM[1] - PAGE_SIZE
    assert machine.core.allocate_pages(AllocateType.MAX_ADDRESS, DATA, 1, FOUR_GIB - 1)[1] == FOUR_GIB - PAGE_SIZE
    status, _ = machine.core.allocate_pages(AllocateType.MAX_ADDRESS, DATA, 1, RAM_SIZE)
    assert status is EfiStatus.OUT_OF_RESOURCES


def test_shuffled_uses_both() -> None:
    """Where UEFI leaves it open, allocations lie on either side of 4 GiB."""
    machines = [ReferenceMachine(MachineKind.NONE, seed, Parts(policy=shuffled_policy)) for seed in range(8)]
    found = {
        machine.core.allocate_pages(AllocateType.ANY_PAGES, DATA, 1)[1] >= FOUR_GIB
        for machine in machines
        for _ in range(10)
    }
    assert found == {True, False}
