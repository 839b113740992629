"""Machines on which a limit of the design shows: expected to fail, in scenarios of their own."""

from sevconf.contract.driver import EventHandle
from sevconf.model.drivers.disk import DiskDriver
from sevconf.vocabulary import EVT_NOTIFY_SIGNAL, EfiStatus, Tpl


class DeferringDiskDriver(DiskDriver):
    """Halts its disk in a private event at TPL_CALLBACK, by the trick that the IOMMU driver uses for its teardown."""

    def start(self) -> EfiStatus:
        """Make the private event, then start as ever."""
        self.deferred = EventHandle(0)
        status, self.deferred = self.boot_services.create_event(EVT_NOTIFY_SIGNAL, Tpl.CALLBACK, self.halt)
        return status if status.is_error else super().start()

    def on_exit(self) -> None:
        """Leave the halt to the private event."""
        self.boot_services.signal_event(self.deferred)

    def stop(self) -> EfiStatus:
        """Stop, and close the private event too."""
        status = super().stop()
        self.boot_services.close_event(self.deferred)
        return status
