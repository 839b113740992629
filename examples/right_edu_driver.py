"""
A conforming driver for a device that QEMU models: `edu`, an exerciser whose DMA engine is driven by registers.

Run it with `sevconf run --target examples/right_edu_driver.py:RightEduDriver --device qemu:edu`, where QEMU is
installed. Registers are in QEMU's `docs/specs/edu.txt`. The device is halted by its bus-master bit alone. What it is
told to write goes to a common buffer, since nobody can take back a command that it has begun.

Breaks: nothing
"""

from sevconf.contract import BootServices, EventHandle, GuestMemory, MappingToken, PciIo
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

#: Vendor and device id, as the first four bytes of configuration space.
IDS = 0x11E8_1234
#: Registers of 8 bytes, and where the device has a buffer of its own.
SOURCE, TARGET, COUNT, COMMAND, BUFFER = 0x80, 0x88, 0x90, 0x98, 0x40000
#: Commands: memory to the device, the device to memory. Bit 0 stays set while it works.
TAKE, GIVE, BUSY = 1, 3, 1
#: Bytes of data: the device's buffer has 4096, and one less can be moved at once.
SIZE = 2048
#: A command takes 100 ms, and is given 2 s, looked at every 2 ms.
POLLS, POLL_MICROSECONDS = 1000, 2000


class RightEduDriver:
    """Manages one exerciser."""

    role = "driver"
    kind = "device"

    def __init__(self, boot_services: BootServices, pci_io: PciIo, memory: GuestMemory) -> None:
        self.boot_services = boot_services
        self.pci_io = pci_io
        self.memory = memory
        self.data = Gva(0)
        self.echo = Gva(0)
        self.echo_address = 0
        self.echo_mapping = MappingToken(0)
        self.exit_event = EventHandle(0)

    def supported(self) -> EfiStatus:
        """Accept the device by its ids."""
        status, ids = self.pci_io.pci_read(0, 4)
        return status if status.is_error or ids == IDS else EfiStatus.UNSUPPORTED

    def start(self) -> EfiStatus:
        """Take memory, map the common buffer, register for exit, and only then let the device be bus master."""
        status, self.data = self.boot_services.allocate_pages(AllocateType.ANY_PAGES, MemoryType.BOOT_SERVICES_DATA, 1)
        if status.is_error:
            return status
        status, self.echo = self.pci_io.allocate_buffer(MemoryType.BOOT_SERVICES_DATA, 1)
        if status.is_error:
            self.boot_services.free_pages(self.data, 1)
            return status
        mapped = self.pci_io.map(DmaOperation.COMMON_BUFFER, self.echo, PAGE_SIZE)
        if mapped.status.is_error:
            self.free_memory()
            return mapped.status
        self.echo_address, self.echo_mapping = mapped.device_address, mapped.mapping
        status, self.exit_event = self.boot_services.create_event(
            EVT_SIGNAL_EXIT_BOOT_SERVICES, Tpl.CALLBACK, self.on_exit_boot_services
        )
        if not status.is_error:
            status, _ = self.pci_io.attributes(AttributeOperation.ENABLE, PciAttribute.BUS_MASTER)
            if not status.is_error:
                return status
            self.boot_services.close_event(self.exit_event)
        self.pci_io.unmap(self.echo_mapping)
        self.free_memory()
        return status

    def stop(self) -> EfiStatus:
        """Halt first, then give back what start took."""
        self.halt()
        self.pci_io.unmap(self.echo_mapping)
        self.free_memory()
        return self.boot_services.close_event(self.exit_event)

    def free_memory(self) -> None:
        """Give both pages back; nothing is mapped any more."""
        self.pci_io.free_buffer(1, self.echo)
        self.boot_services.free_pages(self.data, 1)

    def on_exit_boot_services(self) -> None:
        """Halt the device and touch nothing else: a command may be under way."""
        self.halt()

    def halt(self) -> None:
        """Let the device begin no DMA any more."""
        self.pci_io.attributes(AttributeOperation.DISABLE, PciAttribute.BUS_MASTER)

    def work(self) -> EfiStatus:
        """Let the device take data and give them back, and compare."""
        data = bytes(range(256)) * (SIZE // 256)
        self.memory.write(self.data, data)
        mapped = self.pci_io.map(DmaOperation.READ, self.data, SIZE)
        if mapped.status.is_error:
            return mapped.status
        status = self.command(TAKE, mapped.device_address, BUFFER)
        self.pci_io.unmap(mapped.mapping)
        if not status.is_error:
            status = self.command(GIVE, BUFFER, self.echo_address)
        if not status.is_error and self.memory.read(self.echo, SIZE) != data:
            status = EfiStatus.DEVICE_ERROR
        return status

    def command(self, command: int, source: int, target: int) -> EfiStatus:
        """Let the device move data; one that does not answer is halted, before its memory is taken away."""
        for register, value in ((SOURCE, source), (TARGET, target), (COUNT, SIZE), (COMMAND, command)):
            self.pci_io.mem_write(register, 8, value)
        for _ in range(POLLS):
            status, now = self.pci_io.mem_read(COMMAND, 8)
            if status.is_error or not now & BUSY:
                return status
            self.boot_services.stall(POLL_MICROSECONDS)
        self.halt()
        return EfiStatus.TIMEOUT
