"""Guests on real firmware: restored, independent, bounded, and never left behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sevconf.contract import EventSpec
from sevconf.errors import ForeignFailure, LostContact, Unsupported
from sevconf.subjects.firmware.guest import sweep
from sevconf.subjects.firmware.target import FirmwareMachine, FirmwareTarget
from sevconf.vocabulary import EVT_SIGNAL_EXIT_BOOT_SERVICES, EfiStatus, MachineKind, Revision, Tpl

ROOT = Path(__file__).parents[3]


def opened(target: FirmwareTarget) -> FirmwareMachine:
    """Return a fresh machine."""
    return target.open(MachineKind.NONE, 0)


def gone(pid: int) -> bool:
    """Wait until a process is gone, or a zombie of somebody else's."""
    for _ in range(100):
        try:
            state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False


def test_machines_share_nothing(u_boot: FirmwareTarget) -> None:
    """What one machine allocates, and that it ends boot services, another one does not see."""
    maps = []
    for _ in range(2):
        machine = opened(u_boot)
        maps.append(machine.core.memory_map()[1])
        machine.core.allocate_pages(100)
        assert machine.core.memory_map()[1] != maps[-1]
        assert machine.core.exit_boot_services(machine.core.memory_map()[1].map_key) is EfiStatus.SUCCESS
        machine.close()
    assert maps[0] == maps[1]


def test_an_exit_handler_runs_on_real_firmware(u_boot: FirmwareTarget) -> None:
    """The trace shows it, and boot services are gone afterwards."""
    machine = opened(u_boot)
    machine.core.create_event(EventSpec("handler", EVT_SIGNAL_EXIT_BOOT_SERVICES, Tpl.CALLBACK))
    assert machine.core.exit_boot_services(machine.core.memory_map()[1].map_key) is EfiStatus.SUCCESS
    assert [entry.event for entry in machine.trace.handlers()] == ["handler"]
    with pytest.raises(Unsupported):
        machine.core.stall(1)
    machine.close()


def test_what_it_states_of_itself(u_boot: FirmwareTarget) -> None:
    """Revision, image and QEMU."""
    assert u_boot.revision is Revision.UEFI_2_10
    assert len(u_boot.identity.sha256) == 64
    assert u_boot.identity.tools[0][0] == "qemu"
    machine = opened(u_boot)
    with pytest.raises(Unsupported):
        _ = machine.driver
    machine.close()


def test_a_core_that_does_not_come_back_has_failed(u_boot: FirmwareTarget, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wait that nothing ends is ended by the deadline, and the next machine works."""
    monkeypatch.setenv("SEVCONF_WALL_LIMIT", "1")
    machine = opened(u_boot)
    machine.core.create_event(EventSpec("never", 0x100, Tpl.CALLBACK))
    with pytest.raises(ForeignFailure, match="does not come back within 1 s"):
        machine.core.wait_for_event("never")
    machine.close()
    monkeypatch.delenv("SEVCONF_WALL_LIMIT")
    machine = opened(u_boot)
    assert machine.core.stall(1) is EfiStatus.SUCCESS
    machine.close()


def test_a_reset_is_seen_before_the_deadline(u_boot: FirmwareTarget) -> None:
    """A machine that resets is stopped, and asked."""
    machine = opened(u_boot)
    machine._guest._qemu.ask("system_reset")
    with pytest.raises(ForeignFailure, match="resets or crashes"):
        machine.core.stall(1)
    machine.close()


def test_a_dead_qemu_is_our_fault(u_boot: FirmwareTarget) -> None:
    """Contact that is lost without the core's doing is no failure of the core."""
    machine = opened(u_boot)
    os.kill(machine._guest._qemu.pid, signal.SIGKILL)
    with pytest.raises(LostContact):
        machine.core.stall(1)
    machine.close()


_PROGRAM = """
import sys, time
from sevconf.subjects.firmware.target import FirmwareTarget
from sevconf.vocabulary import MachineKind
target = FirmwareTarget("u-boot")
machine = target.open(MachineKind.NONE, 0)
print(target.stable._place, machine._guest._qemu.pid, *target.stable.processes, flush=True)
time.sleep(60)
"""


def test_no_process_outlives_a_suite_that_is_killed(u_boot: FirmwareTarget) -> None:
    """The kernel takes every QEMU with whoever started it, and the next run its files."""
    with subprocess.Popen([sys.executable, "-c", _PROGRAM], cwd=ROOT, stdout=subprocess.PIPE, text=True) as suite:
        assert suite.stdout is not None
        place, *words = suite.stdout.readline().split()
        pids = [int(word) for word in words]
        assert len(pids) == 2
        suite.kill()
    assert all(gone(pid) for pid in pids)
    assert Path(place).exists()
    sweep()
    assert not Path(place).exists()


def test_nothing_is_left_on_disk(u_boot: FirmwareTarget) -> None:
    """A target that is closed removes its files, and ends its processes."""
    target = FirmwareTarget("u-boot")
    opened(target).close()
    place, pids = target.stable._place, target.stable.processes
    target.close()
    assert not place.exists()
    assert all(gone(pid) for pid in pids)
