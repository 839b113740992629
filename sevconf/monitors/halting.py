"""
Who halts when: drivers their devices, in their own exit handlers; the IOMMU driver's teardown only behind them.

A device that is never halted breaks the first rule alone. One that is halted too late breaks the second. A teardown
that comes before a driver had its turn is the IOMMU driver's breach.

Spec: UEFI 2.10, 7.4.6 EFI_BOOT_SERVICES.ExitBootServices(); EDK II `OvmfPkg/IoMmuDxe`, whose teardown is deferred for
this reason.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from sevconf.monitors.breach import Breach
from sevconf.monitors.observed import Observer, attempts, driver_of, exit_window, inside_unmap
from sevconf.trace import (
    DeviceState,
    Dma,
    EventCreated,
    EventQueued,
    IommuFault,
    MappingMade,
    NotificationBegan,
    NotificationEnded,
    Phase,
    ServiceCall,
    Trace,
    describe,
    party_of,
)
from sevconf.vocabulary import EventGroup, Party


@dataclass(frozen=True, slots=True)
class DmaAfterExit:
    """A device does DMA, or tries to, although every exit handler has run."""

    rule: str = "DRV-01"
    party: Party = Party.DRIVER

    def breaches(self, trace: Trace) -> tuple[Breach, ...]:
        """Charge each device's first DMA behind the last notification; what starts only then is the OS's."""
        done = trace.phase(Phase.HANDLERS_DONE)
        if done is None:
            return ()
        found: dict[str, Breach] = {}
        started = {e.device: e.step for e in trace.of(DeviceState) if e.running and e.step < done.step}
        restarts = [e for e in trace.of(DeviceState, since=done.step) if e.running]
        for dma in attempts(trace, since=done.step):
            culprit = driver_of(trace, dma.device)
            own = dma.actor == dma.device and not any(e.device == dma.device and e.step < dma.step for e in restarts)
            if dma.device not in found and own and party_of(culprit) == self.party.value:
                found[dma.device] = Breach(
                    rule=self.rule,
                    expected=f"{dma.device} does no DMA once the exit handlers have run",
                    observed=f"it was started at step {started.get(dma.device, 0)} and not halted by step {done.step}, "
                    f"when {done.phase.value}; at step {dma.step} {describe(dma)}, so it uses memory that is the "
                    "OS's now",
                    culprit=culprit,
                    steps=(started.get(dma.device, done.step), done.step, dma.step),
                    subject=dma.device,
                )
        return tuple(found.values())


@dataclass(frozen=True, slots=True)
class _Teardown:
    """A mapping that the IOMMU driver ended at exit while its bus master ran; `pending` handlers were left."""

    mapping: MappingMade
    step: int
    notification: int
    pending: tuple[str, ...]


def _teardowns_under_way(trace: Trace) -> Iterator[_Teardown]:
    window = exit_window(trace)
    if window is None:
        return
    observer = Observer()
    exits = EventGroup.EXIT_BOOT_SERVICES.value
    group = {e.event for e in trace.of(EventCreated) if e.group == exits} | {e.event for e in trace.handlers()}
    pending: list[str] = []
    seen: set[str] = set()
    for entry in trace:
        ended = observer.see(entry)
        if not window.opened < entry.step < window.closed:
            continue
        if isinstance(entry, EventQueued) and entry.event in group:
            pending.append(entry.event)
        elif isinstance(entry, NotificationEnded) and entry.event in pending:
            pending.remove(entry.event)
        if party_of(entry.actor) != Party.IOMMU_DRIVER.value or inside_unmap(trace, entry):
            continue
        for mapping in ended:
            if mapping.mapping not in seen and mapping.bus_master in observer.running:
                seen.add(mapping.mapping)
                began = next((e.step for e in trace.enclosing(entry) if isinstance(e, NotificationBegan)), entry.step)
                own = {e.event for e in trace.enclosing(entry) if isinstance(e, NotificationBegan)}
                yield _Teardown(mapping, entry.step, began, tuple(e for e in pending if e not in own))


def _first_use(trace: Trace, down: _Teardown) -> Dma | IommuFault | None:
    """Return the first access of the device to what its mapping was."""
    start, end = down.mapping.device, down.mapping.device + down.mapping.length
    later = attempts(trace, since=down.step)
    return next((d for d in later if d.device == down.mapping.bus_master and start <= d.address < end), None)


@dataclass(frozen=True, slots=True)
class TeardownTooEarly:
    """A mapping is torn down while its device runs and exit handlers have yet to run."""

    rule: str = "EBS-06"
    party: Party = Party.IOMMU_DRIVER

    def breaches(self, trace: Trace) -> tuple[Breach, ...]:
        """Charge each device's first mapping."""
        found: dict[str, Breach] = {}
        for down in _teardowns_under_way(trace):
            device = down.mapping.bus_master
            if down.pending and device not in found:
                used = _first_use(trace, down)
                use = "" if used is None else f"; at step {used.step} {describe(used)}, so it uses what is not there"
                culprit = trace.at(down.step).actor
                found[device] = Breach(
                    rule=self.rule,
                    expected="a mapping is torn down only after every driver had its turn to halt its device",
                    observed=f"{down.mapping.mapping} was torn down at step {down.step} by {culprit}, in the "
                    f"notification that began at step {down.notification}, while {device} ran and "
                    f"{len(down.pending)} exit handlers had yet to run ({', '.join(down.pending)}){use}",
                    culprit=culprit,
                    steps=(down.mapping.step, down.notification, *(() if used is None else (used.step,)), down.step),
                    subject=device,
                )
        return tuple(found.values())


@dataclass(frozen=True, slots=True)
class HaltTooLate:
    """A driver halts its device, but only after the exit handlers, when its mappings are torn down already."""

    rule: str = "DRV-02"
    party: Party = Party.DRIVER

    def breaches(self, trace: Trace) -> tuple[Breach, ...]:
        """Charge each device that was halted behind its teardown, by a driver that had had its turn."""
        found: dict[str, Breach] = {}
        for down in _teardowns_under_way(trace):
            device = down.mapping.bus_master
            halted = next((e for e in trace.of(DeviceState, since=down.step) if e.device == device), None)
            culprit = driver_of(trace, device)
            late = halted is not None and not halted.running and not down.pending
            if halted is not None and late and device not in found and party_of(culprit) == self.party.value:
                used = _first_use(trace, down)
                use = "" if used is None else f", so at step {used.step} {describe(used)}, which is not there any more"
                found[device] = Breach(
                    rule=self.rule,
                    expected=f"{device} is halted by its driver's own exit handler",
                    observed=f"every exit handler had returned when {down.mapping.mapping} was torn down at step "
                    f"{down.step}, and {device} ran until step {halted.step}{use}",
                    culprit=culprit,
                    steps=(down.mapping.step, down.step, *(() if used is None else (used.step,)), halted.step),
                    subject=device,
                )
        return tuple(found.values())


@dataclass(frozen=True, slots=True)
class UnmapsWhileRunning:
    """A driver that stops, or that hands over, unmaps before its device is halted."""

    rule: str = "DRV-09"
    party: Party = Party.DRIVER

    def breaches(self, trace: Trace) -> tuple[Breach, ...]:
        """Charge each device's first such Unmap, in Stop or in an exit handler."""
        found: dict[str, Breach] = {}
        observer = Observer()
        for entry in trace:
            if (
                isinstance(entry, ServiceCall)
                and entry.service == "PciIo.Unmap"
                and party_of(entry.actor) == self.party.value
            ):
                mapping = observer.live.get(str(dict(entry.arguments).get("mapping")))
                where = _parting(trace, entry)
                if mapping and where and mapping.bus_master in observer.running and mapping.bus_master not in found:
                    device = mapping.bus_master
                    found[device] = Breach(
                        rule=self.rule,
                        expected=f"{device} is halted before what it uses is unmapped",
                        observed=f"{entry.actor} unmaps {mapping.mapping} at step {entry.step}, {where}, while "
                        f"{device}, started at step {observer.running[device]}, still runs",
                        culprit=entry.actor,
                        steps=(observer.running[device], mapping.step, entry.step),
                        subject=device,
                    )
            observer.see(entry)
        return tuple(found.values())


def _parting(trace: Trace, entry: ServiceCall) -> str:
    for outer in trace.enclosing(entry):
        if isinstance(outer, ServiceCall) and outer.service == "DriverBinding.Stop":
            return "in Stop"
        if isinstance(outer, NotificationBegan) and outer.group == EventGroup.EXIT_BOOT_SERVICES.value:
            return "in its exit handler"
    return ""
