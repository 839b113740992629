"""The reference machine as a target, whole or with one part exchanged."""

import hashlib
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from sevconf.contract import Capability, Identity, IommuVariant
from sevconf.contract.driver import BlockDriver, BootServices, GuestMemory, PciIo
from sevconf.errors import SuiteError
from sevconf.faults.limits import DeferringDiskDriver, OpensAllRam
from sevconf.model.drivers.disk import DiskDriver
from sevconf.model.drivers.keyboard import TransferKeyboardDriver
from sevconf.model.eras import CoreBeforeUefi29
from sevconf.model.iommu.sev_pool import SevPoolIommu
from sevconf.model.iommu.variants import IOMMU_GROUP, VARIANTS
from sevconf.model.machine import ReferenceMachine
from sevconf.model.parts import Parts, shuffled_policy
from sevconf.subjects.devices import KeyboardFacet, NetworkFacet, OwnDeviceFacet
from sevconf.subjects.facets import CoreFacet, DmaFacet, DriverFacet, HostFacet, LoaderFacet, MemoryFacet
from sevconf.subjects.vtd_facet import IommuFacet
from sevconf.trace import Trace
from sevconf.vocabulary import MachineKind, Party, Revision, Tpl

#: What the model can be put on today.
KINDS = frozenset(MachineKind)


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

    def opening_iommu(self) -> None:
        """Put the IOMMU driver that opens all RAM in place; what it does is the scenario's doing."""
        opening = type("Scenario", (OpensAllRam,), {"actor": "scenario"})
        self._machine.parts = replace(self._machine.parts, iommu=opening)

    def iommu_variant(self, variant: IommuVariant) -> None:
        """Put another IOMMU driver in place; the core that signals it apart comes with it."""
        if variant == "core-signalled":
            self._machine.core.iommu_group = IOMMU_GROUP
        self._machine.parts = replace(self._machine.parts, iommu=VARIANTS[variant])

    def deferring_driver(self, *, tpl: Tpl) -> None:
        """Put the driver that defers its halt in place; what it does is the scenario's doing."""

        def scenario(boot_services: BootServices, pci_io: PciIo, memory: GuestMemory) -> BlockDriver:
            driver = DeferringDiskDriver(boot_services, pci_io, memory)
            driver.handler_tpl = tpl
            return driver

        self._machine.driver_factory = scenario
        self._machine.driver_actor = "scenario"

    def keyboard_transfers(self) -> None:
        """Put the keyboard driver in place that maps each transfer by itself."""
        self._machine.keyboard_driver_factory = TransferKeyboardDriver


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
        return DriverFacet(self.reference, self._connect_others)

    def _connect_others(self) -> None:
        """Start the drivers that the platform starts by itself, where keyboard and network card have a place."""
        if self.reference.kind in (MachineKind.NONE, MachineKind.SEV):
            others = {"keyboard": self.keyboard.connect, "nic": self.network.connect}
            for name in self.reference.policy.connects:
                others[name]()

    @cached_property
    def keyboard(self) -> KeyboardFacet:
        """The keyboard's driver."""
        return KeyboardFacet(self.reference)

    @cached_property
    def network(self) -> NetworkFacet:
        """The network card's driver."""
        return NetworkFacet(self.reference)

    @cached_property
    def own_device(self) -> OwnDeviceFacet:
        """A device that came with its driver."""
        return OwnDeviceFacet(self.reference)

    @cached_property
    def loader(self) -> LoaderFacet:
        """The OS loader."""
        return LoaderFacet(self.reference)

    @cached_property
    def iommu(self) -> IommuFacet:
        """The IOMMU."""
        return IommuFacet(self.reference)

    def close(self) -> None:
        """Nothing was started."""


def source_hash(*rooms: str) -> str:
    """Return the SHA-256 over the source of rooms of sevconf (`model`), file by file, in hex."""
    root = Path(__file__).parent.parent
    text = hashlib.sha256()
    for path in sorted(path for room in rooms for path in (root / room).rglob("*.py")):
        text.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return text.hexdigest()


class ReferenceTarget:
    """A machine of the model, judged as those parties; a part that is exchanged is judged as its own party alone."""

    kinds = KINDS
    capabilities = frozenset(Capability)

    def __init__(
        self,
        name: str = "reference",
        parts: Parts | None = None,
        parties: frozenset[Party] = frozenset(Party),
        revision: Revision = Revision.UEFI_2_10,
    ) -> None:
        self.name = name
        self.revision = revision
        self.parties = parties
        #: What its machines are built from.
        self.parts = parts or Parts()

    @cached_property
    def identity(self) -> Identity:
        """What is judged: the model's source, and that of the faults if one of them is in place."""
        rooms = ("model",) if self.parties == frozenset(Party) else ("model", "faults")
        return Identity(self.name, "model", source_hash(*rooms))

    def open(self, kind: MachineKind, seed: int) -> ReferenceFacets:
        """Return a fresh machine."""
        return ReferenceFacets(ReferenceMachine(kind, seed, self.parts))

    def close(self) -> None:
        """Nothing is shared."""


def era(name: str) -> ReferenceTarget:
    """Return the reference as EDK II's core was at a release: `edk2-202211`, or `edk2-head`, which is the default."""
    if name == "edk2-202211":
        return ReferenceTarget(f"era:{name}", Parts(core=CoreBeforeUefi29), revision=Revision.UEFI_2_7)
    return ReferenceTarget(f"era:{name}")


def shuffled() -> ReferenceTarget:
    """Return the reference with every freedom that UEFI leaves drawn from the seed."""
    return ReferenceTarget("shuffled", replace(Parts(), policy=shuffled_policy))


def sev_pool() -> ReferenceTarget:
    """Return the reference with a pool of shared pages in its SEV IOMMU driver, judged as that driver."""
    return ReferenceTarget("sev-pool", Parts(iommu=SevPoolIommu), frozenset({Party.IOMMU_DRIVER}))
