"""The reference machine as a target, whole or with one part exchanged."""

import hashlib
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from sevconf.contract import Capability, Identity
from sevconf.contract.driver import BlockDriver, BootServices, GuestMemory, PciIo
from sevconf.errors import SuiteError
from sevconf.faults.limits import DeferringDiskDriver
from sevconf.model.drivers.disk import DiskDriver
from sevconf.model.iommu.sev_pool import SevPoolIommu
from sevconf.model.machine import ReferenceMachine
from sevconf.model.parts import Parts, shuffled_policy
from sevconf.subjects.facets import CoreFacet, DmaFacet, DriverFacet, HostFacet, LoaderFacet, MemoryFacet
from sevconf.trace import Trace
from sevconf.vocabulary import MachineKind, Party, Revision, Tpl

#: What the model can be put on today.
KINDS = frozenset({MachineKind.NONE, MachineKind.SEV})


class SetupFacet:
    """Choices before the machine's drivers start."""

    def __init__(self, machine: ReferenceMachine) -> None:
        self._machine = machine

    def iommu_handler(self, tpl: Tpl) -> None:
        """Choose the level of the IOMMU driver's handler."""
        self._machine.iommu_handler_tpl = tpl

    def driver_handler(self, tpl: Tpl) -> None:
        """Choose the level of the disk driver's handler."""
        factory = self._machine.driver_factory
        if not (isinstance(factory, type) and issubclass(factory, DiskDriver)):
            raise SuiteError("the level of a foreign driver's handler is its own choice")
        self._machine.driver_factory = type(factory.__name__, (factory,), {"handler_tpl": tpl})

    def deferring_driver(self, *, tpl: Tpl) -> None:
        """Put the driver that defers its halt in place; what it does is the scenario's doing."""

        def scenario(boot_services: BootServices, pci_io: PciIo, memory: GuestMemory) -> BlockDriver:
            driver = DeferringDiskDriver(boot_services, pci_io, memory)
            driver.handler_tpl = tpl
            return driver

        self._machine.driver_factory = scenario
        self._machine.driver_actor = "scenario"


class ReferenceFacets:
    """A reference machine with its facets: the contract's Machine."""

    def __init__(self, machine: ReferenceMachine) -> None:
        self.reference = machine
        self.setup = SetupFacet(machine)

    @property
    def trace(self) -> Trace:
        """Everything that happened."""
        return self.reference.trace

    @cached_property
    def memory(self) -> MemoryFacet:
        """Guest memory."""
        return MemoryFacet(self.reference)

    @cached_property
    def host(self) -> HostFacet:
        """The host."""
        return HostFacet(self.reference)

    @cached_property
    def core(self) -> CoreFacet:
        """The core."""
        return CoreFacet(self.reference)

    @cached_property
    def dma(self) -> DmaFacet:
        """The probe."""
        return DmaFacet(self.reference)

    @cached_property
    def driver(self) -> DriverFacet:
        """The disk's driver."""
        return DriverFacet(self.reference)

    @cached_property
    def loader(self) -> LoaderFacet:
        """The OS loader."""
        return LoaderFacet(self.reference)

    def close(self) -> None:
        """Nothing was started."""


def model_hash() -> str:
    """Return the SHA-256 over the model's source, file by file, in hex."""
    root = Path(__file__).parent.parent / "model"
    text = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        text.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return text.hexdigest()


class ReferenceTarget:
    """A machine of the model, judged as those parties; a part that is exchanged is judged as its own party alone."""

    kinds = KINDS
    capabilities = frozenset(Capability)
    revision = Revision.UEFI_2_10

    def __init__(
        self, name: str = "reference", parts: Parts | None = None, parties: frozenset[Party] = frozenset(Party)
    ) -> None:
        self.name = name
        self.parties = parties
        self._parts = parts or Parts()

    @cached_property
    def identity(self) -> Identity:
        """What is judged: the model's source."""
        return Identity(self.name, "model", model_hash())

    def open(self, kind: MachineKind, seed: int) -> ReferenceFacets:
        """Return a fresh machine."""
        return ReferenceFacets(ReferenceMachine(kind, seed, self._parts))

    def close(self) -> None:
        """Nothing is shared."""


def shuffled() -> ReferenceTarget:
    """Return the reference with every freedom that UEFI leaves drawn from the seed."""
    return ReferenceTarget("shuffled", replace(Parts(), policy=shuffled_policy))


def sev_pool() -> ReferenceTarget:
    """Return the reference with a pool of shared pages in its SEV IOMMU driver, judged as that driver."""
    return ReferenceTarget("sev-pool", Parts(iommu=SevPoolIommu), frozenset({Party.IOMMU_DRIVER}))
