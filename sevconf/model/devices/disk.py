"""
The disk: a bus master that polls a ring of descriptors, and a medium whose blocks can be compared.

Its programming interface, and the three steps of a command, are in `sevconf.contract.disk`. What it has fetched stays
fetched: a descriptor that turned into ciphertext behind its back is obeyed if it looks like one, as real devices do.
"""

from enum import IntEnum

from sevconf.contract.disk import (
    BLOCK,
    DESCRIPTOR_SIZE,
    REGISTER_WIDTH,
    Descriptor,
    DiskRegister,
    Opcode,
    Owner,
    Result,
)
from sevconf.model.bus import Bus
from sevconf.model.devices.base import Device
from sevconf.model.recorder import Recorder

#: Blocks of the medium.
CAPACITY = 2048
#: Descriptors that fit a ring, at most.
MAX_ENTRIES = 128


class Disk(Device):
    """The device; `step` lets it make one step of progress."""

    actor = "device:disk"
    device_id = 0x0010
    registers = REGISTER_WIDTH

    def __init__(self, recorder: Recorder, bus: Bus) -> None:
        super().__init__(recorder, bus)
        self.medium = bytearray(CAPACITY * BLOCK)
        self._ring = 0
        self._entries = 1
        self._head = 0
        self._fetched: Descriptor | None = None
        self._result: Result | None = None

    # Registers

    def _value(self, register: IntEnum) -> int:
        return {
            DiskRegister.STATUS: int(self.running),
            DiskRegister.RING_BASE: self._ring,
            DiskRegister.RING_ENTRIES: self._entries,
            DiskRegister.CAPACITY: CAPACITY,
        }[DiskRegister(register)]

    def _take(self, register: IntEnum, value: int) -> None:
        if register is DiskRegister.RING_BASE and not self.running:
            self._ring = value
        elif register is DiskRegister.RING_ENTRIES and not self.running:
            self._entries = min(max(value, 1), MAX_ENTRIES)

    def _restart(self) -> None:
        if self.running:
            self._head = 0
        self._fetched = self._result = None

    # Progress

    def _progress(self) -> None:
        """Fetch the descriptor at the head, or move its data, or write its result."""
        address = self._ring + self._head * DESCRIPTOR_SIZE
        if self._fetched is None:
            descriptor = Descriptor.unpack(self._bus.read(self.actor, address, DESCRIPTOR_SIZE))
            if descriptor.owner == Owner.DISK:
                self._fetched = descriptor
        elif self._result is None:
            self._result = self._move(self._fetched)
        else:
            self._bus.write(self.actor, address, bytes([Owner.DRIVER, self._fetched.opcode, self._result]))
            self._head = (self._head + 1) % self._entries
            self._fetched = self._result = None

    def _move(self, command: Descriptor) -> Result:
        start, length = command.lba * BLOCK, command.blocks * BLOCK
        if not 0 < length <= len(self.medium) - start:
            return Result.BAD_COMMAND
        if command.opcode == Opcode.WRITE:
            self.medium[start : start + length] = self._bus.read(self.actor, command.address, length)
            return Result.DONE
        if command.opcode == Opcode.READ:
            self._bus.write(self.actor, command.address, bytes(self.medium[start : start + length]))
            return Result.DONE
        return Result.BAD_COMMAND
