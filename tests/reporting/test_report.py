"""Building a report from the catalogue and the rows' records."""

from dataclasses import replace
from pathlib import Path

import pytest

from sevconf.contract import Identity
from sevconf.reporting.record import RowRecord
from sevconf.reporting.report import Report, Scope, build
from sevconf.suite import Catalogue, load
from sevconf.verdict import Verdict
from sevconf.vocabulary import Profile, Revision
from tests.miniature import plant, rule
from tests.reporting.sample import BREACH, everything
from tests.reporting.sample import report as of_rules
from tests.reporting.sample import rule as rule_report


@pytest.fixture
def catalogue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Catalogue:
    """Return a suite of three rules: one that counts, one advisory, one younger than the target."""
    texts = (
        rule(number=2, tags="@driver @uefi @T41 @T42 @on-none"),
        rule(number=1, tags="@driver @advisory @T42 @T43 @on-none"),
        rule(number=3, tags="@driver @uefi @since-2.10 @T41 @on-none"),
    )
    return load(plant(tmp_path, monkeypatch, *texts))


def _build(catalogue: Catalogue, *rules: str, **verdicts: Verdict) -> Report:
    records = [
        RowRecord(row.id, verdicts.get(row.rule.replace("-", "_"), Verdict.PASSED)) for row in catalogue.rows.values()
    ]
    chosen = frozenset(rules or catalogue.rules)
    scope = Scope(catalogue, Identity("fake", "fake", ""), Revision.UEFI_2_7, Profile.OVMF_SEV, 0, chosen)
    return build(scope, records)


def test_rules_are_in_order_and_say_why_they_stand_apart(catalogue: Catalogue) -> None:
    """Rules come sorted by id, and those that do not count say why."""
    report = _build(catalogue)
    assert [(rule.id, rule.apart) for rule in report.rules] == [
        ("EVT-01", "advisory"),
        ("EVT-02", ""),
        ("EVT-03", "not required by revision 2.7"),
    ]


def test_claims_are_all_there(catalogue: Catalogue) -> None:
    """Every claim is in the report, with the rules that serve it, counted or not."""
    claims = {claim.id: claim for claim in _build(catalogue).claims}
    assert len(claims) == 90
    assert (claims["T41"].rules, claims["T41"].verdict) == (("EVT-02", "EVT-03"), Verdict.PASSED)
    assert (claims["T41"].passed, claims["T41"].rows) == (1, 1)
    assert claims["T43"].verdict is Verdict.NOT_COUNTED
    assert claims["T01"].verdict is Verdict.NOT_IMPLEMENTED
    assert claims["T17"].verdict is Verdict.NOT_TESTABLE
    assert claims["T17"].reason
    assert not claims["T01"].reason


def test_what_stands_apart_never_counts(catalogue: Catalogue) -> None:
    """A rule that stands apart keeps its verdict, and changes neither claims nor totals nor exit code."""
    report = _build(catalogue, EVT_01=Verdict.NONCONFORMING, EVT_03=Verdict.TARGET_FAILED)
    assert report.rules[0].verdict is Verdict.NONCONFORMING
    assert next(claim for claim in report.claims if claim.id == "T41").verdict is Verdict.PASSED
    assert report.totals()["scenarios"][Verdict.NOT_COUNTED] == 2
    assert report.totals()["rules"][Verdict.NONCONFORMING] == 0
    assert report.exit_code() == 0


def test_a_selection_is_told(catalogue: Catalogue) -> None:
    """With rules selected, only they and their claims are in the report, and the report says so."""
    report = _build(catalogue, "EVT-02")
    assert report.selection == ("EVT-02",)
    assert [claim.id for claim in report.claims] == ["T41", "T42"]
    assert _build(catalogue).selection == ()


def test_breaches_go_to_their_rule(catalogue: Catalogue) -> None:
    """A breach seen in one rule's row is charged to another, changes its verdict and the exit code, and no total."""
    records = [RowRecord(row.id, Verdict.PASSED) for row in catalogue.rows.values()]
    records[0] = replace(records[0], breaches=(replace(BREACH, rule="EVT-02", row=records[0].id),))
    scope = Scope(
        catalogue,
        Identity("fake", "fake", ""),
        Revision.UEFI_2_7,
        Profile.OVMF_SEV,
        0,
        frozenset(catalogue.rules),
    )
    report = build(scope, records)
    assert [rule.verdict for rule in report.rules] == [Verdict.PASSED, Verdict.NONCONFORMING, Verdict.PASSED]
    assert report.totals()["scenarios"][Verdict.PASSED] == 1
    assert report.exit_code() == 1


def test_a_breach_of_a_rule_apart_does_not_count() -> None:
    """A breach of a rule that stands apart is told and changes no exit code."""
    apart = rule_report("DRV-01", Verdict.NONCONFORMING, apart="advisory", rows=(), breaches=(BREACH,))
    assert of_rules(rule_report(), apart).exit_code() == 0
    assert of_rules(rule_report(), replace(apart, apart="")).exit_code() == 1


def test_totals_add_up() -> None:
    """Each of the three totals names every kind and sums up to the rows, rules and claims there are."""
    report = everything()
    totals = report.totals()
    assert [len(table) for table in totals.values()] == [len(Verdict)] * 3
    assert [sum(table.values()) for table in totals.values()] == [len(report.rows), len(report.rules), 3]
