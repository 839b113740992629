"""
PCI from the processor's side: configuration space by ports, enumeration, and addresses for BARs.

Only bus 0 is walked: the bench plugs its devices there.

Spec: PCI Local Bus 3.0, 3.2.2.3.2 (configuration mechanism #1), 6.1 and 6.2.5.1 (headers, BARs).
"""

from collections.abc import Iterator
from dataclasses import dataclass

from sevconf.subjects.qemu.qtest import QTest
from sevconf.vocabulary import PAGE_SIZE

_ADDRESS, _DATA = 0xCF8, 0xCFC
_ENABLE = 1 << 31

#: Offsets in configuration space.
COMMAND, CLASS, HEADER_TYPE, BAR0, CAPABILITIES = 0x04, 0x08, 0x0E, 0x10, 0x34
#: Bits of the command register.
IO_SPACE, MEMORY_SPACE, BUS_MASTER = 1, 2, 4
_BARS = 6
_MULTIFUNCTION = 0x80
_ABSENT = 0xFFFF
#: Where BARs go: below the 4 GiB boundary's registers, and above the machine's own ports.
_MEMORY_WINDOW, _PORT_WINDOW = 0xC000_0000, 0xC000


@dataclass(frozen=True, slots=True)
class Bar:
    """A base address register: `size` bytes at `address`, of memory or of I/O ports; size 0 is no BAR."""

    address: int
    size: int
    io: bool = False


@dataclass(frozen=True, slots=True)
class Function:
    """A function of a device on bus 0: its place `devfn`, its ids, and its class code of three bytes."""

    devfn: int
    vendor: int
    device: int
    class_code: int
    bars: tuple[Bar, ...] = ()

    @property
    def source(self) -> int:
        """Its source id: bus, device and function, as PCI Express packs them."""
        return self.devfn

    @property
    def address(self) -> str:
        """Its place in words: bus:device.function."""
        return f"00:{self.devfn >> 3:02x}.{self.devfn & 7}"


class Pci:
    """Configuration space of bus 0, and the windows that its BARs are placed in."""

    def __init__(self, qtest: QTest) -> None:
        self._qtest = qtest
        self._next = {False: _MEMORY_WINDOW, True: _PORT_WINDOW}

    def read(self, devfn: int, offset: int, width: int = 4) -> int:
        """Read configuration space."""
        self._select(devfn, offset)
        return self._qtest.port_in(_DATA + (offset & 3), width)

    def write(self, devfn: int, offset: int, width: int, value: int) -> None:
        """Write configuration space."""
        self._select(devfn, offset)
        self._qtest.port_out(_DATA + (offset & 3), width, value)

    def _select(self, devfn: int, offset: int) -> None:
        self._qtest.port_out(_ADDRESS, 4, _ENABLE | devfn << 8 | offset & ~3)

    def scan(self) -> Iterator[Function]:
        """Yield every function of bus 0, without BARs."""
        for slot in range(32):
            functions = 8
            for function in range(8):
                devfn = slot << 3 | function
                ids = self.read(devfn, 0) if function < functions else _ABSENT
                if ids & 0xFFFF == _ABSENT:
                    if function == 0:
                        break
                    continue
                if function == 0 and not self.read(devfn, HEADER_TYPE, 1) & _MULTIFUNCTION:
                    functions = 1
                yield Function(devfn, ids & 0xFFFF, ids >> 16, self.read(devfn, CLASS) >> 8)

    def assign(self, devfn: int) -> tuple[Bar, ...]:
        """Give every BAR of a function an address, and switch its decoding on; bus mastering stays as it is."""
        bars: list[Bar] = []
        while len(bars) < _BARS:
            offset = BAR0 + 4 * len(bars)
            self.write(devfn, offset, 4, 0xFFFF_FFFF)
            probed = self.read(devfn, offset)
            io, wide = bool(probed & 1), probed & 7 == 4
            size = _size(probed, io=io)
            if size == 0:
                bars.append(Bar(0, 0))
                continue
            address = self._place(size, io=io)
            self.write(devfn, offset, 4, address)
            bars.append(Bar(address, size, io))
            if wide:
                self.write(devfn, offset + 4, 4, 0)
                bars.append(Bar(0, 0))
        command = self.read(devfn, COMMAND, 2)
        self.write(devfn, COMMAND, 2, command | IO_SPACE | MEMORY_SPACE)
        return tuple(bars)

    def _place(self, size: int, *, io: bool) -> int:
        room = size if io else max(size, PAGE_SIZE)
        address = (self._next[io] + room - 1) & ~(room - 1)
        self._next[io] = address + room
        return address

    def capabilities(self, devfn: int) -> Iterator[tuple[int, int]]:
        """Yield identifier and offset of each capability."""
        at = self.read(devfn, CAPABILITIES, 1) & ~3
        while at:
            header = self.read(devfn, at, 2)
            yield header & 0xFF, at
            at = header >> 8 & ~3


def _size(probed: int, *, io: bool) -> int:
    """Return the size that a BAR tells when all ones were written to it."""
    address = probed & (0xFFFC if io else 0xFFFF_FFF0)
    return address & -address
