"""What a command line chooses of a target beside its name: what lies beneath it, and on which platform."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Choices:
    """
    The choices, as they were written.

    `iommu` is a binary IOMMU driver in the reference's place, `era` the firmware era of the platform that binaries see,
    `beneath` images that are started before the binary, `pcd` values as `TOKEN=VALUE`, `device` what a
    driver is tried on.
    """

    iommu: str = ""
    era: str = "edk2-202211"
    beneath: tuple[str, ...] = ()
    pcd: tuple[str, ...] = ()
    device: str = ""
