"""
A device of QEMU's as a PCI function of the reference machine: its registers are QEMU's, its DMA stands in the trace.

A device runs while its bus-master bit is set, as the platform has done before drivers start, and its own
registers say so (`_RUNS`); the exerciser does once it was told of data to move.

What happens outside: a frame comes, or a key is pressed; the exerciser, to which nothing comes from outside, does its
last DMA once more.

Spec: QEMU `docs/specs/edu.txt`; Intel 8254x Software Developer's Manual, 13.4 (RCTL, TCTL); xHCI 1.2, 5.3 and 5.4 (RS:
a halted controller begins no transaction), against QEMU 7.2 `hw/usb/hcd-xhci.c`, xhci_wakeup_endpoint; EHCI 1.0, 2.2
and 2.3; UHCI 1.1, 2.1; RTL8139C(L) data sheet, 5.7 (command register); NVMe 1.4, 3.1.5 (CC); AHCI 1.3.1, 3.3.7 (PxCMD);
Virtual I/O Device (VIRTIO) 1.2, 4.1.4.3 (device_status).
"""

import mmap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property

from sevconf.errors import BrokenContract, LostContact
from sevconf.model.devices.base import PciFunction
from sevconf.model.pci_io import PciIo
from sevconf.model.recorder import Recorder
from sevconf.subjects.qemu.behind import DISK_SIZE
from sevconf.subjects.qemu.bench import Bench, Device
from sevconf.subjects.qemu.dma import DmaRecorder
from sevconf.subjects.qemu.models import EXERCISER, Behind
from sevconf.subjects.qemu.pci import Bar
from sevconf.subjects.qemu.process import HARDWARE_ERROR
from sevconf.subjects.qemu.ram import SharedRam
from sevconf.trace import DeviceState
from sevconf.vocabulary import Command, ConfigRegister, EfiStatus

_WIDTHS = frozenset({1, 2, 4, 8})
#: Bytes of configuration space that PciIo reaches.
_CONFIG_SIZE = 0x100


class QemuFunction(PciFunction):
    """
    The device `device` of a bench; the first BAR that it has in memory, or else in I/O space, is its registers.

    Of virtio it is the BAR of the modern device. Who acts when it acts is `actor`, or else `device:` and its model.
    """

    def __init__(self, recorder: Recorder, bench: Bench, device: Device, ram: SharedRam, actor: str = "") -> None:
        super().__init__(recorder)
        self.actor = actor or device.actor
        self._bench = bench
        self._function = device.function
        self._dma = DmaRecorder(recorder, bench, ram.device_wrote, {device.function.source: self.actor})
        self._backing = device.backing
        #: Who programmed the device last.
        self._driver = ""
        model = device.backing.order.model.name
        self._runs = _RUNS[model]
        self.running = False
        bars = device.function.bars
        by_kind = sorted((bar for bar in bars if bar.size), key=lambda bar: bar.io)
        self._registers = bars[_VIRTIO_BAR] if model.startswith("virtio-") else by_kind[0]
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
        return self.bar_read(self._registers, offset, width)

    def register_write(self, offset: int, width: int, value: int) -> bool:
        """Write a register; what it makes the device do at once is seen at once."""
        return self.bar_write(self._registers, offset, width, value)

    def bar(self, number: int) -> Bar | None:
        """Return a BAR that it has."""
        bars = self._function.bars
        return bars[number] if number < len(bars) and bars[number].size else None

    def bar_read(self, bar: Bar, offset: int, width: int) -> int | None:
        """Read a register behind a BAR; None: there is none."""
        if not _has(bar, offset, width):
            return None
        with self._blaming():
            value = self._get(bar, offset, width)
        self.step()
        self._record(self._name(bar, offset), value, write=False)
        return value

    def bar_write(self, bar: Bar, offset: int, width: int, value: int) -> bool:
        """Write a register behind a BAR; False: there is none."""
        if not _has(bar, offset, width):
            return False
        self.step()
        self._driver = self._recorder.actor
        self._record(self._name(bar, offset), value, write=True)
        with self._blaming():
            (self._bench.port_out if bar.io else self._bench.write)(bar.address + offset, width, value)
        self._look()
        return True

    def _name(self, bar: Bar, offset: int) -> str:
        return f"{offset:#x}" if bar == self._registers else f"BAR {self._function.bars.index(bar)} {offset:#x}"

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
        return self._get(self._registers, offset, width)

    def _get(self, bar: Bar, offset: int, width: int) -> int:
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

    def stimulate(self) -> bool:
        """Let something happen that the device tells of; disks, displays and sources of randomness only answer."""
        model = self._backing.order.model
        if self._backing.wire is not None:
            self._backing.wire.deliver(_FRAME)
        elif model.name == EXERCISER:
            bar = self._registers.address
            self._bench.write(bar + _EDU_COMMAND, 8, self._bench.read(bar + _EDU_COMMAND, 8) | 1)
        elif model.behind is Behind.KEYBOARD:
            if self.running or model.name not in _DEAF_TO_HALT:
                self._bench.press("a")
        else:
            return False
        return True

    # DMA

    def step(self) -> None:
        """Record what the device has done since it was last looked at."""
        with self._blaming():
            self._dma.record()


#: The BAR in which QEMU's modern virtio devices have their structures, the common one first.
_VIRTIO_BAR = 4
#: A frame for everybody.
_FRAME = b"\xff" * 6 + bytes.fromhex("525400123457 88b5") + bytes(46)
#: Models that take up a transfer that waits also while they are halted, which no hardware does: nothing comes to them.
_DEAF_TO_HALT = {"qemu-xhci"}
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


def _virtio_runs(peek: Peek) -> bool:
    return bool(peek(0x14, 1) & 4)


def _nvme_runs(peek: Peek) -> bool:
    return bool(peek(0x14, 4) & 1)


def _ahci_runs(peek: Peek) -> bool:
    ports = peek(0x0C, 4)
    return any(peek(0x118 + 0x80 * port, 4) & 0x11 for port in range(32) if ports >> port & 1)


#: Whether a device says that it runs, by models.
_RUNS: dict[str, Callable[[Peek], bool]] = {
    EXERCISER: _edu_runs,
    "rtl8139": _rtl8139_runs,
    "e1000": _e1000_runs,
    "e1000e": _e1000_runs,
    "qemu-xhci": _xhci_runs,
    "usb-ehci": _ehci_runs,
    "piix3-usb-uhci": _uhci_runs,
    "ahci": _ahci_runs,
    "nvme": _nvme_runs,
    "virtio-blk-pci": _virtio_runs,
    "virtio-gpu-pci": _virtio_runs,
    "virtio-net-pci": _virtio_runs,
    "virtio-rng-pci": _virtio_runs,
    "virtio-scsi-pci": _virtio_runs,
}
#: Models of which it is known whether they run.
WATCHED = frozenset(_RUNS)


def _has(bar: Bar, offset: int, width: int) -> bool:
    return _fits(offset, width, bar.size) and not (bar.io and width > 4)


class QemuDisk(QemuFunction):
    """The machine's disk, behind a controller of QEMU's; its image is `medium`."""

    @property
    def medium(self) -> mmap.mmap:
        """The disk image, which QEMU reads and writes as well."""
        return self._image

    @medium.setter
    def medium(self, content: bytes) -> None:
        self._image[:] = content

    @cached_property
    def _image(self) -> mmap.mmap:
        if self._backing.disk is None:
            raise ValueError(f"there is no disk behind {self.actor}")
        return mmap.mmap(self._backing.disk.image.descriptor, DISK_SIZE)


class BarPciIo(PciIo):
    """PciIo that reaches every BAR of a function of QEMU's."""

    @property
    def _qemu(self) -> QemuFunction:
        if not isinstance(self._device, QemuFunction):
            raise TypeError(f"{self._device.actor} is no device of QEMU's")
        return self._device

    def bar(self, number: int) -> Bar | None:
        """Return a BAR of the device."""
        return self._qemu.bar(number)

    def bar_read(self, number: int, offset: int, width: int) -> tuple[EfiStatus, int]:
        """Mem.Read or Io.Read of that BAR."""
        bar = self._qemu.bar(number)
        value = None if bar is None else self._qemu.bar_read(bar, offset, width)
        return (EfiStatus.INVALID_PARAMETER, 0) if value is None else (EfiStatus.SUCCESS, value)

    def bar_write(self, number: int, offset: int, width: int, value: int) -> EfiStatus:
        """Mem.Write or Io.Write of that BAR."""
        bar = self._qemu.bar(number)
        known = bar is not None and self._qemu.bar_write(bar, offset, width, value)
        return EfiStatus.SUCCESS if known else EfiStatus.INVALID_PARAMETER

    def look(self) -> None:
        """See what the device has done up to now."""
        self._qemu.step()


def _fits(offset: int, width: int, size: int) -> bool:
    return width in _WIDTHS and offset % width == 0 and 0 <= offset <= size - width


def _config_name(offset: int) -> str:
    known = next((register.name for register in ConfigRegister if register == offset), None)
    return known or f"config {offset:#x}"
