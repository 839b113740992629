"""
Sentences on drivers that do not get what they ask for.

They stand apart from `drivers` because here a status that is an error is what a scenario wants.
"""

from pytest_bdd import given, parsers, then, when

from sevconf.contract import Machine
from sevconf.contract.disk import BLOCK
from sevconf.errors import Inconclusive, Unsupported
from sevconf.monitors import control, judge, judge_breaches
from sevconf.trace import MappingMade, ServiceCall, ServiceReturn
from sevconf.vocabulary import EfiStatus, Party

from .values import Monitored, Scene, newest_actor

#: Where the storyline's blocks are, and how many.
LBA, COUNT = 30, 3
#: Calls that a start may make before the suite stops counting.
MOST_CALLS = 64


@given(parsers.parse("Map gives the driver at most {size:d} bytes from now on"))
def map_in_part(machine: Machine, scene: Scene, size: int) -> None:
    """Driver: Map with a limit."""
    scene.notes["since"] = len(machine.trace)
    machine.driver.map_at_most(size)


@when(parsers.re(r"the driver (?P<act>writes|reads) 3 blocks"))
def move_blocks(machine: Machine, scene: Scene, act: str) -> None:
    """Driver: more bytes than Map will take."""
    scene.secrets.append(machine.host.secret("three blocks", COUNT * BLOCK))
    if act == "writes":
        scene.notes["status"] = machine.driver.write(LBA, scene.secret.data)
        scene.notes["moved"] = machine.driver.medium(LBA, COUNT)
    else:
        machine.driver.put_medium(LBA, scene.secret.data)
        scene.notes["status"], scene.notes["moved"] = machine.driver.read(LBA, COUNT)


def require_limited(machine: Machine, scene: Scene) -> None:
    """Hold that Map had its limit in play: a driver that maps nothing for a transfer cannot be given less."""
    if not list(machine.trace.of(MappingMade, since=scene.notes["since"])):
        raise Unsupported("the driver maps nothing from then on, so Map cannot give it less than it asked for")


@then("it reports an error, or the blocks were moved whole")
def honest(machine: Machine, scene: Scene) -> None:
    """Driver: its status, and the data."""
    trace = machine.trace
    require_limited(machine, scene)
    status = scene.notes["status"]
    judge(
        status.is_error or scene.notes["moved"] == scene.secret.data,
        expected="a driver that got fewer bytes mapped reports an error, or moves the rest in another way",
        observed=f"it returns {status}, and other bytes were moved",
        culprit=newest_actor(trace, Party.DRIVER),
        steps=tuple(entry.step for entry in trace.of(MappingMade))[-1:],
    )


@when("the disk's driver is asked to start, and if it does to write a block")
def start_and_write(machine: Machine) -> None:
    """Driver: Start and some work, whatever comes of it."""
    if not machine.driver.start().is_error:
        machine.driver.write(LBA, machine.host.secret("a block", BLOCK).data)


@then("the disk did no DMA outside what was mapped")
def dma_inside_part(machine: Machine, scene: Scene, monitored: Monitored) -> None:
    """Disk: where its DMA goes since Map has its limit, if it does any."""
    require_limited(machine, scene)
    since = scene.notes["since"]
    judge_breaches(breach for breach in monitored("DRV-05") if breach.steps[-1] > since)


@when("the disk's driver is started again and again, each time with a later service call that fails")
def start_by_failures(machine: Machine, scene: Scene) -> None:
    """Driver: one failing call after the other, until a start makes no such call; how many there are is its choice."""
    control(not machine.driver.start().is_error and not machine.driver.stop().is_error, "it does not start and stop")
    for number in range(1, MOST_CALLS):
        machine.driver.fail_call(number)
        status = machine.driver.start()
        failed = machine.driver.call_failed()
        machine.driver.fail_call(0)
        if not failed:
            scene.notes["status"] = status
            return
        if not status.is_error:
            control(not machine.driver.stop().is_error, f"the driver started without call {number}, and did not stop")
    raise Inconclusive(f"a start makes more than {MOST_CALLS} calls that take resources")


@then("no start that failed left anything behind")
def nothing_left(machine: Machine, monitored: Monitored) -> None:
    """Driver: at the end of each Start."""
    starts = [done for done in machine.trace.of(ServiceReturn) if done.service == "DriverBinding.Start"]
    control(any(done.status and done.status.is_error for done in starts), "no start failed")
    judge_breaches(monitored("DRV-41"))


@then("the driver starts when no call fails")
def starts_at_last(machine: Machine, scene: Scene) -> None:
    """Driver: its last Start."""
    status = scene.notes["status"]
    judge(
        status is EfiStatus.SUCCESS,
        expected="a driver that failed for want of resources starts when there are some",
        observed=f"its start returns {status}",
        culprit=newest_actor(machine.trace, Party.DRIVER),
        steps=tuple(call.step for call in machine.trace.of(ServiceCall) if call.service == "DriverBinding.Start"),
    )
