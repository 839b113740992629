"""
Attributes of a PCI function, the bits of its command register, and where 32-bit addresses end.

Spec: UEFI 2.10, 14.4 EFI_PCI_IO_PROTOCOL.Attributes(), "EFI PCI I/O Protocol Attributes"; PCI Local Bus Specification
3.0, 6.1 (configuration header), 6.2.2 (command register).
"""

from enum import IntEnum, IntFlag

#: First address that a bus master without 64-bit addresses can't name.
FOUR_GIB = 1 << 32


class PciAttribute(IntFlag):
    """Those EFI_PCI_IO_ATTRIBUTE_ values that the suite's devices know."""

    IO = 0x0100
    MEMORY = 0x0200
    BUS_MASTER = 0x0400
    DUAL_ADDRESS_CYCLE = 0x8000

    @property
    def words(self) -> str:
        """Its names, in order of their values."""
        return "|".join(str(bit.name) for bit in PciAttribute if self & bit) or "0"


class AttributeOperation(IntEnum):
    """What Attributes does (EFI_PCI_IO_PROTOCOL_ATTRIBUTE_OPERATION)."""

    GET = 0
    SET = 1
    ENABLE = 2
    DISABLE = 3
    SUPPORTED = 4


class Command(IntFlag):
    """Bits of the command register."""

    IO_SPACE = 1 << 0
    MEMORY_SPACE = 1 << 1
    BUS_MASTER = 1 << 2


class ConfigRegister(IntEnum):
    """Offsets in the configuration header that the suite's devices have, in bytes."""

    VENDOR_ID = 0x00
    DEVICE_ID = 0x02
    COMMAND = 0x04
    STATUS = 0x06
    BAR0 = 0x10
    BAR1 = 0x14
