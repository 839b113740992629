"""The SEV IOMMU driver with a pool: what is shared when, what lies there, and what it does without a slot."""

from itertools import product

import pytest

from sevconf.contract.driver import MappingToken
from sevconf.model.iommu.sev_pool import SLOTS, SevPoolIommu
from sevconf.model.machine import ReferenceMachine
from sevconf.model.parts import Parts
from sevconf.trace import MapChanged
from sevconf.vocabulary import PAGE_SIZE, AllocateType, CBit, DmaOperation, EfiStatus, Gpa, Gva, MachineKind, MemoryType

READ, WRITE, COMMON = DmaOperation.READ, DmaOperation.WRITE, DmaOperation.COMMON_BUFFER
DATA = MemoryType.BOOT_SERVICES_DATA
#: Some clients' buffer, far from what the core gives out.
CLIENT = Gva(40 << 20)


@pytest.fixture
def machine() -> ReferenceMachine:
    """Return a machine with the pool."""
    return ReferenceMachine(MachineKind.SEV, 3, Parts(iommu=SevPoolIommu))


@pytest.fixture
def iommu(machine: ReferenceMachine) -> SevPoolIommu:
    """Return its driver, started."""
    driver = machine.iommu
    assert isinstance(driver, SevPoolIommu)
    return driver


def pool(iommu: SevPoolIommu) -> bytes:
    """Return the pool's bytes as the host reads them."""
    return bytes(iommu.guest.mmu.ram.read_raw(Gpa(iommu.pool), iommu.pool_pages * PAGE_SIZE))


def shared(iommu: SevPoolIommu) -> set[CBit]:
    """Return the C-bits of the pool's pages."""
    return set(iommu.guest.mmu.tables.leaf_cbits(iommu.pool, iommu.pool_pages))


def all_mapped(iommu: SevPoolIommu, operation: DmaOperation, pages: int) -> list[MappingToken]:
    """Map until a mapping lies outside the pool, full of data; the newest is that one."""
    tokens = []
    while True:
        status, host = iommu.allocate_buffer(DATA, pages) if operation is COMMON else (EfiStatus.SUCCESS, CLIENT)
        mapped = iommu.map(operation, host, pages * PAGE_SIZE)
        assert (status, mapped.status) == (EfiStatus.SUCCESS, EfiStatus.SUCCESS)
        iommu.guest.mmu.ram.write_host(Gpa(mapped.device_address), b"\xa5" * pages * PAGE_SIZE)
        tokens.append(mapped.mapping)
        if not iommu.pool <= mapped.device_address < iommu.pool + iommu.pool_pages * PAGE_SIZE:
            return tokens


def test_pool_is_shared_and_empty_from_the_start(iommu: SevPoolIommu) -> None:
    """Its pages are open before anything is mapped, and hold zeros."""
    assert shared(iommu) == {CBit.CLEAR}
    assert not any(pool(iommu))


@pytest.mark.parametrize(("operation", "pages"), list(product((READ, WRITE, COMMON), (1, 5, 32))))
def test_slots_are_used_up_and_given_back(iommu: SevPoolIommu, operation: DmaOperation, pages: int) -> None:
    """Every slot that is large enough serves; one mapping more is served without; afterwards the pool is as before."""
    tokens = all_mapped(iommu, operation, pages)
    assert len(tokens) - 1 == sum(count for count, size in SLOTS if size >= pages)
    for token in tokens:
        assert iommu.unmap(token) is EfiStatus.SUCCESS
    for buffer in set(iommu.buffers.values()):
        assert iommu.free_buffer(buffer.pages, buffer.host) is EfiStatus.SUCCESS
    assert shared(iommu) == {CBit.CLEAR}
    assert not any(pool(iommu))
    assert len(iommu.free_slots) == sum(count for count, _ in SLOTS)


def test_mapping_from_the_pool_changes_no_page_range(machine: ReferenceMachine, iommu: SevPoolIommu) -> None:
    """With a record to spare, Map and Unmap of a slot leave the memory map alone."""
    iommu.unmap(iommu.map(READ, CLIENT, 100).mapping)
    before = len(list(machine.trace.of(MapChanged)))
    iommu.unmap(iommu.map(READ, CLIENT, 100).mapping)
    assert len(list(machine.trace.of(MapChanged))) == before


def test_buffer_is_freed_as_it_was_given(iommu: SevPoolIommu) -> None:
    """FreeBuffer refuses another number of pages, a buffer that is mapped, and one that is none."""
    _, host = iommu.allocate_buffer(DATA, 2)
    token = iommu.map(COMMON, host, PAGE_SIZE).mapping
    assert iommu.free_buffer(2, host) is EfiStatus.INVALID_PARAMETER
    iommu.unmap(token)
    assert iommu.free_buffer(1, host) is EfiStatus.INVALID_PARAMETER
    assert iommu.free_buffer(2, host) is EfiStatus.SUCCESS
    assert iommu.free_buffer(2, host) is EfiStatus.INVALID_PARAMETER


@pytest.mark.parametrize(("memory_type", "pages"), [(MemoryType.RUNTIME_SERVICES_DATA, 1), (DATA, 40)])
def test_what_the_pool_does_not_serve(iommu: SevPoolIommu, memory_type: MemoryType, pages: int) -> None:
    """Memory that outlives boot services, and more pages than a slot has, come from elsewhere, and private."""
    status, host = iommu.allocate_buffer(memory_type, pages)
    assert status is EfiStatus.SUCCESS
    assert host not in iommu.used_slots
    assert set(iommu.guest.mmu.tables.leaf_cbits(host, pages)) == {CBit.SET}


def test_two_mappings_of_a_page_end_one_by_one(iommu: SevPoolIommu) -> None:
    """What a mapping that is left still covers stays as it is."""
    _, host = iommu.allocate_buffer(DATA, 1)
    first, second = (iommu.map(COMMON, host, PAGE_SIZE).mapping for _ in range(2))
    iommu.guest.write(host, b"kept")
    iommu.unmap(first)
    assert iommu.guest.read(host, 4) == b"kept"
    iommu.unmap(second)
    assert iommu.guest.read(host, 4) == bytes(4)


def test_pool_is_rewritten_at_teardown(iommu: SevPoolIommu) -> None:
    """Whatever a client left in its buffer, the host reads none of it, and no slot is given out any more."""
    _, host = iommu.allocate_buffer(DATA, 8)
    iommu.guest.write(host, b"secret" * 100)
    iommu.tear_down()
    assert shared(iommu) == {CBit.SET}
    assert b"secret" not in pool(iommu)
    assert not iommu.free_slots


def test_without_memory_there_is_no_pool(machine: ReferenceMachine) -> None:
    """A pool that cannot be allocated leaves the driver as one without."""
    descriptors = machine.core.map.descriptors
    for pages in [d.pages - 60 for d in descriptors if d.type is MemoryType.CONVENTIONAL and d.pages > 60]:
        machine.core.allocate_pages(AllocateType.ANY_PAGES, DATA, pages)
    iommu = machine.iommu
    assert isinstance(iommu, SevPoolIommu)
    mapped = iommu.map(READ, CLIENT, 10)
    assert (iommu.pool_pages, mapped.status) == (0, EfiStatus.SUCCESS)
    iommu.tear_down()
    assert not iommu.live


@pytest.mark.parametrize("operation", [READ, COMMON])
def test_slot_is_given_back_when_there_is_no_record(
    iommu: SevPoolIommu, operation: DmaOperation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If no memory is left for a mapping's record the call fails, and takes nothing."""
    monkeypatch.setattr(iommu.core, "allocate_pool", lambda *_: (EfiStatus.OUT_OF_RESOURCES, Gva(0)))
    before = list(iommu.free_slots)
    status = iommu.map(READ, CLIENT, 10).status if operation is READ else iommu.allocate_buffer(DATA, 1)[0]
    assert status is EfiStatus.OUT_OF_RESOURCES
    assert iommu.free_slots == before
