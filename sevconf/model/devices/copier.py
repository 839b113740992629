"""
The copier: the model's own example of a device that comes with its driver, and no more than the contract lets it be.

It copies memory to memory when its doorbell is rung, in two steps, and writes the number of events that it has seen
outside whenever there is a new one.

    CONTROL   0x00  4 bytes  1: run, 0: halt. A halted copier begins no DMA, and drops what it had begun.
    DOORBELL  0x04  4 bytes  1: copy; reads as 0 when that is done
    SOURCE    0x08  8 bytes  DeviceAddress to copy from
    TARGET    0x10  8 bytes  DeviceAddress to copy to
    LENGTH    0x18  4 bytes  bytes to copy
    EVENTS    0x20  8 bytes  DeviceAddress of the count of events, 4 bytes
"""

from enum import IntEnum

from sevconf.contract.device import DeviceBus


class CopierRegister(IntEnum):
    """Offset of each register, in bytes."""

    CONTROL = 0x00
    DOORBELL = 0x04
    SOURCE = 0x08
    TARGET = 0x10
    LENGTH = 0x18
    EVENTS = 0x20


#: Width of each register, in bytes.
REGISTER_WIDTH = {
    CopierRegister.CONTROL: 4,
    CopierRegister.DOORBELL: 4,
    CopierRegister.SOURCE: 8,
    CopierRegister.TARGET: 8,
    CopierRegister.LENGTH: 4,
    CopierRegister.EVENTS: 8,
}


class Copier:
    """The device."""

    def __init__(self, bus: DeviceBus) -> None:
        self._bus = bus
        self.reset()

    def reset(self) -> None:
        """Be halted, with nothing begun."""
        self._values = dict.fromkeys(CopierRegister, 0)
        self._copied: bytes | None = None
        self._events = self._told = 0

    def register_read(self, offset: int, width: int) -> int | None:
        """Read a register."""
        register = _register(offset, width)
        return None if register is None else self._values[register]

    def register_write(self, offset: int, width: int, value: int) -> bool:
        """Write a register."""
        register = _register(offset, width)
        if register is None:
            return False
        self._values[register] = value
        if register is CopierRegister.CONTROL and not value:
            self._values[CopierRegister.DOORBELL] = 0
            self._copied = None
        return True

    def is_running(self) -> bool:
        """Tell whether it runs."""
        return bool(self._values[CopierRegister.CONTROL])

    def step(self) -> None:
        """Tell of events; fetch what is to be copied, or write it."""
        if not self.is_running():
            return
        if self._told != self._events:
            self._told = self._events
            self._bus.write(self._values[CopierRegister.EVENTS], self._told.to_bytes(4, "little"))
        if self._copied is not None:
            self._bus.write(self._values[CopierRegister.TARGET], self._copied)
            self._values[CopierRegister.DOORBELL] = 0
            self._copied = None
        elif self._values[CopierRegister.DOORBELL]:
            self._copied = self._bus.read(self._values[CopierRegister.SOURCE], self._values[CopierRegister.LENGTH])

    def stimulate(self) -> None:
        """Let an event happen."""
        self._events += 1


def _register(offset: int, width: int) -> CopierRegister | None:
    return next((r for r in CopierRegister if r == offset and REGISTER_WIDTH[r] == width), None)
