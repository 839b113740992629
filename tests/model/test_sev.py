"""The SEV IOMMU driver: who may map what, what is open when, and that nothing is left in plaintext."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from sevconf.contract.driver import Mapped, MappingToken
from sevconf.contract.secret import Secret
from sevconf.model.iommu.sev import InfoPolicy, SevIommu
from sevconf.model.machine import FAR_RAM, SCRATCH, ReferenceMachine
from sevconf.model.parts import Parts, Policy
from sevconf.model.pci_io import PciIo
from sevconf.trace import MappingEnded, MappingMade, NotificationBegan
from sevconf.vocabulary import (
    MEMORY_SERVICES,
    PAGE_SIZE,
    AllocateType,
    CBit,
    DmaOperation,
    EfiStatus,
    Gpa,
    Gva,
    MachineKind,
    MemoryType,
    Tpl,
    pages_for,
)

DATA = MemoryType.BOOT_SERVICES_DATA
READ, WRITE, COMMON = DmaOperation.READ, DmaOperation.WRITE, DmaOperation.COMMON_BUFFER
SUCCESS, INVALID, FULL = EfiStatus.SUCCESS, EfiStatus.INVALID_PARAMETER, EfiStatus.OUT_OF_RESOURCES
SECRET = bytes(range(64, 128))


class Bench:
    """An SEV guest with its IOMMU driver, and short words for what tests do."""

    def __init__(self, info: InfoPolicy = InfoPolicy.RECYCLE) -> None:
        self.machine = ReferenceMachine(MachineKind.SEV, 0, Parts(policy=lambda _: Policy(info=info)))
        self.core, self.guest, self.ram = self.machine.core, self.machine.guest, self.machine.ram
        iommu = self.machine.iommu
        assert isinstance(iommu, SevIommu)
        self.iommu = iommu
        self.pci_io: PciIo = self.machine.pci_io(self.machine.probe)

    def buffer(self, pages: int = 1) -> Gva:
        """Allocate a common buffer."""
        status, host = self.pci_io.allocate_buffer(DATA, pages)
        assert status is SUCCESS
        return host

    def take_far_memory(self) -> None:
        """Leave main memory as the only one with free pages."""
        pages = (FAR_RAM[1] - FAR_RAM[0]) // PAGE_SIZE
        assert self.core.allocate_pages(AllocateType.ADDRESS, DATA, pages, FAR_RAM[0])[0] is SUCCESS

    def memory(self, pages: int = 1) -> Gva:
        """Allocate pages."""
        status, host = self.core.allocate_pages(AllocateType.ANY_PAGES, DATA, pages)
        assert status is SUCCESS
        return host

    def map(self, operation: DmaOperation, host: Gva, length: int) -> Mapped:
        """Map, which must succeed."""
        mapped = self.pci_io.map(operation, host, length)
        assert (mapped.status, mapped.length) == (SUCCESS, length)
        return mapped

    def open_pages(self) -> set[int]:
        """Name the pages that the host can read, in the last MiB that the memory map offers: all that tests use."""
        first = SCRATCH - (1 << 20)
        cbits = self.machine.mmu.tables.leaf_cbits(Gva(first), (SCRATCH - first) // PAGE_SIZE)
        return {first + page * PAGE_SIZE for page, cbit in enumerate(cbits) if cbit is CBit.CLEAR}

    def exit(self) -> EfiStatus:
        """Call ExitBootServices with the current key."""
        return self.core.exit_boot_services(self.core.map.key)

    def used_pages(self) -> int:
        """Count pages that are not free."""
        return sum(d.pages for d in self.core.map.descriptors if d.type is not MemoryType.CONVENTIONAL)


@pytest.fixture(params=InfoPolicy, ids=lambda policy: policy.value)
def bench(request: pytest.FixtureRequest) -> Bench:
    """Return a bench for each policy on records."""
    return Bench(request.param)


# AllocateBuffer, FreeBuffer


def test_a_buffer_is_private_and_clean(bench: Bench) -> None:
    """AllocateBuffer returns zeroed pages that the host cannot read, whatever lay there before."""
    old = bench.memory(3)
    bench.guest.write(old, SECRET)
    bench.core.free_pages(old, 3)
    host = bench.buffer(3)
    assert bench.guest.read(host, 3 * PAGE_SIZE) == bytes(3 * PAGE_SIZE)
    assert bench.open_pages() == set()


@pytest.mark.parametrize("memory_type", [MemoryType.LOADER_DATA, MemoryType.CONVENTIONAL], ids=lambda t: t.name)
def test_buffers_are_boot_or_runtime_data(bench: Bench, memory_type: MemoryType) -> None:
    """AllocateBuffer refuses other memory types, and no pages at all."""
    assert bench.pci_io.allocate_buffer(memory_type, 1) == (INVALID, 0)
    assert bench.pci_io.allocate_buffer(DATA, 0) == (INVALID, 0)
    assert bench.pci_io.allocate_buffer(MemoryType.RUNTIME_SERVICES_DATA, 1)[0] is SUCCESS


@pytest.mark.parametrize("left", range(5))
def test_a_buffer_that_finds_no_room_keeps_nothing(left: int) -> None:
    """With too few pages left for buffer, stash and record, AllocateBuffer fails and gives back what it took."""
    bench = Bench()
    bench.take_far_memory()
    bench.memory(bench.core.map.descriptors[1].pages - left)
    before = bench.used_pages()
    status, _ = bench.pci_io.allocate_buffer(DATA, 2)
    assert status is FULL
    assert bench.used_pages() == before


def test_a_buffer_is_given_back_whole(bench: Bench) -> None:
    """FreeBuffer takes the buffer, its stash and its record back, once, and only as it was allocated."""
    before = bench.used_pages()
    host = bench.buffer(2)
    assert bench.pci_io.free_buffer(1, host) is INVALID
    assert bench.pci_io.free_buffer(1, Gva(host + PAGE_SIZE)) is INVALID
    assert bench.pci_io.free_buffer(2, bench.memory(2)) is INVALID
    assert bench.pci_io.free_buffer(2, host) is SUCCESS
    assert bench.pci_io.free_buffer(2, host) is INVALID
    kept = 1 if bench.iommu.info_policy is InfoPolicy.RECYCLE else 0
    assert bench.used_pages() == before + 2 + kept


@pytest.mark.parametrize("offset", [0, PAGE_SIZE])
def test_a_buffer_that_is_mapped_cannot_be_freed(bench: Bench, offset: int) -> None:
    """FreeBuffer of a buffer with a live mapping anywhere in it is refused, and has no effect."""
    host = bench.buffer(2)
    mapped = bench.map(COMMON, Gva(host + offset), 16)
    bench.machine.bus.write("device:probe", mapped.device_address, SECRET[:16])
    assert bench.pci_io.free_buffer(2, host) is INVALID
    assert bench.guest.read(Gva(host + offset), 16) == SECRET[:16]
    assert bench.pci_io.unmap(mapped.mapping) is SUCCESS
    assert bench.pci_io.free_buffer(2, host) is SUCCESS


# Map and Unmap


@pytest.mark.parametrize("operation", DmaOperation, ids=str)
@pytest.mark.parametrize("length", [0, -1])
def test_nothing_cannot_be_mapped(bench: Bench, operation: DmaOperation, length: int) -> None:
    """Map of no bytes is EFI_INVALID_PARAMETER."""
    assert bench.pci_io.map(operation, bench.buffer(), length) == Mapped(INVALID, 0, 0, MappingToken(0))


@pytest.mark.parametrize(
    ("start", "length"),
    [(0, 2 * PAGE_SIZE + 1), (PAGE_SIZE + 1, PAGE_SIZE), (-1, 2), (2 * PAGE_SIZE, 1), (-PAGE_SIZE, PAGE_SIZE)],
)
def test_only_what_a_buffer_holds_can_be_a_common_buffer(bench: Bench, start: int, length: int) -> None:
    """Memory that AllocateBuffer did not give, in whole or in part, cannot be mapped as a common buffer."""
    host = bench.buffer(2)
    assert bench.pci_io.map(COMMON, Gva(host + start), length).status is INVALID
    assert bench.pci_io.map(COMMON, bench.memory(), 1).status is INVALID
    assert bench.open_pages() == set()


def test_a_common_buffer_is_mapped_in_place(bench: Bench) -> None:
    """A common buffer keeps its address and its content, both sides see each other's writes, and Unmap closes it."""
    host = bench.buffer(2)
    bench.guest.write(host, SECRET)
    mapped = bench.map(COMMON, host, PAGE_SIZE + 1)
    assert mapped.device_address == host
    assert bench.open_pages() == {host, host + PAGE_SIZE}
    assert bench.ram.read_host(Gpa(host), 64) == SECRET
    bench.machine.bus.write("device:probe", host + 1, b"device")
    bench.guest.write(Gva(host + 10), b"driver")
    assert bench.guest.read(host, 16) == SECRET[:1] + b"device" + SECRET[7:10] + b"driver"
    assert bench.pci_io.unmap(mapped.mapping) is SUCCESS
    assert bench.open_pages() == set()
    assert bench.guest.read(host, 16) == SECRET[:1] + b"device" + SECRET[7:10] + b"driver"


def test_whole_pages_are_rewritten(bench: Bench) -> None:
    """What was written behind the mapped bytes of the last page stays readable to the guest, and only to it."""
    host = bench.buffer()
    mapped = bench.map(COMMON, host, 100)
    bench.machine.bus.write("device:probe", host + 200, SECRET)
    bench.guest.write(Gva(host + PAGE_SIZE - 64), SECRET)
    bench.pci_io.unmap(mapped.mapping)
    for offset in (200, PAGE_SIZE - 64):
        assert bench.guest.read(Gva(host + offset), 64) == SECRET
    assert SECRET[:32] not in bench.ram.read_host(Gpa(host), PAGE_SIZE)


def test_mappings_that_share_a_page_keep_it_open(bench: Bench) -> None:
    """A page of a common buffer is open while any mapping of it lives, in whatever order they end."""
    host = bench.buffer(3)
    one = bench.map(COMMON, host, 100).mapping
    two = bench.map(COMMON, Gva(host + 100), PAGE_SIZE).mapping
    three = bench.map(COMMON, host, 3 * PAGE_SIZE).mapping
    bench.guest.write(Gva(host + 64), SECRET)
    pages = [host, host + PAGE_SIZE, host + 2 * PAGE_SIZE]
    opened = []
    for token in (one, three, two):
        assert bench.guest.read(Gva(host + 64), 64) == SECRET
        opened.append(bench.open_pages())
        assert bench.pci_io.unmap(token) is SUCCESS
    assert opened == [set(pages), set(pages), set(pages[:2])]
    assert bench.open_pages() == set()
    assert bench.guest.read(Gva(host + 64), 64) == SECRET


@pytest.mark.parametrize("length", [1, PAGE_SIZE, PAGE_SIZE + 1])
def test_read_gives_the_device_a_copy(bench: Bench, length: int) -> None:
    """A BusMasterRead mapping is a bounce that holds the client's bytes, and nothing else behind them."""
    host = Gva(bench.memory(3) + 7)
    bench.guest.write(host, SECRET * 100)
    mapped = bench.map(READ, host, length)
    whole = bench.machine.bus.read("device:probe", mapped.device_address, pages_for(length) * PAGE_SIZE)
    assert whole == (SECRET * 100)[:length].ljust(len(whole), b"\0")
    assert bench.open_pages() == {mapped.device_address + index * PAGE_SIZE for index in range(pages_for(length))}
    bench.machine.bus.write("device:probe", mapped.device_address, b"?")
    assert bench.pci_io.unmap(mapped.mapping) is SUCCESS
    assert bench.guest.read(host, length) == (SECRET * 100)[:length]
    assert bench.open_pages() == set()


@pytest.mark.parametrize("length", [1, PAGE_SIZE, PAGE_SIZE + 1])
def test_write_delivers_what_the_device_wrote(bench: Bench, length: int) -> None:
    """After Unmap of BusMasterWrite the client has the device's bytes, zeros where it wrote none, and no more."""
    host = Gva(bench.memory(3) + 7)
    bench.guest.write(host, b"#" * (length + 1))
    mapped = bench.map(WRITE, host, length)
    bench.machine.bus.write("device:probe", mapped.device_address, SECRET[: min(length, 64)])
    assert bench.pci_io.unmap(mapped.mapping) is SUCCESS
    assert bench.guest.read(host, length + 1) == SECRET[: min(length, 64)].ljust(length, b"\0") + b"#"
    assert bench.open_pages() == set()
    assert SECRET[:32] not in bench.ram.read_host(Gpa(mapped.device_address), PAGE_SIZE)


@pytest.mark.parametrize("operation", DmaOperation, ids=str)
def test_a_token_is_spent_by_unmap(bench: Bench, operation: DmaOperation) -> None:
    """An unknown token, a spent one and NULL are EFI_INVALID_PARAMETER, and end nothing."""
    host = bench.buffer()
    spent, live = bench.map(operation, host, 8).mapping, bench.map(operation, host, 8).mapping
    assert bench.pci_io.unmap(spent) is SUCCESS
    for token in (spent, MappingToken(0), MappingToken(host), MappingToken(live + 1)):
        assert bench.pci_io.unmap(token) is INVALID
    assert list(bench.iommu.live) == [live]
    assert len(bench.open_pages()) == 1


def test_records_are_recycled_or_freed(bench: Bench) -> None:
    """By policy a mapping's record waits for the next mapping, or goes back to the pool."""
    host = bench.memory()
    first = bench.map(READ, host, 8).mapping
    bench.pci_io.unmap(first)
    names = [call.service for call in bench.machine.trace.calls("AllocatePool", "FreePool")]
    bench.map(READ, host, 8)
    again = [call.service for call in bench.machine.trace.calls("AllocatePool", "FreePool")][len(names) :]
    recycles = bench.iommu.info_policy is InfoPolicy.RECYCLE
    assert names == ["AllocatePool"] + [] * recycles + ["FreePool"] * (not recycles)
    assert again == [] if recycles else ["AllocatePool"]


@pytest.mark.parametrize("operation", [READ, WRITE], ids=str)
@pytest.mark.parametrize("left", [0, 1, 2])
def test_a_bounce_that_finds_no_room_keeps_nothing(operation: DmaOperation, left: int) -> None:
    """With too few pages left Map fails, and gives back what it took."""
    bench = Bench(InfoPolicy.FREE)
    bench.take_far_memory()
    host = bench.memory()
    bench.memory(bench.core.map.descriptors[1].pages - left)
    before = bench.used_pages()
    assert bench.pci_io.map(operation, host, 2 * PAGE_SIZE).status is FULL
    assert bench.used_pages() == before
    assert bench.open_pages() == set()


def test_a_second_mapping_of_a_buffer_needs_a_record(bench: Bench) -> None:
    """A buffer brings one record with it; a further mapping fails cleanly where there is none to get."""
    bench.take_far_memory()
    host = bench.buffer()
    first = bench.map(COMMON, host, 8)
    if bench.core.allocate_pool(DATA, 64)[0] is SUCCESS:
        while bench.core.allocate_pool(DATA, 64)[1] % PAGE_SIZE != PAGE_SIZE - 64:
            pass
    bench.memory(bench.core.map.descriptors[1].pages)
    assert bench.pci_io.map(COMMON, host, 8).status is FULL
    assert bench.open_pages() == {host}
    assert bench.pci_io.unmap(first.mapping) is SUCCESS


def test_a_buffer_lost_under_its_mapping_is_our_error(bench: Bench) -> None:
    """If a common buffer vanishes while it is mapped, which FreeBuffer refuses, the driver does not guess."""
    host = bench.buffer()
    mapped = bench.map(COMMON, host, 8)
    bench.iommu.buffers.clear()
    with pytest.raises(ValueError, match="was freed while it was mapped"):
        bench.pci_io.unmap(mapped.mapping)


# Teardown


def _live(bench: Bench) -> list[Mapped]:
    host = bench.buffer(2)
    return [
        bench.map(COMMON, host, 100),
        bench.map(READ, host, 2 * PAGE_SIZE),
        bench.map(WRITE, host, 100),
        bench.map(COMMON, Gva(host + 100), PAGE_SIZE),
    ]


def test_teardown_ends_the_newest_mapping_first(bench: Bench) -> None:
    """At ExitBootServices every live mapping ends, newest first, and every page is private again."""
    for mapped in _live(bench):
        bench.machine.bus.write("device:probe", mapped.device_address, SECRET)
    assert bench.exit() is SUCCESS
    trace = bench.machine.trace
    made = [entry.mapping for entry in trace.of(MappingMade)]
    assert [entry.mapping for entry in trace.of(MappingEnded)] == made[::-1]
    assert bench.open_pages() == set()
    assert bench.machine.host.search([Secret("S", SECRET)]).findings == ()


def test_teardown_uses_no_memory_service(bench: Bench) -> None:
    """From the accepted key on nothing is allocated or freed, and the map keeps its key."""
    _live(bench)
    key, step = bench.core.map.key, len(bench.machine.trace)
    assert bench.exit() is SUCCESS
    assert bench.core.map.key == key
    assert [c for c in bench.machine.trace.calls(*MEMORY_SERVICES) if c.step > step] == []


@pytest.mark.parametrize("tpl", [Tpl.CALLBACK, Tpl.NOTIFY], ids=str)
def test_teardown_comes_behind_every_handler(tpl: Tpl) -> None:
    """Whatever the level of its handler, the driver tears down behind handlers that were queued with it."""
    machine = ReferenceMachine(MachineKind.SEV, 0)
    machine.iommu_handler_tpl = tpl
    pci_io = machine.pci_io(machine.probe)
    _, host = pci_io.allocate_buffer(DATA, 1)
    pci_io.map(COMMON, host, 8)
    ended: list[int] = []
    for level in (Tpl.CALLBACK, Tpl.NOTIFY):
        machine.core.create_event(0x201, level, lambda: ended.append(len(list(machine.trace.of(MappingEnded)))))
    machine.core.exit_boot_services(machine.core.map.key)
    assert ended == [0, 0]
    assert len(list(machine.trace.of(MappingEnded))) == 1
    last = machine.trace.last(NotificationBegan)
    assert last is not None
    assert (last.actor, last.group, last.tpl) == ("iommu-driver:sev", None, Tpl.CALLBACK)


# Any sequence


@dataclass
class Live:
    """A live mapping as its user knows it: `data` is what the user may expect in the whole of its open pages."""

    mapped: Mapped
    operation: DmaOperation
    host: Gva
    length: int
    data: bytearray = field(default_factory=bytearray)


class Traffic(RuleBasedStateMachine):
    """
    Clients, a device and the driver between them, in any order.

    Every write is a new secret. Buffers are kept as plain bytes beside the machine: what the guest reads must equal
    them, and in DRAM no secret may lie in plaintext but in pages that live mappings hold open.
    """

    pages = st.integers(1, 2)
    places = st.sampled_from([0, 7, 64, PAGE_SIZE - 32, PAGE_SIZE]) | st.integers(0, 2 * PAGE_SIZE - 1)
    lengths = st.sampled_from([96, PAGE_SIZE, 2 * PAGE_SIZE]) | st.integers(1, 2 * PAGE_SIZE)

    @initialize(info=st.sampled_from(InfoPolicy))
    def reset(self, info: InfoPolicy) -> None:
        """Start with one page range of a client, and no buffer."""
        self.bench = Bench(info)
        self.secrets: list[Secret] = []
        self.live: list[Live] = []
        self.buffers: dict[Gva, bytearray] = {}
        client = self.bench.memory(2)
        self.client = client
        self.bench.guest.write(client, bytes(2 * PAGE_SIZE))
        self.memory: dict[Gva, bytearray] = {client: bytearray(2 * PAGE_SIZE)}

    def _secret(self, length: int) -> bytes:
        secret = self.bench.machine.host.secret(f"S{len(self.secrets)}", length)
        self.secrets.append(secret)
        return secret.data

    def _write(self, start: Gva, place: int, length: int) -> None:
        secret = self._secret(length)
        self.bench.guest.write(Gva(start + place), secret)
        self._region(start)[1][place : place + length] = secret

    def _pick(self, number: int) -> Live:
        return self.live[number % len(self.live)]

    def _region(self, host: Gva) -> tuple[Gva, bytearray]:
        everywhere = {**self.memory, **self.buffers}
        start = max(start for start in everywhere if start <= host)
        return start, everywhere[start]

    @rule(pages=pages)
    def allocate(self, pages: int) -> None:
        """Let a driver allocate a common buffer."""
        if len(self.buffers) < 3:
            self.buffers[self.bench.buffer(pages)] = bytearray(pages * PAGE_SIZE)

    @precondition(lambda self: self.buffers)
    @rule(number=st.integers(0, 9))
    def free(self, number: int) -> None:
        """Let a driver free a buffer; it gets away with it unless something in it is mapped."""
        host = sorted(self.buffers)[number % len(self.buffers)]
        end = host + len(self.buffers[host])
        mapped = any(one.operation is COMMON and host <= one.host < end for one in self.live)
        status = self.bench.pci_io.free_buffer(len(self.buffers[host]) // PAGE_SIZE, host)
        assert status is (INVALID if mapped else SUCCESS)
        if not mapped:
            del self.buffers[host]

    @rule(place=places, length=lengths, operation=st.sampled_from([READ, WRITE]))
    def map_bounced(self, place: int, length: int, operation: DmaOperation) -> None:
        """Let a client map some of its memory for reading or writing, and a secret move through the mapping."""
        length = min(length, 2 * PAGE_SIZE - place)
        host = Gva(self.client + place)
        if operation is READ:
            self._write(self.client, place, min(length, 96))
        mapped = self.bench.map(operation, host, length)
        size = pages_for(length) * PAGE_SIZE
        data = self.memory[self.client][place : place + length] if operation is READ else bytearray()
        self.live.append(Live(mapped, operation, host, length, bytearray(data.ljust(size, b"\0"))))
        if operation is WRITE:
            self.device_writes(-1, 0, 96)

    @precondition(lambda self: self.buffers)
    @rule(number=st.integers(0, 9), place=places, length=lengths)
    def map_common(self, number: int, place: int, length: int) -> None:
        """Let a driver map some of a common buffer."""
        start = sorted(self.buffers)[number % len(self.buffers)]
        size = len(self.buffers[start])
        place %= size
        length = min(length, size - place)
        mapped = self.bench.map(COMMON, Gva(start + place), length)
        self.live.append(Live(mapped, COMMON, Gva(start + place), length))

    @precondition(lambda self: self.live)
    @rule(number=st.integers(0, 9), place=places, length=st.integers(32, 96))
    def device_writes(self, number: int, place: int, length: int) -> None:
        """Let the device write a secret inside a mapping that allows it."""
        one = self._pick(number)
        if not one.operation.device_writes:
            return
        place %= one.length
        secret = self._secret(length)[: one.length - place]
        self.bench.machine.bus.write("device:probe", one.mapped.device_address + place, secret)
        if one.operation is WRITE:
            one.data[place : place + len(secret)] = secret
        else:
            start, data = self._region(one.host)
            at = one.host - start + place
            data[at : at + len(secret)] = secret

    @rule(number=st.integers(0, 9), place=places, length=st.integers(32, 96))
    def client_writes(self, number: int, place: int, length: int) -> None:
        """Let whoever owns memory write a secret to it, mapped or not."""
        regions = {**self.memory, **self.buffers}
        start = sorted(regions)[number % len(regions)]
        place %= len(regions[start])
        self._write(start, place, min(length, len(regions[start]) - place))

    @precondition(lambda self: self.live)
    @rule(number=st.integers(0, 9))
    def unmap(self, number: int) -> None:
        """End a mapping, once."""
        one = self._pick(number)
        self.live.remove(one)
        assert self.bench.pci_io.unmap(one.mapped.mapping) is SUCCESS
        if one.operation is WRITE:
            at = one.host - self.client
            self.memory[self.client][at : at + one.length] = one.data[: one.length]
        assert self.bench.pci_io.unmap(one.mapped.mapping) is INVALID

    @precondition(lambda self: self.live)
    @rule()
    def unmap_newest(self) -> None:
        """End what was mapped last, as a command that is waited for does."""
        self.unmap(len(self.live) - 1)

    @invariant()
    def everybody_reads_what_was_written(self) -> None:
        """Let owners read their memory as they left it, and the device what it may read."""
        for start, data in {**self.memory, **self.buffers}.items():
            assert self.bench.guest.read(start, len(data)) == data
        for one in self.live:
            seen = self.bench.machine.bus.read("device:probe", one.mapped.device_address, one.length)
            if one.operation is COMMON:
                start, data = self._region(one.host)
                assert seen == data[one.host - start : one.host - start + one.length]
            else:
                assert seen == one.data[: one.length]

    @invariant()
    def no_secret_lies_outside_live_mappings(self) -> None:
        """Find plaintext only in pages that a live mapping holds open, and no other page open."""
        allowed = set()
        for one in self.live:
            first = one.mapped.device_address // PAGE_SIZE * PAGE_SIZE
            allowed |= set(range(first, one.mapped.device_address + one.length, PAGE_SIZE))
        assert self.bench.open_pages() == allowed
        for finding in self.bench.machine.host.search(self.secrets).findings:
            for gpa in (finding.gpa, finding.gpa + finding.length - 1):
                assert gpa // PAGE_SIZE * PAGE_SIZE in allowed

    def teardown(self) -> None:
        """End boot services: nothing is left."""
        if not hasattr(self, "bench"):
            return
        assert self.bench.exit() is SUCCESS
        assert self.bench.open_pages() == set()
        assert self.bench.machine.host.compromise(self.secrets).findings == ()
        for start, data in self.buffers.items():
            assert self.bench.guest.read(start, len(data)) == data


TestTraffic: Callable[[], object] = Traffic.TestCase
TestTraffic.settings = settings(max_examples=50, stateful_step_count=20, deadline=None)  # type: ignore[attr-defined]
