"""
A driver for QEMU's exerciser `edu`, by the contract that a vendor's driver has: it takes data there and back.

Spec: QEMU `docs/specs/edu.txt`.
"""

from sevconf.contract.driver import BootServices, GuestMemory, Mapped, PciIo
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

#: Registers, and the device's own buffer of 4 KiB.
IDENTITY, SOURCE, TARGET, COUNT, COMMAND, BUFFER = 0x00, 0x80, 0x88, 0x90, 0x98, 0x40000
#: Commands: to the device, and from it; the lowest bit stays set until it is done.
IN, OUT, RUNS = 1, 3, 1
#: Microseconds between two looks, and how often it looks.
PAUSE, LOOKS = 5000, 400


class EduDriver:
    """The driver; `carry` sends bytes through the device."""

    role = "driver"
    kind = "device"

    def __init__(self, boot_services: BootServices, pci_io: PciIo, memory: GuestMemory) -> None:
        self.boot_services = boot_services
        self.pci_io = pci_io
        self.memory = memory

    def supported(self) -> EfiStatus:
        """Look at the vendor and device ids."""
        status, ids = self.pci_io.pci_read(0, 4)
        return status if ids == 0x11E8_1234 else EfiStatus.UNSUPPORTED

    def start(self) -> EfiStatus:
        """Let the device be bus master, and take pages for data."""
        status, self.page = self.boot_services.allocate_pages(AllocateType.ANY_PAGES, MemoryType.BOOT_SERVICES_DATA, 2)
        if status.is_error:
            return status
        self.pci_io.attributes(AttributeOperation.ENABLE, PciAttribute.BUS_MASTER)
        status, self.event = self.boot_services.create_event(EVT_SIGNAL_EXIT_BOOT_SERVICES, Tpl.CALLBACK, self.halt)
        return status

    def stop(self) -> EfiStatus:
        """Give back what `start` took."""
        self.halt()
        self.boot_services.free_pages(self.page, 2)
        return self.boot_services.close_event(self.event)

    def carry(self, data: bytes) -> tuple[EfiStatus, bytes]:
        """Send bytes to the device, and take them back."""
        self.memory.write(self.page, data)
        if not self.move(DmaOperation.READ, self.page, len(data)):
            return EfiStatus.DEVICE_ERROR, b""
        there = Gva(self.page + PAGE_SIZE)
        if not self.move(DmaOperation.WRITE, there, len(data)):
            return EfiStatus.DEVICE_ERROR, b""
        return EfiStatus.SUCCESS, self.memory.read(there, len(data))

    def move(self, operation: DmaOperation, host: Gva, length: int) -> bool:
        """Map, let the device work, unmap."""
        mapped = self.pci_io.map(operation, host, length)
        if mapped.status.is_error:
            return False
        self.begin(IN if operation is DmaOperation.READ else OUT, mapped, length)
        done = self.wait()
        return not self.pci_io.unmap(mapped.mapping).is_error and done

    def begin(self, command: int, mapped: Mapped, length: int) -> None:
        """Tell the device to move bytes."""
        ends = (mapped.device_address, BUFFER) if command == IN else (BUFFER, mapped.device_address)
        for register, value in zip((SOURCE, TARGET, COUNT, COMMAND), (*ends, length, command), strict=True):
            self.pci_io.mem_write(register, 8, value)

    def wait(self) -> bool:
        """Wait until the device is done."""
        for _ in range(LOOKS):
            if not self.pci_io.mem_read(COMMAND, 8)[1] & RUNS:
                return True
            self.boot_services.stall(PAUSE)
        return False

    def halt(self) -> None:
        """Let the device be bus master no longer: what it has begun reaches no memory."""
        self.pci_io.attributes(AttributeOperation.DISABLE, PciAttribute.BUS_MASTER)


class Unhalted(EduDriver):
    """It leaves its device a command at exit, and does not halt it."""

    def halt(self) -> None:
        """Begin what ends when the OS has the memory."""
        self.begin(OUT, self.pci_io.map(DmaOperation.COMMON_BUFFER, self.page, PAGE_SIZE), 64)


class UnmapsTooEarly(EduDriver):
    """It unmaps while the device works."""

    def move(self, operation: DmaOperation, host: Gva, length: int) -> bool:
        """Map, tell the device, unmap, wait."""
        mapped = self.pci_io.map(operation, host, length)
        self.begin(IN if operation is DmaOperation.READ else OUT, mapped, length)
        self.pci_io.unmap(mapped.mapping)
        return self.wait()


class AgainstItsDirection(EduDriver):
    """It maps for reading what the device shall write."""

    def move(self, operation: DmaOperation, host: Gva, length: int) -> bool:
        """Map the other way round."""
        other = DmaOperation.READ if operation is DmaOperation.WRITE else operation
        mapped = self.pci_io.map(other, host, length)
        self.begin(IN if operation is DmaOperation.READ else OUT, mapped, length)
        done = self.wait()
        self.pci_io.unmap(mapped.mapping)
        return done


class MapsNothing(EduDriver):
    """It gives the device the address of its buffer as it is."""

    def move(self, operation: DmaOperation, host: Gva, length: int) -> bool:
        """Skip Map."""
        mapped = Mapped(EfiStatus.SUCCESS, length, host, None)  # type: ignore[arg-type]
        self.begin(IN if operation is DmaOperation.READ else OUT, mapped, length)
        return self.wait()
