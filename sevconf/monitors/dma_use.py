"""
A device's DMA stays inside what its driver mapped for it, and goes the way that the mapping allows.

An access that an IOMMU refused counts like one that it let pass. What a device that was not halted does once exit
handlers run is the halting rules' business.

Spec: UEFI 2.10, 14.4 EFI_PCI_IO_PROTOCOL.Map(), Unmap().
"""

from collections.abc import Iterator
from dataclasses import dataclass

from sevconf.monitors.breach import Breach
from sevconf.monitors.observed import Observer, driver_of, exit_window
from sevconf.trace import Dma, IommuFault, MappingMade, Trace, describe, party_of
from sevconf.vocabulary import Party


def _accesses(trace: Trace) -> Iterator[tuple[Dma | IommuFault, str, tuple[MappingMade, ...]]]:
    """Yield each DMA of a driver's device before the exit handlers, with the driver and the mappings that hold it."""
    window = exit_window(trace)
    observer = Observer()
    for entry in trace:
        if window is not None and entry.step > window.opened:
            return
        if isinstance(entry, Dma | IommuFault) and entry.actor == entry.device:
            culprit = driver_of(trace, entry.device)
            if party_of(culprit) == Party.DRIVER.value:
                yield entry, culprit, observer.reaching(entry.device, entry.address, entry.length)
        observer.see(entry)


def _nearest(trace: Trace, dma: Dma | IommuFault) -> tuple[str, tuple[int, ...]]:
    """Say what the address once was, or is for somebody else."""
    for made in trace.of(MappingMade):
        if made.step < dma.step and made.device <= dma.address < made.device + made.length:
            whose = "its own" if made.bus_master == dma.device else f"for {made.bus_master}"
            return f"the address belongs to {made.mapping} ({whose}, made at step {made.step})", (made.step,)
        if made.step < dma.step and made.host <= dma.address < made.host + made.length:
            return f"the address is the HostAddress of {made.mapping}, whose DeviceAddress is another", (made.step,)
    return "no mapping ever had that address", ()


@dataclass(frozen=True, slots=True)
class OutsideMapping:
    """A device does DMA outside every live mapping of its own."""

    rule: str = "DRV-05"
    party: Party = Party.DRIVER

    def breaches(self, trace: Trace) -> tuple[Breach, ...]:
        """Find the accesses that no live mapping of the device holds."""
        found = []
        for dma, culprit, mappings in _accesses(trace):
            if not mappings:
                why, proof = _nearest(trace, dma)
                found.append(
                    Breach(
                        rule=self.rule,
                        expected=f"every DMA of {dma.device} lies inside a live mapping that was made for it",
                        observed=f"at step {dma.step} {describe(dma)}, outside every live mapping of it; {why}, so it "
                        "reaches memory that was not meant for it, or ciphertext",
                        culprit=culprit,
                        steps=(*proof, dma.step),
                        subject=dma.device,
                    )
                )
        return tuple(found)


@dataclass(frozen=True, slots=True)
class AgainstDirection:
    """A device writes what was mapped for reading, or reads what was mapped for writing."""

    rule: str = "DRV-06"
    party: Party = Party.DRIVER

    def breaches(self, trace: Trace) -> tuple[Breach, ...]:
        """Find the accesses that no mapping around them allows."""
        found = []
        for dma, culprit, mappings in _accesses(trace):
            allowed = any(m.operation.device_writes if dma.write else m.operation.device_reads for m in mappings)
            if mappings and not allowed:
                mapping = mappings[0]
                found.append(
                    Breach(
                        rule=self.rule,
                        expected=f"{dma.device} uses each mapping only in the direction of its operation",
                        observed=f"at step {dma.step} {describe(dma)}, inside {mapping.mapping}, which was mapped as "
                        f"{mapping.operation} at step {mapping.step}",
                        culprit=culprit,
                        steps=(mapping.step, dma.step),
                        subject=dma.device,
                    )
                )
        return tuple(found)
