"""Who is charged: parties that are judged, for the first breach on each device, and never the scenario."""

from importlib import import_module

import pytest

from sevconf.monitors import MONITORS, Breach, charge
from sevconf.suite import load
from sevconf.suite.locate import suite_root
from sevconf.trace import Trace
from sevconf.vocabulary import EfiStatus, Party
from tests.monitors.story import DISK, DRIVER, IOMMU, LOADER, Story

EVERYBODY = frozenset(Party)


def _wild() -> Story:
    """Let one driver map, use and unmap its device's memory in every wrong way, and never halt it."""
    story = Story()
    story.run()
    story.dma(0x9_0000)
    story.map(host=0x1000)
    story.unmap()
    story.unmap(ends=False)
    with story.exit("exit"), story.handler():
        story.serve("AllocatePool")
    story.dma()
    return story


def test_the_first_breach_on_a_device_is_charged() -> None:
    """Of what goes wrong on one device only the first is charged; the later ones are listed as its consequences."""
    story = _wild()
    breaches = charge(story.trace, EVERYBODY)
    on_disk = [breach for breach in breaches if breach.subject == DISK]
    assert [breach.rule for breach in on_disk] == ["DRV-05"]
    (again,) = (step for step in on_disk[0].consequences if step < story.step)
    assert "M1" in str(story.trace.at(again))
    assert on_disk[0].consequences == (again, story.step)


def test_breaches_without_a_device_are_charged_each() -> None:
    """What is about no device has no consequences, and none of it is a device's consequence."""
    story = Story()
    story.map()
    with story.exit("exit"), story.handler():
        story.serve("AllocatePool")
        story.serve("FreePool")
    assert [breach.rule for breach in charge(story.trace, EVERYBODY)] == ["DRV-03", "MEM-01", "MEM-01"]
    assert all(breach.consequences == () for breach in charge(story.trace, EVERYBODY))


def test_charges_come_in_the_order_of_the_trace() -> None:
    """Breaches are in the order of their decisive steps, whichever monitor found them."""
    steps = [breach.steps[-1] for breach in charge(_wild().trace, EVERYBODY)]
    assert steps == sorted(steps)
    assert len(steps) == 3


def test_each_device_has_its_own_first_breach() -> None:
    """What goes wrong on one device is no consequence of what went wrong on another."""
    story = Story()
    for driver, device in ((DRIVER, DISK), ("driver:nic", "device:nic")):
        with story.acting(driver):
            story.drive(device)
        story.dma(device=device)
        story.dma(device=device)
    charged = charge(story.trace, EVERYBODY)
    assert [(b.culprit, b.subject, b.steps[-1], b.consequences) for b in charged] == [
        (DRIVER, DISK, 2, (3,)),
        ("driver:nic", "device:nic", 5, (6,)),
    ]


def test_another_partys_breach_is_a_consequence_too() -> None:
    """If a teardown came too early, what its device then does wrong is the teardown's consequence."""
    story = Story()
    story.map()
    story.run()
    with story.exit("iommu", "exit"):
        with story.handler("iommu", IOMMU):
            story.tear_down()
        with story.handler("exit"):
            pass
    dma = story.dma()
    early = next(b for b in charge(story.trace, EVERYBODY) if b.subject == DISK)
    assert (early.rule, early.culprit, early.consequences) == ("EBS-06", IOMMU, (dma,))
    charged = charge(story.trace, frozenset({Party.DRIVER}))
    assert [(b.rule, b.culprit) for b in charged if b.subject] == [("DRV-01", DRIVER)]


@pytest.mark.parametrize("party", [Party.CORE, Party.OS_LOADER, Party.IOMMU_DRIVER, Party.MEMORY])
def test_parties_that_are_not_provided_are_not_judged(party: Party) -> None:
    """A target that does not provide drivers is charged with nothing that a driver does."""
    assert charge(_wild().trace, frozenset({party})) == ()


def test_the_scenario_is_never_charged() -> None:
    """The same acts, done by the scenario, are charged to nobody."""
    story = Story()
    with story.acting("scenario"):
        story.run()
        story.map()
        story.unmap()
        story.unmap(ends=False)
        story.serve("PciIo.FreeBuffer", EfiStatus.SUCCESS, host=0x1000, pages=1)
        story.serve("ExitBootServices", map_key=1)
        with story.exit("exit"), story.handler("exit", "scenario"):
            story.serve("AllocatePool")
    story.dma(by="scenario")
    story.dma()
    assert charge(story.trace, EVERYBODY) == ()


class BlamesTheCore:
    """A monitor on drivers that finds a fault with the core."""

    rule, party = "DRV-01", Party.DRIVER

    def breaches(self, trace: Trace) -> tuple[Breach, ...]:
        """Find one."""
        return (Breach(self.rule, "it rests", "it ran", "core", (len(trace),)),)


def test_blame_that_falls_on_another_party_counts_only_if_that_is_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a monitor says, nobody is charged whom the target does not provide."""
    monkeypatch.setattr(import_module("sevconf.monitors.charge"), "MONITORS", (BlamesTheCore(),))
    story = Story()
    story.dma()
    assert charge(story.trace, frozenset({Party.DRIVER})) == ()
    assert [breach.culprit for breach in charge(story.trace, frozenset({Party.DRIVER, Party.CORE}))] == ["core"]


def test_a_loader_is_charged_for_its_level() -> None:
    """A monitor that judges another party than drivers is heard when that party is provided."""
    story = Story()
    with story.handler("x", LOADER, group=None):
        story.serve("ExitBootServices", map_key=1)
    assert [b.rule for b in charge(story.trace, frozenset({Party.OS_LOADER}))] == ["EBS-04"]


def test_every_monitor_stands_for_a_rule_of_its_party() -> None:
    """Each monitor names a rule of the suite which judges the same party; no two name one; they are sorted."""
    rules = load(suite_root()).rules
    ids = [monitor.rule for monitor in MONITORS]
    assert ids == sorted(set(ids))
    assert {monitor.rule: monitor.party for monitor in MONITORS} == {rule: rules[rule].party for rule in ids}


def test_an_empty_trace_breaks_nothing() -> None:
    """Where nothing happened no monitor finds anything."""
    assert charge(Story().trace, EVERYBODY) == ()
