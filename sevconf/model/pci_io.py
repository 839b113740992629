"""
PciIo over the root bridge, for one device of one driver.

Its three operations become one of the root bridge's six: with the attribute DUAL_ADDRESS_CYCLE enabled the 64-bit twin,
else the plain one; AllocateBuffer gets the attribute alike. What was mapped it asks the IOMMU protocol to grant, where
there is one. What is not granted is not mapped either: Map fails with SetAttribute's status (docs/decisions/0015). The
attributes IO, MEMORY and BUS_MASTER are the bits of the device's command register.

Spec: UEFI 2.10, 14.4 EFI_PCI_IO_PROTOCOL; EDK II `MdeModulePkg/Bus/Pci/PciBusDxe/PciIo.c`, PciIoMap, PciIoUnmap,
PciIoAllocateBuffer, PciIoAttributes.
Left out: CopyMem, PollMem, PollIo, GetLocation, GetBarAttributes and SetBarAttributes; attributes of VGA, IDE and ISA.
"""

from sevconf.contract.driver import Mapped, MappingToken
from sevconf.errors import BrokenContract
from sevconf.model.iommu.base import GrantingIommu
from sevconf.model.recorder import Recorder
from sevconf.model.root_bridge import IO_WINDOW, MEMORY_WINDOW, Function, RootBridge
from sevconf.vocabulary import (
    AttributeOperation,
    Command,
    ConfigRegister,
    DmaOperation,
    EfiStatus,
    Gva,
    IommuAccess,
    MemoryType,
    PciAttribute,
)

#: The bits of the command register behind attributes.
_COMMAND = {
    PciAttribute.IO: Command.IO_SPACE,
    PciAttribute.MEMORY: Command.MEMORY_SPACE,
    PciAttribute.BUS_MASTER: Command.BUS_MASTER,
}
_NONE = PciAttribute(0)
#: Bytes of configuration space.
_CONFIG_SIZE = 0x100


class PciIo:
    """The protocol instance of one device."""

    def __init__(self, recorder: Recorder, bridge: RootBridge, device: Function) -> None:
        self._recorder = recorder
        self._bridge = bridge
        self._device = device
        self._wide = False

    # Registers

    def mem_read(self, offset: int, width: int) -> tuple[EfiStatus, int]:
        """Mem.Read of BAR 0."""
        inside = 0 <= offset < MEMORY_WINDOW
        return self._bridge.mem_read(self._device.bars[0] + offset, width) if inside else _NOTHING

    def mem_write(self, offset: int, width: int, value: int) -> EfiStatus:
        """Mem.Write of BAR 0."""
        inside = 0 <= offset < MEMORY_WINDOW
        return self._bridge.mem_write(self._device.bars[0] + offset, width, value) if inside else _NOTHING[0]

    def io_read(self, offset: int, width: int) -> tuple[EfiStatus, int]:
        """Io.Read of BAR 1."""
        inside = 0 <= offset < IO_WINDOW
        return self._bridge.io_read(self._device.bars[1] + offset, width) if inside else _NOTHING

    def io_write(self, offset: int, width: int, value: int) -> EfiStatus:
        """Io.Write of BAR 1."""
        inside = 0 <= offset < IO_WINDOW
        return self._bridge.io_write(self._device.bars[1] + offset, width, value) if inside else _NOTHING[0]

    def pci_read(self, offset: int, width: int) -> tuple[EfiStatus, int]:
        """Pci.Read."""
        inside = 0 <= offset < _CONFIG_SIZE
        return self._bridge.pci_read(self._config(offset), width) if inside else _NOTHING

    def pci_write(self, offset: int, width: int, value: int) -> EfiStatus:
        """Pci.Write."""
        inside = 0 <= offset < _CONFIG_SIZE
        return self._bridge.pci_write(self._config(offset), width, value) if inside else _NOTHING[0]

    def _config(self, offset: int) -> int:
        return self._bridge.address_of(self._device.actor) + offset

    # Attributes

    def attributes(self, operation: AttributeOperation, attributes: int = 0) -> tuple[EfiStatus, int]:
        """Attributes; whoever calls it is who writes the command register."""
        caller = self._recorder.actor
        words = PciAttribute(attributes & PciAttribute(0xFFFF)).words
        with (
            self._recorder.service("PciIo.Attributes", "pci", operation=operation.name, attributes=words) as call,
            self._recorder.acting(caller),
        ):
            supported = self._device.attributes
            if operation is AttributeOperation.SUPPORTED:
                return call.returns(EfiStatus.SUCCESS, result=supported.words), int(supported)
            if operation is AttributeOperation.GET:
                return call.returns(EfiStatus.SUCCESS, result=self._enabled.words), int(self._enabled)
            if attributes & ~int(supported):
                return call.returns(EfiStatus.UNSUPPORTED), 0
            asked = PciAttribute(attributes)
            match operation:
                case AttributeOperation.ENABLE:
                    self._enable(self._enabled | asked)
                case AttributeOperation.DISABLE:
                    self._enable(self._enabled & ~asked)
                case _:
                    self._enable(asked)
            return call.returns(EfiStatus.SUCCESS), 0

    @property
    def _enabled(self) -> PciAttribute:
        found = PciAttribute.DUAL_ADDRESS_CYCLE if self._wide else _NONE
        for attribute, bit in _COMMAND.items():
            if self._device.command & bit:
                found |= attribute
        return found

    def _enable(self, wanted: PciAttribute) -> None:
        """Have these attributes enabled, and no others."""
        self._wide = bool(wanted & PciAttribute.DUAL_ADDRESS_CYCLE)
        command = Command(0)
        for attribute, bit in _COMMAND.items():
            if wanted & attribute:
                command |= bit
        self.pci_write(ConfigRegister.COMMAND, 2, int(command))

    # DMA

    def allocate_buffer(self, memory_type: MemoryType, pages: int) -> tuple[EfiStatus, Gva]:
        """AllocateBuffer."""
        with self._recorder.service("PciIo.AllocateBuffer", "pci", memory_type=memory_type.name, pages=pages) as call:
            attributes = PciAttribute.DUAL_ADDRESS_CYCLE if self._wide else _NONE
            status, host = self._bridge.allocate_buffer(memory_type, pages, attributes)
            call.returns(status, host=host)
        return status, host

    def free_buffer(self, pages: int, host_address: Gva) -> EfiStatus:
        """FreeBuffer."""
        with self._recorder.service("PciIo.FreeBuffer", "pci", pages=pages, host=host_address) as call:
            return call.returns(self._bridge.free_buffer(pages, host_address))

    def map(self, operation: DmaOperation, host_address: Gva, length: int) -> Mapped:
        """Map."""
        caller = self._recorder.actor
        if not isinstance(operation, DmaOperation):
            raise BrokenContract(caller, "call Map", f"passes {operation!r} where a DmaOperation belongs")
        arguments = {"operation": operation.value, "host": host_address, "length": length}
        with (
            self._recorder.service("PciIo.Map", "pci", **arguments) as outer,
            self._bridge.ledger.asked_by(caller, self._device.actor),
        ):
            mapped = self._bridge.map(operation, host_address, length, wide=self._form())
            mapped = self._granted(mapped, access_of(operation))
            outer.returns(mapped.status, device=mapped.device_address, length=mapped.length)
        return mapped

    def _form(self) -> bool:
        """Tell whether operations are those for a bus master of 64 bits."""
        return self._wide

    def unmap(self, mapping: MappingToken) -> EfiStatus:
        """Unmap."""
        name = self._bridge.ledger.name(mapping)
        with self._recorder.service("PciIo.Unmap", "pci", mapping=name) as call:
            self.set_attribute(mapping, IommuAccess.NONE)
            return call.returns(self._bridge.unmap(mapping))

    def _granted(self, mapped: Mapped, access: IommuAccess) -> Mapped:
        """Ask for the access to a mapping; one that the device may not use is ended, and is none."""
        if mapped.status.is_error or not isinstance(self._bridge.iommu, GrantingIommu):
            return mapped
        status = self.set_attribute(mapped.mapping, access)
        if not status.is_error:
            return mapped
        self._bridge.unmap(mapped.mapping)
        return Mapped(status, 0, 0, MappingToken(0))

    def map_only(self, operation: DmaOperation, host_address: Gva, length: int) -> Mapped:
        """Call the IOMMU driver's Map for this device, and nothing else: PciIo never does so, a scenario may."""
        with self._bridge.ledger.asked_by(self._recorder.actor, self._device.actor):
            return self._bridge.map_below(operation, host_address, length, wide=self._form())

    def set_attribute(self, mapping: MappingToken, access: IommuAccess) -> EfiStatus:
        """Call the IOMMU driver's SetAttribute for this device, if it has one that means something."""
        iommu = self._bridge.iommu
        if not isinstance(iommu, GrantingIommu):
            return EfiStatus.UNSUPPORTED
        device, name = self._device.actor, self._bridge.ledger.name(mapping)
        with self._recorder.service(
            "IoMmu.SetAttribute", iommu.actor, device=device, mapping=name, access=int(access)
        ) as call:
            return call.returns(iommu.set_attribute(device, mapping, access))


#: What an access outside a BAR gives.
_NOTHING = EfiStatus.INVALID_PARAMETER, 0


def access_of(operation: DmaOperation) -> IommuAccess:
    """Return what a device needs for an operation."""
    access = IommuAccess.READ if operation.device_reads else IommuAccess.NONE
    return access | IommuAccess.WRITE if operation.device_writes else access
