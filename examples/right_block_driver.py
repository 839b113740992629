"""
A conforming driver for the suite's disk, as a vendor would write one.

Run it with `sevconf run --target examples/right_block_driver.py:RightBlockDriver`.

Breaks: nothing
"""

from sevconf.contract import BootServices, EventHandle, GuestMemory, MappingToken, PciIo
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
    pages_for,
)

#: Descriptors in the ring; the driver has one command out at a time, so a few are plenty.
RING_ENTRIES = 4
RING_BYTES = RING_ENTRIES * DESCRIPTOR_SIZE
RING_PAGES = pages_for(RING_BYTES)
#: Pages of the data buffer, which is allocated once; longer transfers go in pieces.
DATA_PAGES = 4
PIECE = DATA_PAGES * PAGE_SIZE
#: A command is given 10 ms, looked at every 50 us.
POLLS, POLL_MICROSECONDS = 200, 50


class RightBlockDriver:
    """Manages one disk, with one command at a time."""

    role = "driver"
    kind = "block"

    def __init__(self, boot_services: BootServices, pci_io: PciIo, memory: GuestMemory) -> None:
        self.boot_services = boot_services
        self.pci_io = pci_io
        self.memory = memory
        self.ring = Gva(0)
        self.ring_mapping = MappingToken(0)
        self.ring_device_address = 0
        self.data = Gva(0)
        self.exit_event = EventHandle(0)
        self.slot = 0
        #: The mapping of a command that was submitted and not waited for, or the NULL token.
        self.outstanding = MappingToken(0)

    def supported(self) -> EfiStatus:
        """Accept a disk that has a medium."""
        status, blocks = self.pci_io.mem_read(DiskRegister.CAPACITY, REGISTER_WIDTH[DiskRegister.CAPACITY])
        return EfiStatus.SUCCESS if not status.is_error and blocks else EfiStatus.UNSUPPORTED

    def start(self) -> EfiStatus:
        """Become bus master, take memory, map the ring, register for exit, and only then let the disk run."""
        status, _ = self.pci_io.attributes(AttributeOperation.ENABLE, PciAttribute.BUS_MASTER)
        if status.is_error:
            return status
        status, self.data = self.boot_services.allocate_pages(
            AllocateType.ANY_PAGES, MemoryType.BOOT_SERVICES_DATA, DATA_PAGES
        )
        if status.is_error:
            return status
        # A ring that both sides use for as long as the driver runs must come from AllocateBuffer.
        status, self.ring = self.pci_io.allocate_buffer(MemoryType.BOOT_SERVICES_DATA, RING_PAGES)
        if status.is_error:
            self.boot_services.free_pages(self.data, DATA_PAGES)
            return status
        mapped = self.pci_io.map(DmaOperation.COMMON_BUFFER, self.ring, RING_BYTES)
        if mapped.status.is_error or mapped.length < RING_BYTES:
            self.release(mapped.mapping if not mapped.status.is_error else MappingToken(0))
            return mapped.status if mapped.status.is_error else EfiStatus.OUT_OF_RESOURCES
        self.ring_mapping, self.ring_device_address = mapped.mapping, mapped.device_address
        status, self.exit_event = self.boot_services.create_event(
            EVT_SIGNAL_EXIT_BOOT_SERVICES, Tpl.NOTIFY, self.on_exit_boot_services
        )
        if status.is_error:
            self.release(self.ring_mapping)
            return status
        self.run()
        return EfiStatus.SUCCESS

    def stop(self) -> EfiStatus:
        """Halt first: what the disk may still use must stay mapped until it is quiet."""
        self.halt()
        self.reap()
        self.release(self.ring_mapping)
        return self.boot_services.close_event(self.exit_event)

    def release(self, mapping: MappingToken) -> None:
        """Give back what start took, in the opposite order: Unmap before FreeBuffer."""
        if mapping:
            self.pci_io.unmap(mapping)
        self.pci_io.free_buffer(RING_PAGES, self.ring)
        self.boot_services.free_pages(self.data, DATA_PAGES)

    def on_exit_boot_services(self) -> None:
        """Halt the disk and touch nothing else: the memory map must stay as it is, and mappings are not ours to end."""
        self.halt()

    def halt(self) -> None:
        """Stop all DMA."""
        self.write_register(DiskRegister.CONTROL, 0)

    def run(self) -> None:
        """Give the disk an empty ring, by its DeviceAddress, and start it."""
        self.memory.write(self.ring, bytes(RING_BYTES))
        self.slot = 0
        self.write_register(DiskRegister.RING_BASE, self.ring_device_address)
        self.write_register(DiskRegister.RING_ENTRIES, RING_ENTRIES)
        self.write_register(DiskRegister.CONTROL, 1)

    def write_register(self, register: DiskRegister, value: int) -> None:
        """Write one register of BAR 0."""
        self.pci_io.mem_write(register, REGISTER_WIDTH[register], value)

    def read_blocks(self, lba: int, count: int) -> tuple[EfiStatus, bytes]:
        """Read piece by piece; the data is in the buffer once its mapping has ended, not before."""
        read = b""
        while len(read) < count * BLOCK:
            length = min(PIECE, count * BLOCK - len(read))
            status = self.transfer(Opcode.READ, lba + len(read) // BLOCK, length)
            if status.is_error:
                return status, b""
            read += self.memory.read(self.data, length)
        return EfiStatus.SUCCESS, read

    def write_blocks(self, lba: int, data: bytes) -> EfiStatus:
        """Write piece by piece."""
        for start in range(0, len(data), PIECE):
            piece = data[start : start + PIECE]
            self.finish_outstanding()
            self.memory.write(self.data, piece)
            status = self.transfer(Opcode.WRITE, lba + start // BLOCK, len(piece))
            if status.is_error:
                return status
        return EfiStatus.SUCCESS

    def submit_write(self, lba: int, data: bytes) -> EfiStatus:
        """Start a write and leave it to the disk; the data buffer is busy until the next call."""
        if len(data) > PIECE:
            return EfiStatus.BAD_BUFFER_SIZE
        self.finish_outstanding()
        self.memory.write(self.data, data)
        return self.submit(Opcode.WRITE, lba, len(data))

    def transfer(self, opcode: Opcode, lba: int, length: int) -> EfiStatus:
        """Do one command from or to the data buffer, and wait for its end."""
        self.finish_outstanding()
        status = self.submit(opcode, lba, length)
        return status if status.is_error else self.finish_outstanding()

    def submit(self, opcode: Opcode, lba: int, length: int) -> EfiStatus:
        """Map the data buffer for the disk, and hand over a descriptor."""
        # The operation is seen from the bus master: a disk that reads blocks writes memory.
        operation = DmaOperation.WRITE if opcode is Opcode.READ else DmaOperation.READ
        mapped = self.pci_io.map(operation, self.data, length)
        if mapped.status.is_error:
            return mapped.status
        self.outstanding = mapped.mapping
        if mapped.length < length:
            self.reap()
            return EfiStatus.OUT_OF_RESOURCES
        descriptor = Descriptor(Owner.DISK, opcode, Result.PENDING, length // BLOCK, lba, mapped.device_address)
        self.memory.write(self.descriptor_address(), descriptor.pack())
        return EfiStatus.SUCCESS

    def finish_outstanding(self) -> EfiStatus:
        """Wait for the command that the disk has, if any, and end its mapping."""
        if not self.outstanding:
            return EfiStatus.SUCCESS
        for _ in range(POLLS):
            descriptor = Descriptor.unpack(self.memory.read(self.descriptor_address(), DESCRIPTOR_SIZE))
            if descriptor.owner == Owner.DRIVER:
                self.slot = (self.slot + 1) % RING_ENTRIES
                self.reap()
                return EfiStatus.SUCCESS if descriptor.result == Result.DONE else EfiStatus.DEVICE_ERROR
            self.boot_services.stall(POLL_MICROSECONDS)
        # No answer: the disk must be quiet before its memory is taken away.
        self.halt()
        self.reap()
        self.run()
        return EfiStatus.TIMEOUT

    def reap(self) -> None:
        """End the mapping of the command that is out."""
        if self.outstanding:
            self.pci_io.unmap(self.outstanding)
            self.outstanding = MappingToken(0)

    def descriptor_address(self) -> Gva:
        """Return where the present descriptor lies, for the CPU."""
        return Gva(self.ring + self.slot * DESCRIPTOR_SIZE)
