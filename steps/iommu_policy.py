"""Sentences on an IOMMU that faults: what passes, what does not, and what becomes of it at ExitBootServices."""

from collections.abc import Callable

from pytest_bdd import given, parsers, then, when

from sevconf.contract import Machine
from sevconf.monitors import control, exit_window, judge, judge_breaches
from sevconf.trace import DeviceState, Dma, IommuFault, IommuState, Phase
from sevconf.vocabulary import PAGE_SIZE, DmaOperation, Gva, IommuAccess, Party, pages_for

from .values import DISK, OPERATION, Monitored, Scene, newest_actor, one_of

#: Bytes that a bus master moves at once: an access, and a secret that is looked for.
SIZE = 512
#: Who reads or writes, and which way.
WHO, ACT = r"(?P<who>the bus master|another bus master)", r"(?P<act>reads|writes to)"
#: What SetAttribute is asked for; None is that it isn't asked at all.
ACCESS = one_of(
    {
        "nothing": None,
        "read": IommuAccess.READ,
        "write": IommuAccess.WRITE,
        "read and write": IommuAccess.READ | IommuAccess.WRITE,
    }
)
_COMMON = DmaOperation.COMMON_BUFFER


def fill(machine: Machine, scene: Scene, page: int) -> None:
    """Put a fresh secret into a page, and make it the one that accesses go to."""
    scene.secrets.append(machine.host.secret(f"the page's secret {len(scene.secrets) + 1}", SIZE))
    control(machine.memory.write(Gva(page), scene.secret.data), f"the guest could not write to {page:#x}")
    scene.notes["page"] = page


def access(machine: Machine, scene: Scene, who: str, act: str, page: int) -> bool:
    """Let somebody read or write; tells whether it passed."""
    foreign = b"foreign bytes".ljust(SIZE, b"!")
    scene.notes["access"] = (act, page, len(machine.trace))
    scene.notes["got"] = None
    if act == "reads":
        read = machine.dma.device_read if who == "the bus master" else machine.iommu.stranger_read
        scene.notes["got"] = read(page, SIZE)
        return scene.notes["got"] is not None
    write = machine.dma.device_write if who == "the bus master" else machine.iommu.stranger_write
    scene.notes["written"] = foreign
    return write(page, foreign)


def translating(machine: Machine) -> bool:
    """Tell whether the IOMMU translates."""
    state = machine.trace.last(IommuState)
    return state is not None and state.translating


# What was mapped, and what was not


@given("a page with a secret that nobody has mapped")
def unmapped_page(machine: Machine, scene: Scene) -> None:
    """Memory: a page that is no driver's business."""
    status, page = machine.core.allocate_pages(1)
    control(not status.is_error, "no page")
    fill(machine, scene, page)


@given("a page with a secret that nobody has mapped, which no bus master can reach")
def unreachable_page(machine: Machine, scene: Scene) -> None:
    """Memory and IOMMU: translation is on, and keeps two bus masters out."""
    unmapped_page(machine, scene)
    for who in ("the bus master", "another bus master"):
        control(not access(machine, scene, who, "reads", scene.notes["page"]), f"{who} reached it before the exit")


@given(
    parsers.re(r"a live (?P<operation>\w+) mapping of (?P<size>\d+) bytes"),
    converters={"operation": OPERATION, "size": int},
)
def live_mapping(machine: Machine, scene: Scene, operation: DmaOperation, size: int) -> None:
    """DMA: a mapping, of which its bus master shows that it serves; accesses go where it leads."""
    take = machine.dma.allocate_buffer if operation is _COMMON else machine.core.allocate_pages
    status, buffer = take(pages_for(size))
    control(not status.is_error, "no buffer")
    fill(machine, scene, buffer)
    mapped = machine.dma.map(operation, buffer, size)
    control(not mapped.status.is_error, f"Map returned {mapped.status}")
    scene.notes.update(mapped=mapped, buffer=buffer, length=size, page=mapped.device_address)
    act = "reads" if operation.device_reads else "writes to"
    control(access(machine, scene, "the bus master", act, mapped.device_address), "the mapping does not serve")
    machine.memory.write(Gva(mapped.device_address), scene.secret.data)


@given("the middle one of three pages is mapped as BusMasterCommonBuffer")
def middle_mapped(machine: Machine, scene: Scene) -> None:
    """DMA: a page of a buffer, of which the pages beside it are not mapped."""
    status, buffer = machine.dma.allocate_buffer(3)
    control(not status.is_error, "no buffer")
    middle = Gva(buffer + PAGE_SIZE)
    mapped = machine.dma.map(_COMMON, middle, PAGE_SIZE)
    control(not mapped.status.is_error, f"Map returned {mapped.status}")
    control(access(machine, scene, "the bus master", "reads", mapped.device_address), "the mapping does not serve")
    scene.notes["page"] = mapped.device_address


@given(
    parsers.re(r"a mapping by the IOMMU protocol alone, for which SetAttribute granted (?P<granted>[a-z ]+)"),
    converters={"granted": ACCESS},
)
def mapped_alone(machine: Machine, scene: Scene, granted: IommuAccess | None) -> None:
    """IOMMU: Map, and perhaps SetAttribute."""
    status, buffer = machine.dma.allocate_buffer(1)
    control(not status.is_error, "no buffer")
    mapped = machine.iommu.map_only(_COMMON, buffer, PAGE_SIZE)
    control(not mapped.status.is_error, f"Map returned {mapped.status}")
    scene.notes["mapped"] = mapped
    fill(machine, scene, mapped.device_address)
    if granted is not None:
        status = machine.iommu.set_attribute(mapped.mapping, granted)
        control(not status.is_error, f"SetAttribute returned {status}")
    control(translating(machine), "translation is off")


@given("SetAttribute has taken the access back")
def taken_back(machine: Machine, scene: Scene) -> None:
    """IOMMU: SetAttribute without access, after the access was there."""
    control(access(machine, scene, "the bus master", "reads", scene.notes["page"]), "the access was not granted")
    status = machine.iommu.set_attribute(scene.notes["mapped"].mapping, IommuAccess.NONE)
    control(not status.is_error, f"SetAttribute returned {status}")


@given("an intruder that reads that page at every step")
def intruder(machine: Machine, scene: Scene) -> None:
    """Devices: one that nobody drives."""
    machine.iommu.intruder(scene.notes["page"], SIZE)


# At and after the exit


@given("the OS that comes takes the IOMMU over")
def aware_os(machine: Machine, scene: Scene) -> None:
    """OS: one that knows the IOMMU."""
    scene.notes["granted by OS"] = machine.iommu.aware_os()


@given("the OS has written over all that was the boot services' memory")
def reused(machine: Machine) -> None:
    """OS: what it does with memory that is its own."""
    machine.iommu.os_reuses_memory()


@given("the OS has written a secret to that page")
def os_secret(machine: Machine, scene: Scene) -> None:
    """OS: its data in what was a driver's buffer."""
    control(exit_window(machine.trace), "ExitBootServices did not succeed")
    fill(machine, scene, scene.notes["page"])


# Accesses


@when(parsers.re(rf"{WHO} {ACT} that page"))
def accesses_page(machine: Machine, scene: Scene, who: str, act: str) -> None:
    """DMA: one access."""
    scene.notes["passed"] = access(machine, scene, who, act, scene.notes["page"])


@when(parsers.re(rf"the bus master {ACT} the page (?P<beside>before|behind) it"))
def accesses_beside(machine: Machine, scene: Scene, act: str, beside: str) -> None:
    """DMA: one access, beside a mapping."""
    fill(machine, scene, scene.notes["page"] + (PAGE_SIZE if beside == "behind" else -PAGE_SIZE))
    accesses_page(machine, scene, "the bus master", act)


@when(parsers.re(rf"{WHO} reads what is reserved for the bus master"))
def accesses_reserved(machine: Machine, scene: Scene, who: str) -> None:
    """DMA: the last page of a reserved range, while translation is on."""
    control(translating(machine), "translation is off")
    start, pages = machine.iommu.reserved_range()
    scene.notes["passed"] = access(machine, scene, who, "reads", start + (pages - 1) * PAGE_SIZE)


@then(parsers.re(r"the access (?P<outcome>passes|faults)"))
def access_outcome(machine: Machine, scene: Scene, outcome: str) -> None:
    """DMA: whether it passed; a fault is recorded."""
    act, page, since = scene.notes["access"]
    passed = scene.notes["passed"]
    faults = [fault.step for fault in machine.trace.of(IommuFault, since=since)]
    control(passed or faults, "the access did not pass, and no fault was recorded")
    judge(
        passed == (outcome == "passes"),
        expected=f"an access that {act} {page:#x} {outcome}",
        observed="it passed" if passed else "it faulted",
        culprit=newest_actor(machine.trace, Party.IOMMU_DRIVER),
        steps=(*(e.step for e in machine.trace.of(IommuState)), *faults, len(machine.trace)),
    )
    if outcome == "passes" and not exit_window(machine.trace):
        control(translating(machine), "translation is off")


@then("the access faults, and the page is as it was")
def access_faults(machine: Machine, scene: Scene) -> None:
    """DMA: a fault, and no byte moved."""
    access_outcome(machine, scene, "faults")
    there = machine.memory.read(Gva(scene.notes["access"][1]), SIZE)
    judge(
        there != scene.notes.get("written"),
        expected="a refused access changes nothing",
        observed="what the device wrote lies in the page",
        culprit=newest_actor(machine.trace, Party.IOMMU_DRIVER),
        steps=(len(machine.trace),),
    )


@then(parsers.re(r"nothing faults, and (?P<who>the bus master|the guest) reads garbage"))
def silent_garbage(machine: Machine, scene: Scene, who: str) -> None:
    """DMA under SEV: what either side reads."""
    there = scene.notes["got"] if who == "the bus master" else machine.memory.read(Gva(scene.notes["page"]), SIZE)
    sense = {scene.secret.data: "the secret", scene.notes.get("written"): "what the device wrote"}
    faults = [fault.step for fault in machine.trace.of(IommuFault)]
    judge(
        scene.notes["passed"] and not faults and there not in sense,
        expected=f"the access does not fault, and {who} reads neither the secret nor what the device wrote",
        observed=f"it {'faulted' if faults else 'passed'}, and {who} reads {sense.get(there, 'something else')}",
        culprit=newest_actor(machine.trace, Party.IOMMU_DRIVER),
        steps=(*faults, len(machine.trace)),
    )


@then("it is answered whether the access passes before the tables are installed")
def answered_before(machine: Machine, scene: Scene, answer: Callable[[str], None]) -> None:
    """IOMMU: as the platform has it at reset."""
    control(not translating(machine), "translation is on already")
    answer("yes" if scene.notes["passed"] else "no")


@then("no DMA of the disk inside a live mapping faults")
def granted_passes(machine: Machine, monitored: Monitored) -> None:
    """Disk: in the exit handlers, until its driver halts it."""
    window = exit_window(machine.trace)
    control(window, "ExitBootServices did not succeed")
    since = window.opened if window else 0
    before = [e.translating for e in machine.trace.of(IommuState) if e.step < since]
    control(before and before[-1], "translation was off before the exit")
    states = machine.trace.of(DeviceState, since=since)
    control([e for e in states if e.device == DISK and not e.running], "the disk was not halted at exit")
    judge_breaches(monitored("IOM-05"))


def intrusions(machine: Machine, since: int, until: int) -> tuple[list[int], list[int]]:
    """Return the steps of the intruder's accesses that passed, and of those that faulted, between two steps."""
    passed = [e.step for e in machine.trace.of(Dma, since=since) if e.device == "device:intruder" and e.step < until]
    refused = [
        e.step for e in machine.trace.of(IommuFault, since=since) if e.device == "device:intruder" and e.step < until
    ]
    return passed, refused


@then("no access of the intruder passes")
def intruder_out(machine: Machine) -> None:
    """Intruder: in and behind the exit handlers."""
    window = exit_window(machine.trace)
    if window is None:
        control(holds=False, what="ExitBootServices did not succeed")
        return
    end = len(machine.trace) + 1
    for since, until, where in ((window.opened, window.closed, "in"), (window.closed, end, "behind")):
        passed, refused = intrusions(machine, since, until)
        control(passed or refused, f"the intruder tried nothing {where} the exit handlers")
        judge(
            not passed,
            expected=f"{where} the exit handlers nothing passes that was not granted",
            observed=f"{len(passed)} accesses of device:intruder passed, the first at step {min(passed, default=0)}",
            culprit=newest_actor(machine.trace, Party.IOMMU_DRIVER),
            steps=(*(e.step for e in machine.trace.of(IommuState)), *passed[:3]),
        )


@then("no access of the intruder passes while the OS takes the IOMMU over")
def no_open_window(machine: Machine) -> None:
    """Intruder: from the hand-over on."""
    taken = machine.trace.phase(Phase.HANDED_OFF)
    if taken is None:
        control(holds=False, what="the machine was not handed over")
        return
    control(translating(machine), "translation is off in the end")
    passed, refused = intrusions(machine, taken.step, len(machine.trace) + 1)
    control(passed or refused, "the intruder tried nothing while the OS took over")
    states = machine.trace.of(IommuState, since=taken.step)
    judge(
        not passed,
        expected="translation is on all the time, by the firmware's tables or by the OS's",
        observed=f"{len(passed)} accesses of device:intruder passed, the first at step {min(passed, default=0)}",
        culprit=newest_actor(machine.trace, Party.OS),
        steps=(taken.step, *(e.step for e in states), *passed[:3]),
    )


@then("the bus master reaches what the OS granted to it")
def os_grants(machine: Machine, scene: Scene) -> None:
    """OS: its own tables."""
    page = scene.notes["granted by OS"]
    control(machine.trace.phase(Phase.HANDED_OFF), "the machine was not handed over")
    judge(
        access(machine, scene, "the bus master", "reads", page),
        expected=f"the bus master reads {page:#x}, which the OS granted to it",
        observed="it faulted",
        culprit=newest_actor(machine.trace, Party.OS),
        steps=(*(e.step for e in machine.trace.of(IommuState)), len(machine.trace)),
    )


@then("the bus master does not reach what the firmware had granted to it")
def firmware_grants_gone(machine: Machine, scene: Scene) -> None:
    """OS: nothing but its own tables."""
    page = scene.notes["page"]
    judge(
        not access(machine, scene, "the bus master", "reads", page),
        expected=f"the bus master does not reach {page:#x} any more, which only the firmware had granted",
        observed="it read it",
        culprit=newest_actor(machine.trace, Party.OS),
        steps=(*(e.step for e in machine.trace.of(IommuState)), len(machine.trace)),
    )
