"""The VT-d driver on the reference machine: grants, bounces, and what it does at ExitBootServices."""

import pytest

from sevconf.contract.driver import MappingToken
from sevconf.errors import CannotStart
from sevconf.model.iommu.vtd import VtdIommu
from sevconf.model.machine import RESERVED_RANGE, ReferenceMachine
from sevconf.trace import IommuFault, IommuState, MapChanged, MappingEnded
from sevconf.vocabulary import (
    PAGE_SIZE,
    AllocateType,
    DmaOperation,
    EfiStatus,
    Gva,
    IommuAccess,
    MachineKind,
    MemoryType,
)

OPEN, KEEP = MachineKind.VTD_OPEN, MachineKind.VTD_KEEP
READ, WRITE = IommuAccess.READ, IommuAccess.WRITE
A, B = "device:a", "device:b"
DATA, RUNTIME = MemoryType.BOOT_SERVICES_DATA, MemoryType.RUNTIME_SERVICES_DATA


def make(kind: MachineKind = KEEP) -> tuple[ReferenceMachine, VtdIommu]:
    """Make a machine, and start its VT-d driver."""
    machine = ReferenceMachine(kind, 1)
    iommu = machine.iommu
    assert isinstance(iommu, VtdIommu)
    return machine, iommu


def pages(machine: ReferenceMachine, count: int = 1) -> Gva:
    """Allocate pages."""
    status, start = machine.core.allocate_pages(AllocateType.ANY_PAGES, DATA, count)
    assert status is EfiStatus.SUCCESS
    return start


def leave(machine: ReferenceMachine) -> None:
    """End boot services."""
    assert machine.loader.boot() is EfiStatus.SUCCESS


def test_translation_is_on_once_the_driver_has_started() -> None:
    """Before the driver starts everything passes, behind it nothing but reserved ranges."""
    machine = ReferenceMachine(OPEN, 1)
    page = pages(machine)
    assert machine.bus.try_read(A, page, 8) == bytes(8)
    assert machine.iommu.actor == "iommu-driver:vtd"
    assert machine.bus.try_read(A, page, 8) is None
    assert machine.bus.read(A, page, 8) == b"\xff" * 8
    last = RESERVED_RANGE.start + (RESERVED_RANGE.pages - 1) * PAGE_SIZE
    assert machine.bus.try_write(RESERVED_RANGE.device, last, b"x")
    assert not machine.bus.try_write(RESERVED_RANGE.device, last + PAGE_SIZE, b"x")
    fault = machine.trace.last(IommuFault)
    assert fault is not None
    assert (fault.address, fault.source) == (last + PAGE_SIZE, machine.bus._unit.source_of(RESERVED_RANGE.device))  # type: ignore[union-attr]


@pytest.mark.parametrize("operation", list(DmaOperation))
@pytest.mark.parametrize(("offset", "length"), [(0, PAGE_SIZE), (0, 512), (100, PAGE_SIZE)])
def test_only_parts_of_pages_bounce(operation: DmaOperation, offset: int, length: int) -> None:
    """The DeviceAddress is the physical address, but for Read and Write of what doesn't fill pages."""
    machine, iommu = make()
    host = Gva(pages(machine, 2) + offset)
    mapped = iommu.map(operation, host, length)
    whole = offset == 0 and length == PAGE_SIZE
    assert (mapped.device_address == host) == (whole or operation is DmaOperation.COMMON_BUFFER)
    assert iommu.unmap(mapped.mapping) is EfiStatus.SUCCESS
    assert iommu.unmap(mapped.mapping) is EfiStatus.INVALID_PARAMETER


def test_a_bounce_carries_data_and_nothing_else() -> None:
    """What the client wrote is in the bounce, the rest of its page is zero, and the device's bytes come back."""
    machine, iommu = make()
    host = pages(machine)
    machine.guest.write(host, b"client" * 100)
    read = iommu.map(DmaOperation.READ, host, 6)
    assert iommu.set_attribute(A, read.mapping, READ) is EfiStatus.SUCCESS
    assert machine.bus.try_read(A, read.device_address, 8) == b"client\0\0"
    write = iommu.map(DmaOperation.WRITE, host, 6)
    iommu.set_attribute(A, write.mapping, WRITE)
    assert machine.bus.try_write(A, write.device_address, b"device!")
    iommu.unmap(write.mapping)
    assert machine.guest.read(host, 12) == b"deviceclient"


def test_grants_of_two_mappings_on_one_page_add_up() -> None:
    """Taking one grant back leaves what another mapping granted to the device there."""
    machine, iommu = make()
    _, host = iommu.allocate_buffer(DATA, 1)
    first = iommu.map(DmaOperation.COMMON_BUFFER, host, 100).mapping
    second = iommu.map(DmaOperation.COMMON_BUFFER, Gva(host + 200), 100).mapping
    iommu.set_attribute(A, first, READ | WRITE)
    iommu.set_attribute(A, second, READ)
    iommu.set_attribute(B, second, READ)
    iommu.set_attribute(A, first, IommuAccess.NONE)
    assert machine.bus.try_read(A, host, 8) is not None
    assert not machine.bus.try_write(A, host, b"x")
    iommu.unmap(second)
    assert machine.bus.try_read(A, host, 8) is None
    assert machine.bus.try_read(B, host, 8) is None


def test_what_is_refused() -> None:
    """Lengths of nothing, foreign tokens, foreign buffers, wrong types, and buffers that are still mapped."""
    _, iommu = make()
    assert iommu.map(DmaOperation.READ, Gva(0x200000), 0).status is EfiStatus.INVALID_PARAMETER
    assert iommu.set_attribute(A, MappingToken(5), READ) is EfiStatus.INVALID_PARAMETER
    assert iommu.allocate_buffer(MemoryType.LOADER_DATA, 1)[0] is EfiStatus.INVALID_PARAMETER
    assert iommu.allocate_buffer(DATA, 0)[0] is EfiStatus.INVALID_PARAMETER
    _, host = iommu.allocate_buffer(DATA, 2)
    mapped = iommu.map(DmaOperation.COMMON_BUFFER, Gva(host + PAGE_SIZE), 8)
    assert iommu.free_buffer(2, host) is EfiStatus.INVALID_PARAMETER
    iommu.unmap(mapped.mapping)
    assert iommu.free_buffer(1, host) is EfiStatus.INVALID_PARAMETER
    assert iommu.free_buffer(2, host) is EfiStatus.SUCCESS
    assert iommu.free_buffer(2, host) is EfiStatus.INVALID_PARAMETER


def test_nothing_is_kept_when_memory_runs_out() -> None:
    """A Map that gets no record, or no bounce, fails and leaves no mapping; without a table nothing starts."""
    machine, iommu = make()
    host = pages(machine)
    free = max((d.pages for d in machine.core.map.descriptors if d.type is MemoryType.CONVENTIONAL), default=0)
    assert iommu.allocate_buffer(DATA, free + 1)[0] is EfiStatus.OUT_OF_RESOURCES
    assert iommu.map(DmaOperation.READ, host, free * PAGE_SIZE + 1).status is EfiStatus.OUT_OF_RESOURCES
    while free:
        pages(machine, free)
        free = max((d.pages for d in machine.core.map.descriptors if d.type is MemoryType.CONVENTIONAL), default=0)
    while machine.core.allocate_pool(DATA, 64)[0] is EfiStatus.SUCCESS:
        pass
    assert iommu.map(DmaOperation.READ, host, 8).status is EfiStatus.OUT_OF_RESOURCES
    assert iommu.live == {}
    with pytest.raises(CannotStart, match="has no page for a translation table"):
        iommu.set_up()


def test_open_turns_translation_off() -> None:
    """Under open everything passes behind the exit, and no mapping is touched."""
    machine, iommu = make(OPEN)
    page = pages(machine)
    mapped = iommu.map(DmaOperation.READ, page, PAGE_SIZE)
    leave(machine)
    assert machine.bus.try_read(B, page, 8) is not None
    assert mapped.mapping in iommu.live


def test_keep_revokes_what_the_os_owns_and_nothing_else() -> None:
    """Under keep grants into boot services memory go; runtime buffers and reserved ranges stay; no memory changes."""
    machine, iommu = make()
    _, boot = iommu.allocate_buffer(DATA, 1)
    _, runtime = iommu.allocate_buffer(RUNTIME, 1)
    part = pages(machine)
    for host, length in ((boot, PAGE_SIZE), (runtime, PAGE_SIZE), (part, 512)):
        operation = DmaOperation.READ if length < PAGE_SIZE else DmaOperation.COMMON_BUFFER
        mapped = iommu.map(operation, host, length)
        iommu.set_attribute(A, mapped.mapping, READ)
        assert machine.bus.try_read(A, mapped.device_address, 8) is not None
    changes = len(list(machine.trace.of(MapChanged)))
    leave(machine)
    readable = [machine.bus.try_read(A, info, 8) is not None for info in (boot, runtime, mapped.device_address)]
    assert readable == [False, True, False]
    assert machine.bus.try_read(RESERVED_RANGE.device, RESERVED_RANGE.start, 8) is not None
    assert len(list(machine.trace.of(MapChanged))) - changes <= 1  # the OS loader's own buffer
    assert len(iommu.live) == 1


def test_keep_waits_for_every_handler() -> None:
    """Grants hold while exit handlers run: the first mapping ends behind the last of them."""
    machine, _ = make()
    assert machine.driver.start() is EfiStatus.SUCCESS
    leave(machine)
    handlers = machine.trace.handlers()
    ended = next(machine.trace.of(MappingEnded))
    assert all(handler.step < ended.step for handler in handlers)
    assert not list(machine.trace.of(IommuFault))


def test_an_os_that_knows_the_iommu_never_opens_it() -> None:
    """Behind an IOMMU-aware OS translation is on, by tables of its own, and was never off in between."""
    machine, _ = make()
    machine.os_takes_iommu = True
    firmware = machine.trace.last(IommuState)
    leave(machine)
    states = list(machine.trace.of(IommuState, since=firmware.step if firmware else 0))
    assert [state.actor for state in states] == ["os", "os"]
    assert all(state.translating for state in states)
    assert firmware is not None
    assert states[-1].root != firmware.root


def test_nothing_is_served_before_the_tables() -> None:
    """A driver that was started and not set up returns EFI_NOT_READY, and lets every DMA pass."""
    machine = ReferenceMachine(MachineKind.VTD_KEEP, 0)
    machine.vtd_waits = True
    iommu = machine.iommu
    assert isinstance(iommu, VtdIommu)
    page = pages(machine)
    assert iommu.map(DmaOperation.READ, page, PAGE_SIZE).status is EfiStatus.NOT_READY
    assert iommu.allocate_buffer(DATA, 1)[0] is EfiStatus.NOT_READY
    assert machine.bus.try_read(B, page, 8) is not None
    iommu.set_up()
    assert machine.bus.try_read(B, page, 8) is None
    assert iommu.map(DmaOperation.READ, page, PAGE_SIZE).status is EfiStatus.SUCCESS


def test_a_refused_grant_ends_the_mapping() -> None:
    """PciIo returns the status of SetAttribute, and unmaps; taking access back goes on to work."""
    machine, iommu = make()
    pci_io = machine.pci_io(machine.disk)
    page = pages(machine)
    before = pci_io.map(DmaOperation.READ, page, PAGE_SIZE)
    iommu.out_of_tables = True
    assert pci_io.map(DmaOperation.WRITE, page, PAGE_SIZE).status is EfiStatus.OUT_OF_RESOURCES
    assert list(iommu.live) == [before.mapping]
    assert pci_io.unmap(before.mapping) is EfiStatus.SUCCESS
    assert iommu.live == {}
