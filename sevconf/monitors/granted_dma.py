"""
An IOMMU lets pass what a driver rightly mapped, until every exit handler had its turn.

Where a mapping was torn down, what its device does later is the halting rules' business; what a device does outside
its mappings is its driver's.

Spec: EDK II `MdeModulePkg/Include/Protocol/IoMmu.h`; `edk2-platforms`, IntelVTdDxe/DmaProtection.c, OnExitBootServices.
"""

from dataclasses import dataclass

from sevconf.monitors.breach import Breach
from sevconf.monitors.observed import Observer, exit_window
from sevconf.trace import IommuFault, IommuState, Trace, describe, party_of
from sevconf.vocabulary import Party


def _iommu_driver(trace: Trace, before: int) -> str:
    actors = (trace.at(step).actor for step in range(before - 1, 0, -1))
    return next((a for a in actors if party_of(a) == Party.IOMMU_DRIVER.value), Party.IOMMU_DRIVER.value)


@dataclass(frozen=True, slots=True)
class GrantedFaults:
    """A device's DMA faults though it lies inside a live mapping, and goes the way that the mapping allows."""

    rule: str = "IOM-05"
    party: Party = Party.IOMMU_DRIVER

    def breaches(self, trace: Trace) -> tuple[Breach, ...]:
        """Charge each device's first such fault."""
        window = exit_window(trace)
        observer = Observer()
        found: dict[str, Breach] = {}
        state: tuple[int, ...] = ()
        for entry in trace:
            if window is not None and entry.step > window.closed:
                break
            observer.see(entry)
            if isinstance(entry, IommuState):
                state = (entry.step,)
            if not isinstance(entry, IommuFault) or entry.actor != entry.device or entry.device in found:
                continue
            for mapping in observer.reaching(entry.device, entry.address, entry.length):
                if mapping.operation.device_writes if entry.write else mapping.operation.device_reads:
                    found[entry.device] = Breach(
                        rule=self.rule,
                        expected="what was mapped for a device is open to it until every exit handler has run",
                        observed=f"at step {entry.step} {describe(entry)}, inside {mapping.mapping}, which was made as "
                        f"{mapping.operation} at step {mapping.step} and is still live",
                        culprit=_iommu_driver(trace, entry.step),
                        steps=(mapping.step, *state, entry.step),
                        subject=entry.device,
                    )
        return tuple(found.values())
