"""
Guest RAM under SEV: DRAM that holds bytes, reached through the memory cipher (C=1) or as it lies (C=0, host, devices).

A page is kept in up to two forms: *raw*, as it lies in DRAM, and *private*, as an access through C=1 sees it. The
cipher is a bijection on 16-byte blocks, so to edit one form and to forget the other is exactly to read, decrypt,
change, encrypt and write back block by block: of the other form only the touched blocks differ. Forms are converted
when somebody looks, `dump` included, so nobody can tell the difference.

Spec: Linux `Documentation/arch/x86/amd-memory-encryption.rst`.

Left out: caches (an access reaches DRAM before the next one begins, whatever its C-bit); the host moving a page to
another address; SEV-SNP's page states, under which the host could not write private pages.
"""

import mmap
from collections.abc import Callable, Iterator
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from sevconf.model.cipher import MemoryCipher, Pages, Words
from sevconf.vocabulary import PAGE_SIZE, CBit, Gpa

Conversion = Callable[[Pages, Words, Pages | None], Pages]

#: Page flags. None set: never written, DRAM holds zeros and only the raw form is there.
_RAW_STALE = 1
_PRIVATE_FRESH = 2
_TOUCHED = 4
_ALL_BUT_RAW_STALE = _PRIVATE_FRESH | _TOUCHED
_WRITTEN_RAW = _TOUCHED
_WRITTEN_PRIVATE = _TOUCHED | _PRIVATE_FRESH | _RAW_STALE

_PAGE_SHIFT = 12
_OFFSET = PAGE_SIZE - 1
#: Pages converted in one call: gathered, they still fit the second-level cache.
_BATCH = 128
#: Linux's MAP_NORESERVE, which the mmap module names only since Python 3.13: untouched DRAM must cost nothing.
_MAP_NORESERVE = 0x4000


def _zeros(size: int) -> mmap.mmap:
    """Reserve zero bytes that take up memory page by page, when written."""
    return mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _MAP_NORESERVE)


class EncryptedRam:
    """
    The DRAM of one guest with one key, from address 0 to `size`; DRAM never written holds zeros.

    Raises:
        ValueError: the size is not a positive multiple of the page size, or an access reaches beyond it.

    """

    #: The cipher between guest and DRAM; a faulty machine names another.
    cipher_type: ClassVar[type[MemoryCipher]] = MemoryCipher

    def __init__(self, size: int, key: bytes) -> None:
        if size <= 0 or size % PAGE_SIZE:
            raise ValueError(f"the size of RAM is a positive multiple of {PAGE_SIZE:#x}, not {size:#x}")
        self.size = size
        self.cipher = self.cipher_type(key)
        self._raw = _zeros(size)
        self._private = _zeros(size)
        self._flags = bytearray(size // PAGE_SIZE)
        self._raw_pages: Pages = np.frombuffer(self._raw, np.uint8).reshape(-1, PAGE_SIZE)
        self._private_pages: Pages = np.frombuffer(self._private, np.uint8).reshape(-1, PAGE_SIZE)
        self._page_flags: NDArray[np.uint8] = np.frombuffer(self._flags, np.uint8)

    @property
    def touched_pages(self) -> int:
        """Number of pages ever written."""
        return int(np.count_nonzero(self._page_flags & _TOUCHED))

    def read_private(self, gpa: Gpa, length: int) -> bytes:
        """Read as the guest does through C=1: what lies in DRAM, decrypted."""
        if not (
            0 <= gpa < self.size
            and 0 <= length <= PAGE_SIZE - (gpa & _OFFSET)
            and self._flags[gpa >> _PAGE_SHIFT] & _PRIVATE_FRESH
        ):
            self._check(gpa, length)
            self._freshen_private(gpa >> _PAGE_SHIFT, (gpa + length + _OFFSET) >> _PAGE_SHIFT)
        return self._private[gpa : gpa + length]

    def write_private(self, gpa: Gpa, data: bytes) -> None:
        """Write as the guest does through C=1: DRAM gets ciphertext; a block written in part keeps its other bytes."""
        end = gpa + len(data)
        if not (
            0 <= gpa < self.size
            and len(data) <= PAGE_SIZE - (gpa & _OFFSET)
            and self._flags[gpa >> _PAGE_SHIFT] == _WRITTEN_PRIVATE
        ):
            self._check(gpa, len(data))
            for page in self._pages_in_part(gpa, end):
                self._freshen_private(page, page + 1)
            self._mark(gpa, end, _WRITTEN_PRIVATE)
        self._private[gpa:end] = data

    def read_raw(self, gpa: Gpa, length: int) -> bytes:
        """Read DRAM as it lies, as the guest does through C=0."""
        if (
            not (0 <= gpa < self.size and 0 <= length <= PAGE_SIZE - (gpa & _OFFSET))
            or self._flags[gpa >> _PAGE_SHIFT] & _RAW_STALE
        ):
            self._check(gpa, length)
            self._freshen_raw(gpa >> _PAGE_SHIFT, (gpa + length + _OFFSET) >> _PAGE_SHIFT)
        return self._raw[gpa : gpa + length]

    def write_raw(self, gpa: Gpa, data: bytes) -> None:
        """Write DRAM as it shall lie, as the guest does through C=0."""
        end = gpa + len(data)
        if not (
            0 <= gpa < self.size
            and len(data) <= PAGE_SIZE - (gpa & _OFFSET)
            and self._flags[gpa >> _PAGE_SHIFT] == _WRITTEN_RAW
        ):
            self._check(gpa, len(data))
            for page in self._pages_in_part(gpa, end):
                self._freshen_raw(page, page + 1)
            self._mark(gpa, end, _WRITTEN_RAW)
        self._raw[gpa:end] = data

    def read_host(self, gpa: Gpa, length: int) -> bytes:
        """Read as the host and its devices do: DRAM as it lies, whatever any C-bit says."""
        return self.read_raw(gpa, length)

    def write_host(self, gpa: Gpa, data: bytes) -> None:
        """Write as the host and its devices do: these bytes are plain to the host, whatever any C-bit says."""
        self.write_raw(gpa, data)

    @property
    def forms(self) -> tuple[mmap.mmap, mmap.mmap]:
        """All of RAM raw and private, for an emulated processor; `lend` says what of them it may touch."""
        return self._raw, self._private

    def lend(self, gpa: Gpa, cbit: CBit, *, write: bool) -> None:
        """
        Make one form of the page at `gpa` true, for somebody who reads it, or also writes it, behind our back.

        He has it until anybody else touches the page, or he borrows it in its other form.
        """
        self._check(gpa, 1)
        page = gpa >> _PAGE_SHIFT
        flags = self._flags[page]
        if cbit is CBit.SET and not flags & _PRIVATE_FRESH:
            self._freshen_private(page, page + 1)
        elif cbit is CBit.CLEAR and flags & _RAW_STALE:
            self._freshen_raw(page, page + 1)
        if write:
            self._flags[page] = _WRITTEN_PRIVATE if cbit is CBit.SET else _WRITTEN_RAW

    def cbit_changed(self, gpa: Gpa, size: int, cbit: CBit) -> None:
        """Hear that the leaf C-bit of a mapped range became this: RAM does nothing about it, a faulty one might."""

    def dump(self) -> Iterator[tuple[Gpa, memoryview]]:
        """
        Give every longest run of written pages, in address order, as it lies in DRAM.

        All runs are of the moment of the call. They are views, not copies: they hold until RAM is next written.
        """
        self._freshen_raw(0, len(self._flags))
        written = np.flatnonzero(self._page_flags & _TOUCHED)
        if not len(written):
            return iter(())
        view = memoryview(self._raw).toreadonly()
        gaps = np.flatnonzero(np.diff(written) > 1)
        starts = written[np.concatenate(([0], gaps + 1))] * PAGE_SIZE
        ends = written[np.concatenate((gaps, [-1]))] * PAGE_SIZE + PAGE_SIZE
        return iter([(Gpa(start), view[start:end]) for start, end in zip(starts.tolist(), ends.tolist(), strict=True)])

    def _check(self, gpa: Gpa, length: int) -> None:
        if length < 0 or gpa < 0 or gpa + length > self.size:
            raise ValueError(f"an access lies within RAM of {self.size:#x} bytes, not at {gpa:#x} of {length:#x} bytes")

    def _pages_in_part(self, gpa: int, end: int) -> list[int]:
        """Name the pages, two at most, of which a write from `gpa` to `end` leaves some bytes as they are."""
        first, last = gpa >> _PAGE_SHIFT, end >> _PAGE_SHIFT
        pages = [first] if gpa & _OFFSET and end > gpa else []
        if end & _OFFSET and end > gpa and (last != first or not pages):
            pages.append(last)
        return pages

    def _mark(self, gpa: int, end: int, flags: int) -> None:
        """Note which form of the pages from `gpa` to `end` is the one that counts from now on."""
        if end > gpa:
            first, behind = gpa >> _PAGE_SHIFT, (end + _OFFSET) >> _PAGE_SHIFT
            self._page_flags[first:behind] = flags

    def _freshen_private(self, first: int, behind: int) -> None:
        """Make the private form of the pages from `first` to before `behind` true to DRAM."""
        stale = first + np.flatnonzero((self._page_flags[first:behind] & _PRIVATE_FRESH) == 0)
        self._convert(self.cipher.decrypt, self._raw_pages, self._private_pages, stale)
        self._page_flags[stale] |= _PRIVATE_FRESH

    def _freshen_raw(self, first: int, behind: int) -> None:
        """Make DRAM hold what the guest wrote through C=1 to the pages from `first` to before `behind`."""
        stale = first + np.flatnonzero(self._page_flags[first:behind] & _RAW_STALE)
        self._convert(self.cipher.encrypt, self._private_pages, self._raw_pages, stale)
        self._page_flags[stale] &= _ALL_BUT_RAW_STALE

    def _convert(self, cipher: Conversion, source: Pages, target: Pages, pages: NDArray[np.intp]) -> None:
        """Fill pages of `target` from those of `source`, a batch at a time; one without gaps is not even gathered."""
        for at in range(0, len(pages), _BATCH):
            batch = pages[at : at + _BATCH]
            gpas = batch.astype(np.uint64) << np.uint64(_PAGE_SHIFT)
            first, behind = int(batch[0]), int(batch[-1]) + 1
            if behind - first == len(batch):
                cipher(source[first:behind], gpas, target[first:behind])
            else:
                target[batch] = cipher(source[batch], gpas, None)
