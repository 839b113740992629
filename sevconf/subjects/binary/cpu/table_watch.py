"""
What a binary changed in the page tables: the C-bits of leaf entries, before and after.

Tables are ordinary RAM that the binary edits as it likes. When it first asks to write to one, its content is kept;
at a flush of the TLB, and when the processor stops, kept and present content are compared. So a change is known before
any access can meet it, and nothing is asked of each single store.

Left out: entries above the page directory, which no C-bit of data depends on.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sevconf.model.mmu import Mmu
from sevconf.model.page_table import PD, PDPT, PML4, PT
from sevconf.vocabulary import LARGE_PAGE, PAGE_SIZE, CBit, Gpa, Gva

_PRESENT, _LARGE = np.uint64(1), np.uint64(1 << 7)
_ADDRESS = 0x000F_FFFF_FFFF_F000
_ENTRIES = 512

Entries = NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Change:
    """The C-bit of `pages` pages from `gva` became this."""

    gva: Gva
    gpa: Gpa
    pages: int
    cbit: CBit

    @property
    def addresses(self) -> list[Gva]:
        """First byte of each page."""
        return [Gva(self.gva + number * PAGE_SIZE) for number in range(self.pages)]


@dataclass(frozen=True, slots=True)
class _Table:
    """Where a table stands in the tree: its level, and the first address that it translates."""

    level: int
    base: int


class TableWatch:
    """The tables that CR3 names, and what became of them since the processor last stopped."""

    def __init__(self, mmu: Mmu) -> None:
        self._mmu = mmu
        self._tables: dict[int, _Table] = {}
        self._upper: dict[int, bytes] = {}
        self._kept: dict[int, Entries] = {}

    def begin(self) -> None:
        """Look where the tables are, before the processor runs."""
        self._kept.clear()
        if any(self._bytes(table) != content for table, content in self._upper.items()) or not self._upper:
            self._survey()

    def writing(self, page: Gpa) -> None:
        """Hear that the processor is about to write to a page."""
        if page in self._tables and page not in self._kept:
            self._kept[page] = self._entries(page)

    def changes(self) -> tuple[Change, ...]:
        """Return what changed since `begin`, or since this was last asked, in the order of addresses."""
        if not self._kept:
            return ()
        before = dict(self._kept)
        edited = [(self._tables[page], kept, self._entries(page)) for page, kept in before.items()]
        self._kept = {page: now for page, (_, _, now) in zip(before, edited, strict=True)}
        flips: dict[int, CBit] = {}
        for table, kept, now in edited:
            for index in np.flatnonzero(kept != now):
                flips.update(self._flips(table, int(index), int(kept[index]), int(now[index]), before))
        if any(table.level != PT for table, _, _ in edited):
            self._survey()
        return tuple(_runs(flips))

    def _flips(
        self, table: _Table, index: int, old: int, new: int, before: dict[int, Entries]
    ) -> Iterator[tuple[int, CBit]]:
        """Yield the pages of one changed entry whose C-bit is another one now."""
        if table.level not in {PD, PT}:
            return
        size = PAGE_SIZE if table.level == PT else LARGE_PAGE
        base = table.base + index * size
        was, now = self._cbits(table.level, old, before), self._cbits(table.level, new, {})
        for number, (one, other) in enumerate(zip(was, now, strict=True)):
            if one is not other and other is not None:
                yield base + number * PAGE_SIZE, CBit.SET if other else CBit.CLEAR

    def _cbits(self, level: int, entry: int, kept: dict[int, Entries]) -> list[bool | None]:
        """Return the C-bit of each page that an entry covers; None is no page."""
        mask = 1 << self._mmu.tables.cbit_position
        if level == PT:
            return [bool(entry & mask) if entry & 1 else None]
        if not entry & 1:
            return [None] * _ENTRIES
        if entry & int(_LARGE):
            return [bool(entry & mask)] * _ENTRIES
        table = entry & _ADDRESS & ~mask
        entries = kept[table] if table in kept else self._entries(Gpa(table))
        return [bool(leaf & mask) if leaf & 1 else None for leaf in entries.tolist()]

    def _survey(self) -> None:
        self._tables, self._upper = {}, {}
        self._visit(self._mmu.tables.root, PML4, 0)

    def _visit(self, table: Gpa, level: int, base: int) -> None:
        if table in self._tables or table + PAGE_SIZE > self._mmu.ram.size:
            return
        self._tables[table] = _Table(level, base)
        if level == PT:
            return
        self._upper[table] = self._bytes(table)
        entries = self._entries(table)
        mask = _ADDRESS & ~(1 << self._mmu.tables.cbit_position)
        for index in np.flatnonzero(entries & _PRESENT):
            entry = int(entries[index])
            if level in {PML4, PDPT} or not entry & int(_LARGE):
                self._visit(Gpa(entry & mask), level - 1, base + (int(index) << (3 + 9 * level)))

    def _bytes(self, table: int) -> bytes:
        return self._mmu.ram.read_private(Gpa(table), PAGE_SIZE)

    def _entries(self, table: int) -> Entries:
        return np.frombuffer(self._bytes(table), np.uint64)


def _runs(flips: dict[int, CBit]) -> Iterator[Change]:
    """Put neighbours that became alike together; in firmware an address is its physical one."""
    run: Change | None = None
    for page in sorted(flips):
        if run is not None and page == run.gva + run.pages * PAGE_SIZE and flips[page] is run.cbit:
            run = Change(run.gva, run.gpa, run.pages + 1, run.cbit)
            continue
        if run is not None:
            yield run
        run = Change(Gva(page), Gpa(page), 1, flips[page])
    if run is not None:
        yield run
