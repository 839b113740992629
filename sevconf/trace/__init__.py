"""
The spine: what happened in a run, in order.

Every target writes a trace, every check reads it; nothing else passes between them. Entries are values (`entries`), the
list is `Trace` (`log`), files are JSON lines (`codec`), and `describe` puts entries into words.
"""

from sevconf.trace.describe import describe, excerpt
from sevconf.trace.entries import (
    CBitChanged,
    DeviceRegister,
    DeviceState,
    Dma,
    Dumped,
    Entry,
    EventClosed,
    EventCreated,
    EventQueued,
    ExitPhase,
    Fields,
    Finding,
    GuestAccess,
    HostAct,
    IommuFault,
    IommuState,
    MapChanged,
    MappingEnded,
    MappingMade,
    NotificationBegan,
    NotificationEnded,
    Phase,
    ProcedureBegan,
    SecretBorn,
    ServiceCall,
    ServiceReturn,
    Value,
    party_of,
)
from sevconf.trace.log import Trace

__all__ = [
    "CBitChanged",
    "DeviceRegister",
    "DeviceState",
    "Dma",
    "Dumped",
    "Entry",
    "EventClosed",
    "EventCreated",
    "EventQueued",
    "ExitPhase",
    "Fields",
    "Finding",
    "GuestAccess",
    "HostAct",
    "IommuFault",
    "IommuState",
    "MapChanged",
    "MappingEnded",
    "MappingMade",
    "NotificationBegan",
    "NotificationEnded",
    "Phase",
    "ProcedureBegan",
    "SecretBorn",
    "ServiceCall",
    "ServiceReturn",
    "Trace",
    "Value",
    "describe",
    "excerpt",
    "party_of",
]
