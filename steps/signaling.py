"""Sentences on groups of mixed members, on timers that handlers arm, and on changes of the memory map."""

from collections.abc import Callable

from pytest_bdd import given, parsers, then, when

from sevconf.contract import Act, EventSpec, Machine
from sevconf.monitors import control, judge
from sevconf.trace import MapChanged, NotificationBegan, ServiceReturn
from sevconf.vocabulary import (
    EVT_NOTIFY_SIGNAL,
    EVT_NOTIFY_WAIT,
    EVT_SIGNAL_EXIT_BOOT_SERVICES,
    EVT_TIMER,
    EfiStatus,
    EventGroup,
    TimerDelay,
    Tpl,
)

from .values import TPL, Scene, create, require_core

#: A group of the scenarios' own.
PRIVATE = "5ec0f000-0000-4000-8000-000000000002"
#: Units of 100 ns between two ticks that any core keeps up with: 10 ms.
TICK = 100_000


def began(machine: Machine, event: str) -> list[int]:
    """Return the steps at which an event's notification began."""
    return [e.step for e in machine.trace.of(NotificationBegan) if e.event == event]


# Members that signal members


def signaling_pair(machine: Machine, type_: int, group: str | None) -> None:
    """Make a member that runs first, and one that signals it, once: it closes itself before that."""
    create(machine, EventSpec("first", type_, Tpl.NOTIFY, group))
    script = (Act("CloseEvent", "signaling"), Act("SignalEvent", "first"))
    create(machine, EventSpec("signaling", type_, Tpl.CALLBACK, group, script))


@given("a private group of a member at TPL_NOTIFY, and one at TPL_CALLBACK that signals it when it runs")
def private_pair(machine: Machine, scene: Scene) -> None:
    """Events: a group that is signaled again while it is dispatched."""
    signaling_pair(machine, EVT_NOTIFY_SIGNAL, PRIVATE)
    scene.notes["signal"] = "first"


@given("an exit handler at TPL_NOTIFY, and one at TPL_CALLBACK that signals it when it runs")
def exit_pair(machine: Machine) -> None:
    """Events: the exit group, signaled again while it is dispatched."""
    signaling_pair(machine, EVT_SIGNAL_EXIT_BOOT_SERVICES, None)


@then("it is answered how often the member at TPL_NOTIFY ran")
def answer_runs(machine: Machine, answer: Callable[[str], None]) -> None:
    """Events: runs of a member."""
    control(began(machine, "signaling"), "the signaling member did not run")
    count = len(began(machine, "first"))
    control(count, "the member at TPL_NOTIFY did not run at all")
    answer("it ran once" if count == 1 else f"it ran {count} times")


# Members of all types


@given("a private group of a plain, a waiting and a notified member")
def mixed_group(machine: Machine) -> None:
    """Events: one member of each type."""
    create(machine, EventSpec("plain", 0, group=PRIVATE))
    create(machine, EventSpec("waiting", EVT_NOTIFY_WAIT, Tpl.CALLBACK, PRIVATE))
    create(machine, EventSpec("notified", EVT_NOTIFY_SIGNAL, Tpl.CALLBACK, PRIVATE))


@when(parsers.re(r"the (?P<member>plain|waiting|notified) member is signaled"))
def member_signaled(machine: Machine, scene: Scene, member: str) -> None:
    """Events: SignalEvent."""
    status = machine.core.signal_event(member)
    control(not status.is_error, f"SignalEvent returned {status}")
    scene.notes["step"] = len(machine.trace)


@then("the plain and the waiting member are signaled")
def members_signaled(machine: Machine, scene: Scene) -> None:
    """Events: CheckEvent of the members that have no notification on signal."""
    for member in ("plain", "waiting"):
        status = machine.core.check_event(member)
        judge(
            status is EfiStatus.SUCCESS,
            expected=f"the {member} member is signaled with its group: CheckEvent returns EFI_SUCCESS",
            observed=f"CheckEvent returns {status}",
            culprit="core",
            steps=(scene.notes["step"], len(machine.trace)),
        )


@then("the notification of the notified member has run")
def notified_ran(machine: Machine, scene: Scene) -> None:
    """Events: the member that has a notification on signal."""
    judge(
        began(machine, "notified"),
        expected="the notified member's notification runs when its group is signaled",
        observed="it did not run",
        culprit="core",
        steps=(scene.notes["step"],),
    )


@when(
    parsers.re(r"an event that notifies on (?P<occasion>signaling|waiting) is created at (?P<tpl>TPL_\w+)"),
    converters={"tpl": TPL},
)
def event_created(machine: Machine, scene: Scene, occasion: str, tpl: Tpl) -> None:
    """Events: CreateEvent."""
    require_core(machine)
    type_ = EVT_NOTIFY_SIGNAL if occasion == "signaling" else EVT_NOTIFY_WAIT
    scene.notes["status"] = machine.core.create_event(EventSpec("made", type_, tpl))


# Timers


@given("a timer at TPL_NOTIFY that has run")
def used_timer(machine: Machine) -> None:
    """Timers: one that works."""
    create(machine, EventSpec("timer", EVT_TIMER | EVT_NOTIFY_SIGNAL, Tpl.NOTIFY))
    status = machine.core.set_timer("timer", TimerDelay.RELATIVE, TICK)
    control(not status.is_error, f"SetTimer returned {status}")
    machine.core.pass_time(2 * TICK)
    control(began(machine, "timer"), "the timer never ran")


@given(
    parsers.parse(
        "an exit handler that arms it for {delay:d} units of 100 ns, and stalls for {micros:d} microseconds",
    ),
)
def arming_handler(machine: Machine, delay: int, micros: int) -> None:
    """Timers: armed when they are off."""
    script = (Act("SetTimer", "timer", size=delay), Act("Stall", size=micros))
    create(machine, EventSpec("stalling", EVT_SIGNAL_EXIT_BOOT_SERVICES, Tpl.CALLBACK, script=script))


# The memory map


@given("a handler of the MemoryMapChange group that takes the memory map")
def map_change_handler(machine: Machine) -> None:
    """Events: a member of the group that changes of the memory map signal."""
    group = EventGroup.MEMORY_MAP_CHANGE.value
    create(machine, EventSpec("watcher", EVT_NOTIFY_SIGNAL, Tpl.CALLBACK, group, (Act("GetMemoryMap"),)))


@then("the handler of the MemoryMapChange group has found the present MapKey")
def watcher_saw(machine: Machine, scene: Scene) -> None:
    """Memory map: what the handler saw last."""
    control(not scene.notes["status"].is_error, f"the act failed: {scene.notes['status']}")
    runs = set(began(machine, "watcher"))
    seen = [
        (e.step, dict(e.results).get("map_key"))
        for e in machine.trace.of(ServiceReturn)
        if e.service == "GetMemoryMap" and any(outer.step in runs for outer in machine.trace.enclosing(e))
    ]
    changed = next((e.step for e in reversed(list(machine.trace.of(MapChanged)))), 0)
    key = machine.core.memory_map()[1].map_key
    last = seen[-1] if seen else (0, None)
    judge(
        last[1] == key,
        expected=f"the MemoryMapChange group is signaled behind the change, so its handler finds MapKey {key:#x}",
        observed=f"it last found {last[1]:#x} at step {last[0]}" if last[1] is not None else "it never ran",
        culprit="core",
        steps=(changed, last[0]),
    )


@then("the handler of the MemoryMapChange group waits")
def watcher_waits(machine: Machine, scene: Scene) -> None:
    """Memory map: no notification at the level of the caller."""
    control(not scene.notes["status"].is_error, f"the act failed: {scene.notes['status']}")
    raised = machine.trace.calls("RaiseTPL")[-1].step
    early = [step for step in began(machine, "watcher") if step > raised]
    judge(
        not early,
        expected="the handler waits until the level is below its own",
        observed="it ran at the level of the caller",
        culprit="core",
        steps=(raised, *early),
    )
    machine.core.restore_tpl(scene.notes["level"])
    judge(
        any(step > raised for step in began(machine, "watcher")),
        expected="the handler runs once the level is below its own",
        observed="it did not run",
        culprit="core",
        steps=(raised, len(machine.trace)),
    )
