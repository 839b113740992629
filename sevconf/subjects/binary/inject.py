"""
Faults put into a binary IOMMU driver from outside: at the services it calls, the protocol it offers, its page tables.

Each is a driver with one bug that its maker never built: what the binary asks is answered wrongly, undone or done once
more on its behalf, and it is who acts. Nothing here knows a build. So any shipped driver shows that the rules would
have caught it, by the difference from the driver as it is: exactly the rules that a fault names.

Left out: faults inside of the binary's own data, such as its list of mappings; and device drivers, whose registers and
PciIo no binary reaches yet.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from sevconf.contract.driver import Mapped, MappingToken
from sevconf.errors import UsageError
from sevconf.subjects.binary.abi.calls import Handler
from sevconf.subjects.binary.abi.signatures import Signature, table
from sevconf.subjects.binary.cpu.table_watch import Change
from sevconf.subjects.binary.iommu import BinaryIommu
from sevconf.subjects.near import near
from sevconf.vocabulary import (
    EVT_NOTIFY_SIGNAL,
    EVT_SIGNAL_EXIT_BOOT_SERVICES,
    PAGE_SIZE,
    CBit,
    DmaOperation,
    EfiStatus,
    EventGroup,
    Gpa,
    Gva,
    MemoryType,
    Party,
    Tpl,
    pages_for,
)

_READ, _WRITE, _COMMON = DmaOperation.READ, DmaOperation.WRITE, DmaOperation.COMMON_BUFFER
(_NOTIFY,) = table("Notify(event: UINTN, context: UINTN) -> VOID")
_POOL = 64


@dataclass(frozen=True, slots=True)
class Live:
    """A mapping that the binary made and has not ended: its operation, its memory, and what the device was given."""

    operation: DmaOperation
    host: Gva
    length: int
    device: Gva

    @property
    def bounced(self) -> bool:
        """Whether the device was given other memory than the caller's."""
        return self.device != self.host

    @property
    def start(self) -> Gva:
        """First byte of the pages that the device was given."""
        return Gva(self.device // PAGE_SIZE * PAGE_SIZE)

    @property
    def pages(self) -> int:
        """Pages that the device was given."""
        return pages_for(self.device + self.length - self.start)

    @property
    def addresses(self) -> list[int]:
        """First byte of each of them."""
        return [self.start + number * PAGE_SIZE for number in range(self.pages)]


class Injected(BinaryIommu):
    """A binary IOMMU driver with something between it and the firmware; faults replace `on_…` and `amended`."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.live: dict[MappingToken, Live] = {}
        #: Whether the binary's exit handler has been called.
        self.exiting = False
        self._functions: dict[int, tuple[int, int]] = {}
        calls = self.firmware.calls
        calls.wrap("CreateEvent", lambda handler: self._by_me(self._creating, handler))
        calls.wrap("CreateEventEx", lambda handler: self._by_me(self._creating, handler))
        calls.wrap("SignalEvent", lambda handler: self._by_me(self.on_signal, handler))
        calls.wrap("FreePages", lambda handler: self._by_me(self.on_free_pages, handler))
        calls.wrap("AllocatePool", lambda handler: self._by_me(self.on_allocate_pool, handler))
        self.firmware.processor.amend = self.amended

    def _by_me(self, served: Callable[..., Any], handler: Handler) -> Handler:
        """Serve the judged binary's calls in another way, those of all others as ever."""

        def handle(*values: Any) -> Any:
            if self.firmware.recorder.actor != self.actor:
                return handler(*values)
            return served(handler, *values)

        return handle

    # What faults replace

    def on_create(self, handler: Handler, kind: int, tpl: int, *rest: Any, at_exit: bool) -> Any:
        """Serve CreateEvent or CreateEventEx; `at_exit`: the event is one of the ExitBootServices group."""
        del at_exit
        return handler(kind, tpl, *rest)

    def on_signal(self, handler: Handler, event: int) -> Any:
        """Serve SignalEvent."""
        return handler(event)

    def on_free_pages(self, handler: Handler, memory: int, pages: int) -> Any:
        """Serve FreePages."""
        return handler(memory, pages)

    def on_allocate_pool(self, handler: Handler, kind: int, size: int) -> Any:
        """Serve AllocatePool."""
        return handler(kind, size)

    def on_notified(self, notify: Callable[[], None], *, at_exit: bool) -> None:
        """Run a notification function of the binary's."""
        del at_exit
        notify()

    def on_mapped(self, live: Live) -> None:
        """Hear that Map made a mapping."""

    def on_unmap(self, live: Live, unmap: Callable[[], EfiStatus]) -> EfiStatus:
        """Serve Unmap of a live mapping."""
        del live
        return unmap()

    def amended(self, change: Change) -> tuple[Change, ...]:
        """Return what stands of a change of C-bits by the binary."""
        return (change,)

    # What they use

    @cached_property
    def ram(self) -> Any:
        """DRAM."""
        return self.firmware.guest.mmu.ram

    def acting(self) -> Any:
        """Let the binary be who acts."""
        return self.firmware.recorder.acting(self.actor)

    def run(self, event: int) -> None:
        """Call the notification function of an event of the binary's, here and now."""
        function, context = self._functions[event]
        self.firmware.calls.invoke(function, event, context)

    def raw(self, live: Live) -> bytes:
        """Read what lies in DRAM where a device was given memory."""
        return bytes(self.ram.read_raw(Gpa(live.start), live.pages * PAGE_SIZE))

    # The binary between

    def _creating(self, handler: Handler, kind: int, tpl: int, function: int, context: int, *group: Any) -> Any:
        at_exit = kind == EVT_SIGNAL_EXIT_BOOT_SERVICES or group == (EventGroup.EXIT_BOOT_SERVICES.value,)
        around = self._around(function, at_exit=at_exit) if function else 0
        status, event = self.on_create(handler, kind, tpl, around, context, *group, at_exit=at_exit)
        self._functions[event] = (around, context)
        return status, event

    def _around(self, function: int, *, at_exit: bool) -> int:
        """Return the address of something that runs a notification function as `on_notified` does."""

        def notified(event: int, context: int) -> int:
            self.exiting = self.exiting or at_exit
            with self.acting():
                self.on_notified(lambda: self._invoke(function, event, context), at_exit=at_exit)
            return 0

        if not isinstance(_NOTIFY, Signature):
            raise TypeError("a notification function has a signature")
        return self.firmware.calls.offer(_NOTIFY, notified)

    def _invoke(self, function: int, event: int, context: int) -> None:
        self.firmware.calls.invoke(function, event, context)

    def map(self, operation: DmaOperation, host: Gva, length: int, *, wide: bool = False) -> Mapped:
        """Map, and keep what was mapped."""
        mapped = super().map(operation, host, length, wide=wide)
        if not mapped.status.is_error:
            live = Live(operation, host, length, Gva(mapped.device_address))
            self.live[mapped.mapping] = live
            with self.acting():
                self.on_mapped(live)
        return mapped

    def unmap(self, mapping: MappingToken) -> EfiStatus:
        """Unmap."""
        live = self.live.pop(mapping, None)
        if live is None:
            return super().unmap(mapping)
        with self.acting():
            return self.on_unmap(live, lambda: super(Injected, self).unmap(mapping))


# The exit handler and what it defers


class NoExitHandler(Injected):
    """Its event of the ExitBootServices group is made, and belongs to no group."""

    def on_create(self, handler: Handler, kind: int, tpl: int, *rest: Any, at_exit: bool) -> Any:
        """Make an event that nobody signals."""
        return handler(EVT_NOTIFY_SIGNAL, tpl, *rest[:2]) if at_exit else handler(kind, tpl, *rest)


class RunsDeferredAtOnce(Injected):
    """What it defers by signaling an event of its own is done at once, before other handlers had their turn."""

    def on_signal(self, handler: Handler, event: int) -> Any:
        """Run the function instead of queueing it."""
        if not self.exiting or event not in self._functions:
            return handler(event)
        self.run(event)
        return EfiStatus.SUCCESS


class DefersAtNotify(Injected):
    """Its private events are at TPL_NOTIFY, where they overtake handlers at TPL_CALLBACK."""

    def on_create(self, handler: Handler, kind: int, tpl: int, *rest: Any, at_exit: bool) -> Any:
        """Make private events at TPL_NOTIFY."""
        return handler(kind, tpl if at_exit else int(Tpl.NOTIFY), *rest)


class AllocatesAtExit(Injected):
    """Allocates from pool in its exit handler and in what that defers."""

    def on_notified(self, notify: Callable[[], None], *, at_exit: bool) -> None:
        """Allocate first."""
        if at_exit or self.exiting:
            self.firmware.core.allocate_pool(MemoryType.BOOT_SERVICES_DATA, _POOL)
        notify()


class FreesAtExit(Injected):
    """Releases pool in its exit handler and in what that defers."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._kept: list[Gva] = []

    def enter(self) -> None:
        """Allocate what is released later."""
        super().enter()
        with self.acting():
            self._kept += [self.firmware.core.allocate_pool(MemoryType.BOOT_SERVICES_DATA, _POOL)[1] for _ in range(4)]

    def on_notified(self, notify: Callable[[], None], *, at_exit: bool) -> None:
        """Release first."""
        if at_exit or self.exiting:
            self.firmware.core.free_pool(self._kept.pop())
        notify()


class LeavesSharedAtExit(Injected):
    """At exit no page becomes private again."""

    def amended(self, change: Change) -> tuple[Change, ...]:
        """Swallow it."""
        return () if self.exiting and change.cbit is CBit.SET else (change,)


class ForgetsReadsAtExit(Injected):
    """At exit the pages of BusMasterRead mappings stay as they are."""

    def amended(self, change: Change) -> tuple[Change, ...]:
        """Swallow what concerns them."""
        if not self.exiting or change.cbit is CBit.CLEAR:
            return (change,)
        kept = {
            live.start + n * PAGE_SIZE
            for live in self.live.values()
            if live.operation is _READ
            for n in range(live.pages)
        }
        return _without(change, kept)


class LeavesBytesAtExit(Injected):
    """What its teardown makes private again is not rewritten: DRAM keeps the plaintext."""

    def on_notified(self, notify: Callable[[], None], *, at_exit: bool) -> None:
        """Put DRAM back."""
        before = [] if at_exit or not self.exiting else [(live, self.raw(live)) for live in self.live.values()]
        notify()
        for live, data in before:
            self.ram.write_raw(Gpa(live.start), data)


# Map


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


# Unmap


class LeavesReadShared(Injected):
    """Unmap of a BusMasterRead mapping gives its bounce back still shared."""

    _ending: Live | None = None

    def amended(self, change: Change) -> tuple[Change, ...]:
        """Swallow what concerns it."""
        if self._ending is None or change.cbit is CBit.CLEAR:
            return (change,)
        return _without(change, set(self._ending.addresses))

    def on_unmap(self, live: Live, unmap: Callable[[], EfiStatus]) -> EfiStatus:
        """Watch one mapping."""
        self._ending = live if live.operation is _READ else None
        status = unmap()
        self._ending = None
        return status


class ForgetsLastPage(Injected):
    """Of several pages the last one stays shared when they are made private."""

    def amended(self, change: Change) -> tuple[Change, ...]:
        """Leave the last one out."""
        if change.cbit is CBit.CLEAR or change.pages == 1:
            return (change,)
        return _without(change, {change.addresses[-1]})


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
        return _without(change, set(self._sealing.addresses))

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


# Not wrong


class ExitHandlerAtNotify(Injected):
    """Control, no fault: its exit handler is at TPL_NOTIFY, and what it defers is at TPL_CALLBACK still."""

    def on_create(self, handler: Handler, kind: int, tpl: int, *rest: Any, at_exit: bool) -> Any:
        """Make the exit event at TPL_NOTIFY."""
        return handler(kind, int(Tpl.NOTIFY) if at_exit else tpl, *rest)


def _without(change: Change, pages: set[int]) -> tuple[Change, ...]:
    return tuple(Change(page, Gpa(page), 1, change.cbit) for page in change.addresses if page not in pages)


@dataclass(frozen=True, slots=True)
class Injection:
    """
    One fault: its name, whose it is, what the driver is made into, and the rules that newly fail.

    `catches` is exact for a driver that defers its teardown, bounces Read and Write, and opens common buffers in place.
    """

    name: str
    party: ClassVar[Party] = Party.IOMMU_DRIVER
    driver: type[Injected]
    catches: tuple[str, ...]

    @property
    def bug(self) -> str:
        """The fault in one line."""
        return str(self.driver.__doc__).strip().splitlines()[0]


#: Every fault that can be injected, by name.
INJECTIONS = {
    injection.name: injection
    for injection in (
        Injection("no-exit-handler", NoExitHandler, ()),
        Injection("runs-deferred-at-once", RunsDeferredAtOnce, ()),
        Injection("defers-at-notify", DefersAtNotify, ()),
        Injection("allocates-at-exit", AllocatesAtExit, ()),
        Injection("frees-at-exit", FreesAtExit, ()),
        Injection("leaves-shared-at-exit", LeavesSharedAtExit, ()),
        Injection("forgets-reads-at-exit", ForgetsReadsAtExit, ()),
        Injection("leaves-bytes-at-exit", LeavesBytesAtExit, ()),
        Injection("does-not-decrypt", DoesNotDecrypt, ()),
        Injection("opens-neighbour", OpensNeighbour, ()),
        Injection("skips-read", SkipsRead, ()),
        Injection("copies-whole-pages", CopiesWholePages, ()),
        Injection("one-bounce-for-two", OneBounceForTwo, ()),
        Injection("refuses-write", RefusesWrite, ()),
        Injection("allocates-at-high-level", AllocatesAtHighLevel, ()),
        Injection("leaves-read-shared", LeavesReadShared, ()),
        Injection("forgets-last-page", ForgetsLastPage, ()),
        Injection("unmap-does-nothing", UnmapDoesNothing, ()),
        Injection("bounce-not-zeroed", BounceNotZeroed, ()),
        Injection("loses-write-data", LosesWriteData, ()),
        Injection("overruns-caller", OverrunsCaller, ()),
        Injection("frees-before-sealing", FreesBeforeSealing, ()),
        Injection("exit-handler-at-notify", ExitHandlerAtNotify, ()),
    )
}


def driver_type(name: str) -> type[BinaryIommu]:
    """
    Return the driver with that fault, or the plain one for no name.

    Raises:
        UsageError: there is no such fault.

    """
    if not name:
        return BinaryIommu
    if name not in INJECTIONS:
        raise UsageError(
            f"there is no fault {name!r} to inject", hint=near(name, INJECTIONS) or "`sevconf list faults`"
        )
    return INJECTIONS[name].driver
