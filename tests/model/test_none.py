"""A root bridge without IOMMU: addresses as they are, and tokens that are still checked."""

import pytest

from sevconf.contract.driver import MappingToken
from sevconf.model.iommu.none import NoIommu
from sevconf.model.machine import ReferenceMachine
from sevconf.vocabulary import DmaOperation, EfiStatus, Gva, MachineKind, MemoryType

SUCCESS, INVALID = EfiStatus.SUCCESS, EfiStatus.INVALID_PARAMETER


@pytest.fixture
def iommu() -> NoIommu:
    """Return the root bridge of a machine, just reset."""
    iommu = ReferenceMachine(MachineKind.NONE, 0).iommu
    assert isinstance(iommu, NoIommu)
    return iommu


@pytest.mark.parametrize("operation", DmaOperation, ids=str)
def test_the_device_address_is_the_host_address(iommu: NoIommu, operation: DmaOperation) -> None:
    """Every buffer can be mapped, whole, at its own address."""
    mapped = iommu.map(operation, Gva(0x20_0123), 4567)
    assert (mapped.status, mapped.device_address, mapped.length) == (SUCCESS, 0x20_0123, 4567)


def test_a_mapping_ends_once(iommu: NoIommu) -> None:
    """A token is spent by Unmap; a spent or unknown one is EFI_INVALID_PARAMETER."""
    one = iommu.map(DmaOperation.READ, Gva(0x20_0000), 1).mapping
    two = iommu.map(DmaOperation.READ, Gva(0x20_0000), 1).mapping
    assert one != two
    assert iommu.unmap(one) is SUCCESS
    assert iommu.unmap(one) is INVALID
    assert iommu.unmap(MappingToken(0)) is INVALID
    assert iommu.unmap(two) is SUCCESS


def test_buffers_are_pages(iommu: NoIommu) -> None:
    """A common buffer is allocated and freed as pages are."""
    status, host = iommu.allocate_buffer(MemoryType.BOOT_SERVICES_DATA, 2)
    assert status is SUCCESS
    assert iommu.free_buffer(2, host) is SUCCESS
    assert iommu.free_buffer(2, host) is EfiStatus.NOT_FOUND
