"""
The core's event queue with its freedom left open: which member of a group comes next, at which level, after which DMA.

UEFI leaves open in which order the members of a group are queued, and a driver chooses the level of its handler. In the
reduced form neither is chosen when a group is signaled, but when a notification begins: whatever could stand at the
head of the queue then, had members been queued in a suitable order and with suitable levels, may run. That is exact:
each such run is the run of at least one order and choice of levels, and each of these is one of such runs. A core that
has an event queue of its own (a faulty one) gets order and levels one member at a time, as it asks for them.

Spec: UEFI 2.10, 7.1 "Event, Timer, and Task Priority Services": one FIFO per level, higher levels first.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sevconf.errors import ForeignFailure
from sevconf.model.event import Event, Events
from sevconf.model.iommu.variants import IOMMU_GROUP
from sevconf.vocabulary import EventGroup, Tpl

#: The groups whose members may be queued in any order, and whose handlers' levels are a choice.
_EXIT = {EventGroup.EXIT_BOOT_SERVICES.value, EventGroup.BEFORE_EXIT_BOOT_SERVICES.value, IOMMU_GROUP}
_LEVELS = (Tpl.NOTIFY, Tpl.CALLBACK)
#: The choice to make no step.
GO_ON = "go on"
#: What a notification has to do with of which nothing is known yet.
EVERYTHING = "everything"


class AtChoice(BaseException):
    """The given choices are used up, and there is more than one way to go on."""

    def __init__(self, options: tuple[str, ...]) -> None:
        super().__init__(options)
        self.options = options


class Redundant(BaseException):
    """Whatever could follow here is the same as a run that is tried elsewhere."""


@dataclass
class Scheduler:
    """
    Takes the given choices one by one, and raises AtChoice when they are used up.

    `devices` are those that may make DMA steps, by name; `touches` says, by event, what a notification has been seen to
    have to do with: devices, and what else it changes. `budget` is the number of DMA steps that are left.
    """

    choices: Sequence[str]
    devices: Mapping[str, Any]
    touches: Mapping[str, frozenset[str]]
    budget: int
    reduced: bool
    open: bool = False
    used: int = 0
    depth: int = 0
    #: Devices that made a step since the last notification.
    stepped: list[str] = field(default_factory=list)
    #: The last notification that was chosen out of several, with its level, if it is the last act.
    last: str = ""
    #: All that was done so far, also where there was only one way to go on.
    acts: list[str] = field(default_factory=list)

    def choose(self, options: Sequence[str]) -> str:
        """Return one of the options: the only one, or the one that is given."""
        if len(options) == 1:
            self.acts.append(options[0])
            return options[0]
        if self.used == len(self.choices):
            raise AtChoice(tuple(options))
        chosen = self.choices[self.used]
        if chosen not in options:
            raise ValueError(f"expected one of {', '.join(options)} as choice {self.used + 1}, not {chosen}")
        self.used += 1
        self.acts.append(chosen)
        return chosen

    def running(self) -> list[str]:
        """Return the devices that may make a step now."""
        if self.depth or not self.open or not self.budget:
            return []
        return [name for name, device in self.devices.items() if device.running]

    def steps(self, pending: Sequence[str]) -> list[str]:
        """
        Return the devices that may make a step before one of these events' notifications runs.

        Steps of different devices commute, and commute with notifications that do not touch the device: they are put
        off until one that does, and made in one order.
        """
        if not self.reduced:
            return self.running()
        behind = [name for name in self.running() if not self.stepped or name >= self.stepped[-1]]
        return [name for name in behind if any(self.waits_for(event, {*self.stepped, name}) for event in pending)]

    def touched(self, event: str) -> frozenset[str]:
        """Return what a notification of this event has to do with; one that was never seen, with everything."""
        return self.touches.get(event, frozenset({EVERYTHING}))

    def waits_for(self, event: str, devices: Collection[str]) -> bool:
        """Tell whether a notification has to do with all of these devices, so that their steps may matter to it."""
        touched = self.touched(event)
        return not self.reduced or EVERYTHING in touched or touched.issuperset(devices)

    def commutes(self, event: str, other: str) -> bool:
        """Tell whether two notifications at one level may change places."""
        one, two = self.touched(event), self.touched(other)
        return EVERYTHING not in one and EVERYTHING not in two and not one & two

    def step(self, device: str) -> None:
        """Let a device make a step."""
        self.budget -= 1
        self.stepped.append(device)
        self.devices[device].step()


class _Pieces:
    """The members of a group in an order that is chosen one by one, as somebody asks for the next, and kept then."""

    def __init__(self, scheduler: Scheduler, members: Mapping[Event, tuple[Tpl, ...]]) -> None:
        self._scheduler = scheduler
        self._left = dict(members)
        self._taken: list[Event] = []

    def __iter__(self) -> Iterator[Event]:
        yield from self._taken
        while self._left:
            names = {event.name: event for event in self._left}
            options = [f"{event.name} at {level.name}" for event, levels in self._left.items() for level in levels]
            name, _, level = self._scheduler.choose(options).partition(" at ")
            event = names[name]
            del self._left[event]
            event.notify_tpl = Tpl[level]
            self._taken.append(event)
            yield event


class OpenEvents(Events):
    """An event queue whose freedom is a scheduler's; to be mixed into any other, the reference's or a faulty one."""

    scheduler: Scheduler
    #: Whether the levels of an event's handler are a choice; foreign code chooses its own.
    fixed: frozenset[str] = frozenset()
    #: Whether this is the reference's queue, so that members need not be ordered before they run.
    late = False

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.batch: list[Event] = []
        self.ceiling = Tpl.NOTIFY
        self.order = self._in_order

    # Order piece by piece, for cores that have a queue of their own

    def _levels(self, event: Event) -> tuple[Tpl, ...]:
        free = event.group in _EXIT and event.owner not in self.fixed
        return _LEVELS if free or event.notify_tpl is None else (event.notify_tpl,)

    def _in_order(self, members: Sequence[Event]) -> Any:
        return members if self._is_late(members) else self._piece_by_piece(members)

    def _is_late(self, members: Sequence[Event]) -> bool:
        return self.late or not any(event.group in _EXIT for event in members)

    def _piece_by_piece(self, members: Sequence[Event]) -> "_Pieces":
        return _Pieces(self.scheduler, {e: self._levels(e) for e in members if e.notifies_on_signal})

    # Order as late as possible, for the reference's queue

    def _enqueue(self, event: Event) -> None:
        super()._enqueue(event)
        if self.late and event.group in _EXIT and event.queued and event.notify_tpl is not None:
            queue = self._queues[event.notify_tpl]
            if queue and queue[-1] is event:
                queue.pop()
                if not self.batch:
                    self.ceiling = Tpl.NOTIFY
                self.batch.append(event)

    def _unqueue(self, event: Event) -> None:
        if event in self.batch:
            self.batch.remove(event)
            event.queued = False
        else:
            super()._unqueue(event)

    def _next(self) -> Event | None:
        if not self.late:
            return self._first_come()
        if self._queues[Tpl.HIGH_LEVEL] and self.tpl < Tpl.HIGH_LEVEL:
            highest = self._queues[Tpl.HIGH_LEVEL].popleft()
            self.scheduler.choose([f"{highest.name} at HIGH_LEVEL"])
            return highest
        while True:
            ways = self._ways()
            if not ways:
                return None
            fresh = [way for way in ways if not self._is_swapped(way)]
            events = [_event(way) for way in fresh]
            ready = [way for way in fresh if self.scheduler.waits_for(_event(way), self.scheduler.stepped)]
            options = [*ready, *(f"step {device}" for device in self.scheduler.steps(events))]
            if not options:
                raise Redundant
            chosen = self.scheduler.choose(options)
            if not chosen.startswith("step "):
                return self._take(chosen)
            self.scheduler.step(chosen.removeprefix("step "))

    def _ways(self) -> list[str]:
        """Return what may run next, as `EVENT at LEVEL`, whichever order and levels the members were queued with."""
        ways: list[str] = []
        for level in (level for level in _LEVELS if level > self.tpl):
            mine = [e for e in self.batch if level in self._levels(e) and level <= self.ceiling]
            ways += [f"{event.name} at {level.name}" for event in mine]
            bound = [event for event in mine if self._levels(event) == (level,)]
            queue = self._queues[level]
            # A private event stands behind all members of its level: once it runs, none of them is left there.
            if queue and not bound and (level is Tpl.NOTIFY or not self.batch):
                ways.append(f"{queue[0].name} at {level.name}")
            if bound and level is Tpl.NOTIFY:
                return ways
            if queue and level is Tpl.NOTIFY:
                return ways
        return ways

    def _is_swapped(self, way: str) -> bool:
        """Tell whether a way is tried elsewhere: before the last one, with which it commutes."""
        scheduler = self.scheduler
        if not scheduler.reduced or scheduler.depth:
            return False
        name, _, level = way.partition(" at ")
        before, _, at = scheduler.last.partition(" at ")
        earlier = before and at == level and any(e.name == name for e in self.batch) and _number(name) < _number(before)
        return bool(earlier and scheduler.commutes(name, before))

    def _take(self, way: str) -> Event:
        name, _, level_name = way.partition(" at ")
        level = Tpl[level_name]
        event = next((e for e in self.batch if e.name == name), None)
        if event is None:
            if level is Tpl.NOTIFY:
                self.ceiling = Tpl.CALLBACK
            self.scheduler.last = ""
            return self._queues[level].popleft()
        self.batch.remove(event)
        event.notify_tpl = level
        self.ceiling = level
        self.scheduler.last = way
        return event

    def _first_come(self) -> Event | None:
        """Take what the core's own queue has at its head, after as many DMA steps as are chosen."""
        while any(queue and tpl > self.tpl for tpl, queue in self._queues.items()):
            devices = self.scheduler.running()
            chosen = self.scheduler.choose([GO_ON, *(f"step {device}" for device in devices)])
            if chosen == GO_ON:
                break
            self.scheduler.step(chosen.removeprefix("step "))
        return super()._next()

    def _notify(self, event: Event) -> None:
        self.scheduler.depth += 1
        self.scheduler.stepped.clear()
        try:
            super()._notify(event)
        except ForeignFailure:
            raise
        except Exception as error:
            how = f"raised {type(error).__name__}: {error}"
            raise ForeignFailure(event.owner, f"run the notification function of {event.name}", how) from error
        self.scheduler.depth -= 1


def _event(way: str) -> str:
    return way.partition(" at ")[0]


def _number(name: str) -> int:
    digits = name.lstrip("E")
    return int(digits) if digits.isdigit() else 0


def open_events(events: type[Events], scheduler: Scheduler, *, late: bool, fixed: frozenset[str]) -> type[Events]:
    """Return an event queue with its freedom left to a scheduler."""
    return type(events.__name__, (OpenEvents, events), {"scheduler": scheduler, "late": late, "fixed": fixed})
