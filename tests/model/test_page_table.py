"""Page tables in guest RAM: walks, splits and what counts as a page fault."""

import itertools
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sevconf.model.encrypted_ram import EncryptedRam
from sevconf.model.page_table import PD, PDPT, PML4, PT, PageTables, Translation
from sevconf.vocabulary import HUGE_PAGE, LARGE_PAGE, PAGE_SIZE, CBit, Gpa, Gva

SIZE = 8 * LARGE_PAGE
SET, CLEAR = CBit.SET, CBit.CLEAR
#: Where tables lie: in the last large page.
TABLES = SIZE - LARGE_PAGE


class ListeningRam(EncryptedRam):
    """RAM that remembers what it heard of C-bits."""

    def __init__(self, size: int = SIZE) -> None:
        super().__init__(size, bytes(16))
        self.heard: list[tuple[Gpa, int, CBit]] = []

    def cbit_changed(self, gpa: Gpa, size: int, cbit: CBit) -> None:
        """Remember it."""
        self.heard.append((gpa, size, cbit))


def allocator(first: int = TABLES) -> Callable[[], Gpa]:
    """Hand out one page after the other for tables."""
    pages = itertools.count(first, PAGE_SIZE)
    return lambda: Gpa(next(pages))


def make(cbit_position: int = 47, *, identity: CBit | None = SET) -> tuple[PageTables, ListeningRam]:
    """Make RAM and tables, identity-mapped unless told otherwise."""
    ram = ListeningRam()
    tables = PageTables(ram, allocator(), cbit_position)
    if identity is not None:
        tables.map_identity(SIZE, identity)
    return tables, ram


def walked(tables: PageTables, gva: int) -> Translation:
    """Walk to what is known to be mapped."""
    page = tables.walk(Gva(gva))
    assert page is not None
    return page


@pytest.mark.parametrize("position", [47, 51])
@pytest.mark.parametrize("cbit", [SET, CLEAR])
def test_an_identity_map_translates_every_address_to_itself(position: int, cbit: CBit) -> None:
    """All of RAM is mapped in 2 MiB pages with one C-bit, and nothing beyond."""
    tables, _ = make(position, identity=cbit)
    for gva in (0, 0x12345, LARGE_PAGE, SIZE - 1):
        page = walked(tables, gva)
        assert (page.gpa(Gva(gva)), page.size, page.cbit) == (gva, LARGE_PAGE, cbit)
    assert tables.walk(Gva(SIZE)) is None


def test_an_identity_map_takes_the_largest_pages_that_fit() -> None:
    """A whole GiB is one entry; what is left over has a directory of its own."""
    ram = ListeningRam(5 << 28)
    tables = PageTables(ram, allocator(0))
    tables.map_identity(5 << 28, SET)
    assert walked(tables, (5 << 28) - 1).frame == (5 << 28) - LARGE_PAGE
    assert tables.walk(Gva(5 << 28)) is None
    assert walked(tables, (1 << 30) - 1).size == HUGE_PAGE
    assert ram.touched_pages == 3
    assert ram.heard == []


@pytest.mark.parametrize("position", [47, 51])
def test_entries_lie_encrypted_in_ram_with_the_cbit_where_it_belongs(position: int) -> None:
    """A leaf entry holds the address, the C-bit at its position, PS, writable and present."""
    tables, ram = make(position)
    page = walked(tables, LARGE_PAGE)
    entry = int.from_bytes(ram.read_private(page.entry, 8), "little")
    assert entry == LARGE_PAGE | 1 << position | 0x83
    assert int.from_bytes(ram.read_raw(page.entry, 8), "little") != entry


def test_a_page_is_mapped_wherever_one_wants() -> None:
    """A 4 KiB page of any canonical address leads to any page of RAM, with its own C-bit."""
    tables, ram = make(identity=None)
    for gva, gpa, cbit in ((0x7FFF_FFFF_F000, 0x5000, CLEAR), (0xFFFF_8000_0000_0000, 0x5000, SET)):
        tables.map_page(Gva(gva), Gpa(gpa), cbit)
        page = walked(tables, gva + 0x123)
        assert (page.frame, page.size, page.cbit) == (gpa, PAGE_SIZE, cbit)
        assert page.gpa(Gva(gva + 0x123)) == gpa + 0x123
    assert ram.heard == []


def test_a_large_page_is_mapped_wherever_one_wants() -> None:
    """A 2 MiB page may lie anywhere, and replaces the small pages that were there."""
    tables, _ = make(identity=None)
    tables.map_page(Gva(1 << 40), Gpa(0x5000), SET)
    tables.map_large(Gva(1 << 40), Gpa(LARGE_PAGE), CLEAR)
    page = walked(tables, (1 << 40) + 0x54321)
    assert (page.frame, page.size, page.cbit) == (LARGE_PAGE, LARGE_PAGE, CLEAR)


def test_a_small_page_over_a_large_one_splits_it() -> None:
    """The 511 neighbours of a page mapped anew stay mapped as they were."""
    tables, _ = make()
    tables.map_page(Gva(0x7000), Gpa(0x9000), CLEAR)
    assert [walked(tables, gva).frame for gva in (0x6000, 0x7000, 0x8000)] == [0x6000, 0x9000, 0x8000]
    assert tables.leaf_cbits(Gva(0), 512) == [SET] * 7 + [CLEAR] + [SET] * 504


@settings(deadline=None, max_examples=40)
@given(
    first=st.integers(0, 1023),
    pages=st.integers(1, 700),
    before=st.sampled_from(CBit),
    position=st.sampled_from([47, 51]),
)
def test_a_split_keeps_the_cbit_of_the_neighbours(first: int, pages: int, before: CBit, position: int) -> None:
    """Whatever range of pages changes its C-bit, no page beside it does, and every address leads where it led."""
    tables, _ = make(position, identity=before)
    after = CLEAR if before is SET else SET
    tables.set_cbit(Gva(first * PAGE_SIZE), pages, after)
    expected = [after if first <= page < first + pages else before for page in range(2048)]
    assert tables.leaf_cbits(Gva(0), 2048) == expected
    for page in (0, first, first + pages, 511, 512):
        assert walked(tables, page * PAGE_SIZE).gpa(Gva(page * PAGE_SIZE)) == page * PAGE_SIZE


def test_a_split_keeps_all_attributes() -> None:
    """Writable, cache, global, available, PAT and NX bits of a large page are those of its small ones."""
    tables, _ = make()
    where = walked(tables, 0).entry
    tables.write_entry(where, 1 << 63 | 1 << 58 | 1 << 47 | 1 << 12 | 0xFFF)
    tables.set_cbit(Gva(0x3000), 1, CLEAR)
    assert tables.read_entry(walked(tables, 0x3000).entry) == 1 << 63 | 1 << 58 | 0x3000 | 0xFFF
    assert tables.read_entry(walked(tables, 0x4000).entry) == 1 << 63 | 1 << 58 | 1 << 47 | 0x4000 | 0xFFF
    tables.write_entry(walked(tables, LARGE_PAGE).entry, LARGE_PAGE | 0x83)
    tables.set_cbit(Gva(LARGE_PAGE), 1, SET)
    assert tables.read_entry(walked(tables, LARGE_PAGE + 0x1000).entry) == LARGE_PAGE + 0x1000 | 0x3


def test_a_large_page_that_is_covered_whole_stays_large() -> None:
    """A range of 2 MiB and two pages beside it splits the pages at its ends only."""
    tables, ram = make()
    tables.set_cbit(Gva(LARGE_PAGE - PAGE_SIZE), 514, CLEAR)
    sizes = [walked(tables, gva).size for gva in (0, LARGE_PAGE, 2 * LARGE_PAGE, 3 * LARGE_PAGE)]
    assert sizes == [PAGE_SIZE, LARGE_PAGE, PAGE_SIZE, LARGE_PAGE]
    assert ram.heard == [
        (LARGE_PAGE - PAGE_SIZE, PAGE_SIZE, CLEAR),
        (LARGE_PAGE, LARGE_PAGE, CLEAR),
        (2 * LARGE_PAGE, PAGE_SIZE, CLEAR),
    ]


def test_a_cbit_that_is_right_already_changes_nothing() -> None:
    """Nothing is split and nobody hears of a C-bit that stays as it is."""
    tables, ram = make()
    tables.set_cbit(Gva(0x5000), 3, SET)
    assert walked(tables, 0x5000).size == LARGE_PAGE
    assert ram.heard == []


def test_the_cbit_of_small_pages_can_change_back() -> None:
    """After a split the pages change one by one."""
    tables, _ = make()
    tables.set_cbit(Gva(0x5000), 3, CLEAR)
    tables.set_cbit(Gva(0x6000), 1, SET)
    assert tables.leaf_cbits(Gva(0x4000), 5) == [SET, CLEAR, SET, CLEAR, SET]


@pytest.mark.parametrize("level", [PD, PDPT, PML4])
@pytest.mark.parametrize("cbit", [SET, CLEAR])
def test_the_cbit_of_a_table_entry_does_not_matter(level: int, cbit: CBit) -> None:
    """Only the leaf entry's C-bit counts for data; the walk reads tables through C=1 anyway."""
    tables, _ = make()
    tables.set_cbit(Gva(0x5000), 1, CLEAR)
    tables.set_table_cbit(Gva(0x5000), level, cbit)
    assert [walked(tables, gva).cbit for gva in (0x4000, 0x5000)] == [SET, CLEAR]


@pytest.mark.parametrize(("gva", "level"), [(0, PD), (0x4000_0000, PD), (1 << 39, PDPT), (0, PT), (0, 5)])
def test_only_an_entry_that_leads_to_a_table_has_such_a_cbit(gva: int, level: int) -> None:
    """A leaf, an absent entry and a level that no table has are refused."""
    tables, _ = make()
    with pytest.raises(ValueError, match=rf"leads to a table for {gva:#x}, not one of {level}$"):
        tables.set_table_cbit(Gva(gva), level, SET)


def test_a_machine_may_derive_the_cbit_otherwise() -> None:
    """The bug of believing a table entry's C-bit is one overridden method, which sees the entries of the walk."""

    class Misled(PageTables):
        def _leaf_cbit(self, path: tuple[int, ...]) -> CBit:
            assert len(path) == 4
            return self._cbit_of(path[2])

    ram = ListeningRam()
    tables = Misled(ram, allocator())
    tables.map_page(Gva(0x5000), Gpa(0x5000), SET)
    assert walked(tables, 0x5000).cbit is CLEAR
    tables.set_table_cbit(Gva(0x5000), PD, SET)
    tables.set_cbit(Gva(0x5000), 1, CLEAR)
    assert walked(tables, 0x5000).cbit is SET
    assert tables.leaf_cbits(Gva(0x5000), 1) == [CLEAR]


def test_a_table_written_through_clear_is_garbage_to_the_walker() -> None:
    """A walk decrypts what it reads: entries that lie plain in DRAM end it in a page fault."""
    tables, ram = make()
    directory = walked(tables, 0).entry
    ram.write_raw(directory, ram.read_private(directory, 16))
    assert tables.walk(Gva(0)) is None
    assert tables.walk(Gva(LARGE_PAGE)) is None
    assert tables.walk(Gva(2 * LARGE_PAGE)) is not None
    with pytest.raises(ValueError, match=r"^the page at 0x0 is to be mapped, not absent$"):
        tables.leaf_cbits(Gva(0), 1)


@pytest.mark.parametrize(
    ("depth", "entry"),
    [
        (3, 0x0),
        (3, 0x5002),
        (3, SIZE | 1),
        (3, 0x5001 | 1 << 51),
        (2, 1 << 13 | 0x81),
        (2, 1 << 20 | 0x81),
        (2, SIZE - LARGE_PAGE | 0x81 | 1 << 40),
        (2, SIZE | 1),
        (1, 0x81),
        (1, SIZE | 1),
        (0, 0x81),
        (0, 0x101),
        (0, SIZE | 1),
    ],
)
def test_an_unsound_entry_is_a_page_fault(depth: int, entry: int) -> None:
    """An entry that is not present, points outside RAM or has a reserved bit set ends the walk."""
    tables, _ = make(47)
    tables.set_cbit(Gva(0x5000), 1, CLEAR)
    where, sound = tables._path(Gva(0x5000))[depth]
    tables.write_entry(where, entry)
    assert tables.walk(Gva(0x5000)) is None
    tables.write_entry(where, sound)
    assert tables.walk(Gva(0x5000)) is not None


@pytest.mark.parametrize("gva", [1 << 47, 1 << 48, (1 << 64) - (1 << 47) - 1, 1 << 64, -1])
def test_an_address_that_is_not_canonical_is_a_page_fault(gva: int) -> None:
    """Bits 47 to 63 of an address are alike."""
    tables, _ = make()
    assert tables.walk(Gva(gva)) is None


def test_an_unsound_entry_is_not_mapped_over() -> None:
    """Who maps a page below garbage is told so, instead of having the garbage followed."""
    tables, _ = make()
    where, _ = tables._path(Gva(0))[1]
    tables.write_entry(where, 0x81)
    with pytest.raises(ValueError, match=rf"^the entry at {where:#x} is to be absent or sound, not 0x81$"):
        tables.map_page(Gva(0), Gpa(0), SET)


def test_a_table_page_that_was_used_before_is_cleared() -> None:
    """A new table has no entries, whatever lay in its page."""
    ram = ListeningRam()
    ram.write_private(Gpa(TABLES), b"\x03" * PAGE_SIZE)
    assert PageTables(ram, allocator()).walk(Gva(0)) is None


def test_what_does_not_fit_is_refused() -> None:
    """Misaligned, absent and outlying pages and other C-bit positions are errors of the caller."""
    tables, ram = make()
    with pytest.raises(ValueError, match=r"^the C-bit is bit 47 or 51 of an entry, not 48$"):
        PageTables(ram, allocator(), 48)
    with pytest.raises(ValueError, match=r"^the table is a multiple of 0x1000, not 0x8$"):
        PageTables(ram, lambda: Gpa(8))
    with pytest.raises(ValueError, match=r"^the gva is a multiple of 0x1000, not 0x1001$"):
        tables.map_page(Gva(0x1001), Gpa(0), SET)
    with pytest.raises(ValueError, match=r"^the gpa is a multiple of 0x200000, not 0x1000$"):
        tables.map_large(Gva(0), Gpa(0x1000), SET)
    with pytest.raises(ValueError, match=r"^the size is a multiple of 0x200000, not 0x1000$"):
        tables.map_identity(PAGE_SIZE, SET)
    with pytest.raises(ValueError, match=rf"^a page lies within RAM of {SIZE:#x} bytes, not at {SIZE:#x} of 0x1000 "):
        tables.map_page(Gva(0), Gpa(SIZE), SET)
    with pytest.raises(ValueError, match=r"^a gva has bits 63 to 47 alike, not 0x800000000000$"):
        tables.map_page(Gva(1 << 47), Gpa(0), SET)
    with pytest.raises(ValueError, match=r"^the gva is a multiple of 0x1000, not 0x10$"):
        tables.set_cbit(Gva(0x10), 1, SET)


def test_a_range_that_is_mapped_in_part_is_refused_whole() -> None:
    """If one page of a range is absent, no C-bit of the range changes."""
    tables, ram = make()
    with pytest.raises(ValueError, match=rf"^the page at {SIZE:#x} is to be mapped, not absent$"):
        tables.set_cbit(Gva(SIZE - PAGE_SIZE), 2, CLEAR)
    assert tables.leaf_cbits(Gva(SIZE - LARGE_PAGE), 512) == [SET] * 512
    assert ram.heard == []
