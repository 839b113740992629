"""
I/O ports of the platform: debug console, PM timer, and those that take anything.

The PM timer counts the machine's time; each look at it costs a microsecond, or a wait on it would not end.

Spec: EDK II `OvmfPkg/Library/PlatformDebugLibIoPort` (0x402 reads as 0xE9); ACPI 6.5, 4.8.3.3 (3.579545 MHz, 24 bits).
"""

from collections.abc import Callable, Mapping

from sevconf.subjects.binary.platform import PortUse

_DEBUG_MAGIC = 0xE9
_HERTZ = 3_579_545
_UNITS_A_SECOND = 10_000_000
#: Units of 100 ns that a look at the timer takes.
_LOOK = 10
_TIMER_BITS = (1 << 24) - 1
#: Characters of the debug console that are kept: the last ones.
_KEPT = 400


class Ports:
    """The ports; `now` is the machine's time in units of 100 ns."""

    def __init__(self, uses: Mapping[int, PortUse], now: Callable[[], int]) -> None:
        self._uses = uses
        self._now = now
        self._looks = 0
        self._said = bytearray()

    def read(self, port: int, width: int) -> int | None:
        """Read a port; None is no such port."""
        del width
        match self._uses.get(port):
            case PortUse.DEBUG:
                return _DEBUG_MAGIC
            case PortUse.PM_TIMER:
                self._looks += 1
                return (self._now() + self._looks * _LOOK) * _HERTZ // _UNITS_A_SECOND & _TIMER_BITS
            case PortUse.IGNORED:
                return 0
        return None

    def write(self, port: int, width: int, value: int) -> bool:
        """Write a port; False is no such port."""
        del width
        if self._uses.get(port) is PortUse.DEBUG:
            self._said.append(value & 0xFF)
            del self._said[:-_KEPT]
        return port in self._uses

    def said(self) -> str:
        """Return the last that was written to the debug console."""
        return self._said.decode("ascii", "backslashreplace").strip()
