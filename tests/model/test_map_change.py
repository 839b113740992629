"""Changes of the memory map signal EFI_EVENT_GROUP_MEMORY_MAP_CHANGE (UEFI 2.10, 7.1.2), behind the change."""

from collections.abc import Callable

import pytest

from sevconf.model.boot_services import Core
from sevconf.model.machine import ReferenceMachine
from sevconf.vocabulary import EVT_NOTIFY_SIGNAL, AllocateType, EventGroup, MachineKind, MemoryType, Tpl

DATA = MemoryType.BOOT_SERVICES_DATA
GROUP = EventGroup.MEMORY_MAP_CHANGE.value


def _watched(level: Tpl = Tpl.CALLBACK) -> tuple[Core, list[int]]:
    core = ReferenceMachine(MachineKind.NONE, 0).core
    seen: list[int] = []
    core.create_event_ex(EVT_NOTIFY_SIGNAL, level, lambda: seen.append(core.map.key), GROUP)
    return core, seen


def _pages(core: Core) -> None:
    core.allocate_pages(AllocateType.ANY_PAGES, DATA, 3)


def _freed(core: Core) -> None:
    _, page = core.allocate_pages(AllocateType.ANY_PAGES, DATA, 1)
    core.free_pages(page, 1)


def _pool(core: Core) -> None:
    _, buffer = core.allocate_pool(DATA, 64)
    core.free_pool(buffer)


@pytest.mark.parametrize(("act", "changes"), [(_pages, 1), (_freed, 2), (_pool, 2)])
def test_each_change_is_told(act: Callable[[Core], None], changes: int) -> None:
    """The handler runs behind each change, and finds the key that belongs to it."""
    core, seen = _watched()
    key = core.map.key
    act(core)
    assert seen == [key + number for number in range(1, changes + 1)]


def test_no_change_is_not_told() -> None:
    """A call that fails, or finds its buffer on a pool page, tells nobody."""
    core, seen = _watched()
    core.allocate_pool(DATA, 64)
    seen.clear()
    core.allocate_pool(DATA, 64)
    core.allocate_pages(AllocateType.ANY_PAGES, DATA, 1 << 40)
    core.free_pages(core.allocate_pool(DATA, 64)[1], 0)
    assert seen == []


def test_the_handler_waits_for_its_level() -> None:
    """Several changes at the level of the handler run it once, when the level is below its own again."""
    core, seen = _watched()
    old = core.raise_tpl(Tpl.CALLBACK)
    _pages(core)
    _pages(core)
    assert seen == []
    core.restore_tpl(old)
    assert seen == [core.map.key]


def test_a_handler_above_the_caller_runs_inside_the_service() -> None:
    """A handler at TPL_NOTIFY runs before the service returns to a caller at TPL_CALLBACK, with all work done."""
    core, seen = _watched(Tpl.NOTIFY)
    core.raise_tpl(Tpl.CALLBACK)
    _pages(core)
    assert seen == [core.map.key]
