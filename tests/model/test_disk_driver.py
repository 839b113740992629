"""The reference driver of the disk: its work, its order of acts, and what it gives back when something fails."""

from collections.abc import Callable

import pytest

from sevconf.contract.disk import BLOCK, REGISTER_WIDTH, DiskRegister
from sevconf.contract.driver import EventHandle, Mapped, MappingToken
from sevconf.model.drivers.disk import ENTRIES, PATIENCE, DiskDriver
from sevconf.model.machine import ReferenceMachine
from sevconf.trace import Dma, EventClosed, EventCreated, MappingEnded, MappingMade
from sevconf.vocabulary import (
    EVT_SIGNAL_EXIT_BOOT_SERVICES,
    PAGE_SIZE,
    AllocateType,
    DmaOperation,
    EfiStatus,
    Gva,
    MachineKind,
    MemoryType,
    Tpl,
)

DATA = MemoryType.BOOT_SERVICES_DATA
SUCCESS, FULL = EfiStatus.SUCCESS, EfiStatus.OUT_OF_RESOURCES
CONTENT = bytes(range(256)) * 20


class Bench:
    """A machine with its driver, asked as the driver itself."""

    def __init__(self, kind: MachineKind) -> None:
        self.machine = ReferenceMachine(kind, 0)
        driver = self.machine.driver
        assert isinstance(driver, DiskDriver)
        self.driver = driver
        self.disk = self.machine.disk

    @property
    def used(self) -> int:
        """How many pages are not free."""
        return sum(d.pages for d in self.machine.core.map.descriptors if d.type is not MemoryType.CONVENTIONAL)

    @property
    def live(self) -> int:
        """How many mappings are live."""
        return len(list(self.machine.trace.of(MappingMade))) - len(list(self.machine.trace.of(MappingEnded)))

    def fill(self, left: int = 0) -> None:
        """Take all free pages but some."""
        for descriptor in tuple(self.machine.core.map.descriptors):
            if descriptor.type is MemoryType.CONVENTIONAL and descriptor.pages > left:
                self.machine.core.allocate_pages(AllocateType.ANY_PAGES, DATA, descriptor.pages - left)


@pytest.fixture(params=[MachineKind.NONE, MachineKind.SEV], ids=lambda kind: kind.value)
def bench(request: pytest.FixtureRequest) -> Bench:
    """Return a driver before its start."""
    return Bench(request.param)


@pytest.fixture
def started(bench: Bench) -> Bench:
    """Return a driver that has started."""
    assert bench.driver.supported() is SUCCESS
    assert bench.driver.start() is SUCCESS
    return bench


def test_a_disk_without_a_medium_is_not_supported(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Supported looks for a medium, and touches nothing but that register."""
    monkeypatch.setattr("sevconf.model.devices.disk.CAPACITY", 0)
    assert bench.driver.supported() is EfiStatus.UNSUPPORTED
    assert list(bench.machine.trace.of(Dma)) == []


def test_start_runs_the_disk_on_a_mapped_ring(started: Bench) -> None:
    """Start maps one common buffer, registers for ExitBootServices at TPL_CALLBACK, and runs the disk."""
    assert started.disk.running
    (made,) = started.machine.trace.of(MappingMade)
    created = started.machine.trace.last(EventCreated)
    assert made.operation is DmaOperation.COMMON_BUFFER
    assert created is not None
    assert (created.type, created.notify_tpl) == (EVT_SIGNAL_EXIT_BOOT_SERVICES, Tpl.CALLBACK)
    assert started.driver.pci_io.mem_read(DiskRegister.RING_ENTRIES, 4) == (SUCCESS, ENTRIES)
    assert started.driver.pci_io.mem_read(DiskRegister.RING_BASE, 8) == (SUCCESS, made.device)


@pytest.mark.parametrize("blocks", [1, 8, 9])
def test_blocks_come_and_go(started: Bench, blocks: int) -> None:
    """What is written lies on the medium at its place, reads back, and nothing stays mapped or allocated."""
    used, live = started.used, started.live
    data = CONTENT[: blocks * BLOCK]
    assert started.driver.write_blocks(100, data) is SUCCESS
    assert started.disk.medium[100 * BLOCK : (100 + blocks) * BLOCK] == data
    assert started.driver.read_blocks(100, blocks) == (SUCCESS, data)
    assert (started.live, len(started.driver.in_flight)) == (live, 0)
    assert started.used <= used + 1  # the page of records, where there are some


def test_the_ring_is_used_round_and_round(started: Bench) -> None:
    """More commands than the ring has entries go well."""
    for lba in range(ENTRIES + 3):
        assert started.driver.write_blocks(lba, CONTENT[lba : lba + BLOCK]) is SUCCESS
    assert started.driver.read_blocks(ENTRIES + 2, 1) == (SUCCESS, CONTENT[ENTRIES + 2 : ENTRIES + 2 + BLOCK])


def test_blocks_beyond_the_medium_are_an_error(started: Bench) -> None:
    """A command that the disk refuses is EFI_DEVICE_ERROR, without data, and leaves nothing behind."""
    live = started.live
    assert started.driver.read_blocks(1 << 40, 1) == (EfiStatus.DEVICE_ERROR, b"")
    assert started.driver.write_blocks(1 << 40, bytes(BLOCK)) is EfiStatus.DEVICE_ERROR
    assert started.live == live
    assert started.driver.write_blocks(0, CONTENT[:BLOCK]) is SUCCESS


def test_a_submitted_write_stays_in_flight(started: Bench) -> None:
    """A write that is not waited for keeps its mapping, and reaches the medium when the disk gets to it."""
    live = started.live
    assert started.driver.submit_write(7, CONTENT[:BLOCK]) is SUCCESS
    assert (started.live, len(started.driver.in_flight)) == (live + 1, 1)
    started.machine.host.run_devices(3)
    assert started.disk.medium[7 * BLOCK : 8 * BLOCK] == CONTENT[:BLOCK]


def test_stop_gives_everything_back(started: Bench) -> None:
    """Stop halts, then unmaps, frees, and closes its event; a second life is like the first."""
    for _ in range(2):
        started.driver.submit_write(7, CONTENT[:BLOCK])
        before = len(started.machine.trace)
        assert started.driver.stop() is SUCCESS
        assert not started.disk.running
        assert (started.live, started.driver.in_flight) == (0, [])
        assert not [
            dma for dma in started.machine.trace.of(Dma, since=before) if dma.step > _first_end(started, before)
        ]
        assert started.machine.trace.last(EventClosed) is not None
        assert started.driver.start() is SUCCESS


def _first_end(bench: Bench, since: int) -> int:
    return next(iter(bench.machine.trace.of(MappingEnded, since=since))).step


def test_at_exit_the_driver_only_halts(started: Bench) -> None:
    """The exit handler halts the disk, and leaves what is mapped to others."""
    core, live = started.machine.core, started.live
    ended = len(list(started.machine.trace.of(MappingEnded)))
    started.driver.on_exit()
    assert not started.disk.running
    assert started.live == live
    assert len(list(started.machine.trace.of(MappingEnded))) == ended
    assert core.exit_boot_services(core.map.key) is SUCCESS


# What fails


def test_a_start_without_memory_keeps_nothing(bench: Bench) -> None:
    """If no ring can be allocated Start fails, and the disk stays halted."""
    bench.fill()
    assert bench.driver.start() is FULL
    assert (bench.live, bench.disk.running) == (0, False)


def test_a_start_without_mapping_keeps_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the ring cannot be mapped Start fails with that status, and frees the ring."""
    driver = bench.driver
    used = bench.used
    monkeypatch.setattr(driver.pci_io, "map", lambda *_: Mapped(FULL, 0, 0, MappingToken(0)))
    assert driver.start() is FULL
    assert (bench.used <= used + 1, bench.disk.running) == (True, False)


def test_a_start_without_event_keeps_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """If no event can be created Start fails with that status, unmaps and frees the ring."""
    driver = bench.driver
    used = bench.used
    monkeypatch.setattr(driver.boot_services, "create_event", lambda *_: (FULL, EventHandle(0)))
    assert driver.start() is FULL
    assert (bench.live, bench.used <= used + 1, bench.disk.running) == (0, True, False)


_ACTS: dict[str, Callable[[DiskDriver], object]] = {
    "read": lambda driver: driver.read_blocks(0, 1)[0],
    "write": lambda driver: driver.write_blocks(0, CONTENT[:BLOCK]),
    "submit": lambda driver: driver.submit_write(0, CONTENT[:BLOCK]),
}


@pytest.mark.parametrize("act", _ACTS)
def test_work_without_memory_fails_and_keeps_nothing(started: Bench, act: str) -> None:
    """Without a page for the data a command fails before the disk hears of it."""
    started.fill()
    used, live = started.used, started.live
    assert _ACTS[act](started.driver) is FULL
    assert (started.used, started.live, started.driver.in_flight) == (used, live, [])


@pytest.mark.parametrize("act", _ACTS)
def test_work_without_mapping_fails_and_keeps_nothing(
    started: Bench, act: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the data cannot be mapped the command fails with that status, and its page is freed."""
    used = started.used
    monkeypatch.setattr(started.driver.pci_io, "map", lambda *_: Mapped(FULL, 0, 0, MappingToken(0)))
    assert _ACTS[act](started.driver) is FULL
    assert (started.used, started.driver.in_flight) == (used, [])


def test_a_command_that_never_ends_is_given_up(started: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """After its patience the driver takes the disk away from the command, fails, and goes on with the next."""
    step = started.disk.step
    monkeypatch.setattr(started.disk, "step", lambda: None)
    assert started.driver.write_blocks(0, CONTENT[:BLOCK]) is EfiStatus.DEVICE_ERROR
    assert len(started.machine.trace.calls("Stall")) == PATIENCE
    assert started.driver.memory.read(started.driver.ring, PAGE_SIZE) == bytes(PAGE_SIZE)
    monkeypatch.setattr(started.disk, "step", step)
    assert started.disk.register_read(DiskRegister.STATUS, REGISTER_WIDTH[DiskRegister.STATUS]) == 1
    assert started.driver.write_blocks(1, CONTENT[:BLOCK]) is SUCCESS
    assert started.disk.medium[: 2 * BLOCK] == bytes(BLOCK) + CONTENT[:BLOCK]


def test_the_data_of_a_read_is_looked_at_after_unmap(started: Bench) -> None:
    """The driver reads its buffer only when the mapping has ended: before, under an IOMMU, nothing is there."""
    reads: list[tuple[Gva, int]] = []
    memory, read = started.driver.memory, started.driver.memory.read

    def spy(gva: Gva, length: int) -> bytes:
        reads.append((gva, started.live))
        return read(gva, length)

    memory.read = spy  # type: ignore[method-assign]
    started.driver.read_blocks(0, 1)
    assert reads[-1][1] == 1
    assert {live for gva, live in reads if gva // PAGE_SIZE == reads[-1][0] // PAGE_SIZE} == {1}
