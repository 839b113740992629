"""
What every IOMMU driver of the model offers, and the ledger of live mappings that gives them names in the trace.

The protocol's six operations are PciIo's three, each with or without `wide`: for a bus master that addresses 64 bits,
or for one whose addresses end at 4 GiB.

Spec: EDK II `MdeModulePkg/Include/Protocol/IoMmu.h`, EDKII_IOMMU_OPERATION and
EDKII_IOMMU_ATTRIBUTE_DUAL_ADDRESS_CYCLE.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol, runtime_checkable

from sevconf.contract.driver import Mapped, MappingToken
from sevconf.model.boot_services import Core
from sevconf.model.recorder import Recorder
from sevconf.trace import MappingEnded, MappingMade
from sevconf.vocabulary import FOUR_GIB, AllocateType, DmaOperation, EfiStatus, Gpa, Gva, IommuAccess, MemoryType


class Iommu(Protocol):
    """The EDKII IOMMU protocol's Map, Unmap, AllocateBuffer and FreeBuffer; sizes in bytes, counts in pages."""

    @property
    def actor(self) -> str:
        """Who acts when the driver acts."""
        ...

    def start(self) -> None:
        """Run the driver's entry point."""
        ...

    def allocate_buffer(self, memory_type: MemoryType, pages: int, *, wide: bool = False) -> tuple[EfiStatus, Gva]:
        """Return pages fit to be mapped as a common buffer; unless `wide` they lie below 4 GiB."""
        ...

    def free_buffer(self, pages: int, host: Gva) -> EfiStatus:
        """Take a common buffer back."""
        ...

    def map(self, operation: DmaOperation, host: Gva, length: int, *, wide: bool = False) -> Mapped:
        """Make memory reachable for a bus master; `wide`: one that addresses 64 bits."""
        ...

    def unmap(self, mapping: MappingToken) -> EfiStatus:
        """End a mapping."""
        ...


@runtime_checkable
class GrantingIommu(Iommu, Protocol):
    """
    The protocol with a SetAttribute that means something: Map alone opens nothing.

    The others answer it with EFI_UNSUPPORTED, which PciBusDxe ignored; so they are not asked.
    """

    def set_attribute(self, device: str, mapping: MappingToken, access: IommuAccess) -> EfiStatus:
        """Grant a device this access to a mapping, and no other; none revokes."""
        ...


def allocate(core: Core, memory_type: MemoryType, pages: int, *, wide: bool) -> tuple[EfiStatus, Gva]:
    """Allocate pages that a bus master can address: anywhere (`wide`), or below 4 GiB."""
    if wide:
        return core.allocate_pages(AllocateType.ANY_PAGES, memory_type, pages)
    return core.allocate_pages(AllocateType.MAX_ADDRESS, memory_type, pages, FOUR_GIB - 1)


def is_reachable(host: int, length: int, *, wide: bool) -> bool:
    """Tell whether a bus master can address all of a buffer."""
    return wide or host + length <= FOUR_GIB


class MappingLedger:
    """Names of mappings by their tokens; a token that is used again names its newest mapping."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._names: dict[MappingToken, str] = {}
        self._live: set[str] = set()
        self._made = 0
        self._askers: list[tuple[str, str]] = []

    @contextmanager
    def asked_by(self, owner: str, bus_master: str) -> Iterator[None]:
        """Let mappings that are made be those of an owner, for a bus master."""
        self._askers.append((owner, bus_master))
        try:
            yield
        finally:
            self._askers.pop()

    def made(self, mapped: Mapped, operation: DmaOperation, host: Gva) -> None:
        """Record a live mapping under a new name."""
        owner, bus_master = self._askers[-1]
        self._made += 1
        name = f"M{self._made}"
        self._names[mapped.mapping] = name
        self._live.add(name)
        self._recorder.record(
            MappingMade,
            mapping=name,
            owner=owner,
            bus_master=bus_master,
            operation=operation,
            host=Gpa(host),
            device=mapped.device_address,
            length=mapped.length,
        )

    def ended(self, token: MappingToken) -> None:
        """Record that a mapping is no longer live."""
        name = self._names.get(token)
        if name in self._live:
            self._live.discard(name)
            self._recorder.record(MappingEnded, mapping=name)

    def name(self, token: MappingToken) -> str:
        """Return the name of a token's newest mapping, or the token itself in hex if it never was one."""
        return self._names.get(token, f"{token:#x}")
