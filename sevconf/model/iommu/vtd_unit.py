"""
The VT-d hardware between bus masters and DRAM: it walks tables that software keeps in guest memory.

A request names its source (bus, device, function). While translation is on, the root table leads by bus to a context
table, that by device and function to the second-level tables of the source's domain, and those by address to an entry
of 4 KiB, 2 MiB or 1 GiB with a read and a write permission, and the memory that it stands for. A context entry may also
say that its device passes untranslated. While translation is off, as at reset, every access passes. What is refused
leaves a fault record, unless its context entry says that it shall not.

It is held against QEMU's VT-d, of which it has the abilities: three or four levels, 48 bits, no snoop control.

Spec: Intel Virtualization Technology for Directed I/O, 3.4 (root, context and second-level tables), 7.1 (faults, their
codes and which are qualified), 9.1, 9.3 and 9.8 (entries and their reserved bits); Linux `drivers/iommu/intel/iommu.h`
and `dmar.c`; EDK II `edk2-platforms`, `Silicon/Intel/IntelSiliconPkg/Feature/VTd/IntelVTdDxe/VtdReg.c` (the global
command register).

Left out: the caches of translations, and so their invalidation; five levels, scalable mode, device TLBs, interrupt
requests and their remapping; an access across pages that passes in part (one page that refuses refuses it whole); the
limit on records.
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
#: Levels of tables by what a context entry says.
LEVELS_BY_AGAW = {1: 3, AGAW_48: LEVELS}
#: Bits of an address that each level translates.
LEVEL_BITS = 9
#: Bit 0 of root and context entries.
PRESENT = 1
#: Bit 1 of a context entry: faults of its device are not recorded.
FAULTS_UNTOLD = 2
#: Bits 3:2 of a context entry: its device passes untranslated.
PASS_THROUGH, _TYPE = 2 << 2, 3 << 2
#: Bit 7 of an entry at level 2 or 3: it is a page of 2 MiB or 1 GiB.
LARGE = 1 << 7
#: Bits of an address, on either side.
WIDTH = 48
#: The address in an entry of any kind.
ADDRESS_MASK = (1 << WIDTH) - PAGE_SIZE

_PAGE_SHIFT = 12
_ALL = (1 << 64) - 1
_BEYOND = _ALL ^ ((1 << WIDTH) - 1)
#: Bits that must be clear: in both halves of a root and of a context entry, and in a second-level entry.
_ROOT_RESERVED = _BEYOND | 0xFFE, _ALL
_CONTEXT_RESERVED = _BEYOND | 0xFF0, _ALL ^ 0xFF_FF7F
_TABLE_RESERVED = (1 << 62 | (1 << 52) - (1 << WIDTH)) | 1 << 11


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


@dataclass(frozen=True, slots=True)
class Span:
    """`length` bytes of memory from `start` on, which part of an access is about."""

    start: int
    length: int


@dataclass(frozen=True, slots=True)
class _Domain:
    """What a context entry says of its device: the top table, and how many levels there are (0: untranslated)."""

    top: int
    levels: int


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

    def translate(self, source: int, address: int, length: int, *, write: bool) -> tuple[Span, ...] | FaultReason:
        """Judge an access by its pages: returns the memory that it is about, or why the first one refuses it."""
        if not self.translating:
            return (Span(address, length),)
        wanted = IommuAccess.WRITE if write else IommuAccess.READ
        spans = []
        end = address + length
        while address < end:
            piece = min(end - address, PAGE_SIZE - address % PAGE_SIZE)
            found = self._judge(source, address, wanted)
            if isinstance(found, FaultReason):
                return found
            spans.append(Span(found, piece))
            address += piece
        return tuple(spans)

    def _judge(self, source: int, address: int, wanted: IommuAccess) -> int | FaultReason:
        """Translate one address; a refusal leaves its record."""
        context = self._context(source)
        domain = context if isinstance(context, FaultReason) else self._domain(context)
        found = domain if isinstance(domain, FaultReason) else self._walk(domain, address, wanted)
        told = isinstance(context, FaultReason) or not context[0] & FAULTS_UNTOLD
        if isinstance(found, FaultReason) and told:
            page = address // PAGE_SIZE * PAGE_SIZE
            self.faults.append(FaultRecord(source, page, wanted is IommuAccess.WRITE, found))
        return found

    def _context(self, source: int) -> tuple[int, int] | FaultReason:
        """Read the context entry of a source, whatever it says."""
        bus, function = divmod(source, 256)
        root = self._pair(self.root + bus * WIDE_ENTRY)
        if root is None:
            return FaultReason.BAD_ROOT_POINTER
        if not root[0] & PRESENT:
            return FaultReason.NO_ROOT_ENTRY
        if _any(root, _ROOT_RESERVED):
            return FaultReason.RESERVED_IN_ROOT
        context = self._pair((root[0] & ADDRESS_MASK) + function * WIDE_ENTRY)
        return FaultReason.BAD_CONTEXT_POINTER if context is None else context

    def _domain(self, context: tuple[int, int]) -> _Domain | FaultReason:
        """Make sense of a context entry."""
        low, high = context
        if not low & PRESENT:
            return FaultReason.NO_CONTEXT_ENTRY
        if _any(context, _CONTEXT_RESERVED):
            return FaultReason.RESERVED_IN_CONTEXT
        levels = LEVELS_BY_AGAW.get(high & 7)
        if levels is None or low & _TYPE not in {0, PASS_THROUGH}:
            return FaultReason.BAD_CONTEXT_ENTRY
        return _Domain(low & ADDRESS_MASK, 0 if low & _TYPE else levels)

    def _walk(self, domain: _Domain, address: int, wanted: IommuAccess) -> int | FaultReason:
        if not domain.levels:
            return address
        if address >> _PAGE_SHIFT + LEVEL_BITS * domain.levels:
            return FaultReason.BEYOND_WIDTH
        table = domain.top
        for level in range(domain.levels, 0, -1):
            entry = self._entry(table + level_index(address, level) * ENTRY)
            if entry is None:
                return FaultReason.BAD_CONTEXT_ENTRY if level == domain.levels else FaultReason.BAD_TABLE_POINTER
            if not entry & wanted:
                return FaultReason.NO_WRITE_ACCESS if wanted is IommuAccess.WRITE else FaultReason.NO_READ_ACCESS
            size = 1 << _PAGE_SHIFT + LEVEL_BITS * (level - 1)
            large = level > 1 and entry & LARGE
            reserved = _TABLE_RESERVED | (size - PAGE_SIZE if large else 0) | (LARGE if level == LEVELS else 0)
            if entry & reserved:
                return FaultReason.RESERVED_IN_TABLE
            table = entry & ADDRESS_MASK
            if large:
                return table | address % size
        return table | address % PAGE_SIZE

    def _pair(self, at: int) -> tuple[int, int] | None:
        """Read the two halves of a root or context entry; None if there is no memory."""
        low, high = self._entry(at), self._entry(at + ENTRY)
        return None if low is None or high is None else (low, high)

    def _entry(self, at: int) -> int | None:
        """Read eight bytes of an entry; None if there is no memory."""
        if not self._ram.holds(at, ENTRY):
            return None
        return int.from_bytes(self._ram.read_host(Gpa(at), ENTRY), "little")


def _any(entry: tuple[int, int], reserved: tuple[int, int]) -> bool:
    return bool(entry[0] & reserved[0] or entry[1] & reserved[1])
