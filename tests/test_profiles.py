"""The same machines pass under every profile: what is asked beyond UEFI can be met together with UEFI."""

import pytest

from sevconf.judge import Setting
from sevconf.reporting.report import Report
from sevconf.run import Order, run
from sevconf.subjects.registry import resolve
from sevconf.suite import load
from sevconf.suite.locate import suite_root
from sevconf.verdict import Verdict
from sevconf.vocabulary import Basis, Profile

CATALOGUE = load(suite_root())


@pytest.fixture(scope="module")
def reports() -> dict[Profile, Report]:
    """Return a report on the reference under each profile, over all rules."""
    target = resolve("reference")
    rules = frozenset(CATALOGUE.rules)
    return {profile: run(Setting(CATALOGUE, target, profile, 0, rules), Order("reference")) for profile in Profile}


@pytest.mark.parametrize("profile", Profile)
def test_the_reference_passes_under(reports: dict[Profile, Report], profile: Profile) -> None:
    """No rule that a profile counts fails the reference, and no monitor blames it."""
    counted = [rule for rule in reports[profile].rules if not rule.apart]
    assert {rule.verdict for rule in counted} == {Verdict.PASSED}
    assert not [breach for rule in reports[profile].rules for breach in rule.breaches]


def test_a_profile_changes_no_row(reports: dict[Profile, Report]) -> None:
    """Every row has the same verdict under all profiles: they decide what counts, not what holds."""
    rows = [{row.id: row.verdict for rule in report.rules for row in rule.rows} for report in reports.values()]
    assert rows[0] == rows[1] == rows[2]


def test_profiles_are_nested() -> None:
    """What counts under UEFI counts under all, so no rule can be bought by breaking another profile's."""
    uefi, ovmf, proposal = (
        {basis for basis in Basis if profile.counts(basis)}
        for profile in (Profile.UEFI, Profile.OVMF_SEV, Profile.THREAD_PROPOSAL)
    )
    assert uefi < ovmf < proposal
