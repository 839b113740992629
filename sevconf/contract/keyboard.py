"""
The programming interface of the suite's keyboard, the device behind drivers of kind `keyboard`.

A bus master that polls a schedule of transfers in memory, as the host controllers of USB do for interrupt transfers:
while it runs it reads the descriptor at its head by DMA, whether or not a key was pressed. When one was, it writes a
boot report of eight bytes where the descriptor says, gives the descriptor back and passes to the next one. A transfer
may wait for ever: its memory belongs to the keyboard until the descriptor comes back.

Registers (BAR 0, little-endian, naturally aligned):

    CONTROL           0x00  4 bytes  1: run, 0: halt. A halted keyboard begins no DMA and drops what it had begun.
    STATUS            0x04  4 bytes  read only: 1 while it runs
    SCHEDULE_BASE     0x08  8 bytes  DeviceAddress of the schedule; written while halted
    SCHEDULE_ENTRIES  0x10  4 bytes  descriptors in the schedule, 1 to 64; written while halted

A keyboard runs while CONTROL is 1 and the bus-master bit of its command register is set, which a driver sets by
PciIo.Attributes. Starting resets the head to descriptor 0. A transfer takes two steps of the keyboard: it writes the
report, then it gives the descriptor back.

Spec: USB Device Class Definition for Human Interface Devices 1.11, appendix B.1 (boot keyboard report).
"""

import struct
from dataclasses import dataclass
from enum import IntEnum

#: Bytes of a report: modifiers, a zero byte, then up to six usage codes of keys that are down.
REPORT_SIZE = 8


class KeyboardRegister(IntEnum):
    """Offset of each register in BAR 0, in bytes."""

    CONTROL = 0x00
    STATUS = 0x04
    SCHEDULE_BASE = 0x08
    SCHEDULE_ENTRIES = 0x10


#: Width of each register, in bytes.
REGISTER_WIDTH = {
    KeyboardRegister.CONTROL: 4,
    KeyboardRegister.STATUS: 4,
    KeyboardRegister.SCHEDULE_BASE: 8,
    KeyboardRegister.SCHEDULE_ENTRIES: 4,
}


class Owner(IntEnum):
    """Who may touch a descriptor, and the memory that it names."""

    DRIVER = 0
    KEYBOARD = 1


_LAYOUT = struct.Struct("<B3xIQ")

#: Bytes of a descriptor: owner, three zero bytes, length (4 bytes), DeviceAddress (8 bytes).
DESCRIPTOR_SIZE = _LAYOUT.size


@dataclass(frozen=True, slots=True)
class Descriptor:
    """One transfer: room for `length` bytes of a report at `address`."""

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
