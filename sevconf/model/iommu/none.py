"""
A root bridge without an IOMMU: the DeviceAddress is the HostAddress, and Map gives no memory.

Spec: EDK II `MdeModulePkg/Bus/Pci/PciHostBridgeDxe/PciRootBridgeIo.c`, RootBridgeIoMap, which answers so below 4 GiB.
Left out: memory above 4 GiB, which that code bounces.
"""

from sevconf.contract.driver import Mapped, MappingToken
from sevconf.model.boot_services import Core
from sevconf.model.iommu.base import MappingLedger
from sevconf.vocabulary import AllocateType, DmaOperation, EfiStatus, Gva, MemoryType


class NoIommu:
    """Direct DMA: every address is reachable, and a mapping is a promise only."""

    actor = "pci:root-bridge"

    def __init__(self, core: Core, ledger: MappingLedger) -> None:
        self._core = core
        self._ledger = ledger
        self._live: set[MappingToken] = set()
        self._made = 0

    def start(self) -> None:
        """Do nothing: there is no driver to start."""

    def allocate_buffer(self, memory_type: MemoryType, pages: int) -> tuple[EfiStatus, Gva]:
        """Return pages."""
        return self._core.allocate_pages(AllocateType.ANY_PAGES, memory_type, pages)

    def free_buffer(self, pages: int, host: Gva) -> EfiStatus:
        """Take pages back."""
        return self._core.free_pages(host, pages)

    def map(self, operation: DmaOperation, host: Gva, length: int, *, wide: bool = False) -> Mapped:
        """Return the HostAddress as DeviceAddress."""
        del operation, wide  # every operation is served alike
        self._made += 1
        token = MappingToken(self._made)
        self._live.add(token)
        return Mapped(EfiStatus.SUCCESS, length, int(host), token)

    def unmap(self, mapping: MappingToken) -> EfiStatus:
        """Forget the mapping."""
        if mapping not in self._live:
            return EfiStatus.INVALID_PARAMETER
        self._live.discard(mapping)
        self._ledger.ended(mapping)
        return EfiStatus.SUCCESS
