"""Network drivers with one bug each."""

from sevconf.contract.driver import Mapped
from sevconf.faults.fault import Fault
from sevconf.faults.late_halts import HaltsBehindTwoEvents
from sevconf.model.drivers.nic import PAGES, NetworkDriver
from sevconf.model.parts import Parts
from sevconf.vocabulary import DmaOperation, EfiStatus, Gva, MemoryType, Party

# Exit handlers


class LeavesNicRunning(NetworkDriver):
    """Takes a silent network card for a halted one at exit."""

    def on_exit(self) -> None:
        """Do nothing."""


class FreesRingInHandler(NetworkDriver):
    """Frees its rings in the network card's exit handler."""

    def start(self) -> EfiStatus:
        """Take a buffer that the handler will free."""
        _, self.spare = self.pci_io.allocate_buffer(MemoryType.BOOT_SERVICES_DATA, 1)
        return super().start()

    def on_exit(self) -> None:
        """Halt, then free."""
        super().on_exit()
        self.pci_io.free_buffer(1, self.spare)


class HaltsNicTooLate(HaltsBehindTwoEvents, NetworkDriver):
    """Halts the network card in a second event that it defers twice, behind the IOMMU driver's teardown."""


# Unmap


class UnmapsRingsAtExit(NetworkDriver):
    """Unmaps its rings at exit before it halts the network card."""

    def on_exit(self) -> None:
        """Do it in the wrong order."""
        self.pci_io.unmap(self.mapping)
        self.halt()


class UnmapsRingsBeforeHalt(NetworkDriver):
    """Unmaps its rings in Stop before it halts the network card."""

    def stop(self) -> EfiStatus:
        """Do it in the wrong order."""
        self.pci_io.unmap(self.mapping)
        self.halt()
        self.pci_io.free_buffer(PAGES, self.buffer)
        return self.boot_services.close_event(self.exit_event)


class LeavesRingsMapped(NetworkDriver):
    """Stops without unmapping its rings, and keeps their memory."""

    def stop(self) -> EfiStatus:
        """Forget the rings."""
        self.halt()
        return self.boot_services.close_event(self.exit_event)


# Mappings


class SendsHostAddress(NetworkDriver):
    """Tells the network card the HostAddress of a frame."""

    def _send(self, data: Gva, mapped: Mapped, length: int) -> EfiStatus:
        return super()._send(data, Mapped(mapped.status, mapped.length, int(data), mapped.mapping), length)


class MapsFrameForWriting(NetworkDriver):
    """Maps a frame that is to be sent as BusMasterWrite."""

    def transmit(self, frame: bytes) -> EfiStatus:
        """Confuse the operations."""
        status, data = self.pci_io.allocate_buffer(MemoryType.BOOT_SERVICES_DATA, 1)
        if status.is_error:
            return status
        self.memory.write(data, frame)
        mapped = self.pci_io.map(DmaOperation.WRITE, data, len(frame))
        status = self._send(data, mapped, len(frame))
        self.pci_io.unmap(mapped.mapping)
        self.pci_io.free_buffer(1, data)
        return status


class WritesAfterMap(NetworkDriver):
    """Fills in the header of a frame when it is mapped for the network card to read already."""

    def _send(self, data: Gva, mapped: Mapped, length: int) -> EfiStatus:
        self.memory.write(data, self.memory.read(data, 14))
        return super()._send(data, mapped, length)


class FillsBounce(NetworkDriver):
    """Writes the header of a frame at its DeviceAddress."""

    def _send(self, data: Gva, mapped: Mapped, length: int) -> EfiStatus:
        if mapped.device_address != data:
            self.memory.write(Gva(mapped.device_address), self.memory.read(data, 14))
        return super()._send(data, mapped, length)


class SendsLater(NetworkDriver):
    """Leaves a frame mapped until the next one is to be sent."""

    def start(self) -> EfiStatus:
        """Have no frame out yet."""
        self.out: list[tuple[Mapped, Gva]] = []
        return super().start()

    def transmit(self, frame: bytes) -> EfiStatus:
        """Reap the last frame, send this one, and leave it mapped."""
        self.reap()
        _, data = self.pci_io.allocate_buffer(MemoryType.BOOT_SERVICES_DATA, 1)
        self.memory.write(data, frame)
        mapped = self.pci_io.map(DmaOperation.READ, data, len(frame))
        self.out.append((mapped, data))
        return self._send(data, mapped, len(frame))

    def reap(self) -> None:
        """Give back what was sent."""
        for mapped, data in self.out:
            self.pci_io.unmap(mapped.mapping)
            self.pci_io.free_buffer(1, data)
        self.out.clear()

    def stop(self) -> EfiStatus:
        """Halt, then reap."""
        self.halt()
        self.reap()
        return super().stop()


_HALTED = "every device is halted when the exit handlers have run"
_DIRECTED = "every device uses mappings only in their direction"
_UNMAPPED = "every driver that has stopped has unmapped all"
_ORDER = "every driver halts its device before it unmaps"
_FRUGAL = "no driver's exit handler brings memory services about"
_IN_TIME = "every device is halted before the teardown"


def _fault(name: str, driver: type[NetworkDriver], catches: str, *collateral: tuple[str, str]) -> Fault:
    return Fault(name, Party.DRIVER, Parts(network_driver=driver), (catches,), collateral)


FAULTS = (
    _fault("leaves-nic-running", LeavesNicRunning, "DRV-15", ("DRV-01", _HALTED)),
    _fault("frees-ring-in-handler", FreesRingInHandler, "DRV-18", ("MEM-02", _FRUGAL)),
    _fault("halts-nic-too-late", HaltsNicTooLate, "DRV-19", ("DRV-02", _IN_TIME)),
    _fault("unmaps-rings-at-exit", UnmapsRingsAtExit, "DRV-17", ("DRV-09", _ORDER)),
    _fault("unmaps-rings-before-halt", UnmapsRingsBeforeHalt, "DRV-17", ("DRV-09", _ORDER)),
    _fault("leaves-rings-mapped", LeavesRingsMapped, "DRV-17", ("DRV-07", _UNMAPPED)),
    Fault(
        "sends-host-address", Party.DRIVER, Parts(network_driver=SendsHostAddress), ("DRV-05",), shown_by=("DRV-16",)
    ),
    _fault("maps-frame-for-writing", MapsFrameForWriting, "DRV-16", ("DRV-06", _DIRECTED)),
    _fault("writes-after-map", WritesAfterMap, "DRV-20"),
    _fault("fills-bounce", FillsBounce, "DRV-22"),
    _fault("sends-later", SendsLater, "DRV-23"),
)
