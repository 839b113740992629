"""IOMMU drivers of an SEV guest with one bug each, in what they take, open and give back."""

from sevconf.contract.driver import Mapped, MappingToken
from sevconf.faults.fault import AT_ANY_STEP, Fault
from sevconf.model.iommu.sev import Info, SevIommu
from sevconf.model.parts import Parts
from sevconf.vocabulary import PAGE_SIZE, AllocateType, CBit, DmaOperation, EfiStatus, Gva, MemoryType, Party, pages_for

_DATA = MemoryType.BOOT_SERVICES_DATA
_READ, _WRITE = DmaOperation.READ, DmaOperation.WRITE
_REFUSED = Mapped(EfiStatus.INVALID_PARAMETER, 0, 0, MappingToken(0))
#: Pages of a pool of bounce memory, and from how many pages on the spoiled one has a single slot.
_POOL, _LARGE = 64, 8


# What Map takes


class AllocatesInMap(SevIommu):
    """Allocates a record each time that it maps a common buffer, though AllocateBuffer took one."""

    def _open_common(self, info: Info) -> None:
        self.core.allocate_pool(_DATA, PAGE_SIZE)
        super()._open_common(info)


class DemandsAllocateBuffer(SevIommu):
    """Maps for a bus master of 32 bits only whole pages of low memory that did not come from AllocateBuffer."""

    def map(self, operation: DmaOperation, host: Gva, length: int, *, wide: bool = False) -> Mapped:
        """Look for the buffer first."""
        low = not wide and (host + length) >> 32 == 0
        if low and length % PAGE_SIZE and self._buffer_around(host, length) is None:
            return _REFUSED
        return super().map(operation, host, length, wide=wide)


class DemandsAlignment(SevIommu):
    """Maps nothing that does not begin on a page."""

    def map(self, operation: DmaOperation, host: Gva, length: int, *, wide: bool = False) -> Mapped:
        """Look at the address first."""
        return _REFUSED if host % PAGE_SIZE else super().map(operation, host, length, wide=wide)


class ClosesSharedPage(SevIommu):
    """Closes the pages of a common buffer at Unmap, though another mapping has a part of them open."""

    def _close_common(self, info: Info) -> None:
        pages = [Gva(info.opened + index * PAGE_SIZE) for index in range(info.pages)]
        self._rewrite(pages, info, CBit.SET)


# Whose the bounce is


class DeliversFormerBytes(SevIommu):
    """Opens the bounce of a BusMasterWrite mapping with what the last bounce held."""

    former = b""

    def _open_bounce(self, info: Info) -> None:
        super()._open_bounce(info)
        if info.operation is _WRITE:
            self.guest.write(info.opened, self.former[: info.length])

    def _close_bounce(self, info: Info) -> None:
        self.former = self.guest.read(info.opened, info.length)
        super()._close_bounce(info)


class _PooledIommu(SevIommu):
    """Takes bounce pages from a pool of its own; a slot is free if no mapping has it open."""

    def start(self) -> None:
        """Take the pool, then start as ever."""
        _, self.pool = self.core.allocate_pages(AllocateType.ANY_PAGES, _DATA, _POOL)
        super().start()

    def _free_slot(self, pages: int) -> Gva | None:
        for first in range(self.pool, self.pool + (_POOL - pages + 1) * PAGE_SIZE, PAGE_SIZE):
            end = first + pages * PAGE_SIZE
            if not any(i.opened < end and first < i.opened + i.pages * PAGE_SIZE for i in self.live.values()):
                return Gva(first)
        return None

    def _map_bounced(self, operation: DmaOperation, host: Gva, length: int, *, wide: bool = False) -> Mapped:
        slot = self._free_slot(pages_for(length))
        if slot is None:
            return super()._map_bounced(operation, host, length, wide=wide)
        _, token = self._take_token()
        info = Info(token, operation, host, length, slot, pages_for(length))
        self._open_bounce(info)
        self.live[token] = info
        return Mapped(EfiStatus.SUCCESS, length, int(slot), token)

    def _close_bounce(self, info: Info) -> None:
        if not self.pool <= info.opened < self.pool + _POOL * PAGE_SIZE:
            super()._close_bounce(info)
            return
        if info.operation is _WRITE:
            self._deliver(info)
        self._seal(info.opened, info.pages)


class ReservesLate(_PooledIommu):
    """Looks for a free slot of its pool first, and notes only at the end of Map that it is taken."""


class OneLargeSlot(SevIommu):
    """Gives every bounce of eight pages or more the same place."""

    def start(self) -> None:
        """Take the place, then start as ever."""
        _, self.place = self.core.allocate_pages(AllocateType.ANY_PAGES, _DATA, 256)
        super().start()

    def _map_bounced(self, operation: DmaOperation, host: Gva, length: int, *, wide: bool = False) -> Mapped:
        if pages_for(length) < _LARGE:
            return super()._map_bounced(operation, host, length, wide=wide)
        _, token = self._take_token()
        self.live[token] = info = Info(token, operation, host, length, self.place, pages_for(length))
        self._open_bounce(info)
        return Mapped(EfiStatus.SUCCESS, length, int(self.place), token)


class FreesBeforeItCloses(SevIommu):
    """Gives bounce pages back first, and makes them private and clean afterwards."""

    def _close_bounce(self, info: Info) -> None:
        if info.operation is _WRITE:
            self._deliver(info)
        if not self.exiting:
            self.core.free_pages(info.opened, info.pages)
        self._seal(info.opened, info.pages)


class FreesUncleaned(SevIommu):
    """Encrypts what a bounce holds, and gives the pages back with it."""

    def _close_bounce(self, info: Info) -> None:
        if info.operation is _WRITE:
            self._deliver(info)
        held = self.guest.read(info.opened, info.pages * PAGE_SIZE)
        self._set_cbit(info.opened, info.pages, CBit.SET)
        self.guest.write(info.opened, held)
        if not self.exiting:
            self.core.free_pages(info.opened, info.pages)


# The mapped bytes and those around them


class CopiesWholePages(SevIommu):
    """Copies whole pages to the bounce of a BusMasterRead mapping."""

    def _open_bounce(self, info: Info) -> None:
        super()._open_bounce(info)
        if info.operation is _READ:
            self.guest.write(info.opened, self.guest.read(info.host, info.pages * PAGE_SIZE))


class DeliversWholePages(SevIommu):
    """Copies whole pages from the bounce of a BusMasterWrite mapping."""

    def _deliver(self, info: Info) -> None:
        self.guest.write(info.host, self.guest.read(info.opened, info.pages * PAGE_SIZE))


# Hand-over


class LeavesBouncesOpen(SevIommu):
    """Cleans the bounces that it finds in its teardown, and leaves them open for the host."""

    def _seal(self, start: Gva, pages: int) -> None:
        if self.exiting:
            self._clean(start, pages)
        else:
            super()._seal(start, pages)


class ForgetsWideOperations(SevIommu):
    """Tears down the three operations of PciIo, and forgets their 64-bit twins."""

    def start(self) -> None:
        """Remember nothing, then start as ever."""
        self.wide: set[MappingToken] = set()
        super().start()

    def map(self, operation: DmaOperation, host: Gva, length: int, *, wide: bool = False) -> Mapped:
        """Map, and note which operation it was."""
        mapped = super().map(operation, host, length, wide=wide)
        if wide:
            self.wide.add(mapped.mapping)
        return mapped

    def tear_down(self) -> None:
        """End what it knows of."""
        self.exiting = True
        for info in reversed(tuple(self.live.values())):
            if info.token not in self.wide:
                self._end(info)


_BESIDE = "a mapping changes no byte beside those that are mapped"
_ANY_PLACE = "Map serves any length at any place"
_ANYWHERE = "Map serves buffers of any place on either side of 4 GiB"
_FRAGMENTS = "data that came in leave no fragments in DMA buffers, of 64-bit devices either"
_DECLARED = "the host can read no page at hand-over but declared ones"


def _fault(name: str, part: type[SevIommu], *catches: str, collateral: tuple[tuple[str, str], ...] = ()) -> Fault:
    return Fault(name, Party.IOMMU_DRIVER, Parts(iommu=part), catches, collateral)


FAULTS = (
    _fault("allocates-in-map", AllocatesInMap, "DMA-09"),
    _fault("demands-allocate-buffer", DemandsAllocateBuffer, "DMA-10", "DMA-11", collateral=(("DMA-14", _ANY_PLACE),)),
    _fault("demands-alignment", DemandsAlignment, "DMA-14", collateral=(("DMA-18", _ANYWHERE),)),
    _fault("closes-shared-page", ClosesSharedPage, "DMA-14"),
    _fault("delivers-former-bytes", DeliversFormerBytes, "DMA-12"),
    _fault("reserves-late", ReservesLate, "DMA-13"),
    _fault("one-large-slot", OneLargeSlot, "DMA-13"),
    _fault("frees-before-it-closes", FreesBeforeItCloses, "DMA-17"),
    _fault("frees-uncleaned", FreesUncleaned, "DMA-17"),
    _fault("copies-whole-pages", CopiesWholePages, "DMA-16", collateral=(("EBS-30", AT_ANY_STEP),)),
    _fault("delivers-whole-pages", DeliversWholePages, "DMA-16", collateral=(("DMA-14", _BESIDE),)),
    _fault("leaves-bounces-open", LeavesBouncesOpen, "EBS-25"),
    _fault(
        "forgets-wide-operations",
        ForgetsWideOperations,
        "EBS-07",
        collateral=(("DRV-24", _FRAGMENTS), ("EBS-30", AT_ANY_STEP)),
    ),
)
