"""A vendor's driver on `--device`: one of QEMU's, or a model that another class has; and what is refused."""

import os
import random
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from click.testing import CliRunner

from sevconf.cli import main
from sevconf.contract import Capability
from sevconf.errors import ForeignFailure, UsageError
from sevconf.subjects.choices import Choices
from sevconf.subjects.python.target import PythonTarget
from sevconf.subjects.qemu.machine import KINDS
from sevconf.subjects.qemu.process import PROGRAM
from sevconf.subjects.registry import resolve
from sevconf.subjects.smoke import smoke
from sevconf.trace import DeviceState, Dma
from sevconf.vocabulary import EfiStatus, MachineKind
from tests.subjects.qemu.test_bench import KILLS

EXAMPLES = Path(__file__).parents[3] / "examples"
EDU = f"{EXAMPLES / 'right_edu_driver.py'}:RightEduDriver"
ENGINE = f"{EXAMPLES / 'right_device_driver.py'}:RightDeviceDriver"

#: A driver whose device is modelled by somebody else; and one that asks edu for more than it has.
_OTHERS = """
from right_device_driver import RightDeviceDriver
from right_edu_driver import COMMAND, COUNT, RightEduDriver

class Bare(RightDeviceDriver):
    device = None

class Greedy(RightEduDriver):
    def work(self):
        self.pci_io.mem_write(COUNT, 8, 8192)
        self.pci_io.mem_write(COMMAND, 8, 1)
        for _ in range(1000):
            self.pci_io.mem_read(COMMAND, 8)
            self.boot_services.stall(1000)
"""


@pytest.fixture
def others(tmp_path: Path) -> Path:
    """Return a file with these drivers, beside those that they are made from."""
    for name in ("right_device_driver.py", "right_edu_driver.py"):
        (tmp_path / name).write_text((EXAMPLES / name).read_text(encoding="utf-8"), encoding="utf-8")
    file = tmp_path / "others.py"
    file.write_text(_OTHERS, encoding="utf-8")
    return file


def test_a_target_on_qemu_says_so() -> None:
    """Machines without VT-d only; QEMU's version and the device stand in the report, and no hash of a trace."""
    target = PythonTarget(EDU, device="qemu:edu")
    try:
        assert target.kinds == KINDS
        assert Capability.DEVICE_DRIVER in target.capabilities
        tools = dict(target.identity.tools)
        assert tools["device"] == "qemu:edu"
        assert tools["qemu"][0].isdigit()
        assert not target.identity.repeats
        machine = target.open(MachineKind.SEV, 0)
        assert machine.own_device.start() is EfiStatus.SUCCESS
        assert machine.own_device.work() is EfiStatus.SUCCESS
        states = [entry.running for entry in machine.trace.of(DeviceState) if entry.device == "device:own"]
        assert states == [True]
        assert {entry.write for entry in machine.trace.of(Dma)} == {True, False}
        assert machine.own_device.stop() is EfiStatus.SUCCESS
        machine.close()
    finally:
        target.close()


def test_a_device_that_gives_up_is_its_drivers_failure(others: Path) -> None:
    """QEMU ends when edu is asked for more than its buffer holds; the driver is named, and what edu said."""
    target = PythonTarget(f"{others}:Greedy", device="qemu:edu")
    try:
        machine = target.open(MachineKind.NONE, 0)
        assert machine.own_device.start() is EfiStatus.SUCCESS
        with pytest.raises(ForeignFailure, match="QEMU gives up: EDU: DMA range") as caught:
            machine.own_device.work()
        assert caught.value.culprit == "driver:Greedy"
        machine.close()
    finally:
        target.close()


def test_a_device_that_another_class_models(others: Path) -> None:
    """`--device FILE.py:CLASS` takes the place of what the driver's class names."""
    with pytest.raises(UsageError, match="class of its device's model"):
        PythonTarget(f"{others}:Bare")
    target = PythonTarget(f"{others}:Bare", device=f"{EXAMPLES / 'right_device_driver.py'}:ChecksumEngine")
    try:
        smoke(target)
        assert target.identity.repeats
        assert target.kinds == frozenset(MachineKind)
    finally:
        target.close()


@pytest.mark.parametrize(
    ("target", "device", "message"),
    [
        (EDU, "qemu:nothing", "there is no device 'qemu:nothing'"),
        (EDU, "qemu:nvme", "no Python driver can be judged on the device qemu:nvme"),
        (EDU, "nowhere.py:Engine", "there is no file nowhere.py"),
        (EDU, "nonsense", "expected FILE.py:CLASS or MODULE:CLASS, not 'nonsense'"),
        (ENGINE, f"{EXAMPLES / 'right_edu_driver.py'}:RightEduDriver", "has no method reset"),
        (f"{EXAMPLES / 'right_block_driver.py'}:RightBlockDriver", "qemu:edu", "a driver of kind 'block'"),
        (f"{EXAMPLES / 'right_os_loader.py'}:RightOsLoader", "qemu:edu", "of role 'os-loader'"),
        ("reference", "qemu:edu", "expected a driver of kind 'device' with --device, not 'reference'"),
        ("faulty:idle", "qemu:edu", "expected a driver of kind 'device' with --device"),
    ],
)
def test_what_does_not_fit_is_refused(target: str, device: str, message: str) -> None:
    """Before anything is judged."""
    with pytest.raises(UsageError) as caught:
        resolve(target, Choices(device)).close()
    assert message in str(caught.value)


def test_without_qemu_a_named_device_is_wrong_use(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 2, and the package to install."""
    monkeypatch.setenv("PATH", "/nonexistent")
    done = CliRunner().invoke(main, ["run", "--target", EDU, "--device", "qemu:edu"])
    assert done.exit_code == 2
    assert "there is no qemu-system-x86_64" in done.output
    assert "apt-get install qemu-system-x86" in done.output


def test_devices_are_listed() -> None:
    """Each with its options."""
    done = CliRunner().invoke(main, ["list", "devices"])
    assert done.exit_code == 0
    assert "qemu:nvme" in done.output
    assert "dma_mask" in done.output


def _family(pid: int) -> set[int]:
    """Return all processes that descend from a process."""
    found: set[int] = set()
    with suppress(OSError):
        found = {int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()}
    return found.union(*(_family(child) for child in found))


def _is_qemu(pid: int) -> bool:
    with suppress(OSError):
        return PROGRAM.encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False


def _lives(pid: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] != "Z"
    return False


def test_a_run_that_is_killed_leaves_no_qemu(tmp_path: Path) -> None:
    """Whatever moment of a row it was: suite, forker, worker and QEMU go, and no file stays."""
    draw = random.Random(14)  # noqa: S311 -- moments, not secrets
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    met = 0
    for _ in range(max(KILLS // 3, 1)):
        command = [sys.executable, "-m", "sevconf", "run", "--target", EDU, "--device", "qemu:edu"]
        victim = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while not any(_is_qemu(pid) for pid in _family(victim.pid)):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        time.sleep(draw.uniform(0, 0.5))
        family = _family(victim.pid)
        met += any(_is_qemu(pid) for pid in family)
        victim.kill()
        victim.wait()
        deadline = time.monotonic() + 20
        while any(_lives(pid) for pid in family):
            assert time.monotonic() < deadline, "something outlives the run"
            time.sleep(0.02)
        assert not list(tmp_path.iterdir())
    assert met, "no kill met a QEMU"
