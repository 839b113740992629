"""
A device of QEMU's as a PCI function of the reference machine: its registers are QEMU's, its DMA stands in the trace.

DMA is told as it is seen: where it begins, `length` 1, as QEMU tells no more. It stands behind the act of ours that was
before it, since devices work on their own.
"""

from sevconf.model.devices.base import PciFunction
from sevconf.model.recorder import Recorder
from sevconf.subjects.qemu.bench import Bench, Device
from sevconf.subjects.qemu.ram import SharedRam
from sevconf.trace import Dma
from sevconf.vocabulary import Command, ConfigRegister

_WIDTHS = frozenset({1, 2, 4, 8})
#: Bytes of configuration space that PciIo reaches.
_CONFIG_SIZE = 0x100


class QemuFunction(PciFunction):
    """The device `device` of a bench; the first BAR that it has in memory, or else in I/O space, is its registers."""

    def __init__(self, recorder: Recorder, bench: Bench, device: Device, ram: SharedRam) -> None:
        super().__init__(recorder)
        self.actor = device.actor
        self._bench = bench
        self._function = device.function
        self._ram = ram
        self._mark = bench.mark()
        bars = sorted((bar for bar in device.function.bars if bar.size), key=lambda bar: bar.io)
        self._registers = bars[0]

    # Registers

    def config_read(self, offset: int, width: int) -> int | None:
        """Read configuration space."""
        if not _fits(offset, width, _CONFIG_SIZE) or width > 4:
            return None
        self.step()
        value = self._bench.config_read(self._function.devfn, offset, width)
        self._record(_config_name(offset), value, write=False)
        return value

    def config_write(self, offset: int, width: int, value: int) -> bool:
        """Write configuration space; BARs stay where they are."""
        if not _fits(offset, width, _CONFIG_SIZE) or width > 4:
            return False
        self.step()
        self._record(_config_name(offset), value, write=True)
        if not ConfigRegister.BAR0 <= offset < ConfigRegister.BAR0 + 24:
            self._bench.config_write(self._function.devfn, offset, width, value)
        if offset == ConfigRegister.COMMAND:
            self.command = Command(value & 7)
        self.step()
        return True

    def register_read(self, offset: int, width: int) -> int | None:
        """Read a register."""
        if not self._has(offset, width):
            return None
        bar = self._registers
        value = (self._bench.port_in if bar.io else self._bench.read)(bar.address + offset, width)
        self.step()
        self._record(f"{offset:#x}", value, write=False)
        return value

    def register_write(self, offset: int, width: int, value: int) -> bool:
        """Write a register; what it makes the device do at once is seen at once."""
        if not self._has(offset, width):
            return False
        self.step()
        self._record(f"{offset:#x}", value, write=True)
        bar = self._registers
        (self._bench.port_out if bar.io else self._bench.write)(bar.address + offset, width, value)
        self.step()
        return True

    def _has(self, offset: int, width: int) -> bool:
        return _fits(offset, width, self._registers.size) and not (self._registers.io and width > 4)

    # DMA

    def step(self) -> None:
        """Record what the device has done since it was last looked at."""
        for access in self._bench.accesses(self._mark):
            self._mark += 1
            if access.source != self._function.source:
                continue
            if access.write:
                self._ram.device_wrote(access.address)
            self._recorder.record(
                Dma, by=self.actor, device=self.actor, address=access.address, length=1, write=bool(access.write)
            )


def _fits(offset: int, width: int, size: int) -> bool:
    return width in _WIDTHS and offset % width == 0 and 0 <= offset <= size - width


def _config_name(offset: int) -> str:
    known = next((register.name for register in ConfigRegister if register == offset), None)
    return known or f"config {offset:#x}"
