"""What the suite catches: each one-bug machine breaks the rules that it names, and no others."""

import os

import pytest

from sevconf.faults import CATALOGUE, Fault
from sevconf.judge import Setting
from sevconf.reporting.report import Report
from sevconf.run import Order, run
from sevconf.subjects.registry import resolve
from sevconf.suite import load
from sevconf.suite.locate import suite_root
from sevconf.verdict import ExitCode, Verdict
from sevconf.vocabulary import Basis, Profile

SUITE = load(suite_root())
#: All faults if the environment says so, as CI's does; else a sample of every kind.
WHOLE = os.environ.get("SEVCONF_FAULTS") == "all"
FAULTS = {name: fault for place, (name, fault) in enumerate(CATALOGUE.items()) if WHOLE or place % 12 == 0}
#: Verdicts of rows that a fault may bring about, beside the nonconforming ones; inconclusive ones blame nobody.
_HARMLESS = {Verdict.PASSED, Verdict.INCONCLUSIVE, Verdict.UNSUPPORTED, Verdict.NOT_COUNTED}


def judged(fault: Fault) -> Report:
    """Run the rules of a fault's party on its machine; rules on other parties would not be judged."""
    rules = frozenset(rule.id for rule in SUITE.rules.values() if rule.party is fault.party)
    target = resolve(f"faulty:{fault.name}")
    return run(Setting(SUITE, target, Profile.THREAD_PROPOSAL, 0, rules), Order(f"faulty:{fault.name}"))


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_fault_is_caught_by_its_rules_alone(fault: Fault) -> None:
    """A machine with one bug fails the rules that must catch it and its declared collateral, and nothing else."""
    report = judged(fault)
    verdicts = {rule.id: {row.verdict for row in rule.rows} for rule in report.rules}
    assert not {rule: found for rule, found in verdicts.items() if found - _HARMLESS - {Verdict.NONCONFORMING}}
    breached = {rule.id for rule in report.rules if rule.breaches}
    blamed = {rule for rule, found in verdicts.items() if Verdict.NONCONFORMING in found or rule in breached}
    assert blamed == {*fault.catches, *dict(fault.collateral)}
    counted = any(SUITE.rules[rule].basis is not Basis.ADVISORY for rule in blamed)
    assert report.exit_code() == (ExitCode.NONCONFORMING if counted else ExitCode.CONFORMING)
