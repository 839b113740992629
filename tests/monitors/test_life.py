"""What of a dump is a leak: bytes whose life has ended, and never what goes through a live mapping."""

import pytest

from sevconf.judge import Setting
from sevconf.monitors import leaks_after_life, life
from sevconf.run import Order, run
from sevconf.subjects.reference import ReferenceTarget
from sevconf.suite import load
from sevconf.suite.locate import suite_root
from sevconf.trace import Dumped, ExitPhase, Finding, MappingEnded, MappingMade, Phase, Trace
from sevconf.verdict import Verdict
from sevconf.vocabulary import DmaOperation, Gpa, Profile, Tpl

CATALOGUE = load(suite_root())


def _mapped() -> Trace:
    trace = Trace()
    trace.record(
        MappingMade,
        "iommu-driver:sev",
        None,
        Tpl.APPLICATION,
        mapping="M1",
        owner="scenario",
        bus_master="device:probe",
        operation=DmaOperation.READ,
        host=Gpa(0x8000),
        device=0x4000,
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
