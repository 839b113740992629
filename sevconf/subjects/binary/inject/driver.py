"""
What lies between a binary IOMMU driver and the firmware, where faults are put in.

What the binary asks is answered wrongly, undone, or done once more on its behalf, and it is who acts: at the services
that it calls, at the protocol that it offers, and at the page tables that it edits. Nothing here knows a build.

Left out: faults inside of the binary's own data, such as its list of mappings; and device drivers, whose registers and
PciIo no binary reaches yet.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sevconf.contract.driver import Mapped, MappingToken
from sevconf.subjects.binary.abi.calls import Handler
from sevconf.subjects.binary.abi.signatures import Signature, table
from sevconf.subjects.binary.cpu.table_watch import Change
from sevconf.subjects.binary.iommu import BinaryIommu
from sevconf.vocabulary import (
    EVT_SIGNAL_EXIT_BOOT_SERVICES,
    PAGE_SIZE,
    DmaOperation,
    EfiStatus,
    EventGroup,
    Gpa,
    Gva,
    pages_for,
)

(_NOTIFY,) = table("Notify(event: UINTN, context: UINTN) -> VOID")


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


def without(change: Change, pages: set[int]) -> tuple[Change, ...]:
    """Return what stands of a change if these pages are left as they were."""
    return tuple(Change(page, Gpa(page), 1, change.cbit) for page in change.addresses if page not in pages)
