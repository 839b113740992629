"""The catalogue of faults: every rule has a machine that it must fail, and every machine says what it breaks."""

import pytest

from sevconf.faults import CATALOGUE, Fault
from sevconf.suite import Rule, load
from sevconf.suite.locate import suite_root
from sevconf.vocabulary import Basis

RULES = load(suite_root()).rules
#: Rules on the suite itself, which no machine can break: tests/test_profiles.py refuses a suite that does.
ON_THE_SUITE = {"TM-05"}
#: Rules that look at every step: they see all leaks that others look for at a moment, so they don't count as one more.
AT_EVERY_STEP = {"DRV-60", "EBS-30"}
EVERY = pytest.mark.parametrize("fault", CATALOGUE.values(), ids=CATALOGUE)


@pytest.mark.parametrize(
    "rule",
    [r for r in RULES.values() if r.basis is not Basis.UNSPECIFIED and not r.limit and r.id not in ON_THE_SUITE],
    ids=lambda r: r.id,
)
def test_every_rule_has_its_faulty_machine(rule: Rule) -> None:
    """A rule exists when a machine with one bug must fail it; rules on limits have machines of their own instead."""
    assert any(rule.id in fault.catches for fault in CATALOGUE.values())


@EVERY
def test_a_fault_breaks_few_rules_and_says_why(fault: Fault) -> None:
    """A made-up fault breaks three rules at most, each of them known; collateral quotes its clause, real bugs' too."""
    collateral = dict(fault.collateral)
    broken = {*fault.catches, *collateral}
    assert fault.catches
    assert len(broken) == len(fault.catches) + len(fault.collateral)
    assert len(broken - AT_EVERY_STEP) <= 3 or fault.upstream
    assert broken <= RULES.keys()
    assert all(len(clause) > 20 for clause in collateral.values())


@EVERY
def test_a_fault_is_its_partys(fault: Fault) -> None:
    """The rules that a fault breaks judge the party whose bug it is."""
    broken = {*fault.catches, *dict(fault.collateral)}
    assert {RULES[rule].party for rule in broken} == {fault.party}


@EVERY
def test_a_bug_is_one_sentence(fault: Fault) -> None:
    """The bug is told in one line that ends in a full stop."""
    assert fault.bug.endswith(".")
    assert len(fault.bug) > 20
