"""The VT-d unit over tables in RAM, and the tables as software writes them."""

import itertools

import pytest

from sevconf.model.encrypted_ram import EncryptedRam
from sevconf.model.iommu.vtd_tables import TranslationTables
from sevconf.model.iommu.vtd_unit import (
    ADDRESS_MASK,
    LARGE,
    PASS_THROUGH,
    FaultRecord,
    Span,
    VtdUnit,
    level_index,
)
from sevconf.model.recorder import Recorder
from sevconf.trace import IommuCommand, IommuState, Trace
from sevconf.vocabulary import ONE_SHOT, PAGE_SIZE, FaultReason, GlobalCommand, Gpa, Gva, IommuAccess

SIZE = 4 << 20
READ, WRITE = IommuAccess.READ, IommuAccess.WRITE
PAGE = 0x5000


class RawMemory:
    """RAM that is not encrypted, as software on a VT-d machine sees it."""

    def __init__(self, ram: EncryptedRam) -> None:
        self.ram = ram

    def read(self, gva: Gva, length: int) -> bytes:
        """Read."""
        return self.ram.read_raw(Gpa(gva), length)

    def write(self, gva: Gva, data: bytes) -> None:
        """Write."""
        self.ram.write_raw(Gpa(gva), data)


class Bench:
    """A unit, RAM and empty tables that it uses."""

    def __init__(self) -> None:
        self.trace = Trace()
        self.runs = 0
        self.ram = EncryptedRam(SIZE, bytes(16))
        self.unit = VtdUnit(Recorder(self.trace), self.ram, self.run_devices)
        pages = itertools.count(1 << 20, PAGE_SIZE)
        self.tables = TranslationTables(RawMemory(self.ram), lambda: Gpa(next(pages)))
        self.unit.load_root(self.tables.root)
        self.unit.enable()
        self.source = self.unit.source_of("device:a")

    def run_devices(self) -> None:
        """Count."""
        self.runs += 1

    def read(self, address: int = PAGE, length: int = 16, *, source: int | None = None) -> FaultReason | None:
        """Ask for a read; returns why it is refused."""
        return _refusal(self.unit.translate(self.source if source is None else source, address, length, write=False))

    def write(self, address: int = PAGE, length: int = 16) -> FaultReason | None:
        """Ask for a write; returns why it is refused."""
        return _refusal(self.unit.translate(self.source, address, length, write=True))

    def entry(self, at: int, value: int) -> None:
        """Write eight bytes of an entry."""
        self.ram.write_raw(Gpa(at), value.to_bytes(8, "little"))

    @property
    def context(self) -> int:
        """Where the context entry of the source lies, once something was granted to it."""
        self.tables.domain(self.source)
        root = int.from_bytes(self.ram.read_raw(self.tables.root, 8), "little")
        return (root & ADDRESS_MASK) + self.source * 16

    def leaf(self, address: int = PAGE) -> int:
        """Return where the entry of a page lies."""
        table = self.tables.domain(self.source)
        for level in (4, 3, 2):
            at = table + level_index(address, level) * 8
            table = Gpa(int.from_bytes(self.ram.read_raw(Gpa(at), 8), "little") & ADDRESS_MASK)
        return table + level_index(address, 1) * 8


def _refusal(judged: tuple[Span, ...] | FaultReason) -> FaultReason | None:
    return judged if isinstance(judged, FaultReason) else None


def test_everything_passes_until_translation_is_on() -> None:
    """As at reset, nothing is blocked while translation is off, whatever the tables say."""
    bench = Bench()
    assert bench.read() is not None
    bench.unit.disable()
    assert bench.read() is None
    assert bench.write(SIZE * 2) is None


def test_each_register_write_is_seen() -> None:
    """A register write stands in the trace, and devices run meanwhile."""
    bench = Bench()
    assert bench.runs == 2
    assert [(e.translating, e.root) for e in bench.trace.of(IommuState)] == [
        (False, bench.tables.root),
        (True, bench.tables.root),
    ]


@pytest.mark.parametrize("granted", [READ, WRITE, READ | WRITE])
def test_access_is_granted_by_page_and_direction(granted: IommuAccess) -> None:
    """The granted page lets the granted direction pass; its neighbours and the other direction do not."""
    bench = Bench()
    bench.tables.set_access(bench.source, PAGE, granted)
    assert bench.read() == (None if granted & READ else FaultReason.NO_READ_ACCESS)
    assert bench.write() == (None if granted & WRITE else FaultReason.NO_WRITE_ACCESS)
    for beside in (PAGE - PAGE_SIZE, PAGE + PAGE_SIZE):
        assert bench.read(beside) is FaultReason.NO_READ_ACCESS
        assert bench.write(beside) is FaultReason.NO_WRITE_ACCESS


def test_one_page_refuses_a_whole_access() -> None:
    """An access that reaches beyond the granted page is refused, and the record names the page that refused."""
    bench = Bench()
    bench.tables.set_access(bench.source, PAGE, READ)
    assert bench.read(PAGE + 0xFF0, 16) is None
    assert bench.read(PAGE + 0xFF0, 17) is FaultReason.NO_READ_ACCESS
    refused = FaultRecord(bench.source, PAGE + PAGE_SIZE, False, FaultReason.NO_READ_ACCESS)
    assert bench.unit.faults == [refused]


def test_what_was_granted_is_taken_back() -> None:
    """No access closes the page, and closing what was never open makes no tables."""
    bench = Bench()
    bench.tables.set_access(bench.source, PAGE, READ)
    bench.tables.set_access(bench.source, PAGE, IommuAccess.NONE)
    assert bench.read() is FaultReason.NO_READ_ACCESS
    touched = bench.ram.touched_pages
    bench.tables.set_access(bench.source, 1 << 40, IommuAccess.NONE)
    assert bench.ram.touched_pages == touched


def test_each_device_has_a_domain_of_its_own() -> None:
    """What one device may reach another one may not, on the same bus or on another one."""
    bench = Bench()
    other = bench.unit.source_of("device:b")
    assert other != bench.source
    assert bench.unit.source_of("device:a") == bench.source
    assert bench.read(source=other) is FaultReason.NO_ROOT_ENTRY
    bench.tables.set_access(bench.source, PAGE, READ)
    assert bench.read(source=other) is FaultReason.NO_CONTEXT_ENTRY
    bench.tables.set_access(other, PAGE + PAGE_SIZE, READ)
    assert bench.read(source=other) is FaultReason.NO_READ_ACCESS
    assert bench.read(source=other + 256) is FaultReason.NO_ROOT_ENTRY


def test_addresses_beyond_the_width_fault() -> None:
    """An address of more than 48 bits has no translation."""
    bench = Bench()
    bench.tables.set_access(bench.source, PAGE, READ)
    assert bench.read(1 << 48) is FaultReason.BEYOND_WIDTH


def test_tables_that_are_not_there_fault() -> None:
    """A pointer out of RAM lets nothing pass, and the reason tells whose it is."""
    bench = Bench()
    bench.tables.set_access(bench.source, PAGE, READ)
    top = bench.tables.domain(bench.source)
    bench.entry(top, SIZE | 3)
    assert bench.read() is FaultReason.BAD_TABLE_POINTER
    bench.entry(bench.context, SIZE | 1)
    assert bench.read() is FaultReason.BAD_CONTEXT_ENTRY
    bench.entry(bench.tables.root, SIZE | 1)
    assert bench.read() is FaultReason.BAD_CONTEXT_POINTER
    bench.unit.load_root(Gpa(SIZE))
    assert bench.read() is FaultReason.BAD_ROOT_POINTER


def test_a_page_stands_for_the_memory_that_its_entry_names() -> None:
    """An access goes there, piece by piece where pages lie apart."""
    bench = Bench()
    for page, place in ((PAGE, 0x9000), (PAGE + PAGE_SIZE, 0x7000)):
        bench.tables.set_access(bench.source, page, READ)
        bench.entry(bench.leaf(page), place | READ)
    spans = bench.unit.translate(bench.source, PAGE + 0xFF0, 0x20, write=False)
    assert spans == (Span(0x9FF0, 0x10), Span(0x7000, 0x10))


@pytest.mark.parametrize(("level", "size"), [(2, 2 << 20), (3, 1 << 30)])
def test_large_pages(level: int, size: int) -> None:
    """An entry of level 2 or 3 may be a page; where it begins is a multiple of its size, or the entry is bad."""
    bench = Bench()
    bench.tables.set_access(bench.source, PAGE, READ)
    table = bench.tables.domain(bench.source)
    for above in range(4, level, -1):
        at = table + level_index(PAGE, above) * 8
        table = Gpa(int.from_bytes(bench.ram.read_raw(Gpa(at), 8), "little") & ADDRESS_MASK)
    bench.entry(table, size | LARGE | READ)
    assert bench.unit.translate(bench.source, PAGE + 8, 8, write=False) == (Span(size + PAGE + 8, 8),)
    bench.entry(table, size // 2 | LARGE | READ)
    assert bench.read() is FaultReason.RESERVED_IN_TABLE


@pytest.mark.parametrize("bit", [11, 48, 51, 62])
def test_reserved_bits_of_a_page_fault(bit: int) -> None:
    """Those that are ignored do not."""
    bench = Bench()
    bench.tables.set_access(bench.source, PAGE, READ)
    bench.entry(bench.leaf(), PAGE | READ | 1 << 52 | 1 << 63 | 0x77C)
    assert bench.read() is None
    bench.entry(bench.leaf(), PAGE | READ | 1 << bit)
    assert bench.read() is FaultReason.RESERVED_IN_TABLE


@pytest.mark.parametrize(
    ("half", "bit", "reason"),
    [
        (0, 4, FaultReason.RESERVED_IN_CONTEXT),
        (0, 48, FaultReason.RESERVED_IN_CONTEXT),
        (1, 7, FaultReason.RESERVED_IN_CONTEXT),
        (1, 24, FaultReason.RESERVED_IN_CONTEXT),
        (1, 2, FaultReason.BAD_CONTEXT_ENTRY),
        (0, 2, FaultReason.BAD_CONTEXT_ENTRY),
    ],
)
def test_bad_context_entries_fault(half: int, bit: int, reason: FaultReason) -> None:
    """Reserved bits, a width that the unit lacks, a type that it does not know."""
    bench = Bench()
    bench.tables.set_access(bench.source, PAGE, READ)
    at = bench.context + 8 * half
    bench.entry(at, int.from_bytes(bench.ram.read_raw(Gpa(at), 8), "little") | 1 << bit)
    assert bench.read() is reason


@pytest.mark.parametrize(("half", "bit"), [(0, 1), (0, 48), (1, 0)])
def test_reserved_bits_of_a_root_entry_fault(half: int, bit: int) -> None:
    """Whatever the context entry says."""
    bench = Bench()
    bench.tables.set_access(bench.source, PAGE, READ)
    at = bench.tables.root + 8 * half
    bench.entry(at, int.from_bytes(bench.ram.read_raw(Gpa(at), 8), "little") | 1 << bit)
    assert bench.read() is FaultReason.RESERVED_IN_ROOT


def test_a_device_may_pass_untranslated() -> None:
    """Then tables are not asked."""
    bench = Bench()
    bench.entry(bench.context, PASS_THROUGH | 1)
    assert bench.unit.translate(bench.source, 0x123456, 8, write=True) == (Span(0x123456, 8),)


def test_three_levels() -> None:
    """A narrower domain has its top table at level 3, and no address beyond 39 bits."""
    bench = Bench()
    bench.tables.set_access(bench.source, PAGE, READ)
    top = int.from_bytes(bench.ram.read_raw(bench.tables.domain(bench.source), 8), "little") & ADDRESS_MASK
    bench.entry(bench.context, top | 1)
    bench.entry(bench.context + 8, 1)
    assert bench.read() is None
    assert bench.read(1 << 39) is FaultReason.BEYOND_WIDTH


def test_a_context_entry_may_keep_faults_untold() -> None:
    """The access is refused all the same."""
    bench = Bench()
    bench.tables.set_access(bench.source, PAGE, READ)
    bench.entry(bench.context, bench.tables.domain(bench.source) | 3)
    assert bench.write() is FaultReason.NO_WRITE_ACCESS
    assert bench.unit.faults == []


def test_a_new_root_counts_when_it_is_commanded() -> None:
    """The root table address register alone changes nothing; SRTP takes it over, each time that it is written."""
    bench = Bench()
    bench.tables.set_access(bench.source, PAGE, READ)
    bench.unit.root_address = Gpa(SIZE)
    assert bench.read() is None
    bench.unit.command(bench.unit.status & ~ONE_SHOT)
    assert bench.read() is None
    bench.unit.command(bench.unit.status)
    assert bench.read() is FaultReason.BAD_ROOT_POINTER


def test_status_shows_what_was_commanded() -> None:
    """A status bit stands at its command's place; one-shot commands stay shown, and software drops them."""
    bench = Bench()
    assert bench.unit.status == GlobalCommand.TE | GlobalCommand.SRTP
    bench.unit.disable()
    assert bench.unit.status == GlobalCommand.SRTP
    written = [(entry.command, entry.status) for entry in bench.trace.of(IommuCommand)]
    assert written == [
        (GlobalCommand.SRTP, 0),
        (GlobalCommand.TE, GlobalCommand.SRTP),
        (0, GlobalCommand.TE | GlobalCommand.SRTP),
    ]
