"""
The reference driver of the copier: conforming, small, and made to be spoiled one step at a time.

The count of events lies in a common buffer for as long as the driver runs; source and target are mapped for each copy.

Spec: UEFI 2.10, 14.4 EFI_PCI_IO_PROTOCOL; `sevconf.model.devices.copier`.
"""

from typing import ClassVar

from sevconf.contract.device import DeviceModel
from sevconf.contract.driver import (
    DeviceKind,
    Mapped,
)
from sevconf.model.devices.copier import REGISTER_WIDTH, Copier, CopierRegister
from sevconf.model.drivers.base import BufferDriver
from sevconf.vocabulary import (
    PAGE_SIZE,
    AllocateType,
    DmaOperation,
    EfiStatus,
    Gva,
    MemoryType,
)

#: Bytes that are copied, and times that the driver looks whether they are.
SIZE, PATIENCE = 600, 50
_PATTERN = bytes(range(200)) * 3


class CopierDriver(BufferDriver):
    """The driver."""

    kind: ClassVar[DeviceKind] = "device"
    device: ClassVar[type[DeviceModel]] = Copier
    registers = REGISTER_WIDTH
    control = CopierRegister.CONTROL

    def supported(self) -> EfiStatus:
        """Look for the device."""
        return self._read(CopierRegister.CONTROL)[0]

    def _fill(self) -> None:
        """Leave the buffer as it is: the copier writes the count without reading it."""

    def _run(self) -> None:
        self._write(CopierRegister.EVENTS, self.device_address)
        self._write(CopierRegister.CONTROL, 1)

    def work(self) -> EfiStatus:
        """Copy one page to another, and compare."""
        status, pages = self.boot_services.allocate_pages(AllocateType.ANY_PAGES, MemoryType.BOOT_SERVICES_DATA, 2)
        if status.is_error:
            return status
        self.memory.write(pages, _PATTERN)
        target = Gva(pages + PAGE_SIZE)
        status = self._copy(pages, target)
        if not status.is_error and self.memory.read(target, SIZE) != _PATTERN:
            status = EfiStatus.DEVICE_ERROR
        self.boot_services.free_pages(pages, 2)
        return status

    def _copy(self, source: Gva, target: Gva) -> EfiStatus:
        """Map both, copy, unmap both."""
        read = self.pci_io.map(DmaOperation.READ, source, SIZE)
        if read.status.is_error:
            return read.status
        written = self.pci_io.map(DmaOperation.WRITE, target, SIZE)
        status = written.status
        if not status.is_error:
            status = self._ring(read, written)
            self.pci_io.unmap(written.mapping)
        self.pci_io.unmap(read.mapping)
        return status

    def _ring(self, read: Mapped, written: Mapped) -> EfiStatus:
        """Let the copier copy, and wait for it."""
        self._write(CopierRegister.SOURCE, read.device_address)
        self._write(CopierRegister.TARGET, written.device_address)
        self._write(CopierRegister.LENGTH, SIZE)
        self._write(CopierRegister.DOORBELL, 1)
        for _ in range(PATIENCE):
            if not self._read(CopierRegister.DOORBELL)[1]:
                return EfiStatus.SUCCESS
            self.boot_services.stall(10)
        self.halt()
        self._write(CopierRegister.CONTROL, 1)
        return EfiStatus.TIMEOUT
