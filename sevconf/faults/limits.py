"""Machines on which a limit of the design shows: expected to fail, in scenarios of their own."""

from sevconf.model.drivers.disk import DiskDriver
from sevconf.model.iommu.sev import SevIommu
from sevconf.vocabulary import EVT_NOTIFY_SIGNAL, PAGE_SIZE, CBit, EfiStatus, Gva, Tpl

#: Where the firmware's own memory ends: its page tables lie below, and a walk reads them through C=1 whatever comes.
_FIRMWARE_END = 1 << 20


class DeferringDiskDriver(DiskDriver):
    """Halts its disk in a private event at TPL_CALLBACK, by the trick that the IOMMU driver uses for its teardown."""

    def start(self) -> EfiStatus:
        """Make the private event, then start as ever."""
        status, self.deferred = self.boot_services.create_event(EVT_NOTIFY_SIGNAL, Tpl.CALLBACK, self.halt)
        if status.is_error:
            return status
        status = super().start()
        if status.is_error:
            self.boot_services.close_event(self.deferred)
        return status

    def on_exit(self) -> None:
        """Leave the halt to the private event."""
        self.boot_services.signal_event(self.deferred)

    def stop(self) -> EfiStatus:
        """Stop, and close the private event too."""
        status = super().stop()
        self.boot_services.close_event(self.deferred)
        return status


class OpensAllRam(SevIommu):
    """Opens all RAM at exit by clearing C and rewriting it, as a VT-d driver may let all DMA through."""

    def tear_down(self) -> None:
        """Tear down, then open what was ever written: the rest holds nothing."""
        super().tear_down()
        for start, run in [(start, len(run)) for start, run in self.guest.mmu.ram.dump()]:
            first = Gva(max(start, _FIRMWARE_END))
            pages = (start + run - first) // PAGE_SIZE
            if pages > 0:
                held = self.guest.read(first, pages * PAGE_SIZE)
                self._set_cbit(first, pages, CBit.CLEAR)
                self.guest.write(first, held)
