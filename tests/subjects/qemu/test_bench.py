"""The bench on real QEMU: enumeration, registers, RAM, DMA with its direction, the outside world, and clean ends."""

import itertools
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sevconf.errors import LostContact, TargetError, TimedOut, UsageError
from sevconf.model.iommu.vtd_tables import TranslationTables
from sevconf.model.recorder import Recorder
from sevconf.subjects.qemu import process
from sevconf.subjects.qemu.accesses import Access, Watcher
from sevconf.subjects.qemu.bench import RAM_SIZE, Bench, Device
from sevconf.subjects.qemu.dma import DmaRecorder
from sevconf.subjects.qemu.models import MODELS, order
from sevconf.subjects.qemu.vtd import VtdRegisters
from sevconf.trace import Dma, IommuFault, Trace
from sevconf.vocabulary import PAGE_SIZE, FaultReason, Gpa, Gva, IommuAccess, Tpl

#: Registers of edu (QEMU `docs/specs/edu.txt`), and where its own buffer is.
SOURCE, TARGET, COUNT, COMMAND, BUFFER = 0x80, 0x88, 0x90, 0x98, 0x40000
INTO_DEVICE, OUT_OF_DEVICE = 1, 3
#: Ends of benches that are killed; soak raises it.
KILLS = int(os.environ.get("SEVCONF_KILLS", "10"))


@pytest.fixture
def bench() -> Iterator[Bench]:
    """Return a bench with edu, which may begin DMA."""
    with Bench([order("qemu:edu")]) as up:
        up.master(up.devices[0], enabled=True)
        yield up


def dma(bench: Bench, source: int, target: int, count: int, command: int) -> list[Access]:
    """Let edu move bytes; returns the accesses that were seen."""
    bar = bench.devices[0].function.bars[0].address
    mark = bench.mark()
    for register, value in ((SOURCE, source), (TARGET, target), (COUNT, count), (COMMAND, command)):
        bench.write(bar + register, 8, value)
    deadline = time.monotonic() + 5
    while bench.read(bar + COMMAND, 8) & 1:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    return bench.accesses(mark)


@pytest.mark.parametrize("name", MODELS)
def test_a_device_is_what_its_model_says(name: str) -> None:
    """Ids and class code are those of the table, and every BAR has an address of its own."""
    with Bench([order(name)]) as bench:
        model, function = MODELS[name], bench.devices[0].function
        assert (function.vendor, function.device, function.class_code) == (model.vendor, model.device, model.class_code)
        bars = sorted((bar.io, bar.address, bar.size) for bar in function.bars if bar.size)
        assert bars
        assert all(address % size == 0 for _, address, size in bars)
        pairs = itertools.pairwise(bars)
        assert all(first[0] != second[0] or first[1] + first[2] <= second[1] for first, second in pairs)


def test_registers_and_configuration_space(bench: Bench) -> None:
    """What is written can be read; edu inverts what its second register is given, and says who it is in the first."""
    bar = bench.devices[0].function.bars[0].address
    assert bench.read(bar, 4) & 0xFFFF == 0x00ED
    bench.write(bar + 4, 4, 0x12345678)
    assert bench.read(bar + 4, 4) == 0x12345678 ^ 0xFFFF_FFFF
    bench.config_write(bench.devices[0].function.devfn, 0x3C, 1, 7)
    assert bench.config_read(bench.devices[0].function.devfn, 0x3C, 1) == 7


def test_dma_moves_bytes_and_is_seen_with_its_direction(bench: Bench) -> None:
    """A read and a write, the write over a page boundary: told once a page."""
    secret = bytes(range(16))
    bench.ram[0x20_0000:0x20_0010] = secret
    source = bench.devices[0].function.source
    assert dma(bench, 0x20_0000, BUFFER, 16, INTO_DEVICE) == [Access(source, 0x20_0000, write=False, passed=True)]
    written = dma(bench, BUFFER, 0x30_0FFC, 16, OUT_OF_DEVICE)
    assert written == [Access(source, at, write=True, passed=True) for at in (0x30_0FFC, 0x30_1000)]
    assert bench.ram[0x30_0FFC:0x30_100C] == secret


@pytest.mark.parametrize(("command", "write"), [(INTO_DEVICE, False), (OUT_OF_DEVICE, True)])
def test_dma_beyond_ram_is_refused_and_seen(bench: Bench, command: int, write: bool) -> None:
    """Every piece of it, the last one too; the observer's own pages are beyond RAM as well."""
    ends = (RAM_SIZE, BUFFER) if command == INTO_DEVICE else (BUFFER, RAM_SIZE)
    seen = dma(bench, *ends, 8, command)
    assert [(access.address, access.write, access.passed) for access in seen] == [
        (RAM_SIZE, write, False),
        (RAM_SIZE + 4, write, False),
    ]


def test_no_bus_master_no_dma(bench: Bench) -> None:
    """A device that may not begin DMA reaches nothing."""
    bench.ram[0x20_0000:0x20_0010] = bytes(16)
    bench.master(bench.devices[0], enabled=False)
    assert dma(bench, BUFFER, 0x20_0000, 16, OUT_OF_DEVICE) == []


def nvme_ready(bench: Bench, device: Device) -> int:
    """Switch an NVMe controller on, with an admin queue at 1 MiB and 1 MiB + 4 KiB; returns its registers."""
    bench.master(device, enabled=True)
    bar = device.function.bars[0].address
    bench.write(bar + 0x24, 4, 0x000F_000F)
    bench.write(bar + 0x28, 8, 0x10_0000)
    bench.write(bar + 0x30, 8, 0x10_1000)
    bench.write(bar + 0x14, 4, 0x0046_0001)
    deadline = time.monotonic() + 5
    while not bench.read(bar + 0x1C, 4) & 1:
        assert time.monotonic() < deadline
    return bar


#: NVMe's command Read of one block at LBA 0 of namespace 1, to 2 MiB.
READ = bytes([2, 0, 0, 0, 1]) + bytes(19) + (0x20_0000).to_bytes(8, "little") + bytes(32)


def nvme_queues(bench: Bench, device: Device) -> int:
    """Give an NVMe controller a queue for commands, at 1 MiB + 12 KiB, with completions at 1 MiB + 8 KiB."""
    registers = nvme_ready(bench, device)
    commands = [
        bytes([5]) + bytes(23) + (0x10_2000).to_bytes(8, "little") + bytes(8) + b"\1\0\x0f\0\1\0" + bytes(18),
        bytes([1]) + bytes(23) + (0x10_3000).to_bytes(8, "little") + bytes(8) + b"\1\0\x0f\0\1\0\1\0" + bytes(16),
    ]
    bench.ram[0x10_0000:0x10_0080] = b"".join(commands)
    bench.write(registers + 0x1000, 4, 2)
    deadline = time.monotonic() + 5
    while not bench.ram[0x10_101E] & 1:
        assert time.monotonic() < deadline
    return registers


def test_two_devices_are_told_apart() -> None:
    """Each access has the source id of its device: NVMe fetches a command, edu reads."""
    with Bench([order("qemu:edu"), order("qemu:nvme")]) as bench:
        edu, nvme = bench.devices
        bench.master(edu, enabled=True)
        registers = nvme_ready(bench, nvme)
        bench.ram[0x10_0000:0x10_0040] = (
            bytes([6]) + bytes(23) + (0x20_0000).to_bytes(8, "little") + bytes(8) + bytes([1]) + bytes(23)
        )
        mark = bench.mark()
        bench.write(registers + 0x1000, 4, 1)
        deadline = time.monotonic() + 5
        while not bench.ram[0x10_100E] & 1:
            assert time.monotonic() < deadline
        identify = bench.accesses(mark)
        assert {access.source for access in identify} == {nvme.function.source}
        assert {access.address & ~0xFFF for access in identify if access.write} == {0x10_1000, 0x20_0000}
        assert {access.address & ~0xFFF for access in identify if not access.write} == {0x10_0000}
        assert {access.source for access in dma(bench, 0x20_0000, BUFFER, 16, INTO_DEVICE)} == {edu.function.source}


def test_options_reach_the_device() -> None:
    """A DMA mask of 28 bits, which edu has unless it is told otherwise, keeps it below 256 MiB."""
    with Bench([order("qemu:edu,dma_mask=0xfff")]) as bench:
        bench.master(bench.devices[0], enabled=True)
        seen = dma(bench, BUFFER, 0x20_0010, 4, OUT_OF_DEVICE)
        assert [access.address for access in seen] == [0x10]


def test_a_frame_travels() -> None:
    """What is delivered to a card that listens becomes DMA into its buffer; e1000, one receive descriptor."""
    with Bench([order("qemu:e1000,mac=52:54:00:12:34:56")]) as bench:
        card = bench.devices[0]
        bench.master(card, enabled=True)
        bar = card.function.bars[0].address
        bench.ram[0x10_0000:0x10_0010] = (0x20_0000).to_bytes(8, "little") + bytes(8)
        for register, value in ((0x2800, 0x10_0000), (0x2804, 0), (0x2808, 128), (0x2810, 0), (0x2818, 7)):
            bench.write(bar + register, 4, value)
        bench.write(bar + 0x0, 4, 1 << 6)
        bench.write(bar + 0x100, 4, 1 << 1 | 1 << 3 | 1 << 4 | 1 << 15)
        mark = bench.mark()
        assert card.backing.wire is not None
        frame = bytes.fromhex("525400123456 525400654321 0800") + b"frame " * 10
        deadline = time.monotonic() + 5
        card.backing.wire.deliver(frame)
        while not bench.ram[0x10_000C] & 1:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert bench.ram[0x20_0000 : 0x20_0000 + len(frame)] == frame
        assert 0x20_0000 in {access.address for access in bench.accesses(mark) if access.write}


def test_a_request_is_held_until_it_is_released() -> None:
    """A read of NVMe that is held on its way to the image is in flight: no data, no completion; then both."""
    with Bench([order("qemu:nvme")]) as bench:
        device = bench.devices[0]
        disk = device.backing.disk
        assert disk is not None
        disk.image.write(0, b"from the disk   ")
        registers = nvme_queues(bench, device)
        disk.hold(bench.monitor, "read")
        bench.ram[0x10_3000:0x10_3040] = READ
        mark = bench.mark()
        bench.write(registers + 0x1008, 4, 1)
        time.sleep(0.1)
        written = [access.address for access in bench.accesses(mark) if access.write]
        assert written == [0x20_0000], "QEMU tells of the data when it takes the request, of the completion later"
        assert bench.ram[0x20_0000:0x20_0010] == bytes(16)
        assert bench.ram[0x10_200E] & 1 == 0
        mark = bench.mark()
        disk.release(bench.monitor)
        deadline = time.monotonic() + 5
        while not bench.ram[0x10_200E] & 1:
            assert time.monotonic() < deadline
        assert bench.ram[0x20_0000:0x20_0010] == b"from the disk   "
        assert [access.address for access in bench.accesses(mark) if access.write] == [0x10_2000]


def test_a_key_reaches_the_keyboard_and_can_be_unplugged() -> None:
    """QEMU takes a key; what was pulled is gone, so it cannot be pulled again."""
    with Bench([order("qemu:qemu-xhci")]) as bench:
        bench.press("shift", "a")
        bench.unplug_member(bench.devices[0])
        deadline = time.monotonic() + 5
        while "usb-kbd" in bench.monitor.human("info qtree"):
            assert time.monotonic() < deadline
        with pytest.raises(TargetError, match="not found"):
            bench.unplug_member(bench.devices[0])


def test_a_device_that_is_pulled_out_is_gone(bench: Bench) -> None:
    """Registers and configuration space read as ones, writes are lost, and what it had begun reaches no memory."""
    device = bench.devices[0]
    bar = device.function.bars[0].address
    bench.write(bar + 4, 4, 1)
    bench.ram[0x20_0000:0x20_0010] = bytes(16)
    for register, value in ((SOURCE, BUFFER), (TARGET, 0x20_0000), (COUNT, 16), (COMMAND, OUT_OF_DEVICE)):
        bench.write(bar + register, 8, value)
    bench.unplug(device)
    time.sleep(0.2)
    assert bench.read(bar + 4, 4) == 0xFFFF_FFFF
    assert bench.config_read(device.function.devfn, 0, 2) == 0xFFFF
    bench.write(bar + 4, 4, 1)
    bench.config_write(device.function.devfn, 4, 2, 7)
    assert bench.accesses() == []


def test_a_disk_whose_reads_fail() -> None:
    """An NVMe read completes with an error, and with the bytes of nobody."""
    with Bench([order("qemu:nvme,fault=read")]) as bench:
        device = bench.devices[0]
        registers = nvme_queues(bench, device)
        bench.ram[0x10_3000:0x10_3040] = READ
        bench.write(registers + 0x1008, 4, 1)
        deadline = time.monotonic() + 5
        while not bench.ram[0x10_200E] & 1:
            assert time.monotonic() < deadline
        assert int.from_bytes(bench.ram[0x10_200E:0x10_2010], "little") >> 1


def test_a_key_that_there_is_not_is_refused(bench: Bench) -> None:
    """With QEMU's own words."""
    with pytest.raises(TargetError, match="nonsense"):
        bench.press("nonsense")


def test_a_dead_qemu_is_lost_contact(bench: Bench) -> None:
    """At the next act, without a hang."""
    os.kill(bench.pid, signal.SIGKILL)
    with pytest.raises(LostContact):
        bench.read(0, 4)


def test_a_stopped_qemu_times_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the deadline; and it is ended all the same."""
    monkeypatch.setattr("sevconf.subjects.qemu.qtest.PATIENCE", 0.3)
    with Bench([order("qemu:edu")]) as bench:
        os.kill(bench.pid, signal.SIGSTOP)
        with pytest.raises(TimedOut):
            bench.read(0, 4)
        pid = bench.pid
    assert not Path(f"/proc/{pid}").exists()


def test_a_qemu_that_does_not_come_up_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    """Here because its unit does not know that option."""
    monkeypatch.setattr("sevconf.subjects.qemu.viommu.arguments", lambda _: ("-device", "virtio-iommu-pci,nonsense=1"))
    with pytest.raises(LostContact, match="nonsense"):
        Bench([order("qemu:edu")])


def test_without_qemu_the_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is wrong use to name a device then."""
    monkeypatch.setenv("PATH", "/nonexistent")
    assert not process.installed()
    with pytest.raises(UsageError, match="there is no qemu-system-x86_64") as caught:
        Bench([order("qemu:edu")])
    assert "apt-get install qemu-system-x86" in caught.value.hint


#: A process with a bench, which says QEMU's process id and is killed at some moment, even before.
_VICTIM = """
import sys, time
from sevconf.subjects.qemu.bench import Bench
from sevconf.subjects.qemu.models import order
while True:
    with Bench([order("qemu:nvme"), order("qemu:qemu-xhci"), order("qemu:e1000")]) as bench:
        print(bench.pid, flush=True)
        time.sleep(0.05)
"""


def _children(pid: int) -> set[int]:
    """Return the processes that a process has now."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    return {int(word) for word in found.split()}


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_killed_at_any_moment_nothing_is_left(tmp_path: Path) -> None:
    """No QEMU, no file: the moment is drawn anew for each kill."""
    draw = random.Random(14)  # noqa: S311 -- moments, not secrets
    environment = {**os.environ, "TMPDIR": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)}
    running = 0
    for _ in range(KILLS):
        victim = subprocess.Popen(
            [sys.executable, "-c", _VICTIM], env=environment, cwd=tmp_path, stdout=subprocess.DEVNULL
        )
        time.sleep(draw.uniform(0.3, 1.0))
        victim.send_signal(signal.SIGSTOP)
        children = _children(victim.pid)
        running += bool(children)
        victim.kill()
        victim.wait()
        deadline = time.monotonic() + 5
        while any(_alive(child) for child in children):
            assert time.monotonic() < deadline, "QEMU outlives whoever started it"
            time.sleep(0.01)
        assert not list(tmp_path.iterdir())
    assert running > KILLS / 4, "no kill met a QEMU: the moments are badly drawn"


def test_behind_vtd_directions_are_told_where_pages_tell_them() -> None:
    """Exact addresses; an access that a kept entry forbids is refused too, though QEMU records no fault of it."""
    with Bench([order("qemu:edu")], watcher=Watcher.VTD) as bench:
        device = bench.devices[0]
        bench.master(device, enabled=True)
        pages = itertools.count(0x40_0000, PAGE_SIZE)
        tables = TranslationTables(Stores(bench), lambda: Gpa(next(pages)))
        source = device.function.source
        tables.set_access(source, 0x20_0000, IommuAccess.READ)
        tables.set_access(source, 0x20_1000, IommuAccess.WRITE)
        tables.set_access(source, 0x20_2000, IommuAccess.READ | IommuAccess.WRITE)
        unit = VtdRegisters(bench)
        unit.load_root(tables.root)
        unit.enable()

        def told(start: int, end: int, command: int) -> list[tuple[int, bool | None, bool, int | None]]:
            seen = dma(bench, start, end, 4, command)
            assert all(access.source == source for access in seen)
            return [(access.address, access.write, access.passed, access.reason) for access in seen]

        assert told(0x20_0008, BUFFER, INTO_DEVICE) == [(0x20_0008, False, True, None)]
        assert told(BUFFER, 0x20_0010, OUT_OF_DEVICE) == [(0x20_0010, True, False, 5)]
        assert unit.take_fault() is None
        assert told(BUFFER, 0x20_1018, OUT_OF_DEVICE) == [(0x20_1018, True, True, None)]
        assert told(0x20_1020, BUFFER, INTO_DEVICE) == [(0x20_1020, False, False, 6)]
        assert told(0x20_2028, BUFFER, INTO_DEVICE) == [(0x20_2028, None, True, None)]
        assert told(0x20_3030, BUFFER, INTO_DEVICE) == [(0x20_3030, False, False, 6)]
        assert unit.take_fault() is not None

        trace = Trace()
        wrote: list[int] = []
        recorder = DmaRecorder(
            Recorder(trace), bench, wrote.append, {device.function.source: device.actor for device in bench.devices}
        )
        for end in (0x20_1000, 0x20_0000):
            dma(bench, BUFFER, end, 4, OUT_OF_DEVICE)
        recorder.record()
        first, second = trace
        assert first == Dma(1, "device:edu", None, Tpl.APPLICATION, "device:edu", 0x20_1000, 1, write=True)
        assert isinstance(second, IommuFault)
        assert (second.address, second.write, second.source) == (0x20_0000, True, source)
        assert second.reason is FaultReason.NO_WRITE_ACCESS
        assert wrote == [0x20_1000]


class Stores:
    """The bench's RAM, for software that builds tables."""

    def __init__(self, bench: Bench) -> None:
        self._ram = bench.ram

    def read(self, gva: Gva, length: int) -> bytes:
        """Load."""
        return bytes(self._ram[gva : gva + length])

    def write(self, gva: Gva, data: bytes) -> None:
        """Store."""
        self._ram[gva : gva + len(data)] = data
