"""Sentences on the levels and processors from which services are called, and on what a core answers there."""

from collections.abc import Callable

from pytest_bdd import given, parsers, then, when

from sevconf.contract import EventSpec, Machine
from sevconf.contract.disk import BLOCK
from sevconf.errors import SuiteError
from sevconf.monitors import control, exit_window, judge_breaches
from sevconf.trace import ServiceCall, party_of
from sevconf.vocabulary import EVT_NOTIFY_SIGNAL, EVT_TIMER, EfiStatus, Party, TimerDelay, Tpl
from sevconf.vocabulary.protocols import BLOCK_IO

from .values import Monitored, Scene, require_core

#: Where the scenarios put a block.
LBA = 24


# The caller


def require_calls(machine: Machine, party: Party) -> None:
    """Hold that the party called services at all."""
    calls = [e for e in machine.trace.of(ServiceCall) if party_of(e.actor) == party.value]
    control(calls, f"the party {party.value} called no service")


@when("a block is written and read back through the driver")
def block_moved(machine: Machine, scene: Scene) -> None:
    """Driver: some work at the present level; what it returns is another rule's business."""
    scene.secrets.append(machine.host.secret("a block", BLOCK))
    machine.driver.write(LBA, scene.secret.data)
    machine.driver.read(LBA, 1)


@then("the driver called every service at a level that the table allows")
def driver_levels(machine: Machine, monitored: Monitored) -> None:
    """Levels: the driver's calls."""
    require_calls(machine, Party.DRIVER)
    judge_breaches(monitored("EVT-07"))


@then("the IOMMU driver called every service at a level that the table allows")
def iommu_levels(machine: Machine, monitored: Monitored) -> None:
    """Levels: the IOMMU driver's calls."""
    require_calls(machine, Party.IOMMU_DRIVER)
    judge_breaches(monitored("EVT-08"))


@then("the OS loader called every service at a level that the table allows")
def loader_levels(machine: Machine, monitored: Monitored) -> None:
    """Levels: the OS loader's calls."""
    require_calls(machine, Party.OS_LOADER)
    judge_breaches(monitored("EVT-09"))


@then("the driver called every service from the bootstrap processor")
def driver_processor(machine: Machine, monitored: Monitored) -> None:
    """Processors: the driver's calls."""
    require_calls(machine, Party.DRIVER)
    control(exit_window(machine.trace), "ExitBootServices did not succeed")
    judge_breaches(monitored("EVT-10"))


@then("the IOMMU driver called every service from the bootstrap processor")
def iommu_processor(machine: Machine, monitored: Monitored) -> None:
    """Processors: the IOMMU driver's calls."""
    require_calls(machine, Party.IOMMU_DRIVER)
    control(exit_window(machine.trace), "ExitBootServices did not succeed")
    judge_breaches(monitored("EVT-21"))


@then("the driver raised the level to none below the present one")
def driver_raises(machine: Machine, monitored: Monitored) -> None:
    """Levels: the driver's own."""
    require_calls(machine, Party.DRIVER)
    control(exit_window(machine.trace), "ExitBootServices did not succeed")
    judge_breaches(monitored("EVT-20"))


@then("the IOMMU driver raised the level to none below the present one")
def iommu_raises(scene: Scene, monitored: Monitored) -> None:
    """Levels: the IOMMU driver's own."""
    control(scene.notes["served"], "the data did not get through the mapping")
    judge_breaches(monitored("EVT-22"))


# The core


def calls(machine: Machine, scene: Scene) -> dict[str, Callable[[], EfiStatus]]:
    """Return each service as a call that succeeds wherever it is legal."""
    core, notes = machine.core, scene.notes
    made = EventSpec("made", EVT_NOTIFY_SIGNAL, Tpl.CALLBACK)
    return {
        "AllocatePages": lambda: core.allocate_pages(1)[0],
        "FreePages": lambda: core.free_pages(notes["page"], 1),
        "AllocatePool": lambda: core.allocate_pool(64)[0],
        "FreePool": lambda: core.free_pool(notes["pool"]),
        "GetMemoryMap": lambda: core.memory_map()[0],
        "LocateProtocol": lambda: core.locate_protocol(BLOCK_IO),
        "CreateEvent": lambda: core.create_event(made),
        "CreateEventEx": lambda: core.create_event(EventSpec("made", 0, by_create_event_ex=True)),
        "CloseEvent": lambda: core.close_event("plain"),
        "CheckEvent": lambda: core.check_event("plain"),
        "SetTimer": lambda: core.set_timer("timer", TimerDelay.RELATIVE, 100_000),
        "SignalEvent": lambda: core.signal_event("plain"),
        "Stall": lambda: core.stall(1),
        "WaitForEvent": lambda: core.wait_for_event("plain"),
    }


@given(parsers.re(r"all that a call of (?P<service>\w+) needs"))
def needs(machine: Machine, scene: Scene, service: str) -> None:
    """Core: memory to free, a signaled event, a timer; made at TPL_APPLICATION."""
    if service not in calls(machine, scene):
        raise SuiteError(f"there is no call of {service}")
    require_core(machine)
    (page_status, page), (pool_status, pool) = machine.core.allocate_pages(1), machine.core.allocate_pool(64)
    made = (
        page_status,
        pool_status,
        machine.core.create_event(EventSpec("plain", 0)),
        machine.core.create_event(EventSpec("timer", EVT_TIMER)),
        machine.core.signal_event("plain"),
    )
    control(all(status is EfiStatus.SUCCESS for status in made), f"something could not be made: {made}")
    scene.notes.update(page=page, pool=pool)


@when(parsers.re(r"(?P<service>\w+) is called"))
def service_called(machine: Machine, scene: Scene, service: str) -> None:
    """Core: one call."""
    scene.notes["status"] = calls(machine, scene)[service]()


@then("it is answered what the call returned")
def answer_status(scene: Scene, answer: Callable[[str], None]) -> None:
    """Core: its status."""
    answer(f"it returns {scene.notes['status']}")
