"""
A PCI function around a device that somebody else models: `sevconf.contract.device`.

Registers and steps are handed to the model; what it does to memory passes here, and only while the bus-master bit is
set. Whether it runs is asked of it behind each of its acts.
"""

from collections.abc import Callable
from typing import Protocol

from sevconf.contract.device import MOST, DeviceBus, DeviceModel
from sevconf.errors import BrokenContract
from sevconf.model.bus import Bus
from sevconf.model.devices.base import PciFunction
from sevconf.model.recorder import Recorder
from sevconf.model.root_bridge import Function
from sevconf.trace import DeviceState


class Stimulated(Function, Protocol):
    """A function that makes progress, and to which something may happen outside."""

    def step(self) -> None:
        """Make a step of progress."""
        ...

    def stimulate(self) -> bool:
        """Let something happen outside that the device tells of by DMA; False: nothing can happen to it."""
        ...


class OwnDevice(PciFunction):
    """The function; `make` builds the model, `culprit` is who answers for it."""

    actor = "device:own"
    device_id = 0x00FF

    def __init__(
        self, recorder: Recorder, bus: Bus, make: Callable[[DeviceBus], DeviceModel], culprit: str = "driver"
    ) -> None:
        super().__init__(recorder)
        self._bus = bus
        self._culprit = culprit
        self.running = False
        self.model = make(self)
        self.model.reset()

    # Registers

    def register_read(self, offset: int, width: int) -> int | None:
        """Read a register of the model."""
        self.step()
        value = self.model.register_read(offset, width)
        self._look()
        if value is None:
            return None
        value &= (1 << 8 * width) - 1
        self._record(f"{offset:#x}", value, write=False)
        return value

    def register_write(self, offset: int, width: int, value: int) -> bool:
        """Write a register of the model."""
        self.step()
        self._record(f"{offset:#x}", value, write=True)
        known = self.model.register_write(offset, width, value)
        self._look()
        return known

    # Progress

    def settle(self) -> None:
        """Make a step before the command register changes."""
        self.step()

    def step(self) -> None:
        """Let the model make a step."""
        self.model.step()
        self._look()

    def stimulate(self) -> bool:
        """Let something happen outside."""
        self.model.stimulate()
        self._look()
        return True

    def command_changed(self) -> None:
        """Start or halt with the bus-master bit."""
        self._look()

    def _look(self) -> None:
        running = self.masters_bus and self.model.is_running()
        if running != self.running:
            self.running = running
            self._recorder.record(DeviceState, by=self.actor, device=self.actor, running=running)

    # The bus, as the model has it

    def read(self, address: int, length: int) -> bytes:
        """Read memory."""
        self._check(length)
        return self._bus.read(self.actor, address, length) if self.masters_bus else b"\xff" * length

    def write(self, address: int, data: bytes) -> None:
        """Write memory."""
        self._check(len(data))
        if self.masters_bus:
            self._bus.write(self.actor, address, data)

    def _check(self, length: int) -> None:
        if not 0 < length <= MOST:
            raise BrokenContract(self._culprit, "model its device", f"moves {length} bytes at once, not 1 to {MOST}")
