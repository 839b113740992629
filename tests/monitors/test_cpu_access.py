"""What a driver's CPU code may touch while its mappings live."""

import pytest

from sevconf.monitors import outlived
from sevconf.monitors.breach import Monitor
from sevconf.monitors.cpu_access import TouchesWhatIsWritten, UsesDeviceAddress, WritesWhatIsRead
from sevconf.trace import GuestAccess, MappingEnded, MappingMade, ServiceCall, ServiceReturn, Trace
from sevconf.vocabulary import CBit, DmaOperation, EfiStatus, Gpa, Gva, Tpl

DRIVER = "driver:mine"
HOST, DEVICE, LENGTH = 0x10100, 0x50100, 0x200
WRITES, TOUCHES, POINTS = WritesWhatIsRead(), TouchesWhatIsWritten(), UsesDeviceAddress()


def mapped(operation: DmaOperation, *, device: int = DEVICE, owner: str = DRIVER) -> Trace:
    """Return a trace with one live mapping."""
    trace = Trace()
    trace.record(
        MappingMade,
        "iommu-driver:sev",
        None,
        Tpl.APPLICATION,
        mapping="M1",
        owner=owner,
        bus_master="device:nic",
        operation=operation,
        host=Gpa(HOST),
        device=device,
        length=LENGTH,
    )
    return trace


def access(trace: Trace, at: int, *, write: bool, actor: str = DRIVER) -> None:
    """Let the CPU touch eight bytes."""
    trace.record(
        GuestAccess, actor, None, Tpl.APPLICATION, gva=Gva(at), gpa=Gpa(at), length=8, write=write, cbit=CBit.SET
    )


READ, WRITE, COMMON = DmaOperation.READ, DmaOperation.WRITE, DmaOperation.COMMON_BUFFER


@pytest.mark.parametrize(
    ("operation", "write", "broken"),
    [
        (READ, True, WRITES),
        (READ, False, None),
        (WRITE, True, TOUCHES),
        (WRITE, False, TOUCHES),
        (COMMON, True, None),
        (COMMON, False, None),
    ],
)
def test_access_to_a_mapped_buffer(operation: DmaOperation, write: bool, broken: Monitor | None) -> None:
    """A Read buffer may be read, a Write buffer not be touched, a common buffer is for both."""
    trace = mapped(operation)
    access(trace, HOST + LENGTH - 1, write=write)
    found = {monitor.rule: monitor.breaches(trace) for monitor in (WRITES, TOUCHES, POINTS)}
    assert [rule for rule, breaches in found.items() if breaches] == ([] if broken is None else [broken.rule])
    for breach in found[broken.rule] if broken else ():
        assert (breach.culprit, breach.steps, breach.subject) == (DRIVER, (1, 2), "device:nic")
        assert "M1" in breach.observed


@pytest.mark.parametrize("monitor", [WRITES, TOUCHES, POINTS])
@pytest.mark.parametrize("operation", [READ, WRITE])
def test_what_is_nobodys_fault(monitor: Monitor, operation: DmaOperation) -> None:
    """Other memory, other actors, other drivers' mappings and mappings that have ended are left out."""
    for at in (HOST - 8, HOST + LENGTH):
        beside = mapped(operation)
        access(beside, at, write=True)
        assert not monitor.breaches(beside)
    for actor in ("iommu-driver:sev", "scenario", "driver:other"):
        theirs = mapped(operation)
        access(theirs, HOST, write=True, actor=actor)
        access(theirs, DEVICE, write=True, actor=actor)
        assert not monitor.breaches(theirs)
    over = mapped(operation)
    over.record(MappingEnded, "iommu-driver:sev", None, Tpl.APPLICATION, mapping="M1")
    access(over, HOST, write=True)
    access(over, DEVICE, write=True)
    assert not monitor.breaches(over)


@pytest.mark.parametrize("write", [True, False])
def test_device_address_as_a_pointer(write: bool) -> None:
    """Whatever lies on a page at the DeviceAddress is out of reach, unless the HostAddress is there too."""
    for at in (DEVICE, DEVICE // 4096 * 4096, DEVICE + 0xE00):
        trace = mapped(WRITE)
        access(trace, at, write=write)
        assert [breach.steps for breach in POINTS.breaches(trace)] == [(1, 2)]
    for operation, device, at in ((COMMON, DEVICE, DEVICE), (READ, HOST, HOST), (READ, HOST + 0x800, HOST + 0x800)):
        trace = mapped(operation, device=device)
        access(trace, at, write=write)
        assert not POINTS.breaches(trace)


@pytest.mark.parametrize(("operation", "left"), [(READ, ["M1"]), (WRITE, ["M1"]), (COMMON, [])])
def test_mapping_that_outlives_a_call(operation: DmaOperation, left: list[str]) -> None:
    """A Read or Write mapping that is live when a call of the scenario returns has outlived it."""
    trace = mapped(operation)
    for caller in ("driver:other", "scenario"):
        call = trace.record(ServiceCall, caller, None, Tpl.APPLICATION, service="SimpleNetwork.Transmit")
        trace.record(
            ServiceReturn,
            DRIVER,
            None,
            Tpl.APPLICATION,
            call=call.step,
            service=call.service,
            status=EfiStatus.SUCCESS,
        )
    assert [one.mapping.mapping for one in outlived(trace)] == left
    assert [one.call.step for one in outlived(trace)] == [5] * len(left)
