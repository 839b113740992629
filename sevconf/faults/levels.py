"""Machines with one bug each about levels, processors, and memory services in ordinary use."""

from sevconf.contract.driver import EventHandle, Mapped, MappingToken
from sevconf.errors import ForeignFailure
from sevconf.faults.fault import Fault
from sevconf.model.boot_services import Core
from sevconf.model.drivers.disk import DiskDriver
from sevconf.model.iommu.sev import SevIommu
from sevconf.model.os_loader import OsLoader
from sevconf.model.parts import Parts
from sevconf.model.pci_io import PciIo
from sevconf.vocabulary import (
    EVT_NOTIFY_SIGNAL,
    EVT_TIMER,
    DmaOperation,
    EfiStatus,
    Gva,
    MemoryType,
    Party,
    TimerDelay,
    Tpl,
)


class AllocatesAtHighLevel(DiskDriver):
    """Takes the memory for its data at TPL_HIGH_LEVEL, as under a lock."""

    def _take_data(self, size: int) -> tuple[EfiStatus, Gva]:
        old = self.boot_services.raise_tpl(Tpl.HIGH_LEVEL)
        taken = super()._take_data(size)
        self.boot_services.restore_tpl(old)
        return taken


class WaitsAtAnyLevel(DiskDriver):
    """Waits for a command by WaitForEvent, also when its caller is above TPL_APPLICATION."""

    def start(self) -> EfiStatus:
        """Make a timer to wait for."""
        status, self.timer = self.boot_services.create_event(EVT_TIMER, Tpl.CALLBACK)
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

    def _wait(self, slot: int) -> int:
        self.boot_services.set_timer(self.timer, TimerDelay.RELATIVE, 1000)
        self.boot_services.wait_for_event((self.timer,))
        return super()._wait(slot)


class AllocatesOnOtherProcessor(DiskDriver):
    """Prepares its ring on an application processor, and allocates there."""

    def start(self) -> EfiStatus:
        """Let the other processor take a buffer."""
        self.boot_services.startup_this_ap(1, self._prepare)
        return super().start()

    def _prepare(self) -> None:
        _, buffer = self.boot_services.allocate_pool(MemoryType.BOOT_SERVICES_DATA, 64)
        self.boot_services.free_pool(buffer)


class SignalsOnOtherProcessor(DiskDriver):
    """Signals an event of its own from an application processor."""

    def start(self) -> EfiStatus:
        """Let the other processor tell that it is up."""
        _, up = self.boot_services.create_event(EVT_NOTIFY_SIGNAL, Tpl.CALLBACK, lambda: None)
        self.boot_services.startup_this_ap(1, lambda: self._tell(up))
        self.boot_services.close_event(up)
        return super().start()

    def _tell(self, up: EventHandle) -> None:
        self.boot_services.signal_event(up)


class LocksAtHighLevel(SevIommu):
    """Guards its list in Map by TPL_HIGH_LEVEL, and allocates under it."""

    def map(self, operation: DmaOperation, host: Gva, length: int, *, wide: bool = False) -> Mapped:
        """Map at the level of the lock."""
        old = self.core.raise_tpl(Tpl.HIGH_LEVEL)
        mapped = super().map(operation, host, length, wide=wide)
        self.core.restore_tpl(old)
        return mapped


class GuardsAtCallback(SevIommu):
    """Guards its list in Unmap by TPL_CALLBACK, also when its caller is above that level."""

    def unmap(self, mapping: MappingToken) -> EfiStatus:
        """Unmap at the level of the lock."""
        old = self.core.raise_tpl(Tpl.CALLBACK)
        status = super().unmap(mapping)
        self.core.restore_tpl(old)
        return status


class RecordsOnOtherProcessor(SevIommu):
    """Makes a mapping's record on an application processor, and allocates there."""

    def _take_token(self) -> tuple[EfiStatus, MappingToken]:
        taken: list[tuple[EfiStatus, MappingToken]] = []
        self.core.startup_this_ap(1, lambda: taken.append(super(RecordsOnOtherProcessor, self)._take_token()))
        return taken[0]


class FreesOnlyAtApplication(SevIommu):
    """Refuses Unmap of Read and Write above TPL_APPLICATION, because it would have to free."""

    def unmap(self, mapping: MappingToken) -> EfiStatus:
        """Look at the level first."""
        info = self.live.get(mapping)
        bounced = info is not None and info.operation is not DmaOperation.COMMON_BUFFER
        if bounced and not self.exiting and self.core.events.tpl is not Tpl.APPLICATION:
            return EfiStatus.UNSUPPORTED
        return super().unmap(mapping)


class ReadsMapAtHighLevel(OsLoader):
    """Takes the memory map at TPL_HIGH_LEVEL, so that nobody changes it meanwhile."""

    def boot(self) -> EfiStatus:
        """Look at the size of the map under the lock, then go on as ever."""
        old = self.boot_services.raise_tpl(Tpl.HIGH_LEVEL)
        self.boot_services.get_memory_map(0)
        self.boot_services.restore_tpl(old)
        return super().boot()


class MapsAtHighLevel(PciIo):
    """Hands Map on at TPL_HIGH_LEVEL, whatever the level of its caller."""

    def map(self, operation: DmaOperation, host_address: Gva, length: int) -> Mapped:
        """Raise the level around it."""
        before, self._recorder.tpl = self._recorder.tpl, Tpl.HIGH_LEVEL
        mapped = super().map(operation, host_address, length)
        self._recorder.tpl = before
        return mapped


class RefusesPoolAtNotify(Core):
    """Refuses AllocatePool at TPL_NOTIFY."""

    def allocate_pool(self, memory_type: MemoryType, size: int) -> tuple[EfiStatus, Gva]:
        """Look at the level first."""
        if self.events.tpl < Tpl.NOTIFY:
            return super().allocate_pool(memory_type, size)
        with self._service("AllocatePool", memory_type=memory_type.name, size=size) as call:
            return call.returns(EfiStatus.OUT_OF_RESOURCES), Gva(0)


class RefusesSignalAtHighLevel(Core):
    """Refuses SignalEvent at TPL_HIGH_LEVEL."""

    def signal_event(self, event: EventHandle) -> EfiStatus:
        """Look at the level first."""
        if self.events.tpl is not Tpl.HIGH_LEVEL:
            return super().signal_event(event)
        with self._service("SignalEvent") as call:
            return call.returns(EfiStatus.UNSUPPORTED)


class WaitsAboveApplication(Core):
    """Serves WaitForEvent at every level."""

    def wait_for_event(self, events: tuple[EventHandle, ...]) -> tuple[EfiStatus, int]:
        """Look at the events, never at the level."""
        status, index = super().wait_for_event(events)
        if status is not EfiStatus.UNSUPPORTED or self.gone:
            return status, index
        signaled = self.events.find(events[0])
        if signaled is None:
            raise ForeignFailure("core", "wait", "waits for an event that does not exist")
        return self._check(signaled), 0


_CORE, _DRIVER, _IOMMU = Party.CORE, Party.DRIVER, Party.IOMMU_DRIVER

FAULTS = (
    Fault("allocates-at-high-level", _DRIVER, Parts(driver=AllocatesAtHighLevel), ("EVT-07",)),
    Fault("waits-at-any-level", _DRIVER, Parts(driver=WaitsAtAnyLevel), ("EVT-07",)),
    Fault("allocates-on-other-processor", _DRIVER, Parts(driver=AllocatesOnOtherProcessor), ("EVT-10",)),
    Fault("signals-on-other-processor", _DRIVER, Parts(driver=SignalsOnOtherProcessor), ("EVT-10",)),
    Fault("locks-at-high-level", _IOMMU, Parts(iommu=LocksAtHighLevel), ("EVT-08",)),
    Fault("guards-at-callback", _IOMMU, Parts(iommu=GuardsAtCallback), ("EVT-22",)),
    Fault("records-on-other-processor", _IOMMU, Parts(iommu=RecordsOnOtherProcessor), ("EVT-21",)),
    Fault("frees-only-at-application", _IOMMU, Parts(iommu=FreesOnlyAtApplication), ("MEM-08",)),
    Fault("reads-map-at-high-level", Party.OS_LOADER, Parts(loader=ReadsMapAtHighLevel), ("EVT-09",)),
    Fault("maps-at-high-level", Party.PCI, Parts(pci_io=MapsAtHighLevel), ("MEM-09",)),
    Fault("refuses-pool-at-notify", _CORE, Parts(core=RefusesPoolAtNotify), ("EVT-14",)),
    Fault(
        "refuses-signal-at-high-level",
        _CORE,
        Parts(core=RefusesSignalAtHighLevel),
        ("EVT-14",),
    ),
    Fault("waits-above-application", _CORE, Parts(core=WaitsAboveApplication), ("EVT-16",)),
)
