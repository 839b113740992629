"""A conforming driver that needs no exit handler: its disk runs only while a command is out."""

from sevconf.contract import BootServices, GuestMemory, MappingToken, PciIo
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
from sevconf.vocabulary import (
    AllocateType,
    AttributeOperation,
    DmaOperation,
    EfiStatus,
    Gva,
    MemoryType,
    PciAttribute,
    pages_for,
)

_DATA = MemoryType.BOOT_SERVICES_DATA
#: Pages for data, so that any transfer of the suite's fits.
PAGES = 4


class Idle:
    """Starts the disk for each command, and halts it behind it."""

    role = "driver"
    kind = "block"

    def __init__(self, boot_services: BootServices, pci_io: PciIo, memory: GuestMemory) -> None:
        self.boot_services = boot_services
        self.pci_io = pci_io
        self.memory = memory
        self.data = Gva(0)
        self.ring = Gva(0)
        self.mapping = MappingToken(0)
        self.address = 0

    def supported(self) -> EfiStatus:
        """Take any disk."""
        return EfiStatus.SUCCESS

    def start(self) -> EfiStatus:
        """Become bus master, take memory, and map the ring; the disk stays halted."""
        status, _ = self.pci_io.attributes(AttributeOperation.ENABLE, PciAttribute.BUS_MASTER)
        if status.is_error:
            return status
        status, self.data = self.boot_services.allocate_pages(AllocateType.ANY_PAGES, _DATA, PAGES)
        if status.is_error:
            return status
        status, self.ring = self.pci_io.allocate_buffer(_DATA, 1)
        if not status.is_error:
            mapped = self.pci_io.map(DmaOperation.COMMON_BUFFER, self.ring, DESCRIPTOR_SIZE)
            status, self.mapping, self.address = mapped.status, mapped.mapping, mapped.device_address
            if not status.is_error:
                return status
            self.pci_io.free_buffer(1, self.ring)
        self.boot_services.free_pages(self.data, PAGES)
        return status

    def stop(self) -> EfiStatus:
        """Give it all back."""
        self.pci_io.unmap(self.mapping)
        self.pci_io.free_buffer(1, self.ring)
        return self.boot_services.free_pages(self.data, PAGES)

    def read_blocks(self, lba: int, count: int) -> tuple[EfiStatus, bytes]:
        """Read."""
        status = self._command(Opcode.READ, DmaOperation.WRITE, lba, count)
        return status, b"" if status.is_error else self.memory.read(self.data, count * BLOCK)

    def write_blocks(self, lba: int, data: bytes) -> EfiStatus:
        """Write."""
        self.memory.write(self.data, data)
        return self._command(Opcode.WRITE, DmaOperation.READ, lba, len(data) // BLOCK)

    def _command(self, opcode: Opcode, operation: DmaOperation, lba: int, count: int) -> EfiStatus:
        if pages_for(count * BLOCK) > PAGES:
            return EfiStatus.BAD_BUFFER_SIZE
        mapped = self.pci_io.map(operation, self.data, count * BLOCK)
        if mapped.status.is_error or mapped.length < count * BLOCK:
            if not mapped.status.is_error:
                self.pci_io.unmap(mapped.mapping)
            return EfiStatus.OUT_OF_RESOURCES
        descriptor = Descriptor(Owner.DISK, opcode, Result.PENDING, count, lba, mapped.device_address)
        self.memory.write(self.ring, descriptor.pack())
        self._set(DiskRegister.RING_BASE, self.address)
        self._set(DiskRegister.RING_ENTRIES, 1)
        self._set(DiskRegister.CONTROL, 1)
        while Descriptor.unpack(self.memory.read(self.ring, DESCRIPTOR_SIZE)).owner == Owner.DISK:
            self.boot_services.stall(100)
        self._set(DiskRegister.CONTROL, 0)
        return self.pci_io.unmap(mapped.mapping)

    def _set(self, register: DiskRegister, value: int) -> None:
        self.pci_io.mem_write(register, REGISTER_WIDTH[register], value)
