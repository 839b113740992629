"""
What an IOMMU grants to a device, and why it refuses an access.

Spec: EDK II `MdeModulePkg/Include/Protocol/IoMmu.h`, EDKII_IOMMU_ACCESS_READ and _WRITE; for the
reasons that VT-d hardware records, Linux `drivers/iommu/intel/dmar.c`, dma_remap_fault_reasons.
"""

from enum import Enum, IntFlag


class IommuAccess(IntFlag):
    """What a device may do with a page: the IoMmuAccess of SetAttribute, and bits 0 and 1 of a second-level entry."""

    NONE = 0
    READ = 1
    WRITE = 2


class FaultReason(Enum):
    """Why VT-d refused an access, by the code in its fault record."""

    NO_ROOT_ENTRY = 1
    NO_CONTEXT_ENTRY = 2
    BAD_CONTEXT_ENTRY = 3
    BEYOND_WIDTH = 4
    NO_WRITE_ACCESS = 5
    NO_READ_ACCESS = 6
    BAD_TABLE_POINTER = 7
    BAD_ROOT_POINTER = 8
    BAD_CONTEXT_POINTER = 9
    RESERVED_IN_ROOT = 10
    RESERVED_IN_CONTEXT = 11
    RESERVED_IN_TABLE = 12
