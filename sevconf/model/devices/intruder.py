"""
The intruder: a bus master without driver, which reads the same memory at every step.

It stands for a device that nobody halts, such as one that was plugged in from outside: what an IOMMU is there for.
"""

from sevconf.model.bus import Bus


class Intruder:
    """The device; it aims at `length` bytes at `address`."""

    actor = "device:intruder"

    def __init__(self, bus: Bus, address: int, length: int) -> None:
        self._bus = bus
        self._address = address
        self._length = length

    def step(self) -> None:
        """Read, whatever comes of it."""
        self._bus.read(self.actor, self._address, self._length)
