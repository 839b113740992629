"""Bugs of shipped VT-d drivers, and of PciIo above them."""

from sevconf.contract.driver import Mapped
from sevconf.faults.fault import Fault
from sevconf.model.iommu.vtd import VtdIommu
from sevconf.model.parts import Parts
from sevconf.model.pci_io import PciIo
from sevconf.vocabulary import GlobalCommand, IommuAccess, Party


class RewritesOneShotBits(VtdIommu):
    """Turns translation on by writing back all that the status register shows, one-shot commands included."""

    def _protect(self) -> None:
        self.unit.command(self.unit.status | GlobalCommand.TE)


class IgnoresRefusedGrant(PciIo):
    """Takes no notice of SetAttribute's status, so that Map returns success for what the device cannot reach."""

    def _granted(self, mapped: Mapped, access: IommuAccess) -> Mapped:
        if not mapped.status.is_error:
            self.set_attribute(mapped.mapping, access)
        return mapped


FAULTS = (
    Fault(
        "museum-rewrites-one-shot-bits",
        Party.IOMMU_DRIVER,
        Parts(vtd=RewritesOneShotBits),
        ("IOM-21",),
        upstream="tianocore/edk2-platforms Silicon/Intel/IntelSiliconPkg/Feature/VTd, VtdReg.c and IntelVTdDmar.c, "
        "where queued invalidation is turned on",
        fixed_in="tianocore/edk2-platforms 658e319d8b",
    ),
    Fault(
        "museum-ignores-refused-grant",
        Party.PCI,
        Parts(pci_io=IgnoresRefusedGrant),
        ("IOM-22",),
        upstream="tianocore/edk2 MdeModulePkg/Bus/Pci/PciBusDxe/PciIo.c, PciIoMap",
        fixed_in="tianocore/edk2 049695a0b1",
    ),
)
