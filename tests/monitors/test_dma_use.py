"""A device's DMA against its mappings, on traces made by hand."""

import pytest

from sevconf.monitors.dma_use import AgainstDirection, OutsideMapping
from sevconf.vocabulary import DmaOperation
from tests.monitors.story import DISK, DRIVER, Story

READ, WRITE, COMMON = DmaOperation.READ, DmaOperation.WRITE, DmaOperation.COMMON_BUFFER


def _story(operation: DmaOperation = COMMON, **ends: int) -> Story:
    """Begin with a live mapping of the disk's: HostAddress 0x1000, DeviceAddress 0x8000, 0x1000 bytes."""
    story = Story()
    story.drive()
    story.map(operation=operation, **{"device": 0x8000, **ends})  # type: ignore[arg-type]
    return story


@pytest.mark.parametrize(("address", "length"), [(0x8000, 0x1000), (0x8000, 1), (0x8FFF, 1)])
def test_dma_inside_a_live_mapping(address: int, length: int) -> None:
    """Any access that one live mapping holds is right."""
    story = _story()
    story.dma(address, length)
    story.dma(address, length, write=True)
    assert story.found(OutsideMapping()) == story.found(AgainstDirection()) == []


@pytest.mark.parametrize(
    ("address", "length", "why"),
    [
        (0x8FFF, 2, "the address belongs to M1 (its own"),
        (0x7FFF, 2, "no mapping ever had that address"),
        (0x9000, 1, "no mapping ever had that address"),
        (0x1000, 16, "the address is the HostAddress of M1"),
    ],
)
def test_dma_outside_of_every_mapping(address: int, length: int, why: str) -> None:
    """An access that no live mapping of the device holds whole is charged, and the address is explained."""
    story = _story()
    dma = story.dma(address, length)
    (breach,) = story.found(OutsideMapping())
    assert (breach.culprit, breach.subject, breach.steps[-1]) == (DRIVER, DISK, dma)
    assert why in breach.observed
    assert story.found(AgainstDirection()) == []


def test_dma_into_a_mapping_that_has_ended() -> None:
    """A mapping counts until its Unmap, and no longer."""
    story = _story()
    story.unmap()
    dma = story.dma(0x8000)
    (breach,) = story.found(OutsideMapping())
    assert breach.steps == (3, dma)


def test_dma_before_its_mapping() -> None:
    """A mapping that is made later explains nothing."""
    story = Story()
    story.drive()
    dma = story.dma(0x8000)
    story.map(device=0x8000)
    (breach,) = story.found(OutsideMapping())
    assert breach.steps == (dma,)


def test_a_mapping_for_another_bus_master_is_none() -> None:
    """Each device needs mappings of its own, and is told whose it used."""
    story = _story(bus_master="device:nic")  # type: ignore[arg-type]
    story.dma(0x8000)
    (breach,) = story.found(OutsideMapping())
    assert "M1 (for device:nic, made at step 3)" in breach.observed


@pytest.mark.parametrize(("operation", "write"), [(READ, True), (WRITE, False)])
def test_dma_against_the_direction(operation: DmaOperation, write: bool) -> None:
    """A write into a Read mapping, or a read from a Write mapping, is charged; it is inside, all the same."""
    story = _story(operation)
    dma = story.dma(0x8000, write=write)
    (breach,) = story.found(AgainstDirection())
    assert (breach.culprit, breach.subject, breach.steps) == (DRIVER, DISK, (3, dma))
    assert story.found(OutsideMapping()) == []


@pytest.mark.parametrize(("operation", "write"), [(READ, False), (WRITE, True), (COMMON, True), (COMMON, False)])
def test_dma_in_the_direction(operation: DmaOperation, write: bool) -> None:
    """Each operation allows its own direction, a common buffer both."""
    story = _story(operation)
    story.dma(0x8000, write=write)
    assert story.found(AgainstDirection()) == []


def test_of_several_mappings_one_that_allows_it_suffices() -> None:
    """Where two mappings hold an access, it may go the way of either."""
    story = _story(READ)
    story.map("M2", WRITE, device=0x8000)
    story.dma(0x8000, write=True)
    assert story.found(AgainstDirection()) == []


def test_what_is_not_a_drivers_device_is_not_judged() -> None:
    """A bus master that the scenario drives, and DMA that somebody makes a device do, are nobody's breach."""
    story = Story()
    with story.acting("scenario"):
        story.map(bus_master="device:probe")
    story.dma(0x9_0000, device="device:probe")
    story.drive()
    story.dma(0x9_0000, by="scenario")
    assert story.found(OutsideMapping()) == []


def test_once_exit_handlers_run_other_rules_judge() -> None:
    """From the accepted key on a device that was not halted is another rule's business."""
    story = _story()
    with story.exit():
        story.dma(0x9_0000)
    assert story.found(OutsideMapping()) == story.found(AgainstDirection()) == []
