"""
The guest's own page tables: four levels, in guest RAM, with a C-bit in every entry.

A walk reads its tables through C=1, whatever any C-bit says; only the C-bit of the leaf entry decides about data. A
table that somebody wrote through C=0 is therefore garbage to the walker, and a walk that meets an entry which is not
present, points outside RAM or has a reserved bit set ends in a page fault: None.

Spec: EDK II `OvmfPkg/Library/BaseMemEncryptSevLib/X64/VirtualMemory.h` (format, bits that must be zero); Linux
`Documentation/arch/x86/amd-memory-encryption.rst` (guest page tables are private; CPUID names the C-bit's position).

A page-directory-pointer entry may map 1 GiB, a page-directory entry 2 MiB.

Left out: five levels; protection (of the low and high attribute bits only P is judged); accessed and
dirty bits; memory-mapped I/O, so that every address outside RAM counts as reserved.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from sevconf.model.encrypted_ram import EncryptedRam
from sevconf.vocabulary import HUGE_PAGE, LARGE_PAGE, PAGE_SIZE, CBit, Gpa, Gva

#: Levels of a walk, as the manual numbers them: from the PML4 down to the page table.
PML4, PDPT, PD, PT = 4, 3, 2, 1

_PRESENT = 1 << 0
_WRITABLE = 1 << 1
_USER = 1 << 2
#: PS in an entry of a page directory or above; the same bit of a page-table entry is PAT.
_LARGE = _PAT = 1 << 7
_LARGE_PAT = 1 << 12
#: Bits that must be zero, beside address bits that point outside RAM.
_PML4_RESERVED = 1 << 7 | 1 << 8
_LARGE_RESERVED = 0x1F_E000
_HUGE_RESERVED = 0x3FFF_E000
#: Bits 12 to 51: the address field, the place of the C-bit included.
_ADDRESS = 0x000F_FFFF_FFFF_F000

#: Bytes that a leaf entry maps at each level that may have one, and what must be zero in those of large pages.
_SIZES = {PT: PAGE_SIZE, PD: LARGE_PAGE, PDPT: HUGE_PAGE}
_RESERVED_LARGE = {PD: _LARGE_RESERVED, PDPT: _HUGE_RESERVED}

_ENTRIES = 512
_ENTRY_SIZE = 8
_LEAF = _PRESENT | _WRITABLE
#: What an entry that points to a table says beside the address. Its C-bit does not matter, and stays clear.
_TABLE = _PRESENT | _WRITABLE | _USER


@dataclass(frozen=True, slots=True)
class Translation:
    """What a walk found: the page's first byte, its size and C-bit, and where its leaf entry lies."""

    frame: Gpa
    size: int
    cbit: CBit
    entry: Gpa

    def gpa(self, gva: Gva) -> Gpa:
        """Give the guest-physical address of a byte of this page."""
        return Gpa(self.frame + (gva & (self.size - 1)))


class PageTables:
    """
    One tree of page tables in RAM; `allocate_table` gives the page for each new table.

    Whoever changes a tree flushes the TLB afterwards. The RAM hears by `cbit_changed` of each leaf
    C-bit that `set_cbit` changes; a page mapped anew has changed nothing.

    Raises:
        ValueError: an address, size, level or C-bit position that does not fit, or a page that is not mapped.

    """

    def __init__(self, ram: EncryptedRam, allocate_table: Callable[[], Gpa], cbit_position: int = 47) -> None:
        if cbit_position not in {47, 51}:
            raise ValueError(f"the C-bit is bit 47 or 51 of an entry, not {cbit_position}")
        self.ram = ram
        self.cbit_position = cbit_position
        self._cbit_mask = 1 << cbit_position
        self._allocate_table = allocate_table
        #: CR3: where the PML4 lies.
        self.root = self._new_table()

    def walk(self, gva: Gva) -> Translation | None:
        """Translate as the processor does; None is a page fault."""
        if not _is_canonical(gva):
            return None
        path = self._path(gva)
        level = PML4 + 1 - len(path)
        where, entry = path[-1]
        frame = self._points_to(entry, level)
        if frame is None:
            return None
        size = _SIZES[level]
        return Translation(frame, size, self._leaf_cbit(tuple(entry for _, entry in path)), where)

    def read_entry(self, where: Gpa) -> int:
        """Read one entry as the walker does: through C=1, always."""
        return int.from_bytes(self.ram.read_private(where, _ENTRY_SIZE), "little")

    def write_entry(self, where: Gpa, entry: int) -> None:
        """Write one entry as the owner of the tables does: through C=1."""
        self.ram.write_private(where, entry.to_bytes(_ENTRY_SIZE, "little"))

    def map_identity(self, size: int, cbit: CBit, first: int = 0) -> None:
        """Map Gva `first` and the `size` bytes from there onto the same Gpa, in the largest pages that fit."""
        self._check_page(first, first, size, LARGE_PAGE)
        start, end = first, first + size
        while start < end:
            if start % HUGE_PAGE == 0 and end - start >= HUGE_PAGE:
                self.map_huge(Gva(start), Gpa(start), cbit)
                start += HUGE_PAGE
                continue
            behind = min(end, start // HUGE_PAGE * HUGE_PAGE + HUGE_PAGE)
            entries = _entries((behind - start) // LARGE_PAGE, LARGE_PAGE, start | _LEAF | _LARGE | self._bit(cbit))
            self.ram.write_private(self._entry_for(Gva(start), PD), entries)
            start = behind

    def map_page(self, gva: Gva, gpa: Gpa, cbit: CBit) -> None:
        """Map one 4 KiB page, over what was mapped there; a 2 MiB page around it is split."""
        self._check_page(gva, gpa, PAGE_SIZE, PAGE_SIZE)
        self.write_entry(self._entry_for(gva, PT), gpa | _LEAF | self._bit(cbit))

    def map_large(self, gva: Gva, gpa: Gpa, cbit: CBit) -> None:
        """Map one 2 MiB page, over what was mapped there."""
        self._check_page(gva, gpa, LARGE_PAGE, LARGE_PAGE)
        self.write_entry(self._entry_for(gva, PD), gpa | _LEAF | _LARGE | self._bit(cbit))

    def map_huge(self, gva: Gva, gpa: Gpa, cbit: CBit) -> None:
        """Map one 1 GiB page, over what was mapped there."""
        self._check_page(gva, gpa, HUGE_PAGE, HUGE_PAGE)
        self.write_entry(self._entry_for(gva, PDPT), gpa | _LEAF | _LARGE | self._bit(cbit))

    def set_cbit(self, gva: Gva, pages: int, cbit: CBit) -> None:
        """
        Set or clear C in the leaf entries of that many 4 KiB pages, and in no others; no byte of theirs is rewritten.

        A large page that the range covers whole stays whole; one that it covers in part is split, unless its C-bit is
        the wanted one already.
        """
        for start, leaf, count in list(self._leaves(gva, pages)):
            entry = self.read_entry(leaf.entry)
            if self._cbit_of(entry) is cbit:
                continue
            if count * PAGE_SIZE == leaf.size:
                self.write_entry(leaf.entry, self._with_cbit(entry, cbit))
                self.ram.cbit_changed(leaf.gpa(start), leaf.size, cbit)
            else:
                self._split(leaf)
                self.set_cbit(start, count, cbit)

    def set_table_cbit(self, gva: Gva, level: int, cbit: CBit) -> None:
        """Set or clear C in the entry of that level (`PML4`, `PDPT`, `PD`) that leads to the next table for `gva`."""
        path = self._path(gva)
        depth = PML4 - level
        if not 0 <= depth < len(path) - 1:
            raise ValueError(f"the entry is one of level 2 to 4 that leads to a table for {gva:#x}, not one of {level}")
        where, entry = path[depth]
        self.write_entry(where, self._with_cbit(entry, cbit))

    def pages_with(self, gva: Gva, pages: int, cbit: CBit) -> Iterator[Gpa]:
        """Name the 4 KiB pages of a range whose leaf entry has that C-bit."""
        for start, leaf, count in self._leaves(gva, pages):
            if leaf.cbit is cbit:
                yield from (Gpa(leaf.gpa(start) + index * PAGE_SIZE) for index in range(count))

    def leaf_cbits(self, gva: Gva, pages: int) -> list[CBit]:
        """Read C in the leaf entries of that many 4 KiB pages."""
        cbits = []
        for _, leaf, count in self._leaves(gva, pages):
            cbits += [self._cbit_of(self.read_entry(leaf.entry))] * count
        return cbits

    def _leaf_cbit(self, path: tuple[int, ...]) -> CBit:
        """Tell which C-bit a data access has from the entries of its walk, PML4 first: the last one's alone."""
        return self._cbit_of(path[-1])

    def _split(self, leaf: Translation) -> Gpa:
        """Put a table of 512 smaller pages in a large one's place; each keeps its C-bit and all other attributes."""
        entry = self.read_entry(leaf.entry)
        kept = entry & ~(_ADDRESS | _LARGE) | entry & self._cbit_mask
        if leaf.size == HUGE_PAGE:
            kept |= _LARGE | entry & _LARGE_PAT
        elif entry & _LARGE_PAT:
            kept |= _PAT
        table = self._new_table()
        self.ram.write_private(table, _entries(_ENTRIES, leaf.size // _ENTRIES, leaf.frame | kept))
        self.write_entry(leaf.entry, table | _TABLE)
        return table

    def _path(self, gva: Gva) -> list[tuple[Gpa, int]]:
        """Follow a walk: where each entry lies and what it says, down to a leaf or to the one that faults."""
        path = []
        table: Gpa | None = self.root
        for level in (PML4, PDPT, PD, PT):
            if table is None:
                break
            where = Gpa(table + _index(gva, level) * _ENTRY_SIZE)
            entry = self.read_entry(where)
            path.append((where, entry))
            if level in _RESERVED_LARGE and entry & _LARGE:
                break
            table = self._points_to(entry, level)
        return path

    def _points_to(self, entry: int, level: int) -> Gpa | None:
        """Give the page or table that an entry points to; None if the processor faults on it."""
        reserved, size = 0, PAGE_SIZE
        address = entry & _ADDRESS & ~self._cbit_mask
        if level == PML4:
            reserved = _PML4_RESERVED
        elif level in _RESERVED_LARGE and entry & _LARGE:
            reserved, size = _RESERVED_LARGE[level], _SIZES[level]
            address &= ~_LARGE_PAT
        if not entry & _PRESENT or entry & reserved or not self.ram.holds(address, size):
            return None
        return Gpa(address)

    def _leaves(self, gva: Gva, pages: int) -> Iterator[tuple[Gva, Translation, int]]:
        """Name the leaves of a range in order: where the range meets each, and how many 4 KiB pages of it."""
        _check_aligned("gva", gva, PAGE_SIZE)
        behind = gva + pages * PAGE_SIZE
        while gva < behind:
            leaf = self.walk(gva)
            if leaf is None:
                raise ValueError(f"the page at {gva:#x} is to be mapped, not absent")
            length = min(behind, (gva & -leaf.size) + leaf.size) - gva
            yield gva, leaf, length // PAGE_SIZE
            gva = Gva(gva + length)

    def _entry_for(self, gva: Gva, level: int) -> Gpa:
        """Tell where the entry of that level for `gva` lies, after making the tables on the way to it."""
        while len(path := self._path(gva)) <= PML4 - level:
            where, entry = path[-1]
            if not entry & _PRESENT:
                self.write_entry(where, self._new_table() | _TABLE)
            elif (leaf := self.walk(gva)) is not None:
                self._split(leaf)
            else:
                raise ValueError(f"the entry at {where:#x} is to be absent or sound, not {entry:#x}")
        return path[PML4 - level][0]

    def _new_table(self) -> Gpa:
        table = self._allocate_table()
        _check_aligned("table", table, PAGE_SIZE)
        self.ram.write_private(table, bytes(PAGE_SIZE))
        return table

    def _bit(self, cbit: CBit) -> int:
        return self._cbit_mask if cbit is CBit.SET else 0

    def _cbit_of(self, entry: int) -> CBit:
        return CBit.SET if entry & self._cbit_mask else CBit.CLEAR

    def _with_cbit(self, entry: int, cbit: CBit) -> int:
        return entry & ~self._cbit_mask | self._bit(cbit)

    def _check_page(self, gva: int, gpa: int, size: int, page_size: int) -> None:
        for name, value in (("gva", gva), ("gpa", gpa), ("size", size)):
            _check_aligned(name, value, page_size)
        if not _is_canonical(Gva(gva)):
            raise ValueError(f"a gva has bits 63 to 47 alike, not {gva:#x}")
        if not self.ram.holds(gpa, size):
            raise ValueError(f"a page lies within RAM of {self.ram.size:#x} bytes, not at {gpa:#x} of {size:#x} bytes")


def _index(gva: int, level: int) -> int:
    """Give the number of the entry for `gva` in its table of that level."""
    return gva >> (3 + 9 * level) & (_ENTRIES - 1)


def _entries(count: int, page_size: int, first: int) -> bytes:
    """Build the entries of neighbouring pages: `first`, and then alike at the next addresses."""
    return (np.arange(count, dtype=np.uint64) * np.uint64(page_size) + np.uint64(first)).tobytes()


def _is_canonical(gva: Gva) -> bool:
    """Tell whether bits 63 to 47 are alike; a processor refuses other addresses."""
    return gva >> 47 in {0, 0x1_FFFF}


def _check_aligned(name: str, value: int, page_size: int) -> None:
    if value < 0 or value % page_size:
        raise ValueError(f"the {name} is a multiple of {page_size:#x}, not {value:#x}")
