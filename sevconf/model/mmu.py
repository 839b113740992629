"""
The processor's way to memory: data accesses, instruction fetches, the TLB and CR3.

A data access through a page with C=1 goes through the cipher, one with C=0 meets DRAM as it lies; a fetch always goes
through the cipher. The TLB keeps every translation that an access used, by 4 KiB page, and goes on using it until it
is flushed, whatever the page tables say by then. A page fault is a value, None or False, and leaves memory unchanged.

Spec: Linux `Documentation/arch/x86/amd-memory-encryption.rst` (instruction pages and guest page tables are private);
EDK II `OvmfPkg/Library/BaseMemEncryptSevLib/X64/PeiDxeVirtualMemory.c`, SetMemoryEncDec (the TLB is flushed by hand).

Left out: modes other than long mode; protection and privilege; a TLB that evicts, PCIDs and INVLPG; speculation.
"""

from collections.abc import Callable

from sevconf.model.encrypted_ram import EncryptedRam
from sevconf.model.page_table import PageTables, Translation
from sevconf.vocabulary import PAGE_SIZE, CBit, Gpa, Gva

_PAGE_SHIFT = 12
_OFFSET = PAGE_SIZE - 1


class Mmu:
    """One processor's view of RAM through the page tables that CR3 names."""

    def __init__(self, ram: EncryptedRam, tables: PageTables) -> None:
        self.ram = ram
        self.tables = tables
        self._tlb: dict[int, Translation] = {}

    def read(self, gva: Gva, length: int) -> bytes | None:
        """Read data; None is a page fault."""
        return self._gather(gva, length, self._load)

    def fetch(self, gva: Gva, length: int) -> bytes | None:
        """Fetch instruction bytes, through the cipher whatever the C-bit; None is a page fault."""
        return self._gather(gva, length, self._load_code)

    def write(self, gva: Gva, data: bytes) -> bool:
        """Write data; False is a page fault, and then no byte was written."""
        if 0 < len(data) <= PAGE_SIZE - (gva & _OFFSET):
            page = self.translate(gva)
            if page is None:
                return False
            self._store(page, page.gpa(gva), data)
            return True
        spans = self._spans(gva, len(data))
        if spans is None:
            return False
        at = 0
        for page, gpa, length in spans:
            self._store(page, gpa, data[at : at + length])
            at += length
        return True

    def translate(self, gva: Gva) -> Translation | None:
        """Translate as an access would now: from the TLB, however stale, or else by a walk that the TLB then keeps."""
        page = self._tlb.get(gva >> _PAGE_SHIFT)
        if page is None:
            page = self.tables.walk(gva)
            if page is not None:
                self._tlb[gva >> _PAGE_SHIFT] = page
        return page

    def flush_tlb(self) -> None:
        """Forget every translation."""
        self._tlb.clear()

    def load_cr3(self, tables: PageTables) -> None:
        """Switch to other page tables, which flushes the TLB."""
        self.tables = tables
        self.flush_tlb()

    def _load(self, page: Translation, gpa: Gpa, length: int) -> bytes:
        """Read data of one page."""
        if page.cbit is CBit.SET:
            return self.ram.read_private(gpa, length)
        return self.ram.read_raw(gpa, length)

    def _load_code(self, _page: Translation, gpa: Gpa, length: int) -> bytes:
        """Fetch from one page."""
        return self.ram.read_private(gpa, length)

    def _store(self, page: Translation, gpa: Gpa, data: bytes) -> None:
        """Write data of one page."""
        if page.cbit is CBit.SET:
            self.ram.write_private(gpa, data)
        else:
            self.ram.write_raw(gpa, data)

    def _gather(self, gva: Gva, length: int, load: Callable[[Translation, Gpa, int], bytes]) -> bytes | None:
        if 0 < length <= PAGE_SIZE - (gva & _OFFSET):
            page = self.translate(gva)
            return None if page is None else load(page, page.gpa(gva), length)
        spans = self._spans(gva, length)
        return None if spans is None else b"".join(load(*span) for span in spans)

    def _spans(self, gva: Gva, length: int) -> list[tuple[Translation, Gpa, int]] | None:
        """Cut an access at page boundaries; None if any of its pages faults."""
        if length < 0:
            raise ValueError(f"an access has a length of 0 or more bytes, not {length}")
        spans = []
        behind = gva + length
        while gva < behind:
            page = self.translate(gva)
            if page is None:
                return None
            count = min(behind - gva, PAGE_SIZE - (gva & _OFFSET))
            spans.append((page, page.gpa(gva), count))
            gva = Gva(gva + count)
        return spans
