"""Whoever calls a service at a wrong level, or on another processor, is charged; nobody else is."""

import pytest

from sevconf.model.recorder import Recorder
from sevconf.monitors.tpl_table import ApplicationProcessor, IllegalLevel, RaisesDownwards
from sevconf.trace import ProcedureBegan, Trace
from sevconf.vocabulary import Party, Tpl, restriction
from sevconf.vocabulary.tpl_table import PROTOCOL_SERVICES, PROTOCOLS, SERVICES

DRIVER = IllegalLevel("EVT-07", Party.DRIVER)
IOMMU = IllegalLevel("EVT-08", Party.IOMMU_DRIVER)
EVERY = sorted({*SERVICES, *PROTOCOL_SERVICES, *(f"{name}.Any" for name in PROTOCOLS), "PciIo.Map", "RaiseTPL"})


@pytest.fixture
def recorder() -> Recorder:
    """Return a recorder with an empty trace."""
    return Recorder(Trace())


def _call(recorder: Recorder, actor: str, service: str, tpl: Tpl) -> None:
    recorder.tpl = tpl
    with recorder.acting(actor), recorder.service(service, "core"):
        pass


def _nested(recorder: Recorder) -> None:
    with (
        recorder.acting("driver:disk"),
        recorder.service("PciIo.Map", "iommu-driver:sev"),
        recorder.service("AllocatePages", "core"),
    ):
        pass


@pytest.mark.parametrize("tpl", Tpl)
@pytest.mark.parametrize("service", EVERY)
def test_every_service_at_every_level(recorder: Recorder, service: str, tpl: Tpl) -> None:
    """A call is a breach exactly where the table forbids it; ExitBootServices has a rule of its own."""
    _call(recorder, "driver:disk", service, tpl)
    found = restriction(service)
    wrong = found is not None and not found.allows(tpl) and service != "ExitBootServices"
    breaches = DRIVER.breaches(recorder.trace)
    assert [breach.steps for breach in breaches] == [(1,)] * wrong
    assert all(str(tpl) in breach.observed and str(found) in breach.expected for breach in breaches)


@pytest.mark.parametrize("actor", ["scenario", "iommu-driver:sev", "os-loader:reference", "core"])
def test_others_are_charged_elsewhere_or_never(recorder: Recorder, actor: str) -> None:
    """The rule on drivers looks at drivers only."""
    _call(recorder, actor, "AllocatePool", Tpl.HIGH_LEVEL)
    assert DRIVER.breaches(recorder.trace) == ()


def test_what_follows_from_an_illegal_call(recorder: Recorder) -> None:
    """Inside a call that was illegal already, the one behind it is not charged for the level that it was given."""
    recorder.tpl = Tpl.HIGH_LEVEL
    _nested(recorder)
    assert [breach.culprit for breach in DRIVER.breaches(recorder.trace)] == ["driver:disk"]
    assert IOMMU.breaches(recorder.trace) == ()


def test_who_raised_the_level_inside_a_legal_call(recorder: Recorder) -> None:
    """Whoever raises the level inside a legal call, and calls on, is charged."""
    with recorder.acting("driver:disk"), recorder.service("PciIo.Map", "iommu-driver:sev"):
        recorder.tpl = Tpl.HIGH_LEVEL
        with recorder.service("AllocatePages", "core"):
            pass
    assert DRIVER.breaches(recorder.trace) == ()
    assert [breach.steps for breach in IOMMU.breaches(recorder.trace)] == [(1, 2)]


def test_application_processors(recorder: Recorder) -> None:
    """A driver's call counts where a procedure on another processor makes it, and only there."""
    for actor in ("driver:disk", "scenario"):
        with recorder.acting(actor), recorder.service("MpServices.StartupThisAP", actor):
            began = recorder.record(ProcedureBegan, processor=1)
            with (
                recorder.inside(began.step),
                recorder.service("PciIo.Map", actor),
                recorder.service("AllocatePages", "core"),
            ):
                pass
            with recorder.service("Stall", "core"):
                pass
    assert [breach.steps for breach in ApplicationProcessor("EVT-10", Party.DRIVER).breaches(recorder.trace)] == [
        (2, 3)
    ]


@pytest.mark.parametrize("present", Tpl)
@pytest.mark.parametrize("asked", Tpl)
def test_raise_tpl_goes_up_or_stays(recorder: Recorder, present: Tpl, asked: Tpl) -> None:
    """A party is charged exactly where it asks for less than it has, and for nobody else's call."""
    recorder.tpl = present
    for actor in ("driver:disk", "iommu-driver:sev"):
        with recorder.acting(actor), recorder.service("RaiseTPL", "core", new_tpl=int(asked)):
            pass
    breaches = RaisesDownwards("EVT-20", Party.DRIVER).breaches(recorder.trace)
    assert [(breach.culprit, breach.steps) for breach in breaches] == [("driver:disk", (1,))] * (asked < present)
