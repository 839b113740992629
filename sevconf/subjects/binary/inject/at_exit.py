"""Faults of the exit handler, and of what it defers."""

from collections.abc import Callable
from typing import Any

from sevconf.subjects.binary.abi.calls import Handler
from sevconf.subjects.binary.cpu.table_watch import Change
from sevconf.subjects.binary.inject.driver import Injected, without
from sevconf.vocabulary import EVT_NOTIFY_SIGNAL, PAGE_SIZE, CBit, DmaOperation, EfiStatus, Gpa, Gva, MemoryType, Tpl

_READ, _WRITE = DmaOperation.READ, DmaOperation.WRITE
_POOL = 64


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


class AllAtNotify(Injected):
    """All its events are at TPL_NOTIFY, so that it tears down before handlers at TPL_CALLBACK run."""

    def on_create(self, handler: Handler, kind: int, tpl: int, *rest: Any, at_exit: bool) -> Any:
        """Make every event at TPL_NOTIFY."""
        del tpl, at_exit
        return handler(kind, int(Tpl.NOTIFY), *rest)


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
        return without(change, kept)


class LeavesBytesAtExit(Injected):
    """What its teardown makes private again is not rewritten: DRAM keeps the plaintext."""

    def on_notified(self, notify: Callable[[], None], *, at_exit: bool) -> None:
        """Put DRAM back."""
        before = [] if at_exit or not self.exiting else [(live, self.raw(live)) for live in self.live.values()]
        notify()
        for live, data in before:
            self.ram.write_raw(Gpa(live.start), data)


class ExitHandlerAtNotify(Injected):
    """Control, no fault: its exit handler is at TPL_NOTIFY, and what it defers is at TPL_CALLBACK still."""

    def on_create(self, handler: Handler, kind: int, tpl: int, *rest: Any, at_exit: bool) -> Any:
        """Make the exit event at TPL_NOTIFY."""
        return handler(kind, int(Tpl.NOTIFY) if at_exit else tpl, *rest)


#: These drivers by the names of their faults.
DRIVERS: dict[str, type[Injected]] = {
    "no-exit-handler": NoExitHandler,
    "runs-deferred-at-once": RunsDeferredAtOnce,
    "defers-at-notify": DefersAtNotify,
    "all-at-notify": AllAtNotify,
    "allocates-at-exit": AllocatesAtExit,
    "frees-at-exit": FreesAtExit,
    "leaves-shared-at-exit": LeavesSharedAtExit,
    "forgets-reads-at-exit": ForgetsReadsAtExit,
    "leaves-bytes-at-exit": LeavesBytesAtExit,
    "exit-handler-at-notify": ExitHandlerAtNotify,
}
