"""What a command line chooses of a target beside its name."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Choices:
    """
    The choices, as they were written.

    `device` is what a driver of kind `device` is tried on, if not on what its class names; `timeout` is how many
    seconds foreign code may take a scenario, None the usual limit.

    `iommu` is a binary IOMMU driver in the reference's place, `era` the firmware era of the platform that binaries see,
    `beneath` images that are started before the binary, `pcd` values as `TOKEN=VALUE`,
    `inject` a fault that is put into the binary from outside.
    """

    device: str = ""
    timeout: float | None = None
    iommu: str = ""
    era: str = "edk2-202211"
    beneath: tuple[str, ...] = ()
    pcd: tuple[str, ...] = ()
    inject: str = ""
