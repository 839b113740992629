"""
The programming interface of the suite's network card, the device behind drivers of kind `network`.

A bus master with two rings of descriptors in memory. It transmits what lies between its head and the index in
TX_TAIL. It receives unasked: when a frame arrives it reads the descriptor at the head of the receive ring, writes the
frame where that says, and gives the descriptor back with the frame's length. It is silent while nothing arrives and
nothing is to be sent, so a card that was not halted may be noticed late. A frame without a receive buffer is lost.

Registers (BAR 0, little-endian, naturally aligned):

    CONTROL     0x00  4 bytes  1: run, 0: halt. A halted card begins no DMA, drops what it had begun, and hears nothing.
    STATUS      0x04  4 bytes  read only: 1 while it runs
    TX_BASE     0x08  8 bytes  DeviceAddress of the transmit ring; written while halted
    TX_ENTRIES  0x10  4 bytes  descriptors in it, 1 to 64; written while halted
    TX_TAIL     0x14  4 bytes  index of the first descriptor that is not to be sent yet
    RX_BASE     0x18  8 bytes  DeviceAddress of the receive ring; written while halted
    RX_ENTRIES  0x20  4 bytes  descriptors in it, 1 to 64; written while halted

Starting resets both heads and TX_TAIL to 0. The card runs while CONTROL is 1 and the bus-master bit of its command
register is set, which a driver sets by PciIo.Attributes. Frames are bytes; nobody looks into them.
"""

import struct
from dataclasses import dataclass
from enum import IntEnum

#: Most bytes of a frame, without its checksum.
FRAME_SIZE = 1514


class NicRegister(IntEnum):
    """Offset of each register in BAR 0, in bytes."""

    CONTROL = 0x00
    STATUS = 0x04
    TX_BASE = 0x08
    TX_ENTRIES = 0x10
    TX_TAIL = 0x14
    RX_BASE = 0x18
    RX_ENTRIES = 0x20


#: Width of each register, in bytes.
REGISTER_WIDTH = {register: 8 if register.name.endswith("BASE") else 4 for register in NicRegister}


class Owner(IntEnum):
    """Who may touch a descriptor, and the memory that it names."""

    DRIVER = 0
    NIC = 1


_LAYOUT = struct.Struct("<B3xIQ")

#: Bytes of a descriptor: owner, three zero bytes, length (4 bytes), DeviceAddress (8 bytes).
DESCRIPTOR_SIZE = _LAYOUT.size


@dataclass(frozen=True, slots=True)
class Descriptor:
    """One frame to send, or room for one: `length` bytes at `address`."""

    owner: int
    length: int
    address: int

    def pack(self) -> bytes:
        """Return the descriptor as it lies in memory."""
        return _LAYOUT.pack(self.owner, self.length, self.address)

    @classmethod
    def unpack(cls, data: bytes) -> "Descriptor":
        """Read a descriptor from its 16 bytes; any bytes are some descriptor."""
        return cls(*_LAYOUT.unpack(data))
