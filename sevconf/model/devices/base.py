"""
What every device of the model is: a PCI function with a command register, registers in two BARs, and DMA.

The same registers lie in BAR 0 (memory) and BAR 1 (I/O), as many cards have them. A device runs while its own CONTROL
says so and its bus-master bit is set; without that bit it begins no DMA, whatever else it was told.

The platform has switched decoding of both BARs and bus mastering on before any driver starts. UEFI leaves that open: a
driver that enables bus mastering itself, as it should, and one that relies on its platform are judged alike.

Spec: PCI Local Bus Specification 3.0, 6.1 and 6.2.2; the function's registers in `sevconf.contract`.
Left out: interrupts, capabilities, the status register's bits, sizing of BARs.
"""

from collections.abc import Callable, Mapping
from enum import IntEnum
from typing import Any, ClassVar

from sevconf.model.bus import Bus
from sevconf.model.recorder import Recorder
from sevconf.trace import DeviceRegister, DeviceState
from sevconf.vocabulary import Command, ConfigRegister, PciAttribute

#: Vendor id of all devices of the suite: Red Hat's, as those of QEMU have it.
VENDOR = 0x1B36
#: The command register when drivers start.
_AT_START = Command.IO_SPACE | Command.MEMORY_SPACE | Command.BUS_MASTER
_WIDTHS = {ConfigRegister.BAR0: 4, ConfigRegister.BAR1: 4}


class PciFunction:
    """Configuration space of a function; a subclass is told when its bus-master bit changes."""

    actor: str
    #: Device id in configuration space.
    device_id: ClassVar[int] = 0
    #: What Attributes(Supported) tells.
    attributes: ClassVar[PciAttribute] = PciAttribute(0x8700)

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self.command = _AT_START
        #: Bases of BAR 0 (memory) and BAR 1 (I/O), which the root bridge assigns.
        self.bars = (0, 0)

    def config_read(self, offset: int, width: int) -> int | None:
        """Read configuration space; None is no such register."""
        register = _config_register(offset, width)
        if register is None:
            return None
        value = {
            ConfigRegister.VENDOR_ID: VENDOR,
            ConfigRegister.DEVICE_ID: self.device_id,
            ConfigRegister.COMMAND: int(self.command),
            ConfigRegister.STATUS: 0,
            ConfigRegister.BAR0: self.bars[0],
            ConfigRegister.BAR1: self.bars[1] | 1,
        }[register]
        self._record(register.name, value, write=False)
        return value

    def config_write(self, offset: int, width: int, value: int) -> bool:
        """Write configuration space; False is no such register. Only the command register changes."""
        register = _config_register(offset, width)
        if register is None:
            return False
        self.settle()
        self._record(register.name, value, write=True)
        if register is ConfigRegister.COMMAND:
            self.command = Command(value & 7)
            self.command_changed()
        return True

    def register_read(self, offset: int, width: int) -> int | None:
        """Read a register of the function's own; None is no such register."""
        del offset, width
        return None

    def register_write(self, offset: int, width: int, value: int) -> bool:
        """Write a register of the function's own; False is no such register."""
        del offset, width, value
        return False

    def settle(self) -> None:
        """Go on until a write takes effect."""

    def command_changed(self) -> None:
        """Hear that the command register was written."""

    @property
    def masters_bus(self) -> bool:
        """Whether it may begin DMA."""
        return bool(self.command & Command.BUS_MASTER)

    def _record(self, register: str, value: int, *, write: bool) -> None:
        self._recorder.record(DeviceRegister, device=self.actor, register=register, value=value, write=write)


def _config_register(offset: int, width: int) -> ConfigRegister | None:
    register = next((r for r in ConfigRegister if r == offset), None)
    return register if register is not None and _WIDTHS.get(register, 2) == width else None


class Device(PciFunction):
    """
    A device with registers and DMA; `registers` has the width of each register in bytes.

    A subclass has a register CONTROL, and says what reading and writing the others does (`_value`, `_take`), how it
    starts (`_restart`) and what a step of progress is (`_progress`).
    """

    registers: ClassVar[Mapping[Any, int]]

    def __init__(self, recorder: Recorder, bus: Bus) -> None:
        super().__init__(recorder)
        self._bus = bus
        self.running = False
        self._wanted = False
        #: How many steps it makes where it may make progress.
        self.pace: Callable[[], int] = lambda: 1

    # Registers

    def register_read(self, offset: int, width: int) -> int | None:
        """Read a register; devices go on meanwhile."""
        register = self._register(offset, width)
        if register is None:
            return None
        self.go_on()
        value = int(self._wanted) if register.name == "CONTROL" else self._value(register)
        self._record(register.name, value, write=False)
        return value

    def register_write(self, offset: int, width: int, value: int) -> bool:
        """Write a register; devices go on until it takes effect."""
        register = self._register(offset, width)
        if register is None:
            return False
        self.go_on()
        self._record(register.name, value, write=True)
        if register.name == "CONTROL":
            self._wanted = bool(value & 1)
            self.command_changed()
        else:
            self._take(register, value)
        return True

    def _register(self, offset: int, width: int) -> IntEnum | None:
        register: IntEnum | None = next((r for r in self.registers if r == offset), None)
        return register if register is not None and self.registers[register] == width else None

    def command_changed(self) -> None:
        """Start or halt."""
        run = self._wanted and self.masters_bus
        if run != self.running:
            self.running = run
            self._restart()
            self._recorder.record(DeviceState, by=self.actor, device=self.actor, running=run)

    def _value(self, register: IntEnum) -> int:
        """Tell what a register reads as."""
        raise NotImplementedError

    def _take(self, register: IntEnum, value: int) -> None:
        """Let a write take effect."""
        raise NotImplementedError

    def _restart(self) -> None:
        """Forget what was begun: the device has started, or halted."""
        raise NotImplementedError

    # Progress

    def settle(self) -> None:
        """Go on before the command register changes."""
        self.go_on()

    def go_on(self) -> None:
        """Make as much progress as there is time for."""
        for _ in range(self.pace()):
            self.step()

    def step(self) -> None:
        """Make a step, if it runs."""
        if self.running:
            self._progress()

    def _progress(self) -> None:
        """Make one step."""
        raise NotImplementedError
