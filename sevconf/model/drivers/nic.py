"""
The reference driver of the network card: conforming, small, and made to be spoiled one step at a time.

Rings and receive buffers are one common buffer, wherever in memory: the card is a bus master of 64 bits. A frame that
is sent is mapped until it is on the wire. The bus-master bit is set once and stays set: a halted card does no DMA,
whatever that bit says.

Spec: UEFI 2.10, 14.4 EFI_PCI_IO_PROTOCOL, 24.1 EFI_SIMPLE_NETWORK_PROTOCOL; `sevconf.contract.nic`.
"""

from typing import ClassVar

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
from sevconf.contract.nic import DESCRIPTOR_SIZE, FRAME_SIZE, REGISTER_WIDTH, Descriptor, NicRegister, Owner
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

#: Descriptors in each ring.
ENTRIES = 4
#: Bytes of a receive buffer.
ROOM = 2048
#: Where the receive ring and the receive buffers lie in the common buffer.
RECEIVE_RING, RECEIVE_BUFFERS = 1024, PAGE_SIZE
#: Pages of the common buffer.
PAGES = 1 + pages_for(ENTRIES * ROOM)
#: Times that a frame is looked at before the driver gives up; sending takes two steps of the card.
PATIENCE = 50


class NetworkDriver:
    """The driver."""

    role: ClassVar[Role] = "driver"
    kind: ClassVar[DeviceKind] = "network"
    handler_tpl = Tpl.CALLBACK
    #: What it enables of the card.
    attributes = PciAttribute.BUS_MASTER | PciAttribute.DUAL_ADDRESS_CYCLE

    def __init__(self, boot_services: BootServices, pci_io: PciIo, memory: GuestMemory) -> None:
        self.boot_services = boot_services
        self.pci_io = pci_io
        self.memory = memory
        self.buffer = Gva(0)
        self.device_address = 0
        self.mapping = MappingToken(0)
        self.exit_event = EventHandle(0)
        self.tx = self.rx = 0

    # Driver binding

    def supported(self) -> EfiStatus:
        """Look for the device."""
        return self.pci_io.mem_read(NicRegister.STATUS, REGISTER_WIDTH[NicRegister.STATUS])[0]

    def start(self) -> EfiStatus:
        """Become bus master of 64 bits, set the rings up, register for ExitBootServices, run."""
        status, _ = self.pci_io.attributes(AttributeOperation.ENABLE, self.attributes)
        if status.is_error:
            return status
        status, self.buffer = self.pci_io.allocate_buffer(MemoryType.BOOT_SERVICES_DATA, PAGES)
        if status.is_error:
            return status
        self.memory.write(self.buffer, bytes(PAGES * PAGE_SIZE))
        mapped = self.pci_io.map(DmaOperation.COMMON_BUFFER, self.buffer, PAGES * PAGE_SIZE)
        if mapped.status.is_error:
            self.pci_io.free_buffer(PAGES, self.buffer)
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

    def _give_buffer(self) -> None:
        self.pci_io.unmap(self.mapping)
        self.pci_io.free_buffer(PAGES, self.buffer)

    def on_exit(self) -> None:
        """Halt the card: from now on it belongs to the OS."""
        self.halt()

    def halt(self) -> None:
        """Stop all DMA of the card."""
        self._write(NicRegister.CONTROL, 0)

    def _run(self) -> None:
        self.tx = self.rx = 0
        self.memory.write(self.buffer, bytes(ENTRIES * DESCRIPTOR_SIZE))
        for slot in range(ENTRIES):
            self._offer(slot)
        self._write(NicRegister.TX_BASE, self.device_address)
        self._write(NicRegister.TX_ENTRIES, ENTRIES)
        self._write(NicRegister.RX_BASE, self.device_address + RECEIVE_RING)
        self._write(NicRegister.RX_ENTRIES, ENTRIES)
        self._write(NicRegister.CONTROL, 1)

    # Frames

    def transmit(self, frame: bytes) -> EfiStatus:
        """Map the frame, hand it over, wait until it is on the wire, unmap."""
        if len(frame) > FRAME_SIZE:
            return EfiStatus.INVALID_PARAMETER
        status, data = self.boot_services.allocate_pages(AllocateType.ANY_PAGES, MemoryType.BOOT_SERVICES_DATA, 1)
        if status.is_error:
            return status
        self.memory.write(data, frame)
        mapped = self.pci_io.map(DmaOperation.READ, data, len(frame))
        if mapped.status.is_error:
            self.boot_services.free_pages(data, 1)
            return mapped.status
        status = self._send(data, mapped, len(frame))
        self.pci_io.unmap(mapped.mapping)
        self.boot_services.free_pages(data, 1)
        return status

    def _send(self, data: Gva, mapped: Mapped, length: int) -> EfiStatus:
        """Give the card a descriptor, and wait for it to come back."""
        del data  # the HostAddress means nothing to the device
        at = Gva(self.buffer + self.tx * DESCRIPTOR_SIZE)
        self.memory.write(at, Descriptor(Owner.NIC, length, mapped.device_address).pack())
        self.tx = (self.tx + 1) % ENTRIES
        self._write(NicRegister.TX_TAIL, self.tx)
        for _ in range(PATIENCE):
            if self.memory.read(at, 1)[0] == Owner.DRIVER:
                return EfiStatus.SUCCESS
            self.boot_services.stall(10)
        self.halt()
        self._run()
        return EfiStatus.TIMEOUT

    def receive(self) -> tuple[EfiStatus, bytes]:
        """Return the oldest frame, if there is one, and offer its buffer again."""
        slot = self.rx
        descriptor = Descriptor.unpack(self.memory.read(self._receive_descriptor(slot), DESCRIPTOR_SIZE))
        if descriptor.owner == Owner.NIC:
            return EfiStatus.NOT_READY, b""
        frame = self.memory.read(Gva(self.buffer + RECEIVE_BUFFERS + slot * ROOM), min(descriptor.length, ROOM))
        self._offer(slot)
        self.rx = (slot + 1) % ENTRIES
        return EfiStatus.SUCCESS, frame

    def _offer(self, slot: int) -> None:
        """Give a receive buffer to the card."""
        address = self.device_address + RECEIVE_BUFFERS + slot * ROOM
        self.memory.write(self._receive_descriptor(slot), Descriptor(Owner.NIC, ROOM, address).pack())

    def _receive_descriptor(self, slot: int) -> Gva:
        return Gva(self.buffer + RECEIVE_RING + slot * DESCRIPTOR_SIZE)

    def _write(self, register: NicRegister, value: int) -> None:
        self.pci_io.mem_write(register, REGISTER_WIDTH[register], value)
