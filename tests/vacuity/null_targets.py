"""Targets that do nothing, by party: whoever asks them for something is told EFI_SUCCESS, or EFI_UNSUPPORTED."""
# ruff: noqa: ARG002, D102 -- parameters and methods are the contract's, and none does anything

from sevconf.contract import Capability
from sevconf.contract.driver import EventHandle, Mapped, MappingToken, MemoryMap, NotifyFunction
from sevconf.model.boot_services import Core
from sevconf.model.drivers.copier import CopierDriver
from sevconf.model.drivers.disk import DiskDriver
from sevconf.model.drivers.keyboard import KeyboardDriver
from sevconf.model.drivers.nic import NetworkDriver
from sevconf.model.encrypted_ram import EncryptedRam
from sevconf.model.iommu.sev import SevIommu
from sevconf.model.iommu.vtd import VtdIommu
from sevconf.model.iommu_os import IommuAwareOs
from sevconf.model.machine import FIRMWARE_SIZE
from sevconf.model.os_loader import OsLoader
from sevconf.model.parts import Parts
from sevconf.model.pci_io import PciIo
from sevconf.subjects.reference import ReferenceTarget
from sevconf.vocabulary import (
    AllocateType,
    DmaOperation,
    EfiStatus,
    Gpa,
    Gva,
    IommuAccess,
    MachineKind,
    MemoryType,
    Party,
    TimerDelay,
)


class Nothing:
    """What all of them answer."""

    status = EfiStatus.SUCCESS


class NullDriver(Nothing):
    """What every kind of driver is asked, with nothing behind it."""

    def supported(self) -> EfiStatus:
        return EfiStatus.SUCCESS

    def start(self) -> EfiStatus:
        return self.status

    def stop(self) -> EfiStatus:
        return self.status


class NullDisk(NullDriver, DiskDriver):
    """Moves no block."""

    def read_blocks(self, lba: int, count: int) -> tuple[EfiStatus, bytes]:
        return self.status, b""

    def write_blocks(self, lba: int, data: bytes) -> EfiStatus:
        return self.status

    def submit_write(self, lba: int, data: bytes) -> EfiStatus:
        return self.status


class NullKeyboard(NullDriver, KeyboardDriver):
    """Reads no key."""

    def read_key(self) -> tuple[EfiStatus, bytes]:
        return self.status, b""


class NullNetwork(NullDriver, NetworkDriver):
    """Moves no frame."""

    def transmit(self, frame: bytes) -> EfiStatus:
        return self.status

    def receive(self) -> tuple[EfiStatus, bytes]:
        return self.status, b""


class NullOwnDriver(NullDriver, CopierDriver):
    """Has its device copy nothing."""

    def work(self) -> EfiStatus:
        return self.status


class NullMapping(Nothing):
    """What every IOMMU driver is asked: it gives and maps nothing."""

    def start(self) -> None:
        """Register for nothing."""

    def set_up(self) -> None:
        """Leave the unit alone."""

    def allocate_buffer(self, memory_type: MemoryType, pages: int, *, wide: bool = False) -> tuple[EfiStatus, Gva]:
        return self.status, Gva(0)

    def free_buffer(self, pages: int, host: Gva) -> EfiStatus:
        return self.status

    def map(self, operation: DmaOperation, host: Gva, length: int, *, wide: bool = False) -> Mapped:
        return Mapped(self.status, length, 0, MappingToken(0))

    def unmap(self, mapping: MappingToken) -> EfiStatus:
        return self.status

    def set_attribute(self, device: str, mapping: MappingToken, access: IommuAccess) -> EfiStatus:
        return self.status


class FormalMapping(NullMapping):
    """An IOMMU driver in form: it gives pages, and maps every address to itself."""

    core: Core

    def allocate_buffer(self, memory_type: MemoryType, pages: int, *, wide: bool = False) -> tuple[EfiStatus, Gva]:
        return self.core.allocate_pages(AllocateType.ANY_PAGES, memory_type, pages)

    def free_buffer(self, pages: int, host: Gva) -> EfiStatus:
        return self.core.free_pages(host, pages)

    def map(self, operation: DmaOperation, host: Gva, length: int, *, wide: bool = False) -> Mapped:
        self.count = getattr(self, "count", 0) + 1
        return Mapped(self.status, length, int(host), MappingToken(self.count))


class FormalSev(FormalMapping, SevIommu):
    """Opens nothing, and has nothing to close."""


class FormalVtd(FormalMapping, VtdIommu):
    """Leaves its unit alone."""


class NullSev(NullMapping, SevIommu):
    """Opens nothing, and has nothing to close."""


class NullVtd(NullMapping, VtdIommu):
    """Leaves its unit alone."""


class NullCore(Nothing, Core):
    """Makes, signals, allocates and ends nothing; each call stands in the trace."""

    def _does_nothing(self, name: str) -> EfiStatus:
        with self._service(name) as call:
            return call.returns(self.status)

    def _create(self, service: str, *_: object, **__: object) -> tuple[EfiStatus, EventHandle]:
        return self._does_nothing(service), EventHandle(0)

    def close_event(self, event: EventHandle) -> EfiStatus:
        return self._does_nothing("CloseEvent")

    def signal_event(self, event: EventHandle) -> EfiStatus:
        return self._does_nothing("SignalEvent")

    def check_event(self, event: EventHandle) -> EfiStatus:
        return self._does_nothing("CheckEvent")

    def wait_for_event(self, events: tuple[EventHandle, ...]) -> tuple[EfiStatus, int]:
        return self._does_nothing("WaitForEvent"), 0

    def set_timer(self, event: EventHandle, delay: TimerDelay, trigger_time: int) -> EfiStatus:
        return self._does_nothing("SetTimer")

    def allocate_pages(
        self, allocate_type: AllocateType, memory_type: MemoryType, pages: int, address: int = 0
    ) -> tuple[EfiStatus, Gva]:
        return self._does_nothing("AllocatePages"), Gva(0)

    def free_pages(self, address: Gva, pages: int) -> EfiStatus:
        return self._does_nothing("FreePages")

    def allocate_pool(self, memory_type: MemoryType, size: int) -> tuple[EfiStatus, Gva]:
        return self._does_nothing("AllocatePool"), Gva(0)

    def free_pool(self, buffer: Gva) -> EfiStatus:
        return self._does_nothing("FreePool")

    def get_memory_map(self, buffer_size: int) -> tuple[EfiStatus, MemoryMap]:
        return self._does_nothing("GetMemoryMap"), MemoryMap(0, 0, 0, ())

    def exit_boot_services(self, map_key: int) -> EfiStatus:
        return self._does_nothing("ExitBootServices")

    def startup_this_ap(self, processor: int, procedure: NotifyFunction) -> EfiStatus:
        return self._does_nothing("StartupThisAP")


class NullPciIo(Nothing, PciIo):
    """Hands nothing on to the IOMMU driver."""

    def allocate_buffer(self, memory_type: MemoryType, pages: int) -> tuple[EfiStatus, Gva]:
        return self.status, Gva(0)

    def free_buffer(self, pages: int, host_address: Gva) -> EfiStatus:
        return self.status

    def map(self, operation: DmaOperation, host_address: Gva, length: int) -> Mapped:
        return Mapped(self.status, length, 0, MappingToken(0))

    def unmap(self, mapping: MappingToken) -> EfiStatus:
        return self.status


class NullLoader(Nothing, OsLoader):
    """Boots nothing."""

    def boot(self) -> EfiStatus:
        return self.status


class NullRam(EncryptedRam):
    """Keeps nothing but page tables: what is written elsewhere is gone."""

    def _is_kept(self, gpa: Gpa) -> bool:
        return gpa < FIRMWARE_SIZE

    def write_private(self, gpa: Gpa, data: bytes) -> None:
        """Write, or not."""
        if self._is_kept(gpa):
            super().write_private(gpa, data)

    def write_raw(self, gpa: Gpa, data: bytes) -> None:
        """Write, or not."""
        if self._is_kept(gpa):
            super().write_raw(gpa, data)

    def write_host(self, gpa: Gpa, data: bytes) -> None:
        """Write, or not."""
        if self._is_kept(gpa):
            super().write_host(gpa, data)


class NullOs(IommuAwareOs):
    """Leaves the IOMMU as the firmware left it."""

    def take_over(self) -> None:
        """Do nothing."""


class NullTarget(ReferenceTarget):
    """The reference around such a part; scenarios may not put another one in its place."""

    capabilities = frozenset(Capability) - {Capability.KEYBOARD_TRANSFERS}


def _with(part: type, status: EfiStatus) -> type:
    return type(f"{part.__name__}{status.name.title()}", (part,), {"status": status})


def null_target(party: Party, status: EfiStatus) -> ReferenceTarget:
    """Return the reference with a part that does nothing and answers that, judged as that part."""
    parts = {
        Party.DRIVER: lambda: Parts(
            driver=_with(NullDisk, status),
            keyboard_driver=_with(NullKeyboard, status),
            network_driver=_with(NullNetwork, status),
            own_driver=_with(NullOwnDriver, status),
        ),
        Party.IOMMU_DRIVER: lambda: Parts(iommu=_with(NullSev, status), vtd=_with(NullVtd, status)),
        Party.CORE: lambda: Parts(core=_with(NullCore, status)),
        Party.PCI: lambda: Parts(pci_io=_with(NullPciIo, status)),
        Party.OS_LOADER: lambda: Parts(loader=_with(NullLoader, status)),
        Party.OS: lambda: Parts(os=NullOs),
        Party.MEMORY: lambda: Parts(ram=NullRam),
    }[party]()
    return _target(f"null {party.value}", parts, party)


def formal_iommu() -> ReferenceTarget:
    """Return the reference with an IOMMU driver that does nothing but answer as one."""
    return _target("formal iommu-driver", Parts(iommu=FormalSev, vtd=FormalVtd), Party.IOMMU_DRIVER)


def _target(name: str, parts: Parts, party: Party) -> ReferenceTarget:
    target = NullTarget(name, parts, frozenset({party}))
    if party is Party.IOMMU_DRIVER:
        target.kinds = frozenset(MachineKind) - {MachineKind.NONE}  # there is none there to be exchanged
    return target
