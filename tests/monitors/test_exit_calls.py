"""What OS loaders do between their calls of ExitBootServices, and IOMMU drivers before the exit group."""

import pytest

from sevconf.model.recorder import Recorder
from sevconf.monitors.exit_calls import OtherServiceAfterFirstCall, TeardownInBeforeGroup
from sevconf.trace import DeviceState, MappingEnded, MappingMade, NotificationBegan, Trace
from sevconf.vocabulary import DmaOperation, EventGroup, Gpa

LOADER = "os-loader:own"


def _loader(*services: str, actor: str = LOADER) -> Trace:
    recorder = Recorder(Trace())
    with recorder.acting(actor):
        for service in services:
            with recorder.service(service, "core"):
                pass
    return recorder.trace


@pytest.mark.parametrize(
    ("services", "steps"),
    [
        (("LocateProtocol", "GetMemoryMap", "ExitBootServices"), []),
        (("ExitBootServices", "GetMemoryMap", "AllocatePool", "FreePool", "ExitBootServices"), []),
        (("Stall", "ExitBootServices", "Stall", "GetMemoryMap", "LocateProtocol"), [(2, 3), (2, 5)]),
        (("Stall",), []),
    ],
)
def test_services_after_the_first_call(services: tuple[str, ...], steps: list[tuple[int, int]]) -> None:
    """Only memory allocation services may follow the first call, and before it anything."""
    found = OtherServiceAfterFirstCall().breaches(_loader(*services))
    assert [breach.steps for breach in found] == steps
    assert OtherServiceAfterFirstCall().breaches(_loader(*services, actor="scenario")) == ()


def _teardown(
    group: EventGroup | None, actor: str = "iommu-driver:sev", inside: str = "", *, runs: bool = True
) -> Trace:
    recorder = Recorder(Trace())
    for name in ("M1", "M2"):
        recorder.record(
            MappingMade,
            mapping=name,
            owner="driver:disk",
            bus_master="device:disk",
            operation=DmaOperation.READ,
            host=Gpa(0),
            device=0,
            length=1,
        )
    recorder.record(DeviceState, device="device:disk", running=runs)
    step = None
    if group is not None:
        step = recorder.record(NotificationBegan, by=actor, event="E1", group=group.value).step
    with recorder.acting(actor), recorder.inside(step or 3):
        for name in ("M1", "M2"):
            if inside:
                with recorder.service(inside, actor):
                    recorder.record(MappingEnded, mapping=name)
            else:
                recorder.record(MappingEnded, mapping=name)
    return recorder.trace


@pytest.mark.parametrize(("runs", "words"), [(True, "device:disk runs"), (False, "was not told to halt")])
def test_teardown_in_the_before_group(words: str, *, runs: bool) -> None:
    """It is charged once for a device, whether that runs or only might."""
    (breach,) = TeardownInBeforeGroup().breaches(_teardown(EventGroup.BEFORE_EXIT_BOOT_SERVICES, runs=runs))
    assert (breach.culprit, breach.steps, breach.subject) == ("iommu-driver:sev", (1, 5), "device:disk")
    assert words in breach.observed


def test_where_a_teardown_is_right() -> None:
    """A teardown in the exit group, of no group, of another party or for a driver's Unmap is not charged."""
    before = EventGroup.BEFORE_EXIT_BOOT_SERVICES
    for trace in (
        _teardown(EventGroup.EXIT_BOOT_SERVICES),
        _teardown(None),
        _teardown(before, actor="scenario"),
        _teardown(before, inside="PciIo.Unmap"),
    ):
        assert TeardownInBeforeGroup().breaches(trace) == ()
