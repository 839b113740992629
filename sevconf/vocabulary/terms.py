"""
The suite's own closed lists: parties, bases, machine kinds, profiles and revisions.

Every tag that a feature may carry, besides ids and claims, is a value of one of these.
"""

from enum import Enum


class Party(Enum):
    """Whom a rule judges."""

    CORE = "core"
    PCI = "pci"
    IOMMU_DRIVER = "iommu-driver"
    DRIVER = "driver"
    OS_LOADER = "os-loader"
    OS = "os"
    #: The encrypted RAM itself: self-tests of the reference machine.
    MEMORY = "memory"


class Basis(Enum):
    """What a rule rests on, and so whether it counts."""

    UEFI = "uefi"
    BEYOND_UEFI = "beyond-uefi"
    PROPOSAL = "proposal"
    ADVISORY = "advisory"
    UNSPECIFIED = "unspecified"


class MachineKind(Enum):
    """The machine that a rule runs on."""

    NONE = "none"
    SEV = "sev"
    VTD_OPEN = "vtd-open"
    VTD_KEEP = "vtd-keep"


class Profile(Enum):
    """Which bases count: the disagreement about what a driver owes beyond the specification."""

    UEFI = "uefi"
    OVMF_SEV = "ovmf-sev"
    THREAD_PROPOSAL = "thread-proposal"

    def counts(self, basis: Basis) -> bool:
        """Tell whether a rule of that basis counts for or against a target under this profile."""
        return basis in _COUNTED[self]


_COUNTED = {
    Profile.UEFI: {Basis.UEFI},
    Profile.OVMF_SEV: {Basis.UEFI, Basis.BEYOND_UEFI},
    Profile.THREAD_PROPOSAL: {Basis.UEFI, Basis.BEYOND_UEFI, Basis.PROPOSAL},
}


class Revision(Enum):
    """A revision of the UEFI specification that a rule needs (`@since-2.9`) or a target states."""

    EFI_1_10 = "1.10"
    UEFI_2_7 = "2.7"
    UEFI_2_9 = "2.9"
    UEFI_2_10 = "2.10"

    @property
    def order(self) -> tuple[int, int]:
        """Major and minor, for comparison."""
        major, minor = self.value.split(".")
        return int(major), int(minor)
