"""
What a driver owes its mappings: buffers of the right origin, freed after Unmap; one Unmap for each Map.

Spec: UEFI 2.10, 14.4 EFI_PCI_IO_PROTOCOL.Map() (a common buffer comes from AllocateBuffer), Unmap(), FreeBuffer();
11.1 EFI_DRIVER_BINDING_PROTOCOL.Stop().
"""

from dataclasses import dataclass

from sevconf.monitors.breach import Breach
from sevconf.monitors.observed import Observer
from sevconf.trace import ServiceCall, ServiceReturn, Trace, describe, party_of
from sevconf.vocabulary import PAGE_SIZE, DmaOperation, EfiStatus, Party


def _is_driver(actor: str) -> bool:
    return party_of(actor) == Party.DRIVER.value


def _number(call: ServiceCall | ServiceReturn, name: str) -> int:
    fields = call.arguments if isinstance(call, ServiceCall) else call.results
    value = dict(fields).get(name)
    return value if isinstance(value, int) else 0


@dataclass(frozen=True, slots=True)
class ForeignCommonBuffer:
    """A driver maps memory as a common buffer that AllocateBuffer did not give."""

    rule: str = "DRV-03"
    party: Party = Party.DRIVER

    def breaches(self, trace: Trace) -> tuple[Breach, ...]:
        """Compare each Map of a common buffer with what AllocateBuffer gave and FreeBuffer took back."""
        found = []
        given: dict[int, int] = {}
        for entry in trace:
            if isinstance(entry, ServiceReturn) and entry.service == "PciIo.AllocateBuffer":
                call = trace.at(entry.call)
                if isinstance(call, ServiceCall) and entry.status is EfiStatus.SUCCESS:
                    given[_number(entry, "host")] = _number(call, "pages") * PAGE_SIZE
            elif isinstance(entry, ServiceReturn) and entry.service == "PciIo.FreeBuffer":
                call = trace.at(entry.call)
                if isinstance(call, ServiceCall) and entry.status is EfiStatus.SUCCESS:
                    given.pop(_number(call, "host"), None)
            elif isinstance(entry, ServiceCall) and entry.service == "PciIo.Map" and _is_driver(entry.actor):
                host, length = _number(entry, "host"), _number(entry, "length")
                common = dict(entry.arguments).get("operation") == DmaOperation.COMMON_BUFFER.value
                if common and not any(s <= host and host + length <= s + size for s, size in given.items()):
                    breach = Breach(
                        rule=self.rule,
                        expected="what is mapped as a common buffer came from AllocateBuffer",
                        observed=f"at step {entry.step} {describe(entry)}; AllocateBuffer gave no such memory, so the "
                        "IOMMU driver may be unable to open it",
                        culprit=entry.actor,
                        steps=(entry.step,),
                    )
                    found.append(breach)
        return tuple(found)


@dataclass(frozen=True, slots=True)
class FreedWhileMapped:
    """A driver frees a common buffer that is still mapped."""

    rule: str = "DRV-04"
    party: Party = Party.DRIVER

    def breaches(self, trace: Trace) -> tuple[Breach, ...]:
        """Look for FreeBuffer, or FreePages, of what a live mapping holds; the call counts, not its status."""
        found = []
        observer = Observer()
        for entry in trace:
            if (
                isinstance(entry, ServiceCall)
                and entry.service in {"PciIo.FreeBuffer", "FreePages"}
                and _is_driver(entry.actor)
            ):
                host = _number(entry, "host") or _number(entry, "memory")
                end = host + _number(entry, "pages") * PAGE_SIZE
                found += [
                    Breach(
                        rule=self.rule,
                        expected="a common buffer is unmapped before it is freed",
                        observed=f"at step {entry.step} {describe(entry)}, while {mapping.mapping}, made at step "
                        f"{mapping.step}, is live in it, so its bus master can reach memory of the next owner",
                        culprit=entry.actor,
                        steps=(mapping.step, entry.step),
                        subject=mapping.bus_master,
                    )
                    for mapping in observer.common_buffers()
                    if mapping.host < end and host < mapping.host + mapping.length
                ]
            observer.see(entry)
        return tuple(found)


@dataclass(frozen=True, slots=True)
class MappedAfterStop:
    """A driver's Stop returns success and leaves a mapping of its own live."""

    rule: str = "DRV-07"
    party: Party = Party.DRIVER

    def breaches(self, trace: Trace) -> tuple[Breach, ...]:
        """Charge each mapping that is live when Stop returns."""
        found = []
        observer = Observer()
        for entry in trace:
            if (
                isinstance(entry, ServiceReturn)
                and entry.service == "DriverBinding.Stop"
                and entry.status is EfiStatus.SUCCESS
            ):
                found += [
                    Breach(
                        rule=self.rule,
                        expected="a driver that has stopped has unmapped all that it mapped",
                        observed=f"Stop returned at step {entry.step}, and {m.mapping}, which {m.owner} made at step "
                        f"{m.step}, is still live",
                        culprit=m.owner,
                        steps=(m.step, entry.call, entry.step),
                        subject=m.bus_master,
                    )
                    for m in observer.live.values()
                    if _is_driver(m.owner) and m.owner == entry.actor
                ]
            observer.see(entry)
        return tuple(found)


@dataclass(frozen=True, slots=True)
class UnmappedTwice:
    """A driver unmaps what is not mapped, or not any more."""

    rule: str = "DRV-08"
    party: Party = Party.DRIVER

    def breaches(self, trace: Trace) -> tuple[Breach, ...]:
        """Look for Unmap with a token that is not live; the call counts, not its status."""
        found = []
        observer = Observer()
        ended: dict[str, tuple[int, str]] = {}
        for entry in trace:
            if isinstance(entry, ServiceCall) and entry.service == "PciIo.Unmap" and _is_driver(entry.actor):
                token = str(dict(entry.arguments).get("mapping"))
                if token not in observer.live:
                    step, device = ended.get(token, (0, ""))
                    past = f"it ended at step {step}" if step else "it never was a mapping"
                    found.append(
                        Breach(
                            rule=self.rule,
                            expected="a driver unmaps each mapping once",
                            observed=f"at step {entry.step} {entry.actor} unmaps {token}, which is not live: {past}",
                            culprit=entry.actor,
                            steps=(*((step,) if step else ()), entry.step),
                            subject=device,
                        )
                    )
            for mapping in observer.see(entry):
                ended[mapping.mapping] = (entry.step, mapping.bus_master)
        return tuple(found)
