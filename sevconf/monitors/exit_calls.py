"""
Around the calls of ExitBootServices: what the OS loader does between them, and what no IOMMU driver does before one.

Spec: UEFI 2.10, 7.4.6 EFI_BOOT_SERVICES.ExitBootServices(); 7.1.2 on EFI_EVENT_GROUP_BEFORE_EXIT_BOOT_SERVICES.
"""

from dataclasses import dataclass

from sevconf.monitors.breach import Breach
from sevconf.monitors.observed import Observer, call_path
from sevconf.trace import NotificationBegan, ServiceCall, Trace, describe, party_of
from sevconf.vocabulary import MEMORY_SERVICES, EventGroup, Party

_ALLOWED = MEMORY_SERVICES | {"ExitBootServices"}


@dataclass(frozen=True, slots=True)
class OtherServiceAfterFirstCall:
    """An OS loader that has called ExitBootServices uses another service than those for memory."""

    rule: str = "EBS-13"
    party: Party = Party.OS_LOADER

    def breaches(self, trace: Trace) -> tuple[Breach, ...]:
        """Look at the loader's calls behind its first call of ExitBootServices."""
        own = [call for call in trace.of(ServiceCall) if party_of(call.actor) == self.party.value]
        first = next((call.step for call in own if call.service == "ExitBootServices"), None)
        if first is None:
            return ()
        return tuple(
            Breach(
                rule=self.rule,
                expected="once it has called ExitBootServices, an OS loader uses memory allocation services only",
                observed=f"at step {call.step} {describe(call)}, after its first call of ExitBootServices at step "
                f"{first}; part of the firmware is shut down already",
                culprit=call.actor,
                steps=(first, call.step),
            )
            for call in own
            if call.step > first and call.service not in _ALLOWED
        )


@dataclass(frozen=True, slots=True)
class TeardownInBeforeGroup:
    """An IOMMU driver ends mappings in the BeforeExitBootServices group, where devices still run."""

    rule: str = "EBS-12"
    party: Party = Party.IOMMU_DRIVER

    def breaches(self, trace: Trace) -> tuple[Breach, ...]:
        """Charge the first mapping that each such notification ended of a running device, or of its own accord."""
        found: dict[str, Breach] = {}
        observer = Observer()
        for entry in trace:
            ended = observer.see(entry)
            if not ended or party_of(entry.actor) != self.party.value:
                continue
            path, handler = call_path(trace, entry)
            if not _is_before(handler) or any(call.service == "PciIo.Unmap" for call in path):
                continue
            for mapping in ended:
                runs = "runs" if mapping.bus_master in observer.running else "was not told to halt"
                found.setdefault(
                    mapping.bus_master,
                    Breach(
                        rule=self.rule,
                        expected="no mapping is torn down before the exit group is signaled",
                        observed=f"{mapping.mapping} was torn down at step {entry.step} by {entry.actor}, in a "
                        f"notification of the BeforeExitBootServices group; {mapping.bus_master} {runs}, and its "
                        "driver halts it in the exit group only",
                        culprit=entry.actor,
                        steps=(mapping.step, entry.step),
                        subject=mapping.bus_master,
                    ),
                )
        return tuple(found.values())


def _is_before(handler: NotificationBegan | None) -> bool:
    return handler is not None and handler.group == EventGroup.BEFORE_EXIT_BOOT_SERVICES.value
