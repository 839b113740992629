"""Sentences on Map and Unmap outside of ExitBootServices, and on other IOMMU drivers than the target's own."""

from collections.abc import Callable, Iterator

from pytest_bdd import given, parsers, then, when

from sevconf.contract import Machine
from sevconf.monitors import control, judge, judge_breaches
from sevconf.trace import MapChanged, MappingMade, ServiceCall, ServiceReturn, party_of
from sevconf.vocabulary import MEMORY_SERVICES, PAGE_SIZE, DmaOperation, EfiStatus, Party, restriction

from .dma_mapping import round_trip
from .values import OPERATION, Monitored, Scene, newest_actor


@given("an IOMMU driver that logs each Map and Unmap in pool memory")
def tracing_iommu(machine: Machine) -> None:
    """Machine: an IOMMU driver with tracing."""
    machine.setup.iommu_variant("tracing")


@given("an IOMMU driver that the core signals apart")
def signalled_iommu(machine: Machine) -> None:
    """Machine: an IOMMU driver without an exit handler, and a core that signals it."""
    machine.setup.iommu_variant("core-signalled")


@given(parsers.re(r"a buffer for (?P<operation>\w+)"), converters={"operation": OPERATION})
def buffer_for(machine: Machine, scene: Scene, operation: DmaOperation) -> None:
    """DMA: a page fit for an operation."""
    if operation is DmaOperation.COMMON_BUFFER:
        status, buffer = machine.dma.allocate_buffer(1)
    else:
        status, buffer = machine.core.allocate_pages(1)
    control(not status.is_error, f"no buffer for {operation}: {status}")
    scene.notes.update(buffer=buffer, operation=operation)


@when("the buffer is mapped, and unmapped again")
def comes_and_goes(machine: Machine, scene: Scene) -> None:
    """DMA: Map and Unmap, and what each returns."""
    before = len(machine.trace)
    mapped, unmapped, served = round_trip(machine, scene.notes["operation"], scene.notes["buffer"], PAGE_SIZE)
    calls = [call.step for call in machine.trace.calls("PciIo.Unmap") if call.step > before]
    spans = before, calls[0] if calls else len(machine.trace), len(machine.trace)
    scene.notes.update(statuses={"Map": mapped, "Unmap": unmapped}, served=served, spans=spans)


@then("Map and Unmap returned EFI_SUCCESS")
def both_succeeded(machine: Machine, scene: Scene) -> None:
    """DMA: their statuses."""
    for service, status in scene.notes["statuses"].items():
        steps = [call.step for call in machine.trace.calls(f"PciIo.{service}")]
        judge(
            status is EfiStatus.SUCCESS,
            expected=f"{service} returns EFI_SUCCESS at a level at which PciIo may be called",
            observed=f"{service} returns {status}",
            culprit=newest_actor(machine.trace, Party.IOMMU_DRIVER),
            steps=(*steps[-1:], len(machine.trace)),
        )


@then("the IOMMU driver is blamed for no memory service")
def nobody_blamed(machine: Machine, scene: Scene, monitored: Monitored) -> None:
    """DMA: outside the exit, memory services are nobody's breach."""
    control(list(machine.trace.of(MappingMade)), "nothing was mapped")
    control(scene.notes["served"], "no data went through the mapping")
    judge_breaches((*monitored("DMA-08"), *monitored("MEM-04")))


def memory_calls(machine: Machine, service: str) -> Iterator[ServiceCall]:
    """Yield the IOMMU driver's calls of memory services inside that service of PciIo."""
    for call in machine.trace.calls(*MEMORY_SERVICES):
        outer = machine.trace.enclosing(call)
        inside = any(isinstance(e, ServiceCall) and e.service == service for e in outer)
        if inside and party_of(call.actor) == Party.IOMMU_DRIVER.value:
            yield call


@then("every memory service inside Map and Unmap was called at a level that allows it, and succeeded")
def memory_served(machine: Machine) -> None:
    """DMA: the calls of an IOMMU driver that keeps a log."""
    returned = {e.call: e for e in machine.trace.of(ServiceReturn)}
    for service in ("PciIo.Map", "PciIo.Unmap"):
        calls = list(memory_calls(machine, service))
        control(calls, f"the IOMMU driver used no memory service inside {service}")
        for call in calls:
            allowed = restriction(call.service)
            back = returned.get(call.step)
            status = back.status if back is not None else None
            judge(
                (allowed is None or allowed.allows(call.tpl)) and status is EfiStatus.SUCCESS,
                expected=f"inside {service}, {call.service} is called at {allowed} and succeeds",
                observed=f"it is called at {call.tpl}, though the caller of {service} was at a legal level, and "
                f"returns {status}",
                culprit=Party.PCI.value,
                steps=(call.step,),
            )


@then("it is answered which of the two changed the memory map")
def answer_changes(machine: Machine, scene: Scene, answer: Callable[[str], None]) -> None:
    """Memory map: during Map, and during Unmap."""
    for service, status in scene.notes["statuses"].items():
        control(status is EfiStatus.SUCCESS, f"{service} returned {status}")
    before, between, after = scene.notes["spans"]
    changes = [e.step for e in machine.trace.of(MapChanged)]
    told = {
        "Map": any(before < step <= between for step in changes),
        "Unmap": any(between < step <= after for step in changes),
    }
    answer(" and ".join(service for service, changed in told.items() if changed) or "neither")
