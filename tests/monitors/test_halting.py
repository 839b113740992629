"""Who halts when, on traces made by hand."""

import pytest

from sevconf.monitors.halting import DmaAfterExit, HaltTooLate, TeardownTooEarly, UnmapsWhileRunning
from sevconf.trace import Phase
from tests.monitors.story import DISK, DRIVER, IOMMU, Story

OTHER = "device:nic"


def _running() -> Story:
    story = Story()
    story.map()
    story.run()
    return story


# DmaAfterExit


def test_dma_behind_the_handlers_is_charged_once_a_device() -> None:
    """A device that goes on once all handlers have run is charged for its first DMA, with its start as proof."""
    story = Story()
    start = story.run()
    with story.exit():
        story.dma()
    done = story.step
    dma = story.dma()
    story.dma()
    (breach,) = story.found(DmaAfterExit())
    assert (breach.culprit, breach.subject, breach.steps) == (DRIVER, DISK, (start, done, dma))


def test_each_device_is_charged_to_its_own_driver() -> None:
    """Two devices that go on are two breaches, each of the driver that touched its registers."""
    story = _running()
    with story.acting("driver:nic"):
        story.run(OTHER)
    with story.exit():
        pass
    story.dma(device=OTHER)
    story.dma()
    assert [(b.subject, b.culprit) for b in story.found(DmaAfterExit())] == [(OTHER, "driver:nic"), (DISK, DRIVER)]


def test_a_device_whose_start_nobody_saw_is_charged_all_the_same() -> None:
    """Without a state in the trace, as on hardware, DMA alone is the proof."""
    story = Story()
    story.drive()
    with story.exit():
        pass
    dma = story.dma()
    (breach,) = story.found(DmaAfterExit())
    assert breach.steps == (dma - 1, dma - 1, dma)


@pytest.mark.parametrize("by", ["scenario", "host"])
def test_dma_that_somebody_asks_for_is_not_the_drivers(by: str) -> None:
    """What the scenario makes a device do is never charged, and nothing on a device without a driver."""
    story = _running()
    with story.exit():
        pass
    story.dma(by=by)
    story.dma(device=OTHER)
    assert story.found(DmaAfterExit()) == []


def test_no_dma_is_no_breach() -> None:
    """A device that was halted, or is idle, breaks nothing; nor does any DMA while there was no exit."""
    story = _running()
    story.dma()
    assert story.found(DmaAfterExit()) == []
    with story.exit("exit"), story.handler():
        story.dma()
        story.halt()
    assert story.found(DmaAfterExit()) == []


def test_a_device_that_the_os_starts_is_the_oss() -> None:
    """A device that was halted and is started again behind the hand-over does its DMA for the OS."""
    story = _running()
    with story.exit():
        story.halt()
    story.phase(Phase.HANDED_OFF)
    with story.acting("os"):
        story.run()
    story.dma()
    assert story.found(DmaAfterExit()) == []


# TeardownTooEarly, HaltTooLate


def test_a_teardown_before_a_handler_had_its_turn() -> None:
    """The IOMMU driver is charged if it ends a mapping while its device runs and a handler waits."""
    story = _running()
    with story.exit("iommu", "exit"):
        with story.handler("iommu", IOMMU) as began:
            down = story.tear_down()
        with story.handler("exit"):
            used = story.dma()
            story.halt()
    (breach,) = story.found(TeardownTooEarly())
    assert (breach.culprit, breach.subject) == (IOMMU, DISK)
    assert breach.steps == (2, began, used, down)
    assert "1 exit handlers had yet to run (exit)" in breach.observed
    assert story.found(HaltTooLate()) == []


def test_closing_the_pages_is_tearing_down() -> None:
    """A mapping whose pages become private is torn down, whether or not the IOMMU driver says that it ended."""
    story = _running()
    with story.exit("iommu", "exit"):
        with story.handler("iommu", IOMMU):
            down = story.close(0x1000)
            story.tear_down()
        with story.handler("exit"):
            story.halt()
    (breach,) = story.found(TeardownTooEarly())
    assert breach.steps[-1] == down


def test_an_early_teardown_is_charged_once_a_device() -> None:
    """Several mappings of one device are one breach."""
    story = _running()
    story.map("M2", host=0x5000)
    with story.exit("iommu", "exit"):
        with story.handler("iommu", IOMMU):
            story.tear_down("M2")
            story.tear_down("M1")
        with story.handler("exit"):
            story.halt()
    (breach,) = story.found(TeardownTooEarly())
    assert "M2 was torn down" in breach.observed


@pytest.mark.parametrize("early", ["close", "end"])
def test_a_teardown_behind_all_handlers_is_in_time(early: str) -> None:
    """A deferred teardown breaks nothing when the driver has halted, nor if the driver never halts."""
    story = _running()
    with story.exit("iommu", "exit"):
        with story.handler("iommu", IOMMU):
            pass
        with story.handler("exit"):
            pass
        with story.handler("late", IOMMU, group=None):
            _ = story.close(0x1000) if early == "close" else story.tear_down()
    assert story.found(TeardownTooEarly()) == []
    assert story.found(HaltTooLate()) == []


def test_a_halt_behind_the_teardown_is_too_late() -> None:
    """A driver whose handler has returned, and that halts behind the teardown, is charged with what its device did."""
    story = _running()
    with story.exit("exit"):
        with story.handler("exit"):
            pass
        with story.handler("late", IOMMU, group=None):
            down = story.tear_down()
        used = story.dma()
        with story.handler("later", DRIVER, group=None):
            halted = story.halt()
    (breach,) = story.found(HaltTooLate())
    assert (breach.culprit, breach.subject, breach.steps) == (DRIVER, DISK, (2, down, used, halted))
    assert story.found(TeardownTooEarly()) == []


def test_a_late_halt_without_dma_between_is_too_late_all_the_same() -> None:
    """The order counts, not whether the device used what was gone."""
    story = _running()
    with story.exit():
        down = story.tear_down()
        halted = story.halt()
    (breach,) = story.found(HaltTooLate())
    assert breach.steps == (2, down, halted)


def test_the_scenario_is_not_charged_for_its_own_device() -> None:
    """A device that the scenario drives may be halted when the scenario likes."""
    story = Story()
    with story.acting("scenario"):
        story.map()
        story.run()
    with story.exit():
        story.tear_down()
        with story.acting("scenario"):
            story.halt()
    assert story.found(HaltTooLate()) == []


def test_what_a_drivers_unmap_ends_is_no_teardown() -> None:
    """A mapping that ends inside PciIo.Unmap ends because its owner wants it."""
    story = _running()
    with story.exit("exit", "other"), story.handler("exit"):
        story.unmap()
    assert story.found(TeardownTooEarly()) == []


def test_a_halted_device_may_be_torn_down_at_any_time() -> None:
    """A teardown while handlers wait breaks nothing if the device doesn't run."""
    story = _running()
    with story.exit("exit", "iommu", "other"):
        with story.handler("exit"):
            story.halt()
        with story.handler("iommu", IOMMU):
            story.tear_down()
        with story.handler("other"):
            pass
    assert story.found(TeardownTooEarly()) == []


def test_outside_of_exit_there_is_no_teardown() -> None:
    """What ends before the key is accepted, or behind the handlers, is not judged by these rules."""
    story = _running()
    story.tear_down()
    assert story.found(TeardownTooEarly()) == story.found(HaltTooLate()) == []
    story.map("M2")
    with story.exit("exit"):
        pass
    story.tear_down("M2")
    story.halt()
    assert story.found(TeardownTooEarly()) == story.found(HaltTooLate()) == []


# UnmapsWhileRunning


def test_stop_that_unmaps_before_it_halts() -> None:
    """In Stop the halt comes before the Unmap; the first one on a device is charged."""
    story = _running()
    started = story.step
    story.map("M2", host=0x5000)
    with story.service("DriverBinding.Stop", DRIVER):
        unmap = story.unmap()
        story.unmap("M2")
        story.halt()
    (breach,) = story.found(UnmapsWhileRunning())
    assert (breach.culprit, breach.subject, breach.steps) == (DRIVER, DISK, (started, 2, unmap))
    assert "in Stop" in breach.observed


def test_a_handler_that_unmaps_before_it_halts() -> None:
    """In an exit handler the halt comes before the Unmap too."""
    story = _running()
    with story.exit("exit"), story.handler("exit"):
        story.unmap()
        story.halt()
    (breach,) = story.found(UnmapsWhileRunning())
    assert "in its exit handler" in breach.observed


def test_unmap_in_the_right_order_or_at_work() -> None:
    """Unmap behind the halt is right, and so is Unmap of a finished command while the device runs on."""
    story = _running()
    story.map("M2", host=0x5000)
    story.unmap("M2")
    with story.handler("timer", group=None):
        story.map("M3", host=0x5000)
        story.unmap("M3")
    with story.service("DriverBinding.Stop", DRIVER):
        story.unmap("M9", ends=False)
        story.halt()
        story.unmap()
    assert story.found(UnmapsWhileRunning()) == []
