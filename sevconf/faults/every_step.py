"""Machines with one bug each that leak between the moments which other rules name, and clean up before they come."""

from sevconf.contract.disk import DESCRIPTOR_SIZE, Opcode
from sevconf.faults.fault import Fault
from sevconf.model.drivers.disk import ENTRIES, DiskDriver, InFlight
from sevconf.model.iommu.sev import Info, SevIommu
from sevconf.model.parts import Parts
from sevconf.vocabulary import PAGE_SIZE, AllocateType, CBit, EfiStatus, Gva, MemoryType, Party

#: Bytes of the ring's page that no mapping covers.
_BEHIND_RING = PAGE_SIZE - ENTRIES * DESCRIPTOR_SIZE


class KeepsCopyBehindRing(DiskDriver):
    """Keeps a copy of what it moves behind its ring, on a page that the host reads, and wipes it when it is done."""

    def _begin(self, opcode: Opcode, lba: int, buffer: Gva, length: int) -> tuple[EfiStatus, InFlight | None]:
        self.memory.write(self._copy, self.memory.read(buffer, min(length, _BEHIND_RING)))
        return super()._begin(opcode, lba, buffer, length)

    def _finish(self, command: InFlight) -> None:
        self._wipe()
        super()._finish(command)

    def on_exit(self) -> None:
        """Wipe, then halt."""
        self._wipe()
        super().on_exit()

    def _wipe(self) -> None:
        self.memory.write(self._copy, bytes(_BEHIND_RING))

    @property
    def _copy(self) -> Gva:
        return Gva(self.ring + PAGE_SIZE - _BEHIND_RING)


class DeliversByScratchPage(SevIommu):
    """Brings what a device wrote to its client by way of a page that the host reads, and wipes that page at once."""

    def start(self) -> None:
        """Open the page too."""
        super().start()
        _, self._scratch = self.core.allocate_pages(AllocateType.ANY_PAGES, MemoryType.BOOT_SERVICES_DATA, 1)
        self._set_cbit(self._scratch, 1, CBit.CLEAR)
        self._clean(self._scratch, 1)

    def tear_down(self) -> None:
        """Close the page too."""
        super().tear_down()
        self._seal(self._scratch, 1)

    def _deliver(self, info: Info) -> None:
        for at in range(0, info.length, PAGE_SIZE):
            length = min(PAGE_SIZE, info.length - at)
            self.guest.write(self._scratch, self.guest.read(Gva(info.opened + at), length))
            self.guest.write(Gva(info.host + at), self.guest.read(self._scratch, length))
            self._clean(self._scratch, 1)


FAULTS = (
    Fault("keeps-copy-behind-ring", Party.DRIVER, Parts(driver=KeepsCopyBehindRing), ("DRV-60",)),
    Fault("delivers-by-scratch-page", Party.IOMMU_DRIVER, Parts(iommu=DeliversByScratchPage), ("EBS-30",)),
)
