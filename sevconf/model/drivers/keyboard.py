"""
The reference drivers of the keyboard, conforming, and made to be spoiled one step at a time.

`KeyboardDriver` keeps its schedule and its reports in one common buffer. `TransferKeyboardDriver` maps the memory of
each transfer as BusMasterWrite until a key comes, as EDK II's drivers of USB host controllers do, and maps it anew for
the next one.

Spec: UEFI 2.10, 14.4 EFI_PCI_IO_PROTOCOL, 12.3 EFI_SIMPLE_TEXT_INPUT_PROTOCOL; `sevconf.contract.keyboard`.
"""

from typing import ClassVar

from sevconf.contract.driver import (
    BootServices,
    DeviceKind,
    GuestMemory,
    MappingToken,
    PciIo,
)
from sevconf.contract.keyboard import (
    DESCRIPTOR_SIZE,
    REGISTER_WIDTH,
    REPORT_SIZE,
    Descriptor,
    KeyboardRegister,
    Owner,
)
from sevconf.model.drivers.base import BufferDriver
from sevconf.vocabulary import (
    AllocateType,
    DmaOperation,
    EfiStatus,
    Gva,
    MemoryType,
    Tpl,
)

#: Transfers in the schedule.
ENTRIES = 4
#: Where the reports lie in the common buffer, behind the schedule.
REPORTS = 256


class KeyboardDriver(BufferDriver):
    """The driver whose reports arrive in its common buffer."""

    kind: ClassVar[DeviceKind] = "keyboard"
    handler_tpl = Tpl.NOTIFY
    registers = REGISTER_WIDTH
    control = KeyboardRegister.CONTROL
    head = 0

    def supported(self) -> EfiStatus:
        """Look for the device."""
        return self._read(KeyboardRegister.STATUS)[0]

    def _run(self) -> None:
        self.head = 0
        for slot in range(ENTRIES):
            self._arm(slot)
        self._write(KeyboardRegister.SCHEDULE_BASE, self.device_address)
        self._write(KeyboardRegister.SCHEDULE_ENTRIES, ENTRIES)
        self._write(KeyboardRegister.CONTROL, 1)

    # Keys

    def read_key(self) -> tuple[EfiStatus, bytes]:
        """Return the oldest report, if there is one, and let its transfer wait for the next key."""
        slot = self.head
        descriptor = Descriptor.unpack(self.memory.read(self._at(slot), DESCRIPTOR_SIZE))
        if descriptor.owner == Owner.KEYBOARD:
            return EfiStatus.NOT_READY, b""
        report = self._take_report(slot)
        self.head = (slot + 1) % ENTRIES
        return self._arm(slot), report

    def _arm(self, slot: int) -> EfiStatus:
        """Give a transfer to the keyboard."""
        self._give_descriptor(slot, self.device_address + REPORTS + slot * REPORT_SIZE)
        return EfiStatus.SUCCESS

    def _take_report(self, slot: int) -> bytes:
        return self.memory.read(Gva(self.buffer + REPORTS + slot * REPORT_SIZE), REPORT_SIZE)

    def _give_descriptor(self, slot: int, address: int) -> None:
        self.memory.write(self._at(slot), Descriptor(Owner.KEYBOARD, REPORT_SIZE, address).pack())

    def _at(self, slot: int) -> Gva:
        return Gva(self.buffer + slot * DESCRIPTOR_SIZE)


class TransferKeyboardDriver(KeyboardDriver):
    """The driver that maps each transfer by itself, until a key comes."""

    def __init__(self, boot_services: BootServices, pci_io: PciIo, memory: GuestMemory) -> None:
        super().__init__(boot_services, pci_io, memory)
        self.reports = Gva(0)
        self.waiting: dict[int, MappingToken] = {}

    def start(self) -> EfiStatus:
        """Take memory for reports too."""
        status, self.reports = self.boot_services.allocate_pages(
            AllocateType.ANY_PAGES, MemoryType.BOOT_SERVICES_DATA, 1
        )
        return status if status.is_error else super().start()

    def stop(self) -> EfiStatus:
        """Halt, then end the transfers that wait."""
        self.halt()
        for slot in tuple(self.waiting):
            self._finish(slot)
        self.boot_services.free_pages(self.reports, 1)
        return super().stop()

    def _arm(self, slot: int) -> EfiStatus:
        mapped = self.pci_io.map(DmaOperation.WRITE, self._report_at(slot), REPORT_SIZE)
        if mapped.status.is_error:
            return mapped.status
        self.waiting[slot] = mapped.mapping
        self._give_descriptor(slot, mapped.device_address)
        return EfiStatus.SUCCESS

    def _take_report(self, slot: int) -> bytes:
        self._finish(slot)
        return self.memory.read(self._report_at(slot), REPORT_SIZE)

    def _finish(self, slot: int) -> None:
        """End a transfer, unless its Map had failed."""
        if slot in self.waiting:
            self.pci_io.unmap(self.waiting.pop(slot))

    def _report_at(self, slot: int) -> Gva:
        return Gva(self.reports + slot * REPORT_SIZE)
