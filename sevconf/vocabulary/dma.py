"""
DMA operations.

Spec: UEFI 2.10, 14.4 EFI_PCI_IO_PROTOCOL.Map(): the operation is seen from the bus master.
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
