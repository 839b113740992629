"""
Two machines that differ in their IOMMU driver live through one story, and are compared after every act.

Compared are statuses, which pages are shared, and bytes as the driver and the device see them. Addresses are not, nor
bytes that nobody wrote: memory of AllocateBuffer before its first write, what a device left out of a Write mapping, and
what lies behind the mapped bytes of a common buffer while it is mapped. Of the tail that neither driver rewrites, the
rest of the last 16 bytes is lost for good: the processor encrypts them as one, and to rewrite a part garbles the rest.
"""

from dataclasses import dataclass, field

import numpy as np

from sevconf.contract.driver import Mapped
from sevconf.model.iommu.sev import Info, SevIommu
from sevconf.model.machine import RAM_SIZE, ReferenceMachine
from sevconf.model.parts import IommuFactory, Parts
from sevconf.model.pci_io import PciIo
from sevconf.trace import CBitChanged
from sevconf.vocabulary import (
    PAGE_SIZE,
    AllocateType,
    AttributeOperation,
    CBit,
    DmaOperation,
    EfiStatus,
    Gpa,
    Gva,
    MachineKind,
    MemoryType,
    PciAttribute,
    pages_for,
)

from .acts import AREA_PAGES, AREAS, Act, Allocate, DeviceWrite, Exit, Free, GuestWrite, Map, Place, Unmap

_SEED = 20
#: Bytes that the processor encrypts as one.
_BLOCK = 16
_PATTERN = bytes(range(1, 256)) * 49


class Uncorrected(SevIommu):
    """The reference driver with three habits of edk2's: tails stay (S03), and buffers are handed out unwiped (S06)."""

    # The third, S07, is what Unmap does with a token that is no mapping: no valid story shows it.

    def allocate_buffer(self, memory_type: MemoryType, pages: int, *, wide: bool = False) -> tuple[EfiStatus, Gva]:
        """Leave out the zeroing."""
        self._wiping = False
        try:
            return super().allocate_buffer(memory_type, pages, wide=wide)
        finally:
            self._wiping = True

    _wiping = True

    def _clean(self, start: Gva, pages: int) -> None:
        if self._wiping:
            super()._clean(start, pages)

    def _rewrite(self, pages: list[Gva], info: Info, cbit: CBit) -> None:
        """Change the C-bits, and rewrite the mapped bytes only."""
        data = self.guest.read(info.host, info.length)
        for page in pages:
            self._set_cbit(page, 1, cbit)
        self.guest.write(info.host, data)


class World:
    """One machine, driven as the disk's driver, its device and the loader would drive it."""

    def __init__(self, iommu: IommuFactory) -> None:
        self.machine = ReferenceMachine(MachineKind.SEV, _SEED, Parts(iommu=iommu))
        self.pci_io: PciIo = self.machine.pci_io(self.machine.disk)
        self.buffers: dict[int, tuple[Gva, int]] = {}
        self.mapped: dict[int, Mapped] = {}
        self.shared: set[int] = set()
        self._seen = 0
        self._areas = [self._area() for _ in range(AREAS)]

    def _area(self) -> Gva:
        core = self.machine.core
        _, start = core.allocate_pages(AllocateType.ANY_PAGES, MemoryType.BOOT_SERVICES_DATA, AREA_PAGES)
        self.machine.guest.write(start, _PATTERN[: AREA_PAGES * PAGE_SIZE])
        return start

    def at(self, place: Place) -> Gva:
        """Return the address of a place."""
        start = self.buffers[place.number][0] if place.buffer else self._areas[place.number]
        return Gva(start + place.offset)

    def do(self, act: Act) -> EfiStatus:
        """Do an act; returns its status."""
        machine = self.machine
        status = EfiStatus.SUCCESS
        match act:
            case Allocate(buffer, pages):
                self._address(wide=False)
                status, host = self.pci_io.allocate_buffer(MemoryType.BOOT_SERVICES_DATA, pages)
                self.buffers[buffer] = host, pages
            case Free(buffer):
                host, pages = self.buffers.pop(buffer)
                status = self.pci_io.free_buffer(pages, host)
            case Map(mapping, operation, place, wide):
                self._address(wide=wide)
                self.mapped[mapping] = self.pci_io.map(operation, self.at(place), place.length)
                status = self.mapped[mapping].status
            case Unmap(mapping):
                status = self.pci_io.unmap(self.mapped[mapping].mapping)
            case GuestWrite(place, fill):
                machine.guest.write(self.at(place), _filled(fill, place.length))
            case DeviceWrite(mapping, offset, length, fill):
                address = Gpa(self.mapped[mapping].device_address + offset)
                machine.ram.write_host(address, _filled(fill, length))
            case Exit():
                _, found = machine.core.get_memory_map(1 << 20)
                status = machine.core.exit_boot_services(found.map_key)
        self._look()
        return status

    def _address(self, *, wide: bool) -> None:
        """Let the device address 64 bits, or 32."""
        how = AttributeOperation.ENABLE if wide else AttributeOperation.DISABLE
        self.pci_io.attributes(how, PciAttribute.DUAL_ADDRESS_CYCLE)

    def _look(self) -> None:
        """Follow the C-bits."""
        trace = self.machine.trace
        for change in trace.of(CBitChanged, since=self._seen):
            pages = {change.gpa + n * PAGE_SIZE for n in range(change.pages)}
            self.shared = self.shared | pages if change.cbit is CBit.CLEAR else self.shared - pages
        self._seen = len(trace)

    def in_tables(self) -> set[int]:
        """Return the shared pages, by the tables themselves."""
        bits = self.machine.mmu.tables.leaf_cbits(Gva(0), RAM_SIZE // PAGE_SIZE)
        return {n * PAGE_SIZE for n, bit in enumerate(bits) if bit is CBit.CLEAR}

    def guest_sees(self, address: int, length: int) -> bytes:
        """Read as the driver does."""
        return self.machine.mmu.read(Gva(address), length) or b""

    def device_sees(self, mapping: int, length: int) -> bytes:
        """Read as the device does."""
        return bytes(self.machine.ram.read_host(Gpa(self.mapped[mapping].device_address), length))

    def device_pages(self, mapping: int, length: int) -> list[int]:
        """Name the pages that a device was given."""
        device = self.mapped[mapping].device_address
        first = device // PAGE_SIZE * PAGE_SIZE
        return [first + n * PAGE_SIZE for n in range(pages_for(device + length - first))]


def _filled(fill: int, length: int) -> bytes:
    return bytes((fill + at) % 251 for at in range(length))


@dataclass
class Comparison:
    """What is known of both worlds: memory that somebody wrote, byte by byte, and live mappings."""

    left: World
    right: World
    written: dict[tuple[bool, int], "np.ndarray[tuple[int], np.dtype[np.bool_]]"] = field(default_factory=dict)
    by_device: dict[int, "np.ndarray[tuple[int], np.dtype[np.bool_]]"] = field(default_factory=dict)
    live: dict[int, Map] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for number in range(AREAS):
            self.written[False, number] = np.ones(AREA_PAGES * PAGE_SIZE, np.bool_)

    def play(self, story: tuple[Act, ...]) -> None:
        """Let both live through it; an AssertionError is a difference."""
        for step, act in enumerate(story):
            statuses = self.left.do(act), self.right.do(act)
            where = f"act {step}, {act}"
            assert statuses[0] is statuses[1], f"{where}: {statuses[0]} and {statuses[1]}"
            ended = self._note(act)
            self._compare(where, ended)
        assert self.left.shared == self.left.in_tables(), "left: pages were shared that no trace tells of"
        assert self.right.shared == self.right.in_tables(), "right: pages were shared that no trace tells of"

    def _note(self, act: Act) -> list[Map]:
        """Keep what the act means; returns the mappings that it ended."""
        match act:
            case Allocate(buffer, pages):
                self.written[True, buffer] = np.zeros(pages * PAGE_SIZE, np.bool_)
            case Free(buffer):
                del self.written[True, buffer]
            case Map(mapping, operation, place):
                self.live[mapping] = act
                mask = self._of(place).copy()
                self.by_device[mapping] = np.zeros_like(mask) if operation is DmaOperation.WRITE else mask
                if operation is DmaOperation.COMMON_BUFFER:
                    end = -(-place.length // _BLOCK) * _BLOCK
                    self.written[place.buffer, place.number][place.length : end] = False
            case GuestWrite(place):
                self._of(place)[:] = True
            case DeviceWrite(mapping, offset, length):
                self.by_device[mapping][offset : offset + length] = True
            case Unmap(mapping):
                return [self._ended(mapping)]
            case Exit():
                return [self._ended(mapping) for mapping in list(self.live)]
        return []

    def _ended(self, mapping: int) -> Map:
        made = self.live.pop(mapping)
        if made.operation.device_writes:
            own = self._of(made.place)
            own[:] = self.by_device[mapping] | (own if made.operation is DmaOperation.COMMON_BUFFER else False)
        return made

    def _of(self, place: Place) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
        return self.written[place.buffer, place.number][place.offset : place.offset + place.length]

    def _compare(self, where: str, ended: list[Map]) -> None:
        both = self.left, self.right
        for world in both:
            pages = {p for n, made in self.live.items() for p in world.device_pages(n, made.place.length)}
            side = "left" if world is self.left else "right"
            assert world.shared == pages, f"{where}: {side} shares {len(world.shared)} pages, {len(pages)} are mapped"
        for mapping, made in self.live.items():
            mask = self.by_device[mapping] | (
                self._of(made.place) if made.operation is DmaOperation.COMMON_BUFFER else False
            )
            seen = [world.device_sees(mapping, made.place.length) for world in both]
            _alike(seen, mask, f"{where}: what the device sees of {made}")
        for (buffer, number), mask in self.written.items():
            length = len(mask)
            for made in self.live.values():
                if buffer and (made.place.buffer, made.place.number) == (True, number):
                    length = made.place.length
            place = Place(buffer, number, 0, length)
            seen = [world.guest_sees(world.at(place), length) for world in both]
            _alike(seen, mask[:length], f"{where}: what the guest sees of {place}")
        for made in ended:
            if made.operation is not DmaOperation.COMMON_BUFFER:
                for world in both:
                    for page in world.device_pages(made.mapping, made.place.length):
                        clean = world.guest_sees(page, PAGE_SIZE) == bytes(PAGE_SIZE)
                        assert clean, f"{where}: a page that the device had of {made} is not clean"


def _alike(seen: list[bytes], mask: "np.ndarray[tuple[int], np.dtype[np.bool_]]", what: str) -> None:
    one, other = (np.frombuffer(data, np.uint8) for data in seen)
    different = np.flatnonzero((one != other) & mask)
    assert not len(different), f"{what} differs in {len(different)} bytes, first at {different[0]}"
