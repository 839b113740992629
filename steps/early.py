"""Sentences on an IOMMU whose tables come late, on how it is commanded, and on grants that are refused."""

from pytest_bdd import given, parsers, then, when

from sevconf.contract import Machine
from sevconf.contract.driver import Mapped
from sevconf.monitors import control, exit_window, judge, lives
from sevconf.trace import IommuCommand, ServiceReturn, party_of
from sevconf.vocabulary import ONE_SHOT, PAGE_SIZE, DmaOperation, EfiStatus, Party

from .iommu_policy import translating
from .values import OPERATION, Scene, newest_actor


def map_page(machine: Machine, operation: DmaOperation) -> Mapped:
    """Map a fresh page for the bus master."""
    status, page = machine.core.allocate_pages(1)
    control(not status.is_error, "no page")
    return machine.dma.map(operation, page, PAGE_SIZE)


def reaches(machine: Machine, operation: DmaOperation, mapped: Mapped) -> bool:
    """Let the bus master do what it mapped for; tells whether that passed."""
    if operation.device_reads:
        return machine.dma.device_read(mapped.device_address, PAGE_SIZE) is not None
    return machine.dma.device_write(mapped.device_address, bytes(PAGE_SIZE))


@given("an IOMMU driver that cannot install its tables yet")
def tables_wait(machine: Machine) -> None:
    """IOMMU: early boot."""
    machine.iommu.tables_wait()


@given(
    parsers.re(r"a page that is mapped as (?P<operation>\w+) before they are there"),
    converters={"operation": OPERATION},
)
def mapped_early(machine: Machine, scene: Scene, operation: DmaOperation) -> None:
    """DMA: Map in early boot."""
    scene.notes.update(operation=operation, early=map_page(machine, operation), step=len(machine.trace))


@when("the tables are installed")
def tables_come(machine: Machine) -> None:
    """IOMMU: the platform has told of its units."""
    machine.iommu.tables_come()
    control(translating(machine), "translation is off")


@then("that Map was refused with EFI_NOT_READY, or the bus master reaches what it mapped")
def early_kept(machine: Machine, scene: Scene) -> None:
    """DMA: what came of the early Map."""
    early: Mapped = scene.notes["early"]
    refused = early.status is EfiStatus.NOT_READY
    judge(
        refused or (not early.status.is_error and reaches(machine, scene.notes["operation"], early)),
        expected="a Map before the tables are installed is refused with EFI_NOT_READY, or serves when they are",
        observed=f"it returned {early.status}, and the tables that came later let nothing of it pass",
        culprit=newest_actor(machine.trace, Party.IOMMU_DRIVER),
        steps=(scene.notes["step"], len(machine.trace)),
    )


@then(
    parsers.re(r"the bus master reaches what is mapped as (?P<operation>\w+) now"),
    converters={"operation": OPERATION},
)
def served_now(machine: Machine, operation: DmaOperation) -> None:
    """DMA: Map when the tables are there."""
    mapped = map_page(machine, operation)
    judge(
        not mapped.status.is_error and reaches(machine, operation, mapped),
        expected="when the tables are installed, Map and its grant serve",
        observed=f"Map returned {mapped.status}, and the bus master does not reach what it mapped",
        culprit=newest_actor(machine.trace, Party.IOMMU_DRIVER),
        steps=(len(machine.trace),),
    )


@then("the IOMMU driver changed one thing with each command")
def commands_single(machine: Machine) -> None:
    """IOMMU: its global command register, against the status before each write."""
    control(exit_window(machine.trace), "ExitBootServices did not succeed")
    commands = [e for e in machine.trace.of(IommuCommand) if party_of(e.actor) == Party.IOMMU_DRIVER.value]
    control(len(commands) > 1, "the IOMMU driver wrote less than two commands")
    wrong = [e for e in commands if (e.command ^ (e.status & ~ONE_SHOT)).bit_count() > 1]
    judge(
        not wrong,
        expected="each write of the global command register changes one bit of the status without its one-shot bits",
        observed=f"{len(wrong)} writes change more: a command that acts once was given again, or two at once",
        culprit=wrong[0].actor if wrong else "",
        steps=tuple(e.step for e in wrong),
    )


@given("an IOMMU driver that refuses every grant from now on")
def grants_refused(machine: Machine) -> None:
    """IOMMU: no resources."""
    machine.iommu.refuse_grants()


@when(parsers.re(r"a page is mapped as (?P<operation>\w+)"), converters={"operation": OPERATION})
def page_mapped(machine: Machine, scene: Scene, operation: DmaOperation) -> None:
    """DMA: Map."""
    scene.notes["before"] = {mapping.mapping for mapping in lives(machine.trace).live}
    scene.notes["mapped"] = map_page(machine, operation)


@then("Map returns an error, and leaves nothing mapped")
def refusal_told(machine: Machine, scene: Scene) -> None:
    """PciIo: its status, and what is live."""
    answers = [e for e in machine.trace.of(ServiceReturn) if e.service == "IoMmu.SetAttribute"]
    refusals = [e for e in answers if e.status is not None and e.status.is_error]
    control(refusals, "SetAttribute refused nothing")
    mapped: Mapped = scene.notes["mapped"]
    left = [mapping for mapping in lives(machine.trace).live if mapping.mapping not in scene.notes["before"]]
    judge(
        mapped.status.is_error and not left,
        expected="a Map that the IOMMU driver gives no access for returns an error, and its mapping is ended",
        observed=f"it returns {mapped.status}, and "
        f"{', '.join(mapping.mapping for mapping in left) or 'nothing'} is left live",
        culprit="pci",
        steps=(refusals[-1].call, refusals[-1].step, *(mapping.step for mapping in left)),
    )
