"""
The driver of a VT-d unit: nothing passes but what SetAttribute granted, page by page and device by device.

Map promises, SetAttribute grants: PciIo asks for the access of the operation behind Map, and for none before Unmap. The
DeviceAddress is the physical address; Read and Write of what does not fill whole pages go through bounce pages, so that
no grant reaches bytes of somebody else, and so do those of what lies above 4 GiB for a bus master of 32 bits. Reserved
ranges, which the platform names for a device, are open to it always.

The driver is there before its tables can be: until the platform has told of its units, AllocateBuffer, Map and
SetAttribute return EFI_NOT_READY and every DMA passes.

What becomes of it at ExitBootServices is a policy.

- `open`: the handler turns translation off, for an OS that knows no IOMMU. Addresses don't change by that, so devices
  whose drivers have not halted them yet go on undisturbed.
- `keep`: translation stays on, and grants hold until every handler has run: a device that is halted late must not fault
  before. Then, in a private event queued behind all handlers of the group, the driver revokes each grant into memory
  that is the OS's from now on. What stays the firmware's remains granted: reserved ranges, and common buffers in
  EfiRuntimeServicesData. The tables themselves lie in EfiReservedMemoryType, or the OS would write over them.

Spec: EDK II `edk2-platforms`, `Silicon/Intel/IntelSiliconPkg/Feature/VTd/IntelVTdDxe` (BmDma.c, DmaProtection.c,
IntelVTdDxe.c), PcdVTdPolicyPropertyMask; `MdeModulePkg/Include/Protocol/IoMmu.h`. There `keep` revokes none.
Left out: invalidation; requests that are noted before the DMAR table is there, as that driver did until 12e102a48b.
"""

from dataclasses import dataclass
from enum import Enum

from sevconf.contract.driver import EventHandle, Mapped, MappingToken
from sevconf.errors import CannotStart
from sevconf.model.boot_services import Core
from sevconf.model.guest import Guest
from sevconf.model.iommu.base import MappingLedger, allocate, is_reachable
from sevconf.model.iommu.vtd_tables import TranslationTables
from sevconf.model.iommu.vtd_unit import VtdUnit
from sevconf.vocabulary import (
    EVT_NOTIFY_SIGNAL,
    EVT_SIGNAL_EXIT_BOOT_SERVICES,
    PAGE_SIZE,
    AllocateType,
    DmaOperation,
    EfiStatus,
    Gpa,
    Gva,
    IommuAccess,
    MemoryType,
    Tpl,
    pages_for,
)

#: Bytes of the record that the driver keeps per mapping, in pool.
INFO_SIZE = 64


class ExitPolicy(Enum):
    """What the driver does at ExitBootServices."""

    OPEN = "open"
    KEEP = "keep"


@dataclass(frozen=True, slots=True)
class ReservedRange:
    """Pages that the platform reserves for a device (RMRR): it may reach them whatever its driver asked for."""

    device: str
    start: Gpa
    pages: int


@dataclass(frozen=True, slots=True)
class Info:
    """A live mapping; `device` is its DeviceAddress, in bounce pages if it is not `host`."""

    token: MappingToken
    operation: DmaOperation
    host: Gva
    length: int
    device: int

    @property
    def bounced(self) -> bool:
        """Whether it goes through bounce pages."""
        return self.device != self.host

    @property
    def pages(self) -> range:
        """Return the addresses of the pages that it touches."""
        return range(self.device // PAGE_SIZE * PAGE_SIZE, self.device + self.length, PAGE_SIZE)


class VtdIommu:
    """The reference VT-d driver; `handler_tpl` is the level of its ExitBootServices handler."""

    name = "vtd"
    #: Level of the private event, strictly behind all handlers.
    deferred_tpl = Tpl.CALLBACK
    #: Where translation tables lie: where no OS reuses memory.
    table_type = MemoryType.RESERVED
    tables_class: type[TranslationTables] = TranslationTables

    def __init__(
        self,
        core: Core,
        guest: Guest,
        ledger: MappingLedger,
        unit: VtdUnit,
        *,
        policy: ExitPolicy,
        reserved: tuple[ReservedRange, ...] = (),
        handler_tpl: Tpl = Tpl.CALLBACK,
    ) -> None:
        self.core = core
        self.guest = guest
        self.ledger = ledger
        self.unit = unit
        self.policy = policy
        self.reserved = reserved
        self.handler_tpl = handler_tpl
        self.live: dict[MappingToken, Info] = {}
        #: Live grants: what each device may do with each mapping.
        self.grants: dict[tuple[str, MappingToken], IommuAccess] = {}
        #: Common buffers by their address: pages and type.
        self.buffers: dict[Gva, tuple[int, MemoryType]] = {}
        self._deferred = EventHandle(0)
        #: Whether the tables are installed.
        self.ready = False
        #: Whether there is no page left for another table.
        self.out_of_tables = False

    @property
    def actor(self) -> str:
        """Who acts when the driver acts."""
        return f"iommu-driver:{self.name}"

    def start(self) -> None:
        """Register for ExitBootServices; nothing is served until `set_up`."""
        _, self._deferred = self.core.create_event(EVT_NOTIFY_SIGNAL, self.deferred_tpl, self.tear_down)
        self.core.create_event(EVT_SIGNAL_EXIT_BOOT_SERVICES, self.handler_tpl, self.on_exit)

    def set_up(self) -> None:
        """Build tables with the reserved ranges, and translate by them."""
        self.tables = self.tables_class(self.guest, self._new_table)
        for range_ in self.reserved:
            source = self.unit.source_of(range_.device)
            for page in range(range_.pages):
                self.tables.set_access(source, range_.start + page * PAGE_SIZE, IommuAccess.READ | IommuAccess.WRITE)
        self.unit.load_root(self.tables.root)
        self._protect()
        self.ready = True

    def _protect(self) -> None:
        self.unit.enable()

    def _new_table(self) -> Gpa:
        status, page = self.core.allocate_pages(AllocateType.ANY_PAGES, self.table_type, 1)
        if status.is_error:
            raise CannotStart(self.actor, f"has no page for a translation table: {status}")
        return Gpa(page)

    # ExitBootServices

    def on_exit(self) -> None:
        """Open, or let the revocation run behind every handler that is queued already."""
        if self.policy is ExitPolicy.OPEN:
            self.unit.disable()
        else:
            self.core.signal_event(self._deferred)

    def tear_down(self) -> None:
        """End every mapping into memory that the OS owns, newest first; no memory is allocated or freed."""
        for info in reversed(tuple(self.live.values())):
            if not self._stays(info):
                self._end(info)

    def _stays(self, info: Info) -> bool:
        """Tell whether a mapping lies in memory that stays the firmware's."""
        return any(
            memory_type is MemoryType.RUNTIME_SERVICES_DATA and host <= info.device < host + pages * PAGE_SIZE
            for host, (pages, memory_type) in self.buffers.items()
        )

    # Common buffers

    def allocate_buffer(self, memory_type: MemoryType, pages: int, *, wide: bool = False) -> tuple[EfiStatus, Gva]:
        """Return pages."""
        if memory_type not in {MemoryType.BOOT_SERVICES_DATA, MemoryType.RUNTIME_SERVICES_DATA} or pages <= 0:
            return EfiStatus.INVALID_PARAMETER, Gva(0)
        if not self.ready:
            return EfiStatus.NOT_READY, Gva(0)
        status, host = allocate(self.core, memory_type, pages, wide=wide)
        if not status.is_error:
            self.buffers[host] = pages, memory_type
        return status, host

    def free_buffer(self, pages: int, host: Gva) -> EfiStatus:
        """Take pages back, unless a device can still reach them."""
        known = self.buffers.get(host, (0, None))[0]
        end = host + pages * PAGE_SIZE
        if known != pages or any(host <= page < end for info in self.live.values() for page in info.pages):
            return EfiStatus.INVALID_PARAMETER
        del self.buffers[host]
        return self.core.free_pages(host, pages)

    # Map and Unmap

    def map(self, operation: DmaOperation, host: Gva, length: int, *, wide: bool = False) -> Mapped:
        """Answer with the physical address, or that of bounce pages; nothing is granted by that."""
        if length <= 0:
            return Mapped(EfiStatus.INVALID_PARAMETER, 0, 0, MappingToken(0))
        if not self.ready:
            return Mapped(EfiStatus.NOT_READY, 0, 0, MappingToken(0))
        reachable = self._reaches(host, length, wide=wide)
        if operation is DmaOperation.COMMON_BUFFER and not reachable:
            return Mapped(EfiStatus.UNSUPPORTED, 0, 0, MappingToken(0))
        status, record = self.core.allocate_pool(MemoryType.BOOT_SERVICES_DATA, INFO_SIZE)
        if status.is_error:
            return Mapped(status, 0, 0, MappingToken(0))
        device = Gva(host)
        whole = host % PAGE_SIZE == 0 and length % PAGE_SIZE == 0
        if operation is not DmaOperation.COMMON_BUFFER and not (whole and reachable):
            status, device = self._take_bounce(operation, host, length, wide=wide)
            if status.is_error:
                self.core.free_pool(record)
                return Mapped(status, 0, 0, MappingToken(0))
        info = Info(MappingToken(record), operation, host, length, int(device))
        self.live[info.token] = info
        return Mapped(EfiStatus.SUCCESS, length, info.device, info.token)

    def _reaches(self, host: Gva, length: int, *, wide: bool) -> bool:
        return is_reachable(host, length, wide=wide)

    def _take_bounce(self, operation: DmaOperation, host: Gva, length: int, *, wide: bool) -> tuple[EfiStatus, Gva]:
        pages = pages_for(length)
        status, bounce = allocate(self.core, MemoryType.BOOT_SERVICES_DATA, pages, wide=wide)
        if not status.is_error:
            data = self.guest.read(host, length) if operation is DmaOperation.READ else b""
            self.guest.write(bounce, data.ljust(pages * PAGE_SIZE, b"\0"))
        return status, bounce

    def unmap(self, mapping: MappingToken) -> EfiStatus:
        """End a mapping; a token that is not live has no effect."""
        info = self.live.get(mapping)
        if info is None:
            return EfiStatus.INVALID_PARAMETER
        if info.bounced and info.operation is DmaOperation.WRITE:
            self._deliver(info)
        self._end(info)
        if info.bounced:
            self.core.free_pages(Gva(info.device), pages_for(info.length))
        self.core.free_pool(Gva(info.token))
        return EfiStatus.SUCCESS

    def _deliver(self, info: Info) -> None:
        self.guest.write(info.host, self.guest.read(Gva(info.device), info.length))

    def _end(self, info: Info) -> None:
        self._revoke(info)
        del self.live[info.token]
        self.ledger.ended(info.token)

    # Grants

    def set_attribute(self, device: str, mapping: MappingToken, access: IommuAccess) -> EfiStatus:
        """Grant a device this access to the pages of a mapping; what other mappings grant it there stays."""
        info = self.live.get(mapping)
        if info is None:
            return EfiStatus.INVALID_PARAMETER
        if access and self.out_of_tables:
            return EfiStatus.OUT_OF_RESOURCES
        self._grant(device, info, access)
        return EfiStatus.SUCCESS

    def _grant(self, device: str, info: Info, access: IommuAccess) -> None:
        self.grants[device, info.token] = access
        for page in info.pages:
            self.tables.set_access(self.unit.source_of(device), page, self._access(device, page))

    def _access(self, device: str, page: int) -> IommuAccess:
        access = IommuAccess.NONE
        for (grantee, token), granted in self.grants.items():
            if grantee == device and page in self.live[token].pages:
                access |= granted
        return access

    def _revoke(self, info: Info) -> None:
        """Take back what was granted for a mapping, from every device."""
        for device, token in tuple(self.grants):
            if token == info.token:
                self._grant(device, info, IommuAccess.NONE)
                del self.grants[device, token]
