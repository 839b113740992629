"""
The reference machine's encrypted RAM whose DRAM is QEMU's: its devices read and write the very bytes.

They do so at any time. So nothing is put off: what the guest writes through C=1 lies there as ciphertext at once, block
by block, and what it reads of a page that a device ever wrote to is decrypted anew. RAM above 4 GiB is the machine's
alone, and lies where QEMU's RAM ends: a device of QEMU's does not reach it.
"""

import mmap

import numpy as np

from sevconf.model.encrypted_ram import EncryptedRam
from sevconf.subjects.qemu.process import Memory
from sevconf.vocabulary import PAGE_SIZE, CBit, Gpa

_BLOCK = 16
#: Flag of a page that was written; without others only its raw form counts.
_TOUCHED = 4
#: Flag of a page whose private form is true to DRAM.
_PRIVATE_FRESH = 2
#: Flag of a page whose private form somebody wrote who was lent it.
_RAW_STALE = 1


class SharedRam(EncryptedRam):
    """RAM over `memory`, whose first bytes are QEMU's RAM as well."""

    def __init__(self, memory: Memory, size: int, key: bytes, far: tuple[int, int] | None = None) -> None:
        self._memory = memory
        #: Pages that a device ever wrote to; it may not have come to its end there.
        self._written: set[int] = set()
        super().__init__(size, key, far)

    def _new_raw(self, size: int) -> mmap.mmap:
        return mmap.mmap(self._memory.descriptor, size)

    def device_wrote(self, gpa: int) -> None:
        """Hear that a device writes to the page there: now, or when it gets to it."""
        if self.holds(gpa, 1) and gpa < self.size:
            page = gpa // PAGE_SIZE
            self._written.add(page)
            if self.changed is not None:
                self.changed.add(page)
            if not self._page_flags[page] & _RAW_STALE:
                self._page_flags[page] = _TOUCHED

    def read_private(self, gpa: Gpa, length: int) -> bytes:
        """Decrypt what lies there now."""
        self._distrust(gpa, length)
        return super().read_private(gpa, length)

    def write_private(self, gpa: Gpa, data: bytes) -> None:
        """Write ciphertext of the touched blocks, and leave the others of their pages alone."""
        self._distrust(gpa, len(data))
        super().write_private(gpa, data)
        if not data or gpa >= self.size:
            return
        first, behind = gpa // PAGE_SIZE, -(-(gpa + len(data)) // PAGE_SIZE)
        gpas = np.arange(first, behind, dtype=np.uint64) * np.uint64(PAGE_SIZE)
        text = self.cipher.encrypt(self._private_pages[first:behind], gpas, None).tobytes()
        start, end = gpa // _BLOCK * _BLOCK, -(-(gpa + len(data)) // _BLOCK) * _BLOCK
        base = first * PAGE_SIZE
        self._raw[start:end] = text[start - base : end - base]
        self._page_flags[first:behind] = _TOUCHED | _PRIVATE_FRESH

    def lend(self, gpa: Gpa, cbit: CBit, *, write: bool) -> int:
        """Lend a page as it is now."""
        self._distrust(gpa, 1)
        return super().lend(gpa, cbit, write=write)

    def given_back(self) -> None:
        """Let devices have what was written to pages that were lent."""
        self._freshen_raw_pages(self._pages_with(_RAW_STALE))

    def _distrust(self, gpa: int, length: int) -> None:
        """Let the private form of pages that a device wrote to be made anew, unless it is lent."""
        for page in range(gpa // PAGE_SIZE, -(-(gpa + length) // PAGE_SIZE)):
            if page in self._written:
                self._freshen_raw(page, page + 1)
                self._page_flags[page] &= _TOUCHED
