"""Sentences on ExitBootServices: the core's, the OS loader's, and the order of halt and teardown."""

from pytest_bdd import given, parsers, then, when

from sevconf.contract import Act, EventSpec, Machine
from sevconf.contract.disk import BLOCK
from sevconf.monitors import control, exit_window, judge, judge_breaches, lives, torn_down
from sevconf.trace import DeviceState, Dma, MappingEnded, MappingMade, NotificationBegan, NotificationEnded, Phase
from sevconf.vocabulary import (
    EVT_NOTIFY_SIGNAL,
    EVT_SIGNAL_EXIT_BOOT_SERVICES,
    EVT_TIMER,
    EfiStatus,
    EventGroup,
    Party,
    TimerDelay,
    Tpl,
)

from .values import DISK, TPL, Monitored, Scene, create, newest_actor

BEFORE = EventGroup.BEFORE_EXIT_BOOT_SERVICES.value
#: Steps of a disk until it has got so far with a command.
PROGRESS = {"seen nothing": 0, "fetched the descriptor": 1, "moved the data": 2}
#: Where the scenarios put blocks.
LBA = 40


def ran(machine: Machine, event: str) -> list[int]:
    """Return the steps at which an event's notification ran."""
    return [e.step for e in machine.trace.of(NotificationBegan) if e.event == event]


# The core


@given("the memory map has changed since")
def map_changed_since(machine: Machine) -> None:
    """Memory map: a change."""
    control(not machine.core.allocate_pages(1)[0].is_error, "no page could be allocated")


@given("a call of ExitBootServices with a stale MapKey was refused")
def refused_before(machine: Machine) -> None:
    """Exit: a first call."""
    key = machine.core.memory_map()[1].map_key
    control(not machine.core.allocate_pages(1)[0].is_error, "no page could be allocated")
    control(machine.core.exit_boot_services(key).is_error, "the stale MapKey was accepted")


@when("ExitBootServices is called with that MapKey")
def exit_with_key(machine: Machine, scene: Scene) -> None:
    """Exit: a key that the scenario took before."""
    scene.notes["status"] = machine.core.exit_boot_services(scene.notes["key"])


@then(parsers.parse("ExitBootServices returns {status}"))
def exit_returns(machine: Machine, scene: Scene, status: str) -> None:
    """Exit: its status."""
    judge(
        str(scene.notes["status"]) == status,
        expected=f"ExitBootServices returns {status}",
        observed=f"it returns {scene.notes['status']}",
        culprit="core",
        steps=(machine.trace.calls("ExitBootServices")[-1].step, len(machine.trace)),
    )


@then("no exit handler has run")
def no_handler_ran(machine: Machine, scene: Scene) -> None:
    """Events: members of the exit group."""
    control(scene.notes.get("handlers"), "there is no exit handler")
    steps = [step for name, _ in scene.notes["handlers"] for step in ran(machine, name)]
    judge(
        not steps,
        expected="no exit handler runs when the MapKey is refused",
        observed=f"{len(steps)} ran",
        culprit="core",
        steps=(machine.trace.calls("ExitBootServices")[-1].step, *steps),
    )


@given("a handler of the BeforeExitBootServices group")
def before_handler(machine: Machine) -> None:
    """Events: a member of the BEFORE group."""
    create(machine, EventSpec("before", EVT_NOTIFY_SIGNAL, Tpl.CALLBACK, BEFORE))


@given("a handler of the BeforeExitBootServices group that allocates a page")
def allocating_before_handler(machine: Machine) -> None:
    """Events: a member of the BEFORE group that moves the MapKey."""
    script = (Act("AllocatePages", size=1),)
    create(machine, EventSpec("before", EVT_NOTIFY_SIGNAL, Tpl.CALLBACK, BEFORE, script))


@then("the handler of the BeforeExitBootServices group has run exactly once")
def before_once(machine: Machine) -> None:
    """Events: the BEFORE group over two calls."""
    steps = ran(machine, "before")
    judge(
        len(steps) == 1,
        expected="it runs once over all calls of ExitBootServices",
        observed=f"it ran {len(steps)} times",
        culprit="core",
        steps=steps,
    )


@then("it ran before every exit handler")
def before_first(machine: Machine, scene: Scene) -> None:
    """Events: the BEFORE group and the exit group."""
    handlers = [step for name, _ in scene.notes["handlers"] for step in ran(machine, name)]
    control(handlers, "no exit handler ran")
    steps = ran(machine, "before")
    judge(
        steps and min(steps) < min(handlers),
        expected="the BeforeExitBootServices group runs first",
        observed="an exit handler ran before it",
        culprit="core",
        steps=(*steps, *handlers),
    )


@given("a periodic timer at TPL_NOTIFY")
def periodic_timer(machine: Machine) -> None:
    """Timers: one that ticks each 10 ms."""
    create(machine, EventSpec("timer", EVT_TIMER | EVT_NOTIFY_SIGNAL, Tpl.NOTIFY))
    status = machine.core.set_timer("timer", TimerDelay.PERIODIC, 100_000)
    control(not status.is_error, f"SetTimer returned {status}")


@given(parsers.parse("a handler of the BeforeExitBootServices group that stalls for {micros:d} microseconds"))
def stalling_before(machine: Machine, micros: int) -> None:
    """Events and timers: time passes in the BEFORE group."""
    create(machine, EventSpec("before", EVT_NOTIFY_SIGNAL, Tpl.CALLBACK, BEFORE, (Act("Stall", size=micros),)))


@given(parsers.parse("an exit handler that stalls for {micros:d} microseconds"))
def stalling_handler(machine: Machine, scene: Scene, micros: int) -> None:
    """Events and timers: time passes in the exit group."""
    script = (Act("Stall", size=micros),)
    create(machine, EventSpec("stalling", EVT_SIGNAL_EXIT_BOOT_SERVICES, Tpl.CALLBACK, script=script))
    scene.notes.setdefault("handlers", []).append(("stalling", Tpl.CALLBACK))


def span(machine: Machine, event: str) -> tuple[int, int]:
    """Return the steps between which an event's notification ran."""
    began = ran(machine, event)
    ended = [e.step for e in machine.trace.of(NotificationEnded) if e.event == event]
    control(began and ended, f"{event} did not run")
    return began[0], ended[0]


@then("the timer's notification runs while the first of them stalls")
def timer_before(machine: Machine) -> None:
    """Timers: in the BEFORE group."""
    exited = span(machine, "stalling")
    judge(
        ran(machine, "before"),
        expected="the BeforeExitBootServices group is signaled before the exit group",
        observed="its handler did not run, though exit handlers did",
        culprit="core",
        steps=exited,
    )
    first, last = span(machine, "before")
    ticks = [step for step in ran(machine, "timer") if first < step < last]
    judge(
        ticks,
        expected="timers tick until the BeforeExitBootServices group is done",
        observed="the timer was silent",
        culprit="core",
        steps=(first, last),
    )


@then("it does not run any more once exit handlers run")
def timer_not_after(machine: Machine) -> None:
    """Timers: in the exit group."""
    first, _ = span(machine, "stalling")
    ticks = [step for step in ran(machine, "timer") if step > first]
    judge(
        not ticks,
        expected="no timer notification runs once exit handlers run",
        observed=f"the timer ran {len(ticks)} times",
        culprit="core",
        steps=(first, *ticks),
    )


# The OS loader


@given("a witness has an exit handler")
def witness(machine: Machine) -> None:
    """Events: a handler of the scenario's own, which shows that the group was notified."""
    create(machine, EventSpec("witness", EVT_SIGNAL_EXIT_BOOT_SERVICES, Tpl.CALLBACK))


@given("the OS loader has taken the machine over, with page tables of its own")
@when("the OS loader takes the machine over")
def loader_boots(machine: Machine, scene: Scene) -> None:
    """Loader: from the memory map to the OS."""
    scene.notes["boot"] = machine.loader.boot()


@then("the OS loader has called again with the new MapKey, and has the machine")
def loader_retried(machine: Machine, scene: Scene) -> None:
    """Loader: a refused call."""
    calls = machine.trace.calls("ExitBootServices")
    control(ran(machine, "before"), "the handler did not run")
    control(machine.trace.phase(Phase.KEY_REFUSED), "no call was refused")
    judge(
        scene.notes["boot"] is EfiStatus.SUCCESS,
        expected="the OS loader calls again and succeeds",
        observed=f"it called {len(calls)} times and ended with {scene.notes['boot']}",
        culprit=newest_actor(machine.trace, Party.OS_LOADER),
        steps=tuple(call.step for call in calls),
    )


@then("the OS loader called ExitBootServices at TPL_APPLICATION")
def loader_level(machine: Machine, monitored: Monitored) -> None:
    """Loader: its level."""
    control(machine.trace.calls("ExitBootServices"), "the OS loader did not call ExitBootServices")
    judge_breaches(monitored("EBS-04"))


@then("the witness's exit handler has run")
def witness_ran(machine: Machine) -> None:
    """Events: the exit group was notified."""
    calls = machine.trace.calls("ExitBootServices")
    judge(
        ran(machine, "witness"),
        expected="every exit handler runs before the OS owns the machine",
        observed="a handler at TPL_CALLBACK was skipped",
        culprit=newest_actor(machine.trace, Party.OS_LOADER),
        steps=tuple(call.step for call in calls),
    )


@then("every exit handler of the driver left the level as it found it")
def levels_kept(machine: Machine, monitored: Monitored) -> None:
    """Levels: at both ends of a handler."""
    control(exit_window(machine.trace), "ExitBootServices did not succeed")
    control(ran(machine, "witness"), "the witness's exit handler did not run")
    judge_breaches(monitored("EBS-05"))


# Teardown


@given(parsers.re(r"an IOMMU driver whose exit handler is queued at (?P<tpl>TPL_\w+)"), converters={"tpl": TPL})
def iommu_level(machine: Machine, tpl: Tpl) -> None:
    """Machine: the IOMMU driver's handler."""
    machine.setup.iommu_handler(tpl)


def start_disk(machine: Machine, scene: Scene) -> None:
    """Start the disk's driver, and let it show that it works."""
    control(machine.driver.start() is EfiStatus.SUCCESS, "the disk's driver did not start")
    scene.secrets.append(machine.host.secret("a block", BLOCK))
    control(machine.driver.write(LBA, scene.secret.data) is EfiStatus.SUCCESS, "the first write failed")
    control(machine.driver.medium(LBA, 1) == scene.secret.data, "the first write did not reach the disk")


@given(parsers.re(r"a disk that its driver halts in an exit handler at (?P<tpl>TPL_\w+)"), converters={"tpl": TPL})
def disk_at_level(machine: Machine, scene: Scene, tpl: Tpl) -> None:
    """Driver: the reference driver, with its handler at a level of choice."""
    machine.setup.driver_handler(tpl)
    start_disk(machine, scene)


@given(
    parsers.re(r"a disk that its driver halts in a second event, signaled from an exit handler at (?P<tpl>TPL_\w+)"),
    converters={"tpl": TPL},
)
def disk_deferred(machine: Machine, scene: Scene, tpl: Tpl) -> None:
    """Driver: the machine that is expected to show the limit."""
    machine.setup.deferring_driver(tpl=tpl)
    start_disk(machine, scene)


@given("a disk whose driver has written a secret and read it back")
def disk_with_secret(machine: Machine, scene: Scene) -> None:
    """Driver: a secret that goes to the disk and comes back, seen on its way."""
    control(machine.driver.start() is EfiStatus.SUCCESS, "the disk's driver did not start")
    scene.secrets.append(machine.host.secret("the block", BLOCK))
    control(machine.driver.submit_write(LBA, scene.secret.data) is EfiStatus.SUCCESS, "the write failed")
    machine.host.run_devices(2)
    machine.host.search(scene.secrets)
    machine.host.run_devices(4)
    status, data = machine.driver.read(LBA, 1)
    control(status is EfiStatus.SUCCESS and data == scene.secret.data, "the block did not come back")


@given("the driver has a write in flight")
def write_in_flight(machine: Machine, scene: Scene) -> None:
    """Driver: a command that the disk has not seen."""
    machine.driver.put_medium(LBA + 1, machine.host.secret("what the disk held", BLOCK).data)
    scene.secrets.append(machine.host.secret("the block in flight", BLOCK))
    scene.notes["before"] = machine.driver.medium(LBA + 1, 1)
    status = machine.driver.submit_write(LBA + 1, scene.secret.data)
    control(status is EfiStatus.SUCCESS, f"the write was not accepted: {status}")


@given(parsers.re(r"the driver has a write in flight, of which the disk has (?P<progress>.+)"))
def write_under_way(machine: Machine, scene: Scene, progress: str) -> None:
    """Driver: a command that the disk has begun."""
    write_in_flight(machine, scene)
    machine.host.run_devices(PROGRESS[progress])


@when("the outside world goes on")
def world_goes_on(machine: Machine) -> None:
    """Host: time for devices that were not halted."""
    machine.host.run_devices(8)


@then("no mapping is torn down before the disk is halted")
def halted_first(machine: Machine, monitored: Monitored) -> None:
    """Teardown: behind the halt."""
    window = exit_window(machine.trace)
    control(window, "ExitBootServices did not succeed")
    states = machine.trace.of(DeviceState, since=window.opened if window else 0)
    halts = [e for e in states if e.device == DISK and not e.running]
    control(halts, "the disk was not halted at exit")
    control(torn_down(machine.trace), "no mapping was torn down at exit")
    judge_breaches(monitored("EBS-06"))


@then("no mapping is live any more")
def none_live(machine: Machine) -> None:
    """Teardown: all of them."""
    control(exit_window(machine.trace), "ExitBootServices did not succeed")
    made = len(list(machine.trace.of(MappingMade)))
    control(made, "no mapping was ever live")
    left = lives(machine.trace).live
    judge(
        not left,
        expected="every mapping is ended before ExitBootServices returns",
        observed=f"{len(left)} of {made} are still live: {', '.join(f'{m.mapping} ({m.operation})' for m in left)}",
        culprit=newest_actor(machine.trace, Party.IOMMU_DRIVER),
        steps=tuple(m.step for m in left),
    )


@then("every block on the disk is as it was, or as it was commanded")
def medium_sound(machine: Machine, scene: Scene) -> None:
    """Disk image: the block of the write in flight, and all others."""
    control(exit_window(machine.trace), "ExitBootServices did not succeed")
    block = machine.driver.medium(LBA + 1, 1)
    others = machine.driver.medium(0, LBA) + machine.driver.medium(LBA + 2, 64)
    written = [e.step for e in machine.trace.of(Dma) if e.length == BLOCK and not e.write]
    judge(
        block in {scene.notes["before"], scene.secret.data} and not any(others),
        expected="the block in flight is written whole or not at all, and no other block changes",
        observed="garbage is on the disk: what its mapping held when the disk read it at last",
        culprit=newest_actor(machine.trace, Party.IOMMU_DRIVER),
        steps=(*(e.step for e in machine.trace.of(MappingEnded)), *written[-1:]),
    )


@then(parsers.re(r"the disk (?P<finding>is halted before|runs on after) its mapping is torn down"))
def limit_shown(machine: Machine, finding: str) -> None:
    """Teardown: on a machine where another handler defers too."""
    window = exit_window(machine.trace)
    control(window, "ExitBootServices did not succeed")
    since = window.opened if window else 0
    states = machine.trace.of(DeviceState, since=since)
    halted = next((e.step for e in states if e.device == DISK and not e.running), 0)
    torn = next(iter(torn_down(machine.trace, bus_master=DISK)), 0)
    control(halted and torn, "the disk was not halted, or no mapping was torn down")
    judge(
        (halted < torn) == (finding == "is halted before"),
        expected=f"the disk {finding} its mapping is torn down",
        observed=f"it was halted at step {halted}, and its first mapping torn down at step {torn}",
        culprit=newest_actor(machine.trace, Party.IOMMU_DRIVER),
        steps=(halted, torn),
    )
