"""
What an IOMMU grants to a device, why it refuses an access, and how it is commanded.

Spec: EDK II `MdeModulePkg/Include/Protocol/IoMmu.h`, EDKII_IOMMU_ACCESS_READ and _WRITE; for the
reasons that VT-d hardware records, Linux `drivers/iommu/intel/dmar.c`, dma_remap_fault_reasons; for its global command
and status registers, EDK II `edk2-platforms`, `Silicon/Intel/IntelSiliconPkg/Include/IndustryStandard/Vtd.h`.
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


class GlobalCommand(IntFlag):
    """Bits of VT-d's global command register that the model has; a status bit stands at the place of its command."""

    #: Translate.
    TE = 1 << 31
    #: Use the root table that the root table address register names.
    SRTP = 1 << 30


#: Commands that act once, each time they are written: SRTP, SFL, WBF and SIRTP. Their status bits stay set, so what is
#: read from the status register must lose them before it is written back.
ONE_SHOT = 0x6900_0000
