"""
Random tables for a VT-d unit, and what QEMU's does with them: one device of many and one access a case.

Tables begin right, and then are spoiled at random: bits that mean something, bits that are reserved and bits that are
ignored, at every level. What QEMU does otherwise than the specification says is not drawn: it takes an entry of all
ones for one that cannot be read, lets bits 11:4 of a context entry pass, and records reserved bits of a context entry
though that says that no fault shall be recorded (`hw/i386/intel_iommu.c`: vtd_get_slpte,
vtd_context_entry_rsvd_bits_check, vtd_qualified_faults, which lacks VTD_FR_CONTEXT_ENTRY_RSVD).
"""

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from sevconf.model.encrypted_ram import EncryptedRam
from sevconf.model.iommu.vtd_unit import (
    ADDRESS_MASK,
    FAULTS_UNTOLD,
    LARGE,
    PASS_THROUGH,
    PRESENT,
    VtdUnit,
    level_index,
)
from sevconf.model.recorder import Recorder
from sevconf.subjects.qemu.bench import RAM_SIZE, Bench
from sevconf.subjects.qemu.vtd import VtdRegisters
from sevconf.trace import Trace
from sevconf.vocabulary import PAGE_SIZE, FaultReason, Gpa

#: Devices that act at once: as many as there are free slots on the bus.
DEVICES = 27
#: Bytes of an access, and where in RAM tables, data, and what was read lie.
LENGTH = 8
TABLES, DATA, TAKEN = 4 << 20, 32 << 20, 48 << 20
#: Bytes of data that each device has.
ROOM = 1 << 19
#: No RAM and no device is there.
NOWHERE = range(RAM_SIZE + (1 << 20), 1 << 31, PAGE_SIZE)
#: Registers and buffer of edu (QEMU `docs/specs/edu.txt`).
SOURCE, TARGET, COUNT, COMMAND, BUFFER = 0x80, 0x88, 0x90, 0x98, 0x40000
_INTERRUPTS = range(0xFEE0_0000, 0xFEF0_0000)
#: Data: every eight bytes tell where they lie, with the top bit set.
OWN = 1 << 63
_DATA = (np.arange(DATA, RAM_SIZE, LENGTH, dtype="<u8") | np.uint64(OWN)).tobytes()


@dataclass(frozen=True, slots=True)
class Case:
    """One access: of the device with that index, at that address."""

    index: int
    address: int
    write: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a case: the memory that bytes went to or came from, or why not; and what was recorded of that."""

    reached: int | None
    recorded: tuple[int, int, bool, int] | None


class Round:
    """Tables for all devices, with one access each, in RAM of its own."""

    def __init__(self, seed: int, sources: list[int]) -> None:
        self._draw = random.Random(seed)  # noqa: S311 -- cases, not secrets
        self._next = TABLES
        self.pages: dict[int, bytearray] = {}
        self.root = self._page()
        contexts = self._page()
        self._put(self.root, self._spoiled(contexts | PRESENT, reserved=(1, 11, 48, 63), often=0.03))
        self._put(self.root + 8, self._rare(1 << self._draw.randrange(64), often=0.01))
        if self._draw.random() < 0.03:
            self.root = self._draw.choice(NOWHERE)
        self.cases = tuple(self._case(index, contexts + 16 * source) for index, source in enumerate(sources))

    def _page(self) -> int:
        at, self._next = self._next, self._next + PAGE_SIZE
        self.pages[at] = bytearray(PAGE_SIZE)
        return at

    def _put(self, at: int, entry: int) -> None:
        page, offset = at & -PAGE_SIZE, at % PAGE_SIZE
        self.pages[page][offset : offset + 8] = entry.to_bytes(8, "little")

    def _rare(self, value: int, *, often: float) -> int:
        return value if self._draw.random() < often else 0

    def _spoiled(self, entry: int, *, reserved: tuple[int, ...], often: float) -> int:
        """Take bit 0 away, set a reserved bit, or point to where nothing is."""
        if self._draw.random() < often:
            entry &= ~PRESENT
        if self._draw.random() < often:
            entry |= 1 << self._draw.choice(reserved)
        if self._draw.random() < often:
            entry = entry & ~ADDRESS_MASK | self._draw.choice(NOWHERE)
        return entry

    def _case(self, index: int, context: int) -> Case:
        draw = self._draw
        width = draw.choice([1, 2])
        levels = width + 2
        address = self._address(9 * levels + 12)
        through = draw.random() < 0.06
        if through:
            address = self._place(index)
        top = self._page()
        low = self._spoiled(top | PRESENT, reserved=(48, 55, 63), often=0.03)
        low |= self._rare(FAULTS_UNTOLD, often=0.1) | (PASS_THROUGH if through else self._rare(1 << 2, often=0.03))
        high = draw.randrange(1 << 16) << 8 | draw.randrange(16) << 3 | width
        high ^= self._rare(draw.randrange(8), often=0.05) | self._rare(1 << draw.choice((7, 24, 63)), often=0.03)
        if low >> 48 or high & ~0xFF_FF7F:
            low &= ~FAULTS_UNTOLD
        self._put(context, low)
        self._put(context + 8, high)
        address = self._tables(index, address, top, levels)
        return Case(index, address, draw.random() < 0.5)

    def _address(self, bits: int) -> int:
        beyond = self._rare(1 << self._draw.randrange(bits, 64), often=0.05) if bits < 64 else 0
        address = self._draw.randrange(1 << bits - 3) * LENGTH | beyond
        return self._address(bits) if address in _INTERRUPTS else address

    def _place(self, index: int) -> int:
        """Draw a place in the data of a device."""
        return DATA + index * ROOM + self._draw.randrange(ROOM // LENGTH) * LENGTH

    def _tables(self, index: int, address: int, table: int, levels: int) -> int:
        """Write the entries on the way to an address, each of them perhaps spoiled; returns one that meets data."""
        draw = self._draw
        for level in range(levels, 0, -1):
            last = level == 1 or (level < 4 and draw.random() < 0.15)
            if last:
                below = self._place(index) & -PAGE_SIZE
                size = 1 << 12 + 9 * (level - 1)
                below = below // size * size if draw.random() < 0.9 else below
            else:
                below = self._page()
            rights = draw.choice([3, 3, 3, 3, 3, 1, 2, 0]) if last else draw.choice([3] * 12 + [1, 2, 0])
            large = LARGE if last and level > 1 else self._rare(LARGE, often=0.02)
            ignored = draw.choice([0, 0, 1 << 52, 1 << 63, 0x77C & ~LARGE])
            entry = self._spoiled(below | large | ignored, reserved=(11, 48, 51, 62), often=0.02)
            self._put(table + level_index(address, level) * 8, entry & ~3 | rights)
            table = below
            if last:
                return address & -size | self._place(index) if level == 3 else address
        return address


class ModelSide:
    """The reference unit over the tables of a round."""

    def __init__(self, unit: type[VtdUnit], sources: list[int]) -> None:
        self._unit = unit
        self._sources = sources

    def outcomes(self, tables: Round) -> Iterator[Outcome]:
        """Yield what comes of each case."""
        ram = EncryptedRam(RAM_SIZE, bytes(16))
        for at, page in tables.pages.items():
            ram.write_host(Gpa(at), bytes(page))
        unit = self._unit(Recorder(Trace()), ram, lambda: None)
        unit.load_root(Gpa(tables.root))
        unit.enable()
        for case in tables.cases:
            judged = unit.translate(self._sources[case.index], case.address, LENGTH, write=case.write)
            told = [(f.source, f.address, f.write, f.reason.value) for f in unit.faults]
            unit.faults.clear()
            refused = isinstance(judged, FaultReason)
            start = None if isinstance(judged, FaultReason) else judged[0].start
            inside = start is not None and start + LENGTH <= RAM_SIZE
            yield Outcome(start if inside else None, told[0] if refused and told else None)


class QemuSide:
    """QEMU's unit and as many edu devices; each case really moves bytes."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._unit = VtdRegisters(bench)
        self._tags = 0
        for device in bench.devices:
            bench.master(device, enabled=True)

    @property
    def sources(self) -> list[int]:
        """Source ids of the devices."""
        return [device.function.source for device in self._bench.devices]

    def outcomes(self, tables: Round) -> Iterator[Outcome]:
        """Yield what comes of each case: by the bytes that moved, and by what QEMU says that it recorded."""
        bench, cases = self._bench, tables.cases
        bench.ram[DATA:RAM_SIZE] = _DATA
        for at, page in tables.pages.items():
            bench.ram[at : at + PAGE_SIZE] = page
        tags = {case.index: self._tag() for case in cases}
        self._unit.disable()
        for case in cases:
            bench.ram[TAKEN + case.index * LENGTH : TAKEN + (case.index + 1) * LENGTH] = tags[case.index]
        self._all(cases, lambda case: (TAKEN + case.index * LENGTH, BUFFER, 1))
        self._unit.load_root(tables.root)
        self._unit.enable()
        before = np.frombuffer(bytes(bench.ram), "<u8")
        mark = bench.mark()
        self._all(cases, lambda case: (BUFFER, case.address, 3) if case.write else (case.address, BUFFER, 1))
        seen = bench.accesses(mark)
        self._unit.disable()
        words = np.frombuffer(bytes(bench.ram), "<u8")
        written = {int(words[at]): int(at) * LENGTH for at in np.flatnonzero(words != before)}
        self._all(cases, lambda case: (BUFFER, TAKEN + case.index * LENGTH, 3))
        for case in cases:
            source = bench.devices[case.index].function.source
            faults = (
                (source, access.address & -PAGE_SIZE, bool(access.write), access.reason)
                for access in seen
                if access.source == source and access.reason is not None
            )
            at = TAKEN + case.index * LENGTH
            read = int.from_bytes(bench.ram[at : at + LENGTH], "little")
            reached = written.pop(read, None) if case.write else read ^ OWN if DATA <= read ^ OWN < RAM_SIZE else None
            yield Outcome(reached, next(faults, None))
        assert not written, f"bytes moved that no case accounts for: {written}"

    def _tag(self) -> bytes:
        self._tags += 1
        return (0x7A67_0000_0000_0000 | self._tags).to_bytes(8, "big")

    def _all(self, cases: tuple[Case, ...], act: Callable[[Case], tuple[int, int, int]]) -> None:
        """Let every device do one DMA, all at once, and wait for them."""
        for case in cases:
            bar = self._bench.devices[case.index].function.bars[0].address
            source, target, command = act(case)
            for register, value in ((SOURCE, source), (TARGET, target), (COUNT, LENGTH), (COMMAND, command)):
                self._bench.write(bar + register, 8, value)
        deadline = time.monotonic() + 10
        for case in cases:
            bar = self._bench.devices[case.index].function.bars[0].address
            while self._bench.read(bar + COMMAND, 8) & 1:
                assert time.monotonic() < deadline
                time.sleep(0.005)
