"""What the suite catches: a sample of the one-bug machines breaks the rules that it names, and no others."""

import pytest

from sevconf.faults import CATALOGUE, Fault
from sevconf.judge import Setting
from sevconf.reporting.report import Report
from sevconf.run import Order, run
from sevconf.sensitivity.trial import answers, rules_for, tried
from sevconf.subjects.registry import resolve
from sevconf.suite import load
from sevconf.suite.locate import suite_root
from sevconf.verdict import ExitCode
from sevconf.vocabulary import Basis, Party, Profile

SUITE = load(suite_root())
#: Each has all rules on its party; `sevconf sensitivity` tries the others.
FAULTS = {name: fault for place, (name, fault) in enumerate(CATALOGUE.items()) if place % 12 == 0}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_fault_is_caught_by_its_rules_alone(fault: Fault) -> None:
    """A machine with one bug fails the rules that must catch it and its declared collateral, and nothing else."""
    found = tried(SUITE, fault.name, rules_for(SUITE, fault, SUITE.rules, near=False), {})
    assert set(found.caught) == set(fault.catches)
    assert set(found.collateral) == dict(fault.collateral).keys()
    assert not found.wrong


def _report(name: str, rule: str) -> Report:
    setting = Setting(SUITE, resolve(name), Profile.THREAD_PROPOSAL, 0, frozenset({rule}))
    return run(setting, Order(name))


@pytest.mark.parametrize(("name", "rule"), [("does-not-halt", "DRV-01"), ("sends-later", "DRV-23")])
def test_what_counts_decides_the_exit_code(name: str, rule: str) -> None:
    """A machine that breaks a rule does not conform, unless the rule is advisory."""
    advisory = SUITE.rules[rule].basis is Basis.ADVISORY
    code = _report(f"faulty:{name}", rule).exit_code()
    assert code == (ExitCode.CONFORMING if advisory else ExitCode.NONCONFORMING)


def test_the_reference_gives_answers() -> None:
    """Every row of an unspecified rule on a core has an answer."""
    rules = {r.id for r in SUITE.rules.values() if r.basis is Basis.UNSPECIFIED and r.party is Party.CORE}
    assert {SUITE.rows[row].rule for row in answers(SUITE, "reference", [Party.CORE])} == rules
