"""The page allocator against one that keeps a type for each page, and the MapKey against what changed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sevconf.model.memory_map import FIRST_KEY, MemoryMap, Placement, bottom_up, top_down
from sevconf.model.recorder import Recorder
from sevconf.trace import MapChanged, Trace
from sevconf.vocabulary import PAGE_SIZE, AllocateType, EfiStatus, Gpa, MemoryDescriptor, MemoryType

PAGES = 24
RESERVED = 4
DATA, CODE = MemoryType.BOOT_SERVICES_DATA, MemoryType.LOADER_CODE
FREE, FIRMWARE = MemoryType.CONVENTIONAL, MemoryType.RESERVED
SUCCESS, NOT_FOUND, INVALID = EfiStatus.SUCCESS, EfiStatus.NOT_FOUND, EfiStatus.INVALID_PARAMETER


def make(place: Placement = top_down) -> MemoryMap:
    """Make a map of a few pages."""
    return MemoryMap(Recorder(Trace()), PAGES * PAGE_SIZE, RESERVED * PAGE_SIZE, place)


def types(memory_map: MemoryMap) -> list[MemoryType]:
    """Spell the map out, page by page, and check its form: sorted, merged, without gap or overlap."""
    found: list[MemoryType] = []
    for before, after in zip(memory_map.descriptors, memory_map.descriptors[1:], strict=False):
        assert before.end == after.start
        assert before.type is not after.type
    for descriptor in memory_map.descriptors:
        assert descriptor.pages > 0
        found += [descriptor.type] * descriptor.pages
    assert memory_map.descriptors[0].start == 0
    assert len(found) == PAGES
    return found


def test_a_fresh_map_is_firmware_and_free_memory() -> None:
    """At reset the firmware's part is reserved and all else is free."""
    assert make().descriptors == [
        MemoryDescriptor(FIRMWARE, Gpa(0), RESERVED),
        MemoryDescriptor(FREE, Gpa(RESERVED * PAGE_SIZE), PAGES - RESERVED),
    ]


_TYPES = st.sampled_from([DATA, CODE, FIRMWARE, FREE, MemoryType.PERSISTENT, MemoryType.UNACCEPTED])
_COUNTS = st.integers(-1, 9)
_ADDRESSES = st.integers(-1, PAGES + 1).map(lambda page: page * PAGE_SIZE) | st.integers(0, PAGES * PAGE_SIZE)
Request = tuple[str, AllocateType, MemoryType, int, int]
_ACTS = st.lists(
    st.one_of(
        st.tuples(st.just("allocate"), st.sampled_from(AllocateType), _TYPES, _COUNTS, _ADDRESSES),
        st.tuples(st.just("free"), st.just(AllocateType.ADDRESS), st.just(DATA), _COUNTS, _ADDRESSES),
    ),
    max_size=25,
)


@given(_ACTS, st.sampled_from([top_down, bottom_up]))
def test_any_sequence_keeps_the_map_in_order(acts: list[Request], place: Placement) -> None:
    """After any calls the map is sorted, merged, without gap or overlap, and the key moved iff a range changed."""
    memory_map = make(place)
    before = types(memory_map)
    for act, how, memory_type, pages, address in acts:
        key = memory_map.key
        if act == "allocate":
            status, start = memory_map.allocate(how, memory_type, pages, address)
            after_type, needed = memory_type, FREE
        else:
            status, start = memory_map.free(address, pages), Gpa(address)
            after_type, needed = FREE, None
        after = types(memory_map)
        if status is SUCCESS:
            first = start // PAGE_SIZE
            assert start % PAGE_SIZE == 0
            assert first >= RESERVED
            assert needed is None or set(before[first : first + pages]) == {needed}
            assert len(set(before[first : first + pages])) == 1
            before[first : first + pages] = [after_type] * pages
        assert after == before
        assert (memory_map.key != key) == (status is SUCCESS)
        if status is SUCCESS and how is AllocateType.ADDRESS:
            assert start == address
        if status is SUCCESS and how is AllocateType.MAX_ADDRESS:
            assert start + pages * PAGE_SIZE - 1 <= address


@pytest.mark.parametrize(
    ("how", "address", "expected"),
    [
        (AllocateType.ANY_PAGES, 0, (SUCCESS, (PAGES - 2) * PAGE_SIZE)),
        (AllocateType.MAX_ADDRESS, 10 * PAGE_SIZE - 1, (SUCCESS, 8 * PAGE_SIZE)),
        (AllocateType.MAX_ADDRESS, 10 * PAGE_SIZE - 2, (SUCCESS, 7 * PAGE_SIZE)),
        (AllocateType.MAX_ADDRESS, 1 << 40, (SUCCESS, (PAGES - 2) * PAGE_SIZE)),
        (AllocateType.MAX_ADDRESS, (RESERVED + 2) * PAGE_SIZE - 2, (EfiStatus.OUT_OF_RESOURCES, 0)),
        (AllocateType.ADDRESS, 10 * PAGE_SIZE, (SUCCESS, 10 * PAGE_SIZE)),
        (AllocateType.ADDRESS, 10 * PAGE_SIZE + 8, (NOT_FOUND, 0)),
        (AllocateType.ADDRESS, (RESERVED - 1) * PAGE_SIZE, (NOT_FOUND, 0)),
        (AllocateType.ADDRESS, (PAGES - 1) * PAGE_SIZE, (NOT_FOUND, 0)),
        (AllocateType.ADDRESS, PAGES * PAGE_SIZE, (NOT_FOUND, 0)),
    ],
)
def test_where_two_pages_go(how: AllocateType, address: int, expected: tuple[EfiStatus, int]) -> None:
    """Each way of allocating respects its address, and fails where no free pages are."""
    assert make().allocate(how, DATA, 2, address) == expected


@pytest.mark.parametrize("memory_type", [FREE, MemoryType.PERSISTENT, MemoryType.UNACCEPTED], ids=lambda t: t.name)
def test_types_that_cannot_be_allocated(memory_type: MemoryType) -> None:
    """Memory cannot be allocated as free, persistent or unaccepted."""
    assert make().allocate(AllocateType.ANY_PAGES, memory_type, 1, 0) == (INVALID, 0)


@pytest.mark.parametrize("pages", [0, -1])
def test_no_pages_are_no_request(pages: int) -> None:
    """Neither zero nor fewer pages can be allocated or freed."""
    memory_map = make()
    _, start = memory_map.allocate(AllocateType.ANY_PAGES, DATA, 1, 0)
    assert memory_map.allocate(AllocateType.ANY_PAGES, DATA, pages, 0) == (INVALID, 0)
    assert memory_map.free(start, pages) is INVALID


def test_more_pages_than_a_range_has_are_refused() -> None:
    """A request that no free range holds is EFI_OUT_OF_RESOURCES."""
    assert make().allocate(AllocateType.ANY_PAGES, DATA, PAGES - RESERVED + 1, 0) == (EfiStatus.OUT_OF_RESOURCES, 0)


@pytest.mark.parametrize(
    ("address", "pages", "status"),
    [
        (10 * PAGE_SIZE, 4, SUCCESS),
        (11 * PAGE_SIZE, 2, SUCCESS),
        (10 * PAGE_SIZE + 1, 1, INVALID),
        (9 * PAGE_SIZE, 1, NOT_FOUND),
        (10 * PAGE_SIZE, 5, NOT_FOUND),
        (0, 1, NOT_FOUND),
        ((RESERVED - 1) * PAGE_SIZE, 1, NOT_FOUND),
        (PAGES * PAGE_SIZE, 1, NOT_FOUND),
    ],
)
def test_what_can_be_freed(address: int, pages: int, status: EfiStatus) -> None:
    """Of four allocated pages all or some can be freed, and nothing beside them."""
    memory_map = make()
    memory_map.allocate(AllocateType.ADDRESS, DATA, 4, 10 * PAGE_SIZE)
    assert memory_map.free(address, pages) is status


def test_reserved_pages_can_be_given_back() -> None:
    """What was allocated as reserved is freed like all else, also where it touches the firmware's own pages."""
    memory_map = make()
    first = RESERVED * PAGE_SIZE
    assert memory_map.allocate(AllocateType.ADDRESS, FIRMWARE, 2, first) == (SUCCESS, first)
    assert memory_map.free(first - PAGE_SIZE, 2) is NOT_FOUND
    assert memory_map.free(first, 2) is SUCCESS
    assert types(memory_map) == types(make())


def test_each_change_is_in_the_trace_with_its_key() -> None:
    """Every change of a range is an entry with the key from then on."""
    trace = Trace()
    memory_map = MemoryMap(Recorder(trace), PAGES * PAGE_SIZE, RESERVED * PAGE_SIZE)
    _, start = memory_map.allocate(AllocateType.ANY_PAGES, CODE, 3, 0)
    memory_map.free(start, 1)
    assert [(e.start, e.pages, e.type, e.key) for e in trace.of(MapChanged)] == [
        (start, 3, CODE, FIRST_KEY + 1),
        (start, 1, FREE, FIRST_KEY + 2),
    ]
