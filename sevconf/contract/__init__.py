"""
The contract, Protocols and values only.

`machine` is what steps need from any target, `driver` what foreign code is given and offers, `disk`, `keyboard`
and `nic` the programming interfaces of the suite's devices, `device` that of a vendor's own,
`capability` the closed list of abilities.
"""

from sevconf.contract.capability import Capability
from sevconf.contract.device import DeviceBus, DeviceModel
from sevconf.contract.driver import (
    BlockDriver,
    BootServices,
    Driver,
    EventHandle,
    GuestMemory,
    IommuDriver,
    KeyboardDriver,
    Mapped,
    MappingToken,
    MemEncrypt,
    MemoryMap,
    NetworkDriver,
    NotifyFunction,
    OsLoader,
    OwnDeviceDriver,
    PciIo,
    QueueingBlockDriver,
)
from sevconf.contract.machine import Act, EventSpec, Identity, IommuVariant, Machine, Mappable, Target
from sevconf.contract.secret import Form, Secret

__all__ = [
    "Act",
    "BlockDriver",
    "BootServices",
    "Capability",
    "DeviceBus",
    "DeviceModel",
    "Driver",
    "EventHandle",
    "EventSpec",
    "Form",
    "GuestMemory",
    "Identity",
    "IommuDriver",
    "IommuVariant",
    "KeyboardDriver",
    "Machine",
    "Mappable",
    "Mapped",
    "MappingToken",
    "MemEncrypt",
    "MemoryMap",
    "NetworkDriver",
    "NotifyFunction",
    "OsLoader",
    "OwnDeviceDriver",
    "PciIo",
    "QueueingBlockDriver",
    "Secret",
    "Target",
]
