"""A binary is tried once before it is judged: what it installs says what it is, and what it misses is told."""

from dataclasses import dataclass

from sevconf.model.machine import ReferenceMachine
from sevconf.subjects.binary.abi.protocols import IOMMU
from sevconf.subjects.binary.firmware.system import Judge
from sevconf.subjects.binary.inject.drivers import driver_type
from sevconf.subjects.binary.origin import Package
from sevconf.vocabulary import PAGE_SIZE, DmaOperation, Gva, MachineKind, MemoryType

#: Seed of the machine that it is tried on.
_SEED = 0


@dataclass(frozen=True, slots=True)
class Probed:
    """What a binary was seen to be: `iommu` if it installs that protocol; GUIDs of what it looked for in vain."""

    iommu: bool
    missing: tuple[str, ...]


def probe(package: Package, judge: Judge) -> Probed:
    """Start a binary, and let it serve one common buffer and one bounce if it is an IOMMU driver."""
    machine = ReferenceMachine(MachineKind.SEV, _SEED)
    iommu = driver_type(package.inject)(package, machine.core, machine.guest, machine.ledger, judge=judge)
    with machine.recorder.acting(iommu.actor):
        iommu.enter()
        if iommu.firmware.find(IOMMU) is not None:
            _, host = iommu.allocate_buffer(MemoryType.BOOT_SERVICES_DATA, 1)
            for operation in (DmaOperation.COMMON_BUFFER, DmaOperation.READ):
                mapped = iommu.map(operation, Gva(host), PAGE_SIZE)
                if not mapped.status.is_error:
                    iommu.unmap(mapped.mapping)
    return Probed(iommu.firmware.find(IOMMU) is not None, tuple(iommu.firmware.missing))
