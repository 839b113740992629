"""The IOMMU facet of the reference machine: grants without PciIo, devices without driver, an OS that takes over."""

from sevconf.contract import Mapped, MappingToken
from sevconf.errors import Unsupported
from sevconf.model.devices.intruder import Intruder
from sevconf.model.iommu.vtd import VtdIommu
from sevconf.model.machine import OS_PAGE, RESERVED_RANGE, ReferenceMachine
from sevconf.model.pci_io import PciIo
from sevconf.vocabulary import PAGE_SIZE, DmaOperation, EfiStatus, Gpa, Gva, IommuAccess, MemoryType

#: The bus master for which nobody ever maps anything.
STRANGER = "device:stranger"


class IommuFacet:
    """The IOMMU, from beside PciIo."""

    def __init__(self, machine: ReferenceMachine) -> None:
        self._machine = machine
        self._mapped: dict[MappingToken, PciIo] = {}

    def map_only(self, operation: DmaOperation, host_address: Gva, length: int) -> Mapped:
        """IoMmu.Map for the probe."""
        pci_io = self._machine.pci_io(self._machine.probe)
        mapped = pci_io.map_only(operation, host_address, length)
        self._mapped[mapped.mapping] = pci_io
        return mapped

    def set_attribute(self, mapping: MappingToken, access: IommuAccess) -> EfiStatus:
        """IoMmu.SetAttribute for the probe."""
        return self._mapped[mapping].set_attribute(mapping, access)

    def tables_wait(self) -> None:
        """Start the driver early."""
        self._machine.vtd_waits = True

    def tables_come(self) -> None:
        """Set it up."""
        vtd = self._vtd
        with self._machine.recorder.acting(vtd.actor):
            vtd.set_up()

    def refuse_grants(self) -> None:
        """Leave no page for tables."""
        self._vtd.out_of_tables = True

    @property
    def _vtd(self) -> VtdIommu:
        iommu = self._machine.iommu
        if not isinstance(iommu, VtdIommu):
            raise Unsupported(f"a machine of kind {self._machine.kind.value} has no VT-d driver")
        return iommu

    def stranger_read(self, address: int, length: int) -> bytes | None:
        """Let the stranger read."""
        return self._machine.bus.try_read(STRANGER, address, length, by="scenario")

    def stranger_write(self, address: int, data: bytes) -> bool:
        """Let the stranger write."""
        return self._machine.bus.try_write(STRANGER, address, data, by="scenario")

    def intruder(self, address: int, length: int) -> None:
        """Plug it in."""
        self._machine.intruders.append(Intruder(self._machine.bus, address, length))

    def reserved_range(self) -> tuple[Gpa, int]:
        """Name the probe's reserved range."""
        return RESERVED_RANGE.start, RESERVED_RANGE.pages

    def aware_os(self) -> Gpa:
        """Choose the OS that comes, and name the page that it will grant."""
        if self._machine.unit is None:
            raise Unsupported(f"a machine of kind {self._machine.kind.value} has no IOMMU that an OS could take over")
        self._machine.os_takes_iommu = True
        return OS_PAGE

    def os_reuses_memory(self) -> None:
        """Let the OS clear what was the boot services'."""
        reused = (MemoryType.BOOT_SERVICES_CODE, MemoryType.BOOT_SERVICES_DATA)
        with self._machine.recorder.acting("os"):
            for range_ in self._machine.core.map.descriptors:
                if range_.type in reused:
                    self._machine.guest.write(Gva(range_.start), bytes(range_.pages * PAGE_SIZE))
