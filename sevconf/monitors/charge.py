"""
Who is charged with what: all monitors over one trace, limited to the judged parties.

On one device only the first breach is charged; what follows on it is its consequence. What a scenario did itself is
never charged.
"""

from dataclasses import replace

from sevconf.monitors.bounce import GivenBackOpen, SharedBounce
from sevconf.monitors.breach import Breach, Monitor
from sevconf.monitors.cpu_access import TouchesWhatIsWritten, UsesDeviceAddress, WritesWhatIsRead
from sevconf.monitors.dma_use import AgainstDirection, OutsideMapping
from sevconf.monitors.exit_calls import OtherServiceAfterFirstCall, TeardownInBeforeGroup
from sevconf.monitors.exit_duties import CallsOtherDriver, MapsAtExit, WaitsForTimer
from sevconf.monitors.granted_dma import GrantedFaults
from sevconf.monitors.half_start import HalfStarted
from sevconf.monitors.halting import DmaAfterExit, HaltTooLate, TeardownTooEarly, UnmapsWhileRunning
from sevconf.monitors.levels import ExitAboveApplication, LevelLeftRaised
from sevconf.monitors.mapping_duty import ForeignCommonBuffer, FreedWhileMapped, MappedAfterStop, UnmappedTwice
from sevconf.monitors.memory_services import (
    DirectUse,
    EventServicesAtExit,
    IndirectUse,
    TeardownUse,
    UnmapReleases,
)
from sevconf.monitors.tpl_table import ApplicationProcessor, IllegalLevel, RaisesDownwards
from sevconf.trace import Trace, party_of
from sevconf.vocabulary import Party

#: Every monitor, in the order of its rule's id.
MONITORS: tuple[Monitor, ...] = (
    UnmapReleases(),
    SharedBounce(),
    GivenBackOpen(),
    DmaAfterExit(),
    HaltTooLate(),
    ForeignCommonBuffer(),
    FreedWhileMapped(),
    OutsideMapping(),
    AgainstDirection(),
    MappedAfterStop(),
    UnmappedTwice(),
    UnmapsWhileRunning(),
    WritesWhatIsRead(),
    TouchesWhatIsWritten(),
    UsesDeviceAddress(),
    WaitsForTimer(),
    CallsOtherDriver(),
    MapsAtExit(),
    HalfStarted(),
    ExitAboveApplication(),
    LevelLeftRaised(),
    TeardownTooEarly(),
    TeardownInBeforeGroup(),
    OtherServiceAfterFirstCall(),
    IllegalLevel("EVT-07", Party.DRIVER),
    IllegalLevel("EVT-08", Party.IOMMU_DRIVER),
    IllegalLevel("EVT-09", Party.OS_LOADER),
    ApplicationProcessor("EVT-10", Party.DRIVER),
    RaisesDownwards("EVT-20", Party.DRIVER),
    ApplicationProcessor("EVT-21", Party.IOMMU_DRIVER),
    RaisesDownwards("EVT-22", Party.IOMMU_DRIVER),
    GrantedFaults(),
    DirectUse(),
    IndirectUse(),
    EventServicesAtExit(),
    TeardownUse(),
)


def charge(trace: Trace, parties: frozenset[Party]) -> tuple[Breach, ...]:
    """Return the breaches that count against these parties, first ones first, each with its consequences."""
    names = {party.value for party in parties}
    found = [breach for monitor in MONITORS if monitor.party in parties for breach in monitor.breaches(trace)]
    charged: list[Breach] = []
    first: dict[str, int] = {}
    for breach in sorted(found, key=lambda b: (b.steps[-1], b.rule)):
        if party_of(breach.culprit) not in names:
            continue
        earlier = first.get(breach.subject) if breach.subject else None
        if earlier is None:
            first[breach.subject] = len(charged)
            charged.append(breach)
        else:
            leader = charged[earlier]
            charged[earlier] = replace(leader, consequences=(*leader.consequences, breach.steps[-1]))
    return tuple(charged)
