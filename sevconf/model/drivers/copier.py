"""
The reference driver of the copier: conforming, small, and made to be spoiled one step at a time.

The count of events lies in a common buffer for as long as the driver runs; source and target are mapped for each copy.

Spec: UEFI 2.10, 14.4 EFI_PCI_IO_PROTOCOL; `sevconf.model.devices.copier`.
"""

from typing import ClassVar

from sevconf.contract.device import DeviceModel
from sevconf.contract.driver import (
    BootServices,
    DeviceKind,
    EventHandle,
    GuestMemory,
    Mapped,
    MappingToken,
    PciIo,
    Role,
)
from sevconf.model.devices.copier import REGISTER_WIDTH, Copier, CopierRegister
from sevconf.vocabulary import (
    EVT_SIGNAL_EXIT_BOOT_SERVICES,
    PAGE_SIZE,
    AllocateType,
    AttributeOperation,
    DmaOperation,
    EfiStatus,
    Gva,
    MemoryType,
    PciAttribute,
    Tpl,
)

#: Bytes that are copied, and times that the driver looks whether they are.
SIZE, PATIENCE = 600, 50
_PATTERN = bytes(range(200)) * 3


class CopierDriver:
    """The driver."""

    role: ClassVar[Role] = "driver"
    kind: ClassVar[DeviceKind] = "device"
    device: ClassVar[type[DeviceModel]] = Copier
    handler_tpl = Tpl.CALLBACK

    def __init__(self, boot_services: BootServices, pci_io: PciIo, memory: GuestMemory) -> None:
        self.boot_services = boot_services
        self.pci_io = pci_io
        self.memory = memory
        self.events = Gva(0)
        self.mapping = MappingToken(0)
        self.exit_event = EventHandle(0)

    def supported(self) -> EfiStatus:
        """Look for the device."""
        return self.pci_io.mem_read(CopierRegister.CONTROL, REGISTER_WIDTH[CopierRegister.CONTROL])[0]

    def start(self) -> EfiStatus:
        """Become bus master, map the count of events, register for ExitBootServices, run."""
        status, _ = self.pci_io.attributes(AttributeOperation.ENABLE, PciAttribute.BUS_MASTER)
        if status.is_error:
            return status
        status, self.events = self.pci_io.allocate_buffer(MemoryType.BOOT_SERVICES_DATA, 1)
        if status.is_error:
            return status
        mapped = self.pci_io.map(DmaOperation.COMMON_BUFFER, self.events, PAGE_SIZE)
        if mapped.status.is_error:
            self.pci_io.free_buffer(1, self.events)
            return mapped.status
        self.mapping = mapped.mapping
        status, self.exit_event = self.boot_services.create_event(
            EVT_SIGNAL_EXIT_BOOT_SERVICES, self.handler_tpl, self.on_exit
        )
        if status.is_error:
            self._give_buffer()
            return status
        self._write(CopierRegister.EVENTS, mapped.device_address)
        self._write(CopierRegister.CONTROL, 1)
        return EfiStatus.SUCCESS

    def stop(self) -> EfiStatus:
        """Halt, then give back all that start took."""
        self.halt()
        self._give_buffer()
        return self.boot_services.close_event(self.exit_event)

    def _give_buffer(self) -> None:
        self.pci_io.unmap(self.mapping)
        self.pci_io.free_buffer(1, self.events)

    def on_exit(self) -> None:
        """Halt the copier: from now on it belongs to the OS."""
        self.halt()

    def halt(self) -> None:
        """Stop all DMA of the copier."""
        self._write(CopierRegister.CONTROL, 0)

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
            if not self.pci_io.mem_read(CopierRegister.DOORBELL, 4)[1]:
                return EfiStatus.SUCCESS
            self.boot_services.stall(10)
        self.halt()
        self._write(CopierRegister.CONTROL, 1)
        return EfiStatus.TIMEOUT

    def _write(self, register: CopierRegister, value: int) -> None:
        self.pci_io.mem_write(register, REGISTER_WIDTH[register], value)
