"""
When two runs have come to the same state, and what each notification has to do with.

A state is all that can matter later: memory that was written since the hand-over began, devices, drivers, IOMMU driver,
queues, the choices that are left, and of the past what a monitor may still need. Objects of foreign drivers that cannot
be told apart make a state that equals no other: nothing is merged then, and every run is played.
"""

import hashlib
import zlib
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

from sevconf.contract.disk import BLOCK
from sevconf.explore.machine import ExploredMachine
from sevconf.explore.scheduler import EVERYTHING
from sevconf.model.boot_services import Core
from sevconf.model.bus import Bus
from sevconf.model.devices.base import PciFunction
from sevconf.model.devices.disk import Disk
from sevconf.model.encrypted_ram import EncryptedRam
from sevconf.model.event import Events
from sevconf.model.guest import Guest
from sevconf.model.iommu.base import MappingLedger
from sevconf.model.mmu import Mmu
from sevconf.model.pci_io import PciIo
from sevconf.model.recorder import Recorder
from sevconf.model.root_bridge import RootBridge
from sevconf.monitors.halting import TeardownTooEarly
from sevconf.monitors.observed import Observer
from sevconf.trace import (
    CBitChanged,
    DeviceRegister,
    DeviceState,
    Dma,
    EventClosed,
    EventCreated,
    EventQueued,
    ExitPhase,
    GuestAccess,
    IommuCommand,
    IommuFault,
    IommuState,
    MapChanged,
    MappingEnded,
    MappingMade,
    NotificationBegan,
    ServiceCall,
    Trace,
    party_of,
)
from sevconf.vocabulary import PAGE_SIZE, Gpa, Party

#: Objects that are no part of a driver's own state: what they hold is told apart otherwise, or is fixed.
_SURROUNDINGS = (
    *(Core, Bus, EncryptedRam, Events, Guest, MappingLedger, Mmu, PciIo, Recorder, RootBridge, PciFunction, type),
)
_ALLOCATION = frozenset({"AllocatePages", "FreePages", "AllocatePool", "FreePool"})
_TIME = frozenset({"Stall", "WaitForEvent", "SetTimer"})


class _Opaque(Exception):
    """An object whose state cannot be told."""


def digest(machine: ExploredMachine, since: int, broken: Iterable[str]) -> str | None:
    """Return what equals in equal states, or None if the state cannot be told; `since`: where the hand-over began."""
    try:
        told = repr((_schedule(machine), _objects(machine, since), tuple(sorted(broken)), _past(machine.trace)))
    except _Opaque:
        return None
    text = hashlib.blake2b(told.encode(), digest_size=16)
    cbits = {
        page: int(entry.cbit.value == "set")
        for entry in machine.trace.of(CBitChanged, since=since)
        for page in _pages(int(entry.gpa), entry.pages * PAGE_SIZE)
    }
    text.update(repr(sorted(cbits.items())).encode())
    for page in sorted(_written(machine.trace, since)):
        text.update(page.to_bytes(8, "little"))
        text.update(machine.ram.read_raw(Gpa(page), PAGE_SIZE))
    return text.hexdigest()


def _schedule(machine: ExploredMachine) -> tuple[Any, ...]:
    events, scheduler = machine.events, machine.scheduler
    waiting = [[event.name for event in queue] for queue in events._queues.values()]
    known = [
        (event.name, event.signaled, event.queued, event.due, int(event.notify_tpl or 0))
        for event in events._events.values()
    ]
    phase = machine.trace.last(ExitPhase)
    batch = [event.name for event in getattr(events, "batch", ())]
    ceiling = int(getattr(events, "ceiling", 0))
    left = (scheduler.budget, tuple(scheduler.stepped), scheduler.last)
    return waiting, known, batch, ceiling, left, phase and phase.phase.value, events.now, machine.core.map.key


def _objects(machine: ExploredMachine, since: int) -> tuple[Any, ...]:
    moved = {e.device for e in machine.trace.of(Dma, since=since) if not e.write and e.length >= BLOCK}
    devices = [
        tuple((name, _device_value(name, value, moved, device)) for name, value in sorted(vars(device).items()))
        for device in machine.masters
    ]
    return devices, [_plain(driver, 0) for driver in machine.drivers], _plain(machine.iommu, 0), _plain(machine.unit, 0)


def _device_value(name: str, value: Any, moved: set[str], device: Any) -> Any:
    if isinstance(device, Disk) and name == "medium":
        return zlib.crc32(value) if device.actor in moved else 0
    return _plain(value, 1)


def _plain(value: Any, depth: int) -> Any:
    """Return a value as numbers, texts and tuples."""
    if value is None or isinstance(value, bool | int | str | bytes | float):
        return value
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, bytearray | memoryview):
        return bytes(value)
    if isinstance(value, _SURROUNDINGS) or callable(value):
        return type(value).__name__
    if depth > 6:
        raise _Opaque
    if isinstance(value, Mapping):
        return tuple(sorted((repr(_plain(k, depth + 1)), _plain(v, depth + 1)) for k, v in value.items()))
    if isinstance(value, set | frozenset):
        return tuple(sorted(repr(_plain(item, depth + 1)) for item in value))
    if isinstance(value, list | tuple | deque):
        return tuple(_plain(item, depth + 1) for item in value)
    if is_dataclass(value) and not isinstance(value, type):
        return tuple(_plain(getattr(value, field.name), depth + 1) for field in fields(value))
    if hasattr(value, "__dict__"):
        return type(value).__name__, tuple((n, _plain(v, depth + 1)) for n, v in sorted(vars(value).items()))
    raise _Opaque


def _past(trace: Trace) -> tuple[Any, ...]:
    """Return what monitors may still need: which mappings are live, and which ended under running devices."""
    observer = Observer()
    under_way: list[str] = []
    for entry in trace:
        under_way += [m.mapping for m in observer.see(entry) if m.bus_master in observer.running]
    early = sorted(breach.subject for breach in TeardownTooEarly().breaches(trace)) if under_way else ()
    return sorted(observer.live), sorted(observer.running), tuple(under_way), tuple(early)


def _written(trace: Trace, since: int) -> set[int]:
    """Return the pages of RAM that were written since a step."""
    pages: set[int] = set()
    for entry in trace.since(since):
        if isinstance(entry, GuestAccess) and entry.write:
            pages |= _pages(int(entry.gpa), entry.length)
        elif isinstance(entry, Dma) and entry.write:
            pages |= _pages(entry.address, entry.length)
        elif isinstance(entry, CBitChanged):
            pages |= _pages(int(entry.gpa), entry.pages * PAGE_SIZE)
    return pages


def _pages(start: int, length: int) -> set[int]:
    return set(range(start // PAGE_SIZE * PAGE_SIZE, start + length, PAGE_SIZE))


def footprints(trace: Trace, since: int) -> dict[str, frozenset[str]]:
    """Return what the notifications of each event had to do with: devices, pages, queues, the memory map."""
    owners: dict[int, set[str]] = {}
    for made in trace.of(MappingMade):
        for page in _pages(int(made.host), made.length) | _pages(made.device, made.length):
            owners.setdefault(page, set()).add(made.bus_master)
    masters = {made.mapping: made.bus_master for made in trace.of(MappingMade)}
    inside: dict[int, tuple[str, ...]] = {}
    found: dict[str, set[str]] = {}
    for entry in trace.since(since):
        around = inside.get(entry.within, ()) if entry.within is not None else ()
        if isinstance(entry, NotificationBegan):
            around = (*around, entry.event)
            found.setdefault(entry.event, set())
        inside[entry.step] = around
        if around:
            tokens = _tokens(entry, owners, masters)
            for event in around:
                found[event] |= tokens
    return {event: frozenset(tokens) for event, tokens in found.items()}


def _tokens(entry: Any, owners: Mapping[int, set[str]], masters: Mapping[str, str]) -> set[str]:
    match entry:
        case DeviceRegister() | DeviceState() | IommuFault() | Dma():
            return {entry.device}
        case MappingMade():
            return {entry.bus_master}
        case MappingEnded():
            return {masters.get(entry.mapping, EVERYTHING)}
        case GuestAccess() | CBitChanged():
            length = entry.length if isinstance(entry, GuestAccess) else entry.pages * PAGE_SIZE
            pages = _pages(int(entry.gpa), length)
            if party_of(entry.actor) == Party.IOMMU_DRIVER.value and not pages <= owners.keys():
                # Its tables, say: what they mean to a device is not told by where they lie.
                return {EVERYTHING}
            return {f"page {page:#x}" for page in pages}.union(*(owners.get(page, set()) for page in pages))
        case EventQueued():
            return {f"queue {entry.notify_tpl.name}"}
        case EventCreated() | EventClosed():
            return {"events"}
        case MapChanged():
            return {"memory map"}
        case ServiceCall(service=service) if service in _ALLOCATION:
            return {"memory map"}
        case ServiceCall(service=service) if service in _TIME:
            return {EVERYTHING}
        case IommuState() | IommuCommand():
            return {EVERYTHING}
    return set()
