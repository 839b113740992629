"""
Sentences on lengths, places and neighbours of mappings.

They stand apart from `dma_mapping` because they keep the books on every byte of a client's memory, mapped or not, and
let data go through a mapping more than once.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from pytest_bdd import given, parsers, then, when

from sevconf.contract import Machine, Mapped
from sevconf.errors import Unsupported
from sevconf.monitors import control, judge, leaks
from sevconf.trace import Dumped
from sevconf.vocabulary import PAGE_SIZE, DmaOperation, EfiStatus, Gva, Party, pages_for

from .dma_mapping import read_bus, take_buffer
from .values import OPERATION, Scene, newest_actor

_COMMON = DmaOperation.COMMON_BUFFER
#: What went wrong, in words; empty if nothing did.
Findings: TypeAlias = list[str]
#: Bytes of a neighbouring mapping.
NEIGHBOUR = 64


@dataclass(slots=True)
class Client:
    """A client's memory, `size` bytes at `start`, all known (`held`), with its mappings by name."""

    start: Gva
    size: int
    held: bytes
    mapped: dict[str, tuple[Gva, Mapped, int]]


def fill(machine: Machine, operation: DmaOperation, size: int) -> Client:
    """Take memory fit for an operation, and fill it with bytes that are known."""
    start = take_buffer(machine, operation, pages_for(size))
    size = pages_for(size) * PAGE_SIZE
    held = machine.host.secret("what lay there before", size).data
    machine.memory.write(start, held)
    return Client(start, size, held, {})


def map_part(machine: Machine, scene: Scene, name: str, offset: int, length: int) -> Mapped:
    """Map a part of the client's memory under a name."""
    client: Client = scene.notes["client"]
    host = Gva(client.start + offset)
    mapped = machine.dma.map(scene.notes["operation"], host, length)
    client.mapped[name] = host, mapped, length
    return mapped


def require_mapped(machine: Machine, scene: Scene, name: str) -> None:
    """Judge that a part is mapped, and whole; a part of a common buffer may be refused as such."""
    client: Client = scene.notes["client"]
    host, mapped, length = client.mapped[name]
    if scene.notes["operation"] is _COMMON and mapped.status is EfiStatus.UNSUPPORTED:
        raise Unsupported("the IOMMU driver maps no part of a common buffer, which UEFI leaves to it")
    judge(
        not mapped.status.is_error and mapped.length == length,
        expected=f"Map takes {length} bytes at {host:#x} as {scene.notes['operation']}",
        observed=f"it returns {mapped.status}, with {mapped.length} bytes mapped",
        culprit=newest_actor(machine.trace, Party.IOMMU_DRIVER),
        steps=tuple(call.step for call in machine.trace.calls("IoMmu.Map")[-1:]),
    )


def exchange(machine: Machine, scene: Scene, name: str, turn: str) -> Findings:
    """Let data go through a mapping as its operation allows; returns what went wrong."""
    client: Client = scene.notes["client"]
    host, mapped, length = client.mapped[name]
    offset = host - client.start
    match scene.notes["operation"]:
        case DmaOperation.READ:
            sent = client.held[offset : offset + length]
            reads = read_bus(machine, mapped.device_address, length) == sent
            return [] if reads else [f"the bus master does not read what lies in {name}"]
        case DmaOperation.WRITE:
            data = machine.host.secret(f"{turn} for {name}", length).data
            machine.dma.device_write(mapped.device_address, data)
            keep(client, offset, data)
            return []
    return _both_ways(machine, client, name, turn)


def _both_ways(machine: Machine, client: Client, name: str, turn: str) -> Findings:
    host, mapped, length = client.mapped[name]
    found = []
    mine, theirs = (machine.host.secret(f"{turn} {way} {name}", length).data for way in ("into", "out of"))
    machine.memory.write(host, mine)
    if read_bus(machine, mapped.device_address, length) != mine:
        found.append(f"the bus master does not read what the client wrote to {name}")
    machine.dma.device_write(mapped.device_address, theirs)
    if machine.memory.read(host, length) != theirs:
        found.append(f"the client does not read what the bus master wrote to {name}")
    keep(client, host - client.start, theirs)
    return found


def keep(client: Client, offset: int, data: bytes) -> None:
    """Note what should lie in a part of the client's memory from now on."""
    client.held = client.held[:offset] + data + client.held[offset + len(data) :]


def unmap_part(machine: Machine, scene: Scene, name: str) -> Findings:
    """Unmap a part; what a bus master wrote to it must be there then."""
    client: Client = scene.notes["client"]
    host, mapped, length = client.mapped.pop(name)
    control(not machine.dma.unmap(mapped.mapping).is_error, f"Unmap of {name} failed")
    offset = host - client.start
    if scene.notes["operation"] is DmaOperation.WRITE:
        delivered = machine.memory.read(host, length) == client.held[offset : offset + length]
        return [] if delivered else [f"the client does not read what the bus master wrote to {name}"]
    return []


def changed_beside(machine: Machine, client: Client, mapped: list[tuple[int, int]]) -> list[int]:
    """Return the addresses of the client's bytes outside these parts that are not as they were."""
    now = machine.memory.read(client.start, client.size) or bytes(client.size)
    inside = bytearray(client.size)
    for offset, length in mapped:
        inside[offset : offset + length] = b"\1" * length
    pairs = zip(now, client.held, inside, strict=True)
    return [client.start + place for place, (is_, was, part) in enumerate(pairs) if is_ != was and not part]


@given(
    parsers.re(r"a (?P<operation>\w+) mapping of (?P<size>\d+) bytes that begins (?P<offset>\d+) bytes into a page"),
    converters={"operation": OPERATION, "size": int, "offset": int},
)
def mapping_at(machine: Machine, scene: Scene, operation: DmaOperation, size: int, offset: int) -> None:
    """DMA: a mapping of any length and place, a page behind the beginning of its client's memory."""
    scene.notes.update(operation=operation, client=fill(machine, operation, 2 * PAGE_SIZE + offset + size))
    scene.notes["parts"] = {"it": (PAGE_SIZE + offset, size)}
    map_part(machine, scene, "it", PAGE_SIZE + offset, size)
    require_mapped(machine, scene, "it")


@given(parsers.re(r"another one of 64 bytes, (?P<place>nowhere|right before it|right behind it)"))
def neighbour_at(machine: Machine, scene: Scene, place: str) -> None:
    """DMA: a mapping that touches the first one, or none."""
    offset, size = scene.notes["parts"]["it"]
    if place != "nowhere":
        beside = offset - NEIGHBOUR if place == "right before it" else offset + size
        scene.notes["parts"]["the other"] = beside, NEIGHBOUR
        map_part(machine, scene, "the other", beside, NEIGHBOUR)
        require_mapped(machine, scene, "the other")


@when(parsers.re(r"they carry data, (?P<first>it|the other) is unmapped first, and what is left carries data again"))
def carry_and_unmap(machine: Machine, scene: Scene, first: str) -> None:
    """DMA: data through each mapping, before and after the first Unmap; then the rest is unmapped."""
    client: Client = scene.notes["client"]
    parts = list(scene.notes["parts"].values())
    found = [wrong for name in tuple(client.mapped) for wrong in exchange(machine, scene, name, "first")]
    # A bounce is filled by Map and emptied by Unmap, so what a common buffer's pages hold is looked at while it lives.
    scene.notes["beside"] = changed_beside(machine, client, parts)
    found += unmap_part(machine, scene, first)
    for name in tuple(client.mapped):
        found += exchange(machine, scene, name, "second")
        found += unmap_part(machine, scene, name)
    if scene.notes["operation"] is not _COMMON:
        scene.notes["beside"] += changed_beside(machine, client, parts)
    scene.notes["found"] = found


@then("each side has what the other wrote")
def data_sound(machine: Machine, scene: Scene) -> None:
    """DMA: all that went through the mappings."""
    found = scene.notes["found"]
    judge(
        not found,
        expected="every mapping carries its data, whatever lies beside it",
        observed="; ".join(found),
        culprit=newest_actor(machine.trace, Party.IOMMU_DRIVER),
        steps=tuple(call.step for call in machine.trace.calls("IoMmu.Map", "IoMmu.Unmap")),
    )


@then("no byte beside the mapped ones has changed")
@then("no byte around them has changed")
def beside_unchanged(machine: Machine, scene: Scene) -> None:
    """Guest memory: the client's bytes outside its mappings."""
    changed = scene.notes["beside"]
    judge(
        not changed,
        expected="Map and Unmap change none of the client's bytes outside what is mapped",
        observed=f"{len(changed)} bytes are others than before, the first at {changed[0]:#x}" if changed else "",
        culprit=newest_actor(machine.trace, Party.IOMMU_DRIVER),
        steps=tuple(call.step for call in machine.trace.calls("IoMmu.Map", "IoMmu.Unmap")),
    )


@given(
    parsers.re(
        r"(?P<size>\d+) bytes are mapped as (?P<operation>\w+), (?P<offset>\d+) bytes into pages that are full of "
        r"(?P<full>another secret|other bytes)"
    ),
    converters={"size": int, "operation": OPERATION, "offset": int},
)
def mapped_among(  # noqa: PLR0917 -- four columns
    machine: Machine, scene: Scene, size: int, operation: DmaOperation, offset: int, full: str
) -> None:
    """DMA: a mapping in pages that hold something else too, which a dump is to look for if it is a secret."""
    client = fill(machine, operation, offset + size)
    scene.notes.update(operation=operation, client=client, parts={"them": (offset, size)})
    keep(client, offset, machine.host.secret("what is mapped", size).data)
    machine.memory.write(client.start, client.held)
    if full == "another secret":
        scene.secrets.append(machine.host.secret("what lay there before", client.size))
    mapped = map_part(machine, scene, "them", offset, size)
    control(not mapped.status.is_error and mapped.length == size, f"Map of {size} bytes returned {mapped}")
    if operation is DmaOperation.READ:
        control(not exchange(machine, scene, "them", "first"), "the bus master does not read what is mapped for it")


@then("the attacker finds none of the other secret")
def other_secret_private(machine: Machine, dump: Dumped) -> None:
    """Dump: the bytes around a mapping."""
    found = list(leaks(machine.trace, dump))
    judge(
        not found,
        expected="only mapped bytes reach shared memory",
        observed=found[0].observed if found else "",
        culprit=newest_actor(machine.trace, Party.IOMMU_DRIVER),
        steps=found[0].steps if found else (),
    )


@when("the bus master has written all of them, and they are unmapped")
def written_and_unmapped(machine: Machine, scene: Scene) -> None:
    """DMA: a device's write to all that was mapped, and Unmap."""
    wrong = exchange(machine, scene, "them", "first") + unmap_part(machine, scene, "them")
    control(not wrong, f"the mapping does not serve: {'; '.join(wrong)}")
    scene.notes["beside"] = changed_beside(machine, scene.notes["client"], [scene.notes["parts"]["them"]])


@when(parsers.re(r"a client maps 0 bytes as (?P<operation>\w+)"), converters={"operation": OPERATION})
def map_nothing(machine: Machine, scene: Scene, operation: DmaOperation) -> None:
    """DMA: a Map without bytes."""
    buffer = take_buffer(machine, operation, 1)
    scene.notes["mapped"] = machine.dma.map(operation, buffer, 0)


@then("it is answered what Map returned")
def answer_map(scene: Scene, answer: Callable[[str], None]) -> None:
    """DMA: the status of Map."""
    answer(str(scene.notes["mapped"].status))
