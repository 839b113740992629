"""
What the reference drivers of keyboard, network card and copier share: one common buffer, and one exit handler.

The buffer is mapped for as long as the driver runs. Stop halts the device first, and gives the buffer back behind that;
the exit handler halts it and does nothing else.

Spec: UEFI 2.10, 14.4 EFI_PCI_IO_PROTOCOL, 11.1 EFI_DRIVER_BINDING_PROTOCOL.
"""

from collections.abc import Mapping
from enum import IntEnum
from typing import Any, ClassVar

from sevconf.contract.driver import BootServices, EventHandle, GuestMemory, MappingToken, PciIo, Role
from sevconf.vocabulary import (
    EVT_SIGNAL_EXIT_BOOT_SERVICES,
    PAGE_SIZE,
    AttributeOperation,
    DmaOperation,
    EfiStatus,
    Gva,
    MemoryType,
    PciAttribute,
    Tpl,
)


class BufferDriver:
    """A driver whose device works in one common buffer of `pages` pages."""

    role: ClassVar[Role] = "driver"
    handler_tpl = Tpl.CALLBACK
    #: What it enables of the device.
    attributes = PciAttribute.BUS_MASTER
    pages: ClassVar[int] = 1
    #: Widths of the device's registers, in bytes, and the one that halts it.
    registers: ClassVar[Mapping[Any, int]]
    control: ClassVar[IntEnum]

    def __init__(self, boot_services: BootServices, pci_io: PciIo, memory: GuestMemory) -> None:
        self.boot_services = boot_services
        self.pci_io = pci_io
        self.memory = memory
        self.buffer = Gva(0)
        self.device_address = 0
        self.mapping = MappingToken(0)
        self.exit_event = EventHandle(0)

    def start(self) -> EfiStatus:
        """Become bus master, map the common buffer, register for ExitBootServices, run."""
        status, _ = self.pci_io.attributes(AttributeOperation.ENABLE, self.attributes)
        if status.is_error:
            return status
        status, self.buffer = self.pci_io.allocate_buffer(MemoryType.BOOT_SERVICES_DATA, self.pages)
        if status.is_error:
            return status
        self._fill()
        mapped = self.pci_io.map(DmaOperation.COMMON_BUFFER, self.buffer, self.pages * PAGE_SIZE)
        if mapped.status.is_error:
            self.pci_io.free_buffer(self.pages, self.buffer)
            return mapped.status
        self.mapping, self.device_address = mapped.mapping, mapped.device_address
        status, self.exit_event = self.boot_services.create_event(
            EVT_SIGNAL_EXIT_BOOT_SERVICES, self.handler_tpl, self.on_exit
        )
        if status.is_error:
            self._give_buffer()
            return status
        self._run()
        return EfiStatus.SUCCESS

    def stop(self) -> EfiStatus:
        """Halt, then give back all that start took."""
        self.halt()
        self._give_buffer()
        return self.boot_services.close_event(self.exit_event)

    def _fill(self) -> None:
        """Zero the buffer before it is mapped."""
        self.memory.write(self.buffer, bytes(self.pages * PAGE_SIZE))

    def _run(self) -> None:
        """Tell the device where the buffer is, and let it run."""
        raise NotImplementedError

    def _give_buffer(self) -> None:
        self.pci_io.unmap(self.mapping)
        self.pci_io.free_buffer(self.pages, self.buffer)

    def on_exit(self) -> None:
        """Halt the device: from now on it belongs to the OS."""
        self.halt()

    def halt(self) -> None:
        """Stop all DMA of the device."""
        self._write(self.control, 0)

    # Registers

    def _read(self, register: IntEnum) -> tuple[EfiStatus, int]:
        return self.pci_io.mem_read(register, self.registers[register])

    def _write(self, register: IntEnum, value: int) -> None:
        self.pci_io.mem_write(register, self.registers[register], value)
