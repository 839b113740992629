"""What changed between two reports."""

from dataclasses import replace

import pytest

from sevconf.reporting.compare import compare
from sevconf.verdict import Verdict
from tests.reporting.sample import claim, everything, report, rule

PASSED = report(rule(), rule("EVT-02"), claims=(claim("T41", Verdict.PASSED, "EVT-01"),))
FAILED = report(rule(), rule("EVT-02", Verdict.NONCONFORMING), claims=(claim("T41", Verdict.NONCONFORMING, "EVT-01"),))


def test_nothing_changed() -> None:
    """A report beside itself has no changes."""
    difference = compare(everything(), everything())
    assert (difference.changes, difference.lost) == ((), ())
    assert difference.text() == "no verdict changed\n"


def test_what_was_lost_is_told() -> None:
    """Claims, rules and scenarios that passed and do so no longer are told."""
    difference = compare(PASSED, FAILED)
    assert [(change.what, change.id) for change in difference.lost] == [
        ("claim", "T41"),
        ("rule", "EVT-02"),
        ("scenario", "EVT-02.1{on=none}"),
    ]
    assert difference.text().endswith("3 that passed no longer do\n")


def test_what_was_won_is_no_loss() -> None:
    """A change for the better is told and is no loss."""
    difference = compare(FAILED, PASSED)
    assert len(difference.changes) == 3
    assert difference.text().endswith("nothing that passed was lost\n")


def test_what_is_in_one_report_only_is_told() -> None:
    """A rule that one report lacks is absent there, which is a change and no loss."""
    difference = compare(PASSED, replace(PASSED, rules=PASSED.rules[:1]))
    assert not difference.lost
    assert "absent" in difference.text()


@pytest.mark.parametrize(
    ("fields", "note"),
    [
        ({"rule_set_version": "0.2"}, "note: the rule-set versions differ (0.1 and 0.2)"),
        ({"suite_sha256": "00"}, "note: the text of the suite differs within one rule-set version"),
        ({"profile": "uefi"}, "note: the profiles differ: ovmf-sev before, uefi after"),
        ({"seed": 7}, "note: the seeds differ: 0 before, 7 after"),
        ({"selection": ("EVT-01",)}, "note: the selections differ: all before, EVT-01 after"),
    ],
)
def test_what_makes_reports_hard_to_compare_is_noted(fields: dict[str, object], note: str) -> None:
    """Another rule set, suite, profile, seed or selection is noted first."""
    assert compare(PASSED, replace(PASSED, **fields)).text().startswith(note)  # type: ignore[arg-type]
