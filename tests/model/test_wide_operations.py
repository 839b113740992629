"""Operations by their names at both levels: three at PciIo, six at the IOMMU protocol."""

import pytest

from sevconf.subjects.reference import ReferenceTarget
from sevconf.vocabulary import DmaOperation, EfiStatus, MachineKind


@pytest.mark.parametrize("kind", [MachineKind.NONE, MachineKind.SEV])
@pytest.mark.parametrize("operation", DmaOperation)
@pytest.mark.parametrize("enabled", [False, True])
def test_dual_address_cycle_makes_an_operation_wide(kind: MachineKind, operation: DmaOperation, enabled: bool) -> None:
    """PciIo.Map stays as it is; the IOMMU driver is asked for the 64-bit twin, and serves it alike."""
    machine = ReferenceTarget().open(kind, 0)
    _, buffer = machine.dma.allocate_buffer(1)
    assert machine.dma.dual_address_cycle(enabled=enabled) is EfiStatus.SUCCESS
    assert machine.dma.map(operation, buffer, 512).status is EfiStatus.SUCCESS
    names = [dict(call.arguments)["operation"] for call in machine.trace.calls("PciIo.Map", "IoMmu.Map")]
    assert names == [operation.value, operation.value + ("64" if enabled else "")]
