"""The core's services beside events: statuses, memory, and how ExitBootServices ends them all."""

from collections.abc import Callable

import pytest

from sevconf.contract.driver import EventHandle, NotifyFunction
from sevconf.errors import ForeignFailure
from sevconf.model.boot_services import PATIENCE, Core
from sevconf.model.event import TICK
from sevconf.model.machine import ReferenceMachine
from sevconf.model.memory_map import DESCRIPTOR_SIZE
from sevconf.trace import ExitPhase, Phase, ServiceCall, ServiceReturn
from sevconf.vocabulary import (
    EVT_NOTIFY_SIGNAL,
    EVT_SIGNAL_EXIT_BOOT_SERVICES,
    EVT_TIMER,
    AllocateType,
    EfiStatus,
    EventGroup,
    Gva,
    MachineKind,
    MemoryType,
    TimerDelay,
    Tpl,
)

BEFORE = EventGroup.BEFORE_EXIT_BOOT_SERVICES.value
DATA = MemoryType.BOOT_SERVICES_DATA
SUCCESS, UNSUPPORTED, INVALID = EfiStatus.SUCCESS, EfiStatus.UNSUPPORTED, EfiStatus.INVALID_PARAMETER


@pytest.fixture
def machine() -> ReferenceMachine:
    """Return a machine without IOMMU, just reset."""
    return ReferenceMachine(MachineKind.NONE, 0)


@pytest.fixture
def core(machine: ReferenceMachine) -> Core:
    """Return its core."""
    return machine.core


def _key(core: Core) -> int:
    return core.get_memory_map(1 << 16)[1].map_key


def _phases(machine: ReferenceMachine) -> list[Phase]:
    return [entry.phase for entry in machine.trace.of(ExitPhase)]


def _doing(act: Callable[[], object]) -> NotifyFunction:
    def notify() -> None:
        act()

    return notify


def _allocating(core: Core) -> NotifyFunction:
    return _doing(lambda: core.allocate_pages(AllocateType.ANY_PAGES, DATA, 1))


def _handler(core: Core, ran: list[str], name: str, tpl: Tpl = Tpl.CALLBACK, group: str | None = None) -> None:
    kind = EVT_SIGNAL_EXIT_BOOT_SERVICES if group is None else EVT_NOTIFY_SIGNAL
    status, _ = core.create_event_ex(kind, tpl, lambda: ran.append(name), group, name=name)
    assert status is SUCCESS


# The trace of a service


def test_a_call_and_its_return_stand_in_the_trace(machine: ReferenceMachine) -> None:
    """A service leaves its call by the caller, at the caller's level, and its return by the core."""
    with machine.recorder.acting("driver:a"):
        status, buffer = machine.core.allocate_pool(DATA, 24)
    (call,) = machine.trace.of(ServiceCall)
    (returned,) = machine.trace.of(ServiceReturn)
    assert status is SUCCESS
    assert (call.actor, call.service, call.tpl) == ("driver:a", "AllocatePool", Tpl.APPLICATION)
    assert call.arguments == (("memory_type", "BOOT_SERVICES_DATA"), ("size", 24))
    assert (returned.actor, returned.call, returned.within) == ("core", call.step, call.step)
    assert (returned.status, returned.results) == (SUCCESS, (("buffer", buffer),))


def test_services_without_a_status_record_none(machine: ReferenceMachine) -> None:
    """RaiseTPL and RestoreTPL return no status."""
    machine.core.restore_tpl(machine.core.raise_tpl(Tpl.NOTIFY))
    assert [entry.status for entry in machine.trace.of(ServiceReturn)] == [None, None]


# Memory


def test_pages_come_and_go(core: Core) -> None:
    """AllocatePages and FreePages report what the memory map did."""
    status, pages = core.allocate_pages(AllocateType.ANY_PAGES, DATA, 2)
    assert status is SUCCESS
    assert core.free_pages(pages, 2) is SUCCESS
    assert core.free_pages(pages, 2) is EfiStatus.NOT_FOUND
    assert core.allocate_pages(AllocateType.ADDRESS, DATA, 2, pages) == (SUCCESS, pages)


def test_pool_comes_and_goes(core: Core) -> None:
    """AllocatePool and FreePool report what the pool did."""
    status, buffer = core.allocate_pool(DATA, 100)
    assert (status, buffer % 8) == (SUCCESS, 0)
    assert core.free_pool(buffer) is SUCCESS
    assert core.free_pool(buffer) is INVALID


def test_the_map_is_told_only_to_a_buffer_that_holds_it(core: Core) -> None:
    """A buffer too small gets the size needed and neither map nor key; one of that size gets both."""
    status, answer = core.get_memory_map(0)
    assert status is EfiStatus.BUFFER_TOO_SMALL
    assert (answer.map_key, answer.descriptors, answer.needed_size % DESCRIPTOR_SIZE) == (0, (), 0)
    assert core.get_memory_map(answer.needed_size - 1)[0] is EfiStatus.BUFFER_TOO_SMALL
    status, whole = core.get_memory_map(answer.needed_size)
    assert status is SUCCESS
    assert len(whole.descriptors) * DESCRIPTOR_SIZE == whole.needed_size == answer.needed_size
    assert whole.map_key == core.map.key


# WaitForEvent and Stall


def test_waiting_lets_time_pass_until_a_timer_signals(core: Core, machine: ReferenceMachine) -> None:
    """WaitForEvent returns the index of the event that a timer signals first."""
    _, never = core.create_event(0, Tpl.APPLICATION)
    _, late = core.create_event(EVT_TIMER, Tpl.APPLICATION)
    core.set_timer(late, TimerDelay.RELATIVE, 5 * TICK)
    assert core.wait_for_event((never, late)) == (SUCCESS, 1)
    assert machine.events.now == 5 * TICK


def test_of_several_signaled_events_the_first_counts(core: Core) -> None:
    """WaitForEvent takes the first of its list that is signaled, and leaves the others signaled."""
    handles = tuple(core.create_event(0, Tpl.APPLICATION)[1] for _ in range(3))
    for handle in handles[1:]:
        core.signal_event(handle)
    assert core.wait_for_event(handles) == (SUCCESS, 1)
    assert core.wait_for_event(handles) == (SUCCESS, 2)


def test_waiting_for_no_event_is_refused(core: Core) -> None:
    """WaitForEvent of no event at all is EFI_INVALID_PARAMETER."""
    assert core.wait_for_event(()) == (INVALID, 0)


@pytest.mark.parametrize("tpl", [Tpl.CALLBACK, Tpl.NOTIFY, Tpl.HIGH_LEVEL], ids=str)
def test_waiting_above_application_is_refused(core: Core, tpl: Tpl) -> None:
    """WaitForEvent above TPL_APPLICATION is EFI_UNSUPPORTED."""
    _, handle = core.create_event(0, Tpl.APPLICATION)
    core.signal_event(handle)
    core.raise_tpl(tpl)
    assert core.wait_for_event((handle,)) == (UNSUPPORTED, 0)


def test_a_wait_that_nothing_ends_is_the_callers_failure(core: Core, machine: ReferenceMachine) -> None:
    """A wait for what is never signaled is a hang of whoever waits, told with its name."""
    _, handle = core.create_event(0, Tpl.APPLICATION)
    with (
        pytest.raises(ForeignFailure, match=f"^driver:a: waits in WaitForEvent .* {PATIENCE} ticks") as raised,
        machine.recorder.acting("driver:a"),
    ):
        core.wait_for_event((handle,))
    assert raised.value.culprit == "driver:a"
    assert machine.recorder.actor == "scenario"


def test_stalling_lets_devices_and_timers_go_on(core: Core, machine: ReferenceMachine) -> None:
    """Stall takes microseconds, and time passes for devices and timers."""
    steps: list[int] = []
    machine.disk.step = lambda: steps.append(machine.events.now)  # type: ignore[method-assign]
    assert core.stall(100) is SUCCESS
    assert steps == [0]
    assert machine.events.now == 1000


# ExitBootServices

_TO_KEY = [Phase.CALLED, Phase.BEFORE_GROUP, Phase.TIMERS_OFF]
_FROM_KEY = [Phase.KEY_ACCEPTED, Phase.EXIT_GROUP, Phase.HANDLERS_DONE, Phase.SERVICES_GONE, Phase.RETURNED]


def test_the_phases_come_in_their_order(core: Core, machine: ReferenceMachine) -> None:
    """BEFORE group, timers off, key, EXIT group, services gone, return with success."""
    ran: list[str] = []
    _handler(core, ran, "exit")
    _handler(core, ran, "exit at notify", Tpl.NOTIFY)
    _handler(core, ran, "before", group=BEFORE)
    assert core.exit_boot_services(_key(core)) is SUCCESS
    assert ran == ["before", "exit at notify", "exit"]
    assert _phases(machine) == [*_TO_KEY, *_FROM_KEY]
    assert [entry.status for entry in machine.trace.of(ExitPhase)][-1] is SUCCESS


def test_handlers_run_between_the_phases_that_say_so(core: Core, machine: ReferenceMachine) -> None:
    """Exit handlers run behind the accepted key and before they are told to be done."""
    _handler(core, [], "exit")
    _handler(core, [], "before", group=BEFORE)
    core.exit_boot_services(_key(core))
    trace = machine.trace
    steps = {phase: entry.step for phase in Phase if (entry := trace.phase(phase))}
    (before,) = trace.handlers(EventGroup.BEFORE_EXIT_BOOT_SERVICES)
    (exit_,) = trace.handlers()
    assert steps[Phase.BEFORE_GROUP] < before.step < steps[Phase.TIMERS_OFF]
    assert steps[Phase.EXIT_GROUP] < exit_.step < steps[Phase.HANDLERS_DONE]


def test_a_stale_key_is_refused_and_no_handler_runs(core: Core, machine: ReferenceMachine) -> None:
    """With another key than the current one the EXIT group is not signaled, and services go on."""
    ran: list[str] = []
    _handler(core, ran, "exit")
    key = _key(core)
    core.allocate_pages(AllocateType.ANY_PAGES, DATA, 1)
    assert core.exit_boot_services(key) is INVALID
    assert ran == []
    assert _phases(machine) == [*_TO_KEY, Phase.KEY_REFUSED, Phase.RETURNED]
    assert core.allocate_pool(DATA, 1)[0] is SUCCESS


def test_the_before_group_is_signaled_once(core: Core, machine: ReferenceMachine) -> None:
    """A second call after a refused key signals the BEFORE group no more, and succeeds with the new key."""
    ran: list[str] = []
    _handler(core, ran, "before", group=BEFORE)
    _handler(core, ran, "exit")
    assert core.exit_boot_services(0) is INVALID
    assert core.exit_boot_services(_key(core)) is SUCCESS
    assert ran == ["before", "exit"]
    assert _phases(machine)[5:] == [Phase.CALLED, Phase.TIMERS_OFF, *_FROM_KEY]


def test_a_before_handler_may_change_the_map(core: Core) -> None:
    """A key that was current when the call began is stale when a BEFORE handler allocated pages."""
    core.create_event_ex(EVT_NOTIFY_SIGNAL, Tpl.CALLBACK, _allocating(core), BEFORE)
    assert core.exit_boot_services(_key(core)) is INVALID
    assert core.exit_boot_services(_key(core)) is SUCCESS


def test_timers_stay_off_after_a_refused_key(core: Core) -> None:
    """The first call turns timers off for good; a BEFORE handler still sees them tick."""
    ticks: list[str] = []
    phase = ["before"]
    _, timer = core.create_event(EVT_TIMER | EVT_NOTIFY_SIGNAL, Tpl.NOTIFY, lambda: ticks.append(phase[0]))
    core.set_timer(timer, TimerDelay.PERIODIC, 0)
    core.create_event_ex(EVT_NOTIFY_SIGNAL, Tpl.CALLBACK, _doing(lambda: core.stall(TICK // 10)), BEFORE)
    core.create_event(EVT_SIGNAL_EXIT_BOOT_SERVICES, Tpl.CALLBACK, _doing(lambda: core.stall(TICK)))
    assert core.exit_boot_services(0) is INVALID
    phase[0] = "after"
    core.stall(TICK)
    core.exit_boot_services(_key(core))
    assert ticks == ["before"]


def test_above_application_handlers_at_or_below_the_level_do_not_run(core: Core) -> None:
    """The core serves a call above TPL_APPLICATION, and handlers that cannot run there never do."""
    ran: list[str] = []
    for tpl in (Tpl.CALLBACK, Tpl.NOTIFY, Tpl.HIGH_LEVEL):
        _handler(core, ran, str(tpl), tpl)
    key = _key(core)
    core.raise_tpl(Tpl.CALLBACK)
    assert core.exit_boot_services(key) is SUCCESS
    assert ran == ["TPL_HIGH_LEVEL", "TPL_NOTIFY"]


def test_a_handler_that_allocates_is_not_seen_in_the_status(core: Core) -> None:
    """The key was checked before: the call succeeds, and the map is another one than its caller holds."""
    key = _key(core)
    core.create_event(EVT_SIGNAL_EXIT_BOOT_SERVICES, Tpl.CALLBACK, _allocating(core))
    assert core.exit_boot_services(key) is SUCCESS
    assert core.map.key != key


@pytest.mark.parametrize(
    "call",
    [
        lambda core: core.create_event(0, Tpl.APPLICATION)[0],
        lambda core: core.create_event_ex(0, Tpl.APPLICATION)[0],
        lambda core: core.close_event(EventHandle(1)),
        lambda core: core.signal_event(EventHandle(1)),
        lambda core: core.check_event(EventHandle(1)),
        lambda core: core.set_timer(EventHandle(1), TimerDelay.CANCEL, 0),
        lambda core: core.wait_for_event((EventHandle(1),))[0],
        lambda core: core.allocate_pages(AllocateType.ANY_PAGES, DATA, 1)[0],
        lambda core: core.free_pages(Gva(0x10_0000), 1),
        lambda core: core.allocate_pool(DATA, 1)[0],
        lambda core: core.free_pool(Gva(0x10_0000)),
        lambda core: core.get_memory_map(1 << 16)[0],
        lambda core: core.exit_boot_services(core.map.key),
        lambda core: core.stall(1),
    ],
)
def test_no_service_is_left_afterwards(core: Core, call: Callable[[Core], EfiStatus]) -> None:
    """Once ExitBootServices has returned success every service is EFI_UNSUPPORTED and changes nothing."""
    core.create_event(EVT_TIMER, Tpl.APPLICATION)
    assert core.exit_boot_services(_key(core)) is SUCCESS
    before = (core.map.key, tuple(core.map.descriptors))
    assert call(core) is UNSUPPORTED
    assert (core.map.key, tuple(core.map.descriptors)) == before
