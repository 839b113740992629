"""
DMA operations.

Spec: UEFI 2.10, 14.4 EFI_PCI_IO_PROTOCOL.Map(): the operation is seen from the bus master; EDK II
`MdeModulePkg/Include/Protocol/IoMmu.h`, EDKII_IOMMU_OPERATION, which has each of them for 64-bit bus masters too.
"""

from enum import Enum


class DmaOperation(Enum):
    """What the bus master may do with a mapped buffer."""

    READ = "BusMasterRead"
    WRITE = "BusMasterWrite"
    COMMON_BUFFER = "BusMasterCommonBuffer"

    @property
    def device_reads(self) -> bool:
        """Whether the device may read the buffer."""
        return self is not DmaOperation.WRITE

    @property
    def device_writes(self) -> bool:
        """Whether the device may write the buffer."""
        return self is not DmaOperation.READ

    def __str__(self) -> str:
        return self.value

    def at_iommu(self, *, wide: bool) -> str:
        """Name the IOMMU protocol's operation: `wide` for a device with DUAL_ADDRESS_CYCLE enabled."""
        return f"{self.value}64" if wide else self.value
