"""
The keyboard: a bus master that polls a schedule of transfers, and the keys that the host presses.

Its programming interface is in `sevconf.contract.keyboard`.
"""

from collections import deque
from collections.abc import Callable

from sevconf.contract.keyboard import (
    DESCRIPTOR_SIZE,
    REGISTER_WIDTH,
    REPORT_SIZE,
    Descriptor,
    KeyboardRegister,
    Owner,
)
from sevconf.model.bus import Bus
from sevconf.model.recorder import Recorder
from sevconf.trace import DeviceRegister, DeviceState

#: Descriptors that fit a schedule, at most.
MAX_ENTRIES = 64


class Keyboard:
    """The device; `step` lets it make one step of progress, `pressed` are the reports that it has yet to tell."""

    actor = "device:keyboard"

    def __init__(self, recorder: Recorder, bus: Bus) -> None:
        self._recorder = recorder
        self._bus = bus
        #: How many steps it makes where it may make progress.
        self.pace: Callable[[], int] = lambda: 1
        self.pressed: deque[bytes] = deque()
        self.running = False
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

    def register_read(self, offset: int, width: int) -> int | None:
        """Read a register; devices go on meanwhile."""
        register = self._register(offset, width)
        if register is None:
            return None
        self.go_on()
        value = {
            KeyboardRegister.CONTROL: int(self.running),
            KeyboardRegister.STATUS: int(self.running),
            KeyboardRegister.SCHEDULE_BASE: self._schedule,
            KeyboardRegister.SCHEDULE_ENTRIES: self._entries,
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
        if register is KeyboardRegister.CONTROL:
            self._control(run=bool(value & 1))
        elif register is KeyboardRegister.SCHEDULE_BASE and not self.running:
            self._schedule = value
        elif register is KeyboardRegister.SCHEDULE_ENTRIES and not self.running:
            self._entries = min(max(value, 1), MAX_ENTRIES)
        return True

    def _register(self, offset: int, width: int) -> KeyboardRegister | None:
        register = next((r for r in KeyboardRegister if r == offset), None)
        return register if register is not None and REGISTER_WIDTH[register] == width else None

    def _record(self, register: KeyboardRegister, value: int, *, write: bool) -> None:
        self._recorder.record(DeviceRegister, device=self.actor, register=register.name, value=value, write=write)

    def _control(self, *, run: bool) -> None:
        if run != self.running:
            self.running = run
            self._head = 0
            self._told = None
            self._recorder.record(DeviceState, by=self.actor, device=self.actor, running=run)

    # Progress

    def go_on(self) -> None:
        """Make as much progress as there is time for."""
        for _ in range(self.pace()):
            self.step()

    def step(self) -> None:
        """Poll the descriptor at the head, and tell a key if there is one; or give the descriptor back."""
        if not self.running:
            return
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
