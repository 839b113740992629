"""
What is explored: drivers, IOMMU driver, core, and the bounds.

An IOMMU driver or core that a plan names is the reference's, one that conforms in another way, or a one-bug machine of
`sevconf.faults`: the explorer has no machines of its own.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from sevconf.errors import UsageError
from sevconf.faults import CATALOGUE
from sevconf.model.iommu.sev_pool import SevPoolIommu
from sevconf.model.iommu.variants import VARIANTS
from sevconf.model.parts import Parts
from sevconf.subjects.near import near
from sevconf.vocabulary import MachineKind

#: Kinds of machine and what is exchanged in them, by the name of the IOMMU driver.
IOMMUS: Mapping[str, tuple[MachineKind, Callable[[Parts], Parts]]] = {
    "none": (MachineKind.NONE, lambda parts: parts),
    "sev": (MachineKind.SEV, lambda parts: parts),
    "sev-pool": (MachineKind.SEV, lambda parts: replace(parts, iommu=SevPoolIommu)),
    "core-signalled": (MachineKind.SEV, lambda parts: replace(parts, iommu=VARIANTS["core-signalled"])),
    "vtd-open": (MachineKind.VTD_OPEN, lambda parts: parts),
    "vtd-keep": (MachineKind.VTD_KEEP, lambda parts: parts),
}


@dataclass(frozen=True, slots=True)
class Plan:
    """
    One exploration.

    `drivers` are names of built-in drivers or of classes, `fault` a one-bug machine or empty. `steps` is the most DMA
    steps that devices make between notifications, all devices together. `reduced` is False for the search that neither
    merges states nor leaves out orders of acts that commute: it is there to be compared with.
    """

    drivers: tuple[str, ...]
    iommu: str = "sev"
    fault: str = ""
    steps: int = 3
    reduced: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.drivers:
            raise UsageError("expected one driver at least")
        if self.iommu not in IOMMUS:
            raise UsageError(f"there is no IOMMU driver {self.iommu!r} to explore", hint=near(self.iommu, IOMMUS))
        if self.fault and self.fault not in CATALOGUE:
            raise UsageError(f"there is no faulty machine {self.fault!r}", hint=near(self.fault, CATALOGUE))

    @property
    def kind(self) -> MachineKind:
        """The kind of machine that the IOMMU driver belongs to."""
        return IOMMUS[self.iommu][0]

    @property
    def parts(self) -> Parts:
        """The machine's parts."""
        return IOMMUS[self.iommu][1](CATALOGUE[self.fault].parts if self.fault else Parts())

    @property
    def bounds(self) -> str:
        """The bounds in words."""
        return (
            f"all runs of {len(self.drivers)} drivers over IOMMU driver {self.iommu}, each handler at TPL_CALLBACK and "
            f"TPL_NOTIFY, queued in every order, up to {self.steps} DMA steps between notifications"
        )
