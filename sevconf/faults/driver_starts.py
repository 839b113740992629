"""Disk drivers with one bug each, in what they do when they don't get what they ask for."""

from sevconf.contract.disk import DESCRIPTOR_SIZE, DiskRegister
from sevconf.contract.driver import EventHandle, Mapped
from sevconf.faults.fault import Fault
from sevconf.model.drivers.disk import ENTRIES, DiskDriver
from sevconf.model.parts import Parts
from sevconf.vocabulary import EVT_SIGNAL_EXIT_BOOT_SERVICES, EfiStatus, MemoryType, Party


class IgnoresMappedLength(DiskDriver):
    """Takes for granted that Map has mapped all that it was asked for."""

    def _whole(self, mapped: Mapped, length: int) -> Mapped:
        del length
        return mapped


class KeepsRingMapped(DiskDriver):
    """Leaves its ring mapped when it can't register for ExitBootServices."""

    def start(self) -> EfiStatus:
        """Fail without giving back."""
        status, self.ring = self._take_ring()
        if status.is_error:
            return status
        self.memory.write(self.ring, bytes(ENTRIES * DESCRIPTOR_SIZE))
        mapped = self._map_ring()
        if mapped.status.is_error:
            self._give_ring()
            return mapped.status
        self.ring_mapping = mapped.mapping
        status, self.exit_event = self._register()
        if not status.is_error:
            self._run(mapped)
        return status

    def _register(self) -> tuple[EfiStatus, EventHandle]:
        return self.boot_services.create_event(EVT_SIGNAL_EXIT_BOOT_SERVICES, self.handler_tpl, self.on_exit)

    def _run(self, mapped: Mapped) -> None:
        self._write(DiskRegister.RING_BASE, self._ring_address(mapped))
        self._write(DiskRegister.RING_ENTRIES, ENTRIES)
        self.tail = 0
        self._write(DiskRegister.CONTROL, 1)


class KeepsRingMemory(DiskDriver):
    """Keeps its ring's memory when it can't map it."""

    def start(self) -> EfiStatus:
        """Start, but give no ring back."""
        self.starting = True
        status = super().start()
        self.starting = False
        return status

    def _give_ring(self) -> None:
        if not self.starting:
            super()._give_ring()


class StaysRegistered(KeepsRingMapped):
    """Registers for ExitBootServices first, and stays registered when its start fails."""

    def start(self) -> EfiStatus:
        """Make the event, then start as ever."""
        status, self.first = super()._register()
        return status if status.is_error else DiskDriver.start(self)

    def stop(self) -> EfiStatus:
        """Stop, and close that event too."""
        self.boot_services.close_event(self.first)
        return super().stop()


class RunsTooEarly(KeepsRingMapped):
    """Lets its disk run before it registers for ExitBootServices, and does not halt it when it can't."""

    def start(self) -> EfiStatus:
        """Run, then see whether the rest works out."""
        status, self.ring = self._take_ring()
        if status.is_error:
            return status
        mapped = self._map_ring()
        if mapped.status.is_error:
            self._give_ring()
            return mapped.status
        self.memory.write(self.ring, bytes(ENTRIES * DESCRIPTOR_SIZE))
        self.ring_mapping = mapped.mapping
        self._run(mapped)
        status, self.exit_event = self._register()
        return status


class TakesRecordFirst(DiskDriver):
    """Takes a record from the pool before it starts, and forgets it when its start fails."""

    def start(self) -> EfiStatus:
        """Take, then start as ever."""
        status, self.record = self.boot_services.allocate_pool(MemoryType.BOOT_SERVICES_DATA, 64)
        return status if status.is_error else super().start()

    def stop(self) -> EfiStatus:
        """Stop, and give the record back."""
        status = super().stop()
        self.boot_services.free_pool(self.record)
        return status


_OUTSIDE = "a device does DMA only inside a live mapping of its own"


def _fault(name: str, part: type[DiskDriver], rule: str, *collateral: tuple[str, str]) -> Fault:
    return Fault(name, Party.DRIVER, Parts(driver=part), (rule,), collateral)


FAULTS = (
    _fault("ignores-mapped-length", IgnoresMappedLength, "DRV-40", ("DRV-05", _OUTSIDE)),
    _fault("keeps-ring-mapped", KeepsRingMapped, "DRV-41"),
    _fault("keeps-ring-memory", KeepsRingMemory, "DRV-41"),
    _fault("stays-registered", StaysRegistered, "DRV-41"),
    _fault("runs-too-early", RunsTooEarly, "DRV-41"),
    _fault("takes-record-first", TakesRecordFirst, "DRV-41"),
)
