"""Sentences on events, groups and levels."""

from collections.abc import Callable

from pytest_bdd import given, parsers, then, when

from sevconf.contract import Act, EventSpec, Machine
from sevconf.monitors import control, judge
from sevconf.trace import NotificationBegan, NotificationEnded, Phase, ServiceReturn
from sevconf.vocabulary import EVT_NOTIFY_SIGNAL, EVT_SIGNAL_EXIT_BOOT_SERVICES, EfiStatus, EventGroup, Tpl

from .values import TPL, Scene, create

#: A group of the scenarios' own.
PRIVATE = "5ec0f000-0000-4000-8000-000000000001"
EXIT = EventGroup.EXIT_BOOT_SERVICES.value


def runs(machine: Machine) -> list[str]:
    """Name the events whose notifications ran, in order."""
    return [entry.event for entry in machine.trace.of(NotificationBegan)]


def began(machine: Machine, event: str) -> NotificationBegan | None:
    """Return the first notification of an event."""
    return next((e for e in machine.trace.of(NotificationBegan) if e.event == event), None)


def judge_runs(machine: Machine, *, expected: str, holds: bool) -> None:
    """Judge the core by the order of notifications."""
    steps = tuple(e.step for e in machine.trace.of(NotificationBegan))
    observed = f"what ran, in order: {', '.join(runs(machine)) or 'nothing'}"
    judge(holds, expected=expected, observed=observed, culprit="core", steps=steps)


@given(
    "a private group of an older member at TPL_CALLBACK, one at TPL_NOTIFY and a newer one at TPL_CALLBACK",
)
def private_group(machine: Machine, scene: Scene) -> None:
    """Events: a group whose middle member runs first."""
    create(machine, EventSpec("older", EVT_NOTIFY_SIGNAL, Tpl.CALLBACK, PRIVATE))
    create(machine, EventSpec("middle", EVT_NOTIFY_SIGNAL, Tpl.NOTIFY, PRIVATE))
    create(machine, EventSpec("newer", EVT_NOTIFY_SIGNAL, Tpl.CALLBACK, PRIVATE))
    scene.notes["signal"] = "middle"


@given("the member at TPL_NOTIFY closes both others when it runs")
def middle_closes(machine: Machine) -> None:
    """Events: the middle member, made anew between the others, with a script."""
    for name in ("middle", "newer"):
        machine.core.close_event(name)
    script = (Act("CloseEvent", "older"), Act("CloseEvent", "newer"))
    create(machine, EventSpec("middle", EVT_NOTIFY_SIGNAL, Tpl.NOTIFY, PRIVATE, script))
    create(machine, EventSpec("newer", EVT_NOTIFY_SIGNAL, Tpl.CALLBACK, PRIVATE))


@given("a private group of one member at TPL_NOTIFY, which adds another one at TPL_CALLBACK when it runs")
def adding_group(machine: Machine, scene: Scene) -> None:
    """Events: a group that grows while it is dispatched."""
    script = (Act("CreateEvent", "added", EVT_NOTIFY_SIGNAL, Tpl.CALLBACK, PRIVATE),)
    create(machine, EventSpec("middle", EVT_NOTIFY_SIGNAL, Tpl.NOTIFY, PRIVATE, script))
    scene.notes["signal"] = "middle"


@when("the group is signaled")
def group_signaled(machine: Machine, scene: Scene) -> None:
    """Events: SignalEvent of a member."""
    status = machine.core.signal_event(scene.notes["signal"])
    control(not status.is_error, f"SignalEvent returned {status}")


@then("only the member at TPL_NOTIFY runs")
def only_middle(machine: Machine) -> None:
    """Events: who ran."""
    control("middle" in runs(machine), "the member at TPL_NOTIFY did not run")
    judge_runs(machine, expected="only 'middle' runs", holds=runs(machine) == ["middle"])


@then("every member runs exactly once")
def every_member(machine: Machine) -> None:
    """Events: who ran."""
    expected = "'older', 'middle' and 'newer' run once each"
    judge_runs(machine, expected=expected, holds=sorted(runs(machine)) == ["middle", "newer", "older"])


@then("the member at TPL_NOTIFY runs before both others")
def middle_first(machine: Machine) -> None:
    """Events: who ran first."""
    judge_runs(machine, expected="'middle' runs first", holds=runs(machine)[:1] == ["middle"])


@given(
    parsers.re(r"an exit handler made by (?P<service>CreateEvent|CreateEventEx) at (?P<tpl>TPL_\w+)"),
    converters={"tpl": TPL},
)
def exit_handler(machine: Machine, scene: Scene, service: str, tpl: Tpl) -> None:
    """Events: a member of the exit group, by either service."""
    handlers = scene.notes.setdefault("handlers", [])
    name = f"handler {len(handlers) + 1} ({service}, {tpl})"
    if service == "CreateEvent":
        create(machine, EventSpec(name, EVT_SIGNAL_EXIT_BOOT_SERVICES, tpl))
    else:
        create(machine, EventSpec(name, EVT_NOTIFY_SIGNAL, tpl, EXIT))
    handlers.append((name, tpl))


@given(parsers.re(r"three exit handlers at (?P<tpl>TPL_\w+), made one after the other"), converters={"tpl": TPL})
def three_handlers(machine: Machine, scene: Scene, tpl: Tpl) -> None:
    """Events: members of one level."""
    for _ in range(3):
        exit_handler(machine, scene, "CreateEvent", tpl)


@given("two exit handlers at TPL_CALLBACK and two at TPL_NOTIFY")
def four_handlers(machine: Machine, scene: Scene) -> None:
    """Events: members of both levels."""
    for tpl in (Tpl.CALLBACK, Tpl.NOTIFY, Tpl.CALLBACK, Tpl.NOTIFY):
        exit_handler(machine, scene, "CreateEvent", tpl)


@given(
    parsers.re(r"an exit handler at (?P<tpl>TPL_\w+) that signals a private event at (?P<private>TPL_\w+)"),
    converters={"tpl": TPL, "private": TPL},
)
def signaling_handler(machine: Machine, scene: Scene, tpl: Tpl, private: Tpl) -> None:
    """Events: a handler that defers its work."""
    create(machine, EventSpec("private", EVT_NOTIFY_SIGNAL, private))
    script = (Act("SignalEvent", "private"),)
    create(machine, EventSpec("signaling", EVT_SIGNAL_EXIT_BOOT_SERVICES, tpl, script=script))
    scene.notes.setdefault("handlers", []).append(("signaling", tpl))


@when("ExitBootServices is called with the current MapKey")
def exit_with_current_key(machine: Machine, scene: Scene) -> None:
    """Exit: the scenario as OS loader."""
    scene.notes["key"] = machine.core.memory_map()[1].map_key
    scene.notes["status"] = machine.core.exit_boot_services(scene.notes["key"])


@then("every exit handler runs exactly once")
def handlers_once(machine: Machine, scene: Scene) -> None:
    """Events: members of the exit group."""
    ran = runs(machine)
    names = [name for name, _ in scene.notes["handlers"]]
    judge_runs(
        machine,
        expected=f"{', '.join(names)} run once each",
        holds=all(ran.count(name) == 1 for name in names),
    )


@then("the handlers at TPL_NOTIFY run before those at TPL_CALLBACK")
def notify_first(machine: Machine, scene: Scene) -> None:
    """Events: members of the exit group by level."""
    levels = dict(scene.notes["handlers"])
    order = [levels[name] for name in runs(machine) if name in levels]
    judge_runs(
        machine,
        expected="all handlers at TPL_NOTIFY run before the first one at TPL_CALLBACK",
        holds=order == sorted(order, reverse=True),
    )


@then("it is answered in which order they ran")
def answer_order(machine: Machine, scene: Scene, answer: Callable[[str], None]) -> None:
    """Events: the freedom of the core."""
    names = [name for name, _ in scene.notes["handlers"]]
    ran = [name for name in runs(machine) if name in names]
    control(sorted(ran) == sorted(names), "not every handler ran once")
    answers = {tuple(names): "oldest first", tuple(reversed(names)): "newest first"}
    answer(answers.get(tuple(ran), "in no order of age"))


@given(parsers.re(r"the level is raised to (?P<tpl>TPL_\w+)"), converters={"tpl": TPL})
def level_raised(machine: Machine, scene: Scene, tpl: Tpl) -> None:
    """Levels: RaiseTPL."""
    scene.notes["level"] = machine.core.raise_tpl(tpl)


@given(parsers.re(r"three events at (?P<tpl>TPL_\w+) are signaled one after the other"), converters={"tpl": TPL})
def three_signaled(machine: Machine, scene: Scene, tpl: Tpl) -> None:
    """Events: a queue of three."""
    names = ["first", "second", "third"]
    machine.core.raise_tpl(Tpl.HIGH_LEVEL)
    # Made in another order than they are signaled, so that age is no substitute for the queue.
    for name in ("second", "first", "third"):
        create(machine, EventSpec(name, EVT_NOTIFY_SIGNAL, tpl))
    for name in names:
        control(not machine.core.signal_event(name).is_error, f"SignalEvent of {name} failed")
    scene.notes["signaled"] = names


@given("an event at TPL_CALLBACK and then one at TPL_NOTIFY are signaled")
def two_signaled(machine: Machine) -> None:
    """Events: a queue of two levels."""
    create(machine, EventSpec("callback", EVT_NOTIFY_SIGNAL, Tpl.CALLBACK))
    create(machine, EventSpec("notify", EVT_NOTIFY_SIGNAL, Tpl.NOTIFY))
    for name in ("callback", "notify"):
        control(not machine.core.signal_event(name).is_error, f"SignalEvent of {name} failed")


@when("the level is restored")
def level_restored(machine: Machine, scene: Scene) -> None:
    """Levels: RestoreTPL."""
    machine.core.restore_tpl(scene.notes["level"])


@when("the level is restored to TPL_CALLBACK")
def level_to_callback(machine: Machine) -> None:
    """Levels: RestoreTPL, part of the way."""
    machine.core.restore_tpl(Tpl.CALLBACK)


@then("they run in the order in which they were signaled")
def in_signal_order(machine: Machine, scene: Scene) -> None:
    """Events: first in, first out."""
    names = scene.notes["signaled"]
    judge_runs(machine, expected=f"{', '.join(names)} run in this order", holds=runs(machine) == names)


@then("the one at TPL_NOTIFY runs before the one at TPL_CALLBACK")
def by_level(machine: Machine) -> None:
    """Events: highest level first."""
    judge_runs(machine, expected="'notify' runs, then 'callback'", holds=runs(machine) == ["notify", "callback"])


@then("none of them has run")
def none_ran(machine: Machine) -> None:
    """Events: what waits."""
    judge_runs(machine, expected="nothing runs at or above the level of the caller", holds=not runs(machine))
    machine.core.restore_tpl(Tpl.APPLICATION)
    control(runs(machine), "nothing waited: at TPL_APPLICATION none of them ran either")


@then("SignalEvent returns EFI_SUCCESS inside the handler")
def signal_succeeds(machine: Machine) -> None:
    """Events: SignalEvent in an exit handler."""
    control(began(machine, "signaling"), "the signaling handler did not run")
    done = [e for e in machine.trace.of(ServiceReturn) if e.service == "SignalEvent"]
    judge(
        done and done[0].status is EfiStatus.SUCCESS,
        expected="SignalEvent returns EFI_SUCCESS",
        observed=f"it returns {done[0].status}" if done else "it was not called",
        culprit="core",
        steps=tuple(e.step for e in done),
    )


@then(parsers.re(r"the private event runs exactly once, (?P<when_>before|after) the handler has returned"))
def private_runs(machine: Machine, when_: str) -> None:
    """Events: when a deferred notification runs."""
    ended = next((e.step for e in machine.trace.of(NotificationEnded) if e.event == "signaling"), 0)
    private = began(machine, "private")
    holds = runs(machine).count("private") == 1 and private is not None and (private.step > ended) == (when_ == "after")
    judge_runs(machine, expected=f"'private' runs once, {when_} the end of 'signaling' at step {ended}", holds=holds)


@then("it has run when ExitBootServices returns")
def private_ran_in_time(machine: Machine) -> None:
    """Events: deferred work is inside the exit."""
    done = machine.trace.phase(Phase.RETURNED)
    private = began(machine, "private")
    holds = done is not None and private is not None and private.step < done.step
    judge_runs(machine, expected="'private' runs before ExitBootServices returns", holds=holds)


@then("it is answered whether the private event ran behind all exit handlers")
def answer_deferral(machine: Machine, answer: Callable[[str], None]) -> None:
    """Events: the trick of the deferred teardown."""
    order = runs(machine)
    status = next((e.status for e in machine.trace.of(ServiceReturn) if e.service == "SignalEvent"), None)
    control("signaling" in order, "the signaling handler did not run")
    where = "behind all exit handlers" if order[-1] == "private" else "not behind all exit handlers"
    answer(f"SignalEvent returns {status}; it runs {where if 'private' in order else 'never'}")
