"""What suite and worker both know before they speak: the job, and a few marks."""

from dataclasses import dataclass, field

from sevconf.subjects.binary.origin import BinaryOrigin, ModelOrigin
from sevconf.subjects.python.limits import Limits
from sevconf.subjects.python.load import Origin
from sevconf.vocabulary import MachineKind

#: What the forker says when it is ready.
READY = b"ready"
#: Exit code of a worker that can no longer speak to the suite.
MUTE = 75
#: The device of a job that is to find out for which of QEMU's a binary driver is.
ANY_DEVICE = "any"
#: The facet of the last request: it asks whether the suite's code in the worker is still what it was.
FAREWELL = "farewell"
#: Facets whose acts may let foreign code run, drivers and devices; the others act on the machine alone.
FOREIGN_FACETS = frozenset(
    {"core", "dma", "driver", "keyboard", "network", "own_device", "host", "loader", "setup", FAREWELL}
)


@dataclass(frozen=True, slots=True)
class Job:
    """
    What a worker is for: a machine of that kind and seed, or (kind None) to tell what is known of its subject.

    `iommu` is the binary IOMMU driver beneath it, if it is not the reference's. `device` is what a driver of kind
    `device` is tried on, if not on what its class names: one of QEMU's (`qemu:MODEL[,option=value…]`), or a class that
    models one (`FILE.py:CLASS`, `MODULE:CLASS`). A binary driver is tried on one of QEMU's, which is the machine's disk
    if it is a `disk`.
    """

    origin: Origin | BinaryOrigin | ModelOrigin
    kind: MachineKind | None = None
    seed: int = 0
    limits: Limits = field(default_factory=Limits)
    device: str = ""
    iommu: BinaryOrigin | None = None
    disk: bool = False

    @property
    def binaries(self) -> tuple[BinaryOrigin, ...]:
        """What a worker has to have read before it starts."""
        return tuple(part for part in (self.origin, self.iommu) if isinstance(part, BinaryOrigin))
