"""
The contract, Protocols and values only.

`machine` is what steps need from any target, `driver` what foreign code is given and offers, `disk` the programming
interface of the suite's disk, `capability` the closed list of abilities.
"""

from sevconf.contract.capability import Capability
from sevconf.contract.driver import (
    BlockDriver,
    BootServices,
    Driver,
    EventHandle,
    GuestMemory,
    IommuDriver,
    Mapped,
    MappingToken,
    MemEncrypt,
    MemoryMap,
    NotifyFunction,
    OsLoader,
    PciIo,
    QueueingBlockDriver,
)
from sevconf.contract.machine import Act, EventSpec, Identity, Machine, Target
from sevconf.contract.secret import Secret

__all__ = [
    "Act",
    "BlockDriver",
    "BootServices",
    "Capability",
    "Driver",
    "EventHandle",
    "EventSpec",
    "GuestMemory",
    "Identity",
    "IommuDriver",
    "Machine",
    "Mapped",
    "MappingToken",
    "MemEncrypt",
    "MemoryMap",
    "NotifyFunction",
    "OsLoader",
    "PciIo",
    "QueueingBlockDriver",
    "Secret",
    "Target",
]
