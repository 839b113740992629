"""Levels at the hand-over, on traces made by hand."""

import pytest

from sevconf.monitors.levels import ExitAboveApplication, LevelLeftRaised
from sevconf.vocabulary import EventGroup, Tpl
from tests.monitors.story import DRIVER, IOMMU, LOADER, Story


@pytest.mark.parametrize("tpl", [Tpl.CALLBACK, Tpl.NOTIFY, Tpl.HIGH_LEVEL], ids=str)
def test_exit_above_application(tpl: Tpl) -> None:
    """A loader that calls ExitBootServices above TPL_APPLICATION is charged at the call."""
    story = Story()
    story.tpl = tpl
    with story.acting(LOADER):
        call = story.serve("ExitBootServices", map_key=1)
    (breach,) = story.found(ExitAboveApplication())
    assert (breach.culprit, breach.steps) == (LOADER, (call,))
    assert str(tpl) in breach.observed


def test_exit_at_application() -> None:
    """At TPL_APPLICATION the call is right; what others call, and other services, are not judged."""
    story = Story()
    with story.acting(LOADER):
        story.serve("ExitBootServices", map_key=1)
        story.tpl = Tpl.CALLBACK
        story.serve("GetMemoryMap")
    with story.acting("scenario"):
        story.serve("ExitBootServices", map_key=1)
    assert story.found(ExitAboveApplication()) == []


@pytest.mark.parametrize("leaves", [Tpl.APPLICATION, Tpl.NOTIFY, Tpl.HIGH_LEVEL], ids=str)
def test_a_handler_that_returns_at_another_level(leaves: Tpl) -> None:
    """A driver's exit handler is charged if it ends at another level than it began at."""
    story = Story()
    with story.handler(leaves=leaves) as began:
        pass
    (breach,) = story.found(LevelLeftRaised())
    assert (breach.culprit, breach.steps) == (DRIVER, (began, began + 1))


def test_a_handler_that_returns_at_its_own_level() -> None:
    """A handler that restores what it raised is right; other groups and other parties are not judged here."""
    story = Story()
    with story.handler():
        story.serve("RaiseTPL", new_tpl=16)
    with story.handler(leaves=Tpl.NOTIFY, group=EventGroup.READY_TO_BOOT.value):
        pass
    with story.handler(leaves=Tpl.NOTIFY, by=IOMMU):
        pass
    with story.handler(leaves=Tpl.NOTIFY, by="scenario"):
        pass
    assert story.found(LevelLeftRaised()) == []
