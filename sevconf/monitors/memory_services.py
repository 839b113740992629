"""
No memory services while ExitBootServices runs its handlers: neither called, nor brought about.

A call counts against whoever's notification function made it, or made the call inside which it happened. One thing is
charged to the IOMMU driver instead: what it does inside a driver's Unmap of a common buffer, because the driver can't
know it and the specification doesn't forbid it.

Spec: UEFI 2.10, 7.1.2 CreateEventEx on EFI_EVENT_GROUP_EXIT_BOOT_SERVICES; 7.4.6 EFI_BOOT_SERVICES.ExitBootServices().
"""

from collections.abc import Iterator
from dataclasses import dataclass

from sevconf.monitors.breach import Breach
from sevconf.monitors.observed import call_path, exit_window, in_window
from sevconf.trace import MappingMade, ServiceCall, Trace, describe, party_of
from sevconf.vocabulary import INDIRECT_MEMORY_SERVICES, MEMORY_SERVICES, DmaOperation, Party


@dataclass(frozen=True, slots=True)
class _Use:
    """A service call in the exit window: who is behind it, by which calls of its own (`path`), from which handler."""

    call: ServiceCall
    culprit: str
    path: tuple[ServiceCall, ...]
    handler: int

    def breach(self, rule: str, expected: str, trace: Trace) -> Breach:
        """Put it as a breach, from the accepted key to the call."""
        window = exit_window(trace)
        opened = () if window is None else (window.opened,)
        way = f", inside {' inside '.join(c.service for c in reversed(self.path))}," if self.path else ""
        return Breach(
            rule=rule,
            expected=expected,
            observed=f"{self.call.service} is called{way} from the notification function that began at step "
            f"{self.handler}: {describe(self.call)}, so the memory map that the OS loader holds may be stale",
            culprit=self.culprit,
            steps=(*opened, self.handler, *(c.step for c in self.path), self.call.step),
        )


def _uses(trace: Trace, services: frozenset[str]) -> Iterator[_Use]:
    for entry in in_window(trace):
        if isinstance(entry, ServiceCall) and entry.service in services:
            path, handler = call_path(trace, entry)
            if handler is not None:
                yield _Use(entry, path[0].actor if path else entry.actor, tuple(path), handler.step)


def _unmaps_common_buffer(trace: Trace, use: _Use) -> bool:
    for call in use.path:
        mapping = dict(call.arguments).get("mapping") if call.service == "PciIo.Unmap" else None
        for made in trace.of(MappingMade):
            if made.mapping == mapping and made.operation is DmaOperation.COMMON_BUFFER:
                return True
    return False


@dataclass(frozen=True, slots=True)
class DirectUse:
    """A driver's handler calls a memory service itself."""

    rule: str = "MEM-01"
    party: Party = Party.DRIVER

    def breaches(self, trace: Trace) -> tuple[Breach, ...]:
        """Find the calls that the handler made itself."""
        return tuple(
            use.breach(self.rule, "no exit handler of a driver calls a memory allocation service", trace)
            for use in _uses(trace, MEMORY_SERVICES)
            if not use.path and party_of(use.culprit) == self.party.value
        )


@dataclass(frozen=True, slots=True)
class IndirectUse:
    """A driver's handler calls something that calls a memory service."""

    rule: str = "MEM-02"
    party: Party = Party.DRIVER

    def breaches(self, trace: Trace) -> tuple[Breach, ...]:
        """Find the calls that happened inside other services; Unmap of a common buffer is the IOMMU driver's."""
        return tuple(
            use.breach(self.rule, "no exit handler of a driver calls what uses memory allocation services", trace)
            for use in _uses(trace, MEMORY_SERVICES)
            if use.path and party_of(use.culprit) == self.party.value and not _unmaps_common_buffer(trace, use)
        )


@dataclass(frozen=True, slots=True)
class EventServicesAtExit:
    """A driver's handler creates or closes an event, which allocates or frees in some cores."""

    rule: str = "MEM-03"
    party: Party = Party.DRIVER

    def breaches(self, trace: Trace) -> tuple[Breach, ...]:
        """Find the calls that the handler made itself."""
        return tuple(
            use.breach(self.rule, "an exit handler of a driver should neither create nor close events", trace)
            for use in _uses(trace, INDIRECT_MEMORY_SERVICES)
            if not use.path and party_of(use.culprit) == self.party.value
        )


@dataclass(frozen=True, slots=True)
class TeardownUse:
    """The IOMMU driver's handler, or the private event behind it, uses a memory service."""

    rule: str = "MEM-04"
    party: Party = Party.IOMMU_DRIVER

    def breaches(self, trace: Trace) -> tuple[Breach, ...]:
        """Find direct and indirect calls alike: the IOMMU driver knows what its own code does."""
        return tuple(
            use.breach(self.rule, "no notification of the IOMMU driver uses memory allocation services", trace)
            for use in _uses(trace, MEMORY_SERVICES)
            if party_of(use.culprit) == self.party.value
        )


@dataclass(frozen=True, slots=True)
class UnmapReleases:
    """Unmap of a common buffer, called from an exit handler, uses a memory service."""

    rule: str = "DMA-08"
    party: Party = Party.IOMMU_DRIVER

    def breaches(self, trace: Trace) -> tuple[Breach, ...]:
        """Charge the IOMMU driver for what it does inside a driver's Unmap."""
        found = []
        for use in _uses(trace, MEMORY_SERVICES):
            if party_of(use.call.actor) == self.party.value and _unmaps_common_buffer(trace, use):
                expected = "Unmap of a common buffer allocates and frees nothing while ExitBootServices runs"
                guilty = _Use(use.call, use.call.actor, use.path, use.handler)
                found.append(guilty.breach(self.rule, expected, trace))
        return tuple(found)
