"""
The bench: QEMU's devices on a bus, RAM that they share with us, and every DMA of theirs seen.

Who has a bench plays the processor: registers, ports and configuration space are read and written one by one, RAM is a
mapping of the same bytes. Devices act on their own in real time, so what they do is told between our acts and not at an
instant; verdicts must not rest on more.

Left out: interrupts; devices behind bridges; how far an access reaches. RAM between 640 KiB and 1 MiB is no RAM to a
device, as on any PC.
"""

import mmap
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

from sevconf.errors import CannotStart
from sevconf.subjects.qemu import viommu
from sevconf.subjects.qemu.accesses import Access, DmaLog, Watcher
from sevconf.subjects.qemu.behind import Backing
from sevconf.subjects.qemu.models import Order
from sevconf.subjects.qemu.pci import BUS_MASTER, COMMAND, Function, Pci
from sevconf.subjects.qemu.process import NAME, Memory, Qemu
from sevconf.subjects.qemu.qmp import Monitor
from sevconf.subjects.qemu.qtest import QTest

#: Bytes of RAM that the devices share with us, unless more is asked for.
RAM_SIZE = 64 << 20
#: Slot of the first device; those below are the machine's own and the observer.
FIRST_SLOT = 4
#: Where QEMU's VT-d unit has its registers.
VTD_REGISTERS = 0xFED9_0000
#: The unit with four levels of tables, and its registers alone: no interrupt remapping.
_VTD = ("-device", "intel-iommu,intremap=off,aw-bits=48")


@dataclass(frozen=True, slots=True)
class Device:
    """A device on the bench: its function on the bus, and what is behind it."""

    function: Function
    backing: Backing

    @property
    def actor(self) -> str:
        """Who acts when it acts."""
        return f"device:{self.backing.order.model.name}"


class Bench:
    """
    Devices in slots from 4 on, in the order of `orders`, with `ram_size` bytes of shared RAM.

    `ram` is that RAM, `devices` what is on the bus. It is up when it is made, and a context manager that ends it.

    Raises:
        UsageError: QEMU is not installed.
        TargetError: QEMU does not come up, or goes away later.

    """

    def __init__(
        self, orders: Sequence[Order], *, ram_size: int = RAM_SIZE, watcher: Watcher = Watcher.OBSERVER
    ) -> None:
        self.watcher = watcher
        self._backings = [Backing(order, FIRST_SLOT + index) for index, order in enumerate(orders)]
        #: Functions that were pulled out.
        self._gone: list[Function] = []
        self._held = ExitStack()
        self._apron = Memory("sevconf-apron", viommu.APRON)
        self._held.callback(self._apron.close)
        for backing in self._backings:
            self._held.callback(backing.close)
        try:
            self._start(ram_size)
        except BaseException:
            self.close()
            raise

    def _start(self, ram_size: int) -> None:
        iommu = viommu.arguments(self._apron) if self.watcher is Watcher.OBSERVER else _VTD
        devices = (argument for backing in self._backings for argument in backing.arguments)
        descriptors = [self._apron.descriptor, *(held for backing in self._backings for held in backing.descriptors)]
        self._qemu = qemu = Qemu(ram_size, (*iommu, *self.watcher.arguments, *devices), descriptors)
        self._held.callback(qemu.close)
        self.ram = mmap.mmap(qemu.ram.descriptor, ram_size)
        self._qtest = QTest(qemu)
        self.monitor = Monitor(qemu)
        self._pci = Pci(self._qtest)
        self._log = DmaLog(qemu.log, self.fence)
        self._seen: list[Access] = []
        functions = [replace(found, bars=self._pci.assign(found.devfn)) for found in self._pci.scan()]
        self.devices = tuple(self._device(backing, functions) for backing in self._backings)
        if self.watcher is Watcher.OBSERVER:
            self._observe(functions)

    def _device(self, backing: Backing, functions: Sequence[Function]) -> Device:
        for function in functions:
            if f"d{function.devfn >> 3}" == backing.name and not function.devfn & 7:
                return Device(function, backing)
        raise CannotStart(NAME, f"{backing.order.text} is not on the bus")

    def _observe(self, functions: Sequence[Function]) -> None:
        found = next((f for f in functions if (f.vendor, f.device) == viommu.IDS), None)
        if found is None:
            raise CannotStart(NAME, "the IOMMU that observes DMA is not on the bus")
        observer = viommu.Observer(self._qtest, self._pci, found.devfn, found.bars, self._apron)
        for device in self.devices:
            observer.let_through(device.function.source)
        if self.devices:
            observer.open(len(self.ram))

    # The processor

    def read(self, address: int, width: int) -> int:
        """Read a register at a physical address; `width` is 1, 2, 4 or 8 bytes."""
        return _ones(width) if self._is_gone(address, io=False) else self._qtest.read(address, width)

    def write(self, address: int, width: int, value: int) -> None:
        """Write a register at a physical address."""
        if not self._is_gone(address, io=False):
            self._qtest.write(address, width, value)

    def port_in(self, port: int, width: int) -> int:
        """Read an I/O port of 1, 2 or 4 bytes."""
        return _ones(width) if self._is_gone(port, io=True) else self._qtest.port_in(port, width)

    def port_out(self, port: int, width: int, value: int) -> None:
        """Write an I/O port."""
        if not self._is_gone(port, io=True):
            self._qtest.port_out(port, width, value)

    def config_read(self, devfn: int, offset: int, width: int) -> int:
        """Read configuration space of a function on bus 0."""
        gone = any(function.devfn == devfn for function in self._gone)
        return _ones(width) if gone else self._pci.read(devfn, offset, width)

    def config_write(self, devfn: int, offset: int, width: int, value: int) -> None:
        """Write configuration space of a function on bus 0."""
        if not any(function.devfn == devfn for function in self._gone):
            self._pci.write(devfn, offset, width, value)

    def _is_gone(self, address: int, *, io: bool) -> bool:
        bars = (bar for function in self._gone for bar in function.bars)
        return any(bar.io == io and bar.address <= address < bar.address + bar.size for bar in bars)

    def master(self, device: Device, *, enabled: bool) -> None:
        """Let a device begin DMA, or not."""
        devfn = device.function.devfn
        command = self._pci.read(devfn, COMMAND, 2)
        self._pci.write(devfn, COMMAND, 2, command | BUS_MASTER if enabled else command & ~BUS_MASTER)

    # What the devices do

    def fence(self) -> None:
        """Wait until QEMU is between two things: what it had begun is done and told."""
        self._qtest.port_in(_IDLE_PORT, 1)

    def mark(self) -> int:
        """Return the present place in the list of accesses."""
        self._seen += self._log.new()
        return len(self._seen)

    def accesses(self, since: int = 0) -> list[Access]:
        """Return the accesses of all devices behind a mark, in order."""
        self._seen += self._log.new()
        return self._seen[since:]

    # The world outside

    def press(self, *keys: str) -> None:
        """Press keys together and let them go; each is a name of QEMU's QKeyCode (`a`, `ret`, `shift`)."""
        self.monitor.execute("send-key", keys=[{"type": "qcode", "data": key} for key in keys])

    def unplug_member(self, device: Device) -> None:
        """Pull what sits on a device's own bus, such as its keyboard; the device finds it gone."""
        self.monitor.execute("device_del", id=device.backing.member)

    def unplug(self, device: Device) -> None:
        """
        Pull a device out of its slot: it does no more DMA, reads of it give ones, and writes are lost.

        To QEMU it stays, out of everybody's reach. Spec: PCI Express Base 5.0, 2.3.2 (requests that nobody completes).
        """
        self.master(device, enabled=False)
        self._gone.append(device.function)

    @property
    def memory(self) -> Memory:
        """The shared RAM, for who wants a mapping of its own."""
        return self._qemu.ram

    @property
    def pid(self) -> int:
        """QEMU's process."""
        return self._qemu.pid

    def close(self) -> None:
        """End QEMU; nothing stays behind."""
        self._held.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _ones(width: int) -> int:
    return (1 << 8 * width) - 1


#: The port of POST codes: reading it does nothing.
_IDLE_PORT = 0x80
