"""
The disk: a bus master that polls a ring of descriptors, and a medium whose blocks can be compared.

Its programming interface, and the three steps of a command, are in `sevconf.contract.disk`. What it has fetched stays
fetched: a descriptor that turned into ciphertext behind its back is obeyed if it looks like one, as real devices do.
"""

from collections.abc import Callable

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
from sevconf.model.recorder import Recorder
from sevconf.trace import DeviceRegister, DeviceState

#: Blocks of the medium.
CAPACITY = 2048
#: Descriptors that fit a ring, at most.
MAX_ENTRIES = 128


class Disk:
    """The device; `step` lets it make one step of progress."""

    actor = "device:disk"

    def __init__(self, recorder: Recorder, bus: Bus) -> None:
        self._recorder = recorder
        self._bus = bus
        #: How many steps it makes where it may make progress.
        self.pace: Callable[[], int] = lambda: 1
        self.medium = bytearray(CAPACITY * BLOCK)
        self.running = False
        self._ring = 0
        self._entries = 1
        self._head = 0
        self._fetched: Descriptor | None = None
        self._result: Result | None = None

    # Registers

    def register_read(self, offset: int, width: int) -> int | None:
        """Read a register; devices go on meanwhile."""
        register = self._register(offset, width)
        if register is None:
            return None
        self.go_on()
        value = {
            DiskRegister.CONTROL: int(self.running),
            DiskRegister.STATUS: int(self.running),
            DiskRegister.RING_BASE: self._ring,
            DiskRegister.RING_ENTRIES: self._entries,
            DiskRegister.CAPACITY: CAPACITY,
        }[register]
        self._record(register, value, write=False)
        return value

    def register_write(self, offset: int, width: int, value: int) -> bool:
        """Write a register; devices go on until it takes effect."""
        register = self._register(offset, width)
        if register is None:
            return False
        self.go_on()
        self._record(register, value, write=True)
        if register is DiskRegister.CONTROL:
            self._control(run=bool(value & 1))
        elif register is DiskRegister.RING_BASE and not self.running:
            self._ring = value
        elif register is DiskRegister.RING_ENTRIES and not self.running:
            self._entries = min(max(value, 1), MAX_ENTRIES)
        return True

    def _register(self, offset: int, width: int) -> DiskRegister | None:
        register = next((r for r in DiskRegister if r == offset), None)
        return register if register is not None and REGISTER_WIDTH[register] == width else None

    def _record(self, register: DiskRegister, value: int, *, write: bool) -> None:
        self._recorder.record(DeviceRegister, device=self.actor, register=register.name, value=value, write=write)

    def _control(self, *, run: bool) -> None:
        if run and not self.running:
            self._head = 0
        if run != self.running:
            self.running = run
            self._fetched = self._result = None
            self._recorder.record(DeviceState, by=self.actor, device=self.actor, running=run)

    # Progress

    def go_on(self) -> None:
        """Make as much progress as there is time for."""
        for _ in range(self.pace()):
            self.step()

    def step(self) -> None:
        """Fetch the descriptor at the head, or move its data, or write its result."""
        if not self.running:
            return
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
