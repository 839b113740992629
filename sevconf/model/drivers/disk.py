"""
The reference driver of the disk: conforming, small, and made to be spoiled one step at a time.

Commands wait for their end and are unmapped at once; only `submit_write` leaves one in flight. The ring is a common
buffer. At ExitBootServices the driver halts the disk and does nothing else: mappings that are live stay live.

Spec: UEFI 2.10, 14.4 EFI_PCI_IO_PROTOCOL, 13.9 EFI_BLOCK_IO_PROTOCOL, 7.1.2 on the exit group; `sevconf.contract.disk`.
"""

from dataclasses import dataclass
from typing import ClassVar

from sevconf.contract.disk import (
    BLOCK,
    DESCRIPTOR_SIZE,
    REGISTER_WIDTH,
    Descriptor,
    DiskRegister,
    Opcode,
    Owner,
    Result,
)
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
from sevconf.vocabulary import (
    EVT_SIGNAL_EXIT_BOOT_SERVICES,
    AllocateType,
    AttributeOperation,
    DmaOperation,
    EfiStatus,
    Gva,
    MemoryType,
    PciAttribute,
    Tpl,
    pages_for,
)

#: Descriptors in the driver's ring.
ENTRIES = 16
#: Times that a command is looked at before the driver gives up; a command takes three steps of the disk.
PATIENCE = 100


@dataclass(frozen=True, slots=True)
class InFlight:
    """A command that the disk has: its place in the ring, its data in memory, its mapping."""

    slot: int
    buffer: Gva
    pages: int
    mapping: MappingToken


class DiskDriver:
    """The driver; `handler_tpl` is the level of its ExitBootServices handler."""

    role: ClassVar[Role] = "driver"
    kind: ClassVar[DeviceKind] = "block"
    handler_tpl = Tpl.CALLBACK

    def __init__(self, boot_services: BootServices, pci_io: PciIo, memory: GuestMemory) -> None:
        self.boot_services = boot_services
        self.pci_io = pci_io
        self.memory = memory
        self.ring = Gva(0)
        self.ring_mapping = MappingToken(0)
        self.exit_event = EventHandle(0)
        self.tail = 0
        self.in_flight: list[InFlight] = []

    # Driver binding

    def supported(self) -> EfiStatus:
        """Look for a medium."""
        _, blocks = self._read(DiskRegister.CAPACITY)
        return EfiStatus.SUCCESS if blocks else EfiStatus.UNSUPPORTED

    def start(self) -> EfiStatus:
        """Become bus master, set the ring up, register for ExitBootServices, run."""
        status, _ = self.pci_io.attributes(AttributeOperation.ENABLE, PciAttribute.BUS_MASTER)
        if status.is_error:
            return status
        status, self.ring = self._take_ring()
        if status.is_error:
            return status
        self.memory.write(self.ring, bytes(ENTRIES * DESCRIPTOR_SIZE))
        mapped = self._whole(self._map_ring(), ENTRIES * DESCRIPTOR_SIZE)
        if mapped.status.is_error:
            self._give_ring()
            return mapped.status
        self.ring_mapping = mapped.mapping
        status, self.exit_event = self.boot_services.create_event(
            EVT_SIGNAL_EXIT_BOOT_SERVICES, self.handler_tpl, self.on_exit
        )
        if status.is_error:
            self.pci_io.unmap(self.ring_mapping)
            self._give_ring()
            return status
        self._write(DiskRegister.RING_BASE, self._ring_address(mapped))
        self._write(DiskRegister.RING_ENTRIES, ENTRIES)
        self.tail = 0
        self._write(DiskRegister.CONTROL, 1)
        return EfiStatus.SUCCESS

    def stop(self) -> EfiStatus:
        """Halt, then give back all that start and commands took."""
        self.halt()
        for command in tuple(self.in_flight):
            self._release(command)
        self.pci_io.unmap(self.ring_mapping)
        self._give_ring()
        return self.boot_services.close_event(self.exit_event)

    def _take_ring(self) -> tuple[EfiStatus, Gva]:
        return self.pci_io.allocate_buffer(MemoryType.BOOT_SERVICES_DATA, 1)

    def _give_ring(self) -> None:
        self.pci_io.free_buffer(1, self.ring)

    def _map_ring(self) -> Mapped:
        return self.pci_io.map(DmaOperation.COMMON_BUFFER, self.ring, ENTRIES * DESCRIPTOR_SIZE)

    def _whole(self, mapped: Mapped, length: int) -> Mapped:
        """Give up a mapping of fewer bytes than asked for."""
        if mapped.status.is_error or mapped.length >= length:
            return mapped
        self.pci_io.unmap(mapped.mapping)
        return Mapped(EfiStatus.OUT_OF_RESOURCES, 0, 0, MappingToken(0))

    def _ring_address(self, mapped: Mapped) -> int:
        return mapped.device_address

    def on_exit(self) -> None:
        """Halt the disk: from now on it belongs to the OS."""
        self.halt()

    def halt(self) -> None:
        """Stop all DMA of the disk."""
        self._write(DiskRegister.CONTROL, 0)

    # Blocks

    def read_blocks(self, lba: int, count: int) -> tuple[EfiStatus, bytes]:
        """Read, wait, unmap, and only then look at the data."""
        status, buffer = self._take_data(count * BLOCK)
        if status.is_error:
            return status, b""
        status = self._transfer(Opcode.READ, lba, buffer, count * BLOCK)
        data = b"" if status.is_error else self.memory.read(buffer, count * BLOCK)
        self.boot_services.free_pages(buffer, pages_for(count * BLOCK))
        return status, data

    def write_blocks(self, lba: int, data: bytes) -> EfiStatus:
        """Write, wait, unmap."""
        status, buffer = self._take_data(len(data))
        if status.is_error:
            return status
        self.memory.write(buffer, data)
        status = self._transfer(Opcode.WRITE, lba, buffer, len(data))
        self.boot_services.free_pages(buffer, pages_for(len(data)))
        return status

    def submit_write(self, lba: int, data: bytes) -> EfiStatus:
        """Write without waiting: the mapping stays live until the command is reaped, or the machine is handed over."""
        status, buffer = self._take_data(len(data))
        if status.is_error:
            return status
        self.memory.write(buffer, data)
        status, command = self._begin(Opcode.WRITE, lba, buffer, len(data))
        if command is None:
            self.boot_services.free_pages(buffer, pages_for(len(data)))
            return status
        self.in_flight.append(command)
        return EfiStatus.SUCCESS

    def _take_data(self, size: int) -> tuple[EfiStatus, Gva]:
        return self.boot_services.allocate_pages(AllocateType.ANY_PAGES, MemoryType.BOOT_SERVICES_DATA, pages_for(size))

    # Commands

    def _transfer(self, opcode: Opcode, lba: int, buffer: Gva, length: int) -> EfiStatus:
        status, command = self._begin(opcode, lba, buffer, length)
        if command is None:
            return status
        result = self._wait(command.slot)
        self._finish(command)
        return EfiStatus.SUCCESS if result == Result.DONE else EfiStatus.DEVICE_ERROR

    def _begin(self, opcode: Opcode, lba: int, buffer: Gva, length: int) -> tuple[EfiStatus, InFlight | None]:
        """Map the data and give the disk a descriptor."""
        mapped = self._whole(self.pci_io.map(self._operation(opcode), buffer, length), length)
        if mapped.status.is_error:
            return mapped.status, None
        slot, self.tail = self.tail, (self.tail + 1) % ENTRIES
        descriptor = Descriptor(
            Owner.DISK, opcode, Result.PENDING, length // BLOCK, lba, self._data_address(mapped, buffer)
        )
        self.memory.write(self._at(slot), descriptor.pack())
        return EfiStatus.SUCCESS, InFlight(slot, buffer, pages_for(length), mapped.mapping)

    def _operation(self, opcode: Opcode) -> DmaOperation:
        """Name the operation on memory, seen from the bus master: to write the medium it reads memory."""
        return DmaOperation.READ if opcode is Opcode.WRITE else DmaOperation.WRITE

    def _data_address(self, mapped: Mapped, buffer: Gva) -> int:
        del buffer  # the HostAddress means nothing to the device
        return mapped.device_address

    def _finish(self, command: InFlight) -> None:
        self.pci_io.unmap(command.mapping)

    def _release(self, command: InFlight) -> None:
        self._finish(command)
        self.boot_services.free_pages(command.buffer, command.pages)
        self.in_flight.remove(command)

    def _wait(self, slot: int) -> int:
        for _ in range(PATIENCE):
            descriptor = Descriptor.unpack(self.memory.read(self._at(slot), DESCRIPTOR_SIZE))
            if descriptor.owner == Owner.DRIVER:
                return descriptor.result
            self.boot_services.stall(100)
        self._give_up()
        return Result.FAULT

    def _give_up(self) -> None:
        """Take the disk away from a command that doesn't end, and start afresh."""
        self.halt()
        self.memory.write(self.ring, bytes(ENTRIES * DESCRIPTOR_SIZE))
        self.tail = 0
        self._write(DiskRegister.CONTROL, 1)

    def _at(self, slot: int) -> Gva:
        return Gva(self.ring + slot * DESCRIPTOR_SIZE)

    # Registers

    def _read(self, register: DiskRegister) -> tuple[EfiStatus, int]:
        return self.pci_io.mem_read(register, REGISTER_WIDTH[register])

    def _write(self, register: DiskRegister, value: int) -> None:
        self.pci_io.mem_write(register, REGISTER_WIDTH[register], value)
