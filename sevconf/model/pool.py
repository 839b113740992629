"""
The pool: small buffers out of pages of their type.

A small act that finds room on a pool page changes no page range, so it does not move the MapKey; one that needs a new
page, or gives the last buffer of a page back, does.

Spec: UEFI 2.10, 7.2.4 AllocatePool, 7.2.5 FreePool (buffers are aligned to 8 bytes); for the behaviour towards the key
EDK II, `MdeModulePkg/Core/Dxe/Mem/Pool.c`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from sevconf.model.memory_map import MemoryMap
from sevconf.vocabulary import PAGE_SIZE, AllocateType, EfiStatus, Gpa, Gva, MemoryType, pages_for

#: Sizes that share pages, in bytes; larger buffers get pages of their own.
BUCKETS = (64, 128, 256, 512, 1024, 2048)


def last_freed(free: Sequence[int]) -> int:
    """Take the slot that was freed last, and on a fresh page the lowest one."""
    return free[-1]


@dataclass(slots=True)
class _Page:
    """A page cut into slots of one size; `free` holds free offsets, that released last at the end."""

    start: Gpa
    slot: int
    type: MemoryType
    free: list[int] = field(default_factory=list)


class Pool:
    """AllocatePool and FreePool over the memory map; sizes in bytes."""

    def __init__(self, memory_map: MemoryMap, slot: Callable[[Sequence[int]], int] = last_freed) -> None:
        self._map = memory_map
        self._slot = slot
        self._pages: list[_Page] = []
        self._owners: dict[int, _Page] = {}
        self._large: dict[int, int] = {}

    def allocate(self, memory_type: MemoryType, size: int) -> tuple[EfiStatus, Gva]:
        """Return a buffer of at least `size` bytes."""
        slot = next((bucket for bucket in BUCKETS if size <= bucket), None)
        if slot is None:
            status, start = self._map.allocate(AllocateType.ANY_PAGES, memory_type, pages_for(size), 0)
            if not status.is_error:
                self._large[start] = pages_for(size)
            return status, Gva(start)
        page = next((p for p in self._pages if p.slot == slot and p.type is memory_type and p.free), None)
        if page is None:
            status, start = self._map.allocate(AllocateType.ANY_PAGES, memory_type, 1, 0)
            if status.is_error:
                return status, Gva(0)
            page = _Page(start, slot, memory_type, list(range(PAGE_SIZE - slot, -1, -slot)))
            self._pages.append(page)
        offset = self._slot(page.free)
        page.free.remove(offset)
        buffer = page.start + offset
        self._owners[buffer] = page
        return EfiStatus.SUCCESS, Gva(buffer)

    def free(self, buffer: Gva) -> EfiStatus:
        """Take a buffer back."""
        if buffer in self._large:
            return self._map.free(buffer, self._large.pop(buffer))
        page = self._owners.pop(buffer, None)
        if page is None:
            return EfiStatus.INVALID_PARAMETER
        page.free.append(buffer - page.start)
        if len(page.free) * page.slot == PAGE_SIZE:
            self._pages.remove(page)
            return self._map.free(page.start, 1)
        return EfiStatus.SUCCESS
