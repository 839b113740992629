"""
The CPU keeps off what belongs to a bus master: buffers of Read and Write mappings, and what lies at a DeviceAddress.

A mapping may live as long as it wants: one per transfer that waits for its device is right. What counts is what the
driver that asked for it does to the memory meanwhile. Common buffers are for both sides, so nothing is asked of them.

Spec: UEFI 2.10, 14.4 EFI_PCI_IO_PROTOCOL.Map(): data is in the buffer before Map(BusMasterRead), and is there after
Unmap of BusMasterWrite; what both sides use is a BusMasterCommonBuffer; DeviceAddress is for the bus master.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from sevconf.monitors.breach import Breach
from sevconf.monitors.observed import Observer
from sevconf.trace import GuestAccess, MappingMade, ServiceReturn, Trace, describe, party_of
from sevconf.vocabulary import PAGE_SIZE, DmaOperation, Party

_DRIVER = Party.DRIVER.value


def _accesses(trace: Trace) -> Iterator[tuple[GuestAccess, tuple[MappingMade, ...]]]:
    """Yield each access of a driver to memory, with the Read and Write mappings of its own that are live then."""
    observer = Observer()
    for entry in trace:
        if isinstance(entry, GuestAccess) and party_of(entry.actor) == _DRIVER:
            own = (m for m in observer.live.values() if m.owner == entry.actor)
            yield entry, tuple(m for m in own if m.operation is not DmaOperation.COMMON_BUFFER)
        observer.see(entry)


def _in_buffer(access: GuestAccess, mapping: MappingMade) -> bool:
    return access.gpa < mapping.host + mapping.length and mapping.host < access.gpa + access.length


@dataclass(frozen=True, slots=True)
class WritesWhatIsRead:
    """A driver writes a buffer while it is mapped for its device to read."""

    rule: str = "DRV-20"
    party: Party = Party.DRIVER

    def breaches(self, trace: Trace) -> tuple[Breach, ...]:
        """Find the writes between Map(BusMasterRead) and its Unmap."""
        return tuple(
            Breach(
                rule=self.rule,
                expected=f"what {m.bus_master} is to read is in the buffer before Map, and stays as it is until Unmap",
                observed=f"at step {access.step} {describe(access)}, inside {m.mapping}, which it mapped as "
                f"{m.operation} at step {m.step}; the device may have read the buffer already, or a copy of it",
                culprit=access.actor,
                steps=(m.step, access.step),
                subject=m.bus_master,
            )
            for access, mappings in _accesses(trace)
            for m in mappings
            if access.write and m.operation.device_reads and _in_buffer(access, m)
        )


@dataclass(frozen=True, slots=True)
class TouchesWhatIsWritten:
    """A driver reads or writes a buffer while it is mapped for its device to write."""

    rule: str = "DRV-21"
    party: Party = Party.DRIVER

    def breaches(self, trace: Trace) -> tuple[Breach, ...]:
        """Find the accesses between Map(BusMasterWrite) and its Unmap."""
        return tuple(
            Breach(
                rule=self.rule,
                expected=f"the CPU leaves alone what {m.bus_master} writes until Unmap has brought it",
                observed=f"at step {access.step} {describe(access)}, inside {m.mapping}, which it mapped as "
                f"{m.operation} at step {m.step} and has not unmapped, so what the device wrote may lie elsewhere",
                culprit=access.actor,
                steps=(m.step, access.step),
                subject=m.bus_master,
            )
            for access, mappings in _accesses(trace)
            for m in mappings
            if m.operation.device_writes and _in_buffer(access, m)
        )


@dataclass(frozen=True, slots=True)
class UsesDeviceAddress:
    """A driver uses a DeviceAddress as a pointer."""

    rule: str = "DRV-22"
    party: Party = Party.DRIVER

    def breaches(self, trace: Trace) -> tuple[Breach, ...]:
        """Find the accesses to pages at a DeviceAddress that are not those of the HostAddress."""
        return tuple(
            Breach(
                rule=self.rule,
                expected="the CPU reaches a mapped buffer by its HostAddress; the DeviceAddress is for the bus master",
                observed=f"at step {access.step} {describe(access)}, the DeviceAddress of {m.mapping}, made at "
                f"step {m.step}; its HostAddress is {m.host:#x}, and nothing says that the CPU has memory at the other",
                culprit=access.actor,
                steps=(m.step, access.step),
                subject=m.bus_master,
            )
            for access, mappings in _accesses(trace)
            for m in mappings
            if _touches(access, m.device, m.length) and not _touches(access, m.host, m.length)
        )


def _touches(access: GuestAccess, address: int, length: int) -> bool:
    first, end = access.gpa // PAGE_SIZE, access.gpa + access.length
    return first * PAGE_SIZE < address + length and address // PAGE_SIZE * PAGE_SIZE < end


@dataclass(frozen=True, slots=True)
class Outlived:
    """A Read or Write mapping that is live when a call of the suite to its driver returns."""

    mapping: MappingMade
    call: ServiceReturn


def outlived(trace: Trace) -> Iterator[Outlived]:
    """Yield the Read and Write mappings that outlive a call of the scenario to the driver that made them."""
    observer = Observer()
    for entry in trace:
        if isinstance(entry, ServiceReturn) and trace.at(entry.call).actor == "scenario":
            for mapping in observer.live.values():
                if mapping.owner == entry.actor and mapping.operation is not DmaOperation.COMMON_BUFFER:
                    yield Outlived(mapping, entry)
        observer.see(entry)
