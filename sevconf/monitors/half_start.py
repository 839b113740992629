"""
What a start that fails leaves behind: nothing.

Spec: UEFI 2.10, 11.1 EFI_DRIVER_BINDING_PROTOCOL.Start(): a driver that fails has the device in the state in which it
was before, and has freed what it took.
"""

from dataclasses import dataclass, field

from sevconf.monitors.breach import Breach
from sevconf.trace import (
    DeviceState,
    Entry,
    EventClosed,
    EventCreated,
    MappingEnded,
    MappingMade,
    ServiceCall,
    ServiceReturn,
    Trace,
)
from sevconf.vocabulary import EfiStatus, Party

_START = "DriverBinding.Start"
#: Services that give memory, with the name of the result; and those that take it back, with that of the argument.
_GIVES = {"PciIo.AllocateBuffer": "host", "AllocatePages": "memory", "AllocatePool": "buffer"}
_TAKES = {"PciIo.FreeBuffer": "host", "FreePages": "memory", "FreePool": "buffer"}


@dataclass(slots=True)
class _Taken:
    """What a driver took since its start was called, in words, by what it goes by; with the step of each."""

    driver: str
    held: dict[tuple[str, object], tuple[str, int]] = field(default_factory=dict)

    def see(self, trace: Trace, entry: Entry) -> None:
        """Take one entry in."""
        match entry:
            case MappingMade() if entry.owner == self.driver:
                self.held["mapping", entry.mapping] = f"mapping {entry.mapping} is live", entry.step
            case MappingEnded():
                self.held.pop(("mapping", entry.mapping), None)
            case DeviceState():
                self.held.pop(("device", entry.device), None)
                if entry.running:
                    self.held["device", entry.device] = f"{entry.device} runs", entry.step
            case EventCreated() if entry.actor == self.driver:
                self.held["event", entry.event] = f"{entry.event} is registered", entry.step
            case EventClosed():
                self.held.pop(("event", entry.event), None)
            case ServiceReturn(service=service, status=EfiStatus.SUCCESS):
                self._memory(trace, entry, service)

    def _memory(self, trace: Trace, entry: ServiceReturn, service: str) -> None:
        call = trace.at(entry.call)
        if not isinstance(call, ServiceCall) or call.actor != self.driver:
            return
        if service in _GIVES:
            what = f"memory of {service} is not given back"
            self.held["memory", dict(entry.results).get(_GIVES[service])] = what, entry.step
        elif service in _TAKES:
            self.held.pop(("memory", dict(call.arguments).get(_TAKES[service])), None)


@dataclass(frozen=True, slots=True)
class HalfStarted:
    """A driver's Start returns an error and leaves something mapped, running, registered or allocated."""

    rule: str = "DRV-41"
    party: Party = Party.DRIVER

    def breaches(self, trace: Trace) -> tuple[Breach, ...]:
        """Charge each failed Start for what it took and did not give back."""
        found = []
        for done in trace.of(ServiceReturn):
            if done.service != _START or done.status in (None, EfiStatus.SUCCESS):
                continue
            taken = _Taken(done.actor)
            for entry in trace.since(done.call):
                if entry.step >= done.step:
                    break
                taken.see(trace, entry)
            if taken.held:
                words, steps = zip(*taken.held.values(), strict=True)
                breach = Breach(
                    rule=self.rule,
                    expected="a start that fails leaves nothing mapped, running, registered or allocated",
                    observed=f"the start of step {done.call} failed with {done.status} at step {done.step}, and "
                    f"{', '.join(words)}",
                    culprit=done.actor,
                    steps=(done.call, *steps, done.step),
                )
                found.append(breach)
        return tuple(found)
