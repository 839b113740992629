"""
Sentences on where a bus master's addresses end: buffers below, at and above 4 GiB, with and without 64 bits.

They stand apart from `dma_boundaries` because the client's memory lies at an address of choice.
"""

from pytest_bdd import given, parsers, then, when

from sevconf.contract import Machine
from sevconf.errors import Unsupported
from sevconf.monitors import control, judge
from sevconf.trace import ServiceCall
from sevconf.vocabulary import FOUR_GIB, HUGE_PAGE, PAGE_SIZE, DmaOperation, Gva, Party, pages_for

from .dma_boundaries import Client, exchange, map_part, require_mapped, unmap_part
from .dma_mapping import take_buffer
from .values import OPERATION, Scene, newest_actor

_COMMON = DmaOperation.COMMON_BUFFER


def _place(place: str, size: int) -> int:
    """Return where a buffer of that size begins."""
    return {
        "right below": FOUR_GIB - size,
        "across": FOUR_GIB - size // 2,
        "right above": FOUR_GIB,
        "far above": FOUR_GIB + HUGE_PAGE // 2 + 16,
    }[place]


@given(parsers.re(r"a device with DUAL_ADDRESS_CYCLE (?P<state>enabled|disabled)"))
def addressing(machine: Machine, scene: Scene, state: str) -> None:
    """DMA: the attribute of the scenario's bus master."""
    scene.notes["wide"] = state == "enabled"
    control(not machine.dma.dual_address_cycle(enabled=state == "enabled").is_error, "Attributes failed")


@given(
    parsers.re(r"a client's (?P<size>\d+) bytes that lie (?P<place>right below|across|right above|far above) 4 GiB"),
    converters={"size": int},
)
def bytes_at(machine: Machine, scene: Scene, size: int, place: str) -> None:
    """Memory services: pages at an address of choice, whose bytes are all known."""
    host = _place(place, size)
    first = host // PAGE_SIZE * PAGE_SIZE
    pages = pages_for(host + size - first)
    status, start = machine.core.allocate_pages(pages, at=first)
    if status.is_error:
        raise Unsupported(f"no {pages} free pages at {first:#x}: {status}")
    held = machine.host.secret("what lay there before", pages * PAGE_SIZE).data
    machine.memory.write(start, held)
    scene.notes["client"] = Client(start, pages * PAGE_SIZE, held, {})
    scene.notes["part"] = host - first, size


@when(
    parsers.re(r"they are mapped as (?P<operation>\w+), carry data and are unmapped"),
    converters={"operation": OPERATION},
)
def mapped_and_used(machine: Machine, scene: Scene, operation: DmaOperation) -> None:
    """DMA: Map, data, Unmap."""
    scene.notes["operation"] = operation
    mapped = map_part(machine, scene, "it", *scene.notes["part"])
    require_mapped(machine, scene, "it")
    scene.notes["mapped"] = mapped
    scene.notes["found"] = exchange(machine, scene, "it", "first") + unmap_part(machine, scene, "it")


@when(parsers.parse("a client takes a common buffer of {pages:d} pages, and data go both ways"))
def common_buffer_used(machine: Machine, scene: Scene, pages: int) -> None:
    """DMA: AllocateBuffer, Map, data, Unmap."""
    start = take_buffer(machine, _COMMON, pages)
    size = pages * PAGE_SIZE
    scene.notes.update(client=Client(start, size, bytes(size), {}), operation=_COMMON, part=(0, size))
    mapped_and_used(machine, scene, _COMMON)


@then("the bus master can address all of it")
def addressable(machine: Machine, scene: Scene) -> None:
    """DMA: the DeviceAddress."""
    mapped, (_, size) = scene.notes["mapped"], scene.notes["part"]
    end = mapped.device_address + size
    judge(
        scene.notes["wide"] or end <= FOUR_GIB,
        expected="a device without DUAL_ADDRESS_CYCLE is given addresses below 4 GiB",
        observed=f"Map returns DeviceAddress {mapped.device_address:#x} for {size} bytes, which end at {end - 1:#x}",
        culprit=newest_actor(machine.trace, Party.IOMMU_DRIVER),
        steps=tuple(call.step for call in machine.trace.calls("IoMmu.Map")[-1:]),
    )


@when(parsers.re(r"a client takes a buffer and maps it as (?P<operation>\w+)"), converters={"operation": OPERATION})
def buffer_mapped(machine: Machine, scene: Scene, operation: DmaOperation) -> None:
    """DMA: AllocateBuffer and Map."""
    scene.notes["operation"] = operation
    buffer = take_buffer(machine, _COMMON, 1)
    mapped = machine.dma.map(operation, Gva(buffer), PAGE_SIZE)
    control(not mapped.status.is_error, f"Map returned {mapped.status}")


@then(parsers.re(r"the root bridge was asked for memory and a mapping of the (?P<form>plain|64-bit) form"))
def asked_form(machine: Machine, scene: Scene, form: str) -> None:
    """Root bridge: the attributes of AllocateBuffer, and the operation of Map."""
    allocation = _newest(machine, "RootBridgeIo.AllocateBuffer")
    mapping = _newest(machine, "RootBridgeIo.Map")
    wide = form == "64-bit"
    operation = scene.notes["operation"].at_iommu(wide=wide)
    asked = dict(allocation.arguments)["attributes"], dict(mapping.arguments)["operation"]
    attributes = "DUAL_ADDRESS_CYCLE" if wide else "0"
    judge(
        asked == (attributes, operation),
        expected=f"PciIo asks for attributes {attributes}, and for {operation}",
        observed=f"it asks for attributes {asked[0]}, and for {asked[1]}",
        culprit=newest_actor(machine.trace, Party.PCI),
        steps=(allocation.step, mapping.step),
    )


def _newest(machine: Machine, service: str) -> ServiceCall:
    calls = machine.trace.calls(service)
    if not calls:
        raise Unsupported("calls of the root bridge are not seen on this machine")
    return calls[-1]
