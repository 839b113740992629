"""
The memory map: page ranges, their types, and the MapKey.

Every change of a page range moves the MapKey, and nothing else does. Free ranges that touch are one range. Where an
allocation goes if the caller leaves it open is a policy: by default from the top of main memory down, as EDK II does,
whose bins for each type lie there; far memory is taken when nothing else is left.

Spec: UEFI 2.10, 7.2.1 AllocatePages, 7.2.2 FreePages, 7.2.3 GetMemoryMap.
Left out: memory attributes, memory-mapped I/O ranges.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

from sevconf.model.recorder import Recorder
from sevconf.trace import MapChanged
from sevconf.vocabulary import FOUR_GIB, PAGE_SIZE, AllocateType, EfiStatus, Gpa, MemoryDescriptor, MemoryType

#: Bytes of an EFI_MEMORY_DESCRIPTOR in GetMemoryMap's buffer: 40, and 8 spare, as EDK II does.
DESCRIPTOR_SIZE = 48
#: The first MapKey; any number that isn't mistaken for a count.
FIRST_KEY = 0x100

#: Where far memory begins: behind all that lies below it as main memory.
FAR = FOUR_GIB // 2

#: Chooses the first page for `pages` pages inside one of the free ranges (start, end), lowest first; all fit.
Placement: TypeAlias = Callable[[Sequence[tuple[int, int]], int], int]


def top_down(ranges: Sequence[tuple[int, int]], pages: int) -> int:
    """Place at the end of the highest range of main memory, or of far memory if no other will do."""
    main = [range_ for range_ in ranges if range_[0] < FAR]
    return (main or ranges)[-1][1] - pages * PAGE_SIZE


def bottom_up(ranges: Sequence[tuple[int, int]], pages: int) -> int:
    """Place at the start of the lowest range."""
    del pages
    return ranges[0][0]


class MemoryMap:
    """
    The page allocator over main memory, `size` bytes from 0, and far memory, from `far[0]` to before `far[1]`.

    `reserved` bytes from 0 belong to the firmware.

    Methods return what the services do; ranges are in bytes, counts in pages.
    """

    def __init__(
        self,
        recorder: Recorder,
        size: int,
        reserved: int,
        place: Placement = top_down,
        far: tuple[int, int] | None = None,
    ) -> None:
        self._recorder = recorder
        self._place = place
        self._end = size if far is None else far[1]
        self._reserved = reserved
        self.key = FIRST_KEY
        #: Called behind every change of a page range.
        self.after_change: Callable[[], None] = lambda: None
        self.descriptors: list[MemoryDescriptor] = [
            MemoryDescriptor(MemoryType.RESERVED, Gpa(0), reserved // PAGE_SIZE),
            MemoryDescriptor(MemoryType.CONVENTIONAL, Gpa(reserved), (size - reserved) // PAGE_SIZE),
        ]
        if far is not None:
            pages = (far[1] - far[0]) // PAGE_SIZE
            self.descriptors.append(MemoryDescriptor(MemoryType.CONVENTIONAL, Gpa(far[0]), pages))

    def occupy(self, holes: Iterable[tuple[int, int]]) -> None:
        """Begin with ranges in use, each a first byte and a number of pages: the firmware's code, for example."""
        for start, pages in holes:
            self._put(Gpa(start), pages, MemoryType.BOOT_SERVICES_CODE)

    def allocate(self, how: AllocateType, memory_type: MemoryType, pages: int, address: int) -> tuple[EfiStatus, Gpa]:
        """Turn free pages into pages of that type."""
        if pages <= 0 or memory_type in {MemoryType.CONVENTIONAL, MemoryType.PERSISTENT, MemoryType.UNACCEPTED}:
            return EfiStatus.INVALID_PARAMETER, Gpa(0)
        if how is AllocateType.ADDRESS:
            if address % PAGE_SIZE or not self._is(address, pages, MemoryType.CONVENTIONAL):
                return EfiStatus.NOT_FOUND, Gpa(0)
            start = address
        else:
            limit = address + 1 if how is AllocateType.MAX_ADDRESS else self._end
            ranges = self._free_ranges(pages, limit)
            if not ranges:
                return EfiStatus.OUT_OF_RESOURCES, Gpa(0)
            start = self._place(ranges, pages)
        self._convert(Gpa(start), pages, memory_type)
        return EfiStatus.SUCCESS, Gpa(start)

    def free(self, address: int, pages: int) -> EfiStatus:
        """Turn allocated pages back into free ones."""
        if address % PAGE_SIZE or pages <= 0:
            return EfiStatus.INVALID_PARAMETER
        owner = self._descriptor_of(address)
        if owner is None or owner.type is MemoryType.CONVENTIONAL or address < self._reserved:
            return EfiStatus.NOT_FOUND
        if not self._is(address, pages, owner.type):
            return EfiStatus.NOT_FOUND
        self._convert(Gpa(address), pages, MemoryType.CONVENTIONAL)
        return EfiStatus.SUCCESS

    def _free_ranges(self, pages: int, limit: int) -> list[tuple[int, int]]:
        found = []
        for descriptor in self.descriptors:
            end = min(descriptor.end, limit // PAGE_SIZE * PAGE_SIZE)
            if descriptor.type is MemoryType.CONVENTIONAL and end - descriptor.start >= pages * PAGE_SIZE:
                found.append((int(descriptor.start), end))
        return found

    def _descriptor_of(self, address: int) -> MemoryDescriptor | None:
        return next((d for d in self.descriptors if d.start <= address < d.end), None)

    def _is(self, address: int, pages: int, memory_type: MemoryType) -> bool:
        descriptor = self._descriptor_of(address)
        fits = descriptor is not None and address + pages * PAGE_SIZE <= descriptor.end
        return fits and descriptor is not None and descriptor.type is memory_type

    def _convert(self, start: Gpa, pages: int, memory_type: MemoryType) -> None:
        self._put(start, pages, memory_type)
        self._move_key()
        self._recorder.record(MapChanged, start=start, pages=pages, type=memory_type, key=self.key)
        self.after_change()

    def _put(self, start: Gpa, pages: int, memory_type: MemoryType) -> None:
        end = start + pages * PAGE_SIZE
        split: list[MemoryDescriptor] = []
        for old in self.descriptors:
            if old.end <= start or end <= old.start:
                split.append(old)
                continue
            if old.start < start:
                split.append(MemoryDescriptor(old.type, old.start, (start - old.start) // PAGE_SIZE))
            if end < old.end:
                split.append(MemoryDescriptor(old.type, Gpa(end), (old.end - end) // PAGE_SIZE))
        split.append(MemoryDescriptor(memory_type, start, pages))
        self.descriptors = _merged(sorted(split, key=lambda d: d.start))

    def _move_key(self) -> None:
        self.key += 1


def _merged(descriptors: Sequence[MemoryDescriptor]) -> list[MemoryDescriptor]:
    merged: list[MemoryDescriptor] = []
    for descriptor in descriptors:
        last = merged[-1] if merged else None
        if last is not None and last.type is descriptor.type and last.end == descriptor.start:
            merged[-1] = MemoryDescriptor(last.type, last.start, last.pages + descriptor.pages)
        else:
            merged.append(descriptor)
    return merged
