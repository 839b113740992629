"""What foreign code does wrong comes back as the right exception, in the right words."""

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from sevconf.errors import BrokenContract, ForeignFailure
from sevconf.subjects.python.limits import Limits
from sevconf.subjects.python.nursery import Nursery
from sevconf.subjects.python.remote import RemoteMachine
from sevconf.subjects.python.target import PythonTarget
from sevconf.trace import NotificationBegan, ServiceCall
from sevconf.vocabulary import EfiStatus, MachineKind

DRIVERS = Path(__file__).parent / "drivers" / "misbehaving.py"
Make = Callable[..., PythonTarget]
BLOCKS = bytes(1024)


def start_and_write(machine: RemoteMachine) -> EfiStatus:
    """Start the driver, and let it write blocks 3 and 4."""
    machine.driver.start()
    return machine.driver.write(3, BLOCKS)


def failure(target: PythonTarget, story: Callable[[RemoteMachine], object]) -> ForeignFailure:
    """Play a story that must fail by foreign code."""
    machine = target.open(MachineKind.SEV, 1)
    try:
        with pytest.raises(ForeignFailure) as caught:
            story(machine)
    finally:
        machine.close()
    return caught.value


def at(text: str) -> str:
    """Return where that text stands first in `misbehaving.py`, as failures tell it."""
    lines = DRIVERS.read_text(encoding="utf-8").splitlines()
    return f"(misbehaving.py:{next(number for number, line in enumerate(lines, 1) if text in line)})"


WRITES = [
    ("Raises", f"raises ValueError: lost <misbehaving.Raises object> at 3 {at('lost')}"),
    ("Exits", f"raises SystemExit: 3 {at('sys.exit(3)')}"),
    ("Interrupts", f"raises KeyboardInterrupt {at('raise KeyboardInterrupt')}"),
    ("ExitsAtOnce", "killed its worker (exit code 7)"),
    ("Crashes", "killed its worker (signal SIGSEGV)"),
    ("RaisesInHelper", f"raises struct.error: unpack requires a buffer of 32 bytes {at('data[:3]')}"),
]


@pytest.mark.parametrize(("name", "how"), WRITES, ids=[name for name, _ in WRITES])
def test_failure_tells_culprit_act_and_how(target: Make, name: str, how: str) -> None:
    """An exception, an exit or a death in WriteBlocks is told with the blocks that were asked for."""
    found = failure(target(name), start_and_write)
    assert (found.culprit, found.act, found.how) == (f"driver:{name}", "write blocks 3 to 4", how)
    assert not isinstance(found, BrokenContract)


def test_hang_leaves_the_trace(target: Make) -> None:
    """A driver that loops is stopped at the limit, and what it did until then is in the trace."""
    machine = target("Hangs", wall=0.5).open(MachineKind.SEV, 1)
    began = time.monotonic()
    with pytest.raises(ForeignFailure, match=r"^driver:Hangs: hung past 0\.5 s, while it was asked to write blocks 3"):
        start_and_write(machine)
    assert time.monotonic() - began < 3
    last = machine.trace.last(ServiceCall)
    assert last is not None
    assert last.service == "BlockIo.WriteBlocks"
    machine.close()


def test_every_request_behind_a_failure_fails_alike(target: Make) -> None:
    """A machine whose worker is gone repeats why."""
    machine = target("ExitsAtOnce").open(MachineKind.NONE, 1)
    for _ in range(2):
        with pytest.raises(ForeignFailure, match="exit code 7"):
            start_and_write(machine)
    machine.close()


def test_hang_in_handler_names_the_notification(target: Make) -> None:
    """A handler that never returns is named by its event, also while it goes on filling the trace."""
    found = failure(target("HangsInHandler", wall=0.5), lambda m: (m.driver.start(), m.loader.boot()))
    assert found.act == "run its notification function for E3 of group EXIT_BOOT_SERVICES"
    assert found.how == "hung past 0.5 s"


def test_exception_in_handler_is_the_drivers(target: Make) -> None:
    """A handler that raises inside ExitBootServices is charged to the driver, not to the loader."""
    machine = target("RaisesInHandler").open(MachineKind.SEV, 1)
    machine.driver.start()
    with pytest.raises(ForeignFailure) as caught:
        machine.loader.boot()
    assert caught.value.culprit == "driver:RaisesInHandler"
    assert caught.value.act == "run its notification function for E3 of group EXIT_BOOT_SERVICES"
    assert caught.value.how == f"raises KeyError: 'no such register' {at('no such register')}"
    assert machine.trace.last(NotificationBegan) is not None
    machine.close()


def test_stopped_worker_is_a_hang(target: Make) -> None:
    """A driver that stops its process hangs, and is gone afterwards."""
    assert failure(target("Stops", wall=0.5), start_and_write).how == "hung past 0.5 s"


def test_output_is_limited(target: Make) -> None:
    """A driver that prints without end meets the limit of output."""
    found = failure(target("Chatters"), start_and_write)
    assert found.how.startswith("raises OSError: [Errno 27] File too large (misbehaving.py:")
    assert found.how.endswith("), at its limit of 1024 KiB of output")


def test_output_never_reaches_the_terminal(target: Make, capfd: pytest.CaptureFixture[str]) -> None:
    """What a driver or its child prints is kept with the machine, and standard input is empty."""
    machine = target("Prints").open(MachineKind.NONE, 1)
    machine.driver.start()
    assert machine.output.splitlines() == ["from Python", "from C", "from a child", "''"]
    machine.close()
    assert machine.output.startswith("from Python")
    assert capfd.readouterr() == ("", "")


def test_memory_is_limited(target: Make) -> None:
    """A driver that takes memory without end meets the limit."""
    found = failure(target("Hogs", memory=64 << 20), start_and_write)
    assert found.how.startswith("raises MemoryError (misbehaving.py:")
    assert found.how.endswith("), at its limit of 64 MiB of memory")


def test_processor_time_is_limited(nursery: Nursery) -> None:
    """A driver that uses processor time without end is killed by the kernel if nobody else does it."""
    target = PythonTarget(f"{DRIVERS}:Hangs", limits=Limits(cpu=1), nursery=nursery)
    found = failure(target, start_and_write)
    assert found.how == "killed its worker (signal SIGXCPU), at its limit of 1 s of processor time"


def test_recursion_is_the_drivers_wherever_it_ends(target: Make) -> None:
    """Endless recursion is charged to the driver although it may run out inside a service."""
    found = failure(target("Recurses"), start_and_write)
    assert found.how.startswith("raises RecursionError: maximum recursion depth exceeded")
    assert "(misbehaving.py:" in found.how


def test_constructor_that_raises(target: Make) -> None:
    """A class that cannot be built fails when the driver is first needed."""
    found = failure(target("RaisesInConstructor"), start_and_write)
    assert (found.act, found.how) == ("start", f"raises RuntimeError: no firmware today {at('no firmware')}")


BROKEN = [
    ("ReturnsNumber", "returns 0 from start, which must be a member of EfiStatus"),
    ("PassesTooFew", "calls boot_services.allocate_pool(memory_type: "),
    (
        "PassesName",
        "passes 'TPL_CALLBACK' to boot_services.create_event as `notify_tpl`, which must be a member of Tpl (",
    ),
    (
        "PassesFloat",
        "to boot_services.free_pages as `address`, which must be an int from 0 to 2^64-1 (Gva) (misbehaving",
    ),
    (
        "SwallowsComplaint",
        "passes -1 to pci_io.unmap as `mapping`, which must be an int from 0 to 2^64-1 (MappingToken)",
    ),
    ("Faults", "takes a page fault (misbehaving.py:"),
    ("UsesThread", "calls memory.read from a thread of its own: firmware runs on one processor (misbehaving.py:"),
]


@pytest.mark.parametrize(("name", "how"), BROKEN)
def test_broken_contract_names_service_and_argument(target: Make, name: str, how: str) -> None:
    """What the contract does not allow is told with what was expected and what was got."""
    found = failure(target(name), start_and_write)
    assert isinstance(found, BrokenContract)
    assert found.culprit == f"driver:{name}"
    assert how in found.how


PAIR = "a tuple of a member of EfiStatus and bytes"
RETURNS = [
    ("ReturnsNothing", f"returns None from read_blocks, which must be {PAIR}"),
    ("ReturnsList", f"returns (EFI_SUCCESS, a value of type list) from read_blocks, which must be {PAIR}"),
]


@pytest.mark.parametrize(("name", "how"), RETURNS)
def test_wrong_return_is_told(target: Make, name: str, how: str) -> None:
    """A wrong type or shape of what a driver returns breaks the contract."""
    found = failure(target(name), lambda m: (m.driver.start(), m.driver.read(0, 1)))
    assert isinstance(found, BrokenContract)
    assert found.how == how


@pytest.mark.parametrize(
    ("name", "place"),
    [("Scribbles", "sevconf.model.pool.Pool.free"), ("ScribblesCode", "sevconf.vocabulary.status.EfiStatus.__str__")],
)
def test_scribbling_is_found_at_the_end(target: Make, name: str, place: str) -> None:
    """A driver that changed sevconf in its worker is found when the machine is closed."""
    machine = target(name).open(MachineKind.NONE, 1)
    machine.driver.start()
    machine.driver.stop()
    with pytest.raises(ForeignFailure) as caught:
        machine.close()
    assert caught.value.how == f"changes the suite's own code in its worker: {place}"
    machine.close()


def test_failure_of_the_model_after_scribbling_is_the_drivers(target: Make) -> None:
    """A model that fails because it was changed is charged to who changed it."""
    machine = target("BreaksModel").open(MachineKind.SEV, 1)
    machine.driver.start()
    with pytest.raises(
        ForeignFailure, match=r"changes the suite's own code in its worker: sevconf\.model\.pool\.Pool\."
    ):
        machine.driver.write(3, BLOCKS)
    machine.close()


def alive(pid: int) -> bool:
    """Tell whether a process runs."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_no_process_is_left(target: Make) -> None:
    """Children of a driver die with it, also from another session."""
    machine = target("Forks").open(MachineKind.NONE, 1)
    machine.driver.start()
    children = [int(line.split()[1]) for line in machine.output.splitlines()]
    assert len(children) == 2
    assert all(map(alive, children))
    with pytest.raises(ForeignFailure, match="leaves processes behind: firmware runs on one processor"):
        machine.close()
    deadline = time.monotonic() + 5
    while any(map(alive, children)) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not any(map(alive, children))


def test_forked_driver_cannot_answer_for_its_worker(target: Make) -> None:
    """A child that goes on as the driver loses the line: there is one answer, or none, and it is told in the end."""
    machine = target("ForksAndReturns").open(MachineKind.NONE, 1)
    try:
        status = machine.driver.start()
    except ForeignFailure as failed:
        assert failed.how == "writes into the line between its worker and the suite"  # noqa: PT017 -- either may be
        machine.close()
    else:
        assert status is EfiStatus.SUCCESS
        with suppress(ForeignFailure):  # the child may have ended by then
            machine.close()
