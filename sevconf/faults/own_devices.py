"""Drivers with devices of their own, with one bug each."""

from sevconf.contract.driver import Mapped, MappingToken
from sevconf.faults.fault import Fault
from sevconf.faults.late_halts import HaltsBehindTwoEvents
from sevconf.model.drivers.copier import CopierDriver
from sevconf.model.parts import Parts
from sevconf.vocabulary import EfiStatus, Gva, MemoryType, Party


class LeavesCopierRunning(CopierDriver):
    """Leaves its own device running at exit, because it is silent."""

    def on_exit(self) -> None:
        """Do nothing."""


class CopiesFromHostAddress(CopierDriver):
    """Tells its own device the HostAddress of what it is to copy."""

    def _copy(self, source: Gva, target: Gva) -> EfiStatus:
        self.source = source
        return super()._copy(source, target)

    def _ring(self, read: Mapped, written: Mapped) -> EfiStatus:
        return super()._ring(Mapped(read.status, read.length, int(self.source), MappingToken(0)), written)


class SwapsCopierMappings(CopierDriver):
    """Lets its own device read what is mapped to be written, and write what is mapped to be read."""

    def _ring(self, read: Mapped, written: Mapped) -> EfiStatus:
        super()._ring(written, read)
        return super()._ring(read, written)


class UnmapsCopierFirst(CopierDriver):
    """Ends the mapping of its own device's events in Stop, and only then halts it."""

    def stop(self) -> EfiStatus:
        """Do it in the wrong order."""
        self.pci_io.unmap(self.mapping)
        self.halt()
        self.pci_io.free_buffer(1, self.buffer)
        return self.boot_services.close_event(self.exit_event)


class CopierAllocatesAtExit(CopierDriver):
    """Allocates pool in the exit handler for its own device."""

    def on_exit(self) -> None:
        """Halt, then allocate."""
        super().on_exit()
        self.boot_services.allocate_pool(MemoryType.BOOT_SERVICES_DATA, 64)


class HaltsCopierTooLate(HaltsBehindTwoEvents, CopierDriver):
    """Halts its own device in a second event that it defers twice, behind the IOMMU driver's teardown."""


_HALTED = "every device is halted when the exit handlers have run"
_INSIDE = "every device does DMA only inside live mappings"
_DIRECTED = "every device uses mappings only in their direction"
_ORDER = "every driver halts its device before it unmaps"
_FRUGAL = "no driver's exit handler calls memory services"
_IN_TIME = "every device is halted before the teardown"


def _fault(name: str, driver: type[CopierDriver], catches: str, *collateral: tuple[str, str]) -> Fault:
    return Fault(name, Party.DRIVER, Parts(own_driver=driver), (catches,), collateral)


FAULTS = (
    _fault("leaves-own-device-running", LeavesCopierRunning, "DRV-51", ("DRV-01", _HALTED)),
    Fault(
        "own-device-at-host-address",
        Party.DRIVER,
        Parts(own_driver=CopiesFromHostAddress),
        ("DRV-05",),
        shown_by=("DRV-52",),
    ),
    _fault("swaps-own-mappings", SwapsCopierMappings, "DRV-52", ("DRV-06", _DIRECTED)),
    _fault("unmaps-own-device-first", UnmapsCopierFirst, "DRV-53", ("DRV-09", _ORDER)),
    _fault("own-device-allocates-at-exit", CopierAllocatesAtExit, "DRV-54", ("MEM-01", _FRUGAL)),
    _fault("halts-own-device-too-late", HaltsCopierTooLate, "DRV-55", ("DRV-02", _IN_TIME)),
)
