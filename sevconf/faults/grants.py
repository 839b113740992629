"""VT-d drivers and PciIo with one bug each around grants that come early or are refused."""

from sevconf.contract.driver import Mapped, MappingToken
from sevconf.faults.fault import Fault
from sevconf.model.iommu.base import GrantingIommu
from sevconf.model.iommu.vtd import VtdIommu
from sevconf.model.parts import Parts
from sevconf.model.pci_io import PciIo
from sevconf.vocabulary import DmaOperation, EfiStatus, Gva, IommuAccess, Party


class ForgetsEarlyGrants(VtdIommu):
    """Serves Map before its tables are installed, and forgets what SetAttribute was asked for then."""

    def map(self, operation: DmaOperation, host: Gva, length: int, *, wide: bool = False) -> Mapped:
        """Map at any time."""
        was, self.ready = self.ready, True
        mapped = super().map(operation, host, length, wide=wide)
        self.ready = was
        return mapped

    def set_attribute(self, device: str, mapping: MappingToken, access: IommuAccess) -> EfiStatus:
        """Grant, if there is where to."""
        return super().set_attribute(device, mapping, access) if self.ready else EfiStatus.SUCCESS


class LeavesRefusedMapping(PciIo):
    """Returns SetAttribute's error from Map, and leaves mapped what nobody has a token for."""

    def _granted(self, mapped: Mapped, access: IommuAccess) -> Mapped:
        if mapped.status.is_error or not isinstance(self._bridge.iommu, GrantingIommu):
            return mapped
        status = self.set_attribute(mapped.mapping, access)
        return Mapped(status, 0, 0, MappingToken(0)) if status.is_error else mapped


FAULTS = (
    Fault("vtd-forgets-early-grants", Party.IOMMU_DRIVER, Parts(vtd=ForgetsEarlyGrants), ("IOM-20",)),
    Fault("leaves-refused-mapping", Party.PCI, Parts(pci_io=LeavesRefusedMapping), ("IOM-22",)),
)
