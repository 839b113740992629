"""
Sentences on the memory behind mappings: where clients' buffers come from, and whose the bounce pages are.

They stand apart from `dma_mapping` because they are about several clients, and about memory before and after a mapping.
"""

from pytest_bdd import given, parsers, then, when

from sevconf.contract import Machine, Mappable
from sevconf.contract.disk import BLOCK
from sevconf.errors import Unsupported
from sevconf.monitors import control, judge, judge_breaches
from sevconf.trace import DeviceState, MappingMade, ServiceCall, ServiceReturn, Trace, party_of
from sevconf.vocabulary import MEMORY_SERVICES, PAGE_SIZE, DmaOperation, EfiStatus, Gva, MemoryType, Party, pages_for

from .dma_mapping import map_buffer, read_bus, require_delivered, round_trip, take_buffer
from .values import OPERATION, Monitored, Scene, newest_actor, one_of

#: Bytes of a buffer whose size does not matter.
SIZE = 512
#: Bytes of a secret that are looked for as one.
UNIT = 32
#: Where in the course of a Map something else comes in, as a share of what the IOMMU driver does.
MOMENT = one_of({"at its start": 0.0, "half way": 0.5, "at its end": 1.0})
#: Where the storyline of a disk writes, and how many blocks.
LBA, BLOCKS = 24, 3


def inside(trace: Trace, call: ServiceCall) -> list[ServiceCall]:
    """Return the service calls that happened inside another one, however deep."""
    return [entry for entry in trace.of(ServiceCall, since=call.step) if call in trace.enclosing(entry)]


# Memory of any origin


@given(parsers.parse("a buffer of {pages:d} pages from AllocateBuffer"))
def allocated_buffer(machine: Machine, scene: Scene, pages: int) -> None:
    """DMA: memory for a common buffer."""
    scene.notes["buffer"] = take_buffer(machine, DmaOperation.COMMON_BUFFER, pages)


@when(parsers.parse("{size:d} bytes of it are mapped as a common buffer and unmapped"))
def common_mapped_and_unmapped(machine: Machine, scene: Scene, size: int) -> None:
    """DMA: the first mapping of a common buffer."""
    mapped = map_buffer(machine, scene, DmaOperation.COMMON_BUFFER, scene.notes["buffer"], size)
    data = machine.host.secret("what goes through it", size).data
    machine.memory.write(scene.notes["buffer"], data)
    control(read_bus(machine, mapped.device_address, size) == data, "the bus master reads something else")
    control(not machine.dma.unmap(mapped.mapping).is_error, "Unmap failed")


@then("the IOMMU driver called no memory allocation service meanwhile")
def no_memory_service(machine: Machine) -> None:
    """Memory services: inside Map and Unmap."""
    calls = machine.trace.calls("IoMmu.Map", "IoMmu.Unmap")
    control(len(calls) == 2, "the buffer was not mapped and unmapped once")
    used = [use for call in calls for use in inside(machine.trace, call) if use.service in MEMORY_SERVICES]
    judge(
        not used,
        expected="Map and Unmap of a common buffer use no memory but what AllocateBuffer took",
        observed=f"inside them the IOMMU driver calls {', '.join(use.service for use in used)}",
        culprit=used[0].actor if used else "",
        steps=(*(call.step for call in calls), *(use.step for use in used)),
    )


@given(parsers.re(r"a client's 512 bytes from (?P<origin>.+)"))
def bytes_from(machine: Machine, scene: Scene, origin: str) -> None:
    """Memory services: memory of some origin."""
    match origin:
        case "AllocatePool":
            status, buffer = machine.core.allocate_pool(SIZE)
        case "AllocateBuffer":
            status, buffer = machine.dma.allocate_buffer(1)
        case "AllocatePages, RuntimeServicesData":
            status, buffer = machine.core.allocate_pages(1, MemoryType.RUNTIME_SERVICES_DATA)
        case _:
            status, buffer = machine.core.allocate_pages(1)
    control(not status.is_error, f"no memory from {origin}: {status}")
    scene.notes["buffer"] = buffer


@when(parsers.re(r"they are mapped as (?P<operation>\w+) and unmapped"), converters={"operation": OPERATION})
def mapped_and_unmapped(machine: Machine, scene: Scene, operation: DmaOperation) -> None:
    """DMA: Map, and Unmap of what it returned, with data going through."""
    mapped, unmapped, scene.notes["served"] = round_trip(machine, operation, scene.notes["buffer"], SIZE)
    scene.notes["statuses"] = mapped, unmapped


@then("Map and Unmap return EFI_SUCCESS")
def both_succeed(machine: Machine, scene: Scene) -> None:
    """DMA: both statuses."""
    map_status, unmap_status = scene.notes["statuses"]
    judge(
        not map_status.is_error and not unmap_status.is_error,
        expected="Map and Unmap succeed, wherever the memory comes from",
        observed=f"Map returns {map_status}" if map_status.is_error else f"Unmap returns {unmap_status}",
        culprit=newest_actor(machine.trace, Party.IOMMU_DRIVER),
        steps=tuple(call.step for call in machine.trace.calls("IoMmu.Map", "IoMmu.Unmap")),
    )
    control(scene.notes["served"], "no data went through the mapping")


# A conforming driver


def live_and_work(machine: Machine, scene: Scene) -> None:
    """Let the driver start and move blocks, whatever comes of it: that is what is judged."""
    scene.secrets.append(machine.host.secret("blocks", BLOCKS * BLOCK))
    if machine.driver.start().is_error:
        return
    machine.driver.write(LBA, scene.secret.data)
    machine.driver.read(LBA, BLOCKS)


@given("a conforming driver has been taken through the whole life of its disk")
@when("a conforming driver is taken through the whole life of its disk")
def whole_life(machine: Machine, scene: Scene) -> None:
    """Driver: from Start to Stop."""
    live_and_work(machine, scene)
    machine.driver.stop()


@given("a conforming driver is at work again")
def at_work_again(machine: Machine, scene: Scene) -> None:
    """Driver: Start and some work."""
    live_and_work(machine, scene)


@then("every call of PciIo that it made returned EFI_SUCCESS")
def never_refused(machine: Machine, scene: Scene) -> None:
    """DMA: what the driver was answered."""
    trace = machine.trace
    control(any(state.running for state in trace.of(DeviceState)), "the disk never ran")
    refused = [
        done
        for done in trace.of(ServiceReturn)
        if done.service.startswith("PciIo.")
        and done.status is not EfiStatus.SUCCESS
        and party_of(trace.at(done.call).actor) == Party.DRIVER.value
    ]
    judge(
        not refused,
        expected="a driver that keeps to the specification is refused nothing",
        observed=f"{refused[0].service} of step {refused[0].call} returns {refused[0].status}" if refused else "",
        culprit=newest_actor(trace, Party.IOMMU_DRIVER),
        steps=tuple(step for done in refused[:1] for step in (done.call, done.step)),
    )
    control(machine.driver.medium(LBA, BLOCKS) == scene.secret.data, "the blocks did not reach the disk")


# Bounce memory


@when(
    parsers.parse("another client maps a page as BusMasterWrite, gets {count:d} bytes from its bus master, and unmaps")
)
def short_write(machine: Machine, scene: Scene, count: int) -> None:
    """DMA: a device that writes less than was mapped for it."""
    page = take_buffer(machine, DmaOperation.WRITE, 1)
    machine.memory.write(page, bytes(PAGE_SIZE))
    mapped = machine.dma.map(DmaOperation.WRITE, page, PAGE_SIZE)
    control(not mapped.status.is_error, f"Map returned {mapped.status}")
    if count:
        control(machine.dma.device_write(mapped.device_address, b"\xa5" * count), "the bus master could not write")
    control(not machine.dma.unmap(mapped.mapping).is_error, "Unmap failed")
    control((machine.memory.read(page, count) or b"") == b"\xa5" * count, "what the bus master wrote did not arrive")
    scene.notes["page"] = page


@then("that client's page holds nothing of the secret")
def nothing_delivered(machine: Machine, scene: Scene) -> None:
    """Guest memory: what Unmap copied to a client."""
    require_delivered(machine, scene)
    page = machine.memory.read(scene.notes["page"], PAGE_SIZE) or b""
    found = units_in(scene.secret.data, page)
    judge(
        not found,
        expected="Unmap delivers what the bus master wrote, and nothing of another client's",
        observed=f"{found * UNIT} bytes of another client's secret lie in the page at {scene.notes['page']:#x}",
        culprit=newest_actor(machine.trace, Party.IOMMU_DRIVER),
        steps=(machine.trace.calls("IoMmu.Unmap")[-1].step,),
    )


def units_in(secret: bytes, text: bytes) -> int:
    """Count the units of a secret that lie in some bytes."""
    return sum(secret[place : place + UNIT] in text for place in range(0, len(secret) - UNIT + 1, UNIT))


def add_mapping(machine: Machine, scene: Scene, operation: DmaOperation, size: int) -> None:
    """Make a live mapping more, of a buffer of its own."""
    buffer = take_buffer(machine, operation, pages_for(size))
    taken = scene.notes.setdefault("buffers", set())
    control(buffer not in taken, "one buffer was given out twice")
    taken.add(buffer)
    mapped = machine.dma.map(operation, buffer, size)
    control(not mapped.status.is_error and mapped.length == size, f"Map of {size} bytes returned {mapped.status}")


@given(
    parsers.re(r"(?P<count>\d+) live (?P<operation>\w+) mappings of (?P<size>\d+) bytes"),
    converters={"count": int, "operation": OPERATION, "size": int},
)
def several_live(machine: Machine, scene: Scene, count: int, operation: DmaOperation, size: int) -> None:
    """DMA: several live mappings of one size."""
    for _ in range(count):
        add_mapping(machine, scene, operation, size)
    scene.notes.update(operation=operation, length=size)


@when("one more of them is made")
def one_more(machine: Machine, scene: Scene) -> None:
    """DMA: another one."""
    add_mapping(machine, scene, scene.notes["operation"], scene.notes["length"])


@given(
    parsers.re(r"a Map as (?P<outer>\w+) that a timer will interrupt (?P<moment>at its start|half way|at its end)"),
    converters={"outer": OPERATION, "moment": MOMENT},
)
def map_to_interrupt(machine: Machine, scene: Scene, outer: DmaOperation, moment: float) -> None:
    """DMA: a Map whose acts are counted beforehand, twice, so that what the IOMMU driver keeps is there."""
    buffer = take_buffer(machine, outer, 1)
    acts = 0
    for _ in range(2):
        mapped = machine.dma.map(outer, buffer, SIZE)
        call = machine.trace.calls("IoMmu.Map")[-1]
        own = (entry for entry in machine.trace.since(call.step) if entry.within == call.step)
        acts = sum(not isinstance(entry, ServiceReturn | MappingMade) for entry in own)
        control(not machine.dma.unmap(mapped.mapping).is_error, "Map or Unmap failed")
    if not acts:
        raise Unsupported("the IOMMU driver does nothing in Map that a timer could come between")
    scene.notes.update(first=Mappable(outer, buffer, SIZE), act=1 + round(moment * (acts - 1)))


@when(parsers.re(r"the timer's notification maps another buffer as (?P<inner>\w+)"), converters={"inner": OPERATION})
def interrupting_map(machine: Machine, scene: Scene, inner: DmaOperation) -> None:
    """DMA: a Map inside a Map."""
    second = Mappable(inner, take_buffer(machine, inner, 1), SIZE)
    outer, nested = machine.dma.map_interrupted(scene.notes["first"], scene.notes["act"], second)
    control(nested is not None, "the IOMMU driver was done before the timer came")
    control(not outer.status.is_error and nested and not nested.status.is_error, "one of both Maps failed")


@then("no two of them share memory that a bus master reaches")
def nothing_shared(machine: Machine, monitored: Monitored) -> None:
    """DMA: the device's ends of live mappings."""
    control(len(list(machine.trace.of(MappingMade))) > 1, "there are no two mappings")
    judge_breaches(monitored("DMA-13"))


@when("that mapping is unmapped and its buffer is freed")
def unmapped_and_freed(machine: Machine, scene: Scene) -> None:
    """DMA: all that is due at the end of a buffer's life."""
    control(not machine.dma.unmap(scene.notes["mapped"].mapping).is_error, "Unmap failed")
    pages, buffer = pages_for(scene.notes["length"]), scene.notes["buffer"]
    if scene.notes["operation"] is DmaOperation.COMMON_BUFFER:
        status = machine.dma.free_buffer(pages, buffer)
    else:
        status = machine.core.free_pages(buffer, pages)
    control(not status.is_error, f"the buffer could not be freed: {status}")


@then("no page was given back while the host could read it")
def given_back_private(machine: Machine, scene: Scene, monitored: Monitored) -> None:
    """Page tables: at each FreePages of the IOMMU driver."""
    control(machine.trace.calls("IoMmu.Unmap"), "nothing was unmapped")
    require_delivered(machine, scene)
    judge_breaches(monitored("DMA-17"))


@then("who gets the pages that the bus master reached finds nothing of the secret in them")
def given_back_clean(machine: Machine, scene: Scene) -> None:
    """Guest memory: bounce pages that are free, read through C=1; pages that the IOMMU driver keeps are its own."""
    first = scene.notes["mapped"].device_address // PAGE_SIZE * PAGE_SIZE
    pages = pages_for(scene.notes["mapped"].device_address + scene.notes["length"] - first)
    free = [d for d in machine.core.memory_map()[1].descriptors if d.type is MemoryType.CONVENTIONAL]
    found = 0
    for page in range(first, first + pages * PAGE_SIZE, PAGE_SIZE):
        if any(d.start <= page < d.end for d in free):
            found += units_in(scene.secret.data, machine.memory.read(Gva(page), PAGE_SIZE) or b"")
    judge(
        not found,
        expected="bounce pages are clean before they are given back",
        observed=f"{found * UNIT} bytes of the secret lie in free memory from {first:#x} on, for its next owner",
        culprit=newest_actor(machine.trace, Party.IOMMU_DRIVER),
        steps=(machine.trace.calls("IoMmu.Unmap")[-1].step,),
    )
