"""
A conforming driver that brings its own device: a checksum engine, modelled for the suite as the vendor's hardware is.

Run it with `sevconf run --target examples/right_device_driver.py:RightDeviceDriver`. The driver enables the device's
bus-master bit, keeps the engine's results in a common buffer, and maps each piece of data for one checksum.

Breaks: nothing
"""

import zlib

from sevconf.contract import BootServices, DeviceBus, EventHandle, GuestMemory, MappingToken, PciIo
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

#: Registers of the engine: offset and width in bytes.
RUN, GO, LENGTH = (0x00, 4), (0x04, 4), (0x08, 4)
SOURCE, RESULTS = (0x10, 8), (0x18, 8)
#: What lies where in the engine's results: the checksum, and the number of alarms, of 4 bytes each.
CHECKSUM, ALARMS = 0, 4
#: A checksum is given 10 ms, looked at every 50 us.
POLLS, POLL_MICROSECONDS = 200, 50


class ChecksumEngine:
    """The hardware: it reads `LENGTH` bytes at `SOURCE` when `GO` is written, and writes their CRC-32 to `RESULTS`."""

    def __init__(self, bus: DeviceBus) -> None:
        self.bus = bus
        self.reset()

    def reset(self) -> None:
        """Be halted, and forget."""
        self.registers = dict.fromkeys((RUN, GO, LENGTH, SOURCE, RESULTS), 0)
        self.alarms = self.told = 0

    def register_read(self, offset: int, width: int) -> int | None:
        """Read a register."""
        return self.registers.get((offset, width))

    def register_write(self, offset: int, width: int, value: int) -> bool:
        """Write a register; halting drops a checksum that was begun."""
        if (offset, width) not in self.registers:
            return False
        self.registers[offset, width] = value
        if not self.registers[RUN]:
            self.registers[GO] = 0
        return True

    def is_running(self) -> bool:
        """Tell whether it runs: it may tell of an alarm at any time."""
        return bool(self.registers[RUN])

    def step(self) -> None:
        """Make a checksum, and tell of alarms."""
        if not self.is_running():
            return
        results = self.registers[RESULTS]
        if self.registers[GO]:
            data = self.bus.read(self.registers[SOURCE], self.registers[LENGTH])
            self.bus.write(results + CHECKSUM, zlib.crc32(data).to_bytes(4, "little"))
            self.registers[GO] = 0
        if self.told != self.alarms:
            self.told = self.alarms
            self.bus.write(results + ALARMS, self.told.to_bytes(4, "little"))

    def stimulate(self) -> None:
        """Let an alarm line rise."""
        self.alarms += 1


class RightDeviceDriver:
    """Manages one checksum engine."""

    role = "driver"
    kind = "device"
    device = ChecksumEngine

    def __init__(self, boot_services: BootServices, pci_io: PciIo, memory: GuestMemory) -> None:
        self.boot_services = boot_services
        self.pci_io = pci_io
        self.memory = memory
        self.results = Gva(0)
        self.results_mapping = MappingToken(0)
        self.data = Gva(0)
        self.exit_event = EventHandle(0)

    def supported(self) -> EfiStatus:
        """Accept an engine whose registers answer."""
        return self.pci_io.mem_read(*RUN)[0]

    def start(self) -> EfiStatus:
        """Become bus master, take memory, map the results, register for exit, and only then let the engine run."""
        status, _ = self.pci_io.attributes(AttributeOperation.ENABLE, PciAttribute.BUS_MASTER)
        if status.is_error:
            return status
        status, self.data = self.boot_services.allocate_pages(AllocateType.ANY_PAGES, MemoryType.BOOT_SERVICES_DATA, 1)
        if status.is_error:
            return status
        status, self.results = self.pci_io.allocate_buffer(MemoryType.BOOT_SERVICES_DATA, 1)
        if status.is_error:
            self.boot_services.free_pages(self.data, 1)
            return status
        self.memory.write(self.results, bytes(PAGE_SIZE))
        mapped = self.pci_io.map(DmaOperation.COMMON_BUFFER, self.results, PAGE_SIZE)
        if mapped.status.is_error:
            self.free_memory()
            return mapped.status
        self.results_mapping = mapped.mapping
        status, self.exit_event = self.boot_services.create_event(
            EVT_SIGNAL_EXIT_BOOT_SERVICES, Tpl.CALLBACK, self.on_exit_boot_services
        )
        if status.is_error:
            self.pci_io.unmap(self.results_mapping)
            self.free_memory()
            return status
        self.pci_io.mem_write(*RESULTS, mapped.device_address)
        self.pci_io.mem_write(*RUN, 1)
        return EfiStatus.SUCCESS

    def stop(self) -> EfiStatus:
        """Halt first, then take the bus away, and give back what start took."""
        self.halt()
        self.pci_io.attributes(AttributeOperation.DISABLE, PciAttribute.BUS_MASTER)
        self.pci_io.unmap(self.results_mapping)
        self.free_memory()
        return self.boot_services.close_event(self.exit_event)

    def free_memory(self) -> None:
        """Give both pages back; nothing is mapped any more."""
        self.pci_io.free_buffer(1, self.results)
        self.boot_services.free_pages(self.data, 1)

    def on_exit_boot_services(self) -> None:
        """Halt the engine and touch nothing else: an alarm may come at any time."""
        self.halt()

    def halt(self) -> None:
        """Stop all DMA."""
        self.pci_io.mem_write(*RUN, 0)

    def work(self) -> EfiStatus:
        """Let the engine make the checksum of a page, and compare."""
        data = bytes(range(256)) * (PAGE_SIZE // 256)
        self.memory.write(self.data, data)
        mapped = self.pci_io.map(DmaOperation.READ, self.data, PAGE_SIZE)
        if mapped.status.is_error:
            return mapped.status
        self.pci_io.mem_write(*SOURCE, mapped.device_address)
        self.pci_io.mem_write(*LENGTH, mapped.length)
        self.pci_io.mem_write(*GO, 1)
        status = self.wait()
        self.pci_io.unmap(mapped.mapping)
        if status.is_error:
            return status
        checksum = int.from_bytes(self.memory.read(Gva(self.results + CHECKSUM), 4), "little")
        return EfiStatus.SUCCESS if checksum == zlib.crc32(data) else EfiStatus.DEVICE_ERROR

    def wait(self) -> EfiStatus:
        """Wait for the checksum; an engine that does not answer is halted, before its data are taken away."""
        for _ in range(POLLS):
            status, busy = self.pci_io.mem_read(*GO)
            if status.is_error or not busy:
                return status
            self.boot_services.stall(POLL_MICROSECONDS)
        self.halt()
        self.pci_io.mem_write(*RUN, 1)
        return EfiStatus.TIMEOUT
