"""Disk drivers with one bug each."""

from sevconf.contract.disk import Opcode
from sevconf.contract.driver import Mapped
from sevconf.faults.fault import Fault
from sevconf.faults.limits import DeferringDiskDriver
from sevconf.model.drivers.disk import DiskDriver, InFlight
from sevconf.model.parts import Parts
from sevconf.vocabulary import (
    EVT_NOTIFY_SIGNAL,
    AllocateType,
    DmaOperation,
    EfiStatus,
    Gva,
    MemoryType,
    Party,
    Tpl,
)

_DATA = MemoryType.BOOT_SERVICES_DATA

# Exit handlers


class AllocatesInHandler(DiskDriver):
    """Allocates pool in its exit handler."""

    def on_exit(self) -> None:
        """Allocate, then halt."""
        self.boot_services.allocate_pool(_DATA, 64)
        super().on_exit()


class FreesInHandler(DiskDriver):
    """Frees pages of its own in its exit handler."""

    def on_exit(self) -> None:
        """Halt, then free."""
        super().on_exit()
        for command in self.in_flight:
            self.boot_services.free_pages(command.buffer, command.pages)
        self.boot_services.free_pages(self.spare, 1)

    def start(self) -> EfiStatus:
        """Take a page that the handler will free."""
        status = super().start()
        if not status.is_error:
            _, self.spare = self.boot_services.allocate_pages(AllocateType.ANY_PAGES, _DATA, 1)
        return status


class ReadsMapInHandler(DiskDriver):
    """Calls GetMemoryMap in its exit handler."""

    def on_exit(self) -> None:
        """Ask for the size of the map, then halt."""
        self.boot_services.get_memory_map(0)
        super().on_exit()


class FreesBufferInHandler(DiskDriver):
    """Frees a common buffer in its exit handler, which frees pages inside FreeBuffer."""

    def start(self) -> EfiStatus:
        """Take a buffer that the handler will free."""
        status = super().start()
        if not status.is_error:
            _, self.spare = self.pci_io.allocate_buffer(_DATA, 1)
        return status

    def on_exit(self) -> None:
        """Halt, then free."""
        super().on_exit()
        self.pci_io.free_buffer(1, self.spare)


class UnmapsReadInHandler(DiskDriver):
    """Unmaps what is in flight in its exit handler, which releases bounce pages inside Unmap."""

    def on_exit(self) -> None:
        """Halt, then unmap."""
        super().on_exit()
        for command in self.in_flight:
            self.pci_io.unmap(command.mapping)


class ClosesEventInHandler(DiskDriver):
    """Closes an event of its own in its exit handler."""

    def start(self) -> EfiStatus:
        """Make an event that the handler will close."""
        status = super().start()
        if not status.is_error:
            _, self.other = self.boot_services.create_event(EVT_NOTIFY_SIGNAL, Tpl.CALLBACK, self.halt)
        return status

    def on_exit(self) -> None:
        """Halt, then close."""
        super().on_exit()
        self.boot_services.close_event(self.other)


class LeavesLevelRaised(DiskDriver):
    """Returns from its exit handler at TPL_HIGH_LEVEL."""

    def on_exit(self) -> None:
        """Raise the level, halt, and forget to restore."""
        self.boot_services.raise_tpl(Tpl.HIGH_LEVEL)
        super().on_exit()


# Halting


class DoesNotHalt(DiskDriver):
    """Leaves the disk running at exit."""

    def on_exit(self) -> None:
        """Do nothing."""


class HaltsOnlyAtRest(DiskDriver):
    """Halts the disk at exit only if no command is in flight."""

    def on_exit(self) -> None:
        """Halt, perhaps."""
        if not self.in_flight:
            super().on_exit()


class HaltsTooLate(DeferringDiskDriver):
    """Halts the disk in a second event that it defers twice, behind the IOMMU driver's teardown."""

    def start(self) -> EfiStatus:
        """Make one event more."""
        status = super().start()
        if not status.is_error:
            _, self.late = self.boot_services.create_event(EVT_NOTIFY_SIGNAL, Tpl.CALLBACK, self.defer)
        return status

    def on_exit(self) -> None:
        """Signal the event that signals the other."""
        self.boot_services.signal_event(self.late)

    def defer(self) -> None:
        """Signal the event that halts."""
        self.boot_services.signal_event(self.deferred)


class UnmapsThenHalts(DiskDriver):
    """Unmaps its ring in Stop before it halts the disk."""

    def stop(self) -> EfiStatus:
        """Do it in the wrong order."""
        for command in tuple(self.in_flight):
            self._release(command)
        self.pci_io.unmap(self.ring_mapping)
        self.halt()
        self._give_ring()
        return self.boot_services.close_event(self.exit_event)


# Mappings


class MapsForeignMemory(DiskDriver):
    """Maps pages from AllocatePages as its common buffer."""

    def _take_ring(self) -> tuple[EfiStatus, Gva]:
        return self.boot_services.allocate_pages(AllocateType.ANY_PAGES, _DATA, 1)

    def _give_ring(self) -> None:
        self.boot_services.free_pages(self.ring, 1)


class FreesWhileMapped(DiskDriver):
    """Frees its common buffer in Stop before it unmaps it."""

    def stop(self) -> EfiStatus:
        """Do it in the wrong order."""
        self.halt()
        for command in tuple(self.in_flight):
            self._release(command)
        self._give_ring()
        self.pci_io.unmap(self.ring_mapping)
        return self.boot_services.close_event(self.exit_event)


class PassesHostAddress(DiskDriver):
    """Gives the disk the HostAddress instead of the DeviceAddress."""

    def _data_address(self, mapped: Mapped, buffer: Gva) -> int:
        del mapped
        return int(buffer)


class UnmapsTooSoon(DiskDriver):
    """Unmaps a command's data as soon as the disk has the descriptor, and then waits."""

    def _transfer(self, opcode: Opcode, lba: int, buffer: Gva, length: int) -> EfiStatus:
        status, command = self._begin(opcode, lba, buffer, length)
        if command is None:
            return status
        self._finish(command)
        self._wait(command.slot)
        return EfiStatus.SUCCESS


class MapsWrongDirection(DiskDriver):
    """Maps what the disk writes as BusMasterRead, and what it reads as BusMasterWrite."""

    def _operation(self, opcode: Opcode) -> DmaOperation:
        return DmaOperation.WRITE if opcode is Opcode.WRITE else DmaOperation.READ


class LeavesMapping(DiskDriver):
    """Stops without unmapping its ring, and keeps the ring's memory."""

    def stop(self) -> EfiStatus:
        """Forget the ring."""
        self.halt()
        for command in tuple(self.in_flight):
            self._release(command)
        return self.boot_services.close_event(self.exit_event)


class UnmapsTwice(DiskDriver):
    """Unmaps each command's data twice."""

    def _finish(self, command: InFlight) -> None:
        super()._finish(command)
        super()._finish(command)


FAULTS = (
    Fault("allocates-in-handler", Party.DRIVER, Parts(driver=AllocatesInHandler), ("MEM-01",)),
    Fault("frees-in-handler", Party.DRIVER, Parts(driver=FreesInHandler), ("MEM-01",)),
    Fault("reads-map-in-handler", Party.DRIVER, Parts(driver=ReadsMapInHandler), ("MEM-01",)),
    Fault("frees-buffer-in-handler", Party.DRIVER, Parts(driver=FreesBufferInHandler), ("MEM-02",)),
    Fault(
        "unmaps-read-in-handler",
        Party.DRIVER,
        Parts(driver=UnmapsReadInHandler),
        ("MEM-02",),
        shown_by=("DRV-32",),
    ),
    Fault("closes-event-in-handler", Party.DRIVER, Parts(driver=ClosesEventInHandler), ("MEM-03",)),
    Fault("leaves-level-raised", Party.DRIVER, Parts(driver=LeavesLevelRaised), ("EBS-05",)),
    Fault("does-not-halt", Party.DRIVER, Parts(driver=DoesNotHalt), ("DRV-01",)),
    Fault("halts-only-at-rest", Party.DRIVER, Parts(driver=HaltsOnlyAtRest), ("DRV-01",)),
    Fault("halts-too-late", Party.DRIVER, Parts(driver=HaltsTooLate), ("DRV-02",)),
    Fault("unmaps-then-halts", Party.DRIVER, Parts(driver=UnmapsThenHalts), ("DRV-09",)),
    Fault("maps-foreign-memory", Party.DRIVER, Parts(driver=MapsForeignMemory), ("DRV-03",)),
    Fault("frees-while-mapped", Party.DRIVER, Parts(driver=FreesWhileMapped), ("DRV-04",)),
    Fault("passes-host-address", Party.DRIVER, Parts(driver=PassesHostAddress), ("DRV-05",)),
    Fault("unmaps-too-soon", Party.DRIVER, Parts(driver=UnmapsTooSoon), ("DRV-05",)),
    Fault("maps-wrong-direction", Party.DRIVER, Parts(driver=MapsWrongDirection), ("DRV-06",)),
    Fault("leaves-mapping", Party.DRIVER, Parts(driver=LeavesMapping), ("DRV-07",)),
    Fault("unmaps-twice", Party.DRIVER, Parts(driver=UnmapsTwice), ("DRV-08",)),
)
