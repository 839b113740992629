"""
At which levels each service may be called.

A core need not look: but for WaitForEvent the specification names no status for a call at a wrong level, so it is the
caller who is bound. RaiseTPL and RestoreTPL have no row, and no restriction.

Spec: UEFI 2.10, 7.1 "Event, Timer, and Task Priority Services", table "TPL Restrictions".
"""

from dataclasses import dataclass
from enum import Enum

from sevconf.vocabulary.tpl import Tpl


class Relation(Enum):
    """How the level of a call must stand to the level in the table."""

    EQUAL = "="
    BELOW = "<"
    UP_TO = "<="


@dataclass(frozen=True, slots=True)
class Restriction:
    """One cell of the table."""

    relation: Relation
    tpl: Tpl

    def allows(self, tpl: Tpl) -> bool:
        """Tell whether a call at that level is legal."""
        match self.relation:
            case Relation.EQUAL:
                return tpl is self.tpl
            case Relation.BELOW:
                return tpl < self.tpl
            case Relation.UP_TO:
                return tpl <= self.tpl

    def __str__(self) -> str:
        return f"{self.relation.value} {self.tpl}"


_AT_APPLICATION = Restriction(Relation.EQUAL, Tpl.APPLICATION)
_UP_TO_APPLICATION = Restriction(Relation.UP_TO, Tpl.APPLICATION)
_BELOW_CALLBACK = Restriction(Relation.BELOW, Tpl.CALLBACK)
_UP_TO_CALLBACK = Restriction(Relation.UP_TO, Tpl.CALLBACK)
_BELOW_NOTIFY = Restriction(Relation.BELOW, Tpl.NOTIFY)
_UP_TO_NOTIFY = Restriction(Relation.UP_TO, Tpl.NOTIFY)
_BELOW_HIGH = Restriction(Relation.BELOW, Tpl.HIGH_LEVEL)
_UP_TO_HIGH = Restriction(Relation.UP_TO, Tpl.HIGH_LEVEL)

#: Boot and runtime services by name.
SERVICES: dict[str, Restriction] = {
    **dict.fromkeys(("ExitBootServices", "WaitForEvent"), _AT_APPLICATION),
    **dict.fromkeys(("LoadImage", "StartImage"), _BELOW_CALLBACK),
    **dict.fromkeys(("UnloadImage", "Exit"), _UP_TO_CALLBACK),
    **dict.fromkeys(("GetTime", "SetTime", "GetWakeupTime", "SetWakeupTime"), _UP_TO_CALLBACK),
    **dict.fromkeys(("GetVariable", "GetNextVariableName", "SetVariable", "QueryVariableInfo"), _UP_TO_CALLBACK),
    **dict.fromkeys(("AllocatePages", "FreePages", "AllocatePool", "FreePool", "GetMemoryMap"), _UP_TO_NOTIFY),
    **dict.fromkeys(("LocateProtocol", "LocateHandle", "LocateHandleBuffer", "HandleProtocol"), _UP_TO_NOTIFY),
    **dict.fromkeys(("OpenProtocol", "CloseProtocol", "ConnectController", "DisconnectController"), _UP_TO_NOTIFY),
    **dict.fromkeys(("InstallProtocolInterface", "UninstallProtocolInterface"), _UP_TO_NOTIFY),
    **dict.fromkeys(("CreateEvent", "CreateEventEx", "CloseEvent", "CheckEvent", "SetTimer"), _BELOW_HIGH),
    **dict.fromkeys(("SignalEvent", "Stall"), _UP_TO_HIGH),
}

#: Services of protocols that have a level of their own.
PROTOCOL_SERVICES: dict[str, Restriction] = {
    **dict.fromkeys(("FormBrowser2.SendForm", "UserManager.Identify"), _AT_APPLICATION),
    **dict.fromkeys(("SimpleTextIn.ReadKeyStroke", "SimpleTextIn.Reset"), _UP_TO_APPLICATION),
    **dict.fromkeys(("SimpleTextInEx.ReadKeyStrokeEx", "SimpleTextInEx.Reset"), _UP_TO_APPLICATION),
}

_AT_CALLBACK_AT_MOST = (
    *("SimpleTextIn", "SimpleTextInEx", "SerialIo", "BlockIo", "BlockIo2", "DiskIo", "DiskIo2", "SimpleFileSystem"),
    *("SimpleNetwork", "ManagedNetwork", "Arp", "Ip4", "Ip6", "Ip4Config2", "Ip6Config", "Udp4", "Udp6"),
    *("Tcp4", "Tcp6", "Dhcp4", "Dhcp6", "Dns4", "Dns6", "Mtftp4", "Mtftp6", "Http", "Tls", "PxeBaseCode"),
    *("Eap", "EapManagement", "EapManagement2", "BluetoothHc", "BluetoothIo", "BluetoothConfig", "Ftp4", "Rest"),
    *("VlanConfig", "WirelessMacConnection", "Supplicant"),
)

#: Protocols, where all their services share one level.
PROTOCOLS: dict[str, Restriction] = {
    **dict.fromkeys(_AT_CALLBACK_AT_MOST, _UP_TO_CALLBACK),
    "AcpiTable": _BELOW_NOTIFY,
}

#: What the table says of every protocol that it doesn't name: PciIo, the root bridge and IOMMU drivers among them.
OTHERS = _UP_TO_NOTIFY

#: What the table restricts in no way.
_FREE = frozenset({"RaiseTPL", "RestoreTPL"})


def restriction(service: str) -> Restriction | None:
    """Return what the table says of a service (`AllocatePool`, `BlockIo.ReadBlocks`), or None if it is free."""
    if service in _FREE:
        return None
    named = SERVICES.get(service) or PROTOCOL_SERVICES.get(service)
    return named or PROTOCOLS.get(service.partition(".")[0], OTHERS)
