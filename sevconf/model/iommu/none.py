"""
A root bridge without an IOMMU: the DeviceAddress is the HostAddress, and Map gives no memory.

But for a bus master whose addresses end at 4 GiB: what it reads or writes of memory above that goes through bounce
pages below, and a common buffer there is refused.

Spec: EDK II `MdeModulePkg/Bus/Pci/PciHostBridgeDxe/PciRootBridgeIo.c`, RootBridgeIoMap, RootBridgeIoUnmap and
RootBridgeIoAllocateBuffer.
"""

from dataclasses import dataclass

from sevconf.contract.driver import Mapped, MappingToken
from sevconf.model.boot_services import Core
from sevconf.model.guest import Guest
from sevconf.model.iommu.base import MappingLedger, allocate, is_reachable
from sevconf.vocabulary import DmaOperation, EfiStatus, Gva, MemoryType, pages_for


@dataclass(frozen=True, slots=True)
class Bounce:
    """What a live mapping reaches instead of its buffer."""

    operation: DmaOperation
    host: Gva
    length: int
    pages: Gva


class NoIommu:
    """Direct DMA: every address is reachable, and a mapping is a promise only."""

    actor = "pci:root-bridge"

    def __init__(self, core: Core, guest: Guest, ledger: MappingLedger) -> None:
        self._core = core
        self._guest = guest
        self._ledger = ledger
        self._live: dict[MappingToken, Bounce | None] = {}
        self._made = 0

    def start(self) -> None:
        """Do nothing: there is no driver to start."""

    def allocate_buffer(self, memory_type: MemoryType, pages: int, *, wide: bool = False) -> tuple[EfiStatus, Gva]:
        """Return pages."""
        return allocate(self._core, memory_type, pages, wide=wide)

    def free_buffer(self, pages: int, host: Gva) -> EfiStatus:
        """Take pages back."""
        return self._core.free_pages(host, pages)

    def map(self, operation: DmaOperation, host: Gva, length: int, *, wide: bool = False) -> Mapped:
        """Return the HostAddress as DeviceAddress, if the bus master can address it."""
        bounce = None
        if not is_reachable(host, length, wide=wide):
            status, bounce = self._take_bounce(operation, host, length)
            if status.is_error:
                return Mapped(status, 0, 0, MappingToken(0))
        self._made += 1
        token = MappingToken(self._made)
        self._live[token] = bounce
        return Mapped(EfiStatus.SUCCESS, length, int(host if bounce is None else bounce.pages), token)

    def _take_bounce(self, operation: DmaOperation, host: Gva, length: int) -> tuple[EfiStatus, Bounce | None]:
        if operation is DmaOperation.COMMON_BUFFER:
            return EfiStatus.UNSUPPORTED, None
        status, pages = allocate(self._core, MemoryType.BOOT_SERVICES_DATA, pages_for(length), wide=False)
        if status.is_error:
            return status, None
        if operation is DmaOperation.READ:
            self._guest.write(pages, self._guest.read(host, length))
        return status, Bounce(operation, host, length, pages)

    def unmap(self, mapping: MappingToken) -> EfiStatus:
        """Forget the mapping, and deliver what lies in bounce pages."""
        if mapping not in self._live:
            return EfiStatus.INVALID_PARAMETER
        bounce = self._live.pop(mapping)
        if bounce is not None:
            if bounce.operation is DmaOperation.WRITE:
                self._guest.write(bounce.host, self._guest.read(bounce.pages, bounce.length))
            self._core.free_pages(bounce.pages, pages_for(bounce.length))
        self._ledger.ended(mapping)
        return EfiStatus.SUCCESS
