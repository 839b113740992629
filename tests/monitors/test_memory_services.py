"""Memory services in the exit window, on traces made by hand: called, brought about, and by whom."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from sevconf.monitors import Monitor
from sevconf.monitors.memory_services import DirectUse, EventServicesAtExit, IndirectUse, TeardownUse, UnmapReleases
from sevconf.trace import MappingEnded
from sevconf.vocabulary import INDIRECT_MEMORY_SERVICES, MEMORY_SERVICES, DmaOperation
from tests.monitors.story import DRIVER, EXIT, IOMMU, Story

ALL: tuple[Monitor, ...] = (DirectUse(), IndirectUse(), EventServicesAtExit(), TeardownUse(), UnmapReleases())


def _rules(story: Story) -> list[str]:
    return [monitor.rule for monitor in ALL for _ in story.found(monitor)]


@contextmanager
def _handler(story: Story, by: str = DRIVER, group: str | None = EXIT) -> Iterator[tuple[int, int]]:
    with story.exit("exit") as opened, story.handler("exit", by, group=group) as began:
        yield opened, began


@pytest.mark.parametrize("service", sorted(MEMORY_SERVICES))
def test_a_handler_that_calls_a_memory_service(service: str) -> None:
    """Each memory allocation service that a driver's handler calls itself is charged to it."""
    story = Story()
    with _handler(story) as (opened, began):
        call = story.serve(service)
    (breach,) = story.found(DirectUse())
    assert (breach.culprit, breach.steps) == (DRIVER, (opened, began, call))
    assert _rules(story) == ["MEM-01"]


@pytest.mark.parametrize("group", [EXIT, None], ids=["handler", "private event"])
def test_any_notification_in_the_window_counts(group: str | None) -> None:
    """A private event that runs behind the handlers, before ExitBootServices is done, counts like a handler."""
    story = Story()
    with _handler(story, group=group):
        story.serve("FreePool")
    assert _rules(story) == ["MEM-01"]


def test_a_handler_that_brings_a_memory_service_about() -> None:
    """What happens inside a handler's call of something else is the handler's, with the way as proof."""
    story = Story()
    with _handler(story) as (opened, began), story.service("PciIo.FreeBuffer", "pci"):
        outer = story.step
        with story.service("IoMmu.FreeBuffer", IOMMU):
            call = story.serve("FreePages")
    (breach,) = story.found(IndirectUse())
    assert (breach.culprit, breach.steps) == (DRIVER, (opened, began, outer, outer + 1, call))
    assert "inside IoMmu.FreeBuffer inside PciIo.FreeBuffer" in breach.observed
    assert _rules(story) == ["MEM-02"]


@pytest.mark.parametrize("service", sorted(INDIRECT_MEMORY_SERVICES))
def test_a_handler_that_creates_or_closes_events(service: str) -> None:
    """Event services that may allocate or free are told as advice, if the handler calls them itself."""
    story = Story()
    with _handler(story):
        story.serve(service)
        with story.service("Other.Stop", "driver:other"):
            story.serve(service)
    assert _rules(story) == ["MEM-03"]


@pytest.mark.parametrize("inside", [False, True])
def test_the_iommu_drivers_own_notification(inside: bool) -> None:
    """The IOMMU driver's handlers use memory services neither themselves nor through their own calls."""
    story = Story()
    with _handler(story, IOMMU):
        if inside:
            with story.service("Something", "core"):
                story.serve("AllocatePool")
        else:
            story.serve("AllocatePool")
    (breach,) = story.found(TeardownUse())
    assert breach.culprit == IOMMU
    assert _rules(story) == ["MEM-04"]


def _unmap_that_frees(story: Story, name: str = "M1") -> int:
    with story.service("PciIo.Unmap", "pci", mapping=name), story.service("IoMmu.Unmap", IOMMU, mapping=name):
        call = story.serve("FreePool")
        story.record(MappingEnded, mapping=name)
    return call


def test_unmap_of_a_common_buffer_that_frees() -> None:
    """What the IOMMU driver frees inside a driver's Unmap of a common buffer is the IOMMU driver's breach."""
    story = Story()
    story.map()
    with _handler(story):
        call = _unmap_that_frees(story)
    (breach,) = story.found(UnmapReleases())
    assert (breach.culprit, breach.steps[-1]) == (IOMMU, call)
    assert _rules(story) == ["DMA-08"]


@pytest.mark.parametrize("operation", [DmaOperation.READ, DmaOperation.WRITE], ids=str)
def test_unmap_of_a_bounce_that_frees(operation: DmaOperation) -> None:
    """Unmap of Read and Write may free, so the driver that unmaps there is charged."""
    story = Story()
    story.map(operation=operation)
    with _handler(story):
        _unmap_that_frees(story)
    assert _rules(story) == ["MEM-02"]


def test_the_scenarios_own_unmap_still_shows_what_the_iommu_driver_does() -> None:
    """Whoever asks for the Unmap of a common buffer, the release inside it is the IOMMU driver's."""
    story = Story()
    with story.acting("scenario"):
        story.map()
    with _handler(story, "scenario"):
        _unmap_that_frees(story)
    assert _rules(story) == ["DMA-08"]


def test_a_call_in_anothers_notification_is_the_others() -> None:
    """A handler that signals an event is not charged for what that event's owner does in it."""
    story = Story()
    with _handler(story), story.service("SignalEvent", "core"), story.handler("nested", "driver:other", group=None):
        story.serve("AllocatePool")
    (breach,) = story.found(DirectUse())
    assert breach.culprit == "driver:other"
    assert _rules(story) == ["MEM-01"]


def test_outside_of_the_window_memory_may_be_used() -> None:
    """Neither before the key is accepted, nor without an exit, nor by the loader itself is there a breach."""
    story = Story()
    with story.handler("earlier"):
        story.serve("AllocatePool")
    assert _rules(story) == []
    with story.exit("exit"):
        with story.acting("os-loader:os"):
            story.serve("GetMemoryMap")
        with story.handler("exit", "scenario"):
            story.serve("AllocatePool")
        with story.handler("exit"):
            story.serve("SignalEvent")
    with story.handler("later"):
        story.serve("AllocatePool")
    assert _rules(story) == []
