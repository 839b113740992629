"""
What a binary changed in the page tables: the C-bits of leaf entries, before and after.

Tables are ordinary RAM that the binary edits as it likes. When it first asks to write to one, its content is kept;
at a flush of the TLB, and when the processor stops, kept and present content are compared. So a change is known before
any access can meet it, and nothing is asked of each single store.

Left out: entries of the PML4, which no C-bit of data depends on.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sevconf.model.mmu import Mmu
from sevconf.model.page_table import PML4, PT
from sevconf.vocabulary import PAGE_SIZE, CBit, Gpa, Gva

_PRESENT, _LARGE = np.uint64(1), np.uint64(1 << 7)
_ADDRESS = 0x000F_FFFF_FFFF_F000
_ENTRIES = 512

#: States of a page: what its leaf entry says.
_ABSENT, _CLEAR, _SET = range(3)

Entries = NDArray[np.uint64]
States = NDArray[np.uint8]


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
        found: list[Change] = []
        for table, kept, now in edited:
            for index in np.flatnonzero(kept != now) if table.level < PML4 else ():
                size = PAGE_SIZE << 9 * (table.level - PT)
                was = self._cbits(table.level, int(kept[index]), before)
                becomes = self._cbits(table.level, int(now[index]), {})
                found += _runs(table.base + int(index) * size, was, becomes)
        if any(table.level != PT for table, _, _ in edited):
            self._survey()
        return tuple(_joined(sorted(found, key=lambda change: change.gva)))

    def _cbits(self, level: int, entry: int, kept: dict[int, Entries]) -> States:
        """Return the state of each page that an entry covers, from tables as they were kept, or as they are."""
        pages = 1 << 9 * (level - PT)
        if not entry & 1:
            return np.full(pages, _ABSENT, np.uint8)
        mask = 1 << self._mmu.tables.cbit_position
        if level == PT or entry & int(_LARGE):
            return np.full(pages, _SET if entry & mask else _CLEAR, np.uint8)
        table = entry & _ADDRESS & ~mask
        if not self._mmu.ram.holds(table, PAGE_SIZE):
            return np.full(pages, _ABSENT, np.uint8)
        entries = kept[table] if table in kept else self._entries(table)
        # Of a table of leaves all states are told at once; only entries that lead on are followed.
        states = np.where(entries & np.uint64(mask), _SET, _CLEAR).astype(np.uint8)
        states[entries & _PRESENT == 0] = _ABSENT
        states = np.repeat(states, pages // _ENTRIES)
        if level - 1 > PT:
            for index in np.flatnonzero((entries & _PRESENT) & ~(entries >> np.uint64(7))):
                part = slice(int(index) * pages // _ENTRIES, (int(index) + 1) * pages // _ENTRIES)
                states[part] = self._cbits(level - 1, int(entries[index]), kept)
        return states

    def _survey(self) -> None:
        self._tables, self._upper = {}, {}
        self._visit(self._mmu.tables.root, PML4, 0)

    def _visit(self, table: Gpa, level: int, base: int) -> None:
        if table in self._tables or not self._mmu.ram.holds(table, PAGE_SIZE):
            return
        self._tables[table] = _Table(level, base)
        if level == PT:
            return
        self._upper[table] = self._bytes(table)
        entries = self._entries(table)
        mask = _ADDRESS & ~(1 << self._mmu.tables.cbit_position)
        for index in np.flatnonzero(entries & _PRESENT):
            entry = int(entries[index])
            if level == PML4 or not entry & int(_LARGE):
                self._visit(Gpa(entry & mask), level - 1, base + (int(index) << (3 + 9 * level)))

    def _bytes(self, table: int) -> bytes:
        return self._mmu.ram.read_private(Gpa(table), PAGE_SIZE)

    def _entries(self, table: int) -> Entries:
        return np.frombuffer(self._bytes(table), np.uint64)


def _runs(base: int, was: States, becomes: States) -> Iterator[Change]:
    """Yield the pages that have another C-bit than before, neighbours together."""
    flipped = np.flatnonzero((was != becomes) & (becomes != _ABSENT))
    for run in np.split(flipped, np.flatnonzero((np.diff(flipped) != 1) | (np.diff(becomes[flipped]) != 0)) + 1):
        if len(run):
            start = base + int(run[0]) * PAGE_SIZE
            cbit = CBit.SET if becomes[run[0]] == _SET else CBit.CLEAR
            yield Change(Gva(start), Gpa(start), len(run), cbit)


def _joined(changes: list[Change]) -> Iterator[Change]:
    """Put neighbours that became alike together; in firmware an address is its physical one."""
    last: Change | None = None
    for change in changes:
        if last is not None and (last.gva + last.pages * PAGE_SIZE, last.cbit) == (change.gva, change.cbit):
            last = Change(last.gva, last.gpa, last.pages + change.pages, last.cbit)
            continue
        if last is not None:
            yield last
        last = change
    if last is not None:
        yield last
