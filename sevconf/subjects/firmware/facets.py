"""The core's services on real firmware, behind the contract's facet: each act of a step becomes an act of the agent."""

from sevconf.contract import Act, EventSpec, MemoryMap
from sevconf.errors import LostContact, Unsupported
from sevconf.subjects.firmware.guest import Guest
from sevconf.subjects.firmware.story import Planned, Story, status_of
from sevconf.subjects.firmware.wire import SCRIPT, SLOTS, Command, Flag, Record, Service, Told, ranges
from sevconf.vocabulary import (
    PAGE_SIZE,
    AllocateType,
    EfiStatus,
    Gpa,
    Gva,
    MemoryDescriptor,
    MemoryType,
    TimerDelay,
    Tpl,
)

_LARGE = 1 << 20
_NULL_SLOT = SLOTS - 1
_TYPES = set(MemoryType)


def _allocation(how: AllocateType, memory_type: MemoryType, pages: int, address: int = 0) -> Command:
    return Command(Service.AllocatePages, a=how | memory_type << 8, b=pages, c=address)


class CoreFacet:
    """The core's services; events go by their names, each of which has a slot of the agent."""

    def __init__(self, guest: Guest, story: Story) -> None:
        self._guest = guest
        self._story = story
        self._slots: dict[str, int] = {}
        self._gone = False

    def _act(self, command: Command, script: tuple[Command, ...] = (), *, extra: float = 0) -> Told | None:
        if self._gone:
            raise Unsupported("the agent calls no boot service once ExitBootServices has returned success")
        last = None
        for record in self._guest.act(command, script, extra=extra):
            self._story.tell(record)
            # A timer's notification may run behind the return, before the agent is back at its prompt.
            if record.kind is Record.RETURN and self._story.depth == 0:
                last = record
        return last

    def _call(self, command: Command, script: tuple[Command, ...] = (), *, extra: float = 0) -> tuple[EfiStatus, int]:
        last = self._returned(self._act(command, script, extra=extra), command.service)
        return status_of(last.values[0], command.service.name), last.values[1]

    @staticmethod
    def _returned(last: Told | None, service: Service) -> Told:
        if last is None or last.number != service:
            raise LostContact("firmware", f"the agent was asked for {service.name}, and tells no return of it")
        return last

    # Events

    def _slot(self, name: str) -> int:
        return self._slots.get(name, _NULL_SLOT)

    def _reserve(self, name: str) -> int:
        if name not in self._slots and len(self._slots) == _NULL_SLOT:
            raise Unsupported(f"the agent has {_NULL_SLOT} slots for events, not more")
        return self._slots.setdefault(name, len(self._slots))

    def _plan(self, spec: EventSpec) -> int:
        slot = self._reserve(spec.name)
        self._story.events[slot] = Planned(spec.name, spec.type, spec.tpl, spec.group)
        return slot

    def _creation(self, spec: EventSpec) -> Command:
        flags = (Flag.NOTIFY if spec.tpl is not None else 0) | (Flag.GROUP if spec.group is not None else 0)
        grouped = spec.group is not None or spec.by_create_event_ex
        service = Service.CreateEventEx if grouped else Service.CreateEvent
        tpl = Tpl.APPLICATION if spec.tpl is None else spec.tpl
        return Command(service, self._plan(spec), flags, spec.type, tpl, guid=spec.group)

    def create_event(self, spec: EventSpec) -> EfiStatus:
        """CreateEvent, or CreateEventEx for a group or on request."""
        command = self._creation(spec)
        if len(spec.script) > SCRIPT:
            raise Unsupported(f"the agent's scripts have {SCRIPT} acts at most, not {len(spec.script)}")
        return self._call(command, tuple(self._scripted(act) for act in spec.script))[0]

    def _scripted(self, act: Act) -> Command:
        match act.service:
            case "SignalEvent":
                return Command(Service.SignalEvent, self._reserve(act.event))
            case "CloseEvent":
                return Command(Service.CloseEvent, self._reserve(act.event))
            case "CreateEvent":
                return self._creation(EventSpec(act.event, act.type, act.tpl, act.group))
            case "AllocatePool":
                return Command(Service.AllocatePool, flags=Flag.KEPT, a=MemoryType.BOOT_SERVICES_DATA, b=act.size)
            case "FreePool":
                return Command(Service.FreePool, flags=Flag.KEPT)
            case "AllocatePages":
                return _allocation(AllocateType.ANY_PAGES, MemoryType.BOOT_SERVICES_DATA, act.size)
            case "RaiseTPL":
                return Command(Service.RaiseTPL, a=act.tpl or Tpl.HIGH_LEVEL)
            case "GetMemoryMap":
                return Command(Service.GetMemoryMap, a=_LARGE)
            case "Stall":
                return Command(Service.Stall, a=act.size)
            case "SetTimer":
                return Command(Service.SetTimer, self._reserve(act.event), a=TimerDelay.RELATIVE, b=act.size)

    def signal_event(self, name: str) -> EfiStatus:
        """SignalEvent."""
        return self._call(Command(Service.SignalEvent, self._slot(name)))[0]

    def close_event(self, name: str) -> EfiStatus:
        """CloseEvent."""
        return self._call(Command(Service.CloseEvent, self._slot(name)))[0]

    def check_event(self, name: str) -> EfiStatus:
        """CheckEvent."""
        return self._call(Command(Service.CheckEvent, self._slot(name)))[0]

    def wait_for_event(self, name: str) -> EfiStatus:
        """WaitForEvent."""
        return self._call(Command(Service.WaitForEvent, self._slot(name)))[0]

    def set_timer(self, name: str, delay: TimerDelay, trigger_time: int) -> EfiStatus:
        """SetTimer."""
        return self._call(Command(Service.SetTimer, self._slot(name), a=delay, b=trigger_time))[0]

    def pass_time(self, units: int) -> None:
        """Let the agent stall, unrecorded; at or below the level of the core's timer, timers tick."""
        self._act(Command(Service.PassTime, a=units // 10), extra=units / 10**7)

    # Levels

    def raise_tpl(self, tpl: Tpl) -> Tpl:
        """RaiseTPL."""
        return Tpl(self._call(Command(Service.RaiseTPL, a=tpl))[1])

    def restore_tpl(self, tpl: Tpl) -> None:
        """RestoreTPL."""
        self._act(Command(Service.RestoreTPL, a=tpl))

    # Memory

    def allocate_pages(
        self,
        pages: int,
        memory_type: MemoryType = MemoryType.BOOT_SERVICES_DATA,
        *,
        at: int | None = None,
        below: int | None = None,
    ) -> tuple[EfiStatus, Gva]:
        """AllocatePages."""
        how, address = AllocateType.ANY_PAGES, 0
        if at is not None:
            how, address = AllocateType.ADDRESS, at
        elif below is not None:
            how, address = AllocateType.MAX_ADDRESS, below - 1
        status, start = self._call(_allocation(how, memory_type, pages, address))
        return status, Gva(start)

    def free_pages(self, address: Gva, pages: int) -> EfiStatus:
        """FreePages."""
        return self._call(Command(Service.FreePages, a=address, b=pages))[0]

    def allocate_pool(
        self, size: int, memory_type: MemoryType = MemoryType.BOOT_SERVICES_DATA
    ) -> tuple[EfiStatus, Gva]:
        """AllocatePool."""
        status, buffer = self._call(Command(Service.AllocatePool, a=memory_type, b=size))
        return status, Gva(buffer)

    def free_pool(self, buffer: Gva) -> EfiStatus:
        """FreePool."""
        return self._call(Command(Service.FreePool, a=buffer))[0]

    def memory_map(self, buffer_size: int | None = None) -> tuple[EfiStatus, MemoryMap]:
        """GetMemoryMap; types that UEFI does not define count as reserved."""
        size = _LARGE if buffer_size is None else buffer_size
        command = Command(Service.GetMemoryMap, flags=Flag.RANGES, a=size)
        last = self._returned(self._act(command), command.service)
        status, needed, key, step = last.values[:4]
        descriptors = tuple(
            MemoryDescriptor(MemoryType(kind) if kind in _TYPES else MemoryType.RESERVED, Gpa(page * PAGE_SIZE), pages)
            for kind, page, pages in ranges(last.rest)
        )
        return status_of(status, command.service.name), MemoryMap(needed, key, step, descriptors)

    # Others

    def exit_boot_services(self, map_key: int) -> EfiStatus:
        """ExitBootServices."""
        status, _ = self._call(Command(Service.ExitBootServices, a=map_key))
        self._gone = status is EfiStatus.SUCCESS
        return status

    def stall(self, microseconds: int) -> EfiStatus:
        """Stall."""
        return self._call(Command(Service.Stall, a=microseconds), extra=microseconds / 10**6)[0]

    def locate_protocol(self, guid: str) -> EfiStatus:
        """LocateProtocol."""
        return self._call(Command(Service.LocateProtocol, guid=guid))[0]

    def remove_private_protocols(self) -> None:
        """Say that this cannot be done: a platform's protocols are its own."""
        raise Unsupported("real firmware keeps its platform's protocols")
