"""
The IOMMU driver of an SEV guest: it opens memory for the host by C-bits, and closes it by rewriting.

A common buffer is decrypted in place, by way of a private stash that AllocateBuffer provides; Read and Write go through
bounce pages that are decrypted while the mapping lives. At ExitBootServices the driver's handler signals a private
event at TPL_CALLBACK, which the core queues behind every handler of the group; that event's function ends all mappings
that are left, newest first, without allocating or freeing.

Spec: the mechanism of EDK II edk2-stable202211, `OvmfPkg/IoMmuDxe`. Here buffers
are zeroed before they are opened, whole pages are rewritten, and tokens and buffers are looked up.

What a bus master of 32 bits reaches lies below 4 GiB: its bounce pages, and its common buffers, which Map refuses
elsewhere.

Left out: SetAttribute.
"""

from collections import Counter
from dataclasses import dataclass
from enum import Enum

from sevconf.contract.driver import EventHandle, Mapped, MappingToken
from sevconf.model.boot_services import Core
from sevconf.model.guest import Guest
from sevconf.model.iommu.base import MappingLedger, allocate, is_reachable
from sevconf.vocabulary import (
    EVT_NOTIFY_SIGNAL,
    EVT_SIGNAL_EXIT_BOOT_SERVICES,
    PAGE_SIZE,
    AllocateType,
    CBit,
    DmaOperation,
    EfiStatus,
    Gva,
    MemoryType,
    Tpl,
    pages_for,
)

#: Bytes of the record that the driver keeps per mapping (OVMF's MAP_INFO), in pool.
INFO_SIZE = 64


class InfoPolicy(Enum):
    """What Unmap does with a mapping's record: keep it for the next Map, or give it back to the pool."""

    RECYCLE = "recycle"
    FREE = "free"


@dataclass(frozen=True, slots=True)
class Buffer:
    """
    What AllocateBuffer gave: `pages` pages at `host`, as many private ones at `stash`, and a record for a mapping.

    So Map and Unmap of a whole common buffer need no memory of their own.
    """

    host: Gva
    pages: int
    stash: Gva
    token: MappingToken

    @property
    def addresses(self) -> list[Gva]:
        """First byte of each page."""
        return _addresses(self.host, self.pages)


@dataclass(frozen=True, slots=True)
class Info:
    """A live mapping; `opened` is the first byte of the pages that the host can read, `pages` how many they are."""

    token: MappingToken
    operation: DmaOperation
    host: Gva
    length: int
    opened: Gva
    pages: int

    @property
    def addresses(self) -> list[Gva]:
        """First byte of each page that the host can read."""
        return _addresses(self.opened, self.pages)


def _addresses(start: Gva, pages: int) -> list[Gva]:
    return [Gva(start + index * PAGE_SIZE) for index in range(pages)]


def _page_of(address: Gva) -> Gva:
    return Gva(address // PAGE_SIZE * PAGE_SIZE)


def _refused(status: EfiStatus) -> Mapped:
    return Mapped(status, 0, 0, MappingToken(0))


class SevIommu:
    """The reference SEV IOMMU driver; `handler_tpl` is the level of its ExitBootServices handler."""

    name = "sev"
    #: Level of the private event, strictly behind all handlers.
    deferred_tpl = Tpl.CALLBACK

    def __init__(
        self,
        core: Core,
        guest: Guest,
        ledger: MappingLedger,
        *,
        handler_tpl: Tpl = Tpl.CALLBACK,
        info_policy: InfoPolicy = InfoPolicy.RECYCLE,
    ) -> None:
        self.core = core
        self.guest = guest
        self.ledger = ledger
        self.handler_tpl = handler_tpl
        self.info_policy = info_policy
        self.live: dict[MappingToken, Info] = {}
        #: Common buffers, by each of their pages.
        self.buffers: dict[Gva, Buffer] = {}
        #: How many live mappings keep a page of a common buffer open.
        self.openings: Counter[Gva] = Counter()
        self.spare: list[MappingToken] = []
        self.exiting = False
        self._deferred = EventHandle(0)

    @property
    def actor(self) -> str:
        """Who acts when the driver acts."""
        return f"iommu-driver:{self.name}"

    def start(self) -> None:
        """Register for ExitBootServices, and make the private event."""
        _, self._deferred = self.core.create_event(EVT_NOTIFY_SIGNAL, self.deferred_tpl, self.tear_down)
        self.core.create_event(EVT_SIGNAL_EXIT_BOOT_SERVICES, self.handler_tpl, self.on_exit)

    # ExitBootServices

    def on_exit(self) -> None:
        """Let the teardown run behind every handler that is queued already."""
        self.core.signal_event(self._deferred)

    def tear_down(self) -> None:
        """End every live mapping, newest first; from now on memory is neither allocated nor freed."""
        self.exiting = True
        for info in reversed(tuple(self.live.values())):
            self._end(info)

    def is_closed(self) -> bool:
        """Tell whether Map is refused: behind the teardown nobody would end the mapping."""
        return self.exiting

    # Common buffers

    def allocate_buffer(self, memory_type: MemoryType, pages: int, *, wide: bool = False) -> tuple[EfiStatus, Gva]:
        """Return zeroed private pages, with a stash of as many."""
        if memory_type not in {MemoryType.BOOT_SERVICES_DATA, MemoryType.RUNTIME_SERVICES_DATA} or pages <= 0:
            return EfiStatus.INVALID_PARAMETER, Gva(0)
        status, stash = self.core.allocate_pages(AllocateType.ANY_PAGES, memory_type, pages)
        if status.is_error:
            return status, Gva(0)
        status, host = self._allocate(memory_type, pages, wide=wide)
        if status.is_error:
            self.core.free_pages(stash, pages)
            return status, Gva(0)
        status, token = self._take_token()
        if status.is_error:
            self.core.free_pages(stash, pages)
            self.core.free_pages(host, pages)
            return status, Gva(0)
        self._clean(host, pages)
        buffer = Buffer(host, pages, stash, token)
        self.buffers.update(dict.fromkeys(buffer.addresses, buffer))
        return EfiStatus.SUCCESS, host

    def free_buffer(self, pages: int, host: Gva) -> EfiStatus:
        """Take a buffer back, unless it is still mapped."""
        buffer = self.buffers.get(host)
        if buffer is None or (buffer.host, buffer.pages) != (host, pages) or self._is_open(buffer):
            return EfiStatus.INVALID_PARAMETER
        for page in buffer.addresses:
            del self.buffers[page]
        self._give_token(buffer.token)
        self.core.free_pages(buffer.stash, pages)
        return self.core.free_pages(host, pages)

    def _is_open(self, buffer: Buffer) -> bool:
        return any(self.openings[page] for page in buffer.addresses)

    def _buffer_around(self, host: Gva, length: int) -> Buffer | None:
        buffer = self.buffers.get(_page_of(host))
        fits = buffer is not None and host + length <= buffer.host + buffer.pages * PAGE_SIZE
        return buffer if fits else None

    # Map and Unmap

    def map(self, operation: DmaOperation, host: Gva, length: int, *, wide: bool = False) -> Mapped:
        """Open a common buffer in place, or bounce pages for Read and Write."""
        if length <= 0:
            return _refused(EfiStatus.INVALID_PARAMETER)
        if self.is_closed():
            return _refused(EfiStatus.OUT_OF_RESOURCES)
        if operation is DmaOperation.COMMON_BUFFER:
            return self._map_common(host, length, wide=wide)
        return self._map_bounced(operation, host, length, wide=wide)

    def _map_common(self, host: Gva, length: int, *, wide: bool) -> Mapped:
        if not is_reachable(host, length, wide=wide):
            return _refused(EfiStatus.UNSUPPORTED)
        buffer = self._buffer_around(host, length)
        if buffer is None:
            return _refused(EfiStatus.INVALID_PARAMETER)
        status, token = (EfiStatus.SUCCESS, buffer.token) if buffer.token not in self.live else self._take_token()
        if status.is_error:
            return _refused(status)
        first = _page_of(host)
        info = Info(token, DmaOperation.COMMON_BUFFER, host, length, first, pages_for(host + length - first))
        self._open_common(info)
        self.openings.update(info.addresses)
        self.live[token] = info
        return Mapped(EfiStatus.SUCCESS, length, int(host), token)

    def _map_bounced(self, operation: DmaOperation, host: Gva, length: int, *, wide: bool = False) -> Mapped:
        status, token = self._take_token()
        if status.is_error:
            return _refused(status)
        pages = pages_for(length)
        status, bounce = self._allocate(MemoryType.BOOT_SERVICES_DATA, pages, wide=wide)
        if status.is_error:
            self._give_token(token)
            return _refused(status)
        info = Info(token, operation, host, length, bounce, pages)
        self._open_bounce(info)
        self.live[token] = info
        return Mapped(EfiStatus.SUCCESS, length, int(bounce), token)

    def unmap(self, mapping: MappingToken) -> EfiStatus:
        """End a mapping; a token that is not live has no effect."""
        info = self.live.get(mapping)
        if info is None:
            return EfiStatus.INVALID_PARAMETER
        self._end(info)
        return EfiStatus.SUCCESS

    def _end(self, info: Info) -> None:
        if info.operation is DmaOperation.COMMON_BUFFER:
            self.openings.subtract(info.addresses)
            self._close_common(info)
        else:
            self._close_bounce(info)
        del self.live[info.token]
        if not (self.exiting or self._is_buffers_own(info)):
            self._give_token(info.token)
        self.ledger.ended(info.token)

    def _is_buffers_own(self, info: Info) -> bool:
        """Tell whether the mapping's record is the one that AllocateBuffer provided."""
        buffer = self.buffers.get(info.opened)
        return buffer is not None and buffer.token == info.token

    # In place

    def _open_common(self, info: Info) -> None:
        fresh = self._pages_not_shared(info)
        self._rewrite(fresh, info, CBit.CLEAR)

    def _close_common(self, info: Info) -> None:
        self._rewrite(self._pages_not_shared(info), info, CBit.SET)

    def _pages_not_shared(self, info: Info) -> list[Gva]:
        """Return those of a mapping's pages that no other keeps open; its own opening is not counted then."""
        return [page for page in info.addresses if not self.openings[page]]

    def _rewrite(self, pages: list[Gva], info: Info, cbit: CBit) -> None:
        """Change the C-bit of pages and rewrite them whole, by way of the stash."""
        buffer = self._buffer_around(info.host, info.length)
        if buffer is None:
            raise ValueError(f"the common buffer of {info} was freed while it was mapped")
        for page in pages:
            self.guest.write(self._stash_of(buffer, page), self.guest.read(page, PAGE_SIZE))
        for page in pages:
            self._set_cbit(page, 1, cbit)
        for page in pages:
            self.guest.write(page, self.guest.read(self._stash_of(buffer, page), PAGE_SIZE))

    def _stash_of(self, buffer: Buffer, page: Gva) -> Gva:
        return Gva(buffer.stash + page - buffer.host)

    # Bounce pages

    def _open_bounce(self, info: Info) -> None:
        self._set_cbit(info.opened, info.pages, CBit.CLEAR)
        data = self.guest.read(info.host, info.length) if info.operation is DmaOperation.READ else b""
        self.guest.write(info.opened, data.ljust(info.pages * PAGE_SIZE, b"\0"))

    def _close_bounce(self, info: Info) -> None:
        if info.operation is DmaOperation.WRITE:
            self._deliver(info)
        self._seal(info.opened, info.pages)
        if not self.exiting:
            self.core.free_pages(info.opened, info.pages)

    def _deliver(self, info: Info) -> None:
        self.guest.write(info.host, self.guest.read(info.opened, info.length))

    def _seal(self, start: Gva, pages: int) -> None:
        """Make pages private again, and clean: only a write through C=1 encrypts."""
        self._set_cbit(start, pages, CBit.SET)
        self._clean(start, pages)

    # Small acts

    def _allocate(self, memory_type: MemoryType, pages: int, *, wide: bool) -> tuple[EfiStatus, Gva]:
        return allocate(self.core, memory_type, pages, wide=wide)

    def _clean(self, start: Gva, pages: int) -> None:
        self.guest.write(start, bytes(pages * PAGE_SIZE))

    def _set_cbit(self, start: Gva, pages: int, cbit: CBit) -> None:
        self.guest.set_cbit(start, pages, cbit)

    def _take_token(self) -> tuple[EfiStatus, MappingToken]:
        if self.spare:
            return EfiStatus.SUCCESS, self.spare.pop()
        status, info = self.core.allocate_pool(MemoryType.BOOT_SERVICES_DATA, INFO_SIZE)
        return status, MappingToken(info)

    def _give_token(self, token: MappingToken) -> None:
        if self.info_policy is InfoPolicy.RECYCLE:
            self.spare.append(token)
        else:
            self.core.free_pool(Gva(token))
