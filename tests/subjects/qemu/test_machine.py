"""Python drivers on a device of QEMU's: right and wrong ones, judged by the monitors that judge every driver."""

from collections.abc import Iterator

import numpy as np
import pytest

from sevconf.errors import Unsupported
from sevconf.model.encrypted_ram import EncryptedRam
from sevconf.model.machine import FAR_RAM
from sevconf.monitors import charge
from sevconf.subjects.qemu.bench import Bench as Qemu
from sevconf.subjects.qemu.machine import KINDS, QemuMachine
from sevconf.subjects.qemu.models import FOR_PYTHON, order
from sevconf.subjects.qemu.process import ROOM, Memory
from sevconf.subjects.qemu.ram import SharedRam
from sevconf.trace import DeviceState, Dma
from sevconf.vocabulary import PAGE_SIZE, CBit, EfiStatus, Gpa, MachineKind, Party
from tests.subjects.qemu import edu_driver as drivers
from tests.subjects.qemu.edu_driver import EduDriver

SECRET = bytes(range(64, 128))
BOTH = sorted(KINDS, key=lambda kind: kind.value)


class Bench:
    """A machine with edu and a driver of it."""

    def __init__(self, kind: MachineKind, driver: type[EduDriver]) -> None:
        self.machine = QemuMachine(kind, 0, Qemu([order("qemu:edu")]))
        self.actor = f"driver:{driver.__name__}"
        pci_io = self.machine.pci_io(self.machine.own_device)
        with self.machine.recorder.acting(self.actor):
            self.driver = driver(self.machine.core, pci_io, self.machine.guest)

    def carry(self) -> tuple[EfiStatus, bytes]:
        """Start the driver, and let it carry a secret."""
        with self.machine.recorder.acting(self.actor):
            assert self.driver.supported() is EfiStatus.SUCCESS
            assert self.driver.start() is EfiStatus.SUCCESS
            return self.driver.carry(SECRET)

    def exit(self) -> None:
        """Let an OS take over, and the host's devices go on behind that."""
        assert self.machine.loader.boot() is EfiStatus.SUCCESS
        self.machine.host.run_devices(10)

    def charged(self) -> list[str]:
        """Return the rules that the driver breaks."""
        return [breach.rule for breach in charge(self.machine.trace, frozenset({Party.DRIVER}))]


@pytest.fixture(params=BOTH, ids=lambda kind: kind.value)
def kind(request: pytest.FixtureRequest) -> MachineKind:
    """Return a kind of machine."""
    return MachineKind(request.param)


def run(kind: MachineKind, driver: type[EduDriver]) -> Iterator[Bench]:
    """Play the whole story."""
    bench = Bench(kind, driver)
    try:
        yield bench
    finally:
        bench.machine.close()


def test_a_right_driver_carries_data_and_breaks_nothing(kind: MachineKind) -> None:
    """Bytes come back, every DMA lies in a live mapping and goes its way, and none comes behind exit."""
    for bench in run(kind, EduDriver):
        assert bench.carry() == (EfiStatus.SUCCESS, SECRET)
        dma = [(entry.device, entry.write, entry.actor) for entry in bench.machine.trace.of(Dma)]
        assert dma == [("device:own", False, "device:own"), ("device:own", True, "device:own")]
        bench.exit()
        assert len(list(bench.machine.trace.of(Dma))) == 2
        assert bench.charged() == []


@pytest.mark.parametrize(
    ("driver", "rule"),
    [
        (drivers.Unhalted, "DRV-01"),
        (drivers.UnmapsTooEarly, "DRV-05"),
        (drivers.AgainstItsDirection, "DRV-06"),
        (drivers.MapsNothing, "DRV-05"),
    ],
)
def test_a_wrong_driver_breaks_its_rule(kind: MachineKind, driver: type[EduDriver], rule: str) -> None:
    """And the device is named, which really did it."""
    for bench in run(kind, driver):
        bench.carry()
        bench.exit()
        breaches = charge(bench.machine.trace, frozenset({Party.DRIVER}))
        assert rule in {breach.rule for breach in breaches}
        breach = next(breach for breach in breaches if breach.rule == rule)
        assert breach.culprit == bench.actor
        assert breach.subject == "device:own"


def test_what_is_not_mapped_is_ciphertext_to_the_device() -> None:
    """On an SEV guest the bytes that come back are not the secret, and nothing faults."""
    for bench in run(MachineKind.SEV, drivers.MapsNothing):
        status, data = bench.carry()
        assert status is EfiStatus.SUCCESS
        assert data != SECRET
        assert not bench.machine.host.search(()).findings


def test_machines_behind_vtd_are_unsupported() -> None:
    """They are told so."""
    with Qemu([order("qemu:edu")]) as bench, pytest.raises(Unsupported, match="vtd-keep"):
        QemuMachine(MachineKind.VTD_KEEP, 0, bench)


def test_registers_that_there_are_not() -> None:
    """A width that no register has, an offset beyond the window: EFI_INVALID_PARAMETER."""
    for bench in run(MachineKind.NONE, EduDriver):
        pci_io = bench.machine.pci_io(bench.machine.own_device)
        assert pci_io.mem_read(0, 3)[0] is EfiStatus.INVALID_PARAMETER
        assert pci_io.mem_read(2, 4)[0] is EfiStatus.INVALID_PARAMETER
        assert pci_io.mem_write(1 << 20, 4, 0) is EfiStatus.INVALID_PARAMETER
        assert pci_io.pci_read(0x100, 4)[0] is EfiStatus.INVALID_PARAMETER
        assert pci_io.pci_read(0, 8)[0] is EfiStatus.INVALID_PARAMETER
        assert pci_io.mem_read(0, 4) == (EfiStatus.SUCCESS, 0x0100_00ED)


SIZE = 16 * PAGE_SIZE


@pytest.mark.parametrize("seed", range(20))
def test_shared_ram_is_the_encrypted_ram(seed: int) -> None:
    """Random accesses of guest and host, near and far: the same bytes as from RAM that nobody shares."""
    draw = np.random.default_rng(seed)
    memory = Memory("test", SIZE + ROOM)
    key = bytes(range(16))
    rams = [EncryptedRam(SIZE, key, FAR_RAM), SharedRam(memory, SIZE, key, FAR_RAM)]
    for _ in range(60):
        length = int(draw.integers(1, 3 * PAGE_SIZE))
        base = 0 if draw.random() < 0.8 else FAR_RAM[0]
        gpa = Gpa(base + int(draw.integers(0, SIZE - length)))
        data = draw.bytes(length)
        act = int(draw.integers(4))
        if act == 0:
            for ram in rams:
                ram.write_private(gpa, data)
        elif act == 1:
            for ram in rams:
                ram.write_raw(gpa, data)
        elif act == 2:
            assert rams[0].read_private(gpa, length) == rams[1].read_private(gpa, length)
        else:
            assert rams[0].read_raw(gpa, length) == rams[1].read_raw(gpa, length)
    assert [(at, bytes(run)) for at, run in rams[0].dump()] == [(at, bytes(run)) for at, run in rams[1].dump()]
    memory.close()


def test_shared_ram_sees_what_a_device_writes() -> None:
    """At once, through C=1 and through C=0; and a write beside it leaves it alone."""
    memory = Memory("test", SIZE)
    ram = SharedRam(memory, SIZE, bytes(16))
    ram.write_private(Gpa(0), bytes(PAGE_SIZE))
    assert ram.read_private(Gpa(0), 16) == bytes(16)
    ram.device_wrote(64)
    memory.write(64, b"from the device!")
    assert ram.read_raw(Gpa(64), 16) == b"from the device!"
    assert ram.read_private(Gpa(64), 16) != bytes(16)
    ram.write_private(Gpa(32), b"x" * 16)
    assert memory.read(64, 16) == b"from the device!"
    memory.write(5 * PAGE_SIZE, b"elsewhere")
    ram.device_wrote(5 * PAGE_SIZE)
    assert [int(at) for at, _ in ram.dump()] == [0, 5 * PAGE_SIZE]
    memory.close()


def test_what_a_processor_wrote_to_lent_pages_lies_in_dram_when_it_gives_them_back() -> None:
    """As ciphertext, for devices to see; and what a device wrote there since is what the processor gets next."""
    memory = Memory("test", SIZE)
    ram = SharedRam(memory, SIZE, bytes(16))
    plain = EncryptedRam(SIZE, bytes(16))
    _, private = ram.forms
    ram.lend(Gpa(PAGE_SIZE), CBit.SET, write=True)
    private[PAGE_SIZE : PAGE_SIZE + 16] = b"by the processor"
    ram.given_back()
    plain.write_private(Gpa(PAGE_SIZE), b"by the processor" + bytes(16))
    assert memory.read(PAGE_SIZE, 16) == plain.read_raw(Gpa(PAGE_SIZE), 16)
    ram.device_wrote(PAGE_SIZE)
    memory.write(PAGE_SIZE, b"from the device!")
    plain.write_raw(Gpa(PAGE_SIZE), b"from the device!")
    ram.lend(Gpa(PAGE_SIZE), CBit.SET, write=False)
    assert private[PAGE_SIZE : PAGE_SIZE + 16] == plain.read_private(Gpa(PAGE_SIZE), 16)
    memory.close()


@pytest.mark.parametrize("name", sorted(FOR_PYTHON))
def test_after_reset_no_device_runs(name: str) -> None:
    """Though it may be bus master: its own registers say so, and reading them starts nothing."""
    with Qemu([order(name)]) as bench:
        machine = QemuMachine(MachineKind.NONE, 0, bench)
        pci_io = machine.pci_io(machine.own_device)
        assert pci_io.pci_read(4, 2)[1] & 4
        assert pci_io.pci_write(0x3C, 1, 5) is EfiStatus.SUCCESS
        assert not list(machine.trace.of(DeviceState))
