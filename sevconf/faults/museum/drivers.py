"""Bugs of shipped drivers, on the suite's disk."""

from sevconf.contract.driver import BootServices, GuestMemory, Mapped, MappingToken, PciIo
from sevconf.faults.fault import Fault
from sevconf.model.drivers.disk import DiskDriver, InFlight
from sevconf.model.parts import Parts
from sevconf.vocabulary import AllocateType, DmaOperation, EfiStatus, Gva, MemoryType, Party, Tpl


class DisconnectsAtExit(DiskDriver):
    """Stops its whole stack in its exit handler, as DisconnectController does, which frees what Start took."""

    def on_exit(self) -> None:
        """Stop."""
        self.stop()


class FreesReceiveBufferAtExit(DiskDriver):
    """Shuts down in its exit handler, and there gives a buffer back by PciIo.FreeBuffer."""

    def start(self) -> EfiStatus:
        """Take the buffer."""
        status, self.receive = self.pci_io.allocate_buffer(MemoryType.BOOT_SERVICES_DATA, 1)
        if status.is_error:
            return status
        status = super().start()
        if status.is_error:
            self.pci_io.free_buffer(1, self.receive)
        return status

    def on_exit(self) -> None:
        """Halt, then free."""
        super().on_exit()
        self.pci_io.free_buffer(1, self.receive)


class CleansUpTwice(DiskDriver):
    """Unmaps a transfer that it aborts where it notices, and once more where it frees the transfer."""

    def _release(self, command: InFlight) -> None:
        self.pci_io.unmap(command.mapping)
        super()._release(command)


class UnmapsBeforeDisabling(DiskDriver):
    """Unmaps its DMA buffers in Stop, and disables the bus master after that."""

    def stop(self) -> EfiStatus:
        """Unmap, disable, free."""
        for command in tuple(self.in_flight):
            self._release(command)
        self.pci_io.unmap(self.ring_mapping)
        self.halt()
        self._give_ring()
        return self.boot_services.close_event(self.exit_event)


class _Direct:
    """PciIo for a driver that knows no DMA addresses but those of memory; registers are the real ones."""

    def __init__(self, boot_services: BootServices, pci_io: PciIo) -> None:
        self._boot_services = boot_services
        self.mem_read, self.mem_write = pci_io.mem_read, pci_io.mem_write
        self.io_read, self.io_write = pci_io.io_read, pci_io.io_write
        self.pci_read, self.pci_write = pci_io.pci_read, pci_io.pci_write
        self.attributes = pci_io.attributes

    def allocate_buffer(self, memory_type: MemoryType, pages: int) -> tuple[EfiStatus, Gva]:
        """Take any pages."""
        return self._boot_services.allocate_pages(AllocateType.ANY_PAGES, memory_type, pages)

    def free_buffer(self, pages: int, host_address: Gva) -> EfiStatus:
        """Give them back."""
        return self._boot_services.free_pages(host_address, pages)

    def map(self, operation: DmaOperation, host_address: Gva, length: int) -> Mapped:
        """Take the address as it is."""
        del operation
        return Mapped(EfiStatus.SUCCESS, length, int(host_address), MappingToken(0))

    def unmap(self, mapping: MappingToken) -> EfiStatus:
        """There is nothing to undo."""
        del mapping
        return EfiStatus.SUCCESS


class NeverMaps(DiskDriver):
    """Gives its device addresses of its own memory, and never calls Map."""

    def __init__(self, boot_services: BootServices, pci_io: PciIo, memory: GuestMemory) -> None:
        super().__init__(boot_services, _Direct(boot_services, pci_io), memory)


class LocksBelowItsLevel(DiskDriver):
    """Has its exit handler at TPL_NOTIFY, and reaches code there that takes a lock by raising to TPL_CALLBACK."""

    handler_tpl = Tpl.NOTIFY

    def on_exit(self) -> None:
        """Halt, and log that by way of a transport with a lock."""
        super().on_exit()
        old = self.boot_services.raise_tpl(Tpl.CALLBACK)
        self.boot_services.restore_tpl(old)


FAULTS = (
    Fault(
        "museum-locks-below-its-level",
        Party.DRIVER,
        Parts(driver=LocksBelowItsLevel),
        ("EVT-20",),
        upstream="tianocore/edk2#9891, SecurityPkg/Tcg/Tcg2Dxe; likewise tianocore/edk2#7808, SnpDxe, and "
        "tianocore/edk2#8525, an adapter's driver that calls GetTime",
        fixed_in="tianocore/edk2 ca08f3d453 for SnpDxe; open for Tcg2Dxe",
    ),
    Fault(
        "museum-disconnects-at-exit",
        Party.DRIVER,
        Parts(driver=DisconnectsAtExit),
        ("MEM-02",),
        (
            ("MEM-01", "no exit handler of a driver calls a memory allocation service"),
            ("MEM-03", "an exit handler of a driver should neither create nor close events"),
        ),
        shown_by=("DRV-32",),
        upstream="tianocore/edk2#9802, OvmfPkg/XenBusDxe/XenBusDxe.c, NotifyExitBoot",
    ),
    Fault(
        "museum-frees-buffer-at-exit",
        Party.DRIVER,
        Parts(driver=FreesReceiveBufferAtExit),
        ("MEM-02",),
        upstream="tianocore/edk2#9911, NetworkPkg/SnpDxe",
    ),
    Fault(
        "museum-cleans-up-twice",
        Party.DRIVER,
        Parts(driver=CleansUpTwice),
        ("DRV-08",),
        upstream="tianocore/edk2 MdeModulePkg/Bus/Pci/SdMmcPciHcDxe/SdMmcPciHci.c, SdMmcCreateTrb (CVE-2019-14587)",
        fixed_in="tianocore/edk2 e36d5ac7d1, 853970fee2",
    ),
    Fault(
        "museum-unmaps-before-disabling",
        Party.DRIVER,
        Parts(driver=UnmapsBeforeDisabling),
        ("DRV-09",),
        upstream="tianocore/edk2 MdeModulePkg/Bus/Ata/AtaAtapiPassThru/AtaAtapiPassThru.c, AtaAtapiPassThruStop",
        fixed_in="tianocore/edk2 509daa658b",
    ),
    Fault(
        "museum-never-maps",
        Party.DRIVER,
        Parts(driver=NeverMaps),
        ("DRV-05",),
        upstream="ipxe/ipxe#505, the virtio driver before it",
        fixed_in="ipxe/ipxe 38a54bd3b for other PCI drivers, ipxe/ipxe#505 for virtio",
    ),
)
