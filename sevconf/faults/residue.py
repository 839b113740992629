"""IOMMU drivers of an SEV guest that clean up after sectors and frames, and not after keystrokes."""

from sevconf.faults.fault import Fault
from sevconf.model.iommu.sev import Info, SevIommu
from sevconf.model.parts import Parts
from sevconf.vocabulary import CBit, DmaOperation, Party

#: Bytes that the processor encrypts as one.
BLOCK = 16


class LeavesKeystrokes(SevIommu):
    """Cleans a bounce by whole blocks of 16 bytes of what was mapped, so a report of 8 bytes stays in plaintext."""

    def _close_bounce(self, info: Info) -> None:
        if info.operation is DmaOperation.WRITE:
            self._deliver(info)
        self._set_cbit(info.opened, info.pages, CBit.SET)
        self.guest.write(info.opened, bytes(info.length // BLOCK * BLOCK))
        if not self.exiting:
            self.core.free_pages(info.opened, info.pages)


FAULTS = (Fault("leaves-keystrokes", Party.IOMMU_DRIVER, Parts(iommu=LeavesKeystrokes), ("DRV-24",)),)
