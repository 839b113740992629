"""
PciIo as binaries have it: the reference's, for a device of QEMU's, with pointers instead of values.

Before each call the device's DMA up to now is put into the trace, so that it stands before what the call changes.

Spec: UEFI 2.10, 14.4 EFI_PCI_IO_PROTOCOL; ACPI 6.5, 6.4.3.5.1 (QWord address space descriptor).
Left out: CopyMem, SetBarAttributes, option ROMs, and attributes of legacy devices.
"""

# ruff: noqa: PLR0917 -- the parameters are those of UEFI

import struct
import time
from collections.abc import Callable
from typing import Any

from sevconf.model.boot_services import Core
from sevconf.subjects.binary.abi.memory import Memory
from sevconf.subjects.qemu.function import BarPciIo
from sevconf.vocabulary import AttributeOperation, DmaOperation, EfiStatus, Gva, MemoryType

#: EFI_PCI_IO_PROTOCOL_OPERATION and EFI_PCI_IO_PROTOCOL_ATTRIBUTE_OPERATION, by their numbers.
_OPERATIONS = (DmaOperation.READ, DmaOperation.WRITE, DmaOperation.COMMON_BUFFER)
_ATTRIBUTES = (
    AttributeOperation.GET,
    AttributeOperation.SET,
    AttributeOperation.ENABLE,
    AttributeOperation.DISABLE,
    AttributeOperation.SUPPORTED,
)
#: Widths 4 to 7 stay at one register, 8 to 11 at one place of the buffer.
_ONE_REGISTER, _ONE_PLACE, _WIDTHS = 4, 8, 12
_SECONDS_A_UNIT = 1e-7
#: An address space descriptor and an end tag.
_DESCRIPTOR = struct.Struct("<BHBBBQQQQQ")
_QWORD, _LENGTH, _END = 0x8A, 0x2B, b"\x79\0"
_MOST = 1 << 20


class PciIoServices:
    """The functions of one device's PciIo, which `pci_io` serves, in the memory of `core`'s machine."""

    def __init__(self, pci_io: BarPciIo, core: Core, memory: Memory, location: int) -> None:
        self._pci_io = pci_io
        self._core = core
        self._memory = memory
        self._location = location

    # Registers

    def _each(
        self, width: int, count: int, at: int, buffer: int, act: Callable[[int, int, int], EfiStatus]
    ) -> EfiStatus:
        """Do something with each register and its place in a buffer: offset, place, and bytes."""
        if width >= _WIDTHS or count > _MOST:
            return EfiStatus.INVALID_PARAMETER
        size = 1 << (width & 3)
        for number in range(count):
            offset = at + (0 if width & _ONE_REGISTER else number * size)
            place = buffer + (0 if width & _ONE_PLACE else number * size)
            status = act(offset, place, size)
            if status.is_error:
                return status
        return EfiStatus.SUCCESS

    def mem_read(self, this: int, width: int, bar: int, offset: int, count: int, buffer: int) -> EfiStatus:
        """Mem.Read."""
        del this

        def one(at: int, place: int, size: int) -> EfiStatus:
            status, value = self._pci_io.bar_read(bar, at, size)
            if not status.is_error:
                self._memory.put(place, value, size)
            return status

        return self._each(width, count, offset, buffer, one)

    def mem_write(self, this: int, width: int, bar: int, offset: int, count: int, buffer: int) -> EfiStatus:
        """Mem.Write."""
        del this

        def one(at: int, place: int, size: int) -> EfiStatus:
            return self._pci_io.bar_write(bar, at, size, self._memory.number(place, size))

        return self._each(width, count, offset, buffer, one)

    io_read, io_write = mem_read, mem_write

    def pci_read(self, this: int, width: int, offset: int, count: int, buffer: int) -> EfiStatus:
        """Pci.Read."""
        del this

        def one(at: int, place: int, size: int) -> EfiStatus:
            status, value = self._pci_io.pci_read(at, size)
            if not status.is_error:
                self._memory.put(place, value, size)
            return status

        return self._each(width, count, offset, buffer, one)

    def pci_write(self, this: int, width: int, offset: int, count: int, buffer: int) -> EfiStatus:
        """Pci.Write."""
        del this

        def one(at: int, place: int, size: int) -> EfiStatus:
            return self._pci_io.pci_write(at, size, self._memory.number(place, size))

        return self._each(width, count, offset, buffer, one)

    def poll_mem(
        self, this: int, width: int, bar: int, offset: int, mask: int, value: int, delay: int
    ) -> tuple[EfiStatus, int]:
        """PollMem: until it reads so, or `delay` units of 100 ns are over, in the device's time."""
        del this
        deadline = time.monotonic() + delay * _SECONDS_A_UNIT
        while True:
            status, found = self._pci_io.bar_read(bar, offset, 1 << (width & 3))
            if status.is_error or found & mask == value:
                return status, found
            if time.monotonic() >= deadline:
                return EfiStatus.TIMEOUT, found
            self._core.stall(10)

    poll_io = poll_mem

    # DMA

    def map(self, this: int, operation: int, host: int, length: int) -> Any:
        """Map."""
        del this
        if operation >= len(_OPERATIONS):
            return EfiStatus.INVALID_PARAMETER
        self._pci_io.look()
        mapped = self._pci_io.map(_OPERATIONS[operation], Gva(host), length)
        if mapped.status.is_error:
            return mapped.status
        return mapped.status, mapped.length, mapped.device_address, mapped.mapping

    def unmap(self, this: int, mapping: int) -> EfiStatus:
        """Unmap."""
        del this
        self._pci_io.look()
        return self._pci_io.unmap(mapping)  # type: ignore[arg-type]

    def allocate_buffer(self, this: int, type: int, memory_type: int, pages: int, attributes: int) -> Any:
        """AllocateBuffer."""
        del this, type, attributes
        if memory_type not in {MemoryType.BOOT_SERVICES_DATA, MemoryType.RUNTIME_SERVICES_DATA}:
            return EfiStatus.INVALID_PARAMETER
        status, host = self._pci_io.allocate_buffer(MemoryType(memory_type), pages)
        return status, None if status.is_error else host

    def free_buffer(self, this: int, pages: int, host: int) -> EfiStatus:
        """FreeBuffer."""
        del this
        self._pci_io.look()
        return self._pci_io.free_buffer(pages, Gva(host))

    def flush(self, this: int) -> EfiStatus:
        """Flush."""
        del this
        self._pci_io.look()
        return EfiStatus.SUCCESS

    # The device

    def get_location(self, this: int) -> tuple[EfiStatus, int, int, int, int]:
        """GetLocation: on bus 0."""
        del this
        return EfiStatus.SUCCESS, 0, 0, self._location >> 3, self._location & 7

    def attributes(self, this: int, operation: int, attributes: int) -> Any:
        """Attributes."""
        del this
        if operation >= len(_ATTRIBUTES):
            return EfiStatus.INVALID_PARAMETER
        asked = _ATTRIBUTES[operation]
        status, result = self._pci_io.attributes(asked, attributes)
        tells = asked in {AttributeOperation.GET, AttributeOperation.SUPPORTED}
        return status, result if tells else None

    def get_bar_attributes(self, this: int, bar: int) -> Any:
        """GetBarAttributes: the window of a BAR, as a descriptor in a pool buffer that the caller frees."""
        del this
        found = self._pci_io.bar(bar)
        if found is None:
            return EfiStatus.UNSUPPORTED
        kind = (1, 0) if found.io else (0, 32)
        last = found.address + found.size - 1
        fields = (kind[0], 0, 0, kind[1], found.address, last, 0, found.size)
        descriptor = _DESCRIPTOR.pack(_QWORD, _LENGTH, *fields) + _END
        status, place = self._core.allocate_pool(MemoryType.BOOT_SERVICES_DATA, len(descriptor))
        if status.is_error:
            return status
        self._memory.write(place, descriptor)
        return EfiStatus.SUCCESS, 0, place

    def unsupported(self, *_: object) -> EfiStatus:
        """Answer what is not offered."""
        return EfiStatus.UNSUPPORTED
