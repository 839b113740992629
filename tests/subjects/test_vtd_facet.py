"""The IOMMU facet of the reference machine, and of a machine in a worker."""

import pytest

from sevconf.errors import Unsupported
from sevconf.subjects.reference import ReferenceTarget
from sevconf.vocabulary import PAGE_SIZE, DmaOperation, EfiStatus, Gva, IommuAccess, MachineKind, MemoryType


def test_grants_are_asked_for_one_by_one() -> None:
    """Map alone grants nothing, SetAttribute what it says, and strangers reach nothing."""
    machine = ReferenceTarget().open(MachineKind.VTD_KEEP, 0)
    status, buffer = machine.dma.allocate_buffer(1)
    assert status is EfiStatus.SUCCESS
    mapped = machine.iommu.map_only(DmaOperation.COMMON_BUFFER, buffer, PAGE_SIZE)
    assert machine.dma.device_read(buffer, 8) is None
    assert machine.iommu.set_attribute(mapped.mapping, IommuAccess.READ) is EfiStatus.SUCCESS
    assert machine.dma.device_read(buffer, 8) is not None
    assert not machine.dma.device_write(buffer, b"x")
    assert machine.iommu.stranger_read(buffer, 8) is None
    assert not machine.iommu.stranger_write(buffer, b"x")


def test_the_os_writes_over_boot_services_memory() -> None:
    """What boot services had is cleared; runtime memory is not."""
    machine = ReferenceTarget().open(MachineKind.VTD_KEEP, 0)
    boot = machine.core.allocate_pages(1)[1]
    runtime = machine.core.allocate_pages(1, MemoryType.RUNTIME_SERVICES_DATA)[1]
    for page in (boot, runtime):
        machine.memory.write(page, b"firmware")
    machine.iommu.os_reuses_memory()
    assert [machine.memory.read(Gva(page), 8) for page in (boot, runtime)] == [bytes(8), b"firmware"]


def test_grants_mean_nothing_elsewhere() -> None:
    """On other kinds of machine SetAttribute is unsupported, and there is no IOMMU that an OS could take over."""
    machine = ReferenceTarget().open(MachineKind.SEV, 0)
    buffer = machine.dma.allocate_buffer(1)[1]
    mapped = machine.iommu.map_only(DmaOperation.COMMON_BUFFER, buffer, PAGE_SIZE)
    assert machine.iommu.set_attribute(mapped.mapping, IommuAccess.READ) is EfiStatus.UNSUPPORTED
    with pytest.raises(Unsupported, match="a machine of kind sev has no IOMMU"):
        machine.iommu.aware_os()
