"""Drivers below PciIo, and PciIo itself, that mistake where a bus master's addresses end."""

from sevconf.contract.driver import Mapped
from sevconf.faults.fault import Fault
from sevconf.model.boot_services import Core
from sevconf.model.iommu.sev import SevIommu
from sevconf.model.iommu.vtd import VtdIommu
from sevconf.model.parts import Parts
from sevconf.model.pci_io import PciIo
from sevconf.vocabulary import FOUR_GIB, PAGE_SIZE, AllocateType, DmaOperation, EfiStatus, Gva, MemoryType, Party


def allocate_highest(core: Core, memory_type: MemoryType, pages: int) -> tuple[EfiStatus, Gva]:
    """Allocate the highest pages that are free."""
    free = [d for d in core.map.descriptors if d.type is MemoryType.CONVENTIONAL and d.pages >= pages]
    start = free[-1].end - pages * PAGE_SIZE if free else 0
    return core.allocate_pages(AllocateType.ADDRESS, memory_type, pages, start)


class BouncesAbove4G(SevIommu):
    """Takes bounce pages from the top of memory, whatever the bus master can address."""

    def _map_bounced(self, operation: DmaOperation, host: Gva, length: int, *, wide: bool = False) -> Mapped:
        del wide
        return super()._map_bounced(operation, host, length, wide=True)

    def _allocate(self, memory_type: MemoryType, pages: int, *, wide: bool) -> tuple[EfiStatus, Gva]:
        if wide:
            return allocate_highest(self.core, memory_type, pages)
        return super()._allocate(memory_type, pages, wide=False)


class BuffersAbove4G(SevIommu):
    """Takes every common buffer from the top of memory, and maps it there."""

    def allocate_buffer(self, memory_type: MemoryType, pages: int, *, wide: bool = False) -> tuple[EfiStatus, Gva]:
        """Forget what the bus master can address."""
        del wide
        return super().allocate_buffer(memory_type, pages, wide=True)

    def _map_common(self, host: Gva, length: int, *, wide: bool) -> Mapped:
        del wide
        return super()._map_common(host, length, wide=True)

    def _allocate(self, memory_type: MemoryType, pages: int, *, wide: bool) -> tuple[EfiStatus, Gva]:
        if wide:
            return allocate_highest(self.core, memory_type, pages)
        return super()._allocate(memory_type, pages, wide=False)


class VtdForgets4G(VtdIommu):
    """Gives every bus master the physical address, also above 4 GiB."""

    def _reaches(self, host: Gva, length: int, *, wide: bool) -> bool:
        del host, length, wide
        return True


class VtdLooksAtFirstByte(VtdIommu):
    """Looks at the first byte of a buffer only, when it asks whether a bus master can address it."""

    def _reaches(self, host: Gva, length: int, *, wide: bool) -> bool:
        del length
        return wide or host < FOUR_GIB


class ForgetsDualAddressCycle(PciIo):
    """Asks the root bridge for the plain form of every operation."""

    def _form(self) -> bool:
        return False


class AlwaysDualAddressCycle(PciIo):
    """Takes every device for one of 64 bits when it maps."""

    def _form(self) -> bool:
        return True


FAULTS = (
    Fault("bounces-above-4g", Party.IOMMU_DRIVER, Parts(iommu=BouncesAbove4G), ("DMA-18",)),
    Fault("buffers-above-4g", Party.IOMMU_DRIVER, Parts(iommu=BuffersAbove4G), ("DMA-19",)),
    Fault("vtd-forgets-4g", Party.IOMMU_DRIVER, Parts(vtd=VtdForgets4G), ("DMA-18",)),
    Fault("vtd-looks-at-first-byte", Party.IOMMU_DRIVER, Parts(vtd=VtdLooksAtFirstByte), ("DMA-18",)),
    Fault("forgets-dual-address-cycle", Party.PCI, Parts(pci_io=ForgetsDualAddressCycle), ("DMA-20",)),
    Fault("always-dual-address-cycle", Party.PCI, Parts(pci_io=AlwaysDualAddressCycle), ("DMA-20",)),
)
