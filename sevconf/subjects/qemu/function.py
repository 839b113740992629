"""
A device of QEMU's as a PCI function of the reference machine: its registers are QEMU's, its DMA stands in the trace.

A device runs while its bus-master bit is set, as the platform has done before drivers start, and its own
registers say so (`_RUNS`); the exerciser does once it was told of data to move.

What happens outside: a frame comes, or a key is pressed; the exerciser, to which nothing comes from outside, does its
last DMA once more.

Spec: QEMU `docs/specs/edu.txt`; Intel 8254x Software Developer's Manual, 13.4 (RCTL, TCTL); xHCI 1.2, 5.3 and 5.4; EHCI
1.0, 2.2 and 2.3; UHCI 1.1, 2.1; RTL8139C(L) data sheet, 5.7 (command register).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sevconf.errors import BrokenContract, LostContact
from sevconf.model.devices.base import PciFunction
from sevconf.model.recorder import Recorder
from sevconf.subjects.qemu.bench import Bench, Device
from sevconf.subjects.qemu.dma import DmaRecorder
from sevconf.subjects.qemu.models import EXERCISER
from sevconf.subjects.qemu.process import HARDWARE_ERROR
from sevconf.subjects.qemu.ram import SharedRam
from sevconf.trace import DeviceState
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
        self._dma = DmaRecorder(recorder, bench, ram.device_wrote)
        self._backing = device.backing
        #: Who programmed the device last.
        self._driver = ""
        self._runs = _RUNS[device.backing.order.model.name]
        self.running = False
        bars = sorted((bar for bar in device.function.bars if bar.size), key=lambda bar: bar.io)
        self._registers = bars[0]
        bench.master(device, enabled=self.masters_bus)

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
        self._look()
        return True

    def register_read(self, offset: int, width: int) -> int | None:
        """Read a register."""
        if not self._has(offset, width):
            return None
        with self._blaming():
            value = self._peek(offset, width)
        self.step()
        self._record(f"{offset:#x}", value, write=False)
        return value

    def register_write(self, offset: int, width: int, value: int) -> bool:
        """Write a register; what it makes the device do at once is seen at once."""
        if not self._has(offset, width):
            return False
        self.step()
        self._driver = self._recorder.actor
        self._record(f"{offset:#x}", value, write=True)
        bar = self._registers
        with self._blaming():
            (self._bench.port_out if bar.io else self._bench.write)(bar.address + offset, width, value)
        self._look()
        return True

    def _has(self, offset: int, width: int) -> bool:
        return _fits(offset, width, self._registers.size) and not (self._registers.io and width > 4)

    @contextmanager
    def _blaming(self) -> Iterator[None]:
        """Let a device model that gives up be the failure of whoever programmed it."""
        try:
            yield
        except LostContact as error:
            if HARDWARE_ERROR not in str(error) or not self._driver:
                raise
            how = f"programs {self.actor} so that QEMU gives up: {str(error).partition(f'{HARDWARE_ERROR}: ')[2]}"
            raise BrokenContract(self._driver, "drive its device", how) from error

    def _peek(self, offset: int, width: int) -> int:
        bar = self._registers
        return (self._bench.port_in if bar.io else self._bench.read)(bar.address + offset, width)

    def _look(self) -> None:
        """See whether an act of the driver has started the device, or halted it, and what it did."""
        with self._blaming():
            running = self.masters_bus and self._runs(self._peek)
        if running != self.running:
            self.running = running
            self._recorder.record(DeviceState, by=self.actor, device=self.actor, running=running)
        self.step()

    # The world outside

    def stimulate(self) -> None:
        """Let something happen that the device tells of."""
        model = self._backing.order.model
        if self._backing.wire is not None:
            self._backing.wire.deliver(_FRAME)
        elif model.name == EXERCISER:
            bar = self._registers.address
            self._bench.write(bar + _EDU_COMMAND, 8, self._bench.read(bar + _EDU_COMMAND, 8) | 1)
        else:
            self._bench.press("a")

    # DMA

    def step(self) -> None:
        """Record what the device has done since it was last looked at."""
        with self._blaming():
            self._dma.record()


#: A frame for everybody.
_FRAME = b"\xff" * 6 + bytes.fromhex("525400123457 88b5") + bytes(46)
#: The exerciser's command register.
_EDU_COMMAND = 0x98

Peek = Callable[[int, int], int]


def _edu_runs(peek: Peek) -> bool:
    return bool(peek(0x90, 8))


def _rtl8139_runs(peek: Peek) -> bool:
    return bool(peek(0x37, 1) & 0xC)


def _e1000_runs(peek: Peek) -> bool:
    return bool((peek(0x100, 4) | peek(0x400, 4)) & 2)


def _xhci_runs(peek: Peek) -> bool:
    return not peek(peek(0, 1) + 4, 4) & 1


def _ehci_runs(peek: Peek) -> bool:
    return not peek(peek(0, 1) + 4, 4) & 1 << 12


def _uhci_runs(peek: Peek) -> bool:
    return not peek(2, 2) & 1 << 5


#: Whether a device says that it runs, by models: those for Python drivers.
_RUNS: dict[str, Callable[[Peek], bool]] = {
    EXERCISER: _edu_runs,
    "rtl8139": _rtl8139_runs,
    "e1000": _e1000_runs,
    "e1000e": _e1000_runs,
    "qemu-xhci": _xhci_runs,
    "usb-ehci": _ehci_runs,
    "piix3-usb-uhci": _uhci_runs,
}


def _fits(offset: int, width: int, size: int) -> bool:
    return width in _WIDTHS and offset % width == 0 and 0 <= offset <= size - width


def _config_name(offset: int) -> str:
    known = next((register.name for register in ConfigRegister if register == offset), None)
    return known or f"config {offset:#x}"
