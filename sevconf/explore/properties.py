"""
What must hold in every run: all monitors, no leak at any step, and that the hand-over comes to its end.

Properties have the ids of the rules of `features/` that they belong to, and read the trace, and the disks.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sevconf.contract.disk import BLOCK
from sevconf.explore.machine import FIRST_BLOCK, FLYING_BLOCK, OLD, ExploredMachine
from sevconf.model.devices.disk import Disk
from sevconf.monitors import charge
from sevconf.monitors.life import leaks_at_any_step
from sevconf.monitors.observed import exit_window, lives
from sevconf.trace import (
    EventClosed,
    EventCreated,
    EventQueued,
    IommuFault,
    NotificationBegan,
    Phase,
    Trace,
    describe,
)
from sevconf.vocabulary import EfiStatus, EventGroup, MachineKind, Party, Tpl


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule that a run breaks: its id, what was seen, who is to blame (or empty), and the steps that prove it."""

    rule: str
    observed: str
    culprit: str
    steps: tuple[int, ...]


#: What is looked for, in words, by the rule that it belongs to; monitors come on top.
PROPERTIES = {
    "EBS-07": "teardown happens: no mapping is live once ExitBootServices has returned",
    "EBS-09": "every block on a disk is as it was, or as it was commanded",
    "EBS-30": "at no step do data lie in plaintext outside live mappings",
    "EVT-01": "all members of the exit group are queued before the first runs",
    "EVT-02": "higher levels run first, and within a level notifications run in the order in which they were queued",
    "EVT-03": "every exit handler runs, once",
    "EVT-04": "whatever is queued while handlers run, runs before boot services end, and inside no other at its level",
    "EBS-03": "ExitBootServices returns success to a loader that uses it rightly",
    "IOM-05": "until every exit handler has run, no DMA faults",
}


def violations(machine: ExploredMachine, status: EfiStatus | None) -> tuple[Violation, ...]:
    """Judge a run so far; `status` is the loader's, once it has come to its end."""
    trace = machine.trace
    found = [Violation(b.rule, b.observed, b.culprit, b.steps) for b in charge(trace, frozenset(Party))]
    if machine.kind is MachineKind.SEV:
        leak = next(leaks_at_any_step(trace), None)
        if leak is not None:
            found.append(Violation("EBS-30", leak.observed, "", leak.steps))
    found += _faults(trace)
    found += _order(trace, exact=not machine.late)
    if status is not None:
        found += _end(machine, status)
    first: dict[str, Violation] = {}
    for violation in found:
        first.setdefault(violation.rule, violation)
    return tuple(first[rule] for rule in sorted(first))


def _faults(trace: Trace) -> Iterator[Violation]:
    window = exit_window(trace)
    if window is not None:
        for fault in trace.of(IommuFault, since=window.opened):
            if fault.step < window.closed:
                yield Violation("IOM-05", describe(fault), "", (window.opened, fault.step))
                return


def _order(trace: Trace, *, exact: bool) -> Iterator[Violation]:
    """Hold what was queued against what ran; `exact`: the order inside the group was fixed when it was queued."""
    group = EventGroup.EXIT_BOOT_SERVICES.value
    members = {e.event for e in trace.of(EventCreated) if e.group == group}
    window = exit_window(trace)
    if window is None:
        return
    queues: dict[Tpl, list[str]] = {}
    began: list[str] = []
    open_levels: list[tuple[int, Tpl]] = []
    for entry in trace.since(window.opened):
        if entry.step >= window.closed:
            break
        match entry:
            case EventQueued():
                if entry.event in members and began:
                    first = f"{entry.event} is queued at step {entry.step}, when {began[0]} has run"
                    yield Violation("EVT-01", first, "core", (entry.step,))
                    return
                queues.setdefault(entry.notify_tpl, []).append(entry.event)
            case EventClosed():
                for queue in queues.values():
                    if entry.event in queue:
                        queue.remove(entry.event)
            case NotificationBegan():
                if entry.event in members:
                    began.append(entry.event)
                inner = [lvl for step, lvl in open_levels if any(o.step == step for o in trace.enclosing(entry))]
                if inner and inner[-1] >= entry.tpl:
                    told = f"{entry.event} runs at step {entry.step} at {entry.tpl.name} inside one at {inner[-1].name}"
                    yield Violation("EVT-04", told, "core", (entry.step,))
                    return
                open_levels.append((entry.step, entry.tpl))
                highest = max((tpl for tpl, queue in queues.items() if queue), default=None)
                queue = queues.get(highest, []) if highest is not None else []
                if exact and (not queue or queue[0] != entry.event):
                    told = f"{entry.event} runs at step {entry.step}, and {queue[0] if queue else 'nothing'} was first"
                    yield Violation("EVT-02", told, "core", (entry.step,))
                    return
                for waiting in queues.values():
                    if entry.event in waiting:
                        waiting.remove(entry.event)


def _end(machine: ExploredMachine, status: EfiStatus) -> Iterator[Violation]:
    trace = machine.trace
    last = len(trace)
    if status is not EfiStatus.SUCCESS:
        yield Violation("EBS-03", f"the OS loader ends with {status.name}", "", (last,))
        return
    done = trace.phase(Phase.HANDLERS_DONE)
    end = done.step if done is not None else last
    yield from _all_ran(trace, end)
    if machine.kind is MachineKind.SEV:
        live = [made.mapping for made in lives(trace).live]
        if live:
            told = f"{', '.join(live)} are live when ExitBootServices has returned"
            yield Violation("EBS-07", told, machine.iommu.actor, (end,))
    for number, device in enumerate(machine.masters, 1):
        if isinstance(device, Disk):
            yield from _garbage(machine, number, device, end)


def _all_ran(trace: Trace, end: int) -> Iterator[Violation]:
    group = EventGroup.EXIT_BOOT_SERVICES.value
    closed = {e.event for e in trace.of(EventClosed)}
    members = [e.event for e in trace.of(EventCreated) if e.group == group and e.event not in closed]
    ran = [entry.event for entry in trace.of(NotificationBegan) if entry.group == group]
    for event in members:
        if ran.count(event) != 1:
            yield Violation("EVT-03", f"the exit handler {event} ran {ran.count(event)} times", "core", (end,))
            return
    window = exit_window(trace)
    since = window.opened if window else 0
    queued = [entry.event for entry in trace.of(EventQueued, since=since) if entry.event not in closed]
    began = [entry.event for entry in trace.of(NotificationBegan, since=since)]
    called = [c for c in trace.calls("SignalEvent") if c.step > since and c.step < end]
    asked = [str(dict(call.arguments).get("event")) for call in called]
    for event in dict.fromkeys([*queued, *asked]):
        if event not in began:
            yield Violation("EVT-04", f"{event} was signaled, and never ran", "core", (end,))
            return


def _garbage(machine: ExploredMachine, number: int, disk: Disk, end: int) -> Iterator[Violation]:
    old = OLD * BLOCK
    secrets = {secret.name: secret.data for secret in machine.secrets}
    legal: dict[int, Sequence[bytes]] = {
        FIRST_BLOCK: (secrets.get(f"stored-{number}", old),),
        FLYING_BLOCK: (old, secrets.get(f"flying-{number}", old)),
    }
    touched = {place // BLOCK for place in _changed(disk.medium)}
    for block in sorted(touched | {FIRST_BLOCK, FLYING_BLOCK}):
        held = bytes(disk.medium[block * BLOCK : (block + 1) * BLOCK])
        if held not in legal.get(block, (old,)):
            told = f"block {block} of {disk.actor} holds neither what it held nor what it was commanded to hold"
            yield Violation("EBS-09", told, machine.iommu.actor, (end,))
            return


def _changed(medium: bytearray) -> Iterator[int]:
    """Yield the first byte of each block that no longer holds what it held before any driver started."""
    old = OLD * BLOCK
    for start in range(0, len(medium), BLOCK):
        if medium[start : start + BLOCK] != old:
            yield start
