"""
The VT-d hardware between bus masters and DRAM: it walks tables that software keeps in guest memory.

A request names its source (bus, device, function). While translation is on, the root table leads by bus to a context
table, that by device and function to the second-level tables of the source's domain, and those by address to an entry
of 4 KiB with a read and a write permission. While it is off, as at reset, every access passes. What is refused leaves a
fault record.

Spec: Linux `drivers/iommu/intel/iommu.h` (root, context and second-level entries) and `drivers/iommu/intel/dmar.c`
(fault records); EDK II `edk2-platforms`, `Silicon/Intel/IntelSiliconPkg/Feature/VTd/IntelVTdDxe/TranslationTable.c`
and `VtdReg.c` (the global command register).

Left out: the caches of translations, and so their invalidation; large pages, five levels, scalable mode, interrupt
remapping; an access across pages that passes in part (one page that refuses refuses it whole); the limit on records.
"""

from collections.abc import Callable
from dataclasses import dataclass

from sevconf.model.encrypted_ram import EncryptedRam
from sevconf.model.recorder import Recorder
from sevconf.trace import IommuCommand, IommuState
from sevconf.vocabulary import ONE_SHOT, PAGE_SIZE, FaultReason, GlobalCommand, Gpa, IommuAccess

#: Bytes of a root or context entry, and of a second-level one.
WIDE_ENTRY, ENTRY = 16, 8
#: Levels of second-level tables for 48-bit addresses, and what a context entry says for them.
LEVELS, AGAW_48 = 4, 2
#: Bits of an address that each level translates.
LEVEL_BITS = 9
#: Bit 0 of root and context entries.
PRESENT = 1
#: The address in an entry of any kind.
ADDRESS_MASK = 0x000F_FFFF_FFFF_F000

_PAGE_SHIFT = 12
_WIDTH = 48


def level_index(address: int, level: int) -> int:
    """Return the place of an address in its second-level table; level 1 holds the pages."""
    return address >> (_PAGE_SHIFT + LEVEL_BITS * (level - 1)) & (1 << LEVEL_BITS) - 1


@dataclass(frozen=True, slots=True)
class FaultRecord:
    """What the unit remembers of a refused access: `address` is the page that refused it."""

    source: int
    address: int
    write: bool
    reason: FaultReason


class VtdUnit:
    """One unit, for all devices; `let_devices_run` is called at each register write, since devices don't wait."""

    def __init__(self, recorder: Recorder, ram: EncryptedRam, let_devices_run: Callable[[], None]) -> None:
        self._recorder = recorder
        self._ram = ram
        self._let_devices_run = let_devices_run
        self.translating = False
        #: The root table in use, and the one that the root table address register names.
        self.root = self.root_address = Gpa(0)
        self._root_set = False
        self.faults: list[FaultRecord] = []
        #: Source ids of the devices on bus 0 that were met so far.
        self.sources: dict[str, int] = {}

    def source_of(self, device: str) -> int:
        """Return a device's source id: function 0 of the next free device number, at first."""
        return self.sources.setdefault(device, len(self.sources) + 1 << 3)

    # Registers

    @property
    def status(self) -> int:
        """The global status register."""
        translating = GlobalCommand.TE if self.translating else 0
        return int(translating | (GlobalCommand.SRTP if self._root_set else 0))

    def command(self, value: int) -> None:
        """Write the global command register: every one-shot bit in it acts, and all others are as it says."""
        self._recorder.record(IommuCommand, command=value, status=self.status)
        if value & GlobalCommand.SRTP:
            self.root, self._root_set = self.root_address, True
        self.translating = bool(value & GlobalCommand.TE)
        self._recorder.record(IommuState, translating=self.translating, root=self.root)
        self._let_devices_run()

    # Registers as software writes them: one change at a time, from the status without its one-shot bits

    def load_root(self, root: Gpa) -> None:
        """Use the tables at `root` from now on."""
        self.root_address = root
        self.command(self.status & ~ONE_SHOT | GlobalCommand.SRTP)

    def enable(self) -> None:
        """Begin to translate."""
        self.command(self.status & ~ONE_SHOT | GlobalCommand.TE)

    def disable(self) -> None:
        """Let every access pass."""
        self.command(self.status & ~ONE_SHOT & ~GlobalCommand.TE)

    # Requests

    def refuses(self, source: int, address: int, length: int, *, write: bool) -> FaultReason | None:
        """Judge an access by its pages; the first that refuses it leaves a record."""
        if not self.translating:
            return None
        for page in range(address // PAGE_SIZE * PAGE_SIZE, address + length, PAGE_SIZE):
            reason = self._walk(source, page, IommuAccess.WRITE if write else IommuAccess.READ)
            if reason is not None:
                self.faults.append(FaultRecord(source, page, write, reason))
                return reason
        return None

    def _walk(self, source: int, page: int, wanted: IommuAccess) -> FaultReason | None:
        bus, function = divmod(source, 256)
        root = self._entry(self.root + bus * WIDE_ENTRY)
        if root is None or not root & PRESENT:
            return FaultReason.NO_ROOT_ENTRY
        context = self._entry((root & ADDRESS_MASK) + function * WIDE_ENTRY)
        if context is None:
            return FaultReason.BAD_TABLE_POINTER
        if not context & PRESENT:
            return FaultReason.NO_CONTEXT_ENTRY
        if page >> _WIDTH:
            return FaultReason.BEYOND_WIDTH
        table = context & ADDRESS_MASK
        for level in range(LEVELS, 0, -1):
            entry = self._entry(table + level_index(page, level) * ENTRY)
            if entry is None:
                return FaultReason.BAD_TABLE_POINTER
            if not entry & wanted:
                return FaultReason.NO_WRITE_ACCESS if wanted is IommuAccess.WRITE else FaultReason.NO_READ_ACCESS
            table = entry & ADDRESS_MASK
        return None

    def _entry(self, at: int) -> int | None:
        """Read the (low half of the) entry there; None if there is no memory."""
        if not self._ram.holds(at, ENTRY):
            return None
        return int.from_bytes(self._ram.read_host(Gpa(at), ENTRY), "little")
