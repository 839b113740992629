"""The pool: buffers that never overlap, and a MapKey that moves only with whole pages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sevconf.model.memory_map import MemoryMap
from sevconf.model.pool import BUCKETS, Pool
from sevconf.model.recorder import Recorder
from sevconf.trace import Trace
from sevconf.vocabulary import PAGE_SIZE, AllocateType, EfiStatus, Gva, MemoryType

DATA, LOADER = MemoryType.BOOT_SERVICES_DATA, MemoryType.LOADER_DATA
SUCCESS, INVALID = EfiStatus.SUCCESS, EfiStatus.INVALID_PARAMETER
PAGES = 32


def make() -> tuple[Pool, MemoryMap]:
    """Make a pool over a few pages."""
    memory_map = MemoryMap(Recorder(Trace()), PAGES * PAGE_SIZE, PAGE_SIZE)
    return Pool(memory_map), memory_map


def test_small_buffers_share_a_page_and_keep_the_key() -> None:
    """The first buffer of a size takes a page, the next ones of that page don't move the key."""
    pool, memory_map = make()
    first = pool.allocate(DATA, 1)[1]
    key = memory_map.key
    others = [pool.allocate(DATA, BUCKETS[0])[1] for _ in range(PAGE_SIZE // BUCKETS[0] - 1)]
    assert {buffer // PAGE_SIZE for buffer in others} == {first // PAGE_SIZE}
    assert memory_map.key == key
    assert pool.allocate(DATA, 1)[1] // PAGE_SIZE != first // PAGE_SIZE
    assert memory_map.key != key


def test_the_last_buffer_of_a_page_gives_it_back() -> None:
    """Freeing moves the key when a page becomes empty, and only then."""
    pool, memory_map = make()
    before = list(memory_map.descriptors)
    one, two = pool.allocate(DATA, 64)[1], pool.allocate(DATA, 64)[1]
    key = memory_map.key
    assert pool.free(one) is SUCCESS
    assert memory_map.key == key
    assert pool.free(two) is SUCCESS
    assert memory_map.key != key
    assert memory_map.descriptors == before


def test_a_freed_slot_is_used_again() -> None:
    """A buffer that was given back is the next one of its size."""
    pool, memory_map = make()
    one, _ = pool.allocate(DATA, 64)[1], pool.allocate(DATA, 64)
    pool.free(one)
    key = memory_map.key
    assert pool.allocate(DATA, 60) == (SUCCESS, one)
    assert memory_map.key == key


@pytest.mark.parametrize("size", [BUCKETS[-1] + 1, PAGE_SIZE, 5 * PAGE_SIZE])
def test_large_buffers_have_pages_of_their_own(size: int) -> None:
    """A buffer larger than the largest slot moves the key when it comes and when it goes."""
    pool, memory_map = make()
    keys = [memory_map.key]
    status, buffer = pool.allocate(DATA, size)
    keys.append(memory_map.key)
    assert (status, buffer % PAGE_SIZE) == (SUCCESS, 0)
    assert pool.free(buffer) is SUCCESS
    keys.append(memory_map.key)
    assert len(set(keys)) == 3
    assert pool.free(buffer) is INVALID


def test_types_do_not_share_pages() -> None:
    """A page of the pool has the memory type of its buffers."""
    pool, memory_map = make()
    pages = {kind: pool.allocate(kind, 64)[1] // PAGE_SIZE for kind in (DATA, LOADER)}
    for kind, page in pages.items():
        assert any(d.type is kind and d.start <= page * PAGE_SIZE < d.end for d in memory_map.descriptors)


@pytest.mark.parametrize("offset", [8, 64, -64, PAGE_SIZE])
def test_only_what_was_given_can_be_freed(offset: int) -> None:
    """An address that AllocatePool did not return is EFI_INVALID_PARAMETER."""
    pool, _ = make()
    _, buffer = pool.allocate(DATA, 128)
    assert pool.free(Gva(buffer + offset)) is INVALID


@pytest.mark.parametrize("size", [64, PAGE_SIZE])
def test_a_full_machine_refuses(size: int) -> None:
    """Without a free page neither small nor large buffers are given, and nothing is kept."""
    pool, memory_map = make()
    memory_map.allocate(AllocateType.ANY_PAGES, DATA, PAGES - 1, 0)
    assert pool.allocate(DATA, size) == (EfiStatus.OUT_OF_RESOURCES, 0)
    assert pool.free(Gva(0)) is INVALID


@given(st.lists(st.integers(0, 3 * PAGE_SIZE) | st.tuples(st.integers(0, 40)), max_size=60))
def test_buffers_never_overlap(acts: list[int | tuple[int]]) -> None:
    """After any allocations and frees live buffers are aligned, apart, and inside pages of their type."""
    pool, memory_map = make()
    fresh = list(memory_map.descriptors)
    live: dict[Gva, int] = {}
    for act in acts:
        if isinstance(act, tuple):
            if live:
                buffer = sorted(live)[act[0] % len(live)]
                del live[buffer]
                assert pool.free(buffer) is SUCCESS
            continue
        status, buffer = pool.allocate(DATA, act)
        if status is SUCCESS:
            assert buffer not in live
            live[buffer] = max(act, 1)
        ends = 0
        for start, size in sorted(live.items()):
            assert start % 8 == 0
            assert start >= ends
            ends = start + size
            assert any(d.type is DATA and d.start <= start and ends <= d.end for d in memory_map.descriptors)
    for buffer in live:
        assert pool.free(buffer) is SUCCESS
    assert memory_map.descriptors == fresh
