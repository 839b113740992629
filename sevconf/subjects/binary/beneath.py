"""
A binary IOMMU driver in the reference's place, beneath another target, which is judged as what it is.

Whatever the other target is runs in workers then, with the binary in the same machine.
"""

from dataclasses import replace

from sevconf.contract import Capability, Identity, Target
from sevconf.errors import Unsupported, UsageError
from sevconf.subjects.binary.origin import ModelOrigin
from sevconf.subjects.binary.target import BinaryTarget, Unpacked, unpack
from sevconf.subjects.choices import Choices
from sevconf.subjects.python.job import Job
from sevconf.subjects.python.limits import Limits
from sevconf.subjects.python.nursery import Nursery
from sevconf.subjects.python.remote import RemoteMachine
from sevconf.subjects.python.roles import OWN_CHOICES
from sevconf.subjects.python.target import PythonTarget
from sevconf.vocabulary import MachineKind, Party, Revision


class TargetOverIommu:
    """
    `upper` over the binary that `choices` name; it has SEV guests only, for nothing else has such a driver.

    Raises:
        UsageError: the binary is none, or `upper` is judged as IOMMU driver itself.
        Unsupported: the binary is of another architecture.

    """

    kinds = frozenset({MachineKind.SEV})

    def __init__(self, upper: Target, choices: Choices) -> None:
        self._upper = upper
        self._nursery = Nursery(upper.identity.name)
        self._limits = Limits()
        self._unpacked: Unpacked | None = None
        try:
            self._unpacked = _readable(upper, choices)
            model = ModelOrigin(upper.identity.name, self._unpacked.origin.culprit)
            self._origin = upper.origin if isinstance(upper, PythonTarget) else model
        except BaseException:
            self.close()
            raise

    @property
    def revision(self) -> Revision:
        """Of the upper target."""
        return self._upper.revision

    @property
    def parties(self) -> frozenset[Party]:
        """Those of the upper target, but not the one that was taken from it."""
        return self._upper.parties - {Party.IOMMU_DRIVER}

    @property
    def capabilities(self) -> frozenset[Capability]:
        """Those of the upper target, but for what a foreign driver decides itself."""
        return self._upper.capabilities - OWN_CHOICES

    @property
    def identity(self) -> Identity:
        """The upper target's, with the binary as a tool beside it."""
        upper, binary = self._upper.identity, self._unpacked
        if binary is None:
            return upper
        tools = (*upper.tools, (f"--iommu {binary.name}", f"sha256 {binary.package.image.sha256}"))
        return Identity(upper.name, upper.kind, upper.sha256, upper.package, upper.version, tools, upper.limits)

    def open(self, kind: MachineKind, seed: int) -> RemoteMachine:
        """Return a fresh machine, in a fresh worker."""
        if kind not in self.kinds or self._unpacked is None:
            raise Unsupported(f"the target has no machine of kind {kind.value}")
        upper = self._upper
        job = upper.job(kind, seed) if isinstance(upper, BinaryTarget) else Job(self._origin, kind, seed, self._limits)
        return RemoteMachine(self._nursery, replace(job, iommu=self._unpacked.origin))

    def close(self) -> None:
        """End the workers, and close the upper target."""
        self._nursery.close()
        self._upper.close()
        if self._unpacked is not None:
            self._unpacked.close()


def _readable(upper: Target, choices: Choices) -> Unpacked:
    if upper.parties == {Party.IOMMU_DRIVER}:
        raise UsageError(f"{upper.identity.name} is an IOMMU driver itself", hint="leave --iommu out")
    try:
        return unpack(choices.iommu, choices)
    except Unsupported as unsupported:
        raise UsageError(f"--iommu: {unsupported}") from unsupported
