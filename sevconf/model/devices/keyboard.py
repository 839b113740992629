"""
The keyboard: a bus master that polls a schedule of transfers, and the keys that the host presses.

Its programming interface is in `sevconf.contract.keyboard`.
"""

from collections import deque
from enum import IntEnum

from sevconf.contract.keyboard import (
    DESCRIPTOR_SIZE,
    REGISTER_WIDTH,
    REPORT_SIZE,
    Descriptor,
    KeyboardRegister,
    Owner,
)
from sevconf.model.bus import Bus
from sevconf.model.devices.base import Device
from sevconf.model.recorder import Recorder

#: Descriptors that fit a schedule, at most.
MAX_ENTRIES = 64


class Keyboard(Device):
    """The device; `step` lets it make one step of progress, `pressed` are the reports that it has yet to tell."""

    actor = "device:keyboard"
    device_id = 0x000D
    registers = REGISTER_WIDTH

    def __init__(self, recorder: Recorder, bus: Bus) -> None:
        super().__init__(recorder, bus)
        self.pressed: deque[bytes] = deque()
        self._schedule = 0
        self._entries = 1
        self._head = 0
        self._told: Descriptor | None = None

    def press(self, reports: bytes) -> None:
        """Let somebody press keys: whole reports, one behind the other."""
        self.pressed.extend(reports[at : at + REPORT_SIZE] for at in range(0, len(reports), REPORT_SIZE))

    def forget(self) -> None:
        """Forget the keys that were not told yet."""
        self.pressed.clear()

    # Registers

    def _value(self, register: IntEnum) -> int:
        return {
            KeyboardRegister.STATUS: int(self.running),
            KeyboardRegister.SCHEDULE_BASE: self._schedule,
            KeyboardRegister.SCHEDULE_ENTRIES: self._entries,
        }[KeyboardRegister(register)]

    def _take(self, register: IntEnum, value: int) -> None:
        if register is KeyboardRegister.SCHEDULE_BASE and not self.running:
            self._schedule = value
        elif register is KeyboardRegister.SCHEDULE_ENTRIES and not self.running:
            self._entries = min(max(value, 1), MAX_ENTRIES)

    def _restart(self) -> None:
        self._head = 0
        self._told = None

    # Progress

    def _progress(self) -> None:
        """Poll the descriptor at the head, and tell a key if there is one; or give the descriptor back."""
        address = self._schedule + self._head * DESCRIPTOR_SIZE
        if self._told is not None:
            self._bus.write(self.actor, address, bytes([Owner.DRIVER]))
            self._head = (self._head + 1) % self._entries
            self._told = None
            return
        descriptor = Descriptor.unpack(self._bus.read(self.actor, address, DESCRIPTOR_SIZE))
        if descriptor.owner == Owner.KEYBOARD and self.pressed:
            self._bus.write(self.actor, descriptor.address, self.pressed.popleft()[: descriptor.length])
            self._told = descriptor
