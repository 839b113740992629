"""What a driver owes its mappings, on traces made by hand."""

import pytest

from sevconf.monitors.mapping_duty import ForeignCommonBuffer, FreedWhileMapped, MappedAfterStop, UnmappedTwice
from sevconf.vocabulary import DmaOperation, EfiStatus
from tests.monitors.story import DISK, DRIVER, IOMMU, Story

PAGE = 0x1000


# ForeignCommonBuffer


@pytest.mark.parametrize(("host", "length"), [(PAGE, 2 * PAGE), (PAGE + 8, 8), (3 * PAGE - 1, 1)])
def test_what_allocate_buffer_gave_can_be_mapped(host: int, length: int) -> None:
    """A common buffer, or any part of it, may be mapped as one."""
    story = Story()
    story.allocate_buffer(PAGE, 2)
    story.map(host=host, length=length)
    assert story.found(ForeignCommonBuffer()) == []


@pytest.mark.parametrize(("host", "length"), [(0, PAGE), (PAGE - 1, 2), (3 * PAGE - 1, 2), (5 * PAGE, 1)])
def test_other_memory_is_foreign(host: int, length: int) -> None:
    """Memory that no AllocateBuffer gave, in whole or in part, is charged at the call of Map."""
    story = Story()
    story.allocate_buffer(PAGE, 2)
    story.map(host=host, length=length)
    (breach,) = story.found(ForeignCommonBuffer())
    assert (breach.culprit, breach.steps) == (DRIVER, (3,))


def test_a_freed_buffer_is_foreign_again() -> None:
    """What FreeBuffer took back is no common buffer any more; a refused FreeBuffer takes nothing."""
    story = Story()
    story.allocate_buffer(PAGE)
    story.serve("PciIo.FreeBuffer", EfiStatus.INVALID_PARAMETER, host=PAGE, pages=1)
    story.map()
    assert story.found(ForeignCommonBuffer()) == []
    story.serve("PciIo.FreeBuffer", host=PAGE, pages=1)
    story.map("M2")
    (breach,) = story.found(ForeignCommonBuffer())
    assert breach.steps[-1] > story.trace.calls("PciIo.FreeBuffer")[-1].step


def test_a_refused_allocation_gives_nothing() -> None:
    """An AllocateBuffer that failed gave no buffer."""
    story = Story()
    with story.service("PciIo.AllocateBuffer", "pci", pages=1) as call:
        call.returns(EfiStatus.OUT_OF_RESOURCES, host=PAGE)
    story.map()
    assert len(story.found(ForeignCommonBuffer())) == 1


def test_other_operations_and_other_callers_map_what_they_like() -> None:
    """Read and Write take any memory, and the scenario's own calls are not judged."""
    story = Story()
    story.map("M1", DmaOperation.READ)
    story.map("M2", DmaOperation.WRITE)
    with story.acting("scenario"):
        story.map("M3")
    assert story.found(ForeignCommonBuffer()) == []


# FreedWhileMapped


@pytest.mark.parametrize(
    ("service", "arguments"),
    [
        ("PciIo.FreeBuffer", {"host": PAGE, "pages": 1}),
        ("FreePages", {"memory": PAGE, "pages": 1}),
        ("FreePages", {"memory": 0, "pages": 2}),
    ],
)
@pytest.mark.parametrize("status", [EfiStatus.SUCCESS, EfiStatus.INVALID_PARAMETER], ids=str)
def test_freeing_what_is_mapped(service: str, arguments: dict[str, int], status: EfiStatus) -> None:
    """A driver that frees a mapped common buffer is charged, by whichever service, refused or not."""
    story = Story()
    made = story.map()
    freed = story.serve(service, status, **arguments)
    (breach,) = story.found(FreedWhileMapped())
    assert (breach.culprit, breach.subject, breach.steps) == (DRIVER, DISK, (made, freed))


@pytest.mark.parametrize(("memory", "pages"), [(2 * PAGE, 1), (0, 1)])
def test_freeing_something_else(memory: int, pages: int) -> None:
    """Memory beside a mapped buffer may be freed."""
    story = Story()
    story.map()
    story.serve("FreePages", memory=memory, pages=pages)
    assert story.found(FreedWhileMapped()) == []


def test_freeing_in_the_right_order_or_by_somebody_else() -> None:
    """Unmap first, then free, is right; bounced data may be freed; and others than drivers are not judged."""
    story = Story()
    story.map()
    with story.acting(IOMMU):
        story.serve("FreePages", memory=PAGE, pages=1)
    story.unmap()
    story.serve("PciIo.FreeBuffer", host=PAGE, pages=1)
    story.map("M2", DmaOperation.READ)
    story.serve("FreePages", memory=PAGE, pages=1)
    assert story.found(FreedWhileMapped()) == []


# MappedAfterStop


def _stop(story: Story, status: EfiStatus = EfiStatus.SUCCESS, driver: str = DRIVER) -> int:
    with story.acting("scenario"), story.service("DriverBinding.Stop", driver) as call:
        step = story.step
        call.returns(status)
    return step


def test_what_is_live_when_stop_returns() -> None:
    """Each mapping of the driver's that is live when its Stop returns success is a breach."""
    story = Story()
    made = [story.map("M1"), story.map("M2", DmaOperation.READ)]
    call = _stop(story)
    assert [(b.culprit, b.subject, b.steps) for b in story.found(MappedAfterStop())] == [
        (DRIVER, DISK, (step, call, call + 1)) for step in made
    ]


def test_stop_that_unmapped_all_or_failed() -> None:
    """A Stop that failed has not stopped, and one that unmapped everything broke nothing."""
    story = Story()
    story.map()
    _stop(story, EfiStatus.UNSUPPORTED)
    story.unmap()
    _stop(story)
    story.map("M2")
    assert story.found(MappedAfterStop()) == []


def test_what_others_mapped_is_not_the_drivers() -> None:
    """Mappings of the scenario, and of another driver that goes on, are nothing to a driver that stops."""
    story = Story()
    for actor in ("scenario", "driver:nic"):
        with story.acting(actor):
            story.map(f"M of {actor}", bus_master="device:other")
    _stop(story)
    assert story.found(MappedAfterStop()) == []
    _stop(story, driver="driver:nic")
    assert [breach.culprit for breach in story.found(MappedAfterStop())] == ["driver:nic"]


# UnmappedTwice


@pytest.mark.parametrize("ends", [True, False])
def test_a_second_unmap(ends: bool) -> None:
    """The second Unmap of a mapping is charged with the end of the first as proof, whatever it returned."""
    story = Story()
    story.map()
    ended = story.unmap() + 1
    again = story.unmap(ends=ends)
    (breach,) = story.found(UnmappedTwice())
    assert (breach.culprit, breach.subject, breach.steps) == (DRIVER, DISK, (ended, again))


def test_an_unmap_of_what_never_was_a_mapping() -> None:
    """A token that Map never returned is charged by the call alone."""
    story = Story()
    call = story.unmap("0x1234", ends=False)
    (breach,) = story.found(UnmappedTwice())
    assert (breach.subject, breach.steps) == ("", (call,))


def test_one_unmap_each_is_right() -> None:
    """Mappings that are unmapped once are fine, and what the scenario doubles is not a driver's."""
    story = Story()
    for name in ("M1", "M2"):
        story.map(name)
        story.unmap(name)
    with story.acting("scenario"):
        story.unmap("M1", ends=False)
    assert story.found(UnmappedTwice()) == []


@pytest.mark.parametrize("how", ["ended", "closed"])
def test_an_unmap_behind_the_teardown_is_the_first_one(how: str) -> None:
    """A driver that unmaps what the IOMMU driver has torn down meanwhile has unmapped it once."""
    story = Story()
    story.map()
    if how == "closed":
        story.close(PAGE)
    story.tear_down()
    story.unmap(ends=False)
    assert story.found(UnmappedTwice()) == []
