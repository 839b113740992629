"""Sentences on memory services and the MapKey, and on what exit handlers make of them."""

from collections.abc import Callable
from itertools import pairwise

from pytest_bdd import given, parsers, then, when

from sevconf.contract import Machine
from sevconf.monitors import control, exit_window, judge, judge_breaches, torn_down
from sevconf.trace import MapChanged, NotificationBegan, party_of
from sevconf.vocabulary import PAGE_SIZE, EfiStatus, Gva, MemoryType, Party

from .values import Monitored, Scene


@given("the current MapKey is known")
def key_known(machine: Machine, scene: Scene) -> None:
    """Memory map: a state to compare with; what the scenario will free is allocated before."""
    pages, pool = machine.core.allocate_pages(1), machine.core.allocate_pool(65536)
    control(not pages[0].is_error and not pool[0].is_error, "nothing could be allocated")
    scene.notes.update(page=pages[1], pool=pool[1])
    status, scene.notes["map"] = machine.core.memory_map()
    control(not status.is_error, f"GetMemoryMap returned {status}")
    scene.notes["key"] = scene.notes["map"].map_key


@when(parsers.re(r"somebody (?P<act>.+)"))
def somebody_acts(machine: Machine, scene: Scene, act: str) -> None:
    """Memory services: one act, by its words."""
    core, page, pool = machine.core, scene.notes["page"], scene.notes["pool"]

    def free_pool_twice() -> EfiStatus:
        control(not core.free_pool(pool).is_error, "the first FreePool failed")
        scene.notes["map"] = core.memory_map()[1]
        return core.free_pool(pool)

    def free_page_twice() -> EfiStatus:
        control(not core.free_pages(page, 1).is_error, "the first FreePages failed")
        scene.notes["map"] = core.memory_map()[1]
        return core.free_pages(page, 1)

    acts: dict[str, Callable[[], EfiStatus]] = {
        "allocates one page": lambda: core.allocate_pages(1)[0],
        "allocates 16 pages": lambda: core.allocate_pages(16)[0],
        "frees one page": lambda: core.free_pages(page, 1),
        "allocates a pool buffer of 65536 bytes": lambda: core.allocate_pool(65536)[0],
        "frees a pool buffer of 65536 bytes": lambda: core.free_pool(pool),
        "allocates more pages than exist": lambda: core.allocate_pages(1 << 40)[0],
        "allocates one persistent page": lambda: core.allocate_pages(1, MemoryType.PERSISTENT)[0],
        "frees a page that is free": free_page_twice,
        "frees half a page": lambda: core.free_pages(Gva(page + PAGE_SIZE // 2), 1),
        "frees a pool buffer twice": free_pool_twice,
    }
    scene.notes["status"] = acts[act]()


@then("the MapKey is another one")
def key_moved(machine: Machine, scene: Scene) -> None:
    """Memory map: its key."""
    control(not scene.notes["status"].is_error, f"the act failed: {scene.notes['status']}")
    key = machine.core.memory_map()[1].map_key
    judge(
        key != scene.notes["key"],
        expected=f"the MapKey is not {scene.notes['key']:#x} any more",
        observed=f"it is still {key:#x}",
        culprit="core",
        steps=(*[e.step for e in machine.trace.of(MapChanged)][-1:], len(machine.trace)),
    )


@then("the memory map shows the change")
def map_changed(machine: Machine, scene: Scene) -> None:
    """Memory map: its ranges."""
    now = machine.core.memory_map()[1]
    judge(
        now.descriptors != scene.notes["map"].descriptors,
        expected="the ranges of the memory map have changed",
        observed="they are as before",
        culprit="core",
        steps=(len(machine.trace),),
    )


@then(parsers.parse("the call returns {status}"))
def call_returns(machine: Machine, scene: Scene, status: str) -> None:
    """Memory services: a status."""
    judge(
        str(scene.notes["status"]) == status,
        expected=f"the call returns {status}",
        observed=f"it returns {scene.notes['status']}",
        culprit="core",
        steps=(len(machine.trace),),
    )


@then("the memory map and the MapKey are as before")
def map_as_before(machine: Machine, scene: Scene) -> None:
    """Memory map: ranges and key."""
    before, now = scene.notes["map"], machine.core.memory_map()[1]
    judge(
        (before.descriptors, before.map_key) == (now.descriptors, now.map_key),
        expected=f"{len(before.descriptors)} ranges as before, MapKey {before.map_key:#x}",
        observed=f"{len(now.descriptors)} ranges, MapKey {now.map_key:#x}",
        culprit="core",
        steps=(len(machine.trace),),
    )


@when(parsers.parse("the memory map is asked for with a buffer of {size:d} bytes"))
def map_asked(machine: Machine, scene: Scene, size: int) -> None:
    """Memory map: a buffer that is too small."""
    scene.notes["status"], scene.notes["map"] = machine.core.memory_map(size)


@then("GetMemoryMap returns EFI_BUFFER_TOO_SMALL and the size it needs")
def too_small(machine: Machine, scene: Scene) -> None:
    """Memory map: the size needed."""
    status, size = scene.notes["status"], scene.notes["map"].needed_size
    judge(
        status is EfiStatus.BUFFER_TOO_SMALL and size > 0,
        expected="EFI_BUFFER_TOO_SMALL and a size above 0",
        observed=f"{status} and {size} bytes",
        culprit="core",
        steps=(len(machine.trace),),
    )


@then("a buffer of that size gets the whole memory map and its MapKey")
def fits(machine: Machine, scene: Scene) -> None:
    """Memory map: the buffer that was asked for."""
    size = scene.notes["map"].needed_size
    status, got = machine.core.memory_map(size)
    judge(
        status is EfiStatus.SUCCESS and 0 < len(got.descriptors) * got.descriptor_size <= size,
        expected=f"EFI_SUCCESS, and ranges in at most {size} bytes",
        observed=f"{status}, and {len(got.descriptors)} ranges of {got.descriptor_size} bytes",
        culprit="core",
        steps=(len(machine.trace),),
    )


@then("the ranges of the memory map lie side by side without overlap")
def no_overlap(machine: Machine) -> None:
    """Memory map: its ranges."""
    ranges = sorted(machine.core.memory_map()[1].descriptors, key=lambda d: d.start)
    wrong = [f"{b.start:#x}" for a, b in pairwise(ranges) if b.start < a.end]
    control(ranges, "the memory map has no ranges")
    judge(
        not wrong and all(d.pages > 0 for d in ranges),
        expected="no range begins inside another, and none is empty",
        observed=f"ranges at {', '.join(wrong)} begin inside another" if wrong else "a range is empty",
        culprit="core",
        steps=(len(machine.trace),),
    )


# What exit handlers do


def require_exit(machine: Machine) -> None:
    """Hold that the machine was handed over, and the exit group really notified: a witness's handler ran."""
    control(exit_window(machine.trace), "ExitBootServices did not succeed")
    control(
        any(e.event == "witness" for e in machine.trace.of(NotificationBegan)),
        "the witness's exit handler did not run, so that no other one was seen does not count",
    )


@then("no exit handler of the driver calls a memory allocation service")
def no_direct_use(machine: Machine, monitored: Monitored) -> None:
    """Exit handlers: direct calls."""
    require_exit(machine)
    judge_breaches(monitored("MEM-01"))


@then("no exit handler of the driver brings a memory allocation service about")
def no_indirect_use(machine: Machine, monitored: Monitored) -> None:
    """Exit handlers: calls inside calls."""
    require_exit(machine)
    judge_breaches(monitored("MEM-02"))


@then("no exit handler of the driver creates or closes an event")
def no_event_services(machine: Machine, monitored: Monitored) -> None:
    """Exit handlers: event services."""
    require_exit(machine)
    judge_breaches(monitored("MEM-03"))


@then("the IOMMU driver ends them without a memory allocation service")
def teardown_clean(machine: Machine, monitored: Monitored) -> None:
    """Exit handlers: the IOMMU driver's."""
    ran = [e for e in machine.trace.of(NotificationBegan) if party_of(e.actor) == Party.IOMMU_DRIVER.value]
    control(ran, "no notification function of the IOMMU driver ran")
    control(torn_down(machine.trace), "no mapping was ended at exit")
    judge_breaches(monitored("MEM-04"))


@then("the memory map is still the one that the OS loader holds")
def map_unchanged_at_exit(machine: Machine) -> None:
    """Memory map: between the accepted key and the end of boot services."""
    window = exit_window(machine.trace)
    if window is None:
        control(holds=False, what="ExitBootServices did not succeed")
        return
    changes = [e for e in machine.trace.of(MapChanged, since=window.opened) if e.step < window.closed]
    callers = [_caller(machine, change) for change in changes]
    judge(
        not changes,
        expected="no page range changes between the accepted MapKey and the end of boot services",
        observed=f"{len(changes)} changes, the first at step {changes[0].step if changes else 0}",
        culprit=callers[0] if callers else "",
        steps=(window.opened, *(e.step for e in changes)),
    )


def _caller(machine: Machine, change: MapChanged) -> str:
    notification = next((e for e in machine.trace.enclosing(change) if isinstance(e, NotificationBegan)), change)
    return notification.actor
