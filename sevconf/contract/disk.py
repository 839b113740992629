"""
The programming interface of the suite's disk, the device behind drivers of kind `block`.

A bus master with one ring of descriptors in memory, as NVMe, EHCI and virtio have: while it runs it polls the
descriptor at its head by DMA, whether or not there is work; so a disk that was not halted is seen. Ownership passes by
one byte: the driver gives a descriptor to the disk, the disk gives it back when the command is done.

Registers (BAR 0, little-endian, naturally aligned):

    CONTROL       0x00  4 bytes  1: run, 0: halt. A halted disk begins no DMA and drops what it had fetched.
    STATUS        0x04  4 bytes  read only: 1 while it runs
    RING_BASE     0x08  8 bytes  DeviceAddress of the ring; written while halted
    RING_ENTRIES  0x10  4 bytes  descriptors in the ring, 1 to 128; written while halted
    CAPACITY      0x14  4 bytes  read only: blocks of 512 bytes

A disk runs while CONTROL is 1 and the bus-master bit of its command register is set, which a driver sets by
PciIo.Attributes. Starting resets the head to descriptor 0. A command takes three steps of the disk: it fetches the
descriptor, it moves the data, it writes the result and passes to the next descriptor.
"""

import struct
from dataclasses import dataclass
from enum import IntEnum

#: Bytes of a block.
BLOCK = 512


class DiskRegister(IntEnum):
    """Offset of each register in BAR 0, in bytes."""

    CONTROL = 0x00
    STATUS = 0x04
    RING_BASE = 0x08
    RING_ENTRIES = 0x10
    CAPACITY = 0x14


#: Width of each register, in bytes.
REGISTER_WIDTH = {
    DiskRegister.CONTROL: 4,
    DiskRegister.STATUS: 4,
    DiskRegister.RING_BASE: 8,
    DiskRegister.RING_ENTRIES: 4,
    DiskRegister.CAPACITY: 4,
}


class Owner(IntEnum):
    """Who may touch a descriptor."""

    DRIVER = 0
    DISK = 1


class Opcode(IntEnum):
    """What a descriptor asks for, named from the disk: WRITE reads memory and writes the medium."""

    READ = 1
    WRITE = 2


class Result(IntEnum):
    """What became of a command."""

    PENDING = 0
    DONE = 1
    BAD_COMMAND = 2
    FAULT = 3


_LAYOUT = struct.Struct("<BBBxIQQQ")

#: Bytes of a descriptor: owner, opcode, result, a zero byte, then blocks (4 bytes), LBA, DeviceAddress, tag (8 each).
DESCRIPTOR_SIZE = _LAYOUT.size


@dataclass(frozen=True, slots=True)
class Descriptor:
    """One command: `blocks` blocks from `lba`, from or to memory at `address`; `tag` is the driver's own."""

    owner: int
    opcode: int
    result: int
    blocks: int
    lba: int
    address: int
    tag: int = 0

    def pack(self) -> bytes:
        """Return the descriptor as it lies in memory."""
        return _LAYOUT.pack(self.owner, self.opcode, self.result, self.blocks, self.lba, self.address, self.tag)

    @classmethod
    def unpack(cls, data: bytes) -> "Descriptor":
        """Read a descriptor from its 32 bytes; any bytes are some descriptor."""
        return cls(*_LAYOUT.unpack(data))
