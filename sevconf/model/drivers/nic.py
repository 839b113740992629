"""
The reference driver of the network card: conforming, small, and made to be spoiled one step at a time.

Rings and receive buffers are one common buffer, wherever in memory: the card is a bus master of 64 bits. A frame that
is sent is mapped until it is on the wire. The bus-master bit is set once and stays set: a halted card does no DMA,
whatever that bit says.

Spec: UEFI 2.10, 14.4 EFI_PCI_IO_PROTOCOL, 24.1 EFI_SIMPLE_NETWORK_PROTOCOL; `sevconf.contract.nic`.
"""

from typing import ClassVar

from sevconf.contract.driver import (
    DeviceKind,
    Mapped,
)
from sevconf.contract.nic import DESCRIPTOR_SIZE, FRAME_SIZE, REGISTER_WIDTH, Descriptor, NicRegister, Owner
from sevconf.model.drivers.base import BufferDriver
from sevconf.vocabulary import (
    PAGE_SIZE,
    AllocateType,
    DmaOperation,
    EfiStatus,
    Gva,
    MemoryType,
    PciAttribute,
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


class NetworkDriver(BufferDriver):
    """The driver."""

    kind: ClassVar[DeviceKind] = "network"
    attributes = PciAttribute.BUS_MASTER | PciAttribute.DUAL_ADDRESS_CYCLE
    pages = PAGES
    registers = REGISTER_WIDTH
    control = NicRegister.CONTROL
    tx = rx = 0

    def supported(self) -> EfiStatus:
        """Look for the device."""
        return self._read(NicRegister.STATUS)[0]

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
