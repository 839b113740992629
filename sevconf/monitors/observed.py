"""What several monitors need to know of a trace: the exit window, live mappings, and whose device is whose."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from sevconf.trace import (
    CBitChanged,
    DeviceRegister,
    DeviceState,
    Dma,
    Entry,
    IommuFault,
    MappingEnded,
    MappingMade,
    NotificationBegan,
    Phase,
    ServiceCall,
    Trace,
    party_of,
)
from sevconf.vocabulary import PAGE_SIZE, CBit, DmaOperation, Party


@dataclass(frozen=True, slots=True)
class ExitWindow:
    """The steps from the accepted MapKey (`opened`) to the end of the last notification (`closed`)."""

    opened: int
    closed: int


def exit_window(trace: Trace) -> ExitWindow | None:
    """
    Find the call of ExitBootServices that took effect, or None if none did.

    A trace that ends inside the window has its last step as `closed`.
    """
    opened = trace.phase(Phase.KEY_ACCEPTED)
    if opened is None:
        return None
    closed = trace.phase(Phase.HANDLERS_DONE, since=opened.step)
    return ExitWindow(opened.step, len(trace) + 1 if closed is None else closed.step)


def in_window(trace: Trace) -> Iterator[Entry]:
    """Yield what happened in the exit window, in order."""
    window = exit_window(trace)
    if window is not None:
        yield from (entry for entry in trace.since(window.opened) if entry.step < window.closed)


def attempts(trace: Trace, *, since: int = 0) -> Iterator[Dma | IommuFault]:
    """Yield what devices did to memory, or would have done but for the IOMMU, behind step `since`."""
    return (entry for entry in trace.since(since) if isinstance(entry, Dma | IommuFault))


def call_path(trace: Trace, entry: Entry) -> tuple[list[ServiceCall], NotificationBegan | None]:
    """
    Return the service calls around an entry, outermost first, up to the notification function that made the first.

    The notification is None where no notification function is around it.
    """
    calls: list[ServiceCall] = []
    for outer in trace.enclosing(entry):
        if isinstance(outer, NotificationBegan):
            return calls[::-1], outer
        if isinstance(outer, ServiceCall):
            calls.append(outer)
    return calls[::-1], None


def inside_unmap(trace: Trace, entry: Entry) -> bool:
    """Tell whether an entry happened inside a call of PciIo.Unmap, and not of the IOMMU driver's own accord."""
    return any(isinstance(e, ServiceCall) and e.service == "PciIo.Unmap" for e in trace.enclosing(entry))


def driver_of(trace: Trace, device: str) -> str:
    """Return the actor that drives a device: the first that touched its registers, or asked for its first mapping."""
    for entry in trace:
        if isinstance(entry, DeviceRegister) and entry.device == device:
            return entry.actor
        if isinstance(entry, MappingMade) and entry.bus_master == device:
            return entry.owner
    return "scenario"


@dataclass(slots=True)
class Observer:
    """
    Follows a trace entry by entry: which mappings are live, and which devices run.

    A mapping ends by Unmap, or when an IOMMU driver makes private again what the device reaches of it.
    """

    live: dict[str, MappingMade] = field(default_factory=dict)
    running: dict[str, int] = field(default_factory=dict)

    def see(self, entry: Entry) -> tuple[MappingMade, ...]:
        """Take one entry in; returns the mappings that it ended."""
        match entry:
            case MappingMade():
                self.live[entry.mapping] = entry
            case MappingEnded():
                ended = self.live.pop(entry.mapping, None)
                return () if ended is None else (ended,)
            case CBitChanged(cbit=CBit.SET) if party_of(entry.actor) == Party.IOMMU_DRIVER.value:
                end = entry.gpa + entry.pages * PAGE_SIZE
                return tuple(m for m in self.live.values() if m.device < end and entry.gpa < m.device + m.length)
            case DeviceState(running=True):
                self.running[entry.device] = entry.step
            case DeviceState(running=False):
                self.running.pop(entry.device, None)
        return ()

    def reaching(self, device: str, address: int, length: int) -> tuple[MappingMade, ...]:
        """Return the device's live mappings that hold all of an access."""
        return tuple(
            m
            for m in self.live.values()
            if m.bus_master == device and m.device <= address and address + length <= m.device + m.length
        )

    def common_buffers(self) -> tuple[MappingMade, ...]:
        """Return the live mappings of common buffers."""
        return tuple(m for m in self.live.values() if m.operation is DmaOperation.COMMON_BUFFER)


@dataclass(frozen=True, slots=True)
class Lives:
    """All mappings of a trace: those still `live` at its end, and the steps at which the others `ended`, by name."""

    live: tuple[MappingMade, ...]
    ended: dict[str, int]


def torn_down(trace: Trace, bus_master: str | None = None) -> list[int]:
    """Return the steps behind the accepted MapKey at which mappings (of one device) ended."""
    window = exit_window(trace)
    if window is None:
        return []
    own = {made.mapping for made in trace.of(MappingMade) if bus_master in {None, made.bus_master}}
    return sorted(step for name, step in lives(trace).ended.items() if step > window.opened and name in own)


def lives(trace: Trace) -> Lives:
    """Follow every mapping to its end: by Unmap, by the IOMMU driver's word, or by the C-bits that it sets."""
    observer = Observer()
    ended: dict[str, int] = {}
    for entry in trace:
        for mapping in observer.see(entry):
            ended[mapping.mapping] = entry.step
            observer.live.pop(mapping.mapping, None)
    return Lives(tuple(observer.live.values()), ended)
