"""
A vendor's IOMMU driver and OS loader as parts of the reference machine, in the worker.

What they are given and offer is checked at the border. What the machine has to know of a mapping's end is recorded
here, because foreign code has no ledger. A teardown of its own shows by the C-bits that it sets.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

from sevconf.contract import (
    BootServices,
    DeviceBus,
    DeviceModel,
    Driver,
    GuestMemory,
    IommuDriver,
    MemEncrypt,
    OsLoader,
    PciIo,
    QueueingBlockDriver,
)
from sevconf.contract.driver import Mapped, MappingToken
from sevconf.errors import BrokenContract, ForeignFailure
from sevconf.model.boot_services import Core
from sevconf.model.guest import Guest
from sevconf.model.iommu.base import Iommu, MappingLedger
from sevconf.model.machine import FIRMWARE_SIZE
from sevconf.model.os_loader import OsLoader as ReferenceLoader
from sevconf.model.parts import Parts
from sevconf.subjects.python.border import Border
from sevconf.subjects.python.guarded import judged, offered
from sevconf.subjects.python.load import Origin
from sevconf.subjects.python.roles import KINDS
from sevconf.vocabulary import PAGE_SIZE, CBit, DmaOperation, EfiStatus, Gva, MemoryType


class CheckedMemEncrypt:
    """The C-bit of pages that there are."""

    def __init__(self, guest: Guest, culprit: str) -> None:
        self._guest = guest
        self._culprit = culprit

    def set_cbit(self, gva: Gva, pages: int, cbit: CBit) -> None:
        """Change it; an address that is no page's, or a page that nothing maps, breaks the contract."""
        ends = (gva, Gva(gva + (pages - 1) * PAGE_SIZE))
        if gva % PAGE_SIZE or pages < 1 or any(self._guest.mmu.translate(page) is None for page in ends):
            how = f"asks for {pages} pages from {gva:#x}, which are no mapped pages"
            raise BrokenContract(self._culprit, "change C-bits", how)
        self._guest.set_cbit(gva, pages, cbit)


class OwnMemory:
    """Guest memory but for the firmware's own pages: what lies there is no buffer of anybody's."""

    def __init__(self, memory: GuestMemory, culprit: str) -> None:
        self._memory = memory
        self._culprit = culprit

    def read(self, gva: Gva, length: int) -> bytes:
        """Load."""
        self._check("read", gva, length)
        return self._memory.read(gva, length)

    def write(self, gva: Gva, data: bytes) -> None:
        """Store."""
        self._check("write", gva, len(data))
        self._memory.write(gva, data)

    def _check(self, act: str, gva: Gva, length: int) -> None:
        if gva < FIRMWARE_SIZE:
            how = "takes memory of the firmware for its own: no service gave it that address"
            raise BrokenContract(self._culprit, f"{act} {length} bytes at Gva {gva:#x}", how)


class VendorIommu:
    """An IOMMU driver of a vendor's; `make` builds it when the machine starts it."""

    def __init__(self, make: Callable[[], IommuDriver], ledger: MappingLedger, actor: str) -> None:
        self.actor = actor
        self._make = make
        self._ledger = ledger

    def start(self) -> None:
        """Build the driver, and run its entry point."""
        self._driver = self._make()
        status = self._driver.start()
        if status.is_error:
            raise ForeignFailure(self.actor, "start", f"returns {status}")

    def allocate_buffer(self, memory_type: MemoryType, pages: int, *, wide: bool = False) -> tuple[EfiStatus, Gva]:
        """Ask for a buffer; a vendor's driver gives every bus master memory below 4 GiB."""
        del wide
        return self._driver.allocate_buffer(memory_type, pages)

    def free_buffer(self, pages: int, host: Gva) -> EfiStatus:
        """Give a buffer back."""
        return self._driver.free_buffer(pages, host)

    def map(self, operation: DmaOperation, host: Gva, length: int, *, wide: bool = False) -> Mapped:
        """Ask for a mapping; a vendor's driver is told three operations, as if no device had 64 bits."""
        del wide
        return self._driver.map(operation, host, length)

    def unmap(self, mapping: MappingToken) -> EfiStatus:
        """End a mapping: it has ended if the driver says so."""
        status = self._driver.unmap(mapping)
        if not status.is_error:
            self._ledger.ended(mapping)
        return status


def parts(vendor: type, origin: Origin, border: Border, model: type | None = None) -> Parts:
    """Return the reference's parts with a vendor's class in its role; `model` models its device, if another does."""

    def made(protocol: type, *services: Any) -> Any:
        return judged(protocol, border.out(vendor, *services), border)

    def boot_services(core: BootServices) -> Any:
        return offered(BootServices, "boot_services", core, border)

    def memory(guest: GuestMemory) -> Any:
        return offered(GuestMemory, "memory", OwnMemory(guest, origin.culprit), border)

    def driver(core: BootServices, pci_io: PciIo, guest: GuestMemory) -> Driver:
        kind = cast("Any", vendor).kind
        queueing = kind == "block" and getattr(vendor, "submit_write", None) is not None
        services = (boot_services(core), offered(PciIo, "pci_io", pci_io, border), memory(guest))
        return cast("Driver", made(QueueingBlockDriver if queueing else KINDS[kind].protocol, *services))

    def iommu(core: Core, guest: Guest, ledger: MappingLedger, **_: object) -> Iommu:
        def make() -> IommuDriver:
            checked = offered(MemEncrypt, "mem_encrypt", CheckedMemEncrypt(guest, origin.culprit), border)
            return cast("IommuDriver", made(IommuDriver, boot_services(core), memory(guest), checked))

        return VendorIommu(make, ledger, origin.culprit)

    class VendorLoader(ReferenceLoader):
        """An OS loader of a vendor's; the OS takes over when boot services are gone."""

        actor = origin.culprit

        def boot(self) -> EfiStatus:
            """Build the loader, and let it boot."""
            core = cast("Core", self.boot_services)
            status = cast("OsLoader", made(OsLoader, boot_services(core))).boot()
            if core.gone:
                self._take_over()
            elif not status.is_error:
                raise BrokenContract(self.actor, "boot", f"returns {status}, and boot services are still there")
            return status

    def device(bus: DeviceBus) -> DeviceModel:
        handle = offered(DeviceBus, "bus", bus, border)
        return cast("DeviceModel", judged(DeviceModel, border.out(model or cast("Any", vendor).device, handle), border))

    driver.__name__ = origin.class_name
    match origin.role:
        case "iommu-driver":
            return Parts(iommu=iommu)
        case "os-loader":
            return Parts(loader=VendorLoader)
        case _:
            part: dict[str, Any] = {KINDS[cast("Any", vendor).kind].part: driver}
            if cast("Any", vendor).kind == "device":
                part["own_device"] = device
            return replace(Parts(), **part)
