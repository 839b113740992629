"""
What a platform tells its firmware about itself: one declarative description per firmware era.

PCD tokens are numbers that a build gives out, so a description says what a platform has to tell, and in which order
EDK II's drivers ask for it (first whether the guest is confidential, then where its C-bit is); tokens are learned as
they are asked for, or given by hand. What a driver asks that is not here is told as a limit of the judgement.

Spec: AMD64 Architecture Programmer's Manual, volume 3, appendix E.4.17 (CPUID 8000_001F) and volume 2, 15.34.10
(SEV_STATUS, C001_0131); EDK II `MdePkg/Include/ConfidentialComputingGuestAttr.h`,
`OvmfPkg/Include/IndustryStandard/Q35MchIch9.h`,
`OvmfPkg/Include/Library/PlatformInitLib.h` (EFI_HOB_PLATFORM_INFO); ACPI 6.5, 4.8.3.3 (PM timer).
"""

import struct
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from sevconf.errors import UsageError

#: Marks of what only a machine knows.
CBIT_POSITION = -1
CBIT_MASK = -2

#: Device id of the host bridge of a q35.
_Q35 = 0x29C0
#: OVMF's platform information, of which drivers read the host bridge's id, at 0x30 of the HOB in 2022.
_PLATFORM_INFO = struct.pack("<HHI", 4, 0x100, 0) + uuid.UUID("dec9b486-1f16-47c7-8f68-df1a41888ba5").bytes_le
_PLATFORM_HOB = (_PLATFORM_INFO + bytes(0x30 - len(_PLATFORM_INFO)) + struct.pack("<H", _Q35)).ljust(0x100, b"\0")

#: EDK II's CCAttrAmdSev: the guest attribute of SEV.
_AMD_SEV = 0x100
_LEAF_MAXIMUM = 0x8000_001F


class PortUse(Enum):
    """What an I/O port is."""

    DEBUG = "debug console"
    PM_TIMER = "PM timer"
    IGNORED = "takes anything, reads as zeros"


@dataclass(frozen=True, slots=True)
class Platform:
    """
    One platform: CPUID leaves (EAX, EBX, ECX, EDX), MSRs, I/O ports, and what PCDs hold in the order of first asking.

    `pcd` has for each width in bytes the values in order; the last one answers all further tokens of that width.
    `hobs` is the HOB list without its end, `vendor` and `revision` are the firmware's, `set_attribute` is whether its
    IOMMU driver serves SetAttribute.
    """

    name: str
    is_: str
    revision: int
    set_attribute: bool
    ecam: int
    cpuid: Mapping[int, tuple[int, int, int, int]] = field(
        default_factory=lambda: {
            0x0000_0000: (0x0D, 0x6874_7541, 0x444D_4163, 0x6974_6E65),
            0x0000_0001: (0x0080_0F12, 0, 1 << 31, 0x0788_FBFF),
            0x8000_0000: (_LEAF_MAXIMUM, 0x6874_7541, 0x444D_4163, 0x6974_6E65),
            0x8000_0001: (0x0080_0F12, 0, 0, 0x2C10_0800),
            0x8000_0008: (48, 0, 0, 0),
            _LEAF_MAXIMUM: (0b10, CBIT_POSITION, 0, 0),
        }
    )
    msrs: Mapping[int, int] = field(default_factory=lambda: {0xC001_0131: 1, 0x1B: 0xFEE0_0900, 0xC000_0080: 0x500})
    ports: Mapping[int, PortUse] = field(
        default_factory=lambda: {
            0x402: PortUse.DEBUG,
            0x608: PortUse.PM_TIMER,
            0xB008: PortUse.PM_TIMER,
            0x80: PortUse.IGNORED,
        }
    )
    pcd: Mapping[int, tuple[int, ...]] = field(
        default_factory=lambda: {8: (_AMD_SEV, CBIT_MASK), 4: (0,), 2: (_Q35,), 1: (0,)}
    )
    hobs: bytes = _PLATFORM_HOB


#: Every era, by name; the first one is the default.
ERAS = {
    platform.name: platform
    for platform in (
        Platform("edk2-202211", "OVMF of edk2-stable202211, as Debian 12 ships it", 0x0002_0046, False, 0xB000_0000),
        Platform("edk2-head", "OVMF of 2025 and later", 0x0002_0046, True, 0xE000_0000),
    )
}


def era(name: str) -> Platform:
    """
    Return the platform of an era.

    Raises:
        UsageError: there is none of that name.

    """
    if name not in ERAS:
        raise UsageError(f"there is no firmware era {name!r}", hint=f"known are {', '.join(ERAS)}")
    return ERAS[name]
