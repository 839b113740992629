"""
PciIo over the EDKII IOMMU protocol, for one device of one driver.

Spec: UEFI 2.10, 14.4 EFI_PCI_IO_PROTOCOL; EDK II `MdeModulePkg/Bus/Pci/PciBusDxe/PciIo.c`, which hands Map, Unmap,
AllocateBuffer and FreeBuffer to the IOMMU protocol where there is one, and asks it to grant what was mapped. What is
not granted is not mapped either: Map fails with SetAttribute's status (docs/decisions/0015). With the
attribute DUAL_ADDRESS_CYCLE enabled each operation becomes its 64-bit twin on the way to the IOMMU driver.

Left out: I/O and configuration accesses, attributes other than DUAL_ADDRESS_CYCLE.
"""

from typing import Protocol

from sevconf.contract.driver import Mapped, MappingToken
from sevconf.errors import BrokenContract
from sevconf.model.iommu.base import GrantingIommu, Iommu, MappingLedger
from sevconf.model.recorder import Recorder
from sevconf.vocabulary import DmaOperation, EfiStatus, Gva, IommuAccess, MemoryType


class Registers(Protocol):
    """BAR 0 of a device: registers by offset and width, in bytes; None is no such register."""

    @property
    def actor(self) -> str:
        """The device."""
        ...

    def register_read(self, offset: int, width: int) -> int | None:
        """Read a register."""
        ...

    def register_write(self, offset: int, width: int, value: int) -> bool:
        """Write a register; False is no such register."""
        ...


class PciIo:
    """The protocol instance of one device."""

    def __init__(self, recorder: Recorder, iommu: Iommu, ledger: MappingLedger, device: Registers) -> None:
        self._recorder = recorder
        self._iommu = iommu
        self._ledger = ledger
        self._device = device
        self._wide = False

    def dual_address_cycle(self, *, enabled: bool) -> EfiStatus:
        """Attributes: enable or disable EFI_PCI_IO_ATTRIBUTE_DUAL_ADDRESS_CYCLE."""
        what = "Enable" if enabled else "Disable"
        with self._recorder.service("PciIo.Attributes", "pci", operation=what, attributes="DUAL_ADDRESS_CYCLE") as call:
            self._wide = enabled
            return call.returns(EfiStatus.SUCCESS)

    def mem_read(self, offset: int, width: int) -> tuple[EfiStatus, int]:
        """Mem.Read of BAR 0."""
        value = self._device.register_read(offset, width)
        return (EfiStatus.INVALID_PARAMETER, 0) if value is None else (EfiStatus.SUCCESS, value)

    def mem_write(self, offset: int, width: int, value: int) -> EfiStatus:
        """Mem.Write of BAR 0."""
        known = self._device.register_write(offset, width, value)
        return EfiStatus.SUCCESS if known else EfiStatus.INVALID_PARAMETER

    def allocate_buffer(self, memory_type: MemoryType, pages: int) -> tuple[EfiStatus, Gva]:
        """AllocateBuffer."""
        with (
            self._recorder.service("PciIo.AllocateBuffer", "pci", memory_type=memory_type.name, pages=pages) as outer,
            self._recorder.service("IoMmu.AllocateBuffer", self._iommu.actor, pages=pages) as inner,
        ):
            status, host = self._iommu.allocate_buffer(memory_type, pages)
            inner.returns(status, host=host)
            outer.returns(status, host=host)
        return status, host

    def free_buffer(self, pages: int, host_address: Gva) -> EfiStatus:
        """FreeBuffer."""
        with (
            self._recorder.service("PciIo.FreeBuffer", "pci", pages=pages, host=host_address) as outer,
            self._recorder.service("IoMmu.FreeBuffer", self._iommu.actor, pages=pages, host=host_address) as inner,
        ):
            return outer.returns(inner.returns(self._iommu.free_buffer(pages, host_address)))

    def map(self, operation: DmaOperation, host_address: Gva, length: int) -> Mapped:
        """Map."""
        caller = self._recorder.actor
        if not isinstance(operation, DmaOperation):
            raise BrokenContract(caller, "call Map", f"passes {operation!r} where a DmaOperation belongs")
        arguments = {"operation": operation.value, "host": host_address, "length": length}
        with self._recorder.service("PciIo.Map", "pci", **arguments) as outer:
            mapped = self._granted(self._map(caller, operation, host_address, length), access_of(operation))
            outer.returns(mapped.status, device=mapped.device_address, length=mapped.length)
        return mapped

    def unmap(self, mapping: MappingToken) -> EfiStatus:
        """Unmap."""
        name = self._ledger.name(mapping)
        with self._recorder.service("PciIo.Unmap", "pci", mapping=name) as outer:
            self.set_attribute(mapping, IommuAccess.NONE)
            return outer.returns(self._unmap(mapping))

    def _unmap(self, mapping: MappingToken) -> EfiStatus:
        with self._recorder.service("IoMmu.Unmap", self._iommu.actor, mapping=self._ledger.name(mapping)) as inner:
            return inner.returns(self._iommu.unmap(mapping))

    def _granted(self, mapped: Mapped, access: IommuAccess) -> Mapped:
        """Ask for the access to a mapping; one that the device may not use is ended, and is none."""
        if mapped.status.is_error or not isinstance(self._iommu, GrantingIommu):
            return mapped
        status = self.set_attribute(mapped.mapping, access)
        if not status.is_error:
            return mapped
        self._unmap(mapped.mapping)
        return Mapped(status, 0, 0, MappingToken(0))

    def map_only(self, operation: DmaOperation, host_address: Gva, length: int) -> Mapped:
        """Call the IOMMU driver's Map for this device, and nothing else: PciIo never does so, a scenario may."""
        return self._map(self._recorder.actor, operation, host_address, length)

    def _map(self, caller: str, operation: DmaOperation, host_address: Gva, length: int) -> Mapped:
        wide = operation.at_iommu(wide=self._wide)
        with self._recorder.service(
            "IoMmu.Map", self._iommu.actor, operation=wide, host=host_address, length=length
        ) as call:
            mapped = self._iommu.map(operation, host_address, length, wide=self._wide)
            call.returns(mapped.status, device=mapped.device_address, length=mapped.length)
            if not mapped.status.is_error:
                self._ledger.made(mapped, caller, self._device.actor, operation, host_address)
        return mapped

    def set_attribute(self, mapping: MappingToken, access: IommuAccess) -> EfiStatus:
        """Call the IOMMU driver's SetAttribute for this device, if it has one that means something."""
        if not isinstance(self._iommu, GrantingIommu):
            return EfiStatus.UNSUPPORTED
        device, name, iommu = self._device.actor, self._ledger.name(mapping), self._iommu.actor
        with self._recorder.service(
            "IoMmu.SetAttribute", iommu, device=device, mapping=name, access=int(access)
        ) as call:
            return call.returns(self._iommu.set_attribute(device, mapping, access))


def access_of(operation: DmaOperation) -> IommuAccess:
    """Return what a device needs for an operation."""
    access = IommuAccess.READ if operation.device_reads else IommuAccess.NONE
    return access | IommuAccess.WRITE if operation.device_writes else access
