"""What monitors share: the exit window, surroundings, owners of devices, and mappings that live and end."""

import pytest

from sevconf.monitors.observed import Observer, call_path, driver_of, exit_window, in_window, inside_unmap
from sevconf.trace import CBitChanged, Phase
from sevconf.vocabulary import CBit, Gpa, Gva
from tests.monitors.story import DISK, DRIVER, IOMMU, Story


def test_without_an_accepted_key_there_is_no_window() -> None:
    """A refused call opens nothing."""
    story = Story()
    story.phase(Phase.CALLED)
    story.phase(Phase.KEY_REFUSED)
    assert exit_window(story.trace) is None
    assert list(in_window(story.trace)) == []


def test_the_window_is_from_the_key_to_the_last_handler() -> None:
    """The window holds what lies between the accepted key and the end of the handlers, without both."""
    story = Story()
    story.dma()
    with story.exit() as opened:
        inside = story.dma()
    story.dma()
    window = exit_window(story.trace)
    assert window is not None
    assert (window.opened, window.closed) == (opened, inside + 1)
    assert [entry.step for entry in in_window(story.trace)] == [inside]


def test_a_trace_that_ends_in_the_window_is_all_window() -> None:
    """If the trace breaks off the window reaches behind its last step."""
    story = Story()
    story.phase(Phase.KEY_ACCEPTED)
    last = story.dma()
    window = exit_window(story.trace)
    assert window is not None
    assert window.closed == last + 1
    assert [entry.step for entry in in_window(story.trace)] == [last]


def test_a_call_path_ends_at_the_notification() -> None:
    """The calls around an entry come outermost first, up to the innermost notification function."""
    story = Story()
    with story.service("Outer", "core"), story.handler() as began, story.service("A", "x"), story.service("B", "y"):
        dma = story.dma()
    calls, handler = call_path(story.trace, story.trace.at(dma))
    assert [call.service for call in calls] == ["A", "B"]
    assert handler is story.trace.at(began)
    with story.service("A", "x"):
        dma = story.dma()
    calls, handler = call_path(story.trace, story.trace.at(dma))
    assert ([call.service for call in calls], handler) == (["A"], None)


def test_other_surroundings_are_no_calls() -> None:
    """Whatever else an entry happened inside of is passed over."""
    story = Story()
    with story.service("A", "x"):
        around = story.dma()
        with story.inside(around):
            dma = story.dma()
    calls, handler = call_path(story.trace, story.trace.at(dma))
    assert ([call.service for call in calls], handler) == (["A"], None)


def test_an_unmap_is_known_by_what_is_around() -> None:
    """What happens in PciIo.Unmap is inside it, at any depth; a teardown is not."""
    story = Story()
    story.map()
    with story.service("PciIo.Unmap", "pci"), story.service("IoMmu.Unmap", IOMMU):
        inside = story.close(0x1000)
    with story.handler("teardown", IOMMU):
        outside = story.tear_down()
    assert inside_unmap(story.trace, story.trace.at(inside))
    assert not inside_unmap(story.trace, story.trace.at(outside))


def test_a_device_belongs_to_whoever_came_first() -> None:
    """The first that touched a device's registers, or mapped for it, drives it; without one it is the scenario's."""
    story = Story()
    assert driver_of(story.trace, DISK) == "scenario"
    story.map()
    with story.acting("driver:late"):
        story.drive()
        story.drive("device:nic")
    assert driver_of(story.trace, DISK) == DRIVER
    assert driver_of(story.trace, "device:nic") == "driver:late"


def _observed(story: Story) -> Observer:
    observer = Observer()
    for entry in story.trace:
        observer.see(entry)
    return observer


def test_an_observer_follows_mappings_and_devices() -> None:
    """Mappings live from Map to their end, devices run from start to halt."""
    story = Story()
    made = story.map()
    started = story.run()
    observer = _observed(story)
    assert {name: mapping.step for name, mapping in observer.live.items()} == {"M1": made}
    assert observer.running == {DISK: started}
    assert [mapping.step for mapping in observer.common_buffers()] == [made]
    story.unmap()
    story.halt()
    assert (_observed(story).live, _observed(story).running) == ({}, {})


def test_what_ends_is_told_once() -> None:
    """The end of a mapping that is not live ends nothing, and a halt of what doesn't run halts nothing."""
    story = Story()
    story.map()
    story.tear_down()
    observer = _observed(story)
    assert observer.see(story.trace.at(story.tear_down())) == ()
    assert observer.see(story.trace.at(story.halt())) == ()


@pytest.mark.parametrize(
    ("by", "cbit", "start", "ends"),
    [
        (IOMMU, CBit.SET, 0x8000, True),
        (IOMMU, CBit.SET, 0x7000, False),
        (IOMMU, CBit.SET, 0x9000, False),
        (IOMMU, CBit.SET, 0x1000, False),
        (IOMMU, CBit.CLEAR, 0x8000, False),
        (DRIVER, CBit.SET, 0x8000, False),
    ],
)
def test_closed_pages_end_what_the_device_reached(by: str, cbit: CBit, start: int, ends: bool) -> None:
    """Only an IOMMU driver that sets the C-bit on pages of a DeviceAddress ends its mapping."""
    story = Story()
    story.map(device=0x8000)
    observer = _observed(story)
    entry = story.record(CBitChanged, by=by, gva=Gva(start), gpa=Gpa(start), pages=1, cbit=cbit)
    assert [mapping.mapping for mapping in observer.see(entry)] == ["M1"] * ends


@pytest.mark.parametrize(
    ("address", "length", "reached"),
    [(0x8000, 0x1000, True), (0x8FFF, 1, True), (0x8FFF, 2, False), (0x7FFF, 1, False), (0x1000, 1, False)],
)
def test_a_mapping_reaches_what_it_holds_whole(address: int, length: int, reached: bool) -> None:
    """An access is reached by mappings of its own device that hold all of it."""
    story = Story()
    story.map(device=0x8000)
    observer = _observed(story)
    assert [m.mapping for m in observer.reaching(DISK, address, length)] == ["M1"] * reached
    assert observer.reaching("device:nic", address, length) == ()
