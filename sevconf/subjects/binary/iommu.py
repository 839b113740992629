"""
A binary IOMMU driver in the place of the reference's: PciIo asks it through the EDKII IOMMU protocol that it installs.

Spec: EDK II `MdeModulePkg/Include/Protocol/IoMmu.h`.
Left out: SetAttribute, which OVMF's driver of 2022 answers with EFI_UNSUPPORTED, and that of today without effect.
"""

from typing import NoReturn

from sevconf.contract.driver import Mapped, MappingToken
from sevconf.model.boot_services import Core
from sevconf.model.guest import Guest
from sevconf.model.iommu.base import MappingLedger
from sevconf.subjects.binary.abi.protocols import IOMMU
from sevconf.subjects.binary.firmware.system import Judge, status_of
from sevconf.subjects.binary.ground import Ground
from sevconf.subjects.binary.images.image import Image
from sevconf.subjects.binary.origin import Package
from sevconf.vocabulary import PROTOCOL_NAMES, AllocateType, DmaOperation, EfiStatus, Gva, MemoryType

#: EDKII_IOMMU_OPERATION; the 64-bit twin of each comes three behind it.
_OPERATIONS = {DmaOperation.READ: 0, DmaOperation.WRITE: 1, DmaOperation.COMMON_BUFFER: 2}
_WIDE = 3
_DUAL_ADDRESS_CYCLE = 0x8000


def actor_of(image: Image) -> str:
    """Return who acts when a binary IOMMU driver acts."""
    return f"iommu-driver:{image.name}"


class BinaryIommu:
    """The driver of a package; `judge` hears of what it does wrong, on whatever core and guest memory."""

    def __init__(
        self,
        package: Package,
        core: Core,
        guest: Guest,
        ledger: MappingLedger,
        *,
        judge: Judge,
        ground: Ground | None = None,
    ) -> None:
        self.actor = actor_of(package.image)
        self._package = package
        self._ledger = ledger
        self._judge = judge
        self.firmware = (ground or Ground(judge)).firmware(package, core, guest)
        self.firmware.where.add_symbols(package.image, package.symbols)
        self._interface = 0

    def start(self) -> None:
        """Start the images; the last one has to install the protocol."""
        self.enter()
        if not self._interface:
            self._broken(f"starts, and installs no {IOMMU.name}{self._in_vain()}")

    def enter(self) -> None:
        """Load the images, and run their entry points."""
        for image in (*self._package.beneath, self._package.image):
            actor = self.actor if image is self._package.image else f"firmware:{image.name}"
            loaded = self.firmware.load(image, actor)
            status = self.firmware.start(loaded)
            if status:
                self._judge.fail(actor, f"returns {_word(status)} from its entry point{self._in_vain()}")
        self._interface = self.firmware.find(IOMMU) or 0

    def _in_vain(self) -> str:
        names = [PROTOCOL_NAMES.get(guid, guid) for guid in self.firmware.missing]
        return f"; it looked in vain for {', '.join(names)}" if names else ""

    def _broken(self, how: str) -> NoReturn:
        self._judge.fail(self.actor, how)

    def _ask(self, member: str, *values: int) -> tuple[EfiStatus, tuple[int, ...]]:
        status, *outputs = self.firmware.use(IOMMU, self._interface, member, *values)
        known = status_of(status)
        if known is None:
            self._broken(f"returns {status:#x} from {member}, which is no status of UEFI that fits")
        return known, tuple(outputs)

    def allocate_buffer(self, memory_type: MemoryType, pages: int, *, wide: bool = False) -> tuple[EfiStatus, Gva]:
        """AllocateBuffer; `wide` is EDKII_IOMMU_ATTRIBUTE_DUAL_ADDRESS_CYCLE."""
        flags = _DUAL_ADDRESS_CYCLE if wide else 0
        status, (host,) = self._ask("AllocateBuffer", AllocateType.ANY_PAGES, memory_type, pages, 0, flags)
        return status, Gva(0 if status.is_error else host)

    def free_buffer(self, pages: int, host: Gva) -> EfiStatus:
        """FreeBuffer."""
        return self._ask("FreeBuffer", pages, host)[0]

    def map(self, operation: DmaOperation, host: Gva, length: int, *, wide: bool = False) -> Mapped:
        """Map."""
        number = _OPERATIONS[operation] + (_WIDE if wide else 0)
        status, (mapped, device, mapping) = self._ask("Map", number, host, length)
        if status.is_error:
            return Mapped(status, 0, 0, MappingToken(0))
        return Mapped(status, mapped, device, MappingToken(mapping))

    def unmap(self, mapping: MappingToken) -> EfiStatus:
        """Unmap: the mapping has ended if the driver says so."""
        status, _ = self._ask("Unmap", mapping)
        if not status.is_error:
            self._ledger.ended(mapping)
        return status


def _word(status: int) -> str:
    known = status_of(status)
    return f"{status:#x}" if known is None else str(known)
