"""Events against UEFI 2.10, 7.1: what may be created, who is queued when, and what runs at which level."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sevconf.contract.driver import EventHandle
from sevconf.model.boot_services import Core
from sevconf.model.event import TICK, Event
from sevconf.model.machine import ReferenceMachine
from sevconf.model.parts import Parts, Policy
from sevconf.trace import EventClosed, EventQueued, NotificationBegan, NotificationEnded
from sevconf.vocabulary import (
    EVT_NOTIFY_SIGNAL,
    EVT_NOTIFY_WAIT,
    EVT_RUNTIME,
    EVT_SIGNAL_EXIT_BOOT_SERVICES,
    EVT_SIGNAL_VIRTUAL_ADDRESS_CHANGE,
    EVT_TIMER,
    EfiStatus,
    EventGroup,
    MachineKind,
    TimerDelay,
    Tpl,
)

GROUP = "11111111-2222-3333-4444-555555555555"
EXIT = EventGroup.EXIT_BOOT_SERVICES.value
PLAIN = 0
SUCCESS, INVALID = EfiStatus.SUCCESS, EfiStatus.INVALID_PARAMETER
NOTIFYING = (EVT_NOTIFY_WAIT, EVT_NOTIFY_SIGNAL)
LEVELS = (Tpl.CALLBACK, Tpl.NOTIFY, Tpl.HIGH_LEVEL)


class Bench:
    """A core, and the list of what ran on it."""

    def __init__(self, parts: Parts | None = None) -> None:
        self.machine = ReferenceMachine(MachineKind.NONE, 0, parts)
        self.core: Core = self.machine.core
        self.ran: list[str] = []

    def make(
        self,
        name: str,
        tpl: Tpl = Tpl.CALLBACK,
        *,
        type: int = EVT_NOTIFY_SIGNAL,
        group: str | None = None,
        then: Callable[[], object] = lambda: None,
    ) -> EventHandle:
        """Create an event that writes its name down and then does something."""

        def notify() -> None:
            self.ran.append(name)
            then()

        status, handle = self.core.create_event_ex(type, tpl, notify, group, name=name)
        assert status is SUCCESS
        return handle

    def at(self, handle: EventHandle) -> Event:
        """Return the event as the core keeps it."""
        event = self.machine.events.find(handle)
        assert event is not None
        return event


@pytest.fixture
def bench() -> Bench:
    """Return a fresh core."""
    return Bench()


def _nothing() -> None:
    pass


# CreateEvent

LEGAL = [PLAIN, EVT_TIMER, *NOTIFYING, EVT_TIMER | EVT_NOTIFY_WAIT, EVT_TIMER | EVT_NOTIFY_SIGNAL]
SPECIAL = [EVT_SIGNAL_EXIT_BOOT_SERVICES, EVT_SIGNAL_VIRTUAL_ADDRESS_CHANGE]
ILLEGAL = [
    EVT_NOTIFY_WAIT | EVT_NOTIFY_SIGNAL,
    EVT_TIMER | EVT_NOTIFY_WAIT | EVT_NOTIFY_SIGNAL,
    EVT_RUNTIME,
    EVT_RUNTIME | EVT_NOTIFY_SIGNAL,
    EVT_TIMER | EVT_SIGNAL_EXIT_BOOT_SERVICES,
    EVT_RUNTIME | EVT_SIGNAL_EXIT_BOOT_SERVICES,
    EVT_NOTIFY_WAIT | EVT_SIGNAL_EXIT_BOOT_SERVICES,
    EVT_TIMER | EVT_SIGNAL_VIRTUAL_ADDRESS_CHANGE,
    EVT_SIGNAL_VIRTUAL_ADDRESS_CHANGE & ~EVT_RUNTIME,
    0x1,
    0x400,
    EVT_NOTIFY_SIGNAL | 0x2,
    0x1_0000_0000,
]


@pytest.mark.parametrize("type", [*LEGAL, *SPECIAL], ids=hex)
@pytest.mark.parametrize("tpl", LEVELS, ids=str)
def test_legal_types_can_be_created(bench: Bench, type: int, tpl: Tpl) -> None:
    """Every combination of types that the specification allows is created at every notification level."""
    status, handle = bench.core.create_event(type, tpl, _nothing)
    assert status is SUCCESS
    assert bench.at(handle).type == type


@pytest.mark.parametrize("type", ILLEGAL, ids=hex)
def test_illegal_types_are_refused(bench: Bench, type: int) -> None:
    """Types that exclude each other, special types with flags, and unknown bits are EFI_INVALID_PARAMETER."""
    assert bench.core.create_event(type, Tpl.CALLBACK, _nothing) == (INVALID, 0)


@pytest.mark.parametrize("type", [*NOTIFYING, EVT_TIMER | EVT_NOTIFY_SIGNAL, *SPECIAL], ids=hex)
def test_a_notification_needs_a_function(bench: Bench, type: int) -> None:
    """An event with notification and a NULL function is EFI_INVALID_PARAMETER."""
    assert bench.core.create_event(type, Tpl.CALLBACK, None) == (INVALID, 0)


@pytest.mark.parametrize("type", [*NOTIFYING, *SPECIAL], ids=hex)
@pytest.mark.parametrize("level", [0, Tpl.APPLICATION, 5, 9, 17, 30, 32], ids=int)
def test_a_notification_needs_a_level_above_application(bench: Bench, type: int, level: int) -> None:
    """The level of a notification is TPL_CALLBACK, TPL_NOTIFY or TPL_HIGH_LEVEL."""
    assert bench.core.create_event(type, level, _nothing) == (INVALID, 0)  # type: ignore[arg-type]


@pytest.mark.parametrize("type", [PLAIN, EVT_TIMER], ids=hex)
def test_without_notification_level_and_function_are_ignored(bench: Bench, type: int) -> None:
    """An event without notification keeps neither function nor level, legal or not."""
    status, handle = bench.core.create_event(type, Tpl.APPLICATION, _nothing)
    assert status is SUCCESS
    assert (bench.at(handle).notify_tpl, bench.at(handle).function) == (None, None)


@pytest.mark.parametrize("type", SPECIAL, ids=hex)
def test_a_special_type_is_a_group_of_its_own(bench: Bench, type: int) -> None:
    """A type that stands for a group cannot be in another one, and is in its own without being asked."""
    assert bench.core.create_event_ex(type, Tpl.CALLBACK, _nothing, GROUP) == (INVALID, 0)
    _, handle = bench.core.create_event(type, Tpl.CALLBACK, _nothing)
    expected = {SPECIAL[0]: EventGroup.EXIT_BOOT_SERVICES, SPECIAL[1]: EventGroup.VIRTUAL_ADDRESS_CHANGE}[type]
    assert bench.at(handle).group == expected.value


@pytest.mark.parametrize("type", LEGAL, ids=hex)
def test_any_other_type_can_join_a_group(bench: Bench, type: int) -> None:
    """CreateEventEx puts events of every plain type into a group."""
    status, handle = bench.core.create_event_ex(type, Tpl.CALLBACK, _nothing, GROUP)
    assert status is SUCCESS
    assert bench.at(handle).group == GROUP


def test_names_are_given_where_none_is_asked_for(bench: Bench) -> None:
    """An event without a name of its own gets a number."""
    _, first = bench.core.create_event(PLAIN, Tpl.APPLICATION)
    _, second = bench.core.create_event(PLAIN, Tpl.APPLICATION)
    assert [bench.at(handle).name for handle in (first, second)] == ["E1", "E2"]


# Signal, check, close

UNKNOWN = EventHandle(99)


def test_services_refuse_what_is_no_event(bench: Bench) -> None:
    """A handle that CreateEvent never returned, or that is closed, is EFI_INVALID_PARAMETER everywhere."""
    closed = bench.make("closed")
    assert bench.core.close_event(closed) is SUCCESS
    for handle in (UNKNOWN, EventHandle(0), closed):
        assert bench.core.signal_event(handle) is INVALID
        assert bench.core.check_event(handle) is INVALID
        assert bench.core.close_event(handle) is INVALID
        assert bench.core.set_timer(handle, TimerDelay.RELATIVE, 1) is INVALID
        assert bench.core.wait_for_event((handle,)) == (INVALID, 0)


def test_a_signal_runs_the_notification_once(bench: Bench) -> None:
    """SignalEvent runs the notification before it returns, when the level allows it, and leaves no signal behind."""
    handle = bench.make("a")
    assert bench.core.signal_event(handle) is SUCCESS
    assert bench.ran == ["a"]
    assert not bench.at(handle).signaled


def test_the_owner_acts_in_its_notification(bench: Bench) -> None:
    """What a notification does is done by whoever created the event, at its level, inside the notification."""
    with bench.machine.recorder.acting("driver:a"):
        handle = bench.make("a", Tpl.NOTIFY, then=lambda: bench.core.stall(1))
    with bench.machine.recorder.acting("driver:b"):
        bench.core.signal_event(handle)
    (began,) = bench.machine.trace.of(NotificationBegan)
    (ended,) = bench.machine.trace.of(NotificationEnded)
    (stall,) = bench.machine.trace.calls("Stall")
    assert (began.actor, began.tpl, ended.actor, ended.tpl) == ("driver:a", Tpl.NOTIFY, "driver:a", Tpl.NOTIFY)
    assert (stall.actor, stall.tpl, stall.within) == ("driver:a", Tpl.NOTIFY, began.step)
    assert bench.machine.events.tpl is Tpl.APPLICATION


def test_a_plain_event_is_checked_once(bench: Bench) -> None:
    """CheckEvent of a signaled event is EFI_SUCCESS, and clears it; else EFI_NOT_READY."""
    _, handle = bench.core.create_event(PLAIN, Tpl.APPLICATION)
    assert bench.core.check_event(handle) is EfiStatus.NOT_READY
    bench.core.signal_event(handle)
    bench.core.signal_event(handle)
    assert bench.core.check_event(handle) is SUCCESS
    assert bench.core.check_event(handle) is EfiStatus.NOT_READY


def test_an_event_that_notifies_on_signal_cannot_be_checked(bench: Bench) -> None:
    """CheckEvent and WaitForEvent of EVT_NOTIFY_SIGNAL are EFI_INVALID_PARAMETER, with its index."""
    _, plain = bench.core.create_event(PLAIN, Tpl.APPLICATION)
    handle = bench.make("a")
    assert bench.core.check_event(handle) is INVALID
    assert bench.core.wait_for_event((plain, handle)) == (INVALID, 1)


def test_a_waiting_event_is_asked_to_signal_itself(bench: Bench) -> None:
    """CheckEvent of an unsignaled EVT_NOTIFY_WAIT runs its notification, which may signal it."""
    quiet = bench.make("quiet", type=EVT_NOTIFY_WAIT)
    handle = bench.make("eager", type=EVT_NOTIFY_WAIT, then=lambda: bench.core.signal_event(handle))
    assert bench.core.check_event(quiet) is EfiStatus.NOT_READY
    assert bench.core.check_event(handle) is SUCCESS
    assert bench.ran == ["quiet", "eager"]


def test_signaling_a_waiting_event_runs_nothing(bench: Bench) -> None:
    """An EVT_NOTIFY_WAIT event that is signaled already is not asked again."""
    handle = bench.make("a", type=EVT_NOTIFY_WAIT)
    bench.core.signal_event(handle)
    assert bench.core.check_event(handle) is SUCCESS
    assert bench.ran == []


def test_a_check_at_a_high_level_leaves_the_notification_queued(bench: Bench) -> None:
    """At its own level a waiting event's notification cannot run: it is not ready, and runs later."""
    handle = bench.make("a", type=EVT_NOTIFY_WAIT)
    old = bench.core.raise_tpl(Tpl.CALLBACK)
    assert bench.core.check_event(handle) is EfiStatus.NOT_READY
    assert bench.ran == []
    bench.core.restore_tpl(old)
    assert bench.ran == ["a"]


def test_closing_takes_a_notification_out_of_the_queue(bench: Bench) -> None:
    """A closed event never runs, also if it was queued, and the trace tells."""
    queued, other = bench.make("queued"), bench.make("other")
    old = bench.core.raise_tpl(Tpl.CALLBACK)
    bench.core.signal_event(queued)
    bench.core.close_event(queued)
    bench.core.close_event(other)
    bench.core.restore_tpl(old)
    assert bench.ran == []
    closed = {entry.event: entry.was_queued for entry in bench.machine.trace.of(EventClosed)}
    assert closed == {"queued": True, "other": False}


# Levels and queues


@pytest.mark.parametrize("tpl", LEVELS, ids=str)
@pytest.mark.parametrize("current", [Tpl.APPLICATION, *LEVELS], ids=str)
def test_a_notification_runs_only_above_the_current_level(bench: Bench, tpl: Tpl, current: Tpl) -> None:
    """A notification waits until the level is below its own, and runs when it is restored."""
    handle = bench.make("a", tpl)
    old = bench.core.raise_tpl(current)
    bench.core.signal_event(handle)
    assert bench.ran == (["a"] if tpl > current else [])
    bench.core.restore_tpl(old)
    assert bench.ran == ["a"]


def test_raise_returns_the_level_before(bench: Bench) -> None:
    """RaiseTPL and RestoreTPL nest."""
    assert bench.core.raise_tpl(Tpl.CALLBACK) is Tpl.APPLICATION
    assert bench.core.raise_tpl(Tpl.HIGH_LEVEL) is Tpl.CALLBACK
    bench.core.restore_tpl(Tpl.CALLBACK)
    assert bench.machine.events.tpl is Tpl.CALLBACK


@given(st.lists(st.sampled_from(LEVELS), max_size=8))
def test_highest_level_first_and_first_in_first_out(levels: list[Tpl]) -> None:
    """What is queued runs by level, highest first, and inside a level in the order in which it was signaled."""
    bench = Bench()
    handles = [bench.make(f"{index}", tpl) for index, tpl in enumerate(levels)]
    bench.core.raise_tpl(Tpl.HIGH_LEVEL)
    for handle in handles:
        bench.core.signal_event(handle)
    bench.core.restore_tpl(Tpl.APPLICATION)
    expected = sorted(range(len(levels)), key=lambda index: (-levels[index], index))
    assert bench.ran == [str(index) for index in expected]


def test_an_event_is_queued_once(bench: Bench) -> None:
    """A second signal of a queued event changes neither its place nor how often it runs."""
    first, second = bench.make("first"), bench.make("second")
    old = bench.core.raise_tpl(Tpl.CALLBACK)
    for handle in (first, second, first):
        bench.core.signal_event(handle)
    bench.core.restore_tpl(old)
    assert bench.ran == ["first", "second"]


def test_a_higher_level_interrupts_a_notification(bench: Bench) -> None:
    """A notification that signals one of a higher level waits for it; one of the same level waits for the first."""
    high, same = bench.make("high", Tpl.NOTIFY), bench.make("same")

    def act() -> None:
        bench.core.signal_event(same)
        bench.core.signal_event(high)
        bench.ran.append("first ends")

    bench.core.signal_event(bench.make("first", then=act))
    assert bench.ran == ["first", "high", "first ends", "same"]


def test_an_event_may_signal_itself(bench: Bench) -> None:
    """An event that is signaled in its own notification runs again, behind what waits already."""
    other = bench.make("other")

    def again() -> None:
        if bench.ran == ["self"]:
            bench.core.signal_event(other)
            bench.core.signal_event(handle)

    handle = bench.make("self", then=again)
    bench.core.signal_event(handle)
    assert bench.ran == ["self", "other", "self"]


def test_a_notification_that_leaves_its_level_raised_is_put_right(bench: Bench) -> None:
    """The core goes on at the level at which it was, and the trace keeps at which the function returned."""
    bench.core.signal_event(bench.make("a", then=lambda: bench.core.raise_tpl(Tpl.HIGH_LEVEL)))
    assert bench.machine.events.tpl is Tpl.APPLICATION
    assert [entry.tpl for entry in bench.machine.trace.of(NotificationEnded)] == [Tpl.HIGH_LEVEL]


def test_what_has_no_notification_never_runs(bench: Bench) -> None:
    """If an event without notification were ever dispatched, that would be an error of the core's own."""
    _, handle = bench.core.create_event(PLAIN, Tpl.APPLICATION)
    with pytest.raises(ValueError, match=r"^E1 was queued without a notification$"):
        bench.machine.events._notify(bench.at(handle))


# Groups


@pytest.mark.parametrize("signaled", ["plain", "waiting", "a", "b"])
def test_signaling_any_member_signals_all(bench: Bench, signaled: str) -> None:
    """Whichever member is signaled, whatever its type, all of the group are, and nobody else is."""
    bench.make("stranger", group=GROUP.replace("1", "9"))
    members = {
        "plain": bench.core.create_event_ex(PLAIN, Tpl.APPLICATION, None, GROUP)[1],
        "waiting": bench.make("waiting", type=EVT_NOTIFY_WAIT, group=GROUP),
        "a": bench.make("a", group=GROUP),
        "b": bench.make("b", Tpl.NOTIFY, group=GROUP),
    }
    bench.core.signal_event(members[signaled])
    assert bench.ran == ["b", "a"]
    assert bench.core.check_event(members["plain"]) is SUCCESS
    assert bench.core.check_event(members["waiting"]) is SUCCESS
    assert bench.core.check_event(members["plain"]) is EfiStatus.NOT_READY


def test_a_group_is_queued_whole_before_its_first_member_runs(bench: Bench) -> None:
    """Between the first queueing and the last of a group no notification begins, whatever the levels."""
    handles = [bench.make(f"{index}", tpl, group=GROUP) for index, tpl in enumerate(LEVELS)]
    bench.core.signal_event(handles[0])
    acts = [type(e) for e in bench.machine.trace if isinstance(e, EventQueued | NotificationBegan)]
    assert acts == [EventQueued] * 3 + [NotificationBegan] * 3


def test_edk2_queues_the_newest_member_first(bench: Bench) -> None:
    """By default members of one level run newest first, as EDK II does."""
    handles = [bench.make(name, group=GROUP) for name in "abc"]
    bench.core.signal_event(handles[0])
    assert bench.ran == ["c", "b", "a"]


def test_the_order_in_a_group_is_a_policy() -> None:
    """Another order of queueing is another order of running, and of nothing else."""
    bench = Bench(Parts(policy=lambda _: Policy(order=lambda members: members)))
    handles = [bench.make(name, group=GROUP) for name in "abc"]
    bench.core.signal_event(handles[2])
    assert bench.ran == ["a", "b", "c"]


def test_a_member_closed_by_an_earlier_one_does_not_run(bench: Bench) -> None:
    """CloseEvent of a member that is queued keeps it from running."""
    victim = bench.make("victim", group=GROUP)
    closer = bench.make("closer", group=GROUP, then=lambda: bench.core.close_event(victim))
    bench.core.signal_event(closer)
    assert bench.ran == ["closer"]


def test_a_member_created_by_an_earlier_one_does_not_run(bench: Bench) -> None:
    """An event that joins a group while it is dispatched was not signaled with it."""

    def create() -> None:
        bench.make("late", Tpl.NOTIFY, group=GROUP)

    bench.core.signal_event(bench.make("maker", group=GROUP, then=create))
    assert bench.ran == ["maker"]


def test_create_event_and_create_event_ex_join_the_same_exit_group(bench: Bench) -> None:
    """Exit handlers of both kinds are one group."""
    bench.make("by type", type=EVT_SIGNAL_EXIT_BOOT_SERVICES)
    bench.make("by group", group=EXIT)
    bench.machine.events.signal_group(EXIT)
    assert bench.ran == ["by group", "by type"]


# Timers


@pytest.mark.parametrize("type", [PLAIN, *NOTIFYING, EVT_SIGNAL_EXIT_BOOT_SERVICES], ids=hex)
def test_only_timer_events_have_a_timer(bench: Bench, type: int) -> None:
    """SetTimer of an event that is no EVT_TIMER is EFI_INVALID_PARAMETER."""
    _, handle = bench.core.create_event(type, Tpl.CALLBACK, _nothing)
    assert bench.core.set_timer(handle, TimerDelay.RELATIVE, 1) is INVALID


def _timer(bench: Bench, name: str = "timer", then: Callable[[], object] = _nothing) -> EventHandle:
    return bench.make(name, type=EVT_TIMER | EVT_NOTIFY_SIGNAL, then=then)


@pytest.mark.parametrize(
    ("delay", "units", "ticks"),
    [
        (TimerDelay.RELATIVE, 0, [1]),
        (TimerDelay.RELATIVE, 1, [1]),
        (TimerDelay.RELATIVE, TICK, [1]),
        (TimerDelay.RELATIVE, TICK + 1, [2]),
        (TimerDelay.RELATIVE, 3 * TICK, [3]),
        (TimerDelay.PERIODIC, 0, [1, 2, 3, 4, 5, 6]),
        (TimerDelay.PERIODIC, 2 * TICK, [2, 4, 6]),
        (TimerDelay.CANCEL, 0, []),
    ],
)
def test_a_timer_signals_at_its_ticks(bench: Bench, delay: TimerDelay, units: int, ticks: list[int]) -> None:
    """A timer signals at the first tick that is not before its time; a trigger time of 0 is the next or every one."""
    assert bench.core.set_timer(_timer(bench), delay, units) is SUCCESS
    assert bench.ran == []
    seen = []
    for tick in range(1, 7):
        before = len(bench.ran)
        bench.machine.events.pass_time(TICK)
        seen += [tick] * (len(bench.ran) - before)
    assert seen == ticks


def test_time_between_ticks_signals_nothing(bench: Bench) -> None:
    """Time adds up in small steps, and only ticks count."""
    bench.core.set_timer(_timer(bench), TimerDelay.RELATIVE, 0)
    bench.machine.events.pass_time(TICK - 1)
    assert bench.ran == []
    bench.machine.events.pass_time(1)
    assert bench.ran == ["timer"]


def test_setting_a_timer_again_replaces_it(bench: Bench) -> None:
    """A new setting of a timer, or its cancellation, forgets the one before."""
    one, two = _timer(bench, "one"), _timer(bench, "two")
    for handle in (one, two):
        bench.core.set_timer(handle, TimerDelay.PERIODIC, 0)
    bench.core.set_timer(one, TimerDelay.CANCEL, 0)
    bench.core.set_timer(two, TimerDelay.RELATIVE, 2 * TICK)
    bench.machine.events.pass_time(9 * TICK)
    assert bench.ran == ["two"]


def test_a_timer_without_notification_is_signaled(bench: Bench) -> None:
    """A timer event without notification can be checked and waited for."""
    _, handle = bench.core.create_event(EVT_TIMER, Tpl.APPLICATION)
    bench.core.set_timer(handle, TimerDelay.RELATIVE, 0)
    assert bench.core.check_event(handle) is EfiStatus.NOT_READY
    assert bench.core.wait_for_event((handle,)) == (SUCCESS, 0)


def test_timers_that_are_off_signal_nothing(bench: Bench) -> None:
    """While timers are off time passes without ticks, and nothing is made up for later."""
    bench.core.set_timer(_timer(bench), TimerDelay.PERIODIC, 0)
    bench.machine.events.timers_on = False
    bench.machine.events.pass_time(5 * TICK)
    assert bench.ran == []
    bench.machine.events.timers_on = True
    bench.machine.events.pass_time(TICK)
    assert bench.ran == ["timer"]


def test_a_timer_event_that_another_closes_in_the_same_tick_does_not_run(bench: Bench) -> None:
    """An event that is closed before its timer was served never runs, though both were due."""
    victim = EventHandle(2)
    first = _timer(bench, "first", lambda: bench.core.close_event(victim))
    assert _timer(bench, "victim") == victim
    for handle in (first, victim):
        bench.core.set_timer(handle, TimerDelay.RELATIVE, 0)
    bench.machine.events.pass_time(TICK)
    assert bench.ran == ["first"]


def test_time_never_runs_backwards(bench: Bench) -> None:
    """A notification that stalls lets time pass inside the time that passes around it."""
    times = []

    def stall() -> None:
        bench.core.stall(10 * TICK // 10)
        times.append(bench.machine.events.now)

    bench.core.set_timer(_timer(bench, then=stall), TimerDelay.RELATIVE, 0)
    bench.machine.events.pass_time(TICK)
    times.append(bench.machine.events.now)
    assert times == sorted(times)


def test_devices_make_progress_when_a_notification_ends() -> None:
    """Whoever builds the core hears of the end of each notification."""
    bench = Bench()
    steps: list[str] = []
    bench.machine.events.after_notification = lambda: steps.append(f"after {bench.ran[-1]}")
    bench.make("a", group=GROUP)
    bench.core.signal_event(bench.make("b", group=GROUP))
    assert steps == ["after b", "after a"]
