"""Drivers with devices of their own that do what no device should, one act each; all else is the copier's."""

import time
from typing import Any, ClassVar

from sevconf.model.devices.copier import Copier
from sevconf.model.drivers.copier import CopierDriver


class BrokenEngine(Copier):
    """Raises in a step while it runs."""

    def step(self) -> None:
        """Raise."""
        if self.is_running():
            raise RuntimeError("the engine is stuck")


class RaisesInDevice(CopierDriver):
    """Has a device that raises."""

    device = BrokenEngine


class SlowEngine(Copier):
    """Hangs when something happens outside."""

    def stimulate(self) -> None:
        """Hang."""
        time.sleep(60)


class HangsInDevice(CopierDriver):
    """Has a device that hangs."""

    device = SlowEngine


class TextEngine(Copier):
    """Returns texts from its registers."""

    def register_read(self, offset: int, width: int) -> Any:
        """Break the contract."""
        del offset, width
        return "full"


class ReadsText(CopierDriver):
    """Has a device whose registers are texts."""

    device = TextEngine


class GreedyEngine(Copier):
    """Reads more at once than any bus moves."""

    def stimulate(self) -> None:
        """Read a gigabyte."""
        self._bus.read(0, 1 << 30)


class ReadsTooMuch(CopierDriver):
    """Has a device that is greedy."""

    device = GreedyEngine


class NoDevice(CopierDriver):
    """Brings an instance where a class belongs."""

    device: ClassVar[Any] = "copier"


class HalfEngine:
    """Has no step."""

    def __init__(self, bus: Any) -> None:
        self.bus = bus

    def reset(self) -> None:
        """Be halted."""

    def register_read(self, offset: int, width: int) -> None:
        """Have no register."""

    def register_write(self, offset: int, width: int, value: int) -> bool:
        """Have no register."""
        del offset, width, value
        return False

    def is_running(self) -> bool:
        """Never run."""
        return False


class HalfDevice(CopierDriver):
    """Brings a device that lacks a method."""

    device: ClassVar[Any] = HalfEngine
