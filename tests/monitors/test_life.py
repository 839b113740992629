"""What of a dump is a leak: bytes whose life has ended, and never what goes through a live mapping."""

import pytest

from sevconf.judge import Setting
from sevconf.monitors import leaks_after_life, leaks_at_any_step, life
from sevconf.run import Order, run
from sevconf.subjects.reference import ReferenceTarget
from sevconf.suite import load
from sevconf.suite.locate import suite_root
from sevconf.trace import (
    Dumped,
    ExitPhase,
    Exposed,
    Finding,
    HostAct,
    MappingEnded,
    MappingMade,
    Phase,
    ServiceCall,
    Trace,
)
from sevconf.verdict import Verdict
from sevconf.vocabulary import DmaOperation, Gpa, Profile, Tpl

CATALOGUE = load(suite_root())


def _mapped(trace: Trace | None = None, *, name: str = "M1", device: int = 0x4000, within: int | None = None) -> Trace:
    trace = Trace() if trace is None else trace
    trace.record(
        MappingMade,
        "iommu-driver:sev",
        within,
        Tpl.APPLICATION,
        mapping=name,
        owner="scenario",
        bus_master="device:probe",
        operation=DmaOperation.READ,
        host=Gpa(0x8000),
        device=device,
        length=512,
    )
    return trace


def _dump(trace: Trace, gpa: int) -> Dumped:
    finding = Finding("the secret", 0, Gpa(gpa), 32)
    return trace.record(Dumped, "host", None, Tpl.APPLICATION, attacker=True, pages=1, sha256="", findings=(finding,))


def test_live_bytes_are_no_leak() -> None:
    """What a dump finds where a device reaches it through a live mapping is not blamed."""
    trace = _mapped()
    assert not list(leaks_after_life(trace, _dump(trace, 0x4000)))


@pytest.mark.parametrize("gpa", [0x8000, 0x4000 - 16, 0x4000 + 500])
def test_bytes_elsewhere_are_leaks(gpa: int) -> None:
    """The client's own buffer, and what lies across an end of the mapping, are not excused by it."""
    trace = _mapped()
    assert len(list(leaks_after_life(trace, _dump(trace, gpa)))) == 1


def test_bytes_of_an_ended_mapping_are_leaks() -> None:
    """Life ends with the mapping."""
    trace = _mapped()
    trace.record(MappingEnded, "iommu-driver:sev", None, Tpl.APPLICATION, mapping="M1")
    assert len(list(leaks_after_life(trace, _dump(trace, 0x4000)))) == 1


def test_bytes_of_a_mapping_that_was_handed_over_are_leaks() -> None:
    """Life ends with ExitBootServices, though nobody ended the mapping."""
    trace = _mapped()
    trace.record(ExitPhase, "core", None, Tpl.APPLICATION, phase=Phase.SERVICES_GONE)
    assert len(list(leaks_after_life(trace, _dump(trace, 0x4000)))) == 1


def test_a_later_end_excuses_no_earlier_dump() -> None:
    """What ends after the dump was live at the dump."""
    trace = _mapped()
    dump = _dump(trace, 0x4000)
    trace.record(MappingEnded, "iommu-driver:sev", None, Tpl.APPLICATION, mapping="M1")
    assert not list(leaks_after_life(trace, dump))


def test_a_suite_that_blames_live_dma_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a spoiled judgement, by which nothing is ever live, the rule on live mappings fails the reference."""
    monkeypatch.setattr(life, "_is_live", lambda *_: False)
    setting = Setting(CATALOGUE, ReferenceTarget(), Profile.OVMF_SEV, 0, frozenset({"TM-03"}))
    report = run(setting, Order("reference"))
    assert {rule.verdict for rule in report.rules if rule.id == "TM-03"} == {Verdict.NONCONFORMING}


# Step by step


def _exposed(trace: Trace, *gpas: int) -> None:
    findings = tuple(Finding("the secret", 0, Gpa(gpa), 32) for gpa in gpas)
    trace.record(Exposed, "host", None, Tpl.APPLICATION, findings=findings)


def _step(trace: Trace) -> int:
    return trace.record(HostAct, "host", None, Tpl.APPLICATION, what="does something").step


def test_a_secret_in_a_live_mapping_is_no_leak_at_any_step() -> None:
    """Nor is it while Map, which opens its memory before it returns, is under way."""
    trace = Trace()
    call = trace.record(ServiceCall, "scenario", None, Tpl.APPLICATION, service="PciIo.Map")
    _exposed(trace, 0x4000)
    _mapped(trace, within=call.step)
    _step(trace)
    _exposed(trace)
    trace.record(MappingEnded, "iommu-driver:sev", None, Tpl.APPLICATION, mapping="M1")
    assert not list(leaks_at_any_step(trace))


def test_a_secret_that_is_wiped_again_was_a_leak() -> None:
    """It lay outside the mapping for two steps, and each of them is told."""
    trace = _mapped()
    _exposed(trace, 0x4000, 0x9000)
    seen = len(trace)
    _step(trace)
    _exposed(trace, 0x4000)
    _step(trace)
    assert [leak.steps[0] for leak in leaks_at_any_step(trace)] == [seen]


def test_a_secret_that_outlives_its_mapping_leaks_from_then_on() -> None:
    """Nothing changed in DRAM: it is the end of the mapping that makes a leak of it."""
    trace = _mapped()
    _exposed(trace, 0x4000)
    assert not list(leaks_at_any_step(trace))
    ended = trace.record(MappingEnded, "iommu-driver:sev", None, Tpl.APPLICATION, mapping="M1").step
    assert [leak.steps[0] for leak in leaks_at_any_step(trace)] == [ended]


def test_a_secret_across_two_live_mappings_is_no_leak() -> None:
    """Bytes that lie side by side are one finding, whichever mappings they are in."""
    trace = _mapped()
    _mapped(trace, name="M2", device=0x4200)
    _exposed(trace, 0x4200 - 16)
    assert not list(leaks_at_any_step(trace))
