"""The VT-d unit over tables in RAM, and the tables as software writes them."""

import itertools

import pytest

from sevconf.model.encrypted_ram import EncryptedRam
from sevconf.model.iommu.vtd_tables import TranslationTables
from sevconf.model.iommu.vtd_unit import FaultRecord, VtdUnit
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
        """Ask for a read."""
        return self.unit.refuses(self.source if source is None else source, address, length, write=False)

    def write(self, address: int = PAGE, length: int = 16) -> FaultReason | None:
        """Ask for a write."""
        return self.unit.refuses(self.source, address, length, write=True)


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
    """A table pointer out of RAM lets nothing pass: a bad root, context or second-level pointer."""
    bench = Bench()
    bench.tables.set_access(bench.source, PAGE, READ)
    top = bench.tables.domain(bench.source)
    bench.ram.write_raw(top, (SIZE | 3).to_bytes(8, "little"))
    assert bench.read() is FaultReason.BAD_TABLE_POINTER
    bench.ram.write_raw(bench.tables.root, (SIZE | 1).to_bytes(8, "little"))
    assert bench.read() is FaultReason.BAD_TABLE_POINTER
    bench.unit.load_root(Gpa(SIZE))
    assert bench.read() is FaultReason.NO_ROOT_ENTRY


def test_a_new_root_counts_when_it_is_commanded() -> None:
    """The root table address register alone changes nothing; SRTP takes it over, each time that it is written."""
    bench = Bench()
    bench.tables.set_access(bench.source, PAGE, READ)
    bench.unit.root_address = Gpa(SIZE)
    assert bench.read() is None
    bench.unit.command(bench.unit.status & ~ONE_SHOT)
    assert bench.read() is None
    bench.unit.command(bench.unit.status)
    assert bench.read() is FaultReason.NO_ROOT_ENTRY


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
