"""Machines with one bug each about what happens around ExitBootServices, about groups, timers and protocols."""

from collections.abc import Sequence

from sevconf.faults.fault import Fault
from sevconf.model.boot_services import Core
from sevconf.model.drivers.disk import DiskDriver
from sevconf.model.event import Event, Events
from sevconf.model.iommu.sev import SevIommu
from sevconf.model.os_loader import OsLoader
from sevconf.model.parts import Parts
from sevconf.model.protocols import RamDisk
from sevconf.vocabulary import (
    EVT_NOTIFY_SIGNAL,
    EVT_TIMER,
    DmaOperation,
    EfiStatus,
    EventGroup,
    MemoryType,
    Party,
    TimerDelay,
    Tpl,
)
from sevconf.vocabulary.protocols import BLOCK_IO, PCI_ENUMERATION_COMPLETE, SIMPLE_TEXT_OUTPUT

# Drivers

#: Looks at a timer before a driver gives up.
PATIENCE = 10


class WaitsForTimer(DiskDriver):
    """Polls a timer in its exit handler until the disk has had time to settle."""

    def start(self) -> EfiStatus:
        """Make the timer."""
        status, self.timer = self.boot_services.create_event(EVT_TIMER, Tpl.CALLBACK)
        if status.is_error:
            return status
        self.boot_services.set_timer(self.timer, TimerDelay.PERIODIC, 100_000)
        status = super().start()
        if status.is_error:
            self.boot_services.close_event(self.timer)
        return status

    def stop(self) -> EfiStatus:
        """Stop, and close the timer too."""
        status = super().stop()
        self.boot_services.close_event(self.timer)
        return status

    def on_exit(self) -> None:
        """Halt, then wait."""
        super().on_exit()
        for _ in range(PATIENCE):
            if self.boot_services.check_event(self.timer) is EfiStatus.SUCCESS:
                return
            self.boot_services.stall(1000)


class PutsOffByTimer(DiskDriver):
    """Arms a timer in its exit handler, to look after the disk once more later."""

    def start(self) -> EfiStatus:
        """Make the timer."""
        status, self.timer = self.boot_services.create_event(EVT_TIMER | EVT_NOTIFY_SIGNAL, Tpl.CALLBACK, self.halt)
        if status.is_error:
            return status
        status = super().start()
        if status.is_error:
            self.boot_services.close_event(self.timer)
        return status

    def stop(self) -> EfiStatus:
        """Stop, and close the timer too."""
        status = super().stop()
        self.boot_services.close_event(self.timer)
        return status

    def on_exit(self) -> None:
        """Halt, and put the rest off."""
        super().on_exit()
        self.boot_services.set_timer(self.timer, TimerDelay.RELATIVE, 0)


class LogsToOtherDisk(DiskDriver):
    """Writes a block to another driver's disk in its exit handler."""

    def start(self) -> EfiStatus:
        """Look for the other disk."""
        _, self.log = self.boot_services.locate_protocol(BLOCK_IO)
        return super().start()

    def on_exit(self) -> None:
        """Halt, then tell."""
        super().on_exit()
        if isinstance(self.log, RamDisk):
            self.log.write_blocks(0, bytes(512))


class MapsInHandler(DiskDriver):
    """Maps a common buffer in its exit handler, for a last message of the disk."""

    def start(self) -> EfiStatus:
        """Take the buffer."""
        status, self.spare = self.pci_io.allocate_buffer(MemoryType.BOOT_SERVICES_DATA, 1)
        if status.is_error:
            return status
        status = super().start()
        if status.is_error:
            self.pci_io.free_buffer(1, self.spare)
        return status

    def on_exit(self) -> None:
        """Halt, then map."""
        super().on_exit()
        self.pci_io.map(DmaOperation.COMMON_BUFFER, self.spare, 64)


class NeedsPrivateProtocol(DiskDriver):
    """Starts only where PCI enumeration is announced by a protocol that UEFI doesn't have."""

    def start(self) -> EfiStatus:
        """Ask for it first."""
        status, _ = self.boot_services.locate_protocol(PCI_ENUMERATION_COMPLETE)
        return EfiStatus.UNSUPPORTED if status.is_error else super().start()


# IOMMU drivers


class TearsDownInBeforeGroup(SevIommu):
    """Tears down in the BeforeExitBootServices group."""

    def start(self) -> None:
        """Join that group instead of the exit group."""
        group = EventGroup.BEFORE_EXIT_BOOT_SERVICES.value
        self.core.create_event_ex(EVT_NOTIFY_SIGNAL, self.handler_tpl, self.tear_down, group)


class MapsBehindTeardown(SevIommu):
    """Serves Map behind its teardown as ever."""

    def is_closed(self) -> bool:
        """Never refuse."""
        return False


# OS loaders


class PrintsAfterRefusal(OsLoader):
    """Looks for the console when it was refused, to say so."""

    def tries_again(self) -> bool:
        """Look for the console, then try again."""
        self.boot_services.locate_protocol(SIMPLE_TEXT_OUTPUT)
        return super().tries_again()


# Cores


class SignalsOnlyForNotified(Events):
    """Signals a group only where the member that is signaled has a notification on signal."""

    def signal(self, event: Event) -> None:
        """Look at the type of the member first."""
        if event.group is None or event.notifies_on_signal:
            super().signal(event)
            return
        self._signal_one(event)
        self.dispatch()


class SignalsOnlyNotified(Events):
    """Signals only those members of a group that have a notification on signal."""

    def members(self, group: str) -> Sequence[Event]:
        """Leave the others out."""
        return tuple(event for event in super().members(group) if event.notifies_on_signal)


class AcceptsApplicationLevel(Events):
    """Accepts events whose notification would never run, at TPL_APPLICATION."""

    def _legal_level(self, tpl: Tpl) -> bool:
        return super()._legal_level(tpl) or tpl is Tpl.APPLICATION


class RefusesHighLevel(Events):
    """Refuses events whose notification runs at TPL_HIGH_LEVEL."""

    def _legal_level(self, tpl: Tpl) -> bool:
        return super()._legal_level(tpl) and tpl is not Tpl.HIGH_LEVEL


class SignalsZeroDelayAtOnce(Events):
    """Signals a relative timer of zero delay inside SetTimer, whether timers are on or off."""

    def set_timer(self, event: Event, delay: TimerDelay, trigger_time: int) -> None:
        """Signal at once what is due at once."""
        if delay is TimerDelay.RELATIVE and not trigger_time:
            self.signal(event)
            return
        super().set_timer(event, delay, trigger_time)


class SilentMapChanges(Core):
    """Signals nobody when the memory map changes."""

    def _map_changed(self) -> None:
        pass


class TellsMapChangesAtOnce(Core):
    """Runs handlers of the MemoryMapChange group inside the change, whatever the level of the caller."""

    def _map_changed(self) -> None:
        before, self._recorder.tpl = self._recorder.tpl, Tpl.APPLICATION
        self.events.signal_group(EventGroup.MEMORY_MAP_CHANGE.value)
        self._recorder.tpl = before


class SignalsIommuGroupFirst(Core):
    """Signals IOMMU drivers before the exit group."""

    def _notify_exit(self) -> None:
        group, self.iommu_group = self.iommu_group, None
        if group is not None:
            self.events.signal_group(group)
        super()._notify_exit()


_CORE, _DRIVER, _IOMMU = Party.CORE, Party.DRIVER, Party.IOMMU_DRIVER
_NO_GARBAGE = "a command that is in flight at exit puts no garbage on the disk"

FAULTS = (
    Fault("waits-for-timer", _DRIVER, Parts(driver=WaitsForTimer), ("DRV-32",)),
    Fault("puts-off-by-timer", _DRIVER, Parts(driver=PutsOffByTimer), ("DRV-32",)),
    Fault("logs-to-other-disk", _DRIVER, Parts(driver=LogsToOtherDisk), ("DRV-33",)),
    Fault(
        "maps-in-handler",
        _DRIVER,
        Parts(driver=MapsInHandler),
        ("DRV-34",),
        (("MEM-02", "no exit handler brings a memory allocation service about"),),
    ),
    Fault("needs-private-protocol", _DRIVER, Parts(driver=NeedsPrivateProtocol), ("DRV-30",)),
    Fault(
        "tears-down-in-before-group",
        _IOMMU,
        Parts(iommu=TearsDownInBeforeGroup),
        ("EBS-12",),
        (("EBS-09", _NO_GARBAGE),),
    ),
    Fault("maps-behind-teardown", _IOMMU, Parts(iommu=MapsBehindTeardown), ("EBS-14",)),
    Fault("prints-after-refusal", Party.OS_LOADER, Parts(loader=PrintsAfterRefusal), ("EBS-13",)),
    Fault("signals-only-for-notified", _CORE, Parts(events=SignalsOnlyForNotified), ("EVT-12",)),
    Fault("signals-only-notified", _CORE, Parts(events=SignalsOnlyNotified), ("EVT-12",)),
    Fault("accepts-application-level", _CORE, Parts(events=AcceptsApplicationLevel), ("EVT-17",)),
    Fault("refuses-high-level", _CORE, Parts(events=RefusesHighLevel), ("EVT-17",)),
    Fault("signals-zero-delay-at-once", _CORE, Parts(events=SignalsZeroDelayAtOnce), ("EVT-13",)),
    Fault("silent-map-changes", _CORE, Parts(core=SilentMapChanges), ("MEM-10",)),
    Fault("tells-map-changes-at-once", _CORE, Parts(core=TellsMapChangesAtOnce), ("MEM-10",)),
    Fault("signals-iommu-group-first", _CORE, Parts(core=SignalsIommuGroupFirst), ("EBS-11",)),
)
