"""Kinds of drivers that a vendor's class may be: the Protocol it must meet, its place in a machine, and what it has."""

from dataclasses import dataclass
from typing import Any

from sevconf.contract import BlockDriver, Capability, KeyboardDriver, NetworkDriver, OwnDeviceDriver
from sevconf.contract.driver import DeviceKind


@dataclass(frozen=True, slots=True)
class DriverKind:
    """
    One kind: the Protocol of its class, the part of a machine that it is, the capabilities that stand on it.

    A machine has those of one kind only, for the drivers of the other devices are not the vendor's.
    """

    protocol: Any
    part: str
    capabilities: frozenset[Capability]


#: Every kind, by the word that a class has as `kind`.
KINDS: dict[DeviceKind, DriverKind] = {
    "block": DriverKind(BlockDriver, "driver", frozenset({Capability.BLOCK_DRIVER, Capability.WRITE_IN_FLIGHT})),
    "network": DriverKind(NetworkDriver, "network_driver", frozenset({Capability.NETWORK_DRIVER})),
    "device": DriverKind(OwnDeviceDriver, "own_driver", frozenset({Capability.DEVICE_DRIVER})),
    "keyboard": DriverKind(KeyboardDriver, "keyboard_driver", frozenset({Capability.KEYBOARD_DRIVER})),
}

#: What no foreign driver of a device has, nor whatever runs over a foreign IOMMU driver: choices that are its own.
OWN_CHOICES = frozenset({Capability.HANDLER_TPL, Capability.KEYBOARD_TRANSFERS})


def capabilities_of(kind: DeviceKind) -> frozenset[Capability]:
    """Return what a machine with a foreign driver of that kind can do."""
    others = frozenset().union(*(other.capabilities for name, other in KINDS.items() if name != kind))
    return frozenset(Capability) - OWN_CHOICES - others
