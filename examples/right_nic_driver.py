"""
A conforming driver for the suite's network card, as a vendor would write one.

Run it with `sevconf run --target examples/right_nic_driver.py:RightNicDriver`. Its rings are a common buffer; each
frame has a mapping of its own, and that of a receive buffer stays live until a frame arrives.

Breaks: nothing
"""

from sevconf.contract import BootServices, EventHandle, GuestMemory, Mapped, MappingToken, PciIo
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
)

#: Descriptors in each ring: one page has both, the receive ring in its second half.
ENTRIES = 8
RECEIVE_RING = PAGE_SIZE // 2
#: The driver's own memory: a page for each receive buffer, and one for the frame that is sent.
PAGES = ENTRIES + 1
#: A frame is given 10 ms to leave, looked at every 50 us.
POLLS, POLL_MICROSECONDS = 200, 50


class RightNicDriver:
    """Manages one network card, with one frame to send at a time."""

    role = "driver"
    kind = "network"

    def __init__(self, boot_services: BootServices, pci_io: PciIo, memory: GuestMemory) -> None:
        self.boot_services = boot_services
        self.pci_io = pci_io
        self.memory = memory
        self.rings = Gva(0)
        self.rings_mapped = Mapped(EfiStatus.SUCCESS, 0, 0, MappingToken(0))
        self.frames = Gva(0)
        self.exit_event = EventHandle(0)
        #: The mappings of receive buffers that wait for a frame, by slot.
        self.waiting: dict[int, MappingToken] = {}
        self.transmit_slot = self.receive_slot = 0

    def supported(self) -> EfiStatus:
        """Accept a card whose registers answer."""
        return self.pci_io.mem_read(NicRegister.STATUS, REGISTER_WIDTH[NicRegister.STATUS])[0]

    def start(self) -> EfiStatus:
        """Become bus master, take memory, map the rings, register for exit, and only then let the card run."""
        status, _ = self.pci_io.attributes(AttributeOperation.ENABLE, PciAttribute.BUS_MASTER)
        if status.is_error:
            return status
        status, self.frames = self.boot_services.allocate_pages(
            AllocateType.ANY_PAGES, MemoryType.BOOT_SERVICES_DATA, PAGES
        )
        if status.is_error:
            return status
        status, self.rings = self.pci_io.allocate_buffer(MemoryType.BOOT_SERVICES_DATA, 1)
        if status.is_error:
            self.boot_services.free_pages(self.frames, PAGES)
            return status
        self.rings_mapped = self.pci_io.map(DmaOperation.COMMON_BUFFER, self.rings, PAGE_SIZE)
        if self.rings_mapped.status.is_error:
            self.release()
            return self.rings_mapped.status
        status, self.exit_event = self.boot_services.create_event(
            EVT_SIGNAL_EXIT_BOOT_SERVICES, Tpl.CALLBACK, self.on_exit_boot_services
        )
        if not status.is_error:
            status = self.run()
        if status.is_error:
            self.release()
        return status

    def stop(self) -> EfiStatus:
        """Halt first: what the card may still use must stay mapped until it is quiet."""
        self.halt()
        self.release()
        return self.boot_services.close_event(self.exit_event)

    def release(self) -> None:
        """Give back what start took, in the opposite order: Unmap before FreeBuffer."""
        self.end_waiting()
        if not self.rings_mapped.status.is_error:
            self.pci_io.unmap(self.rings_mapped.mapping)
        self.pci_io.free_buffer(1, self.rings)
        self.boot_services.free_pages(self.frames, PAGES)

    def end_waiting(self) -> None:
        """End the mappings of the receive buffers; the card must be halted."""
        for mapping in self.waiting.values():
            self.pci_io.unmap(mapping)
        self.waiting.clear()

    def on_exit_boot_services(self) -> None:
        """Halt the card and touch nothing else; its bus-master bit may stay as it is."""
        self.halt()

    def halt(self) -> None:
        """Stop all DMA: a card that is silent now would still write the next frame that arrives."""
        self.write_register(NicRegister.CONTROL, 0)

    def run(self) -> EfiStatus:
        """Give the card empty rings, by their DeviceAddress, and start it."""
        self.memory.write(self.rings, bytes(PAGE_SIZE))
        self.transmit_slot = self.receive_slot = 0
        for slot in range(ENTRIES):
            status = self.offer(slot)
            if status.is_error:
                return status
        self.write_register(NicRegister.TX_BASE, self.rings_mapped.device_address)
        self.write_register(NicRegister.TX_ENTRIES, ENTRIES)
        self.write_register(NicRegister.RX_BASE, self.rings_mapped.device_address + RECEIVE_RING)
        self.write_register(NicRegister.RX_ENTRIES, ENTRIES)
        self.write_register(NicRegister.CONTROL, 1)
        return EfiStatus.SUCCESS

    def write_register(self, register: NicRegister, value: int) -> None:
        """Write one register of BAR 0."""
        self.pci_io.mem_write(register, REGISTER_WIDTH[register], value)

    def transmit(self, frame: bytes) -> EfiStatus:
        """Put the frame in its buffer, map it, hand it over, and unmap it when it is on the wire."""
        if not 0 < len(frame) <= FRAME_SIZE:
            return EfiStatus.INVALID_PARAMETER
        buffer = Gva(self.frames + ENTRIES * PAGE_SIZE)
        self.memory.write(buffer, frame)
        mapped = self.pci_io.map(DmaOperation.READ, buffer, len(frame))
        if mapped.status.is_error:
            return mapped.status
        status = self.send(mapped, len(frame))
        if status.is_error:
            # The card must be quiet before the frame is taken away from it.
            self.halt()
        self.pci_io.unmap(mapped.mapping)
        if status.is_error:
            self.end_waiting()
            self.run()
        return status

    def send(self, mapped: Mapped, length: int) -> EfiStatus:
        """Hand a descriptor over, and wait until it comes back."""
        descriptor = Gva(self.rings + self.transmit_slot * DESCRIPTOR_SIZE)
        self.memory.write(descriptor, Descriptor(Owner.NIC, length, mapped.device_address).pack())
        self.transmit_slot = (self.transmit_slot + 1) % ENTRIES
        self.write_register(NicRegister.TX_TAIL, self.transmit_slot)
        for _ in range(POLLS):
            if self.memory.read(descriptor, 1)[0] == Owner.DRIVER:
                return EfiStatus.SUCCESS
            self.boot_services.stall(POLL_MICROSECONDS)
        return EfiStatus.TIMEOUT

    def receive(self) -> tuple[EfiStatus, bytes]:
        """Return the oldest frame; it is in its buffer once the mapping has ended, not before."""
        slot = self.receive_slot
        descriptor = Descriptor.unpack(self.memory.read(self.receive_descriptor(slot), DESCRIPTOR_SIZE))
        if descriptor.owner == Owner.NIC:
            return EfiStatus.NOT_READY, b""
        frame = self.take(slot, min(descriptor.length, FRAME_SIZE))
        self.receive_slot = (slot + 1) % ENTRIES
        return self.offer(slot), frame

    def take(self, slot: int, length: int) -> bytes:
        """End the mapping of a receive buffer, and read the frame in it."""
        self.pci_io.unmap(self.waiting.pop(slot))
        return self.memory.read(self.receive_buffer(slot), length)

    def offer(self, slot: int) -> EfiStatus:
        """Map a receive buffer, and give it to the card."""
        mapped = self.pci_io.map(DmaOperation.WRITE, self.receive_buffer(slot), FRAME_SIZE)
        if mapped.status.is_error:
            return mapped.status
        self.waiting[slot] = mapped.mapping
        descriptor = Descriptor(Owner.NIC, FRAME_SIZE, mapped.device_address)
        self.memory.write(self.receive_descriptor(slot), descriptor.pack())
        return EfiStatus.SUCCESS

    def receive_buffer(self, slot: int) -> Gva:
        """Return where a receive buffer lies, for the CPU."""
        return Gva(self.frames + slot * PAGE_SIZE)

    def receive_descriptor(self, slot: int) -> Gva:
        """Return where a descriptor of the receive ring lies, for the CPU."""
        return Gva(self.rings + RECEIVE_RING + slot * DESCRIPTOR_SIZE)
