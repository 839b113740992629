"""
A device of the vendor's own, behind drivers of kind `device`: what its model offers, and the bus that it is given.

The model is the hardware that the suite does not bring. Its registers lie in BAR 0 and BAR 1; offsets and meanings are
its own. It reaches memory through the bus alone, by DeviceAddress, and only while its bus-master bit is set. It makes a
step whenever a register is touched, a notification ends, or time passes; it must not wait, and needs no clock.

What it says of itself is believed: whether it runs, most of all. A model that does DMA while it says that it does not
run is charged for the DMA all the same.
"""

from typing import Protocol, runtime_checkable

#: Most bytes that a device moves at once.
MOST = 1 << 20


class DeviceBus(Protocol):
    """A device's way to memory. Outside RAM, or without the bus-master bit, reads give ones and writes are lost."""

    def read(self, address: int, length: int) -> bytes:
        """Read `length` bytes, 1 MiB at most, at a DeviceAddress."""
        ...

    def write(self, address: int, data: bytes) -> None:
        """Write bytes at a DeviceAddress."""
        ...


@runtime_checkable
class DeviceModel(Protocol):
    """A device; it is built with `bus`, and does nothing before `reset`."""

    def reset(self) -> None:
        """Be as after power-on: halted."""
        ...

    def register_read(self, offset: int, width: int) -> int | None:
        """Read the register of that many bytes at that offset; None: there is no such register."""
        ...

    def register_write(self, offset: int, width: int, value: int) -> bool:
        """Write a register; False: there is no such register."""
        ...

    def is_running(self) -> bool:
        """Tell whether the device may begin DMA of its own accord, now or later."""
        ...

    def step(self) -> None:
        """Make one step of progress."""
        ...

    def stimulate(self) -> None:
        """Let something happen outside that the device tells its driver of by DMA: a frame, a key, an alarm."""
        ...
