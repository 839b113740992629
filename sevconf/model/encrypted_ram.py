"""
Guest RAM under SEV: DRAM that holds bytes, reached through the memory cipher (C=1) or as it lies (C=0, host, devices).

A page is kept in up to two forms: *raw*, as it lies in DRAM, and *private*, as an access through C=1 sees it. The
cipher is a bijection on 16-byte blocks, so to edit one form and to forget the other is exactly to read, decrypt,
change, encrypt and write back block by block: of the other form only the touched blocks differ. Forms are converted
when somebody looks, `dump` included, so nobody can tell the difference.

RAM is one range from address 0, and another far above it if wanted. Both lie side by side in the same two maps; only
addresses are told apart, and the cipher goes by addresses.

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
    The DRAM of one guest with one key, from address 0 to `size`, and from `far[0]` to `far[1]`.

    DRAM never written holds zeros.

    Raises:
        ValueError: a range is no positive multiple of the page size, or an access reaches beyond one.

    """

    #: The cipher between guest and DRAM; a faulty machine names another.
    cipher_type: ClassVar[type[MemoryCipher]] = MemoryCipher

    def __init__(self, size: int, key: bytes, far: tuple[int, int] | None = None) -> None:
        self.size = size
        self.far = (size, size) if far is None else far
        #: From an address of far memory to its place in the maps.
        self._gap = self.far[0] - size
        far_size = self.far[1] - self.far[0]
        if size <= 0 or size % PAGE_SIZE or far_size % PAGE_SIZE or self._gap < 0 or self._gap % PAGE_SIZE:
            raise ValueError(f"the size of RAM is a positive multiple of {PAGE_SIZE:#x}, not {size:#x}")
        size += far_size
        self.cipher = self.cipher_type(key)
        self._raw = self._new_raw(size)
        self._private = _zeros(size)
        self._flags = bytearray(-(-size // (8 * PAGE_SIZE)) * 8)
        self._raw_pages: Pages = np.frombuffer(self._raw, np.uint8).reshape(-1, PAGE_SIZE)
        self._private_pages: Pages = np.frombuffer(self._private, np.uint8).reshape(-1, PAGE_SIZE)
        self._page_flags: NDArray[np.uint8] = np.frombuffer(self._flags, np.uint8)
        #: The same flags, of eight pages at a time.
        self._eights: NDArray[np.uint64] = np.frombuffer(self._flags, np.uint64)
        #: Numbers of the pages written since somebody emptied it, for whoever looks at DRAM step by step; None: nobody.
        self.changed: set[int] | None = None

    def _new_raw(self, size: int) -> mmap.mmap:
        """Return the bytes that are DRAM, all zero."""
        return _zeros(size)

    @property
    def touched_pages(self) -> int:
        """Number of pages ever written."""
        return len(self._pages_with(_TOUCHED))

    def holds(self, gpa: int, length: int) -> bool:
        """Tell whether all of these bytes are RAM."""
        return 0 <= gpa <= gpa + length <= self.size or self.far[0] <= gpa <= gpa + length <= self.far[1]

    def read_private(self, gpa: Gpa, length: int) -> bytes:
        """Read as the guest does through C=1: what lies in DRAM, decrypted."""
        at = gpa if gpa < self.size else gpa - self._gap
        if not (
            0 <= gpa < self.size
            and 0 <= length <= PAGE_SIZE - (gpa & _OFFSET)
            and self._flags[gpa >> _PAGE_SHIFT] & _PRIVATE_FRESH
        ):
            self._check(gpa, length)
            self._freshen_private(at >> _PAGE_SHIFT, (at + length + _OFFSET) >> _PAGE_SHIFT)
        return self._private[at : at + length]

    def write_private(self, gpa: Gpa, data: bytes) -> None:
        """Write as the guest does through C=1: DRAM gets ciphertext; a block written in part keeps its other bytes."""
        at = gpa if gpa < self.size else gpa - self._gap
        end = at + len(data)
        if not (
            0 <= gpa < self.size
            and len(data) <= PAGE_SIZE - (gpa & _OFFSET)
            and self._flags[gpa >> _PAGE_SHIFT] == _WRITTEN_PRIVATE
        ):
            self._check(gpa, len(data))
            for page in self._pages_in_part(at, end):
                self._freshen_private(page, page + 1)
            self._mark(at, end, _WRITTEN_PRIVATE)
        self._private[at:end] = data
        if self.changed is not None:
            self.changed.update(range(gpa >> _PAGE_SHIFT, (gpa + len(data) + _OFFSET) >> _PAGE_SHIFT))

    def read_raw(self, gpa: Gpa, length: int) -> bytes:
        """Read DRAM as it lies, as the guest does through C=0."""
        at = gpa if gpa < self.size else gpa - self._gap
        if (
            not (0 <= gpa < self.size and 0 <= length <= PAGE_SIZE - (gpa & _OFFSET))
            or self._flags[gpa >> _PAGE_SHIFT] & _RAW_STALE
        ):
            self._check(gpa, length)
            self._freshen_raw(at >> _PAGE_SHIFT, (at + length + _OFFSET) >> _PAGE_SHIFT)
        return self._raw[at : at + length]

    def write_raw(self, gpa: Gpa, data: bytes) -> None:
        """Write DRAM as it shall lie, as the guest does through C=0."""
        at = gpa if gpa < self.size else gpa - self._gap
        end = at + len(data)
        if not (
            0 <= gpa < self.size
            and len(data) <= PAGE_SIZE - (gpa & _OFFSET)
            and self._flags[gpa >> _PAGE_SHIFT] == _WRITTEN_RAW
        ):
            self._check(gpa, len(data))
            for page in self._pages_in_part(at, end):
                self._freshen_raw(page, page + 1)
            self._mark(at, end, _WRITTEN_RAW)
        self._raw[at:end] = data
        if self.changed is not None:
            self.changed.update(range(gpa >> _PAGE_SHIFT, (gpa + len(data) + _OFFSET) >> _PAGE_SHIFT))

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

    def lend(self, gpa: Gpa, cbit: CBit, *, write: bool) -> int:
        """
        Make one form of the page at `gpa` true, for somebody who reads it, or also writes it, behind our back.

        He has it until anybody else touches the page, or he borrows it in its other form. Returns where the page
        begins in `forms`.
        """
        self._check(gpa, PAGE_SIZE)
        page = (gpa if gpa < self.size else gpa - self._gap) >> _PAGE_SHIFT
        flags = self._flags[page]
        if cbit is CBit.SET and not flags & _PRIVATE_FRESH:
            self._freshen_private(page, page + 1)
        elif cbit is CBit.CLEAR and flags & _RAW_STALE:
            self._freshen_raw(page, page + 1)
        if write:
            self._flags[page] = _WRITTEN_PRIVATE if cbit is CBit.SET else _WRITTEN_RAW
            if self.changed is not None:
                self.changed.add(gpa >> _PAGE_SHIFT)
        return page << _PAGE_SHIFT

    def given_back(self) -> None:
        """Hear that nobody has pages that were lent any more: DRAM is converted when somebody looks."""

    def cbit_changed(self, gpa: Gpa, size: int, cbit: CBit) -> None:
        """Hear that the leaf C-bit of a mapped range became this: RAM does nothing about it, a faulty one might."""

    def dump(self) -> Iterator[tuple[Gpa, memoryview]]:
        """
        Give every longest run of written pages, in address order, as it lies in DRAM.

        All runs are of the moment of the call. They are views, not copies: they hold until RAM is next written.
        """
        self._freshen_raw_pages(self._pages_with(_RAW_STALE))
        written = self._pages_with(_TOUCHED)
        if not len(written):
            return iter(())
        view = memoryview(self._raw).toreadonly()
        gaps = np.flatnonzero((np.diff(written) > 1) | (written[1:] == self.size // PAGE_SIZE))
        starts = written[np.concatenate(([0], gaps + 1))] * PAGE_SIZE
        ends = written[np.concatenate((gaps, [-1]))] * PAGE_SIZE + PAGE_SIZE
        runs = zip(starts.tolist(), ends.tolist(), strict=True)
        return iter([(Gpa(start if start < self.size else start + self._gap), view[start:end]) for start, end in runs])

    def _pages_with(self, flag: int) -> NDArray[np.intp]:
        """Name the pages with a flag, in order; most of RAM was never written, and is passed over eight at a time."""
        eights = np.flatnonzero(self._eights)
        pages: NDArray[np.intp] = (eights[:, None] * 8 + np.arange(8)).ravel()
        found: NDArray[np.intp] = pages[(self._page_flags[pages] & flag) != 0]
        return found

    def _check(self, gpa: Gpa, length: int) -> None:
        if length < 0 or not self.holds(gpa, length):
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
        self._freshen_raw_pages(first + np.flatnonzero(self._page_flags[first:behind] & _RAW_STALE))

    def _freshen_raw_pages(self, stale: NDArray[np.intp]) -> None:
        self._convert(self.cipher.encrypt, self._private_pages, self._raw_pages, stale)
        self._page_flags[stale] &= _ALL_BUT_RAW_STALE

    def _convert(self, cipher: Conversion, source: Pages, target: Pages, pages: NDArray[np.intp]) -> None:
        """Fill pages of `target` from those of `source`, a batch at a time; one without gaps is not even gathered."""
        for at in range(0, len(pages), _BATCH):
            batch = pages[at : at + _BATCH]
            gpas = batch.astype(np.uint64) << np.uint64(_PAGE_SHIFT)
            gpas[batch >= self.size >> _PAGE_SHIFT] += np.uint64(self._gap)
            first, behind = int(batch[0]), int(batch[-1]) + 1
            if behind - first == len(batch):
                cipher(source[first:behind], gpas, target[first:behind])
            else:
                target[batch] = cipher(source[batch], gpas, None)
