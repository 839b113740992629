"""
The guest's CPU as drivers and firmware use it: loads and stores, recorded with the C-bit that was in effect.

Spec: Linux `Documentation/arch/x86/amd-memory-encryption.rst`; for `set_cbit` EDK II
`OvmfPkg/Library/BaseMemEncryptSevLib`, which changes entries and then flushes the TLB.
"""

from sevconf.errors import BrokenContract
from sevconf.model.mmu import Mmu
from sevconf.model.recorder import Recorder
from sevconf.trace import CBitChanged, GuestAccess
from sevconf.vocabulary import CBit, Gpa, Gva


class Guest:
    """Guest memory through the MMU."""

    def __init__(self, recorder: Recorder, mmu: Mmu) -> None:
        self._recorder = recorder
        self.mmu = mmu

    def load(self, gva: Gva, length: int) -> bytes | None:
        """Load `length` bytes; None is a page fault."""
        self._record(gva, length, write=False)
        return self.mmu.read(gva, length)

    def store(self, gva: Gva, data: bytes) -> bool:
        """Store bytes; False is a page fault."""
        self._record(gva, len(data), write=True)
        return self.mmu.write(gva, data)

    def read(self, gva: Gva, length: int) -> bytes:
        """Load as a driver does: a page fault is its failure."""
        data = self.load(gva, length)
        if data is None:
            raise BrokenContract(self._recorder.actor, f"read {length} bytes at Gva {gva:#x}", "takes a page fault")
        return data

    def write(self, gva: Gva, data: bytes) -> None:
        """Store as a driver does."""
        if not self.store(gva, data):
            raise BrokenContract(self._recorder.actor, f"write {len(data)} bytes at Gva {gva:#x}", "takes a page fault")

    def set_cbit(self, gva: Gva, pages: int, cbit: CBit, *, flush: bool = True) -> None:
        """Change the C-bit of the entries that cover these pages, then flush the TLB, or not."""
        self.mmu.tables.set_cbit(gva, pages, cbit)
        translation = self.mmu.tables.walk(gva)
        gpa = Gpa(gva) if translation is None else translation.gpa(gva)
        self._recorder.record(CBitChanged, gva=gva, gpa=gpa, pages=pages, cbit=cbit)
        if flush:
            self.mmu.flush_tlb()

    def _record(self, gva: Gva, length: int, *, write: bool) -> None:
        translation = self.mmu.translate(gva)
        if translation is not None:
            self._recorder.record(
                GuestAccess, gva=gva, gpa=translation.gpa(gva), length=length, write=write, cbit=translation.cbit
            )
