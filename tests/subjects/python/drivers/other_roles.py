"""IOMMU drivers and OS loaders that misbehave, for the tests of what the suite says of them."""
# ruff: noqa: ARG002 -- the parameters are the contract's

from typing import Any, ClassVar

from sevconf.contract import BootServices, GuestMemory, Mapped, MappingToken, MemEncrypt
from sevconf.vocabulary import AllocateType, CBit, DmaOperation, EfiStatus, Gva, MemoryType


class Direct:
    """Opens nothing: an IOMMU driver in form."""

    role: ClassVar[Any] = "iommu-driver"

    def __init__(self, boot_services: BootServices, memory: GuestMemory, mem_encrypt: MemEncrypt) -> None:
        self.boot_services = boot_services
        self.memory = memory
        self.mem_encrypt = mem_encrypt

    def start(self) -> EfiStatus:
        """Do nothing."""
        return EfiStatus.SUCCESS

    def allocate_buffer(self, memory_type: MemoryType, pages: int) -> tuple[EfiStatus, Gva]:
        """Return pages."""
        return self.boot_services.allocate_pages(AllocateType.ANY_PAGES, memory_type, pages)

    def free_buffer(self, pages: int, host_address: Gva) -> EfiStatus:
        """Take pages back."""
        return self.boot_services.free_pages(host_address, pages)

    def map(self, operation: DmaOperation, host_address: Gva, length: int) -> Mapped:
        """Return the address."""
        return Mapped(EfiStatus.SUCCESS, length, int(host_address), MappingToken(1))

    def unmap(self, mapping: MappingToken) -> EfiStatus:
        """Accept what it gave."""
        return EfiStatus.SUCCESS if mapping == 1 else EfiStatus.INVALID_PARAMETER


class DoesNotStart(Direct):
    """Fails in its entry point."""

    def start(self) -> EfiStatus:
        """Fail."""
        return EfiStatus.NOT_READY


class RaisesInMap(Direct):
    """Raises in Map."""

    def map(self, operation: DmaOperation, host_address: Gva, length: int) -> Mapped:
        """Raise."""
        raise RuntimeError("no window")


class MapsGarbage(Direct):
    """Returns a Mapped whose DeviceAddress is no number."""

    def map(self, operation: DmaOperation, host_address: Gva, length: int) -> Mapped:
        """Return a text for an address."""
        bad: Any = "here"
        return Mapped(EfiStatus.SUCCESS, length, bad, MappingToken(1))


class OpensNowhere(Direct):
    """Clears the C-bit of pages that there are not."""

    where = Gva(1 << 46)

    def map(self, operation: DmaOperation, host_address: Gva, length: int) -> Mapped:
        """Open."""
        self.mem_encrypt.set_cbit(self.where, 1, CBit.CLEAR)
        return super().map(operation, host_address, length)


class OpensHalfAPage(OpensNowhere):
    """Clears the C-bit from the middle of a page on."""

    where = Gva(0x200800)


class HangsInUnmap(Direct):
    """Never comes back from Unmap."""

    def unmap(self, mapping: MappingToken) -> EfiStatus:
        """Loop."""
        while True:
            pass


class Loader:
    """Does nothing, and says so."""

    role: ClassVar[Any] = "os-loader"
    status = EfiStatus.ABORTED

    def __init__(self, boot_services: BootServices) -> None:
        self.boot_services = boot_services

    def boot(self) -> EfiStatus:
        """Leave."""
        return self.status


class Pretends(Loader):
    """Does nothing, and says that it did it."""

    status = EfiStatus.SUCCESS


class RaisesInBoot(Loader):
    """Raises."""

    def boot(self) -> EfiStatus:
        """Raise."""
        raise OSError("no kernel")
