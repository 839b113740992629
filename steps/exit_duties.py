"""Sentences on what drivers, IOMMU drivers and OS loaders leave alone around ExitBootServices, and on protocols."""

from collections.abc import Callable

from pytest_bdd import given, then, when

from sevconf.contract import Machine
from sevconf.contract.disk import BLOCK
from sevconf.monitors import control, exit_window, judge, judge_breaches, lives, torn_down
from sevconf.trace import (
    NotificationBegan,
    NotificationEnded,
    Phase,
    ServiceCall,
    ServiceReturn,
    party_of,
)
from sevconf.vocabulary import PAGE_SIZE, PROTOCOL_NAMES, UEFI_PROTOCOLS, EfiStatus, EventGroup, Party
from sevconf.vocabulary.protocols import PCI_ENUMERATION_COMPLETE

from .values import Monitored, Scene, newest_actor

#: Where the scenarios put a block.
LBA = 16


def require_exit(machine: Machine) -> None:
    """Hold that the machine was handed over, and the exit group really notified: a witness's handler ran."""
    control(exit_window(machine.trace), "ExitBootServices did not succeed")
    control(any(e.event == "witness" for e in machine.trace.of(NotificationBegan)), "the witness's handler did not run")


# Drivers


@then("no exit handler of the driver waits for a timer")
def no_timer(machine: Machine, monitored: Monitored) -> None:
    """Exit handlers: timers."""
    require_exit(machine)
    judge_breaches(monitored("DRV-32"))


@then("no exit handler of the driver calls another driver")
def no_other_driver(machine: Machine, monitored: Monitored) -> None:
    """Exit handlers: protocols of other drivers."""
    require_exit(machine)
    judge_breaches(monitored("DRV-33"))


@then("no exit handler of the driver maps memory")
def no_map(machine: Machine, monitored: Monitored) -> None:
    """Exit handlers: Map."""
    require_exit(machine)
    judge_breaches(monitored("DRV-34"))


@given("a platform that has no protocol but UEFI's own")
def bare_platform(machine: Machine) -> None:
    """Core: the protocol database."""
    machine.core.remove_private_protocols()
    status = machine.core.locate_protocol(PCI_ENUMERATION_COMPLETE)
    control(status is EfiStatus.NOT_FOUND, f"a private protocol is still there: LocateProtocol returned {status}")


@when("the driver is asked to start, to write, to read and to stop")
def asked(machine: Machine, scene: Scene) -> None:
    """Driver: a whole life, with all that it returns."""
    scene.secrets.append(machine.host.secret("a block", BLOCK))
    done = scene.notes.setdefault("done", {})
    done["start"] = machine.driver.start() is EfiStatus.SUCCESS
    if done["start"]:
        done["write"] = machine.driver.write(LBA, scene.secret.data) is EfiStatus.SUCCESS
        done["write"] &= machine.driver.medium(LBA, 1) == scene.secret.data
        done["read"] = machine.driver.read(LBA, 1) == (EfiStatus.SUCCESS, scene.secret.data)
        done["stop"] = machine.driver.stop() is EfiStatus.SUCCESS


def look_ups(machine: Machine) -> list[ServiceCall]:
    """Return the driver's calls of LocateProtocol."""
    return [call for call in machine.trace.calls("LocateProtocol") if party_of(call.actor) == Party.DRIVER.value]


def guid_of(call: ServiceCall) -> str:
    """Return the GUID that a call of LocateProtocol asks for."""
    return str(dict(call.arguments).get("protocol"))


@then("it does what it was asked")
def works(machine: Machine, scene: Scene) -> None:
    """Driver: what it returned, and what lies on the disk."""
    failed = [act for act, right in scene.notes["done"].items() if not right]
    looked = [call for call in look_ups(machine) if guid_of(call) not in UEFI_PROTOCOLS]
    control(not failed or looked, f"the driver fails to {', '.join(failed)}, but looked for no private protocol")
    judge(
        not failed,
        expected="the driver works without private protocols of the platform",
        observed=f"it fails to {' and to '.join(failed)}",
        culprit=newest_actor(machine.trace, Party.DRIVER),
        steps=(*(call.step for call in looked), len(machine.trace)),
    )


@then("it is answered which protocols the driver looked for")
def answer_protocols(machine: Machine, answer: Callable[[str], None]) -> None:
    """Driver: its look-ups."""
    control(machine.trace.calls("PciIo.Map"), "the driver called no service")
    guids = {guid_of(call) for call in look_ups(machine)}
    answer(", ".join(sorted(PROTOCOL_NAMES.get(guid, guid) for guid in guids)) or "none")


# IOMMU drivers


@then("the IOMMU driver is signaled behind every exit handler")
def signaled_last(machine: Machine) -> None:
    """Exit: the group of IOMMU drivers."""
    control(exit_window(machine.trace), "ExitBootServices did not succeed")
    group = EventGroup.EXIT_BOOT_SERVICES.value
    handlers = {e.step for e in machine.trace.handlers()}
    ended = [e.step for e in machine.trace.of(NotificationEnded) if e.began in handlers]
    control(ended, "no exit handler ran")
    own = [
        e.step
        for e in machine.trace.of(NotificationBegan)
        if party_of(e.actor) == Party.IOMMU_DRIVER.value and e.group != group
    ]
    judge(
        own and min(own) > max(ended),
        expected="the group of IOMMU drivers is signaled when every exit handler has returned",
        observed=f"the IOMMU driver ran at step {min(own)}, an exit handler returned at step {max(ended)}"
        if own
        else "the IOMMU driver was not signaled",
        culprit="core",
        steps=(*own, *ended),
    )


@then("no mapping was torn down in the BeforeExitBootServices group")
def nothing_before(machine: Machine, monitored: Monitored) -> None:
    """Exit: the BEFORE group."""
    called = machine.trace.phase(Phase.CALLED)
    control(called, "ExitBootServices was not called")
    since = called.step if called else 0
    control(any(step > since for step in lives(machine.trace).ended.values()), "no mapping was torn down at all")
    judge_breaches(monitored("EBS-12"))


@given("a handler at TPL_CALLBACK that maps the buffer in an event which it signals")
def late_map(machine: Machine, scene: Scene) -> None:
    """DMA: Map from work that an exit handler put off."""
    operation, buffer = scene.notes["operation"], scene.notes["buffer"]
    status = machine.dma.map_behind_exit_handlers(operation, buffer, PAGE_SIZE)
    control(not status.is_error, f"the handler could not be registered: {status}")


@then("that Map comes behind the teardown, and is refused")
def late_map_refused(machine: Machine) -> None:
    """DMA: Map behind the teardown."""
    window = exit_window(machine.trace)
    control(window, "ExitBootServices did not succeed")
    since = window.opened if window else 0
    torn = torn_down(machine.trace)
    late = next((call for call in machine.trace.calls("PciIo.Map") if call.step > since), None)
    control(torn and late is not None and late.step > torn[0], "no Map came behind the teardown")
    call = late.step if late is not None else 0
    status = next((e.status for e in machine.trace.of(ServiceReturn) if e.call == call), None)
    judge(
        status is not None and status.is_error,
        expected="a Map behind the teardown is refused",
        observed=f"at step {call}, behind the teardown at step {torn[0]}, Map returns {status}, and nobody will end "
        "the mapping",
        culprit=newest_actor(machine.trace, Party.IOMMU_DRIVER),
        steps=(torn[0], call),
    )


# OS loaders


@then("the OS loader used memory allocation services only since its first call")
def memory_only(machine: Machine, monitored: Monitored) -> None:
    """Loader: between its calls."""
    control(machine.trace.phase(Phase.KEY_REFUSED), "no call of ExitBootServices was refused")
    judge_breaches(monitored("EBS-13"))
