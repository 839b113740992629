"""Keyboard drivers with one bug each."""

from sevconf.contract.driver import MappingToken
from sevconf.contract.keyboard import REPORT_SIZE
from sevconf.faults.fault import Fault
from sevconf.faults.late_halts import HaltsBehindTwoEvents
from sevconf.model.drivers.keyboard import ENTRIES, REPORTS, KeyboardDriver, TransferKeyboardDriver
from sevconf.model.parts import Parts
from sevconf.vocabulary import DmaOperation, EfiStatus, Gva, MemoryType, Party

# Exit handlers


class LeavesKeyboardRunning(KeyboardDriver):
    """Leaves the keyboard running at exit."""

    def on_exit(self) -> None:
        """Do nothing."""


class NotesInHandler(KeyboardDriver):
    """Allocates pool in the keyboard's exit handler."""

    def on_exit(self) -> None:
        """Halt, then allocate."""
        super().on_exit()
        self.boot_services.allocate_pool(MemoryType.BOOT_SERVICES_DATA, 64)


class HaltsKeyboardTooLate(HaltsBehindTwoEvents, KeyboardDriver):
    """Halts the keyboard in a second event that it defers twice, behind the IOMMU driver's teardown."""


# Stop


class ForgetsWaitingTransfers(TransferKeyboardDriver):
    """Stops without unmapping the transfers that wait for a key."""

    def stop(self) -> EfiStatus:
        """Forget them, and keep their memory."""
        self.waiting.clear()
        return KeyboardDriver.stop(self)


class UnmapsWaitingTransfers(TransferKeyboardDriver):
    """Unmaps the transfers that wait for a key, and only then halts the keyboard."""

    def stop(self) -> EfiStatus:
        """Do it in the wrong order."""
        for slot in tuple(self.waiting):
            self._finish(slot)
        return super().stop()


# Mappings


class ReportsAtHostAddress(TransferKeyboardDriver):
    """Tells the keyboard the HostAddress of its reports."""

    def _give_descriptor(self, slot: int, address: int) -> None:
        del address
        super()._give_descriptor(slot, int(self._report_at(slot)))


class ReportsForReading(TransferKeyboardDriver):
    """Maps reports, which the keyboard writes, as BusMasterRead."""

    def _arm(self, slot: int) -> EfiStatus:
        mapped = self.pci_io.map(DmaOperation.READ, self._report_at(slot), REPORT_SIZE)
        self.waiting[slot] = mapped.mapping
        self._give_descriptor(slot, mapped.device_address)
        return mapped.status


class RingInWriteMapping(TransferKeyboardDriver):
    """Maps its reports as BusMasterWrite once, and uses them as a ring for as long as it runs."""

    def start(self) -> EfiStatus:
        """Have no mapping yet."""
        self.ring = MappingToken(0)
        self.ring_address = 0
        return super().start()

    def _arm(self, slot: int) -> EfiStatus:
        if not self.ring:
            mapped = self.pci_io.map(DmaOperation.WRITE, self.reports, ENTRIES * REPORT_SIZE)
            self.ring, self.ring_address = mapped.mapping, mapped.device_address
        self._give_descriptor(slot, self.ring_address + slot * REPORT_SIZE)
        return EfiStatus.SUCCESS

    def _take_report(self, slot: int) -> bytes:
        return self.memory.read(self._report_at(slot), REPORT_SIZE)

    def stop(self) -> EfiStatus:
        """Halt, then end the one mapping."""
        self.halt()
        self.pci_io.unmap(self.ring)
        return super().stop()


class ReadsBounce(TransferKeyboardDriver):
    """Reads a report at its DeviceAddress, and only then unmaps it."""

    def start(self) -> EfiStatus:
        """Keep the addresses that the keyboard was told."""
        self.told: dict[int, int] = {}
        return super().start()

    def _give_descriptor(self, slot: int, address: int) -> None:
        self.told[slot] = address
        super()._give_descriptor(slot, address)

    def _take_report(self, slot: int) -> bytes:
        where = self._report_at(slot)
        if self.told[slot] == where:
            return super()._take_report(slot)
        report = self.memory.read(Gva(self.told[slot]), REPORT_SIZE)
        self._finish(slot)
        return report


class ClearsReportTooLate(TransferKeyboardDriver):
    """Clears the memory of a report when it is mapped already."""

    def _arm(self, slot: int) -> EfiStatus:
        status = super()._arm(slot)
        self.memory.write(self._report_at(slot), bytes(REPORT_SIZE))
        return status


class WaitsInWriteMapping(TransferKeyboardDriver):
    """Keeps BusMasterWrite mappings live over calls, as long as no key comes."""


class ReportsOutsideBuffer(KeyboardDriver):
    """Tells the keyboard addresses that lie one page behind its common buffer."""

    def _give_descriptor(self, slot: int, address: int) -> None:
        super()._give_descriptor(slot, address + 4096)

    def _take_report(self, slot: int) -> bytes:
        return self.memory.read(Gva(self.buffer + 4096 + REPORTS + slot * REPORT_SIZE), REPORT_SIZE)


_HALTED = "every device is halted when the exit handlers have run"
_INSIDE = "every device does DMA only inside live mappings"
_DIRECTED = "every device uses mappings only in their direction"
_UNMAPPED = "every driver that has stopped has unmapped all"
_ORDER = "every driver halts its device before it unmaps"
_FRUGAL = "no driver's exit handler calls memory services"
_IN_TIME = "every device is halted before the teardown"
_ADVICE = "what outlives a call should be a common buffer"


def _fault(name: str, driver: type[KeyboardDriver], catches: str, *collateral: tuple[str, str]) -> Fault:
    return Fault(name, Party.DRIVER, Parts(keyboard_driver=driver), (catches,), collateral)


FAULTS = (
    _fault("leaves-keyboard-running", LeavesKeyboardRunning, "DRV-10", ("DRV-01", _HALTED)),
    _fault("keyboard-notes-in-handler", NotesInHandler, "DRV-13", ("MEM-01", _FRUGAL)),
    _fault("halts-keyboard-too-late", HaltsKeyboardTooLate, "DRV-14", ("DRV-02", _IN_TIME)),
    _fault("forgets-waiting-transfers", ForgetsWaitingTransfers, "DRV-12", ("DRV-07", _UNMAPPED), ("DRV-23", _ADVICE)),
    _fault("unmaps-waiting-transfers", UnmapsWaitingTransfers, "DRV-12", ("DRV-09", _ORDER), ("DRV-23", _ADVICE)),
    _fault("reports-at-host-address", ReportsAtHostAddress, "DRV-05", ("DRV-23", _ADVICE)),
    _fault("reports-for-reading", ReportsForReading, "DRV-11", ("DRV-06", _DIRECTED), ("DRV-23", _ADVICE)),
    _fault("reports-outside-buffer", ReportsOutsideBuffer, "DRV-11", ("DRV-05", _INSIDE)),
    _fault("ring-in-write-mapping", RingInWriteMapping, "DRV-21", ("DRV-23", _ADVICE)),
    _fault("clears-report-too-late", ClearsReportTooLate, "DRV-21", ("DRV-23", _ADVICE)),
    _fault("reads-bounce", ReadsBounce, "DRV-22", ("DRV-23", _ADVICE)),
    _fault("waits-in-write-mapping", WaitsInWriteMapping, "DRV-23"),
)
