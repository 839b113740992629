"""
Valid stories of DMA as data: what a driver, its device and the loader do to an IOMMU driver, act by act.

A story keeps to the UEFI specification: a mapping is ended once, a buffer is freed when it is not mapped, nobody writes
to memory that is mapped for Read or Write, and nothing is mapped after the end. Beyond that it keeps to what edk2's
driver can serve: common buffers are mapped from their first byte, and once at a time.

Spec: UEFI 2.10, 14.4 EFI_PCI_IO_PROTOCOL, Map, Unmap, AllocateBuffer, FreeBuffer.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from hypothesis import strategies as st

from sevconf.vocabulary import PAGE_SIZE, DmaOperation

#: Areas of a driver's own memory, which are there from the start, and pages of each.
AREAS = 3
AREA_PAGES = 3
MOST_BUFFERS = 4
MOST_PAGES = 4
#: Acts of the shortest story and of the longest.
LENGTHS = (2, 60)


@dataclass(frozen=True, slots=True)
class Place:
    """Bytes of a memory: a common buffer by its number, or (`buffer` False) an area."""

    buffer: bool
    number: int
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class Allocate:
    """AllocateBuffer."""

    buffer: int
    pages: int


@dataclass(frozen=True, slots=True)
class Free:
    """FreeBuffer."""

    buffer: int


@dataclass(frozen=True, slots=True)
class Map:
    """Map; `wide`: the 64-bit twin."""

    mapping: int
    operation: DmaOperation
    place: Place
    wide: bool


@dataclass(frozen=True, slots=True)
class Unmap:
    """Unmap."""

    mapping: int


@dataclass(frozen=True, slots=True)
class GuestWrite:
    """The driver writes to its memory."""

    place: Place
    fill: int


@dataclass(frozen=True, slots=True)
class DeviceWrite:
    """The device writes through a mapping."""

    mapping: int
    offset: int
    length: int
    fill: int


@dataclass(frozen=True, slots=True)
class Exit:
    """ExitBootServices; nothing comes behind it."""


Act: TypeAlias = Allocate | Free | Map | Unmap | GuestWrite | DeviceWrite | Exit


class _Author:
    """Draws one act after the other, each of which is valid behind those before it."""

    def __init__(self, draw: Callable[[st.SearchStrategy[int]], int]) -> None:
        self._draw = draw
        self.acts: list[Act] = []
        self._pages: dict[int, int] = {}
        self._live: dict[int, Map] = {}
        self._made = 0

    def _number(self, low: int, high: int) -> int:
        return self._draw(st.integers(low, high))

    def _one(self, of: list[int]) -> int:
        return of[self._number(0, len(of) - 1)]

    def _mapped(self, *, buffer: bool) -> set[int]:
        return {made.place.number for made in self._live.values() if made.place.buffer is buffer}

    def act(self) -> None:
        """Draw an act."""
        free = sorted(set(self._pages) - self._mapped(buffer=True))
        idle = sorted(set(range(AREAS)) - self._mapped(buffer=False))
        writable = [n for n, made in self._live.items() if made.operation.device_writes]
        choices: list[Callable[[], Act]] = [lambda: self._guest_write(idle)] if idle or self._pages else []
        if len(self._pages) < MOST_BUFFERS:
            choices.append(self._allocate)
        if free:
            choices += [lambda: self._map_common(free)] * 2
            choices.append(lambda: self._free(free))
        if idle:
            choices += [lambda: self._map_area(idle)] * 3
        if self._live:
            choices += [lambda: self._unmap(self._one(sorted(self._live)))] * 2
        if writable:
            choices += [lambda: self._device_write(self._one(writable))] * 2
        self.acts.append(choices[self._number(0, len(choices) - 1)]())

    def _allocate(self) -> Act:
        pages = self._number(1, MOST_PAGES)
        self._made += 1
        self._pages[self._made] = pages
        return Allocate(self._made, pages)

    def _free(self, free: list[int]) -> Act:
        buffer = self._one(free)
        del self._pages[buffer]
        return Free(buffer)

    def _map(self, operation: DmaOperation, place: Place) -> Act:
        self._made += 1
        made = Map(self._made, operation, place, bool(self._number(0, 1)))
        self._live[made.mapping] = made
        return made

    def _map_common(self, free: list[int]) -> Act:
        buffer = self._one(free)
        return self._map(
            DmaOperation.COMMON_BUFFER, Place(True, buffer, 0, self._number(1, self._pages[buffer] * PAGE_SIZE))
        )

    def _map_area(self, idle: list[int]) -> Act:
        operation = (DmaOperation.READ, DmaOperation.WRITE)[self._number(0, 1)]
        return self._map(operation, self._span(False, self._one(idle), AREA_PAGES * PAGE_SIZE))

    def _span(self, buffer: bool, number: int, size: int) -> Place:
        offset = self._number(0, size - 1)
        return Place(buffer, number, offset, self._number(1, size - offset))

    def _unmap(self, mapping: int) -> Act:
        del self._live[mapping]
        return Unmap(mapping)

    def _guest_write(self, idle: list[int]) -> Act:
        memories = [(False, number) for number in idle] + [(True, number) for number in sorted(self._pages)]
        buffer, number = memories[self._number(0, len(memories) - 1)]
        size = AREA_PAGES * PAGE_SIZE
        if buffer:
            # Behind the mapped bytes a common buffer is out of bounds while it is mapped.
            own = [
                made.place.length for made in self._live.values() if made.place.buffer and made.place.number == number
            ]
            size = own[0] if own else self._pages[number] * PAGE_SIZE
        return GuestWrite(self._span(buffer, number, size), self._number(1, 255))

    def _device_write(self, mapping: int) -> Act:
        span = self._span(False, 0, self._live[mapping].place.length)
        return DeviceWrite(mapping, span.offset, span.length, self._number(1, 255))


@st.composite
def stories(draw: Callable[[st.SearchStrategy[int]], int]) -> tuple[Act, ...]:
    """Return a strategy of stories; four of five end with ExitBootServices."""
    author = _Author(draw)
    for _ in range(draw(st.integers(*LENGTHS))):
        author.act()
    return (*author.acts, *((Exit(),) if draw(st.integers(0, 4)) else ()))
