"""UEFI cores with one bug each."""

from collections.abc import Sequence

from sevconf.contract.driver import MemoryMap as Answer
from sevconf.faults.fault import Fault
from sevconf.model.boot_services import Core
from sevconf.model.event import Event, Events
from sevconf.model.memory_map import MemoryMap
from sevconf.model.parts import Parts
from sevconf.vocabulary import (
    EVT_SIGNAL_EXIT_BOOT_SERVICES,
    AllocateType,
    EfiStatus,
    EventGroup,
    Gpa,
    MemoryType,
    Party,
)


class DispatchesAsItQueues(Events):
    """Runs each member of a group as soon as it is queued, before the others are."""

    def _signal_members(self, group: str) -> None:
        for event in self.order(self.members(group)):
            self._signal_one(event)
            self.dispatch()


class LastInFirstOut(Events):
    """Puts a notification at the head of its level's queue."""

    def _enqueue(self, event: Event) -> None:
        super()._enqueue(event)
        if event.queued and event.notify_tpl is not None:
            self._queues[event.notify_tpl].rotate(1)


class LowestLevelFirst(Events):
    """Runs pending notifications of the lowest level first."""

    def _next(self) -> Event | None:
        for tpl in sorted(self._queues):
            if self._queues[tpl] and tpl > self.tpl:
                return self._queues[tpl].popleft()
        return None


class ForgetsCreateEventEx(Events):
    """Signals only those exit handlers that CreateEvent made."""

    def members(self, group: str) -> Sequence[Event]:
        """Leave out what joined the exit group by its GUID."""
        found = super().members(group)
        if group != EventGroup.EXIT_BOOT_SERVICES.value:
            return found
        return tuple(event for event in found if event.type == EVT_SIGNAL_EXIT_BOOT_SERVICES)


class CreateEventFirst(Events):
    """Runs exit handlers that CreateEvent made before all that CreateEventEx made, whatever their levels."""

    def _signal_members(self, group: str) -> None:
        if group != EventGroup.EXIT_BOOT_SERVICES.value:
            super()._signal_members(group)
            return
        members = self.order(self.members(group))
        for special in (True, False):
            for event in members:
                if (event.type == EVT_SIGNAL_EXIT_BOOT_SERVICES) is special:
                    self._signal_one(event)
            self.dispatch()


class DropsSignalInHandler(Events):
    """Forgets an event that a notification function signals."""

    depth = 0

    def _notify(self, event: Event) -> None:
        self.depth += 1
        super()._notify(event)
        self.depth -= 1

    def _signal_one(self, event: Event) -> None:
        if not self.depth:
            super()._signal_one(event)

    def _tick(self) -> None:
        depth, self.depth = self.depth, 0
        super()._tick()
        self.depth = depth


class NestsSignalInHandler(DropsSignalInHandler):
    """Runs an event that a notification function signals at once, inside it, whatever the level."""

    def _signal_one(self, event: Event) -> None:
        Events._signal_one(self, event)
        if self.depth and event.queued and event.notify_tpl is not None:
            self._unqueue(event)
            self._notify(event)


class RunsClosedEvent(Events):
    """Leaves the notification of a closed event in the queue."""

    def _unqueue(self, event: Event) -> None:
        event.queued = False


class TicksInHandlers(Events):
    """Lets timers tick on in exit handlers."""

    def pass_time(self, units: int) -> None:
        """Tick, whatever ExitBootServices said."""
        self.timers_on = True
        super().pass_time(units)


class KeyNeverMoves(MemoryMap):
    """Gives every memory map the same MapKey."""

    def _move_key(self) -> None:
        pass


class KeyIgnoresFrees(MemoryMap):
    """Keeps the MapKey when pages are freed."""

    def _convert(self, start: Gpa, pages: int, memory_type: MemoryType) -> None:
        key = self.key
        super()._convert(start, pages, memory_type)
        if memory_type is MemoryType.CONVENTIONAL:
            self.key = key


class KeyMovesOnFailure(MemoryMap):
    """Moves the MapKey also when an allocation fails."""

    def allocate(self, how: AllocateType, memory_type: MemoryType, pages: int, address: int) -> tuple[EfiStatus, Gpa]:
        """Allocate, and move the key even so."""
        status, start = super().allocate(how, memory_type, pages, address)
        if status.is_error:
            self.key += 1
        return status, start


class MapNeverTooSmall(Core):
    """Answers GetMemoryMap with success and no map when the buffer is too small."""

    def get_memory_map(self, buffer_size: int) -> tuple[EfiStatus, Answer]:
        """Hide the status that tells the size."""
        status, answer = super().get_memory_map(buffer_size)
        return (EfiStatus.SUCCESS if status is EfiStatus.BUFFER_TOO_SMALL else status), answer


class AcceptsStaleKey(Core):
    """Takes any MapKey for the current one."""

    def _accepts(self, map_key: int) -> bool:
        del map_key
        return True


class HandlersBeforeKey(Core):
    """Notifies the exit group before it looks at the MapKey."""

    def _accepts(self, map_key: int) -> bool:
        super()._notify_exit()
        return super()._accepts(map_key)

    def _notify_exit(self) -> None:
        pass


class BeforeGroupEachCall(Core):
    """Signals the BeforeExitBootServices group at every call."""

    def _before_exit(self) -> None:
        self._exit_calls = 1
        super()._before_exit()


class BeforeGroupLate(Core):
    """Signals the BeforeExitBootServices group when timers are off already."""

    def _before_exit(self) -> None:
        self.events.timers_on = False
        super()._before_exit()


_ALL_QUEUED = "all members are queued before the first runs, so members of both kinds run by level"
_BY_LEVEL = "the member at TPL_NOTIFY runs before those at TPL_CALLBACK"
_STALE = "a MapKey from before a change of the memory map is refused"

FAULTS = (
    Fault(
        "dispatches-as-it-queues",
        Party.CORE,
        Parts(events=DispatchesAsItQueues),
        ("EVT-01",),
        (("EVT-03", _ALL_QUEUED),),
    ),
    Fault("runs-closed-event", Party.CORE, Parts(events=RunsClosedEvent), ("EVT-01",)),
    Fault("last-in-first-out", Party.CORE, Parts(events=LastInFirstOut), ("EVT-02",)),
    Fault(
        "lowest-level-first",
        Party.CORE,
        Parts(events=LowestLevelFirst),
        ("EVT-02",),
        (("EVT-01", _BY_LEVEL), ("EVT-03", _BY_LEVEL)),
    ),
    Fault("forgets-create-event-ex", Party.CORE, Parts(events=ForgetsCreateEventEx), ("EVT-03",)),
    Fault("create-event-first", Party.CORE, Parts(events=CreateEventFirst), ("EVT-03",)),
    Fault("drops-signal-in-handler", Party.CORE, Parts(events=DropsSignalInHandler), ("EVT-04",)),
    Fault("nests-signal-in-handler", Party.CORE, Parts(events=NestsSignalInHandler), ("EVT-04",)),
    Fault("key-never-moves", Party.CORE, Parts(memory_map=KeyNeverMoves), ("MEM-05",), (("EBS-01", _STALE),)),
    Fault("key-ignores-frees", Party.CORE, Parts(memory_map=KeyIgnoresFrees), ("MEM-05",)),
    Fault("key-moves-on-failure", Party.CORE, Parts(memory_map=KeyMovesOnFailure), ("MEM-06",)),
    Fault("map-never-too-small", Party.CORE, Parts(core=MapNeverTooSmall), ("MEM-07",)),
    Fault("accepts-stale-key", Party.CORE, Parts(core=AcceptsStaleKey), ("EBS-01",)),
    Fault("handlers-before-key", Party.CORE, Parts(core=HandlersBeforeKey), ("EBS-01",)),
    Fault("before-group-each-call", Party.CORE, Parts(core=BeforeGroupEachCall), ("EBS-02",)),
    Fault("before-group-late", Party.CORE, Parts(core=BeforeGroupLate), ("EBS-02",)),
    Fault(
        "ticks-in-handlers",
        Party.CORE,
        Parts(events=TicksInHandlers),
        ("EBS-02",),
        (("EVT-13", "no timer notification runs once exit handlers run, however its timer was armed"),),
    ),
)
