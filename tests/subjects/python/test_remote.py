"""A machine in a worker is the same machine: same acts, same values, same trace."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sevconf.contract import EventSpec, Machine
from sevconf.errors import ForeignFailure, LostContact, Unsupported
from sevconf.model.drivers.disk import DiskDriver
from sevconf.model.parts import Parts
from sevconf.subjects.python.job import Job
from sevconf.subjects.python.line import Inbox, LineError, packed
from sevconf.subjects.python.load import origin_of
from sevconf.subjects.python.nursery import Nursery
from sevconf.subjects.python.target import PythonTarget
from sevconf.subjects.reference import ReferenceTarget
from sevconf.trace.codec import encode
from sevconf.vocabulary import (
    EVT_NOTIFY_SIGNAL,
    CBit,
    DmaOperation,
    EfiStatus,
    EventGroup,
    Gva,
    MachineKind,
    TimerDelay,
    Tpl,
)

Make = Callable[..., PythonTarget]
REFERENCE = f"{DiskDriver.__module__}:{DiskDriver.__name__}"
KINDS = [MachineKind.NONE, MachineKind.SEV]


def play(machine: Machine) -> list[object]:
    """Touch every facet of a machine, and return all that it answers."""
    heard: list[object] = []
    secret = machine.host.secret("disk", 512)
    page = machine.memory.pages(2, cbit=CBit.SET)
    heard += [machine.memory.write(page, secret.data), machine.memory.read(Gva(page + 8), 32)]
    heard += [machine.memory.cbits(page, 2), machine.memory.gpa(page), machine.memory.read(Gva(1 << 45), 1)]
    heard += [machine.host.search([secret]), machine.host.read(machine.memory.gpa(page), 16)]
    spec = EventSpec("mine", EVT_NOTIFY_SIGNAL, Tpl.CALLBACK, EventGroup.READY_TO_BOOT.value)
    heard += [machine.core.create_event(spec), machine.core.signal_event("mine"), machine.core.memory_map()]
    heard += [machine.core.set_timer("mine", TimerDelay.CANCEL, trigger_time=0), machine.core.raise_tpl(Tpl.NOTIFY)]
    machine.core.restore_tpl(Tpl.APPLICATION)
    status, buffer = machine.dma.allocate_buffer(1)
    mapped = machine.dma.map(DmaOperation.COMMON_BUFFER, buffer, 64)
    heard += [status, mapped, machine.dma.device_write(mapped.device_address, b"x"), machine.dma.unmap(mapped.mapping)]
    heard += [machine.driver.start(), machine.driver.write(3, secret.data), machine.driver.read(lba=3, count=1)]
    heard += [machine.driver.submit_write(4, secret.data), machine.driver.medium(3, 2)]
    heard.append(machine.loader.boot())
    machine.host.run_devices(20)
    heard.append(machine.host.compromise([secret]))
    return heard


def text(machine: Machine) -> str:
    """Return a machine's trace as it would lie in a file."""
    return "\n".join(encode(machine.trace))


@pytest.mark.parametrize("kind", KINDS)
def test_worker_and_suite_run_the_same_machine(target: Make, kind: MachineKind) -> None:
    """The same driver gives the same answers and the same trace, byte for byte, here and there, and every time."""
    here = ReferenceTarget("reference", replace(Parts(), driver=DiskDriver)).open(kind, 7)
    answers = play(here)
    for _ in range(2):
        there = target(REFERENCE).open(kind, 7)
        assert play(there) == answers
        there.close()
        assert text(there) == text(here)


def test_other_seed_gives_other_secrets(target: Make) -> None:
    """Randomness comes from the seed."""
    machines = [target(REFERENCE).open(MachineKind.SEV, seed) for seed in (1, 2)]
    first, second = (machine.host.secret("s", 32) for machine in machines)
    assert first != second
    for machine in machines:
        machine.close()


def test_setup_is_not_offered(target: Make) -> None:
    """A foreign driver chooses its level itself."""
    machine = target(REFERENCE).open(MachineKind.SEV, 0)
    with pytest.raises(Unsupported, match="its own choice, not TPL_NOTIFY"):
        machine.setup.driver_handler(Tpl.NOTIFY)
    with pytest.raises(Unsupported, match="stay where they are"):
        machine.setup.iommu_handler(Tpl.NOTIFY)
    with pytest.raises(Unsupported, match="is the foreign one"):
        machine.setup.deferring_driver(tpl=Tpl.NOTIFY)
    machine.close()


def test_exceptions_of_facets_pass_through(target: Make) -> None:
    """What a facet raises of the suite's families arrives as itself, anything else as an error of ours."""
    machine = target("Plain").open(MachineKind.NONE, 0)
    assert machine.driver.start() is EfiStatus.SUCCESS
    with pytest.raises(Unsupported, match="it has no submit_write"):
        machine.driver.submit_write(0, bytes(512))
    with pytest.raises(LostContact, match="no page is mapped at Gva 0x400000000000"):
        machine.memory.gpa(Gva(1 << 46))
    with pytest.raises(AttributeError, match="the contract's facet driver has no begin"):
        _ = machine.driver.begin  # type: ignore[attr-defined]
    machine.close()
    with pytest.raises(LostContact, match=r"driver\.stop of a machine that is closed"):
        machine.driver.stop()


def test_machine_of_a_kind_that_is_not_there(target: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kind that the target has not is unsupported."""
    monkeypatch.setattr(PythonTarget, "kinds", frozenset({MachineKind.NONE}))
    with pytest.raises(Unsupported, match="no machine of kind vtd-open"):
        target(REFERENCE).open(MachineKind.VTD_OPEN, 0)


class Trick:
    """Would run code in its reader."""

    def __reduce__(self) -> tuple[object, ...]:
        """Ask for it."""
        return os.getpid, ()


def test_line_carries_values_only() -> None:
    """A frame that asks its reader to run something, or that nobody sends, is refused."""
    for frame in (packed(Trick()), packed(Path()), b"\xff\xff\xff\xff", b"\0\0\0\1x"):
        inbox = Inbox()
        inbox.feed(frame)
        with pytest.raises(LineError):
            list(inbox.take())


def gone(pids: list[int]) -> bool:
    """Wait until none of these processes runs."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        if not any(Path(f"/proc/{pid}").exists() for pid in pids):
            return True
        time.sleep(0.01)
    return False


PARENT = """
import os, sys
from sevconf.subjects.python.job import Job
from sevconf.subjects.python.limits import Limits
from sevconf.subjects.python.load import origin_of
from sevconf.subjects.python.nursery import Nursery
from sevconf.subjects.python.remote import RemoteMachine
from sevconf.vocabulary import MachineKind
nursery = Nursery("tests")
machine = RemoteMachine(nursery, Job(origin_of(sys.argv[1]), MachineKind.NONE))
machine.driver.start()
forker = nursery._stop.peek()[2][1].pid
print(forker, machine._conversation._child.pid, *(line.split()[1] for line in machine.output.splitlines()), flush=True)
sys.stdin.read()
"""


def test_nothing_outlives_the_suite() -> None:
    """When the suite's process is killed, its forker, its workers and their children go with it."""
    drivers = Path(__file__).parent / "drivers" / "misbehaving.py"
    command = [sys.executable, "-c", PARENT, f"{drivers}:Forks"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as suite:
        assert suite.stdout is not None
        pids = [int(word) for word in suite.stdout.readline().split()]
        assert len(pids) == 4
        suite.send_signal(signal.SIGKILL)
    assert gone(pids)


def test_loss_of_the_forker_is_an_error_of_ours() -> None:
    """A forker that dies takes its workers along; the next order says so."""
    nursery = Nursery("tests")
    job = Job(origin_of(REFERENCE), MachineKind.NONE)
    child = nursery.fork(job)
    worker = child.pid
    assert nursery._stop is not None
    stop = nursery._stop.peek()
    assert stop is not None
    stop[2][1].kill()
    assert nursery.end(child) is None
    assert gone([worker])
    nursery.close()


def test_closing_a_target_ends_its_processes() -> None:
    """A target with a nursery of its own leaves nothing behind, also when its class is wrong."""
    made = PythonTarget(REFERENCE)
    machine = made.open(MachineKind.NONE, 0)
    pid = machine._conversation._child.pid
    made.close()
    assert gone([pid])
    with pytest.raises(ForeignFailure, match="killed its worker"):
        machine.driver.start()
    machine.close()
