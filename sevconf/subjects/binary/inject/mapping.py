"""Faults of Map and Unmap."""

from collections.abc import Callable
from typing import Any

from sevconf.contract.driver import Mapped, MappingToken
from sevconf.subjects.binary.abi.calls import Handler
from sevconf.subjects.binary.cpu.table_watch import Change
from sevconf.subjects.binary.inject.driver import Injected, Live, without
from sevconf.vocabulary import PAGE_SIZE, CBit, DmaOperation, EfiStatus, Gpa, Gva, Tpl

_READ, _WRITE = DmaOperation.READ, DmaOperation.WRITE
_POOL = 64


class DoesNotDecrypt(Injected):
    """Map leaves the C-bit of what it hands to a device: writes to page tables that clear it are lost."""

    def amended(self, change: Change) -> tuple[Change, ...]:
        """Swallow it."""
        return () if change.cbit is CBit.CLEAR else (change,)


class OpensNeighbour(Injected):
    """Map also opens the page in front of a bounce, for as long as the mapping lives."""

    def on_mapped(self, live: Live) -> None:
        """Open one more."""
        self._neighbour(live, CBit.CLEAR)

    def on_unmap(self, live: Live, unmap: Callable[[], EfiStatus]) -> EfiStatus:
        """Close it."""
        self._neighbour(live, CBit.SET)
        return unmap()

    def on_notified(self, notify: Callable[[], None], *, at_exit: bool) -> None:
        """Close all, before the binary tears down."""
        for live in self.live.values() if self.exiting and not at_exit else ():
            self._neighbour(live, CBit.SET)
        notify()

    def _neighbour(self, live: Live, cbit: CBit) -> None:
        if live.bounced:
            self.firmware.guest.set_cbit(Gva(live.start - PAGE_SIZE), 1, cbit)


class SkipsRead(Injected):
    """Map for BusMasterRead does not copy the caller's bytes to the bounce."""

    def on_mapped(self, live: Live) -> None:
        """Wipe what was copied."""
        if live.operation is _READ and live.bounced:
            self.firmware.guest.write(live.device, bytes(live.length))


class CopiesWholePages(Injected):
    """Map for BusMasterRead copies to the end of the page, and so shows the host what lies behind the mapped bytes."""

    def on_mapped(self, live: Live) -> None:
        """Copy the rest."""
        guest = self.firmware.guest
        rest = live.start + live.pages * PAGE_SIZE - (live.device + live.length)
        if live.operation is _READ and live.bounced and rest:
            guest.write(Gva(live.device + live.length), guest.read(Gva(live.host + live.length), rest))


class OneBounceForTwo(Injected):
    """Map for BusMasterWrite hands out the bounce of a mapping that is live already."""

    def map(self, operation: DmaOperation, host: Gva, length: int, *, wide: bool = False) -> Mapped:
        """Answer with the oldest one's address."""
        others = [live for live in self.live.values() if live.operation is _WRITE and live.length >= length]
        mapped = super().map(operation, host, length, wide=wide)
        if mapped.status.is_error or operation is not _WRITE or not others:
            return mapped
        return Mapped(mapped.status, mapped.length, int(others[0].device), mapped.mapping)


class RefusesWrite(Injected):
    """Map for BusMasterWrite is refused for want of resources."""

    def map(self, operation: DmaOperation, host: Gva, length: int, *, wide: bool = False) -> Mapped:
        """Refuse it."""
        if operation is _WRITE:
            return Mapped(EfiStatus.OUT_OF_RESOURCES, 0, 0, MappingToken(0))
        return super().map(operation, host, length, wide=wide)


class AllocatesAtHighLevel(Injected):
    """Allocates from pool at TPL_HIGH_LEVEL."""

    def on_allocate_pool(self, handler: Handler, kind: int, size: int) -> Any:
        """Allocate there."""
        core = self.firmware.core
        before = core.raise_tpl(Tpl.HIGH_LEVEL)
        answer = handler(kind, size)
        core.restore_tpl(before)
        return answer


class ForgetsLastPage(Injected):
    """Of several pages the last one stays shared when they are made private."""

    def amended(self, change: Change) -> tuple[Change, ...]:
        """Leave the last one out."""
        if change.cbit is CBit.CLEAR or change.pages == 1:
            return (change,)
        return without(change, {change.addresses[-1]})


class UnmapDoesNothing(Injected):
    """Unmap of a BusMasterRead mapping says that it has ended, and does nothing."""

    def on_unmap(self, live: Live, unmap: Callable[[], EfiStatus]) -> EfiStatus:
        """Only say so."""
        return EfiStatus.SUCCESS if live.operation is _READ else unmap()


class BounceNotZeroed(Injected):
    """Unmap does not rewrite the bounce: DRAM keeps its plaintext."""

    def on_unmap(self, live: Live, unmap: Callable[[], EfiStatus]) -> EfiStatus:
        """Put DRAM back."""
        data = self.raw(live)
        status = unmap()
        if live.bounced and not self.exiting:
            self.ram.write_raw(Gpa(live.start), data)
        return status


class LosesWriteData(Injected):
    """Unmap of a BusMasterWrite mapping does not bring the device's bytes to the caller."""

    def on_unmap(self, live: Live, unmap: Callable[[], EfiStatus]) -> EfiStatus:
        """Put the caller's bytes back."""
        guest = self.firmware.guest
        before = guest.read(live.host, live.length)
        status = unmap()
        if live.operation is _WRITE:
            guest.write(live.host, before)
        return status


class OverrunsCaller(Injected):
    """Unmap of a BusMasterWrite mapping copies to the end of the page, over what lies behind the caller's buffer."""

    def on_unmap(self, live: Live, unmap: Callable[[], EfiStatus]) -> EfiStatus:
        """Copy the rest."""
        guest = self.firmware.guest
        rest = live.start + live.pages * PAGE_SIZE - (live.device + live.length)
        behind = bytes(self.ram.read_raw(Gpa(live.device + live.length), rest)) if live.bounced else b""
        status = unmap()
        if live.operation is _WRITE and behind:
            guest.write(Gva(live.host + live.length), behind)
        return status


class FreesBeforeSealing(Injected):
    """Pages of a bounce are given back while they are shared, and made private afterwards."""

    def amended(self, change: Change) -> tuple[Change, ...]:
        """Put it off."""
        if self._sealing is None or change.cbit is CBit.CLEAR:
            return (change,)
        return without(change, set(self._sealing.addresses))

    _sealing: Live | None = None

    def on_unmap(self, live: Live, unmap: Callable[[], EfiStatus]) -> EfiStatus:
        """Hold the pages of this mapping open."""
        self._sealing = live if live.bounced and not self.exiting else None
        status = unmap()
        self._sealing = None
        return status

    def on_free_pages(self, handler: Handler, memory: int, pages: int) -> Any:
        """Close them when they are free."""
        status = handler(memory, pages)
        if self._sealing is not None and memory == self._sealing.start:
            self.firmware.guest.set_cbit(self._sealing.start, self._sealing.pages, CBit.SET)
        return status


#: These drivers by the names of their faults.
DRIVERS: dict[str, type[Injected]] = {
    "does-not-decrypt": DoesNotDecrypt,
    "opens-neighbour": OpensNeighbour,
    "skips-read": SkipsRead,
    "copies-whole-pages": CopiesWholePages,
    "one-bounce-for-two": OneBounceForTwo,
    "refuses-write": RefusesWrite,
    "allocates-at-high-level": AllocatesAtHighLevel,
    "forgets-last-page": ForgetsLastPage,
    "unmap-does-nothing": UnmapDoesNothing,
    "bounce-not-zeroed": BounceNotZeroed,
    "loses-write-data": LosesWriteData,
    "overruns-caller": OverrunsCaller,
    "frees-before-sealing": FreesBeforeSealing,
}
