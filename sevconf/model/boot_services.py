"""
The core's boot services, each call recorded with its caller and level.

The core enforces no TPL restriction: UEFI gives no status for it (but for WaitForEvent), so the call is served and the
caller is judged from the trace.

Spec: UEFI 2.10, 7.1 (events, timers, levels), 7.2 (memory), 7.4.6 EFI_BOOT_SERVICES.ExitBootServices(), 7.5.2 Stall.
Left out: image services. Protocol handler services are in `protocols`.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager

from sevconf.contract.driver import EventHandle, MemoryMap, NotifyFunction
from sevconf.errors import ForeignFailure
from sevconf.model.event import TICK, Event, Events
from sevconf.model.memory_map import DESCRIPTOR_SIZE
from sevconf.model.memory_map import MemoryMap as PageMap
from sevconf.model.pool import Pool
from sevconf.model.protocols import ProtocolServices
from sevconf.model.recorder import Recorder, Service
from sevconf.trace import ExitPhase, Phase
from sevconf.vocabulary import (
    EVT_TIMER,
    AllocateType,
    EfiStatus,
    EventGroup,
    Gva,
    MemoryType,
    TimerDelay,
    Tpl,
)

#: Ticks that WaitForEvent waits before the machine calls it a hang (100 s of the machine's time).
PATIENCE = 10_000


class Core(ProtocolServices):
    """
    The boot services over events, memory map and pool.

    `let_time_pass` is called with units of 100 ns whenever a caller stalls or waits.
    """

    def __init__(
        self,
        recorder: Recorder,
        events: Events,
        memory_map: PageMap,
        pool: Pool,
        let_time_pass: Callable[[int], None],
    ) -> None:
        self._recorder = recorder
        self.events = events
        self.map = memory_map
        self._pool = pool
        self._let_time_pass = let_time_pass
        self._exit_calls = 0
        self.gone = False
        #: The group by which this core signals IOMMU drivers apart, if it does.
        self.iommu_group: str | None = None
        memory_map.after_change = self._map_changed
        self._install_platform()

    def _service(self, name: str, **arguments: int | str | None) -> AbstractContextManager[Service]:
        return self._recorder.service(name, "core", **arguments)

    # Events

    def create_event(
        self, type: int, notify_tpl: Tpl, function: NotifyFunction | None = None, *, name: str | None = None
    ) -> tuple[EfiStatus, EventHandle]:
        """CreateEvent."""
        return self._create("CreateEvent", type, notify_tpl, function, group=None, name=name)

    def create_event_ex(
        self,
        type: int,
        notify_tpl: Tpl,
        function: NotifyFunction | None = None,
        group: str | None = None,
        *,
        name: str | None = None,
    ) -> tuple[EfiStatus, EventHandle]:
        """CreateEventEx."""
        return self._create("CreateEventEx", type, notify_tpl, function, group=group, name=name)

    def _create(
        self,
        service: str,
        type: int,
        notify_tpl: Tpl,
        function: NotifyFunction | None,
        *,
        group: str | None,
        name: str | None,
    ) -> tuple[EfiStatus, EventHandle]:
        owner = self._recorder.actor
        with self._service(service, type=type, notify_tpl=int(notify_tpl), group=group) as call:
            if self.gone:
                return call.returns(EfiStatus.UNSUPPORTED), EventHandle(0)
            with self._recorder.acting(owner):
                status, handle = self.events.create(type, notify_tpl, function, group, name)
            event = self.events.find(handle)
            return call.returns(status, event=event.name if event else None), handle

    def _event_service(
        self, service: str, handle: EventHandle, act: Callable[[Event], EfiStatus], **arguments: int | str
    ) -> EfiStatus:
        event = self.events.find(handle)
        with self._service(service, event=event.name if event else None, **arguments) as call:
            if self.gone:
                return call.returns(EfiStatus.UNSUPPORTED)
            return call.returns(EfiStatus.INVALID_PARAMETER if event is None else act(event))

    def close_event(self, event: EventHandle) -> EfiStatus:
        """CloseEvent."""

        def act(found: Event) -> EfiStatus:
            self.events.close(found)
            return EfiStatus.SUCCESS

        return self._event_service("CloseEvent", event, act)

    def signal_event(self, event: EventHandle) -> EfiStatus:
        """SignalEvent."""

        def act(found: Event) -> EfiStatus:
            self.events.signal(found)
            return EfiStatus.SUCCESS

        return self._event_service("SignalEvent", event, act)

    def check_event(self, event: EventHandle) -> EfiStatus:
        """CheckEvent."""
        return self._event_service("CheckEvent", event, self._check)

    def _check(self, event: Event) -> EfiStatus:
        if event.notifies_on_signal:
            return EfiStatus.INVALID_PARAMETER
        return EfiStatus.SUCCESS if self.events.check(event) else EfiStatus.NOT_READY

    def wait_for_event(self, events: tuple[EventHandle, ...]) -> tuple[EfiStatus, int]:
        """WaitForEvent; a wait that nothing can end is a hang of the caller."""
        caller = self._recorder.actor
        with self._service("WaitForEvent", count=len(events)) as call:
            if self.events.tpl is not Tpl.APPLICATION or self.gone:
                return call.returns(EfiStatus.UNSUPPORTED), 0
            if not events:
                return call.returns(EfiStatus.INVALID_PARAMETER), 0
            for _ in range(PATIENCE):
                for index, handle in enumerate(events):
                    found = self.events.find(handle)
                    status = EfiStatus.INVALID_PARAMETER if found is None else self._check(found)
                    if status is not EfiStatus.NOT_READY:
                        return call.returns(status, index=index), index
                self._let_time_pass(TICK)
        raise ForeignFailure(caller, "go on", f"waits in WaitForEvent for an event that {PATIENCE} ticks do not signal")

    def set_timer(self, event: EventHandle, delay: TimerDelay, trigger_time: int) -> EfiStatus:
        """SetTimer."""

        def act(found: Event) -> EfiStatus:
            if not found.type & EVT_TIMER:
                return EfiStatus.INVALID_PARAMETER
            self.events.set_timer(found, delay, trigger_time)
            return EfiStatus.SUCCESS

        return self._event_service("SetTimer", event, act, delay=int(delay), trigger_time=trigger_time)

    def raise_tpl(self, new_tpl: Tpl) -> Tpl:
        """RaiseTPL."""
        with self._service("RaiseTPL", new_tpl=int(new_tpl)) as call:
            old = self.events.raise_tpl(Tpl(new_tpl))
            call.returns(None, old_tpl=int(old))
            return old

    def restore_tpl(self, old_tpl: Tpl) -> None:
        """RestoreTPL."""
        with self._service("RestoreTPL", old_tpl=int(old_tpl)) as call:
            self.events.restore_tpl(Tpl(old_tpl))
            call.returns(None)

    # Memory

    def allocate_pages(
        self, allocate_type: AllocateType, memory_type: MemoryType, pages: int, address: int = 0
    ) -> tuple[EfiStatus, Gva]:
        """AllocatePages."""
        with self._service("AllocatePages", type=allocate_type.name, memory_type=memory_type.name, pages=pages) as call:
            if self.gone:
                return call.returns(EfiStatus.UNSUPPORTED), Gva(0)
            status, start = self.map.allocate(allocate_type, memory_type, pages, address)
            self.events.dispatch()
            return call.returns(status, memory=start), Gva(start)

    def free_pages(self, address: Gva, pages: int) -> EfiStatus:
        """FreePages."""
        with self._service("FreePages", memory=address, pages=pages) as call:
            status = EfiStatus.UNSUPPORTED if self.gone else self.map.free(address, pages)
            self.events.dispatch()
            return call.returns(status)

    def allocate_pool(self, memory_type: MemoryType, size: int) -> tuple[EfiStatus, Gva]:
        """AllocatePool."""
        with self._service("AllocatePool", memory_type=memory_type.name, size=size) as call:
            if self.gone:
                return call.returns(EfiStatus.UNSUPPORTED), Gva(0)
            status, buffer = self._pool.allocate(memory_type, size)
            self.events.dispatch()
            return call.returns(status, buffer=buffer), buffer

    def free_pool(self, buffer: Gva) -> EfiStatus:
        """FreePool."""
        with self._service("FreePool", buffer=buffer) as call:
            status = EfiStatus.UNSUPPORTED if self.gone else self._pool.free(buffer)
            self.events.dispatch()
            return call.returns(status)

    def _map_changed(self) -> None:
        # 7.1.2: only queued here, so that no notification runs before the service has done all of its work.
        self.events.queue_group(EventGroup.MEMORY_MAP_CHANGE.value)

    def get_memory_map(self, buffer_size: int) -> tuple[EfiStatus, MemoryMap]:
        """GetMemoryMap; the MapKey is told only with the map."""
        with self._service("GetMemoryMap", buffer_size=buffer_size) as call:
            needed = len(self.map.descriptors) * DESCRIPTOR_SIZE
            if self.gone:
                return call.returns(EfiStatus.UNSUPPORTED), MemoryMap(0, 0, DESCRIPTOR_SIZE, ())
            if buffer_size < needed:
                status = call.returns(EfiStatus.BUFFER_TOO_SMALL, needed_size=needed)
                return status, MemoryMap(needed, 0, DESCRIPTOR_SIZE, ())
            status = call.returns(EfiStatus.SUCCESS, needed_size=needed, map_key=self.map.key)
            return status, MemoryMap(needed, self.map.key, DESCRIPTOR_SIZE, tuple(self.map.descriptors))

    # The end of boot services

    def exit_boot_services(self, map_key: int) -> EfiStatus:
        """ExitBootServices: BEFORE group (first call), timers off, key, EXIT group, services gone."""
        with self._service("ExitBootServices", map_key=map_key) as call:
            if self.gone:
                return call.returns(EfiStatus.UNSUPPORTED)
            self._exit_calls += 1
            self._phase(Phase.CALLED)
            self._before_exit()
            self.events.timers_on = False
            self._phase(Phase.TIMERS_OFF)
            if not self._accepts(map_key):
                self._phase(Phase.KEY_REFUSED)
                return call.returns(self._returned(EfiStatus.INVALID_PARAMETER))
            self._phase(Phase.KEY_ACCEPTED)
            self._notify_exit()
            self._phase(Phase.HANDLERS_DONE)
            self.gone = True
            self._phase(Phase.SERVICES_GONE)
            return call.returns(self._returned(EfiStatus.SUCCESS))

    def _before_exit(self) -> None:
        # 2.9 and later: signaled once, even when the loader has to call again.
        if self._exit_calls == 1:
            self._phase(Phase.BEFORE_GROUP)
            self.events.signal_group(EventGroup.BEFORE_EXIT_BOOT_SERVICES.value)

    def _accepts(self, map_key: int) -> bool:
        return map_key == self.map.key

    def _notify_exit(self) -> None:
        self._phase(Phase.EXIT_GROUP)
        self.events.signal_group(EventGroup.EXIT_BOOT_SERVICES.value)
        if self.iommu_group is not None:
            self.events.signal_group(self.iommu_group)

    def _phase(self, phase: Phase, status: EfiStatus | None = None) -> None:
        self._recorder.record(ExitPhase, phase=phase, status=status)

    def _returned(self, status: EfiStatus) -> EfiStatus:
        self._phase(Phase.RETURNED, status)
        return status

    def stall(self, microseconds: int) -> EfiStatus:
        """Stall."""
        with self._service("Stall", microseconds=microseconds) as call:
            if self.gone:
                return call.returns(EfiStatus.UNSUPPORTED)
            self._let_time_pass(microseconds * 10)
            return call.returns(EfiStatus.SUCCESS)
