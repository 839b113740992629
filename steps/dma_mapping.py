"""Sentences on mappings that the scenario itself makes, for a bus master that it drives itself."""

from collections.abc import Callable

from pytest_bdd import given, parsers, then, when

from sevconf.contract import Machine, Mapped, MappingToken
from sevconf.errors import Inconclusive
from sevconf.monitors import Breach, control, judge, judge_breaches
from sevconf.trace import CBitChanged, Dumped, MapChanged, ServiceCall
from sevconf.vocabulary import (
    FOUR_GIB,
    PAGE_SIZE,
    CBit,
    DmaOperation,
    EfiStatus,
    Gva,
    MemoryType,
    Party,
    Tpl,
    pages_for,
)

from .values import OPERATION, TPL, Scene, newest_actor, require_private

_COMMON = DmaOperation.COMMON_BUFFER


def take_buffer(machine: Machine, operation: DmaOperation, pages: int) -> Gva:
    """Return pages fit for an operation: from AllocateBuffer for a common buffer, from AllocatePages otherwise."""
    if operation is _COMMON:
        status, buffer = machine.dma.allocate_buffer(pages)
    else:
        status, buffer = machine.core.allocate_pages(pages)
    control(not status.is_error and buffer, f"no buffer of {pages} pages for {operation}: {status}")
    return buffer


def map_buffer(machine: Machine, scene: Scene, operation: DmaOperation, buffer: Gva, length: int) -> Mapped:
    """Map a buffer, and keep what is needed of it."""
    mapped = machine.dma.map(operation, buffer, length)
    control(not mapped.status.is_error and mapped.length == length, f"Map of {length} bytes returned {mapped}")
    control(mapped.device_address, "Map returned no DeviceAddress")
    scene.notes.update(buffer=buffer, length=length, mapped=mapped, operation=operation)
    return mapped


def require_delivered(machine: Machine, scene: Scene) -> None:
    """Hold that a mapping which has ended served: what a device wrote through it is in the client's buffer."""
    if scene.notes["operation"] is DmaOperation.WRITE:
        held = machine.memory.read(scene.notes["buffer"], scene.notes["length"])
        control(held == scene.secret.data, "what the bus master wrote did not reach the client")


def read_bus(machine: Machine, address: int, length: int) -> bytes:
    """Let the bus master read, and see that it can."""
    data = machine.dma.device_read(address, length)
    if data is None:
        raise Inconclusive(f"the IOMMU refused the bus master's read of {length} bytes at {address:#x}")
    return data


def round_trip(
    machine: Machine, operation: DmaOperation, buffer: Gva, length: int
) -> tuple[EfiStatus, EfiStatus, bool]:
    """Map, let data through, and unmap; returns both statuses, and whether the other side had the data."""
    data = machine.host.secret("what goes through", length).data
    if operation is DmaOperation.READ:
        machine.memory.write(buffer, data)
    mapped = machine.dma.map(operation, buffer, length)
    if mapped.status.is_error:
        return mapped.status, EfiStatus.ABORTED, False
    if operation is DmaOperation.READ:
        served = machine.dma.device_read(mapped.device_address, length) == data
    else:
        served = machine.dma.device_write(mapped.device_address, data)
    if operation is DmaOperation.COMMON_BUFFER:
        served = served and machine.memory.read(buffer, length) == data
    unmapped = machine.dma.unmap(mapped.mapping)
    if operation is DmaOperation.WRITE:
        served = served and machine.memory.read(buffer, length) == data
    return mapped.status, unmapped, served


def move_secret(machine: Machine, scene: Scene, operation: DmaOperation, size: int) -> Mapped:
    """Make a live mapping and let a fresh secret go through it; a search sees it in DRAM."""
    buffer = take_buffer(machine, operation, pages_for(size))
    secret = machine.host.secret(f"secret {len(scene.secrets) + 1}", size)
    scene.secrets.append(secret)
    if operation is DmaOperation.READ:
        machine.memory.write(buffer, secret.data)
    mapped = map_buffer(machine, scene, operation, buffer, size)
    half = size // 2
    match operation:
        case DmaOperation.READ:
            control(read_bus(machine, mapped.device_address, size) == secret.data, "the bus master read no secret")
        case DmaOperation.WRITE:
            control(machine.dma.device_write(mapped.device_address, secret.data), "the bus master could not write")
        case DmaOperation.COMMON_BUFFER:
            machine.memory.write(buffer, secret.data[:half])
            control(machine.dma.device_write(mapped.device_address + half, secret.data[half:]), "no write by device")
            control(read_bus(machine, mapped.device_address, size) == secret.data, "the bus master read no secret")
    return mapped


@given(
    parsers.re(r"a secret of (?P<size>\d+) bytes that a bus master moved through a (?P<operation>\w+) mapping"),
    converters={"size": int, "operation": OPERATION},
)
def secret_moved(machine: Machine, scene: Scene, size: int, operation: DmaOperation) -> None:
    """DMA: a live mapping that a secret went through, seen by a search."""
    move_secret(machine, scene, operation, size)
    machine.host.search(scene.secrets)


@given(
    parsers.re(r"(?P<count>\d+) live (?P<operation>\w+) mappings, each with a secret"),
    converters={"count": int, "operation": OPERATION},
)
def live_mappings(machine: Machine, scene: Scene, count: int, operation: DmaOperation) -> None:
    """DMA: several live mappings."""
    for _ in range(count):
        move_secret(machine, scene, operation, 6000)
    machine.host.search(scene.secrets)


@given("a secret that moves through a live BusMasterCommonBuffer mapping")
def live_common_buffer(machine: Machine, scene: Scene) -> None:
    """DMA: one live common buffer."""
    move_secret(machine, scene, _COMMON, PAGE_SIZE)


@given("that mapping is unmapped")
@when("that mapping is unmapped")
def unmapped(machine: Machine, scene: Scene) -> None:
    """DMA: Unmap."""
    scene.notes["map key"] = machine.core.memory_map()[1].map_key
    status = machine.dma.unmap(scene.notes["mapped"].mapping)
    control(not status.is_error, f"Unmap of a live mapping returned {status}")


@given(parsers.parse("a client's buffer of {size:d} bytes that holds a secret"))
def client_buffer(machine: Machine, scene: Scene, size: int) -> None:
    """DMA: memory that a bus master will read."""
    scene.notes["buffer"] = take_buffer(machine, DmaOperation.READ, pages_for(size))
    scene.secrets.append(machine.host.secret("the secret", size))
    machine.memory.write(scene.notes["buffer"], scene.secret.data)


@when("it is mapped as BusMasterRead")
def map_for_reading(machine: Machine, scene: Scene) -> None:
    """DMA: Map."""
    map_buffer(machine, scene, DmaOperation.READ, scene.notes["buffer"], len(scene.secret.data))


@then("the bus master reads the secret at the DeviceAddress")
def bus_reads(machine: Machine, scene: Scene) -> None:
    """DMA: what a device sees."""
    data = read_bus(machine, scene.notes["mapped"].device_address, len(scene.secret.data))
    judge(
        data == scene.secret.data,
        expected="the bus master reads what the client wrote before Map",
        observed=f"{sum(a != b for a, b in zip(data, scene.secret.data, strict=True))} bytes differ",
        culprit=newest_actor(machine.trace, Party.IOMMU_DRIVER),
        steps=(len(machine.trace),),
    )


@given(parsers.parse("a secret of {size:d} bytes that a bus master wrote through a BusMasterWrite mapping"))
def bus_wrote(machine: Machine, scene: Scene, size: int) -> None:
    """DMA: a device's write into a live mapping."""
    move_secret(machine, scene, DmaOperation.WRITE, size)


@then("the client reads the secret in its buffer")
def client_reads(machine: Machine, scene: Scene) -> None:
    """Guest memory: the client's buffer."""
    data = machine.memory.read(scene.notes["buffer"], len(scene.secret.data)) or b""
    wrong = sum(a != b for a, b in zip(data, scene.secret.data, strict=False))
    judge(
        data == scene.secret.data,
        expected="the client reads in its buffer what went through the mapping",
        observed=f"{wrong} of {len(scene.secret.data)} bytes differ",
        culprit=newest_actor(machine.trace, Party.IOMMU_DRIVER),
        steps=tuple(call.step for call in machine.trace.calls("IoMmu.Unmap")[-1:]),
    )


@given(parsers.parse("a common buffer of {size:d} bytes that is mapped"))
def common_buffer(machine: Machine, scene: Scene, size: int) -> None:
    """DMA: a live common buffer without data."""
    map_buffer(machine, scene, _COMMON, take_buffer(machine, _COMMON, pages_for(size)), size)


@when("the client writes a secret to its first half and the bus master another to its second half")
def both_write(machine: Machine, scene: Scene) -> None:
    """DMA: both writers of a common buffer."""
    half = scene.notes["length"] // 2
    scene.secrets += [machine.host.secret("the client's", half), machine.host.secret("the bus master's", half)]
    machine.memory.write(scene.notes["buffer"], scene.secrets[0].data)
    machine.dma.device_write(scene.notes["mapped"].device_address + half, scene.secrets[1].data)


@then("each reads what the other wrote")
def both_read(machine: Machine, scene: Scene) -> None:
    """DMA: both readers of a common buffer."""
    half = scene.notes["length"] // 2
    by_device = read_bus(machine, scene.notes["mapped"].device_address, half) == scene.secrets[0].data
    by_client = machine.memory.read(Gva(scene.notes["buffer"] + half), half) == scene.secrets[1].data
    judge(
        by_device and by_client,
        expected="the bus master reads what the client wrote, and the client what the bus master wrote",
        observed=f"the bus master does{'' if by_device else ' not'}, the client does{'' if by_client else ' not'}",
        culprit=newest_actor(machine.trace, Party.IOMMU_DRIVER),
        steps=(len(machine.trace),),
    )


@given("a token that was unmapped before")
def token_used(machine: Machine, scene: Scene) -> None:
    """DMA: a token that is spent."""
    buffer = take_buffer(machine, DmaOperation.READ, 1)
    spent = machine.dma.map(DmaOperation.READ, buffer, PAGE_SIZE)
    control(not machine.dma.unmap(spent.mapping).is_error, "the first Unmap failed")
    scene.notes["token"] = spent.mapping


@given("a token that Map never returned")
def token_invented(machine: Machine, scene: Scene) -> None:
    """DMA: a token out of nowhere, which is a valid address."""
    status, pool = machine.core.allocate_pool(256, MemoryType.BOOT_SERVICES_DATA)
    control(not status.is_error, "no pool")
    machine.memory.write(pool, bytes(256))
    scene.notes["token"] = MappingToken(pool)


@given("a token that is the NULL pointer")
def token_null(scene: Scene) -> None:
    """DMA: no token."""
    scene.notes["token"] = MappingToken(0)


@given("a token that is the buffer's address")
def token_buffer(scene: Scene) -> None:
    """DMA: an address that the IOMMU driver knows as something else."""
    scene.notes["token"] = MappingToken(scene.notes["buffer"])


@when("the client unmaps that token")
def unmap_token(machine: Machine, scene: Scene) -> None:
    """DMA: an Unmap that must fail."""
    scene.notes["status"] = machine.dma.unmap(scene.notes["token"])


@then("Unmap returns EFI_INVALID_PARAMETER")
def unmap_refused(machine: Machine, scene: Scene) -> None:
    """DMA: the status of Unmap."""
    status = scene.notes["status"]
    judge(
        status is EfiStatus.INVALID_PARAMETER,
        expected="Unmap returns EFI_INVALID_PARAMETER",
        observed=f"it returns {status}",
        culprit=newest_actor(machine.trace, Party.IOMMU_DRIVER),
        steps=(machine.trace.calls("IoMmu.Unmap")[-1].step,),
    )


@then("the live mapping still serves its bus master")
def still_live(machine: Machine, scene: Scene) -> None:
    """DMA: a mapping beside the refused token."""
    data = read_bus(machine, scene.notes["mapped"].device_address, scene.notes["length"])
    judge(
        data == scene.secrets[0].data,
        expected="the live mapping is as it was",
        observed="its bus master reads something else",
        culprit=newest_actor(machine.trace, Party.IOMMU_DRIVER),
        steps=(machine.trace.calls("IoMmu.Unmap")[-1].step, len(machine.trace)),
    )


@given(
    parsers.re(r"a live (?P<operation>\w+) mapping of one page, with a secret in each private page beside its buffer"),
    converters={"operation": OPERATION},
)
def mapping_with_neighbours(machine: Machine, scene: Scene, operation: DmaOperation) -> None:
    """DMA: a mapping of the middle one of three pages; a buffer that is shared from the start has no private page."""
    buffer = take_buffer(machine, operation, 3)
    middle = Gva(buffer + PAGE_SIZE)
    beside = (buffer, Gva(buffer + 2 * PAGE_SIZE))
    private = [page for page in beside if machine.memory.cbits(page, 1) == (CBit.SET,)]
    for page in private:
        scene.secrets.append(machine.host.secret(f"the neighbour's at {page - buffer:#x}", PAGE_SIZE))
        machine.memory.write(page, scene.secret.data)
    mapped = map_buffer(machine, scene, operation, middle, PAGE_SIZE)
    for page, secret in zip(private, scene.secrets, strict=True):
        machine.memory.write(page, secret.data)
    control(machine.memory.cbits(Gva(mapped.device_address), 1) == (CBit.CLEAR,), "the mapped page was not opened")


@then("the attacker finds none of the neighbours' secrets")
def neighbours_private(machine: Machine, dump: Dumped) -> None:
    """Dump: pages that nobody mapped."""
    require_private(machine, dump, Party.IOMMU_DRIVER, "what lies beside a mapped buffer stays private")


def opened_by_map(machine: Machine) -> dict[int, int]:
    """Return the pages whose C-bit the newest Map cleared and nobody has set since, each with the step of that."""
    opened: dict[int, int] = {}
    for entry in machine.trace.of(CBitChanged, since=machine.trace.calls("IoMmu.Map")[-1].step):
        pages = range(entry.gpa, entry.gpa + entry.pages * PAGE_SIZE, PAGE_SIZE)
        if entry.cbit is CBit.CLEAR:
            opened.update(dict.fromkeys(pages, entry.step))
        else:
            for page in pages:
                opened.pop(page, None)
    return opened


@then("Map cleared the C-bit of no page beside those that the bus master reaches")
def neighbours_closed(machine: Machine, scene: Scene) -> None:
    """Page tables: around what the device reaches."""
    reached = scene.notes["mapped"].device_address // PAGE_SIZE * PAGE_SIZE
    beside = {page: step for page, step in opened_by_map(machine).items() if page != reached}
    judge(
        not beside,
        expected=f"Map opens the page at {reached:#x} only",
        observed=f"it cleared the C-bit at {', '.join(f'{page:#x}' for page in beside)} too",
        culprit=newest_actor(machine.trace, Party.IOMMU_DRIVER),
        steps=(machine.trace.calls("IoMmu.Map")[-1].step, *beside.values()),
    )


@then("no page that Map opened is open any more")
def closed_again(machine: Machine, scene: Scene) -> None:
    """Page tables: what Map changed, behind Unmap."""
    require_delivered(machine, scene)
    left = opened_by_map(machine)
    judge(
        not left,
        expected="what Map opened is private again",
        observed=f"the C-bit of {len(left)} pages that it cleared is still clear",
        culprit=newest_actor(machine.trace, Party.IOMMU_DRIVER),
        steps=(*left.values(), machine.trace.calls("IoMmu.Unmap")[-1].step),
    )


@given(
    parsers.re(
        r"a mapped common buffer of 4196 bytes, and a secret that (?P<writer>the bus master|the client) wrote behind "
        r"them on its last page"
    )
)
def tail_written(machine: Machine, scene: Scene, writer: str) -> None:
    """DMA: the last page behind the mapped bytes."""
    buffer = take_buffer(machine, _COMMON, 2)
    mapped = map_buffer(machine, scene, _COMMON, buffer, 4196)
    scene.secrets.append(machine.host.secret("the tail", 1024))
    tail = 2 * PAGE_SIZE - 1024
    if writer == "the client":
        machine.memory.write(Gva(buffer + tail), scene.secret.data)
    else:
        machine.dma.device_write(mapped.device_address + tail, scene.secret.data)
    machine.host.search(scene.secrets)


@given("all free memory holds the secret of a former owner")
def former_owner(machine: Machine, scene: Scene) -> None:
    """Memory services: a few free pages, each full of a secret; what the IOMMU driver takes at its start, it has."""
    spare = 12
    first = take_buffer(machine, _COMMON, 1)
    control(not machine.dma.free_buffer(1, first).is_error, "FreeBuffer of a buffer that is not mapped failed")
    scene.secrets.append(machine.host.secret("the former owner's", PAGE_SIZE))
    status, kept = machine.core.allocate_pages(spare, below=FOUR_GIB)
    control(not status.is_error, "no pages to leave a secret in")
    largest = max(d.pages for d in machine.core.memory_map()[1].descriptors if d.type is MemoryType.CONVENTIONAL)
    while largest:
        status, _ = machine.core.allocate_pages(largest)
        free = [d.pages for d in machine.core.memory_map()[1].descriptors if d.type is MemoryType.CONVENTIONAL]
        largest = max(free, default=0)
    for page in range(spare):
        machine.memory.write(Gva(kept + page * PAGE_SIZE), scene.secret.data)
    control(not machine.core.free_pages(kept, spare).is_error, "the former owner could not free its pages")


@given(parsers.parse("a common buffer of {pages:d} pages from there is mapped"))
def from_former_owner(machine: Machine, scene: Scene, pages: int) -> None:
    """DMA: a common buffer in used memory."""
    buffer = take_buffer(machine, _COMMON, pages)
    mapped = map_buffer(machine, scene, _COMMON, buffer, pages * PAGE_SIZE)
    control(machine.memory.cbits(buffer, 1) == (CBit.CLEAR,) or mapped.device_address != buffer, "nothing was opened")


@then("the attacker finds nothing of the former owner's secret")
def former_owner_private(machine: Machine, dump: Dumped) -> None:
    """Dump: fresh common buffers."""
    require_private(machine, dump, Party.IOMMU_DRIVER, "Map exposes nothing of what lay in the memory before")


@then("it is answered whether Unmap changed the memory map")
def unmap_changes_map(machine: Machine, scene: Scene, answer: Callable[[str], None]) -> None:
    """Memory services: between Unmap's call and its return."""
    call = machine.trace.calls("PciIo.Unmap")[-1].step
    changes = len(list(machine.trace.of(MapChanged, since=call)))
    moved = machine.core.memory_map()[1].map_key != scene.notes["map key"]
    freed = {e.service for e in machine.trace.of(ServiceCall, since=call)} & {"FreePages", "FreePool"}
    by = f" by {' and '.join(sorted(freed))}" if freed else ""
    answer(f"{'yes' if changes or moved else 'no'}{by}")


@given(parsers.re(r"its client unmaps it in an exit handler at (?P<tpl>TPL_\w+)"), converters={"tpl": TPL})
def unmaps_at_exit(machine: Machine, scene: Scene, tpl: Tpl) -> None:
    """DMA: an exit handler that unmaps."""
    status = machine.dma.unmap_at_exit(scene.notes["mapped"].mapping, tpl)
    control(not status.is_error, "no exit handler")


@then("that Unmap succeeds without a memory allocation service")
def unmap_at_exit_clean(machine: Machine, monitored: Callable[[str], tuple[Breach, ...]]) -> None:
    """Memory services: inside Unmap at exit."""
    calls = machine.trace.calls("PciIo.Unmap")
    control(calls, "the exit handler did not run")
    judge_breaches(monitored("DMA-08"))
