"""A bug that drivers of several devices are given: the halt comes behind the IOMMU driver's teardown."""

from sevconf.model.drivers.base import BufferDriver
from sevconf.vocabulary import EVT_NOTIFY_SIGNAL, EfiStatus, Tpl


class HaltsBehindTwoEvents(BufferDriver):
    """Halts in a second event that its exit handler defers twice."""

    def start(self) -> EfiStatus:
        """Make two events more."""
        _, self.second = self.boot_services.create_event(EVT_NOTIFY_SIGNAL, Tpl.CALLBACK, self.halt)
        _, self.first = self.boot_services.create_event(EVT_NOTIFY_SIGNAL, Tpl.CALLBACK, self.defer)
        return super().start()

    def on_exit(self) -> None:
        """Signal the event that signals the other."""
        self.boot_services.signal_event(self.first)

    def defer(self) -> None:
        """Signal the event that halts."""
        self.boot_services.signal_event(self.second)

    def stop(self) -> EfiStatus:
        """Stop, and close both."""
        status = super().stop()
        self.boot_services.close_event(self.first)
        self.boot_services.close_event(self.second)
        return status
