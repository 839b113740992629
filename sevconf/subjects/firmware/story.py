"""
What the agent tells, as entries of a trace.

Only what was seen from outside the core becomes an entry: calls, returns, events that were made, notifications, and of
ExitBootServices that it was called, what it returned and that it refused a key. When a core queues a notification, when
it checks a key or when a range changes its type cannot be seen, and does not stand in these traces.

The level of an entry is the one that the scenario asked for, or that a notification's event was made with.
"""

from dataclasses import dataclass

from sevconf.errors import ForeignFailure, LostContact
from sevconf.subjects.firmware.wire import Record, Service, Told
from sevconf.trace import (
    EventCreated,
    ExitPhase,
    Fields,
    NotificationBegan,
    NotificationEnded,
    Phase,
    ServiceCall,
    ServiceReturn,
    Trace,
)
from sevconf.vocabulary import (
    EVT_NOTIFY_SIGNAL,
    EVT_NOTIFY_WAIT,
    EVT_SIGNAL_EXIT_BOOT_SERVICES,
    EVT_SIGNAL_VIRTUAL_ADDRESS_CHANGE,
    AllocateType,
    EfiStatus,
    EventGroup,
    MemoryType,
    Tpl,
)

ACTOR = "scenario"
_SPECIAL = {
    EVT_SIGNAL_EXIT_BOOT_SERVICES: EventGroup.EXIT_BOOT_SERVICES.value,
    EVT_SIGNAL_VIRTUAL_ADDRESS_CHANGE: EventGroup.VIRTUAL_ADDRESS_CHANGE.value,
}
_CREATES = {Service.CreateEvent, Service.CreateEventEx}
_ON_EVENTS = {Service.CloseEvent, Service.SignalEvent, Service.CheckEvent, Service.WaitForEvent, Service.SetTimer}
#: Services without a status, and the name of what a service gives beside it.
_STATUSLESS = {Service.RaiseTPL, Service.RestoreTPL}
_RESULT = {
    Service.RaiseTPL: "old_tpl",
    Service.AllocatePages: "memory",
    Service.AllocatePool: "buffer",
    Service.WaitForEvent: "index",
}


@dataclass(frozen=True, slots=True)
class Planned:
    """An event as a scenario wants it: its name in the trace, type, level and group."""

    name: str
    type: int
    tpl: Tpl | None
    group: str | None


def status_of(value: int, service: str) -> EfiStatus:
    """
    Return a status.

    Raises:
        ForeignFailure: UEFI has no such status.

    """
    try:
        return EfiStatus(value)
    except ValueError:
        how = f"returns {value:#x}, which is no status of appendix D"
        raise ForeignFailure("core", f"perform {service}", how) from None


class Story:
    """Writes a trace from records; `events` are the events by their slots, as they were planned last."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.events: dict[int, Planned] = {}
        self._open: list[tuple[str, int, Planned | None]] = []

    @property
    def depth(self) -> int:
        """How many calls and notifications are open."""
        return len(self._open)

    def tell(self, record: Told) -> None:
        """Write what one record says."""
        match record.kind:
            case Record.CALL:
                self._call(record)
            case Record.RETURN:
                self._return(record)
            case Record.BEGAN:
                event = self.events[record.number]
                group = _SPECIAL.get(event.type, event.group)
                began = self._add(NotificationBegan, record, event=event.name, group=group)
                self._open.append((event.name, began, None))
            case Record.ENDED:
                name, began, _ = self._close(self.events[record.number].name)
                self._add(NotificationEnded, record, event=name, began=began)
            case _:
                raise LostContact("firmware", f"the agent tells {record.kind.name} in the middle of its work")

    def _add(self, kind: type, record: Told, **fields: object) -> int:
        within = self._open[-1][1] if self._open else None
        return int(self.trace.record(kind, ACTOR, within, record.level, **fields).step)

    def _close(self, name: str) -> tuple[str, int, Planned | None]:
        if not self._open or self._open[-1][0] != name:
            inside = self._open[-1][0] if self._open else "nothing"
            raise LostContact("firmware", f"the agent tells the end of {name} inside {inside}")
        return self._open.pop()

    def _call(self, record: Told) -> None:
        service = Service(record.number)
        slot = record.values[0]
        planned = self.events.get(slot) if service in _CREATES else None
        arguments = self._arguments(service, record)
        step = self._add(ServiceCall, record, service=service.name, arguments=arguments)
        self._open.append((service.name, step, planned))
        if service is Service.ExitBootServices:
            self._add(ExitPhase, record, phase=Phase.CALLED)

    def _arguments(self, service: Service, record: Told) -> Fields:
        slot, a, b, _ = record.values[:4]
        event = self.events.get(slot)
        if service in _CREATES:
            return (("type", a), ("notify_tpl", b), ("group", event.group if event else None))
        if service in _ON_EVENTS:
            timer = (("delay", a), ("trigger_time", b)) if service is Service.SetTimer else ()
            return (("event", event.name if event else None), *timer)
        match service:
            case Service.RaiseTPL:
                return (("new_tpl", a),)
            case Service.RestoreTPL:
                return (("old_tpl", a),)
            case Service.AllocatePages:
                return (("type", AllocateType(a & 0xFF).name), ("memory_type", _name(a >> 8)), ("pages", b))
            case Service.FreePages:
                return (("memory", a), ("pages", b))
            case Service.AllocatePool:
                return (("memory_type", _name(a)), ("size", b))
            case Service.FreePool:
                return (("buffer", a),)
            case Service.GetMemoryMap:
                return (("buffer_size", a),)
            case Service.ExitBootServices:
                return (("map_key", a),)
            case Service.Stall:
                return (("microseconds", a),)
        return ()

    def _return(self, record: Told) -> None:
        service = Service(record.number)
        _, step, planned = self._close(service.name)
        value, *more = record.values
        status = None if service in _STATUSLESS else status_of(value, service.name)
        # What stands inside the call, before its return.
        self._open.append((service.name, step, None))
        if planned is not None and status is EfiStatus.SUCCESS:
            level = planned.tpl if planned.type & (EVT_NOTIFY_SIGNAL | EVT_NOTIFY_WAIT) else None
            group = _SPECIAL.get(planned.type, planned.group)
            self._add(EventCreated, record, event=planned.name, type=planned.type, notify_tpl=level, group=group)
        if service is Service.ExitBootServices:
            if status is EfiStatus.INVALID_PARAMETER:
                self._add(ExitPhase, record, phase=Phase.KEY_REFUSED)
            self._add(ExitPhase, record, phase=Phase.RETURNED, status=status)
        results: Fields = ()
        if service is Service.GetMemoryMap:
            results = (("needed_size", more[0]),)
            if status is EfiStatus.SUCCESS:
                results += (("map_key", more[1]),)
        elif service in _RESULT and not (status or EfiStatus.SUCCESS).is_error:
            results = ((_RESULT[service], more[0]),)
        self._add(ServiceReturn, record, call=step, service=service.name, status=status, results=results)
        self._open.pop()


def _name(memory_type: int) -> str:
    return MemoryType(memory_type).name if memory_type in set(MemoryType) else hex(memory_type)
