"""
Events, their groups and queues, timers and task priority levels.

One FIFO of pending notifications per level; a group is queued whole before its first member runs; a notification runs
at its event's level, as soon as the processor's level is below it. The order in which the members of a group are queued
is the one thing that UEFI leaves open here: a policy, EDK II's (newest first) by default.

Spec: UEFI 2.10, 7.1 "Event, Timer, and Task Priority Services"; for the policy EDK II,
`MdeModulePkg/Core/Dxe/Event/Event.c`, CoreNotifySignalList.

Left out: EVT_RUNTIME combinations other than the virtual address change, which EDK II refuses too.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from sevconf.contract.driver import EventHandle, NotifyFunction
from sevconf.model.recorder import Recorder
from sevconf.trace import EventClosed, EventCreated, EventQueued, NotificationBegan, NotificationEnded
from sevconf.vocabulary import (
    EVT_NOTIFY_SIGNAL,
    EVT_NOTIFY_WAIT,
    EVT_RUNTIME,
    EVT_SIGNAL_EXIT_BOOT_SERVICES,
    EVT_SIGNAL_VIRTUAL_ADDRESS_CHANGE,
    EVT_TIMER,
    EfiStatus,
    EventGroup,
    TimerDelay,
    Tpl,
)

#: Special types and the group that each stands for; their flags may not be combined with others.
SPECIAL_TYPES = {
    EVT_SIGNAL_EXIT_BOOT_SERVICES: EventGroup.EXIT_BOOT_SERVICES.value,
    EVT_SIGNAL_VIRTUAL_ADDRESS_CHANGE: EventGroup.VIRTUAL_ADDRESS_CHANGE.value,
}
_KNOWN_FLAGS = EVT_TIMER | EVT_RUNTIME | EVT_NOTIFY_WAIT | EVT_NOTIFY_SIGNAL
_NOTIFY = EVT_NOTIFY_WAIT | EVT_NOTIFY_SIGNAL

#: Units of 100 ns between two ticks of the timer (10 ms, as EDK II programs it).
TICK = 100_000


@dataclass(eq=False, slots=True)
class Event:
    """An event as the core keeps it; `signaled` is its state, `queued` whether its notification is pending."""

    name: str
    handle: EventHandle
    owner: str
    type: int
    notify_tpl: Tpl | None
    function: NotifyFunction | None
    group: str | None
    signaled: bool = False
    queued: bool = False
    due: int | None = None
    period: int | None = None

    @property
    def notifies_on_signal(self) -> bool:
        """Whether signaling queues its notification."""
        return bool(self.type & EVT_NOTIFY_SIGNAL)


#: Puts the members of a group, given oldest first, into the order in which they are queued.
GroupOrder: TypeAlias = Callable[[Sequence[Event]], Sequence[Event]]


def newest_first(members: Sequence[Event]) -> Sequence[Event]:
    """Queue as EDK II does."""
    return tuple(reversed(members))


@dataclass(eq=False)
class Events:
    """
    The event services, without their traces as service calls (the core adds those).

    `after_notification` is called when a notification function has returned: time passes, devices make progress.
    """

    recorder: Recorder
    order: GroupOrder = newest_first
    after_notification: Callable[[], None] = lambda: None
    timers_on: bool = True
    now: int = 0
    _events: dict[EventHandle, Event] = field(default_factory=dict)
    _queues: dict[Tpl, deque[Event]] = field(
        default_factory=lambda: {tpl: deque() for tpl in (Tpl.HIGH_LEVEL, Tpl.NOTIFY, Tpl.CALLBACK)}
    )
    _made: int = 0

    # Levels

    @property
    def tpl(self) -> Tpl:
        """The current task priority level."""
        return self.recorder.tpl

    def raise_tpl(self, new: Tpl) -> Tpl:
        """Run at a higher level; returns the level before."""
        old, self.recorder.tpl = self.recorder.tpl, new
        return old

    def restore_tpl(self, old: Tpl) -> None:
        """Go back to a lower level, dispatching what waits above it."""
        self.recorder.tpl = old
        self.dispatch()

    # Life of an event

    def create(
        self,
        type: int,
        notify_tpl: Tpl,
        function: NotifyFunction | None,
        group: str | None = None,
        name: str | None = None,
    ) -> tuple[EfiStatus, EventHandle]:
        """Make an event for the present actor."""
        if not self._legal(type, notify_tpl, function, group):
            return EfiStatus.INVALID_PARAMETER, EventHandle(0)
        self._made += 1
        notifies = bool(type & _NOTIFY)
        event = Event(
            name=name or f"E{self._made}",
            handle=EventHandle(self._made),
            owner=self.recorder.actor,
            type=type,
            notify_tpl=Tpl(notify_tpl) if notifies else None,
            function=function if notifies else None,
            group=SPECIAL_TYPES.get(type, group),
        )
        self._events[event.handle] = event
        self.recorder.record(EventCreated, event=event.name, type=type, notify_tpl=event.notify_tpl, group=event.group)
        return EfiStatus.SUCCESS, event.handle

    def _legal(self, type: int, notify_tpl: Tpl, function: NotifyFunction | None, group: str | None) -> bool:
        if type in SPECIAL_TYPES:
            # A type that stands for a group can't be in another one (7.1.2).
            return group is None and function is not None and self._legal_level(notify_tpl)
        if type & ~_KNOWN_FLAGS or type & EVT_RUNTIME or type & _NOTIFY == _NOTIFY:
            return False
        return not type & _NOTIFY or (function is not None and self._legal_level(notify_tpl))

    def _legal_level(self, tpl: Tpl) -> bool:
        # 7.1, "TPL Restrictions": event notification levels are above TPL_APPLICATION, up to TPL_HIGH_LEVEL.
        return tpl in self._queues

    def find(self, handle: EventHandle) -> Event | None:
        """Return the event of a handle, or None if there is none."""
        return self._events.get(handle)

    def close(self, event: Event) -> None:
        """Forget the event, and take its notification out of the queue."""
        was_queued = event.queued
        self._unqueue(event)
        event.due = None
        del self._events[event.handle]
        self.recorder.record(EventClosed, event=event.name, was_queued=was_queued)

    def _unqueue(self, event: Event) -> None:
        if event.queued and event.notify_tpl is not None:
            self._queues[event.notify_tpl].remove(event)
            event.queued = False

    # Signaling

    def signal(self, event: Event) -> None:
        """Signal an event, and with it all members of its group; then run what may run."""
        if event.group is None:
            self._signal_one(event)
        else:
            self._signal_members(event.group)
        self.dispatch()

    def signal_group(self, group: str) -> None:
        """Signal a whole group, as the core does for the groups of its own; then run what may run."""
        self._signal_members(group)
        self.dispatch()

    def queue_group(self, group: str) -> None:
        """Signal a whole group, and leave it to the next dispatch to run what may run."""
        self._signal_members(group)

    def every(self) -> Sequence[Event]:
        """Return all events, oldest first."""
        return tuple(self._events.values())

    def members(self, group: str) -> Sequence[Event]:
        """Return the events of a group, oldest first."""
        return tuple(event for event in self._events.values() if event.group == group)

    def _signal_members(self, group: str) -> None:
        for event in self.order(self.members(group)):
            self._signal_one(event)

    def _signal_one(self, event: Event) -> None:
        event.signaled = True
        if event.notifies_on_signal:
            self._enqueue(event)

    def _enqueue(self, event: Event) -> None:
        if not event.queued and event.notify_tpl is not None:
            event.queued = True
            self._queues[event.notify_tpl].append(event)
            self.recorder.record(EventQueued, event=event.name, notify_tpl=event.notify_tpl)

    def check(self, event: Event) -> bool:
        """Tell whether an event is signaled, and unsignal it; a waiting event's notification may run to signal it."""
        if not event.signaled and event.type & EVT_NOTIFY_WAIT:
            self._enqueue(event)
            self.dispatch()
        was, event.signaled = event.signaled, False
        return was

    # Dispatch

    def dispatch(self) -> None:
        """Run pending notifications above the current level, highest level first, first in first out."""
        while (event := self._next()) is not None:
            self._notify(event)

    def _next(self) -> Event | None:
        for tpl, queue in self._queues.items():
            if queue and tpl > self.tpl:
                return queue.popleft()
        return None

    def _notify(self, event: Event) -> None:
        level, function = event.notify_tpl, event.function
        if level is None or function is None:
            raise ValueError(f"{event.name} was queued without a notification")
        event.queued = False
        if event.notifies_on_signal:
            event.signaled = False
        before = self.raise_tpl(level)
        began = self.recorder.record(NotificationBegan, by=event.owner, event=event.name, group=event.group)
        with self.recorder.acting(event.owner), self.recorder.inside(began.step):
            function()
        self.recorder.record(NotificationEnded, by=event.owner, event=event.name, began=began.step)
        self.recorder.tpl = before
        self.after_notification()

    # Timers

    def set_timer(self, event: Event, delay: TimerDelay, trigger_time: int) -> None:
        """Arm or cancel the event's timer; a trigger time of 0 is the next tick, or every tick."""
        span = max(trigger_time, 1)
        event.due = None if delay is TimerDelay.CANCEL else self.now + span
        event.period = span if delay is TimerDelay.PERIODIC else None

    def pass_time(self, units: int) -> None:
        """Let `units` of 100 ns pass, tick by tick; timers that are on signal, and more time may pass meanwhile."""
        end = self.now + units
        while (tick := (self.now // TICK + 1) * TICK) <= end:
            self.now = tick
            if self.timers_on:
                self._tick()
        self.now = max(self.now, end)

    def _tick(self) -> None:
        for event in tuple(self._events.values()):
            if event.due is not None and event.due <= self.now:
                event.due = None if event.period is None else self.now + event.period
                self.signal(event)
